//! One run: publishers and subscribers at work while things fail.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use restante_model::QoS;
use restante_testkit::{Broker, Proxy};

use crate::chance::Chance;
use crate::faults::{House, Kind};
use crate::ledger::{Outcome, Promised};
use crate::message::{Numbered, TOPICS};
use crate::publisher::Publisher;
use crate::roles::{self, MANY, ONE};
use crate::server::Server;
use crate::subscriber::Subscriber;

/// How long a publisher looks for answers between two bursts: what they send is to be read by nine, on a small machine.
pub(crate) const PACE: Duration = Duration::from_millis(40);

/// Messages that are acknowledged in the mean between two faults at least.
const LOAD: u64 = 60;
/// A fault that does not wait for them comes once in so many.
const HURRIED_ONCE_IN: u64 = 3;
/// Between one fault, or the load, and the next.
const WELL: Duration = Duration::from_millis(900);
/// How long each round may take at most, and the end.
const ROUND_LIMIT: Duration = Duration::from_secs(30);
const END_LIMIT: Duration = Duration::from_secs(240);
/// How long the database may take to be empty once everything is acknowledged.
const DRAINED_LIMIT: Duration = Duration::from_secs(60);
/// Before another try.
const RETRY: Duration = Duration::from_millis(5);

/// What publishers and subscribers see of the run.
pub(crate) struct Field {
    address: Mutex<SocketAddr>,
    over: AtomicBool,
    /// Messages acknowledged.
    acknowledged: AtomicU64,
    /// What is missing will not come.
    given_up: AtomicBool,
    deadline: Instant,
    promises: OnceLock<Promises>,
    /// What some consumer of a shared backlog has seen.
    shared: Mutex<BTreeSet<Numbered>>,
}

/// What was promised, once all publishers have ended.
pub(crate) struct Promises {
    /// Acknowledged numbers by publisher.
    pub(crate) numbers: Vec<BTreeSet<u64>>,
    /// When the last publisher had ended.
    pub(crate) since: Instant,
}

impl Field {
    fn new(address: SocketAddr, deadline: Instant) -> Field {
        Field {
            address: Mutex::new(address),
            over: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
            given_up: AtomicBool::new(false),
            deadline,
            promises: OnceLock::new(),
            shared: Mutex::new(BTreeSet::new()),
        }
    }

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

    /// A consumer of a shared backlog has seen this one.
    pub(crate) fn shared_took(&self, numbered: Numbered) {
        self.shared
            .lock()
            .expect("nobody panics with it")
            .insert(numbered);
    }

    /// Whether consumers of the shared backlog have seen everything together.
    pub(crate) fn shared_has_all(&self) -> bool {
        self.missing_from_shared().is_empty()
    }

    fn missing_from_shared(&self) -> Vec<Numbered> {
        let Some(promises) = self.promises() else {
            return Vec::new();
        };
        let seen = self.shared.lock().expect("nobody panics with it");
        let promised = MANY.flat_map(|publisher| {
            let numbers = promises.numbers[publisher].iter();
            numbers.map(move |&number| Numbered { publisher, number })
        });
        promised.filter(|numbered| !seen.contains(numbered)).collect()
    }

    pub(crate) fn pause(&self) {
        thread::sleep(RETRY);
    }
}

/// Publishes at QoS 1 and 2 in turn.
fn qos_of(publisher: usize) -> QoS {
    match publisher.is_multiple_of(2) {
        true => QoS::AtLeastOnce,
        false => QoS::ExactlyOnce,
    }
}

