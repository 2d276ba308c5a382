//! A page of an outbox becomes slices of work. Pure: no clock, no waiting, nothing asked of anybody.
//!
//! What is overtaken within the page is left out: an insert that meets its delete, all but the last of a client's
//! standings (K42), read positions, subscriptions, and of a topic's retained messages.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use restante_backend::{
    messages::{KeptMessage, Mark, Place},
    statement::{Execution, StatementId},
    stored_id::StoredId,
    tables::{Standing, SubscriptionRow},
};
use restante_model::{HookPoint, MessageId, QoS, UnixMillis};
use restante_store::image::StoredMessage;

use super::{
    owed::{Event, Named},
    pool::Owed,
    values,
};

/// One record of an outbox.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    /// A message that was published.
    Message(KeptMessage),
    /// Something that happened, and when.
    Event(Event, UnixMillis),
}

/// What a rule wants done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// The message is appended to a keep.
    Append(usize),
    /// It becomes the retained message of its topic.
    Retain,
    /// The retained message of its topic goes.
    RetainDelete,
    /// The acknowledged message goes from a keep.
    Delete(usize),
    /// The client's read position in a keep moves.
    Mark(usize),
    /// The client's read position in a keep is forgotten.
    Forget(usize),
    /// The client is here, or gone.
    Standing,
    /// The subscription is written beside a keep, or removed from there.
    Subscription(usize),
    /// A statement of the user's is run, with the variables of this hook point.
    Run(StatementId, HookPoint),
}

/// Work for one pool.
#[derive(Debug, Default)]
pub(crate) struct Slices {
    /// Messages to append, by keep.
    pub(crate) appends: ByKeep<KeptMessage>,
    /// Retained messages to set.
    pub(crate) retained: Vec<KeptMessage>,
    /// Topics whose retained messages go.
    pub(crate) cleared: Vec<Box<str>>,
    /// Read positions to write, by keep.
    pub(crate) marks: ByKeep<Mark>,
    /// Read positions to forget, by keep.
    pub(crate) forgotten: ByKeep<(Box<str>, Box<str>)>,
    /// Messages to delete, by keep.
    pub(crate) deletes: ByKeep<(Box<str>, Place)>,
    /// Who came, and has gone since: written first, so that it is known when they came.
    pub(crate) visits: Vec<Standing>,
    /// Who is here, and who has gone.
    pub(crate) standings: Vec<Standing>,
    /// Subscriptions to write, by keep.
    pub(crate) subscriptions: ByKeep<SubscriptionRow>,
    /// Subscriptions to remove, by keep.
    pub(crate) unsubscribed: ByKeep<(Box<str>, Box<str>)>,
    /// Statements to run.
    pub(crate) runs: Vec<Execution>,
    /// Records that were not needed: inserts that met their delete.
    pub(crate) cancelled: u64,
    /// There was nothing to ask for.
    pub(crate) was_empty: bool,
}

impl Slices {
    fn is_empty(&self) -> bool {
        self.appends.is_empty()
            && self.retained.is_empty()
            && self.cleared.is_empty()
            && self.marks.is_empty()
            && self.forgotten.is_empty()
            && self.deletes.is_empty()
            && self.visits.is_empty()
            && self.standings.is_empty()
            && self.subscriptions.is_empty()
            && self.unsubscribed.is_empty()
            && self.runs.is_empty()
    }
}

/// Slices by the keep they are for.
pub(crate) type ByKeep<T> = Vec<(usize, Vec<T>)>;

impl Record {
    /// What a message of the outbox's queue stands for; `None` for an event that this version does not know.
    pub(crate) fn of(stored: &StoredMessage) -> Option<Record> {
        let at = UnixMillis(stored.id.micros() / 1000);
        let parts = &stored.parts;
        if parts.topic().is_empty() {
            return Event::decode(parts.payload()).map(|event| Record::Event(event, at));
        }
        let text = |bytes: &[u8]| Box::from(std::str::from_utf8(bytes).unwrap_or_default());
        Some(Record::Message(KeptMessage {
            id: ours(stored.id),
            topic: text(parts.topic()),
            sender: text(parts.sender()),
            qos: stored.qos,
            retain: stored.retain,
            // A copy: the page it stands in is given back.
            payload: Bytes::copy_from_slice(parts.payload()),
            arrived: at,
        }))
    }

