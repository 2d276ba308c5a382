//! Histories: batches of operations as brokers submit them, chosen by a seeded generator.
//!
//! A batch touches each session at most once, so that what it does can be judged from the state before it.

use std::collections::BTreeSet;

use bytes::Bytes;
use restante_model::{
    Binding, QoS, QueueId, RetainHandling, Seq, SessionId, SubscriptionOptions, UnixMillis, filter,
};

use crate::{
    change::OWN_VERSION,
    change_record::ChangeRecord,
    image::{SessionImage, Will},
};

use super::{
    operation::{Operation, Published},
    random::Random,
    state::State,
};

const FILTERS: &[&str] = &["a/+", "a/#", "b", "+/x", "#", "a/b", "c/+/d", "a/x"];
const TOPICS: &[&str] = &["a/b", "a/x", "b", "c/1/d", "x", "a", "c/2/d"];
const CLIENTS: &[&str] = &["device-1", "device-2", "ünï", "d"];

const KEYS: &[&str] = &[
    "mark",
    "position/k/device-1/a/b",
    "position/k/d/ü",
    "position/l/d",
    "topic/a",
];
const VALUES: &[&[u8]] = &[b"", b"1", b"", &[0, 0xff], &[7; 300], &[9; 2000]];

/// Sessions that live at once.
const SESSIONS_MAX: usize = 8;

/// Makes a history.
#[derive(Clone, Debug)]
pub struct History {
    random: Random,
    sessions: u64,
    queues: u64,
    messages: u64,
    now: u64,
    payloads: Payloads,
}

/// How long payloads are.
#[derive(Clone, Copy, Debug)]
pub struct Payloads {
    /// One in so many is long.
    pub long_one_in: u64,
    /// A long one has up to so many bytes.
    pub bytes_max: u64,
}

impl History {
    /// Of a seed.
    pub fn new(seed: u64, payloads: Payloads) -> History {
        History {
            random: Random::new(seed),
            sessions: 0,
            queues: 0,
            messages: 0,
            now: 1_792_000_000_000,
            payloads,
        }
    }

    /// The generator, for whoever else needs a choice.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// The next batch, which may follow this state.
    pub fn batch(&mut self, state: &State) -> Vec<Operation> {
        let mut batch = Draft {
            state,
            touched: BTreeSet::new(),
            left: Vec::new(),
            opened: Vec::new(),
            operations: Vec::new(),
        };
        for _ in 0..self.random.within(1..5) {
            self.now += self.random.within(0..2000);
            self.step(&mut batch);
            if self.random.one_in(4) {
                self.note(&mut batch);
            }
        }
        batch.operations
    }

    fn step(&mut self, batch: &mut Draft<'_>) {
        let Some(id) = batch.untouched(&mut self.random) else {
            return self.open_new(batch);
        };
        match self.random.within(0..40) {
            0..3 if batch.state.sessions.len() < SESSIONS_MAX => self.open_new(batch),
            0..16 => self.publish(batch),
            16 => batch.operations.push(Operation::Skip),
            17 => {
                let topic = self.topic();
                batch.change(ChangeRecord::RetainedCleared { topic });
            }
            kind => {
                batch.touched.insert(id);
                let image = &batch.state.sessions[&id];
                match kind {
                    18 | 19 => self.open_again(batch, id),
                    20 | 21 => self.detach(batch, image),
                    22 => batch.end(image),
                    23..26 => self.subscribe(batch, id),
                    26 => self.unsubscribe(batch, image),
                    27..32 => self.acknowledge(batch, image),
                    32 => self.bind(batch, image),
                    33 => match self.random.one_in(2) {
                        true => self.bind_aside(batch, image),
                        false => self.bind_new(batch, image),
                    },
                    34 | 35 => self.exchange(batch, image),
                    36 | 37 => self.receipt(batch, image),
                    38 => {
                        let next = self.random.within(1..65_536) as u16;
                        batch.change(ChangeRecord::PacketIdsReserved { session: id, next });
                    }
                    _ => batch.change(ChangeRecord::WillCleared { session: id }),
                }
            }
        }
    }

    /// Sets or removes a note, beside whatever else the batch does.
    fn note(&mut self, batch: &mut Draft<'_>) {
        let key = self.random.choose(KEYS).copied().unwrap_or_default();
        let value = self.random.choose(VALUES).copied().unwrap_or_default();
        batch.change(ChangeRecord::Noted { key, value });
    }