/// Lets things fail so many times, under load, and judges what arrived.
pub(crate) fn run(server: Server, kind: Kind, rounds: u64, mut chance: Chance) -> Outcome {
    let proxy = Proxy::start(server.address());
    let broker = Broker::builder()
        .executable(Path::new(env!("CARGO_BIN_EXE_restante")))
        .session("max_mqueue_len", "100000000")
        .session("max_mqueue_bytes", "\"64GiB\"")
        .sections(&server.sections(proxy.address()))
        .start();
    let limit = ROUND_LIMIT * u32::try_from(rounds).expect("a bounded number of rounds") + END_LIMIT;
    let field = Field::new(broker.address(), Instant::now() + limit);
    let mut house = House {
        broker,
        server,
        proxy,
    };
    let subscribers: Vec<Subscriber<'_>> = roles::all()
        .into_iter()
        .map(|role| Subscriber::new(&field, role, chance.split()))
        .collect();
    let mut outcome = thread::scope(|scope| {
        let publishers: Vec<_> = (0..TOPICS.len())
            .map(|index| {
                let publisher = Publisher::new(&field, index, qos_of(index));
                scope.spawn(move || publisher.run())
            })
            .collect();
        let subscribers: Vec<_> = subscribers
            .into_iter()
            .map(|subscriber| scope.spawn(move || subscriber.run()))
            .collect();
        thread::sleep(WELL);
        let mut outcome = Outcome::default();
        for _ in 0..rounds {
            outcome.kills += 1;
            match house.fail(kind, &mut chance) {
                Ok(address) => *field.address.lock().expect("nobody panics with the address") = address,
                Err(sentence) => {
                    outcome.findings.push(sentence);
                    field.give_up();
                }
            }
            if field.time_is_up() {
                break;
            }
            if !chance.once_in(HURRIED_ONCE_IN) || outcome.kills == rounds {
                field.wait_for_load(LOAD * outcome.kills);
            }
            thread::sleep(chance.up_to(WELL));
        }
        field.over.store(true, Ordering::Release);
        let promised: Vec<(QoS, Promised)> = publishers
            .into_iter()
            .enumerate()
            .map(|(index, publisher)| (qos_of(index), publisher.join().expect("publishers do not panic")))
            .collect();
        let numbers = promised.iter().map(|(_, promised)| promised.acknowledged.clone());
        let promises = Promises {
            numbers: numbers.collect(),
            since: Instant::now(),
        };
        assert!(field.promises.set(promises).is_ok(), "set once");
        for (_, promised) in &promised {
            outcome.acknowledged += promised.acknowledged.len() as u64;
            outcome.findings.extend(promised.findings.iter().cloned());
        }
        let subscribers = subscribers.into_iter();
        let mut subscribers: Vec<Subscriber<'_>> = subscribers
            .map(|subscriber| subscriber.join().expect("subscribers do not panic"))
            .collect();
        if !field.time_is_up() {
            end(&mut house, &mut subscribers, &mut outcome);
        }
        for missing in field.missing_from_shared() {
            outcome.lose(format!(
                "no consumer has seen {missing:?}, which was acknowledged"
            ));
        }
        for subscriber in &subscribers {
            judge(subscriber, &promised, &mut outcome);
        }
        outcome
    });
    if !outcome.is_clean() {
        let output = house.broker.output();
        let from = output.len().saturating_sub(6_000);
        let tail = output.get(from..).unwrap_or(&output);
        outcome
            .findings
            .insert(0, format!("the broker wrote at last:\n{tail}"));
    }
    outcome
}

/// Everything has arrived: what was acknowledged in vain comes once more, then nothing is owed to anybody.
fn end(house: &mut House, subscribers: &mut [Subscriber<'_>], outcome: &mut Outcome) {
    for subscriber in subscribers.iter_mut() {
        subscriber.come_again(false);
    }
    let until = Instant::now() + DRAINED_LIMIT;
    for publisher in MANY.chain(ONE) {
        while house.server.waiting(TOPICS[publisher]) > 0 {
            if Instant::now() > until {
                let left = house.server.waiting(TOPICS[publisher]);
                let topic = TOPICS[publisher];
                outcome
                    .findings
                    .push(format!("{left} messages of {topic} are still in the database"));
                break;
            }
            thread::sleep(20 * RETRY);
        }
    }
    for subscriber in subscribers.iter_mut() {
        subscriber.come_again(true);
    }
    // A start says what it finds in the outbox.
    while {
        house.broker.restart_killed();
        house.broker.output().contains("code=outbox-found")
    } {
        if Instant::now() > until {
            outcome
                .findings
                .push("the outbox does not become empty".to_owned());
            break;
        }
        // What was sent again after the start is certain after a while.
        thread::sleep(500 * RETRY);
    }
}

/// What a subscriber has got is compared with what was promised to it.
fn judge(subscriber: &Subscriber<'_>, promised: &[(QoS, Promised)], outcome: &mut Outcome) {
    let role = &subscriber.role;
    let owed: Vec<(QoS, Promised)> = promised
        .iter()
        .enumerate()
        .map(|(publisher, (qos, promised))| {
            let is_owed = role.publishers.contains(&publisher) && !role.shares();
            let promised = Promised {
                sent: promised.sent,
                acknowledged: promised
                    .acknowledged
                    .iter()
                    .copied()
                    .filter(|_| is_owed)
                    .collect(),
                sent_again: promised.sent_again.clone(),
                findings: Vec::new(),
            };
            (*qos, promised)
        })
        .collect();
    outcome.judge(&owed, &subscriber.arrived, !role.shares());
}
