//! [`Outbound`] towards a naive subscriber.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use restante_codec::packet::AckKind;
use restante_model::{Binding, QoS, Seq};

use crate::{Answer, Outbound, ResendKind};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The broker sends what it may.
    Feed,
    /// The disk syncs.
    Commit,
    /// The client reads one packet.
    ClientReads,
    /// The client sends the acknowledgement at this place of those it owes.
    ClientAnswers(usize),
    /// As before, but it refuses if it still can.
    ClientRefuses(usize),
    /// The broker reads one packet.
    BrokerReads,
    /// The connection is lost; the client comes back with this receive maximum, and sends what it still owes from
    /// the last connection or does not.
    Drop { inflight: u16, remembers: bool },
    /// The broker dies and starts again; otherwise as above.
    Crash { inflight: u16 },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Packet {
    Publish { seq: u64, qos: QoS, id: u16, dup: bool },
    PubRel { id: u16 },
    Ack { kind: AckKind, id: u16, reason: u8 },
}

/// What is on disk once it is committed.
#[derive(Clone, Debug)]
enum Record {
    Reserved(u16),
    Bound(Binding),
    Released(u16),
    Done(u64),
    Unbound(u16),
    Detached(Vec<Binding>),
}

#[derive(Debug, Default)]
struct Disk {
    next: u16,
    bindings: Vec<Binding>,
    done: BTreeSet<u64>,
}

#[derive(Debug, Default)]
struct Client {
    /// QoS 2 packet ids received, with their message.
    receipts: BTreeMap<u16, u64>,
    owed: Vec<(AckKind, u16)>,
    delivered: BTreeMap<u64, u32>,
}

struct World {
    /// QoS of message `seq`, from 1.
    messages: Vec<QoS>,
    disk: Disk,
    pending: Vec<Record>,
    outbound: Outbound,
    inflight: usize,
    /// Messages that were begun or are over in this run of the broker.
    begun: BTreeSet<u64>,
    /// Packets that wait until so many records are durable; those behind wait too.
    held: VecDeque<(u64, Packet)>,
    logged: u64,
    durable: u64,
    to_client: VecDeque<Packet>,
    to_broker: VecDeque<Packet>,
    client: Client,
    /// PUBLISH of this connection without an end.
    open: BTreeSet<u16>,
    /// Which message each packet id was given to, ever.
    given: BTreeMap<u16, u64>,
    first_sent: Vec<u64>,
}