    /// What it counts for in the depth of an outbox.
    pub(crate) fn cost(stored: &StoredMessage) -> Owed {
        Owed::one(stored.parts.len())
    }
}

/// One of our own ids.
pub(crate) fn ours(id: MessageId) -> StoredId {
    StoredId::ours(id, id.to_string())
}

/// Gathers a page.
#[derive(Default)]
pub(crate) struct Reducer {
    /// The page may have been performed before, as far as it went then.
    may_repeat: bool,
    slices: Slices,
    /// Appended in this page: where, by keep and number.
    appended: HashMap<(usize, MessageId), (usize, usize)>,
    /// Those that have met their delete.
    met: Vec<(usize, usize)>,
    positions: HashMap<(usize, Box<str>, Box<str>), Option<Place>>,
    standings: HashMap<Box<str>, Standing>,
    came: HashMap<Box<str>, Standing>,
    subscriptions: HashMap<(usize, Box<str>, Box<str>), Option<QoS>>,
    retained: HashMap<Box<str>, Option<KeptMessage>>,
}

impl Reducer {
    /// For a page that may have been performed before, in whole or in part. An insert that meets its delete may be in the
    /// database then, so it is still deleted.
    pub(crate) fn repeating(may_repeat: bool) -> Reducer {
        Reducer {
            may_repeat,
            ..Reducer::default()
        }
    }

    /// Takes one record with what the rules want done with it, in their order.
    pub(crate) fn take(&mut self, record: &Record, acts: &[Act]) {
        let mut bound = None;
        for act in acts {
            match (act, record) {
                (Act::Run(statement, point), _) => {
                    let values = bound.get_or_insert_with(|| (*point, Arc::new(values::of(record, *point))));
                    let values = match values.0 == *point {
                        true => values.1.clone(),
                        false => Arc::new(values::of(record, *point)),
                    };
                    self.slices.runs.push(Execution {
                        statement: *statement,
                        values,
                    });
                }
                (_, Record::Message(message)) => self.take_message(act, message),
                (_, Record::Event(event, at)) => self.take_event(act, event, *at),
            }
        }
    }

    fn take_message(&mut self, act: &Act, message: &KeptMessage) {
        match act {
            Act::Append(keep) => {
                let (place, slice) = slice_of(&mut self.slices.appends, *keep);
                if let Some(number) = message.id.number() {
                    self.appended.insert((*keep, number), (place, slice.len()));
                }
                slice.push(message.clone());
            }
            Act::Retain => {
                self.retained.insert(message.topic.clone(), Some(message.clone()));
            }
            Act::RetainDelete => {
                self.retained.insert(message.topic.clone(), None);
            }
            _ => {}
        }
    }

    fn take_event(&mut self, act: &Act, event: &Event, at: UnixMillis) {
        match (act, event) {
            (Act::Delete(keep), Event::Acked { message, .. } | Event::Written { message, .. }) => {
                self.delete(*keep, message)
            }
            (Act::Mark(keep), Event::Position { client, message }) => {
                let key = (*keep, client.clone(), message.topic.clone());
                self.positions.insert(key, Some(place(message)));
            }
            (Act::Forget(keep), Event::Unsubscribed { client, filter }) => {
                self.positions
                    .insert((*keep, client.clone(), filter.clone()), None);
            }
            (Act::Standing, Event::Connected { client } | Event::Disconnected { client }) => {
                let standing = Standing {
                    client: client.clone(),
                    online: matches!(event, Event::Connected { .. }),
                    since: at,
                };
                if standing.online {
                    self.came.insert(client.clone(), standing.clone());
                }
                self.standings.insert(client.clone(), standing);
            }
            (Act::Subscription(keep), Event::Subscribed { client, filter, qos }) => {
                let key = (*keep, client.clone(), filter.clone());
                self.subscriptions.insert(key, Some(*qos));
            }
            (Act::Subscription(keep), Event::Unsubscribed { client, filter }) => {
                let key = (*keep, client.clone(), filter.clone());
                self.subscriptions.insert(key, None);
            }
            _ => {}
        }
    }