    fn open_new(&mut self, batch: &mut Draft<'_>) {
        self.sessions += 1;
        let session = SessionId(self.sessions);
        self.open(batch, session);
        for _ in 0..self.random.within(0..3) {
            self.subscribe(batch, session);
        }
    }

    fn open_again(&mut self, batch: &mut Draft<'_>, session: SessionId) {
        self.open(batch, session);
    }

    fn open(&mut self, batch: &mut Draft<'_>, session: SessionId) {
        let client_id = self.random.choose(CLIENTS).copied().unwrap_or_default();
        let will = self.random.one_in(3).then(|| self.will());
        let version = match self.random.one_in(6) {
            true => OWN_VERSION,
            false => self.random.within(3..6) as u8,
        };
        let expiry = self
            .random
            .choose(&[60, 3600, u32::MAX])
            .copied()
            .unwrap_or_default();
        let at = UnixMillis(self.now);
        batch.change(ChangeRecord::SessionOpened {
            session,
            client_id,
            version,
            expiry,
            will,
            at,
        });
    }

    fn will(&mut self) -> Will {
        Will {
            topic: self.topic().into(),
            payload: Bytes::from(self.payload()),
            qos: self.qos(),
            retain: self.random.one_in(2),
            delay: self.random.within(0..100) as u32,
            message_expiry: self.random.one_in(2).then_some(9),
            properties: Bytes::from_static(&[1, 0]),
        }
    }

    /// Publishes to the open queues whose filters match, those of this batch included.
    fn publish(&mut self, batch: &mut Draft<'_>) {
        for _ in 0..self.random.within(1..6) {
            let topic = self.topic();
            let open = batch.state.queues.iter().map(|(&queue, &filter)| (queue, filter));
            let open = open.chain(batch.opened.iter().copied());
            let matched = open
                .filter(|(_, filter)| filter::matches(filter, topic))
                .map(|(queue, _)| queue);
            let queues: Vec<QueueId> = matched.collect();
            let retain = self.random.one_in(6);
            let payload = if retain && self.random.one_in(4) {
                Vec::new()
            } else {
                self.payload()
            };
            let receipt = self
                .random
                .one_in(5)
                .then(|| batch.untouched(&mut self.random))
                .flatten();
            let packet_id = self.random.within(1..20) as u16;
            batch.operations.push(Operation::Publish(Published {
                queues,
                qos: self.qos(),
                retain,
                set_retained: retain,
                deadline: UnixMillis::NEVER,
                sender: CLIENTS[0],
                topic,
                properties: vec![9; self.random.within(0..3) as usize],
                payload,
                receipt: receipt.map(|session| (session, packet_id)),
            }));
        }
    }

    fn subscribe(&mut self, batch: &mut Draft<'_>, session: SessionId) {
        let filter = self.random.choose(FILTERS).copied().unwrap_or_default();
        let qos = self.random.choose(&[
            QoS::AtMostOnce,
            QoS::AtLeastOnce,
            QoS::AtLeastOnce,
            QoS::ExactlyOnce,
        ]);
        let options = SubscriptionOptions {
            qos: qos.copied().unwrap_or_default(),
            no_local: self.random.one_in(5),
            retain_as_published: self.random.one_in(5),
            retain_handling: RetainHandling::Always,
            identifier: self.random.one_in(3).then_some(5),
        };
        let image = batch.state.sessions.get(&session);
        let known = image.and_then(|image| {
            let mut subscriptions = image.subscriptions.iter();
            subscriptions
                .find(|subscription| &*subscription.filter == filter)?
                .queue
        });
        let mut queue = known.or_else(|| batch.open_queue(filter));
        if queue.is_none() && options.qos > QoS::AtMostOnce {
            self.queues += 1;
            queue = Some(QueueId(self.queues));
            batch.opened.push((QueueId(self.queues), filter));
            batch.change(ChangeRecord::QueueOpened {
                queue: QueueId(self.queues),
                filter,
            });
        }
        let queue = queue.filter(|_| options.qos > QoS::AtMostOnce || known.is_some());
        batch.change(ChangeRecord::Subscribed {
            session,
            filter,
            queue,
            options,
        });
    }

    fn unsubscribe(&mut self, batch: &mut Draft<'_>, image: &SessionImage) {
        let Some(subscription) = self.random.choose(&image.subscriptions) else {
            return;
        };
        let Some(&filter) = FILTERS.iter().find(|&&filter| filter == &*subscription.filter) else {
            return;
        };
        let session = image.session;
        batch.change(ChangeRecord::Unsubscribed { session, filter });
        batch.leave(session, subscription.queue);
    }

