//! One run: publishers, subscribers and guests at work while the broker is killed and started again.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
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

const PUBLISHERS: usize = 4;
const SUBSCRIBERS: usize = 6;

/// Between a start and the next kill.
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
    /// The broker could not be started again: nothing more will come.
    given_up: AtomicBool,
    deadline: Instant,
    /// Acknowledged numbers by publisher, once all publishers have ended.
    promises: OnceLock<Vec<BTreeSet<u64>>>,
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

    pub(crate) fn promises(&self) -> Option<&Vec<BTreeSet<u64>>> {
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
                field.given_up.store(true, Ordering::Release);
                break;
            }
            *field.address.lock().expect("nobody panics with the address") = broker.address();
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
        let promises = promised
            .iter()
            .map(|(_, promised)| promised.acknowledged.clone())
            .collect();
        field.promises.set(promises).expect("set once");
        for (_, promised) in &promised {
            outcome.acknowledged += promised.acknowledged.len() as u64;
            outcome.findings.extend(promised.findings.iter().cloned());
        }
        for subscriber in subscribers {
            let arrived = subscriber.join().expect("subscribers do not panic");
            outcome.judge(&promised, &arrived);
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
