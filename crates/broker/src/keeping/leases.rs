//! Who has been given what in queue mode (K49): a message that was fetched for one client is not handed to another
//! until it is acknowledged, which deletes it, or its holder leaves.
//!
//! In memory: after a restart there are no leases, as there are no connections. Bounded by what is in flight and
//! fetched: one page and one window for each client that fetches.

use hashbrown::HashMap;
use parking_lot::Mutex;
use restante_backend::stored_id::StoredId;

use crate::router::Address;

/// The leases of all keeps.
#[derive(Default)]
pub(crate) struct Leases {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By keep and topic.
    topics: HashMap<(usize, Box<str>), Topic>,
    /// The topics in which a client holds something or waits for something.
    clients: HashMap<Address, Vec<(usize, Box<str>)>>,
}

#[derive(Default)]
struct Topic {
    held: HashMap<StoredId, Address>,
    /// Clients that were not given something because another one holds it.
    waiting: Vec<Address>,
}

impl Leases {
    /// Leases a message to a client; false when another one holds it, and then the client is remembered as waiting.
    pub(crate) fn take(&self, keep: usize, topic: &str, id: &StoredId, to: Address) -> bool {
        let mut state = self.state.lock();
        let State { topics, clients } = &mut *state;
        let key = (keep, Box::from(topic));
        let known = clients.entry(to).or_default();
        if !known.contains(&key) {
            known.push(key.clone());
        }
        let topic = topics.entry(key).or_default();
        match topic.held.get(id) {
            Some(&holder) if holder != to => {
                if !topic.waiting.contains(&to) {
                    topic.waiting.push(to);
                }
                false
            }
            _ => {
                topic.held.insert(id.clone(), to);
                true
            }
        }
    }

    /// The message is deleted: nobody holds it any more.
    pub(crate) fn done(&self, keep: usize, topic: &str, id: &StoredId) {
        let mut state = self.state.lock();
        let key = (keep, Box::from(topic));
        if let Some(topic) = state.topics.get_mut(&key) {
            topic.held.remove(id);
            if topic.held.is_empty() && topic.waiting.is_empty() {
                state.topics.remove(&key);
            }
        }
    }

    /// A client has left: what it held is free. Answers who waits for something of it, and where.
    pub(crate) fn leave(&self, who: Address) -> Vec<(Address, usize, Box<str>)> {
        let mut state = self.state.lock();
        let State { topics, clients } = &mut *state;
        let mut told = Vec::new();
        for key in clients.remove(&who).unwrap_or_default() {
            let Some(topic) = topics.get_mut(&key) else {
                continue;
            };
            let before = topic.held.len();
            topic.held.retain(|_, holder| *holder != who);
            topic.waiting.retain(|waiting| *waiting != who);
            if topic.held.len() < before {
                told.extend(
                    topic
                        .waiting
                        .drain(..)
                        .map(|waiting| (waiting, key.0, key.1.clone())),
                );
            }
            if topic.held.is_empty() && topic.waiting.is_empty() {
                topics.remove(&key);
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(slot: u32) -> Address {
        Address {
            runtime: 0,
            slot,
            tenant: 1,
        }
    }

    #[test]
    fn k49_one_holder_at_a_time_and_those_who_wait_are_told() {
        let (leases, id) = (Leases::default(), StoredId::parse("m1"));
        assert!(leases.take(0, "t", &id, client(1)));
        assert!(leases.take(0, "t", &id, client(1)), "its own");
        assert!(!leases.take(0, "t", &id, client(2)));
        assert!(leases.take(0, "u", &id, client(2)), "another topic");
        assert_eq!(leases.leave(client(1)), [(client(2), 0, Box::from("t"))]);
        assert!(leases.take(0, "t", &id, client(2)));
        leases.done(0, "t", &id);
        assert!(leases.take(0, "t", &id, client(3)));
    }

    #[test]
    fn k49_nothing_is_left_of_those_who_have_left() {
        let (leases, id) = (Leases::default(), StoredId::parse("m1"));
        leases.take(0, "t", &id, client(1));
        leases.take(0, "t", &id, client(2));
        assert!(leases.leave(client(2)).is_empty());
        assert!(leases.leave(client(1)).is_empty());
        let state = leases.state.lock();
        assert!(state.topics.is_empty() && state.clients.is_empty());
    }
}
