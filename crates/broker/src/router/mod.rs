//! Who is interested in a topic: every filter with its queue and its present receivers.
//!
//! Read-mostly. A publish walks the filters that match and, in them, the *present* receivers; how many absent
//! sessions read a filter's queue is a number here and costs nothing (K16). Owned by [`crate::shared::Shared`] behind
//! a lock; each change raises the generation, by which cached results are known to be stale.

mod matches;
mod trie;

use std::{hash::BuildHasher, sync::Arc};

use hashbrown::{DefaultHashBuilder, HashTable};
pub(crate) use matches::{GroupMatch, Matches};
use restante_model::{Filter, QueueId, SubscriptionOptions};
use slab::Slab;
use trie::Trie;

use crate::group::Group;

/// Where a present receiver is: its runtime, its slot there, and which of the slot's tenants it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) runtime: u16,
    pub(crate) slot: u32,
    pub(crate) tenant: u32,
}

/// A subscription of a present receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receiver {
    pub(crate) address: Address,
    pub(crate) options: SubscriptionOptions,
    /// Whether the session is persistent: what it misses at QoS 1 and 2 waits in the filter's queue.
    pub(crate) persistent: bool,
}

/// One filter. Small: there are millions, nearly all of absent sessions.
struct Entry {
    filter: Filter,
    /// The queue that messages of this filter enter; exists while `readers > 0`. 0 = none; queues are numbered from 1.
    queue: u64,
    /// Persistent sessions that read the queue, absent and present.
    readers: u32,
    /// `None` where there is neither a present receiver nor a group.
    present: Option<Box<Present>>,
}

/// Who is here for a filter.
#[derive(Default)]
struct Present {
    receivers: Vec<Receiver>,
    group: Option<Arc<Group>>,
}

impl Entry {
    fn queue(&self) -> Option<QueueId> {
        (self.queue != 0).then_some(QueueId(self.queue))
    }

    fn receivers(&self) -> &[Receiver] {
        self.present.as_ref().map_or(&[], |present| &present.receivers)
    }

    fn group(&self) -> Option<&Arc<Group>> {
        self.present.as_ref()?.group.as_ref()
    }

    fn present(&mut self) -> &mut Present {
        self.present.get_or_insert_default()
    }

    /// Forgets the group.
    fn drop_group(&mut self) {
        if let Some(present) = &mut self.present {
            present.group = None;
        }
    }
}

/// All filters.
#[derive(Default)]
pub(crate) struct Router {
    entries: Slab<Entry>,
    /// Filters without wildcards, by topic.
    exact: HashTable<u32>,
    wild: Trie,
    hasher: DefaultHashBuilder,
    generation: u64,
}

/// What adding a reader did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The queue existed.
    Joined(QueueId),
    /// This is the first reader: the queue must be opened in the store.
    Opened(QueueId),
}

impl Router {
    /// Rises with each change that can alter what matches.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Adds a present receiver's subscription, or replaces its options.
    pub(crate) fn attach(&mut self, filter: &Filter, receiver: Receiver) {
        self.generation += 1;
        let receivers = &mut self.entry(filter).present().receivers;
        match receivers
            .iter_mut()
            .find(|known| known.address == receiver.address)
        {
            Some(known) => *known = receiver,
            None => receivers.push(receiver),
        }
    }

    /// Removes a present receiver's subscription.
    pub(crate) fn detach(&mut self, filter: &Filter, address: Address) {
        self.generation += 1;
        if let Some(id) = self.find(filter) {
            if let Some(present) = &mut self.entries[id].present {
                present.receivers.retain(|known| known.address != address);
            }
            self.drop_if_unused(id);
        }
    }

    /// Adds a persistent session as a reader of the filter's queue.
    pub(crate) fn add_reader(&mut self, filter: &Filter, fresh: impl FnOnce() -> QueueId) -> Reader {
        self.generation += 1;
        let entry = self.entry(filter);
        entry.readers += 1;
        match entry.queue() {
            Some(queue) => Reader::Joined(queue),
            None => {
                let queue = fresh();
                entry.queue = queue.0;
                Reader::Opened(queue)
            }
        }
    }

    /// Puts back a reader of a queue that the store remembers.
    pub(crate) fn restore_reader(&mut self, filter: &Filter, queue: QueueId) {
        self.generation += 1;
        let entry = self.entry(filter);
        entry.readers += 1;
        entry.queue = queue.0;
    }