    /// Acknowledges some of what is owed: from the front, or out of order; the packet ids go with it.
    fn acknowledge(&mut self, batch: &mut Draft<'_>, image: &SessionImage) {
        let backlog = batch.state.backlog(image);
        let Some(last) = backlog.last() else { return };
        let mut cursor = image.cursor.clone();
        if self.random.one_in(6) {
            cursor.advance(last.seq);
        }
        for owed in backlog.iter().take(self.random.within(1..12) as usize) {
            if self.random.one_in(4) {
                continue;
            }
            cursor.acknowledge(owed.seq);
        }
        let first_left = backlog.iter().find(|owed| !cursor.contains(owed.seq));
        cursor.advance(first_left.map_or(last.seq, |owed| Seq(owed.seq.0 - 1)));
        let session = image.session;
        for binding in image
            .bindings
            .iter()
            .filter(|binding| cursor.contains(binding.seq))
        {
            let packet_id = binding.packet_id;
            batch.change(ChangeRecord::Unbound { session, packet_id });
        }
        batch.change(ChangeRecord::CursorMoved {
            session,
            low: cursor.low(),
            above: cursor.above().to_vec(),
        });
    }

    fn bind(&mut self, batch: &mut Draft<'_>, image: &SessionImage) {
        let session = image.session;
        for binding in self.bindings(batch.state, image, 2) {
            batch.change(ChangeRecord::Bound { session, binding });
        }
    }

    /// A packet id that is free.
    fn free_id(image: &SessionImage) -> u16 {
        let mut ids = 100..;
        let is_free = |id: &u16| image.bindings.iter().all(|binding| binding.packet_id != *id);
        ids.find(is_free).unwrap_or(u16::MAX)
    }

    /// A delivery of what another session is owed.
    fn bind_aside(&mut self, batch: &mut Draft<'_>, image: &SessionImage) {
        let others = batch.state.sessions.values();
        let others: Vec<_> = others.filter(|other| other.session != image.session).collect();
        let Some(other) = self.random.choose(&others) else {
            return;
        };
        // Whoever is owed it does nothing in this batch that lets it go.
        if !batch.touched.insert(other.session) {
            return;
        }
        let waits = batch.state.backlog(other);
        let Some(seq) = self.random.choose(&waits).map(|owed| owed.seq) else {
            return;
        };
        batch.change(ChangeRecord::Bound {
            session: image.session,
            binding: Binding {
                seq,
                packet_id: History::free_id(image),
                qos: QoS::ExactlyOnce,
                released: false,
                retain: self.random.one_in(4),
                aside: true,
            },
        });
    }

    /// A delivery of a message that only the binding holds, in the same batch.
    fn bind_new(&mut self, batch: &mut Draft<'_>, image: &SessionImage) {
        let message = batch.operations.len();
        batch.operations.push(Operation::Publish(Published {
            queues: Vec::new(),
            qos: QoS::ExactlyOnce,
            retain: false,
            set_retained: false,
            deadline: UnixMillis::NEVER,
            sender: CLIENTS[0],
            topic: self.topic(),
            properties: Vec::new(),
            payload: self.payload(),
            receipt: None,
        }));
        for _ in 0..self.random.within(0..3) {
            self.note(batch);
        }
        batch.change(ChangeRecord::BoundHere {
            session: image.session,
            back: (batch.operations.len() - message) as u32,
            packet_id: History::free_id(image),
            qos: QoS::ExactlyOnce,
            retain: self.random.one_in(4),
        });
    }

    /// Some of the next deliveries.
    fn bindings(&mut self, state: &State, image: &SessionImage, messages_max: usize) -> Vec<Binding> {
        let bound = |seq| image.bindings.iter().any(|binding| binding.seq == seq);
        let free = state.backlog(image).into_iter().filter(|owed| !bound(owed.seq));
        let ids = (1..).filter(|&id| image.bindings.iter().all(|binding| binding.packet_id != id));
        free.take(messages_max)
            .zip(ids)
            .map(|(owed, packet_id)| Binding {
                seq: owed.seq,
                packet_id,
                qos: self
                    .random
                    .choose(&[QoS::AtLeastOnce, QoS::ExactlyOnce])
                    .copied()
                    .unwrap_or_default(),
                released: false,
                retain: self.random.one_in(4),
                aside: self.random.one_in(6),
            })
            .collect()
    }