    fn delete(&mut self, keep: usize, message: &Named) {
        let place = place(message);
        let known = place
            .id
            .number()
            .and_then(|number| self.appended.remove(&(keep, number)));
        let is_met = known.is_some();
        self.met.extend(known);
        if !is_met || self.may_repeat {
            slice_of(&mut self.slices.deletes, keep)
                .1
                .push((message.topic.clone(), place));
        }
    }

    /// The work of the page.
    pub(crate) fn finish(mut self) -> Slices {
        let slices = &mut self.slices;
        let deleted_as_well = u64::from(self.may_repeat);
        slices.cancelled = self.met.len() as u64 * (2 - deleted_as_well);
        // From behind, so that the places of the others stay what they are.
        self.met.sort_unstable();
        for (slice, at) in self.met.into_iter().rev() {
            slices.appends[slice].1.remove(at);
        }
        slices.appends.retain(|(_, slice)| !slice.is_empty());
        for ((keep, client, topic), place) in self.positions {
            match place {
                Some(place) => slice_of(&mut slices.marks, keep)
                    .1
                    .push(Mark { client, topic, place }),
                None => slice_of(&mut slices.forgotten, keep).1.push((client, topic)),
            }
        }
        for ((keep, client, filter), qos) in self.subscriptions {
            match qos {
                Some(qos) => {
                    slice_of(&mut slices.subscriptions, keep)
                        .1
                        .push(SubscriptionRow { client, filter, qos })
                }
                None => slice_of(&mut slices.unsubscribed, keep).1.push((client, filter)),
            }
        }
        for (topic, message) in self.retained {
            match message {
                Some(message) => slices.retained.push(message),
                None => slices.cleared.push(topic),
            }
        }
        let has_gone = |came: &Standing| self.standings.get(&came.client).is_some_and(|last| !last.online);
        slices.visits.extend(self.came.into_values().filter(has_gone));
        slices.standings.extend(self.standings.into_values());
        slices.was_empty = slices.is_empty();
        self.slices
    }
}

fn place(message: &Named) -> Place {
    Place {
        id: StoredId::parse(&message.id),
        row: message.row,
    }
}

