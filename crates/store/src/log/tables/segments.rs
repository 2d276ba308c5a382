//! The segments in use, in the order of their sequences, and how much of each is needed.

use std::{collections::BTreeMap, sync::Arc};

use restante_model::Seq;

use crate::log::segment::{Open, Sealed};

/// The segments.
#[derive(Default)]
pub(crate) struct Segments {
    /// Ascending by key and by sequence.
    sealed: Vec<Held>,
    pub(crate) open: Option<Open>,
    /// Messages that are in flight to somebody, and to how many (K15).
    pins: BTreeMap<Seq, u32>,
}

/// A sealed segment and its count.
pub(crate) struct Held {
    pub(crate) segment: Arc<Sealed>,
    /// Entries in it that are not dropped.
    pub(crate) live: u64,
    /// All its messages have expired: bindings still read it, and the broker's own sessions while it has live entries.
    pub(crate) expired: bool,
}

impl Segments {
    pub(crate) fn sealed(&self) -> &[Held] {
        &self.sealed
    }

    /// Adds a segment at its place.
    pub(crate) fn insert(&mut self, segment: Arc<Sealed>, live: u64) {
        let at = self
            .sealed
            .partition_point(|held| held.segment.file.key < segment.file.key);
        self.sealed.insert(
            at,
            Held {
                segment,
                live,
                expired: false,
            },
        );
    }

    pub(crate) fn get(&self, key: u32) -> Option<&Arc<Sealed>> {
        Some(&self.sealed.get(self.place(key)?)?.segment)
    }

    /// A segment whose runs are still read.
    pub(crate) fn readable(&self, key: u32) -> Option<&Arc<Sealed>> {
        let held = self.sealed.get(self.place(key)?)?;
        (!held.expired || held.live > 0).then_some(&held.segment)
    }

    /// All messages of a segment have expired; so many entries stay. Answers how many go.
    pub(crate) fn expire(&mut self, key: u32, left: u64) -> u64 {
        match self.place(key).and_then(|at| self.sealed.get_mut(at)) {
            Some(held) => {
                held.expired = true;
                let gone = held.live.saturating_sub(left);
                held.live -= gone;
                gone
            }
            None => 0,
        }
    }

    /// Entries of a segment were dropped.
    pub(crate) fn drop_entries(&mut self, key: u32, count: u64) {
        if let Some(at) = self.place(key)
            && let Some(held) = self.sealed.get_mut(at)
        {
            held.live = held.live.saturating_sub(count);
        }
    }

    /// Entries of a segment are needed that were not counted yet.
    pub(crate) fn add_entries(&mut self, key: u32, count: u64) {
        if let Some(at) = self.place(key)
            && let Some(held) = self.sealed.get_mut(at)
        {
            held.live += count;
        }
    }

    /// Takes a segment out.
    pub(crate) fn remove(&mut self, key: u32) -> Option<Arc<Sealed>> {
        let at = self.place(key)?;
        Some(self.sealed.remove(at).segment)
    }

    /// The sealed segment whose range a sequence lies in.
    pub(crate) fn covering(&self, seq: Seq) -> Option<&Arc<Sealed>> {
        let after = self
            .sealed
            .partition_point(|held| held.segment.summary.first <= seq);
        let held = self.sealed.get(after.checked_sub(1)?)?;
        held.segment.covers(seq).then_some(&held.segment)
    }

    /// Somebody has the message in flight.
    pub(crate) fn pin(&mut self, seq: Seq) {
        *self.pins.entry(seq).or_insert(0) += 1;
    }

    /// Somebody has it in flight no more.
    pub(crate) fn unpin(&mut self, seq: Seq) {
        if let Some(holders) = self.pins.get_mut(&seq) {
            *holders -= 1;
            if *holders == 0 {
                self.pins.remove(&seq);
            }
        }
    }

    /// The messages in flight with `first <= seq <= last`.
    pub(crate) fn pinned(&self, first: Seq, last: Seq) -> impl Iterator<Item = Seq> + '_ {
        let range = (first <= last).then(|| self.pins.range(first..=last));
        range.into_iter().flatten().map(|(&seq, _)| seq)
    }

    fn place(&self, key: u32) -> Option<usize> {
        self.sealed
            .binary_search_by_key(&key, |held| held.segment.file.key)
            .ok()
    }
}