    /// Puts back a reader of a shared group's queue, which the group's own record names.
    pub(crate) fn restore_shared_reader(&mut self, filter: &Filter) {
        self.generation += 1;
        self.entry(filter).readers += 1;
    }

    /// Puts back the queue of a shared group.
    pub(crate) fn restore_group(&mut self, filter: &Filter, queue: QueueId) -> Arc<Group> {
        self.entry(filter).queue = queue.0;
        self.group(filter)
    }

    /// How many persistent sessions read a filter's queue.
    pub(crate) fn readers(&self, filter: &Filter) -> u32 {
        self.find(filter).map_or(0, |id| self.entries[id].readers)
    }

    /// Forgets the queue of a filter without readers.
    pub(crate) fn forget_queue(&mut self, filter: &Filter) {
        self.generation += 1;
        if let Some(id) = self.find(filter) {
            self.entries[id].queue = 0;
            self.entries[id].drop_group();
            self.drop_if_unused(id);
        }
    }

    /// Removes a reader; answers the queue when it was the last one, which then must be closed in the store (K15).
    pub(crate) fn remove_reader(&mut self, filter: &Filter) -> Option<QueueId> {
        self.generation += 1;
        let id = self.find(filter)?;
        let entry = &mut self.entries[id];
        entry.readers = entry.readers.saturating_sub(1);
        let closed = entry.queue().filter(|_| entry.readers == 0);
        if closed.is_some() {
            entry.queue = 0;
        }
        self.drop_if_unused(id);
        closed
    }

    /// The shared group of a `$share` filter, made if need be.
    pub(crate) fn group(&mut self, filter: &Filter) -> Arc<Group> {
        self.generation += 1;
        let present = self.entry(filter).present();
        present
            .group
            .get_or_insert_with(|| Arc::new(Group::new(filter.clone())))
            .clone()
    }

    /// Forgets a shared group if it has neither members nor a queue. Members enroll while the router is held, so none
    /// is forgotten with it.
    pub(crate) fn drop_group_if_unused(&mut self, filter: &Filter) {
        let Some(id) = self.find(filter) else { return };
        let entry = &mut self.entries[id];
        if entry.group().is_some_and(|group| group.is_unused()) {
            entry.drop_group();
            self.generation += 1;
            self.drop_if_unused(id);
        }
    }

    /// Everything that a topic matches.
    pub(crate) fn matches(&self, topic: &str) -> Matches {
        let mut builder = matches::Builder::default();
        let hash = self.hasher.hash_one(topic);
        for &id in self.exact.iter_hash(hash) {
            let entry = &self.entries[id as usize];
            if entry.filter.topic_filter() == topic {
                builder.add(entry);
            }
        }
        self.wild
            .each_match(topic, &mut |id| builder.add(&self.entries[id as usize]));
        builder.finish()
    }

    fn find(&self, filter: &Filter) -> Option<usize> {
        let topic = filter.topic_filter();
        let is_it = |id: u32| self.entries[id as usize].filter == *filter;
        let found = if filter.has_wildcard() {
            self.wild.ids(topic).iter().copied().find(|&id| is_it(id))
        } else {
            self.exact
                .find(self.hasher.hash_one(topic), |&id| is_it(id))
                .copied()
        };
        found.map(|id| id as usize)
    }

    fn entry(&mut self, filter: &Filter) -> &mut Entry {
        let id = match self.find(filter) {
            Some(id) => id,
            None => self.insert(filter),
        };
        &mut self.entries[id]
    }

    fn insert(&mut self, filter: &Filter) -> usize {
        let entry = Entry {
            filter: filter.clone(),
            queue: 0,
            readers: 0,
            present: None,
        };
        let id = self.entries.insert(entry);
        if filter.has_wildcard() {
            self.wild.insert(filter.topic_filter(), id as u32);
        } else {
            let (entries, hasher) = (&self.entries, &self.hasher);
            let hash_of = |id: &u32| hasher.hash_one(entries[*id as usize].filter.topic_filter());
            self.exact
                .insert_unique(hasher.hash_one(filter.topic_filter()), id as u32, hash_of);
        }
        id
    }