fn slice_of<T>(slices: &mut ByKeep<T>, keep: usize) -> (usize, &mut Vec<T>) {
    let at = slices.iter().position(|(known, _)| *known == keep);
    let at = at.unwrap_or_else(|| {
        slices.push((keep, Vec::new()));
        slices.len() - 1
    });
    (at, &mut slices[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> MessageId {
        MessageId::new(1_700_000_000_000_000 + number, 1, 0)
    }

    fn message(number: u64, topic: &str) -> Record {
        Record::Message(KeptMessage {
            id: ours(id(number)),
            topic: topic.into(),
            sender: "p".into(),
            qos: QoS::AtLeastOnce,
            retain: false,
            payload: Bytes::from_static(b"x"),
            arrived: UnixMillis(1),
        })
    }

    fn acked(number: u64, topic: &str) -> Record {
        Record::Event(
            Event::Acked {
                client: "c".into(),
                message: Named {
                    topic: topic.into(),
                    id: id(number).to_string().into(),
                    row: None,
                },
            },
            UnixMillis(2),
        )
    }

    fn reduce(records: &[(Record, Vec<Act>)]) -> Slices {
        let mut reducer = Reducer::default();
        for (record, acts) in records {
            reducer.take(record, acts);
        }
        reducer.finish()
    }

    #[test]
    fn an_insert_and_its_delete_cancel_out_and_the_order_of_the_rest_stays() {
        let append = || vec![Act::Append(0)];
        let slices = reduce(&[
            (message(1, "t"), append()),
            (message(2, "t"), append()),
            (message(3, "u"), append()),
            (acked(2, "t"), vec![Act::Delete(0)]),
            (acked(9, "t"), vec![Act::Delete(0)]),
        ]);
        let topics: Vec<_> = slices.appends[0]
            .1
            .iter()
            .map(|m| m.id.number().unwrap())
            .collect();
        assert_eq!(topics, [id(1), id(3)]);
        assert_eq!(
            slices.deletes[0].1.len(),
            1,
            "what was appended before is deleted"
        );
        assert_eq!(slices.cancelled, 2);
    }

    #[test]
    fn k36_an_insert_that_may_have_been_done_is_deleted_although_it_meets_its_delete() {
        let mut reducer = Reducer::repeating(true);
        reducer.take(&message(1, "t"), &[Act::Append(0)]);
        reducer.take(&acked(1, "t"), &[Act::Delete(0)]);
        let slices = reducer.finish();
        assert!(slices.appends.is_empty());
        assert_eq!(slices.deletes[0].1.len(), 1);
        assert_eq!(slices.cancelled, 1);
    }

    #[test]
    fn a_delete_of_one_keep_leaves_the_other_alone() {
        let slices = reduce(&[
            (message(1, "t"), vec![Act::Append(0), Act::Append(1)]),
            (acked(1, "t"), vec![Act::Delete(1)]),
        ]);
        assert_eq!(slices.appends.len(), 1);
        assert_eq!(slices.appends[0].0, 0);
    }

    #[test]
    fn k42_of_a_client_only_the_last_standing_is_written() {
        let came = Record::Event(Event::Connected { client: "c".into() }, UnixMillis(1));
        let went = Record::Event(Event::Disconnected { client: "c".into() }, UnixMillis(5));
        let slices = reduce(&[(came.clone(), vec![Act::Standing]), (went, vec![Act::Standing])]);
        assert_eq!(slices.standings.len(), 1);
        assert_eq!(slices.visits[0].since, UnixMillis(1), "when it came is not lost");
        assert!(!slices.standings[0].online);
        assert_eq!(slices.standings[0].since, UnixMillis(5));
        let slices = reduce(&[(came, vec![])]);
        assert!(slices.standings.is_empty(), "nobody asked");
    }

    #[test]
    fn the_last_word_on_a_position_and_a_subscription_counts() {
        let at = |number: u64| {
            let Record::Event(Event::Acked { client, message }, at) = acked(number, "t") else {
                unreachable!()
            };
            Record::Event(Event::Position { client, message }, at)
        };
        let subscribed = Record::Event(
            Event::Subscribed {
                client: "c".into(),
                filter: "t".into(),
                qos: QoS::ExactlyOnce,
            },
            UnixMillis(1),
        );
        let gone = Record::Event(
            Event::Unsubscribed {
                client: "c".into(),
                filter: "t".into(),
            },
            UnixMillis(1),
        );
        let slices = reduce(&[
            (at(1), vec![Act::Mark(0)]),
            (at(2), vec![Act::Mark(0)]),
            (subscribed, vec![Act::Subscription(0)]),
        ]);
        assert_eq!(slices.marks[0].1[0].place.id.number(), Some(id(2)));
        assert_eq!(slices.subscriptions[0].1[0].qos, QoS::ExactlyOnce);
        let slices = reduce(&[
            (at(1), vec![Act::Mark(0)]),
            (gone, vec![Act::Forget(0), Act::Subscription(0)]),
        ]);
        assert!(slices.marks.is_empty());
        assert_eq!(slices.forgotten[0].1, [(Box::from("c"), Box::from("t"))]);
        assert_eq!(slices.unsubscribed[0].1.len(), 1);
    }
}
