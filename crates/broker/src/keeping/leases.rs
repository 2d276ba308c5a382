//! Who has been given what in queue mode (K49): a message that was fetched for one client is not handed to another
//! until it is acknowledged, which deletes it, or its holder leaves.
//!
//! In memory: after a restart there are no leases, as there are no connections. Bounded by what is in flight and
//! fetched: one page and one window for each client that fetches.

use hashbrown::{HashMap, HashSet};
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
    /// Fetches that are reading the topic.
    looks: usize,
    /// What was deleted meanwhile: it may be in what they read. Bounded by what is deleted during one fetch.
    gone: HashSet<StoredId>,
}

impl Topic {
    fn is_empty(&self) -> bool {
        self.held.is_empty() && self.waiting.is_empty() && self.looks == 0
    }
}

/// A topic is being read: until this is dropped, what is deleted from it is not leased.
pub(crate) struct Look<'a> {
    leases: &'a Leases,
    key: (usize, Box<str>),
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        let mut state = self.leases.state.lock();
        let Some(topic) = state.topics.get_mut(&self.key) else {
            return;
        };
        topic.looks = topic.looks.saturating_sub(1);
        if topic.looks == 0 {
            topic.gone = HashSet::new();
        }
        if topic.is_empty() {
            state.topics.remove(&self.key);
        }
    }
}

impl Leases {
    /// Somebody is about to read a topic.
    pub(crate) fn look(&self, keep: usize, topic: &str) -> Look<'_> {
        let key = (keep, Box::from(topic));
        self.state.lock().topics.entry(key.clone()).or_default().looks += 1;
        Look { leases: self, key }
    }

    /// Leases a message to a client; false when another one holds it, and then the client is remembered as waiting;
    /// false as well when it was deleted since the look at its topic began.
    pub(crate) fn take(&self, keep: usize, topic: &str, id: &StoredId, to: Address) -> bool {
        let mut state = self.state.lock();
        let State { topics, clients } = &mut *state;
        let key = (keep, Box::from(topic));
        let known = clients.entry(to).or_default();
        if !known.contains(&key) {
            known.push(key.clone());
        }
        let topic = topics.entry(key).or_default();
        if topic.gone.contains(id) {
            return false;
        }
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
            if topic.looks > 0 {
                topic.gone.insert(id.clone());
            }
            if topic.is_empty() {
                state.topics.remove(&key);
            }
        }
    }

    /// A client was given these and does not want them any more. Answers who waits for something of the topic.
    pub(crate) fn give_back<'a>(
        &self,
        who: Address,
        keep: usize,
        topic: &str,
        ids: impl IntoIterator<Item = &'a StoredId>,
    ) -> Vec<Address> {
        let mut state = self.state.lock();
        let key = (keep, Box::from(topic));
        let Some(topic) = state.topics.get_mut(&key) else {
            return Vec::new();
        };
        let before = topic.held.len();
        for id in ids {
            if topic.held.get(id) == Some(&who) {
                topic.held.remove(id);
            }
        }
        let told = match topic.held.len() < before {
            true => std::mem::take(&mut topic.waiting),
            false => Vec::new(),
        };
        if topic.is_empty() {
            state.topics.remove(&key);
        }
        told
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
            if topic.is_empty() {
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
    fn k49_what_is_given_back_is_free_and_what_was_deleted_during_a_look_is_not_leased() {
        let (leases, one, two) = (Leases::default(), StoredId::parse("m1"), StoredId::parse("m2"));
        let look = leases.look(0, "t");
        assert!(leases.take(0, "t", &one, client(1)));
        assert!(!leases.take(0, "t", &one, client(2)));
        assert!(
            leases.give_back(client(2), 0, "t", [&one]).is_empty(),
            "it is not its own"
        );
        assert_eq!(leases.give_back(client(1), 0, "t", [&one]), [client(2)]);
        leases.done(0, "t", &two);
        assert!(
            !leases.take(0, "t", &two, client(2)),
            "it was read before it was deleted"
        );
        drop(look);
        assert!(leases.take(0, "t", &two, client(2)), "a new one of that name");
        leases.done(0, "t", &two);
        assert!(leases.state.lock().topics.is_empty());
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