impl World {
    fn new(messages: Vec<QoS>, first_id: u16) -> World {
        let disk = Disk {
            next: first_id,
            ..Disk::default()
        };
        let mut world = World {
            messages,
            outbound: Outbound::new(1, 0, Vec::new()),
            disk,
            pending: Vec::new(),
            inflight: 0,
            begun: BTreeSet::new(),
            held: VecDeque::new(),
            logged: 0,
            durable: 0,
            to_client: VecDeque::new(),
            to_broker: VecDeque::new(),
            client: Client::default(),
            open: BTreeSet::new(),
            given: BTreeMap::new(),
            first_sent: Vec::new(),
        };
        world.connect(3, true);
        world
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Feed => self.feed(),
            Step::Commit => self.commit(),
            Step::ClientReads => self.client_reads(),
            Step::ClientAnswers(at) => self.client_answers(at, 0),
            Step::ClientRefuses(at) => self.client_answers(at, 0x80),
            Step::BrokerReads => self.broker_reads(),
            Step::Drop { inflight, remembers } => {
                let bindings = self.outbound.bindings();
                self.log(Record::Detached(bindings));
                self.log(Record::Reserved(self.outbound.next_packet_id()));
                self.held.clear();
                self.commit();
                self.connect(inflight, remembers);
            }
            Step::Crash { inflight } => {
                self.pending.clear();
                self.logged = self.durable;
                self.held.clear();
                self.connect(inflight, true);
            }
        }
        self.check();
    }

    /// A connection begins with what is on disk.
    fn connect(&mut self, inflight: u16, remembers: bool) {
        self.to_client.clear();
        self.to_broker.clear();
        self.open.clear();
        if !remembers {
            self.client.owed.clear();
        }
        self.inflight = usize::from(inflight);
        self.outbound = Outbound::new(inflight, self.disk.next, self.disk.bindings.clone());
        self.begun = self.disk.done.clone();
        self.begun
            .extend(self.disk.bindings.iter().map(|binding| binding.seq.0));
        if let Some(next) = self.outbound.reserve_ahead() {
            self.log(Record::Reserved(next));
        }
        self.commit();
    }

    fn feed(&mut self) {
        while let Some(resend) = self.outbound.resend() {
            let Binding {
                seq,
                packet_id: id,
                qos,
                ..
            } = resend.binding;
            let packet = match resend.kind {
                ResendKind::PubRel => Packet::PubRel { id },
                ResendKind::Publish => Packet::Publish {
                    seq: seq.0,
                    qos,
                    id,
                    dup: true,
                },
            };
            self.held.push_back((0, packet));
        }
        for (seq, qos) in (1..).zip(self.messages.clone()) {
            if self.begun.contains(&seq) {
                continue;
            }
            let Some(begun) = self.outbound.begin(Seq(seq), qos, false, false) else {
                break;
            };
            self.begun.insert(seq);
            if let Some(next) = begun.reserve {
                self.log(Record::Reserved(next));
            }
            let id = begun.packet_id;
            // No id is ever given to two messages: the runs are far too short to go round.
            assert_eq!(
                *self.given.entry(id).or_insert(seq),
                seq,
                "packet id {id} was used again"
            );
            if qos == QoS::ExactlyOnce {
                let binding = Binding {
                    seq: Seq(seq),
                    packet_id: id,
                    qos,
                    released: false,
                    retain: false,
                    aside: false,
                };
                self.log(Record::Bound(binding));
            }
            let packet = Packet::Publish {
                seq,
                qos,
                id,
                dup: false,
            };
            let needed = if qos == QoS::ExactlyOnce { self.logged } else { 0 };
            self.held.push_back((needed, packet));
        }
        self.flush();
    }

    fn commit(&mut self) {
        self.durable = self.logged;
        for record in self.pending.drain(..) {
            let disk = &mut self.disk;
            match record {
                Record::Reserved(next) => disk.next = next,
                Record::Bound(binding) => disk.bindings.push(binding),
                Record::Detached(bindings) => disk.bindings = bindings,
                Record::Released(id) => {
                    let bound = disk.bindings.iter_mut().find(|binding| binding.packet_id == id);
                    bound.into_iter().for_each(|binding| binding.released = true);
                }
                Record::Done(seq) => {
                    disk.done.insert(seq);
                }
                Record::Unbound(id) => disk.bindings.retain(|binding| binding.packet_id != id),
            }
        }
        self.flush();
    }

    fn log(&mut self, record: Record) {
        self.logged += 1;
        self.pending.push(record);
    }

    /// Sends what may leave, in order.
    fn flush(&mut self) {
        while let Some(&(needed, packet)) = self.held.front() {
            if needed > self.durable {
                return;
            }
            self.held.pop_front();
            if let Packet::Publish { id, .. } = packet
                && !self.outbound.is_publish_due(id)
            {
                continue;
            }
            if let Packet::Publish { seq, id, .. } = packet {
                if !self.first_sent.contains(&seq) {
                    self.first_sent.push(seq);
                }
                assert!(self.open.insert(id), "packet id {id} is in use");
                assert!(
                    self.open.len() <= self.inflight,
                    "more in flight than the client takes"
                );
            }
            self.to_client.push_back(packet);
        }
    }

    fn client_reads(&mut self) {
        let client = &mut self.client;
        match self.to_client.pop_front() {
            Some(Packet::Publish {
                seq,
                qos: QoS::ExactlyOnce,
                id,
                ..
            }) => {
                match client.receipts.get(&id) {
                    Some(&held) => assert_eq!(held, seq, "packet id {id} stands for two messages"),
                    None => {
                        client.receipts.insert(id, seq);
                        *client.delivered.entry(seq).or_default() += 1;
                    }
                }
                client.owed.push((AckKind::PubRec, id));
            }
            Some(Packet::Publish { seq, id, .. }) => {
                *client.delivered.entry(seq).or_default() += 1;
                client.owed.push((AckKind::PubAck, id));
            }
            Some(Packet::PubRel { id }) => {
                client.receipts.remove(&id);
                client.owed.push((AckKind::PubComp, id));
            }
            Some(Packet::Ack { .. }) | None => {}
        }
    }

    fn client_answers(&mut self, at: usize, reason: u8) {
        if self.client.owed.is_empty() {
            return;
        }
        let (kind, id) = self.client.owed.remove(at % self.client.owed.len());
        // A refused message was not taken; a client refuses when it first gets a message, so only while it owes no
        // other answer for it.
        let mut reason = reason;
        if reason != 0 && kind == AckKind::PubRec {
            let owes_more = self.client.owed.iter().any(|&(_, other)| other == id);
            match self.client.receipts.get(&id) {
                Some(seq) if !owes_more && self.client.delivered[seq] == 1 => {
                    *self.client.delivered.entry(*seq).or_default() -= 1;
                    self.client.receipts.remove(&id);
                }
                _ => reason = 0,
            }
        }
        if kind == AckKind::PubComp {
            reason = 0;
        }
        self.to_broker.push_back(Packet::Ack { kind, id, reason });
    }

    fn broker_reads(&mut self) {
        let Some(Packet::Ack { kind, id, reason }) = self.to_broker.pop_front() else {
            return;
        };
        match self.outbound.answer(kind, id, reason) {
            Answer::Done { seq, qos, stored, .. } => {
                assert_eq!(qos, self.messages[seq.0 as usize - 1]);
                self.open.remove(&id);
                self.log(Record::Done(seq.0));
                if stored {
                    self.log(Record::Unbound(id));
                }
            }
            Answer::Release { packet_id, first, .. } => {
                assert_eq!(packet_id, id);
                if first {
                    self.log(Record::Released(id));
                }
                self.held.push_back((self.logged, Packet::PubRel { id }));
                self.flush();
            }
            Answer::Unknown { pubrel: Some(_) } => {
                self.held.push_back((self.logged, Packet::PubRel { id }));
                self.flush();
            }
            Answer::Unknown { pubrel: None } => {}
            Answer::WrongKind(violation) => panic!("an honest client was refused: {violation}"),
        }
    }

    fn check(&self) {
        for (&seq, &times) in &self.client.delivered {
            let qos = self.messages[seq as usize - 1];
            assert!(
                qos == QoS::AtLeastOnce || times <= 1,
                "message {seq} came {times} times at QoS 2"
            );
        }
        let ids: BTreeSet<u16> = self
            .outbound
            .bindings()
            .iter()
            .map(|binding| binding.packet_id)
            .collect();
        assert_eq!(ids.len(), self.outbound.in_flight(), "a packet id stands twice");
        assert!(!ids.contains(&0));
    }

    /// Everything goes on without accidents until nothing is left to do.
    fn finish(&mut self) {
        for _ in 0..20 * (self.messages.len() + 10) {
            for step in [
                Step::Feed,
                Step::Commit,
                Step::ClientReads,
                Step::ClientAnswers(0),
                Step::BrokerReads,
            ] {
                self.step(step);
            }
        }
        self.commit();
        let all: BTreeSet<u64> = (1..).zip(&self.messages).map(|(seq, _)| seq).collect();
        assert_eq!(self.disk.done, all, "not every message came to an end");
        assert_eq!((self.outbound.in_flight(), self.disk.bindings.len()), (0, 0));
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let of_qos = self
                .first_sent
                .iter()
                .filter(|&&seq| self.messages[seq as usize - 1] == qos);
            assert!(
                of_qos.is_sorted(),
                "first sent out of order: {:?}",
                self.first_sent
            );
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Feed),
        3 => Just(Step::Commit),
        6 => Just(Step::ClientReads),
        5 => (0..4usize).prop_map(Step::ClientAnswers),
        1 => (0..4usize).prop_map(Step::ClientRefuses),
        5 => Just(Step::BrokerReads),
        1 => (1..6u16, any::<bool>()).prop_map(|(inflight, remembers)| Step::Drop { inflight, remembers }),
        1 => (1..6u16).prop_map(|inflight| Step::Crash { inflight }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// No message at QoS 2 comes twice, none is left, no window is exceeded, no packet id is given twice (K1, K2,
    /// K10), and what is sent for the first time is sent in order within its QoS `[MQTT-4.6.0-6]`.
    #[test]
    fn k01_k02_k10_every_message_comes_to_its_end(
        messages in prop::collection::vec(prop_oneof![Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)], 1..25),
        first_id in prop_oneof![Just(0u16), 65_500..=u16::MAX, 1..=u16::MAX],
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut world = World::new(messages, first_id);
        for step in steps {
            world.step(step);
        }
        world.finish();
    }
}
