//! What the log says, as tables in memory. Changed record by record in the order of the sequences, by the keeper or
//! by recovery; read by the others under a shared lock.

mod apply;
pub(crate) mod own;
pub(crate) mod queue;
pub(crate) mod retained;
pub(crate) mod segments;
pub(crate) mod session;
pub(crate) mod table;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use restante_model::{Cursor, Seq, SessionId, UnixMicros, UnixMillis};

use self::{
    own::Own,
    queue::{Dropped, Queue},
    retained::Retained,
    segments::Segments,
    session::Session,
    table::{IdMap, Table},
};
use super::{
    counters::Counters,
    index::IndexBuilder,
    segment::{Open, Sealed, SegmentFile},
    waited::Ended,
};
use crate::{log::index::Summary, notes::Notes};

/// The tables.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) sessions: Table<Session>,
    pub(crate) own: Own,
    pub(crate) queues: Table<Queue>,
    pub(crate) retained: Retained,
    pub(crate) notes: Notes,
    pub(crate) segments: Segments,
    /// The last sequence that was applied.
    pub(crate) applied: Seq,
    /// The time of the last tick.
    pub(crate) now: UnixMillis,
    /// The latest time in any record.
    pub(crate) last_time: UnixMicros,
    /// The highest ids ever used.
    pub(crate) highest_session: u64,
    pub(crate) highest_queue: u64,
    /// What changed since the last checkpoint began.
    pub(crate) dirty: Dirty,
    /// Entries of all queues, dropped ones left out.
    pub(crate) entries: u64,
    /// Entries that limits pushed out.
    pub(crate) evicted: u64,
    /// Entries whose messages expired before every reader had them.
    pub(crate) expired: u64,
    /// While the store runs: what has ended since it was last taken out, to be counted. Recovery counts nothing.
    pub(crate) ended: Option<Vec<Ended>>,
    /// While recovery applies records again: which images already have which.
    pub(crate) images: Option<ImagesHave>,
    /// Where damage is counted.
    pub(crate) counters: Arc<Counters>,
    /// With `reject-publisher`: sessions by queue, and queues whose fill must be looked at.
    pub(crate) rejecting: Option<Rejecting>,
}

/// What changed since the last checkpoint began.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    pub(crate) sessions: Vec<u64>,
    pub(crate) sessions_gone: Vec<u64>,
    pub(crate) queues: Vec<u64>,
    pub(crate) queues_gone: Vec<u64>,
    /// Keys of notes, also of those that are gone.
    pub(crate) notes: HashSet<Arc<str>>,
}

/// Up to which sequence the image of an entity has the log in it; for entities whose image is newer than the
/// position from which the log is replayed.
#[derive(Debug, Default)]
pub(crate) struct ImagesHave {
    pub(crate) sessions: IdMap<Seq>,
    pub(crate) queues: IdMap<Seq>,
    pub(crate) topics: HashMap<Box<str>, Seq>,
    pub(crate) notes: HashMap<Box<str>, Seq>,
}

/// What only the policy `reject-publisher` needs.
#[derive(Debug, Default)]
pub(crate) struct Rejecting {
    pub(crate) readers: IdMap<Vec<u64>>,
    pub(crate) in_doubt: Vec<u64>,
}

impl Tables {
    /// Blocks go to this segment from now on.
    pub(crate) fn open_segment(&mut self, file: Arc<SegmentFile>) {
        self.segments.open = Some(Open::new(file));
    }

    /// The open segment receives no more blocks: its entries become runs of an index. Answers the segment, whose
    /// index is in memory; `None` if there was no open segment or nothing in it.
    pub(crate) fn seal(&mut self) -> Option<Arc<Sealed>> {
        let mut open = self.segments.open.take()?;
        if open.blocks.is_empty() {
            return None;
        }
        let mut index = IndexBuilder::new();
        open.queues.sort_unstable();
        let mut live = 0;
        for &id in &open.queues {
            if let Some(queue) = self.queues.get_mut(id) {
                live += u64::from(queue.seal(restante_model::QueueId(id), open.file.key, &mut index));
            }
        }
        for &block in &open.blocks {
            index.block(block);
        }
        let summary = Summary {
            id: open.file.id,
            end: open.end,
            first: open.first(),
            last: open.last,
            deadline: if open.messages == 0 {
                UnixMillis::NEVER
            } else {
                open.deadline
            },
            last_time: open.last_time,
        };
        let (index, _) = index.finish(&summary);
        let sealed = Arc::new(Sealed::new(open.file, summary, index, self.counters.clone()));
        self.segments.insert(sealed.clone(), live);
        Some(sealed)
    }

    /// Takes note of what a queue dropped.
    pub(crate) fn dropped(&mut self, dropped: &Dropped) {
        let mut count = dropped.open;
        for &(segment, entries) in &dropped.sealed {
            self.segments.drop_entries(segment, u64::from(entries));
            count += u64::from(entries);
        }
        if let Some(open) = &mut self.segments.open {
            open.live = open.live.saturating_sub(dropped.open);
        }
        self.entries = self.entries.saturating_sub(count);
    }

    /// What has ended since it was last taken out.
    pub(crate) fn take_ended(&mut self) -> Vec<Ended> {
        self.ended.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// A limit moves a session's cursor, and so pushes entries out.
    pub(crate) fn limit_cursor(
        &mut self,
        id: SessionId,
        evicted: u64,
        moved: impl FnOnce(&Cursor) -> Cursor,
    ) {
        let Some(session) = self.sessions.get_mut(id.0) else {
            return;
        };
        session.move_cursor(moved(&session.cursor()));
        if !std::mem::replace(&mut session.dirty, true) {
            self.dirty.sessions.push(id.0);
        }
        self.evicted += evicted;
        self.trim_own(id);
    }

    /// Nothing of a queue at or below `floor` is needed.
    pub(crate) fn trim(&mut self, queue: u64, floor: Seq) {
        let Some(found) = self.queues.get_mut(queue) else {
            return;
        };
        let mut dropped = Dropped::default();
        found.trim(floor, &mut dropped);
        self.dropped(&dropped);
    }
}