    fn detach(&mut self, batch: &mut Draft<'_>, image: &SessionImage) {
        let mut bindings = image.bindings.clone();
        bindings.extend(self.bindings(batch.state, image, 3));
        batch.change(ChangeRecord::SessionDetached {
            session: image.session,
            expiry: 1800,
            bindings,
            at: UnixMillis(self.now),
            will_void: self.random.one_in(2),
        });
    }

    /// A half-step of a QoS 2 delivery.
    fn exchange(&mut self, batch: &mut Draft<'_>, image: &SessionImage) {
        let Some(binding) = self.random.choose(&image.bindings) else {
            return;
        };
        let (session, packet_id) = (image.session, binding.packet_id);
        batch.change(if binding.released {
            ChangeRecord::Unbound { session, packet_id }
        } else {
            ChangeRecord::Released { session, packet_id }
        });
    }

    fn receipt(&mut self, batch: &mut Draft<'_>, image: &SessionImage) {
        let session = image.session;
        let packet_id = match self.random.choose(&image.receipts) {
            Some(&packet_id) if self.random.one_in(2) => packet_id,
            _ => self.random.within(1..20) as u16,
        };
        batch.change(if image.receipts.contains(&packet_id) {
            ChangeRecord::Completed { session, packet_id }
        } else {
            ChangeRecord::Received { session, packet_id }
        });
    }

    fn topic(&mut self) -> &'static str {
        self.random.choose(TOPICS).copied().unwrap_or_default()
    }

    fn qos(&mut self) -> QoS {
        self.random
            .choose(&[QoS::AtLeastOnce, QoS::ExactlyOnce])
            .copied()
            .unwrap_or_default()
    }

    /// A payload that no other message has.
    fn payload(&mut self) -> Vec<u8> {
        self.messages += 1;
        let mut payload = self.messages.to_be_bytes().to_vec();
        let padding_max = match self.random.one_in(self.payloads.long_one_in) {
            true => self.payloads.bytes_max,
            false => 32,
        };
        let padding = self.random.within(0..padding_max);
        payload.extend((0..padding).map(|at| at as u8));
        payload
    }
}

/// A batch under construction.
struct Draft<'a> {
    state: &'a State,
    touched: BTreeSet<SessionId>,
    /// Who leaves which queue in this batch.
    left: Vec<(SessionId, QueueId)>,
    /// Queues that begin in this batch.
    opened: Vec<(QueueId, &'static str)>,
    operations: Vec<Operation>,
}

impl Draft<'_> {
    fn change(&mut self, change: ChangeRecord<'static>) {
        self.operations.push(Operation::Change(change));
    }

    /// A session that this batch has not touched.
    fn untouched(&self, random: &mut Random) -> Option<SessionId> {
        let ids: Vec<SessionId> = self
            .state
            .sessions
            .keys()
            .filter(|id| !self.touched.contains(id))
            .copied()
            .collect();
        random.choose(&ids).copied()
    }

    /// The queue of a filter, unless this batch has closed it or may do so.
    fn open_queue(&self, filter: &str) -> Option<QueueId> {
        let open = self.state.queues.iter().map(|(&queue, &filter)| (queue, filter));
        let mut open = open.chain(self.opened.iter().copied());
        let left = |queue| self.left.iter().any(|&(_, left)| left == queue);
        open.find(|&(queue, of)| of == filter && !left(queue))
            .map(|(queue, _)| queue)
    }

    fn end(&mut self, image: &SessionImage) {
        let session = image.session;
        self.change(ChangeRecord::SessionEnded { session });
        for subscription in &image.subscriptions {
            self.leave(session, subscription.queue);
        }
    }

    /// Closes a queue when its last reader leaves.
    fn leave(&mut self, session: SessionId, queue: Option<QueueId>) {
        let Some(queue) = queue else { return };
        self.left.push((session, queue));
        let reads = |image: &SessionImage| {
            let mut subscriptions = image.subscriptions.iter();
            subscriptions.any(|subscription| subscription.queue == Some(queue))
                && !self.left.contains(&(image.session, queue))
        };
        let joined = self.operations.iter().any(|operation| {
            matches!(operation, Operation::Change(ChangeRecord::Subscribed { queue: Some(joined), session: by, .. })
                if *joined == queue && *by != session)
        });
        if !joined && !self.state.sessions.values().any(reads) {
            self.change(ChangeRecord::QueueClosed { queue });
        }
    }
}
