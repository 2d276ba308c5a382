//! Live messages of kept topics that wait: behind a backlog that is on its way, or for room in the client's window.
//!
//! Bounded for the connection. At the bound a topic's gate is emptied and its topic fetched instead: everything in it is
//! in the database, or on its way there.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use restante_backend::stored_id::StoredId;
use restante_model::{MessageId, Seq, SubscriptionOptions};

use crate::live::LiveMessage;

/// Messages held for one connection.
const HELD_MAX: usize = 1_024;
/// Bytes of them.
const HELD_BYTES_MAX: usize = 1 << 20;

/// A message that waits.
pub(super) struct Held {
    pub(super) seq: Seq,
    pub(super) id: MessageId,
    pub(super) message: Arc<LiveMessage>,
    /// The options it was matched under.
    pub(super) options: Box<[SubscriptionOptions]>,
}

/// What waits of one topic.
struct Gate {
    keep: usize,
    held: VecDeque<Held>,
    /// Some could not be held: the topic must be fetched.
    overflowed: bool,
}

/// All gates of a connection.
#[derive(Default)]
pub(super) struct Gates {
    gates: HashMap<Box<str>, Gate>,
    /// Topics whose backlog has gone out: what is held may go, in this order.
    open: VecDeque<Box<str>>,
    messages: usize,
    bytes: usize,
}

impl Gates {
    /// Whether something of a topic waits, so that what comes must wait behind it.
    pub(super) fn holds(&self, topic: &str) -> bool {
        self.gates.contains_key(topic)
    }

    /// Holds a message; false when its topic must be fetched instead.
    pub(super) fn hold(&mut self, keep: usize, topic: &str, held: Held) -> bool {
        let cost = held.message.cost();
        let gate = self.gates.entry(topic.into()).or_insert_with(|| Gate {
            keep,
            held: VecDeque::new(),
            overflowed: false,
        });
        if gate.overflowed {
            return false;
        }
        if self.messages >= HELD_MAX || self.bytes + cost > HELD_BYTES_MAX {
            self.messages -= gate.held.len();
            self.bytes -= gate.held.drain(..).map(|held| held.message.cost()).sum::<usize>();
            gate.overflowed = true;
            self.open.retain(|open| **open != *topic);
            return false;
        }
        self.messages += 1;
        self.bytes += cost;
        gate.held.push_back(held);
        true
    }

    /// What is held of a topic. A page that was read while something newer was being appended may have holes there; in
    /// its gate nothing is missing and all is in order, so it goes out from there.
    pub(super) fn held(&self, topic: &str) -> HashSet<StoredId> {
        let held = self.gates.get(topic).into_iter().flat_map(|gate| &gate.held);
        held.map(|held| crate::keeping::reduce::ours(held.id)).collect()
    }

    /// A topic's backlog has come: what is held goes out behind it. True when it must be fetched again, because some
    /// could not be held.
    pub(super) fn open(&mut self, topic: &str) -> bool {
        let Some(gate) = self.gates.get(topic) else {
            return false;
        };
        let overflowed = gate.overflowed;
        if overflowed || gate.held.is_empty() {
            self.gates.remove(topic);
            self.open.retain(|open| **open != *topic);
        } else if !self.open.iter().any(|known| **known == *topic) {
            self.open.push_back(topic.into());
        }
        overflowed
    }

    /// Topics of which something waits, with their keeps.
    pub(super) fn topics(&self) -> impl Iterator<Item = (usize, &str)> {
        self.gates.iter().map(|(topic, gate)| (gate.keep, &**topic))
    }

    /// The next message that may go out. A gate whose topic is to be fetched once more (`is_covered`) is closed again:
    /// what is held waits behind that.
    pub(super) fn pop(&mut self, is_covered: impl Fn(usize, &str) -> bool) -> Option<Held> {
        loop {
            let topic = self.open.front()?;
            let gate = self.gates.get_mut(topic);
            let Some(gate) = gate.filter(|gate| !is_covered(gate.keep, topic)) else {
                self.open.pop_front();
                continue;
            };
            let held = gate.held.pop_front();
            if gate.held.is_empty() && !gate.overflowed {
                self.gates.remove(topic);
            }
            match held {
                Some(held) => {
                    self.messages -= 1;
                    self.bytes -= held.message.cost();
                    return Some(held);
                }
                None => _ = self.open.pop_front(),
            }
        }
    }

