//! The sessions of the broker's own: few of them, of which more must be known than of others.

use std::collections::{BTreeMap, BTreeSet};

use restante_model::{QueueId, Seq, SessionId, UnixMillis};

use crate::change::OWN_VERSION;

use super::{Tables, queue::Run, session::Session};

/// Which there are, and where they stand.
#[derive(Debug, Default)]
pub(crate) struct Own {
    sessions: BTreeSet<SessionId>,
    firsts: BTreeMap<(SessionId, QueueId), First>,
}

/// Where a cursor stands in the first run of what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct First {
    pub(crate) segment: u32,
    /// Entries of the run. A merge may leave fewer of them under the same key.
    pub(crate) count: u32,
    /// Where the cursor stood.
    pub(crate) low: Seq,
    /// So many entries of the run are not above it.
    pub(crate) passed: u32,
    /// When the first one above it was published.
    pub(crate) oldest: UnixMillis,
}

impl First {
    /// Whether it speaks of this run.
    pub(crate) fn is_of(&self, run: &Run) -> bool {
        (self.segment, self.count) == (run.segment, run.count)
    }
}

impl Own {
    /// A session was opened, or read from a checkpoint.
    pub(crate) fn opened(&mut self, id: SessionId, version: u8) {
        if version == OWN_VERSION {
            self.sessions.insert(id);
        } else if !self.sessions.is_empty() {
            self.ended(id);
        }
    }

    /// A session is gone.
    pub(crate) fn ended(&mut self, id: SessionId) {
        if self.sessions.remove(&id) {
            self.firsts.retain(|&(session, _), _| session != id);
        }
    }

    /// Which there are.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.sessions.iter().copied()
    }

    /// Where one stands, as far as it is known.
    pub(crate) fn first(&self, id: SessionId, queue: QueueId) -> Option<First> {
        self.firsts.get(&(id, queue)).copied()
    }

    /// Where one stands is known now.
    pub(crate) fn set_first(&mut self, id: SessionId, queue: QueueId, first: Option<First>) {
        match first.filter(|_| self.sessions.contains(&id)) {
            Some(first) => _ = self.firsts.insert((id, queue), first),
            None => _ = self.firsts.remove(&(id, queue)),
        }
    }
}

impl Tables {
    /// What a session of the broker's own reads, and from where on; nothing for others.
    pub(crate) fn own_readings(&self, id: SessionId) -> impl Iterator<Item = (QueueId, Seq)> + '_ {
        let session = self.sessions.get(id.0).filter(|session| session.is_own());
        session.into_iter().flat_map(Session::readings)
    }

    /// The queues that they read.
    pub(crate) fn own_queues(&self) -> Vec<u64> {
        let readings = self.own.sessions().flat_map(|id| self.own_readings(id));
        readings.map(|(queue, _)| queue.0).collect()
    }
}
