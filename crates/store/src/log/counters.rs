//! What the store counts.

use std::sync::atomic::{AtomicU64, Ordering};

use restante_model::{NotKept, UnixMicros};

use crate::contract::{Figures, Waited};

use super::shared::Shared;

/// Counters that several threads write.
#[derive(Default)]
pub(crate) struct Counters {
    commits: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    sync_micros: AtomicU64,
    syncs: AtomicU64,
    commit_micros: [AtomicU64; 24],
    damaged: AtomicU64,
    unsubscribed: AtomicU64,
    session_expired: AtomicU64,
    session_cleared: AtomicU64,
    state_bytes: AtomicU64,
    /// Bytes committed when the last checkpoint that succeeded began.
    bytes_in_state: AtomicU64,
}

impl Counters {
    /// A commit of so many records and bytes was begun and is done.
    pub(crate) fn commit(&self, records: u64, bytes: u64, begun: UnixMicros, done: UnixMicros) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let micros = done.0.saturating_sub(begun.0);
        let class = (u64::BITS - micros.leading_zeros()) as usize;
        self.commit_micros[class.min(23)].fetch_add(1, Ordering::Relaxed);
    }

    /// A sync was begun and is done.
    pub(crate) fn sync(&self, begun: UnixMicros, done: UnixMicros) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.sync_micros
            .fetch_add(done.0.saturating_sub(begun.0), Ordering::Relaxed);
    }

    /// Bytes committed so far.
    pub(crate) fn bytes_committed(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A checkpoint of the first `committed` bytes is durable, in a state file of this length.
    pub(crate) fn checkpoint(&self, state_bytes: u64, committed: u64) {
        self.state_bytes.store(state_bytes, Ordering::Relaxed);
        self.bytes_in_state.store(committed, Ordering::Relaxed);
    }

    /// Bytes committed that are in no checkpoint yet.
    pub(crate) fn bytes_beyond_state(&self) -> u64 {
        let in_state = self.bytes_in_state.load(Ordering::Relaxed);
        self.bytes_committed().saturating_sub(in_state)
    }

    /// How long the state file is.
    pub(crate) fn state_bytes(&self) -> u64 {
        self.state_bytes.load(Ordering::Relaxed)
    }

    /// Somebody waited for so many messages when that ended which this word says.
    pub(crate) fn waited(&self, word: NotKept, messages: u64) {
        let counter = match word {
            NotKept::Unsubscribed => &self.unsubscribed,
            NotKept::SessionCleared => &self.session_cleared,
            _ => &self.session_expired,
        };
        counter.fetch_add(messages, Ordering::Relaxed);
    }

    /// Records were found damaged.
    pub(crate) fn damaged(&self, records: u64) {
        self.damaged.fetch_add(records, Ordering::Relaxed);
    }
}

impl Shared {
    /// The figures now.
    pub(crate) fn figures(&self) -> Figures {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        let tables = self.tables.read();
        let sealed = tables.segments.sealed();
        let open = tables.segments.open.as_ref();
        Figures {
            sessions: tables.sessions.len() as u64,
            queues: tables.queues.len() as u64,
            entries: tables.entries,
            segment_bytes: sealed.iter().map(|held| held.segment.file.len).sum::<u64>()
                + open.map_or(0, |open| open.file.len),
            segments: sealed.len() as u64 + u64::from(open.is_some()),
            state_bytes: of(&counters.state_bytes),
            retained: tables.retained.len() as u64,
            retained_bytes: tables.retained.bytes(),
            notes: tables.notes.len() as u64,
            note_bytes: tables.notes.bytes(),
            evicted: tables.evicted,
            expired: tables.expired,
            waited: Waited {
                unsubscribed: of(&counters.unsubscribed),
                session_expired: of(&counters.session_expired),
                session_cleared: of(&counters.session_cleared),
            },
            commits: of(&counters.commits),
            records: of(&counters.records),
            bytes: of(&counters.bytes),
            sync_nanos: of(&counters.sync_micros) * 1000,
            syncs: of(&counters.syncs),
            commit_micros: std::array::from_fn(|class| of(&counters.commit_micros[class])),
            damaged: of(&counters.damaged),
            stalled: self.is_stalled(),
        }
    }
}
