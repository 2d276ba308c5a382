//! [`Inbound`] from a naive publisher.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use restante_codec::packet::Version;
use restante_model::QoS;

use crate::{Inbound, Novelty, ReleaseOutcome, samples};

/// The receive maximum of the samples.
const RECEIVE_MAXIMUM: usize = 4;
/// Packet ids the client uses; few, so that they come again soon.
const IDS: u16 = 6;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The client publishes, if its quota and its ids allow.
    Publish(QoS),
    /// The broker reads one packet; a fresh message it must keep, or refuses.
    BrokerReads(Room),
    /// The disk syncs, and answers go out.
    Commit,
    /// The client reads one packet.
    ClientReads,
    /// The connection is lost; the client comes back.
    Drop,
    /// The broker dies and starts again; the client comes back.
    Crash,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Room {
    Some,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Up {
    Publish { message: u32, qos: QoS, id: u16 },
    PubRel { id: u16 },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Down {
    Ack { id: u16, refused: bool },
    Received { id: u16, refused: bool },
    Complete { id: u16 },
}

#[derive(Clone, Copy, Debug)]
enum Record {
    Message { message: u32, receipt: Option<u16> },
    Completed(u16),
}

/// Where an exchange of the client stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Exchange {
    Published { message: u32, qos: QoS },
    Releasing,
}

#[derive(Debug, Default)]
struct Client {
    /// By packet id, with a number that says in which order they began.
    exchanges: BTreeMap<u16, (u32, Exchange)>,
    published: u32,
    /// PUBLISH it may still send on this connection (MQTT 5.0 section 4.9).
    quota: usize,
    /// What it has still to send again on this connection.
    again: VecDeque<Up>,
    /// Messages that got PUBACK or PUBREC without refusal.
    acknowledged: BTreeSet<u32>,
}

struct World {
    version: Version,
    client: Client,
    up: VecDeque<Up>,
    down: VecDeque<Down>,
    inbound: Inbound,
    pending: Vec<Record>,
    /// Answers in order; they go out at the next commit.
    held: Vec<Down>,
    /// On disk: the messages in order, and the receipts.
    kept: Vec<u32>,
    receipts: BTreeSet<u16>,
    qos: Vec<QoS>,
    refused_any: bool,
}

impl World {
    fn new(version: Version) -> World {
        let mut world = World {
            version,
            client: Client::default(),
            up: VecDeque::new(),
            down: VecDeque::new(),
            inbound: Inbound::new(&samples::terms(version), &[]),
            pending: Vec::new(),
            held: Vec::new(),
            kept: Vec::new(),
            receipts: BTreeSet::new(),
            qos: Vec::new(),
            refused_any: false,
        };
        world.connect();
        world
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish(qos) => self.publish(qos),
            Step::BrokerReads(room) => self.broker_reads(room),
            Step::Commit => self.commit(),
            Step::ClientReads => {
                self.client_reads();
                self.send_again();
            }
            Step::Drop => {
                self.held.clear();
                self.commit();
                self.connect();
            }
            Step::Crash => {
                self.held.clear();
                self.pending.clear();
                self.connect();
            }
        }
    }

    /// The client sends again what has no end, in order `[MQTT-4.4.0-1]`.
    fn connect(&mut self) {
        self.up.clear();
        self.down.clear();
        let receipts: Vec<u16> = self.receipts.iter().copied().collect();
        self.inbound = Inbound::new(&samples::terms(self.version), &receipts);
        self.client.quota = RECEIVE_MAXIMUM;
        let mut exchanges: Vec<_> = self
            .client
            .exchanges
            .iter()
            .map(|(&id, &(began, what))| (began, id, what))
            .collect();
        exchanges.sort_unstable_by_key(|&(began, ..)| began);
        self.client.again = exchanges
            .into_iter()
            .map(|(_, id, exchange)| match exchange {
                Exchange::Published { message, qos } => Up::Publish { message, qos, id },
                Exchange::Releasing => Up::PubRel { id },
            })
            .collect();
        self.send_again();
    }

    fn send_again(&mut self) {
        while let Some(&packet) = self.client.again.front() {
            if matches!(packet, Up::Publish { .. }) {
                if self.client.quota == 0 {
                    return;
                }
                self.client.quota -= 1;
            }
            self.client.again.pop_front();
            self.up.push_back(packet);
        }
    }

    fn publish(&mut self, qos: QoS) {
        let free = (1..=IDS).find(|id| !self.client.exchanges.contains_key(id));
        let Some(id) = free.filter(|_| self.client.quota > 0 && self.client.again.is_empty()) else {
            return;
        };
        let message = self.client.published;
        self.client.published += 1;
        self.client.quota -= 1;
        self.client
            .exchanges
            .insert(id, (message, Exchange::Published { message, qos }));
        self.qos.push(qos);
        self.up.push_back(Up::Publish { message, qos, id });
    }

    fn broker_reads(&mut self, room: Room) {
        match self.up.pop_front() {
            Some(Up::Publish { message, qos, id }) => {
                let packet = samples::publish(qos, id, "site/1/door");
                let arrival = self
                    .inbound
                    .publish(&packet)
                    .expect("an honest client was refused");
                match (arrival.novelty, room) {
                    (Novelty::Fresh, Room::None) => self.refuse(qos, id),
                    (Novelty::Fresh, Room::Some) => self.keep(message, qos, id),
                    (Novelty::Duplicate, _) => self.held.push(Down::Received { id, refused: false }),
                }
            }
            Some(Up::PubRel { id }) => {
                match self.inbound.pubrel(id) {
                    ReleaseOutcome::Known => self.pending.push(Record::Completed(id)),
                    ReleaseOutcome::Unknown { reason } => {
                        assert_eq!(reason, if self.version == Version::V5 { 0x92 } else { 0 });
                    }
                }
                self.held.push(Down::Complete { id });
            }
            None => {}
        }
    }

    fn keep(&mut self, message: u32, qos: QoS, id: u16) {
        let receipt = (qos == QoS::ExactlyOnce).then_some(id);
        self.pending.push(Record::Message { message, receipt });
        self.held.push(match qos {
            QoS::ExactlyOnce => Down::Received { id, refused: false },
            _ => Down::Ack { id, refused: false },
        });
    }

    /// The store takes nothing now: 3.x clients would be cut off, so only QoS 2 refusals of 5.0 are of interest.
    fn refuse(&mut self, qos: QoS, id: u16) {
        self.refused_any = true;
        match qos {
            QoS::ExactlyOnce => {
                self.inbound.refused(id);
                self.held.push(Down::Received { id, refused: true });
            }
            _ => self.held.push(Down::Ack { id, refused: true }),
        }
    }

    fn commit(&mut self) {
        for record in self.pending.drain(..) {
            match record {
                Record::Message { message, receipt } => {
                    self.kept.push(message);
                    self.receipts.extend(receipt);
                }
                Record::Completed(id) => {
                    self.receipts.remove(&id);
                }
            }
        }
        for answer in self.held.drain(..) {
            if matches!(answer, Down::Ack { .. }) {
                self.inbound.acknowledged();
            }
            self.down.push_back(answer);
        }
    }

    fn client_reads(&mut self) {
        let Some(answer) = self.down.pop_front() else {
            return;
        };
        let client = &mut self.client;
        let (Down::Ack { id, .. } | Down::Received { id, .. } | Down::Complete { id }) = answer;
        let Some((began, exchange)) = client.exchanges.remove(&id) else {
            return;
        };
        match (answer, exchange) {
            (Down::Ack { refused, .. }, Exchange::Published { message, .. }) => {
                if !refused {
                    client.acknowledged.insert(message);
                }
                client.quota = RECEIVE_MAXIMUM.min(client.quota + 1);
            }
            (Down::Received { refused: true, .. }, Exchange::Published { .. }) => {
                client.quota = RECEIVE_MAXIMUM.min(client.quota + 1);
            }
            (Down::Received { .. }, Exchange::Published { message, .. }) => {
                client.acknowledged.insert(message);
                client.exchanges.insert(id, (began, Exchange::Releasing));
                self.up.push_back(Up::PubRel { id });
            }
            (Down::Complete { .. }, Exchange::Releasing) => {
                client.quota = RECEIVE_MAXIMUM.min(client.quota + 1);
            }
            // A repeated PUBREC.
            (_, other) => {
                client.exchanges.insert(id, (began, other));
            }
        }
    }

    fn finish(&mut self) {
        for _ in 0..60 {
            for step in [Step::BrokerReads(Room::Some), Step::Commit, Step::ClientReads] {
                self.step(step);
            }
        }
        assert!(
            self.client.exchanges.is_empty(),
            "not every exchange came to an end"
        );
        assert!(self.receipts.is_empty() && self.inbound.receipts() == 0);
        let times = |message: u32| self.kept.iter().filter(|&&kept| kept == message).count();
        for (message, &qos) in (0..).zip(&self.qos) {
            let acknowledged = self.client.acknowledged.contains(&message);
            match qos {
                QoS::ExactlyOnce => {
                    assert_eq!(times(message), usize::from(acknowledged), "message {message}")
                }
                _ => assert!(!acknowledged || times(message) > 0, "message {message}"),
            }
        }
        // In the order published [MQTT-4.6.0-6]; a message that was refused, and whose refusal was lost on the way,
        // comes again behind the others.
        let at_two = self
            .kept
            .iter()
            .filter(|&&kept| self.qos[kept as usize] == QoS::ExactlyOnce);
        assert!(self.refused_any || at_two.is_sorted(), "{:?}", self.kept);
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Publish(QoS::AtLeastOnce)),
        5 => Just(Step::Publish(QoS::ExactlyOnce)),
        8 => Just(Step::BrokerReads(Room::Some)),
        1 => Just(Step::BrokerReads(Room::None)),
        4 => Just(Step::Commit),
        8 => Just(Step::ClientReads),
        1 => Just(Step::Drop),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// A QoS 2 message is kept exactly once when it was acknowledged and not at all when it was refused, and a client
    /// that counts as the specification says is never told that it sends too much.
    #[test]
    fn k02_mqtt_4_3_3_qos_2_is_kept_exactly_once(
        version in prop_oneof![Just(Version::V311), Just(Version::V5)],
        steps in prop::collection::vec(step(), 0..250),
    ) {
        let mut world = World::new(version);
        for step in steps {
            world.step(step);
        }
        world.finish();
    }
}
