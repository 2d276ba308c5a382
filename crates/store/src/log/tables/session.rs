//! One persistent session, small: a million of them are in memory at once, nearly all of them absent, with one
//! subscription and nothing in flight. What is rare is behind a pointer.

use restante_model::{
    Binding, Cursor, Epoch, Epochs, QoS, QueueId, RetainHandling, Seq, SessionId, SubscriptionOptions,
    UnixMillis,
};

use crate::change::OWN_VERSION;
use crate::image::{SessionImage, SubscriptionImage, Will};

use super::{queue::Queue, table::Table};

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client_id: Box<str>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) low: Seq,
    pub(crate) since: UnixMillis,
    rare: Option<Box<Rare>>,
    pub(crate) expiry: u32,
    pub(crate) next_packet_id: u16,
    pub(crate) version: u8,
    pub(crate) connected: bool,
    /// Changed since the last checkpoint began.
    pub(crate) dirty: bool,
}

/// What most sessions do not have.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    pub(crate) above: Vec<(Seq, Seq)>,
    pub(crate) receipts: Vec<u16>,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) will: Option<Will>,
}

/// One subscription.
#[derive(Debug)]
pub(crate) struct Subscription {
    source: Source,
    epochs: Stretch,
}

/// What it reads, and its filter: the text stands in the queue, once.
#[derive(Debug)]
enum Source {
    Queue(QueueId),
    /// Without a queue (at QoS 0), or with a queue whose filter is another.
    Named(Box<(Option<QueueId>, Box<str>)>),
}

/// Its epochs: nearly always one.
#[derive(Debug)]
enum Stretch {
    One { from: Seq, identifier: u32, bits: u8 },
    Many(Box<Epochs>),
}

impl Session {
    /// A session that begins at `at`: nothing before is owed to it.
    pub(crate) fn new(client_id: &str, at: Seq) -> Session {
        Session {
            client_id: client_id.into(),
            subscriptions: Vec::new(),
            low: at,
            since: UnixMillis(0),
            rare: None,
            expiry: 0,
            next_packet_id: 0,
            version: 0,
            connected: true,
            dirty: false,
        }
    }

    pub(crate) fn cursor(&self) -> Cursor {
        let above = self
            .rare
            .as_ref()
            .map_or_else(Vec::new, |rare| rare.above.clone());
        Cursor::from_parts(self.low, above).unwrap_or_else(|| Cursor::at(self.low))
    }

    pub(crate) fn above(&self) -> &[(Seq, Seq)] {
        self.rare.as_ref().map_or(&[], |rare| &rare.above)
    }

    pub(crate) fn bindings(&self) -> &[Binding] {
        self.rare.as_ref().map_or(&[], |rare| &rare.bindings)
    }

    /// Changes what is rare, and gives its memory back when nothing is left.
    pub(crate) fn rare<T>(&mut self, change: impl FnOnce(&mut Rare) -> T) -> T {
        let rare = self.rare.get_or_insert_default();
        let answer = change(rare);
        let Rare {
            above,
            receipts,
            bindings,
            will,
        } = &**rare;
        if above.is_empty() && receipts.is_empty() && bindings.is_empty() && will.is_none() {
            self.rare = None;
        }
        answer
    }

    /// Takes away what is rare where it is not there anyway.
    pub(crate) fn rare_if_any<T: Default>(&mut self, change: impl FnOnce(&mut Rare) -> T) -> T {
        if self.rare.is_none() {
            return T::default();
        }
        self.rare(change)
    }

    /// Replaces the cursor. It never moves back: what a limit has pushed out stays out.
    pub(crate) fn move_cursor(&mut self, mut moved: Cursor) {
        moved.advance(self.low);
        self.low = moved.low();
        let above = moved.above();
        if self.above() != above {
            let above = above.to_vec();
            self.rare(|rare| rare.above = above);
        }
        for subscription in &mut self.subscriptions {
            if let Stretch::Many(epochs) = &mut subscription.epochs {
                epochs.forget_below(self.low);
            }
        }
    }

    /// Whether it is the broker's own.
    pub(crate) fn is_own(&self) -> bool {
        self.version == OWN_VERSION
    }