    fn drop_if_unused(&mut self, id: usize) {
        let entry = &mut self.entries[id];
        if !entry.receivers().is_empty() || entry.group().is_some() {
            return;
        }
        entry.present = None;
        if entry.readers > 0 {
            return;
        }
        let entry = self.entries.remove(id);
        let topic = entry.filter.topic_filter();
        if entry.filter.has_wildcard() {
            self.wild.remove(topic, id as u32);
        } else if let Ok(found) = self
            .exact
            .find_entry(self.hasher.hash_one(topic), |&known| known as usize == id)
        {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Filter {
        Filter::parse(text, true).unwrap()
    }

    fn receiver(slot: u32) -> Receiver {
        let address = Address {
            runtime: (slot % 2) as u16,
            slot,
            tenant: 0,
        };
        Receiver {
            address,
            options: SubscriptionOptions::default(),
            persistent: false,
        }
    }

    #[test]
    fn k16_absent_sessions_are_a_number() {
        let mut router = Router::default();
        let all = filter("site/#");
        assert_eq!(router.add_reader(&all, || QueueId(1)), Reader::Opened(QueueId(1)));
        for _ in 0..10_000 {
            assert_eq!(
                router.add_reader(&all, || unreachable!()),
                Reader::Joined(QueueId(1))
            );
        }
        let found = router.matches("site/1/door");
        assert_eq!(found.queues(), [QueueId(1)]);
        assert_eq!(found.targets().count(), 0);
    }

    #[test]
    fn overlapping_filters_are_one_target_with_all_options() {
        let mut router = Router::default();
        router.attach(&filter("a/b"), receiver(2));
        router.attach(&filter("a/+"), receiver(2));
        router.attach(&filter("#"), receiver(3));
        router.attach(&filter("a/b/c"), receiver(4));
        let found = router.matches("a/b");
        let mut targets: Vec<_> = found
            .targets()
            .map(|t| (t.address.slot, t.options.len()))
            .collect();
        targets.sort_unstable();
        assert_eq!(targets, [(2, 2), (3, 1)]);
    }

    #[test]
    fn what_is_removed_matches_no_more_and_costs_nothing() {
        let mut router = Router::default();
        for text in ["a/b", "a/+", "a/#", "$share/g/a/+"] {
            router.attach(&filter(text), receiver(2));
            router.add_reader(&filter(text), || QueueId(9));
        }
        for text in ["a/b", "a/+", "a/#", "$share/g/a/+"] {
            router.detach(&filter(text), receiver(2).address);
            assert_eq!(router.remove_reader(&filter(text)), Some(QueueId(9)));
        }
        assert!(router.matches("a/b").is_empty());
        assert!(router.entries.is_empty() && router.exact.is_empty());
        assert_eq!(router.wild.nodes(), 1);
    }

    #[test]
    fn a_filter_of_an_absent_session_is_small() {
        assert!(size_of::<Entry>() <= 48);
        let mut router = Router::default();
        router.add_reader(&filter("a"), || QueueId(1));
        router.attach(&filter("a"), receiver(2));
        router.detach(&filter("a"), receiver(2).address);
        assert!(router.entries.iter().all(|(_, entry)| entry.present.is_none()));
    }

    #[test]
    fn the_router_agrees_with_the_naive_matcher() {
        let levels = ["a", "b", "", "$x", "+", "#"];
        let mut state = 7u64;
        let mut next = |n: usize| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        let mut router = Router::default();
        let mut filters = Vec::new();
        for slot in 0..300 {
            let depth = 1 + next(4);
            let text: Vec<_> = (0..depth).map(|_| levels[next(levels.len())]).collect();
            if let Ok(filter) = Filter::parse(&text.join("/"), true) {
                router.attach(&filter, receiver(slot));
                filters.push((filter, slot));
            }
        }
        for _ in 0..2_000 {
            let depth = 1 + next(4);
            let topic: Vec<_> = (0..depth).map(|_| levels[next(4)]).collect();
            let topic = topic.join("/");
            let mut expected: Vec<u32> = filters
                .iter()
                .filter(|(filter, _)| filter.matches(&topic))
                .map(|&(_, slot)| slot)
                .collect();
            let mut found: Vec<u32> = router.matches(&topic).targets().map(|t| t.address.slot).collect();
            expected.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, expected, "{topic}");
        }
    }
}
