//! One run: publishers, subscribers and guests at work while the broker is killed and started again.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use restante_model::QoS;
use restante_testkit::Broker;

use crate::chance::Chance;
use crate::guests::Guests;
use crate::ledger::{Outcome, Promised};
use crate::message::qos_of;
use crate::power::Power;
use crate::publisher::Publisher;
use crate::subscriber::Subscriber;

/// What every subscriber subscribes.
pub(crate) const FILTER: &str = "kill/+";

/// How long a publisher looks for answers between two bursts: this bounds its rate to some thousand messages a second.
pub(crate) const PACE: Duration = Duration::from_millis(3);

const PUBLISHERS: usize = 4;
const SUBSCRIBERS: usize = 6;

/// Messages that are acknowledged in the mean between two kills at least.
const LOAD: u64 = 150;
/// A kill that does not wait for them comes once in so many.
const HURRIED_ONCE_IN: u64 = 3;
/// Between a start, or the load, and the next kill.
const ALIVE: Duration = Duration::from_millis(700);
/// Between a kill and the next start.
const DEAD: Duration = Duration::from_millis(60);
/// How long each round may take at most, and the end.
const ROUND_LIMIT: Duration = Duration::from_secs(20);
const END_LIMIT: Duration = Duration::from_secs(120);
/// Before another try to connect.
const RETRY: Duration = Duration::from_millis(5);

/// How much is done.
pub(crate) struct Plan<'a> {
    kills: u64,
    /// What vanishes at each kill beside the process.
    power: Option<&'a Power>,
}

/// What publishers and subscribers see of the run.
pub(crate) struct Field {
    address: Mutex<SocketAddr>,
    over: AtomicBool,
    /// Messages acknowledged.
    acknowledged: AtomicU64,
    /// A session was lost, or the broker could not be started again: what is missing will not come.
    given_up: AtomicBool,
    deadline: Instant,
    promises: OnceLock<Promises>,
}

/// What was promised, once all publishers have ended.
pub(crate) struct Promises {
    /// Acknowledged numbers by publisher.
    pub(crate) numbers: Vec<BTreeSet<u64>>,
    /// When the last publisher had ended.
    pub(crate) since: Instant,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(kills: u64) -> Plan<'a> {
        Plan { kills, power: None }
    }

    /// The power fails with each kill.
    pub(crate) fn with_power(kills: u64, power: &'a Power) -> Plan<'a> {
        Plan {
            kills,
            power: Some(power),
        }
    }
}

impl Field {
    pub(crate) fn address(&self) -> SocketAddr {
        *self.address.lock().expect("nobody panics with the address")
    }

    /// Whether publishers are to end.
    pub(crate) fn publishing_is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub(crate) fn time_is_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire) || Instant::now() >= self.deadline
    }

    /// A publisher was promised one more.
    pub(crate) fn acknowledged(&self) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until so many were acknowledged.
    fn wait_for_load(&self, acknowledged: u64) {
        while self.acknowledged.load(Ordering::Relaxed) < acknowledged && !self.time_is_up() {
            self.pause();
        }
    }

    /// A run that has failed need not go on: all that waits ends.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
    }

    pub(crate) fn promises(&self) -> Option<&Promises> {
        self.promises.get()
    }

    pub(crate) fn pause(&self) {
        thread::sleep(RETRY);
    }
}

/// Kills and starts the broker as the plan says, under load, and judges what arrived.
pub(crate) fn run(mut broker: Broker, plan: Plan<'_>, mut chance: Chance) -> Outcome {
    let limit = ROUND_LIMIT * u32::try_from(plan.kills).expect("a bounded number of kills") + END_LIMIT;
    let field = Field {
        address: Mutex::new(broker.address()),
        over: AtomicBool::new(false),
        acknowledged: AtomicU64::new(0),
        given_up: AtomicBool::new(false),
        deadline: Instant::now() + limit,
        promises: OnceLock::new(),
    };
    let subscribers: Vec<Subscriber<'_>> = (0..SUBSCRIBERS)
        .map(|index| Subscriber::new(&field, index, qos_of(index), PUBLISHERS, chance.split()))
        .collect();
    let mut outcome = thread::scope(|scope| {
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|index| {
                let publisher = Publisher::new(&field, index, qos_of(index / 2));
                scope.spawn(move || publisher.run())
            })
            .collect();
        let subscribers: Vec<_> = subscribers
            .into_iter()
            .map(|subscriber| scope.spawn(move || subscriber.run()))
            .collect();
        let guests = scope.spawn(|| Guests::new(&field).run());
        thread::sleep(ALIVE);
        let mut outcome = Outcome::default();
        for _ in 0..plan.kills {
            broker.kill();
            outcome.kills += 1;
            match plan.power {
                Some(power) => power.fail(&mut chance),
                None => thread::sleep(chance.up_to(DEAD)),
            }
            if let Err(sentence) = broker.try_start() {
                outcome.findings.push(sentence);
                field.give_up();
            }
            if field.time_is_up() {
                break;
            }
            *field.address.lock().expect("nobody panics with the address") = broker.address();
            if !chance.once_in(HURRIED_ONCE_IN) || outcome.kills == plan.kills {
                field.wait_for_load(LOAD * outcome.kills);
            }
            thread::sleep(chance.up_to(ALIVE));
        }
        field.over.store(true, Ordering::Release);
        let promised: Vec<(QoS, Promised)> = publishers
            .into_iter()
            .enumerate()
            .map(|(index, publisher)| {
                (
                    qos_of(index / 2),
                    publisher.join().expect("publishers do not panic"),
                )
            })
            .collect();
        let numbers = promised.iter();
        let promises = Promises {
            numbers: numbers
                .map(|(_, promised)| promised.acknowledged.clone())
                .collect(),
            since: Instant::now(),
        };
        assert!(field.promises.set(promises).is_ok(), "set once");
        for (_, promised) in &promised {
            outcome.acknowledged += promised.acknowledged.len() as u64;
            outcome.findings.extend(promised.findings.iter().cloned());
        }
        for subscriber in subscribers {
            let arrived = subscriber.join().expect("subscribers do not panic");
            outcome.judge(&promised, &arrived, true);
        }
        let guests = guests.join().expect("guests do not panic");
        outcome.guests = guests.count();
        outcome.findings.extend(guests.findings);
        outcome
    });
    if !outcome.is_clean() {
        let output = broker.output();
        let from = output.len().saturating_sub(4_000);
        let tail = output.get(from..).unwrap_or(&output);
        outcome
            .findings
            .push(format!("the broker wrote at last:\n{tail}"));
    }
    outcome
}