    /// Takes out what is not wanted any more.
    pub(super) fn forget(&mut self, is_wanted: impl Fn(&str) -> bool) {
        let (messages, bytes) = (&mut self.messages, &mut self.bytes);
        self.gates.retain(|topic, gate| {
            let stays = is_wanted(topic);
            if !stays {
                *messages -= gate.held.len();
                *bytes -= gate.held.iter().map(|held| held.message.cost()).sum::<usize>();
            }
            stays
        });
        let gates = &self.gates;
        self.open.retain(|topic| gates.contains_key(topic));
    }
}

#[cfg(test)]
mod tests {
    use restante_model::{QoS, UnixMillis};

    use super::*;
    use crate::live::MessageView;

    fn held(number: u64) -> Held {
        let view = MessageView {
            qos: QoS::AtLeastOnce,
            retain: false,
            stored: true,
            id: None,
            deadline: UnixMillis::NEVER,
            sender: b"p",
            topic: b"t",
            properties: b"",
            payload: b"x",
        };
        Held {
            seq: Seq(number),
            id: id(number),
            message: Arc::new(LiveMessage::new(&view, "p".into())),
            options: Box::default(),
        }
    }

    fn id(number: u64) -> MessageId {
        MessageId::new(1_700_000_000_000_000 + number, 1, 0)
    }

    #[test]
    fn what_is_held_goes_out_in_order_behind_what_was_fetched() {
        let mut gates = Gates::default();
        for number in 1..=3 {
            assert!(gates.hold(0, "t", held(number)));
        }
        assert!(gates.pop(|_, _| false).is_none(), "closed");
        assert!(gates.held("t").contains(&crate::keeping::reduce::ours(id(2))));
        assert!(gates.held("u").is_empty());
        assert!(!gates.open("t"));
        let out: Vec<_> = std::iter::from_fn(|| gates.pop(|_, _| false))
            .map(|held| held.seq.0)
            .collect();
        assert_eq!(out, [1, 2, 3]);
        assert!(!gates.holds("t"));
        assert_eq!((gates.messages, gates.bytes), (0, 0));
    }

    #[test]
    fn a_gate_is_closed_again_when_its_topic_is_fetched_once_more() {
        let mut gates = Gates::default();
        assert!(gates.hold(0, "t", held(1)));
        assert!(!gates.open("t"));
        assert!(gates.pop(|keep, topic| (keep, topic) == (0, "t")).is_none());
        assert!(
            gates.hold(0, "t", held(2)) && gates.pop(|_, _| false).is_none(),
            "closed"
        );
        assert!(!gates.open("t"));
        assert_eq!(gates.pop(|_, _| false).unwrap().seq.0, 1);
    }

    #[test]
    fn a_gate_that_was_forgotten_is_closed_when_it_is_there_again() {
        let mut gates = Gates::default();
        assert!(gates.hold(0, "t", held(1)));
        assert!(!gates.open("t"));
        gates.forget(|_| false);
        assert!(gates.hold(0, "t", held(2)));
        assert!(gates.pop(|_, _| false).is_none(), "its backlog has not come");
        assert_eq!((gates.messages, gates.bytes), (1, held(2).message.cost()));
    }

    #[test]
    fn a_gate_that_overflows_is_emptied_and_its_topic_fetched() {
        let mut gates = Gates::default();
        for number in 0..HELD_MAX as u64 {
            assert!(gates.hold(0, "t", held(number)));
        }
        assert!(!gates.hold(0, "u", held(1)), "u has to be fetched");
        assert!(!gates.hold(0, "t", held(2)), "and so has t");
        assert!(!gates.hold(0, "t", held(3)));
        assert_eq!((gates.messages, gates.bytes), (0, 0));
        assert!(gates.open("t") && gates.open("u"));
        assert!(!gates.holds("t") && gates.pop(|_, _| false).is_none());
    }
}