    /// The queues it reads, each with the lowest position from which on it is owed something.
    pub(crate) fn readings(&self) -> impl Iterator<Item = (QueueId, Seq)> + '_ {
        let reading = |one: &Subscription| Some((one.queue()?, one.owed(self.low).next()?.0));
        self.subscriptions.iter().filter_map(reading)
    }

    /// The place of the subscription with this filter.
    pub(crate) fn subscription(&self, filter: &str, queues: &Table<Queue>) -> Option<usize> {
        self.subscriptions
            .iter()
            .position(|subscription| subscription.filter(queues) == filter)
    }

    /// The session as a value.
    pub(crate) fn image(&self, session: SessionId, queues: &Table<Queue>) -> SessionImage {
        let mut subscriptions: Vec<_> = self
            .subscriptions
            .iter()
            .map(|subscription| SubscriptionImage {
                filter: subscription.filter(queues).into(),
                queue: subscription.queue(),
                epochs: subscription.epochs(),
            })
            .collect();
        subscriptions.sort_by(|a, b| a.filter.cmp(&b.filter));
        let rare = self.rare.as_deref();
        SessionImage {
            session,
            client_id: self.client_id.clone(),
            version: self.version,
            expiry: self.expiry,
            connected: self.connected,
            since: self.since,
            subscriptions,
            cursor: self.cursor(),
            receipts: rare.map_or_else(Vec::new, |rare| rare.receipts.clone()),
            bindings: self.bindings().to_vec(),
            next_packet_id: self.next_packet_id,
            will: rare.and_then(|rare| rare.will.clone()),
        }
    }

    /// A session from its image.
    pub(crate) fn from_image(image: SessionImage, queues: &Table<Queue>) -> Session {
        let mut session = Session::new(&image.client_id, image.cursor.low());
        session.version = image.version;
        session.expiry = image.expiry;
        session.connected = image.connected;
        session.since = image.since;
        session.next_packet_id = image.next_packet_id;
        session.subscriptions.reserve_exact(image.subscriptions.len());
        for subscription in image.subscriptions {
            let (filter, queue) = (subscription.filter, subscription.queue);
            session.subscriptions.push(Subscription {
                source: Source::new(&filter, queue, queues),
                epochs: Stretch::new(subscription.epochs),
            });
        }
        let rare = Rare {
            above: image.cursor.above().to_vec(),
            receipts: image.receipts,
            bindings: image.bindings,
            will: image.will,
        };
        session.rare(|empty| *empty = rare);
        session
    }
}

impl Subscription {
    /// A subscription that begins at `at`.
    pub(crate) fn new(
        filter: &str,
        queue: Option<QueueId>,
        options: SubscriptionOptions,
        at: Seq,
        queues: &Table<Queue>,
    ) -> Subscription {
        Subscription {
            source: Source::new(filter, queue, queues),
            epochs: Stretch::One {
                from: at,
                identifier: options.identifier.unwrap_or(0),
                bits: bits(&options),
            },
        }
    }

    /// Its options change at `at`.
    pub(crate) fn change(&mut self, at: Seq, options: SubscriptionOptions) {
        let mut epochs = self.epochs();
        epochs.change(at, options);
        self.epochs = Stretch::new(epochs);
    }

    /// It reads another queue from now on.
    pub(crate) fn read_queue(&mut self, filter: &str, queue: QueueId, queues: &Table<Queue>) {
        self.source = Source::new(filter, Some(queue), queues);
    }

    pub(crate) fn queue(&self) -> Option<QueueId> {
        match &self.source {
            Source::Queue(queue) => Some(*queue),
            Source::Named(named) => named.0,
        }
    }

    /// Its filter. A queue that is closed keeps its text as long as it has readers, so it is always there.
    pub(crate) fn filter<'a>(&'a self, queues: &'a Table<Queue>) -> &'a str {
        match &self.source {
            Source::Queue(queue) => queues.get(queue.0).map_or("", |queue| &queue.filter),
            Source::Named(named) => &named.1,
        }
    }

    pub(crate) fn epochs(&self) -> Epochs {
        match &self.epochs {
            Stretch::One {
                from,
                identifier,
                bits,
            } => Epochs::begin(*from, options(*bits, *identifier)),
            Stretch::Many(epochs) => (**epochs).clone(),
        }
    }

    /// The parts of its queue that are owed, `from < seq <= to`, above a cursor's low-water mark; oldest first.
    pub(crate) fn owed(&self, low: Seq) -> impl Iterator<Item = (Seq, Seq)> + '_ {
        let (one, many): (Option<Epoch>, &[Epoch]) = match &self.epochs {
            Stretch::One {
                from,
                identifier,
                bits,
            } => {
                let (from, options) = (*from, options(*bits, *identifier));
                (
                    Some(Epoch {
                        from,
                        to: Seq::MAX,
                        options,
                    }),
                    &[],
                )
            }
            Stretch::Many(epochs) => (None, epochs.parts()),
        };
        one.into_iter()
            .chain(many.iter().copied())
            .filter(move |epoch| epoch.options.qos > QoS::AtMostOnce && epoch.to > low)
            .map(move |epoch| (epoch.from.max(low), epoch.to))
    }
}

impl Source {
    fn new(filter: &str, queue: Option<QueueId>, queues: &Table<Queue>) -> Source {
        match queue.and_then(|id| Some((id, queues.get(id.0)?))) {
            Some((id, queue)) if *queue.filter == *filter => Source::Queue(id),
            _ => Source::Named(Box::new((queue, filter.into()))),
        }
    }
}

impl Stretch {
    fn new(epochs: Epochs) -> Stretch {
        match epochs.parts() {
            // An identifier of 0 does not exist in MQTT and would not come back from the short form.
            [only] if only.options.identifier != Some(0) => Stretch::One {
                from: only.from,
                identifier: only.options.identifier.unwrap_or(0),
                bits: bits(&only.options),
            },
            _ => Stretch::Many(Box::new(epochs)),
        }
    }
}

fn bits(options: &SubscriptionOptions) -> u8 {
    options.qos as u8
        | u8::from(options.no_local) << 2
        | u8::from(options.retain_as_published) << 3
        | (options.retain_handling as u8) << 4
}

fn options(bits: u8, identifier: u32) -> SubscriptionOptions {
    SubscriptionOptions {
        qos: QoS::from_bits(bits & 3).unwrap_or_default(),
        no_local: bits & 1 << 2 != 0,
        retain_as_published: bits & 1 << 3 != 0,
        retain_handling: RetainHandling::from_bits(bits >> 4 & 3).unwrap_or_default(),
        identifier: (identifier != 0).then_some(identifier),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_session_is_small() {
        assert!(size_of::<Session>() <= 80, "{}", size_of::<Session>());
        assert!(size_of::<Subscription>() <= 32, "{}", size_of::<Subscription>());
        assert!(size_of::<Queue>() <= 56, "{}", size_of::<Queue>());
    }

    #[test]
    fn images_come_back() {
        let mut queues = Table::default();
        queues.get_or_insert_with(5, || Queue::new("a/b"));
        let mut session = Session::new("client", Seq(10));
        let plain = SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            identifier: Some(7),
            ..Default::default()
        };
        let strange = SubscriptionOptions {
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::Never,
            ..plain
        };
        session.subscriptions.push(Subscription::new(
            "a/b",
            Some(QueueId(5)),
            plain,
            Seq(11),
            &queues,
        ));
        session.subscriptions.push(Subscription::new(
            "+",
            Some(QueueId(6)),
            strange,
            Seq(12),
            &queues,
        ));
        session.subscriptions.push(Subscription::new(
            "#",
            None,
            SubscriptionOptions::default(),
            Seq(13),
            &queues,
        ));
        session.subscriptions[0].change(Seq(20), strange);
        session.rare(|rare| {
            rare.above.push((Seq(30), Seq(40)));
            rare.receipts.push(3);
        });
        let image = session.image(SessionId(1), &queues);
        let filters: Vec<_> = image.subscriptions.iter().map(|one| &*one.filter).collect();
        assert_eq!(filters, ["#", "+", "a/b"]);
        let again = Session::from_image(image.clone(), &queues).image(SessionId(1), &queues);
        assert_eq!(again, image);
    }

    #[test]
    fn k14_epochs_at_qos_0_owe_nothing() {
        let queues = Table::default();
        let at = |qos| SubscriptionOptions {
            qos,
            ..SubscriptionOptions::default()
        };
        let mut one = Subscription::new("a", Some(QueueId(1)), at(QoS::AtLeastOnce), Seq(10), &queues);
        one.change(Seq(20), at(QoS::AtMostOnce));
        one.change(Seq(30), at(QoS::ExactlyOnce));
        let owed = |low| {
            one.owed(Seq(low))
                .map(|(from, to)| (from.0, to.0))
                .collect::<Vec<_>>()
        };
        assert_eq!(owed(5), [(10, 20), (30, u64::MAX)]);
        assert_eq!(owed(15), [(15, 20), (30, u64::MAX)]);
        assert_eq!(owed(25), [(30, u64::MAX)]);
        assert_eq!(owed(35), [(35, u64::MAX)]);
    }

    #[test]
    fn what_is_rare_costs_nothing_when_it_is_gone() {
        let mut session = Session::new("c", Seq(1));
        session.move_cursor(Cursor::from_parts(Seq(5), vec![(Seq(9), Seq(9))]).unwrap());
        assert_eq!(session.above(), [(Seq(9), Seq(9))]);
        session.move_cursor(Cursor::at(Seq(3)));
        assert_eq!((session.low, session.above().len()), (Seq(5), 0));
        assert!(session.rare.is_none());
    }
}
