//! The contract between the broker and whatever keeps its messages.
//!
//! Nothing here blocks, and nothing answers at once what a remote store could not: changes are submitted and become
//! durable later; reads are requested and answered later, on a thread of the store's own. Two stores fulfil it, the
//! log and plain memory, and one conformance suite holds both to it.

use std::sync::Arc;

use restante_model::{NotKept, QueueId, Seq, SessionId, UnixMicros, UnixMillis};

use crate::{
    batch::Batch,
    image::{SessionImage, StoredMessage},
};

/// Called once with the answer, on a thread of the store. Must not block.
pub type Done<T> = Box<dyn FnOnce(T) + Send>;

/// Called without arguments on a thread of the store. Must not block.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// What a store promises.
pub trait Store: Send + Sync + 'static {
    /// An empty batch to fill. A store may give back the memory of one that was committed.
    fn batch(&self) -> Batch {
        Batch::default()
    }

    /// Takes a batch, gives each of its ordinals a sequence (`first + ordinal`), and returns at once. Batches become
    /// durable, and are applied, in the order of these calls; a batch is atomic per record (a message with its queue
    /// entries, its receipt and its retain is one record).
    ///
    /// Never refuses: a caller that cares asks [`Store::admission`] and [`Store::congested`] first. After a failure
    /// the batch is dropped and `durable` never reaches it.
    fn submit(&self, batch: Batch) -> Span;

    /// As [`Store::submit`], but who sleeps is not woken for it: the caller has something more urgent to do first, and
    /// calls [`Store::rouse`] soon after.
    fn submit_quietly(&self, batch: Batch) -> Span {
        self.submit(batch)
    }

    /// Wakes whoever writes what was submitted quietly. Cheap when there is nothing to wake.
    fn rouse(&self) {}

    /// The node part of the ids of its messages: with the time of a batch and an ordinal in it, a message's id
    /// ([`message_id`](crate::record::message_id)).
    fn node(&self) -> u64;

    /// Everything up to this sequence is as durable as `sync` says. One atomic load.
    fn durable(&self) -> Seq;

    /// Registers a wake-up that is called after each advance of [`Store::durable`], after a failure, and when
    /// admission or congestion changes. Wake-ups are few (one per commit), not per message.
    fn on_progress(&self, wake: Wake);

    /// Whether messages that must be kept are taken now.
    fn admission(&self) -> Admission;

    /// Whether more has been submitted than the hand-over holds (`pending_bytes_max`): read no more publishes from
    /// sockets until the next wake-up. The only back pressure there is (K26).
    fn congested(&self) -> bool;

    /// Reads the next page of a backlog. At most one request per reader should be under way.
    fn read(&self, request: ReadRequest, done: Done<Page>);

    /// The session as it is after everything up to `at` was applied, its queue limits worked out (K22): with
    /// `drop-oldest` the cursor's low-water mark stands at the floor; with `drop-newest` what is beyond the limit
    /// stands as an acknowledged range. What is lost that way is counted as evicted or queue-full.
    fn session(&self, session: SessionId, at: Seq, done: Done<Option<SessionImage>>);

    /// Reads the messages of a session's bindings again, for sending them again. In the order asked; a message that
    /// cannot be read is `None`.
    fn bound_messages(&self, session: SessionId, seqs: Vec<Seq>, done: Done<Vec<Option<StoredMessage>>>);

    /// Reads the next page of the retained messages that a topic filter matches. Expired ones are left out. At most one
    /// request per reader should be under way.
    fn retained(&self, request: RetainedRequest, done: Done<RetainedPage>);

    /// Reads the next page of the notes whose keys begin with a prefix ([`Change::Noted`](crate::change::Change::Noted)).
    fn notes(&self, request: NotesRequest, done: Done<NotesPage>);

    /// Whether a queue holds its limit beyond its slowest reader. Always false unless the policy is
    /// [`WhenFull::RejectPublisher`] (K22). As of the last applied batch.
    fn queue_full(&self, queue: QueueId) -> bool;

    /// What waits for a session of the broker's own ([`OWN_VERSION`](crate::change::OWN_VERSION)): the entries of its
    /// queues beyond its cursor, as of the last applied batch. Nothing for any other session. Cheap enough for once a
    /// second; never reads a disk.
    fn backlog(&self, session: SessionId) -> Backlog;

    /// Whether a topic may have a retained message, as of the last applied batch. Asked for what is to be cleared while
    /// the store is full: only that frees space. A store that cannot say at once answers yes.
    fn has_retained(&self, topic: &str) -> bool {
        let _ = topic;
        true
    }

    /// Time passes: the broker says so about once a second. The store sweeps floors and deadlines by it (K16, K29)
    /// and never asks a clock of its own for anything that expires.
    fn tick(&self, now: UnixMillis);

    /// Figures for metrics and inspection. Cheap enough for once a second.
    fn figures(&self) -> Figures;

    /// Commits what was submitted, writes what makes the next start short, and stops. Blocks; at most a few seconds.
    fn close(&self) -> Result<(), StoreError>;
}

/// What `submit` gave a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Sequence of the batch's first ordinal.
    pub first: Seq,
    /// Sequence of its last one; the batch is durable when `durable() >= last`.
    pub last: Seq,
    /// Publish time of all its messages: the time part of their ids, strictly rising from batch to batch.
    pub time: UnixMicros,
}

/// Whether the store takes messages that must be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Open,
    /// The disk or the store's limit is nearly reached: what is submitted is taken, but messages, new sessions and new
    /// subscriptions are to be refused by the caller, so that acknowledgements and deletions find room (K9). Recovers
    /// by itself.
    Full {
        /// A sentence for the log.
        why: Arc<str>,
    },
    /// A write or a sync failed: nothing becomes durable any more until a restart.
    Failed {
        /// A sentence for the log.
        why: Arc<str>,
    },
}

/// Which retained messages to read.
#[derive(Clone, Debug)]
pub struct RetainedRequest {
    /// Without `$share`.
    pub topic_filter: String,
    /// Only topics behind this one: where the page before ended.
    pub after: Option<Box<str>>,
    /// Only messages with `seq <= to`. Read by pages with the same `to`, each topic is given once at most, and with the
    /// message that it had there: one that was set since is left out with the one that it replaced, and one that was
    /// cleared since is gone.
    pub to: Seq,
    /// Most messages.
    pub messages_max: usize,
    /// Most bytes of their fields; the first message is given whatever its size.
    pub bytes_max: usize,
    /// Answer only after everything up to here was applied.
    pub applied: Seq,
}

/// A page of retained messages.
#[derive(Clone, Debug, Default)]
pub struct RetainedPage {
    /// Ascending by topic. May be fewer than asked for, even none, before the end: so that looking through many topics
    /// that do not match holds up nobody else.
    pub messages: Vec<StoredMessage>,
    /// Where the next page begins; `None` at the end.
    pub after: Option<Box<str>>,
}

/// Which notes to read.
#[derive(Clone, Debug)]
pub struct NotesRequest {
    /// Only keys that begin with this; empty = all.
    pub prefix: Box<str>,
    /// Only keys behind this one: where the page before ended.
    pub after: Option<Box<str>>,
    /// Most notes.
    pub notes_max: usize,
    /// Most bytes of keys and values; the first note is given whatever its size.
    pub bytes_max: usize,
    /// Answer only after everything up to here was applied.
    pub applied: Seq,
}

/// A page of notes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotesPage {
    /// Ascending by key, as of one moment; what changes between two pages is seen by the later one or not at all. May be
    /// fewer than asked for before the end.
    pub notes: Vec<Note>,
    /// Where the next page begins; `None` at the end.
    pub after: Option<Box<str>>,
}

/// One note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its key.
    pub key: Box<str>,
    /// Its value, never empty.
    pub value: Box<[u8]>,
}

/// One part of a backlog: the messages of a queue with `from < seq <= to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSpan {
    /// Which queue.
    pub queue: QueueId,
    /// Exclusive.
    pub from: Seq,
    /// Inclusive; [`Seq::MAX`] = to the end.
    pub to: Seq,
}

/// What to read.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// The queues and spans, merged by sequence into one stream. One queue may stand in several spans.
    pub spans: Vec<QueueSpan>,
    /// Only messages with `seq > after`.
    pub after: Seq,
    /// Ranges to leave out (already acknowledged, or in flight), ascending.
    pub skip: Vec<(Seq, Seq)>,
    /// Most messages.
    pub messages_max: usize,
    /// Most bytes of message records; the first message is given whatever its size.
    pub bytes_max: usize,
    /// Answer only after everything up to here was applied.
    pub applied: Seq,
}

/// A page of a backlog.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// In the order of their sequences.
    pub entries: Vec<Entry>,
    /// Every message of the spans up to here is in this page or in an earlier one, or was skipped: go on after it.
    /// Not below the request's `after`. When `end` is true it is at least `request.applied`.
    pub through: Seq,
    /// There was nothing more when this was read.
    pub end: bool,
}

/// One message of a page.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its sequence.
    pub seq: Seq,
    /// Which of the request's spans hold it: bit `i` for span `i`, for the first 64 spans; for sessions with more
    /// spans, see `spans_beyond`.
    pub spans: u64,
    /// Indexes of spans from 64 on. Nearly always empty.
    pub spans_beyond: Vec<u32>,
    /// The message, or that its record could not be read back (counted as [`NotKept::Damaged`]).
    pub message: Result<StoredMessage, NotKept>,
}

/// What waits for a session of the broker's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Entries beyond the low-water mark of its cursor. Exact while nothing is acknowledged out of order and the cursor
    /// stands where it stood at the last tick; else an upper bound, by what was acknowledged out of order and, in the log,
    /// by what was acknowledged of one segment since that tick.
    pub messages: u64,
    /// Bytes of their records, about: within a segment in proportion to the messages.
    pub bytes: u64,
    /// When the oldest of them was published, or somewhat earlier: as of the last tick. `None` when nothing waits.
    pub oldest: Option<UnixMillis>,
}

/// Figures of a store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Sessions known.
    pub sessions: u64,
    /// Queues known.
    pub queues: u64,
    /// Queue entries that some reader still waits for (as of the last sweep).
    pub entries: u64,
    /// Bytes of message segments in use.
    pub segment_bytes: u64,
    /// Message segments in use.
    pub segments: u64,
    /// Bytes of state files.
    pub state_bytes: u64,
    /// Retained messages.
    pub retained: u64,
    /// Bytes of retained messages.
    pub retained_bytes: u64,
    /// Notes.
    pub notes: u64,
    /// Bytes of their keys and values.
    pub note_bytes: u64,
    /// Commits done.
    pub commits: u64,
    /// Records committed (for the mean batch size).
    pub records: u64,
    /// Bytes committed.
    pub bytes: u64,
    /// Nanoseconds spent in fdatasync.
    pub sync_nanos: u64,
    /// fdatasync calls.
    pub syncs: u64,
    /// Duration of commits in microseconds: counts by power of two, index i = below 2^i µs.
    pub commit_micros: [u64; 24],
    /// Records found damaged, at start or when read.
    pub damaged: u64,
    /// There is no space on the disk even for what frees some: nothing becomes durable until there is. Admission is
    /// full meanwhile, and says why.
    pub stalled: bool,
    /// Queue entries that limits pushed out (an upper bound where filters overlap, K23).
    pub evicted: u64,
    /// Queue entries (not those that a session of the broker's own waits for) that the sweep removed because their message had expired, once per queue and message (K16, K30).
    pub expired: u64,
    /// What sessions and subscriptions still waited for when they ended.
    pub waited: Waited,
}

/// Messages that were owed when a session or a subscription ended, by the word under which it ended (K30): those in its
/// queues that it had not done with, and those bound to a packet id that the client had not received for sure. Counted
/// since the store was opened, and soon after the end was applied. Exact where a session's filters do not overlap, or
/// little waits for it; else an upper bound (K23).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waited {
    /// The subscription ended, and no other one of the session is owed the message.
    pub unsubscribed: u64,
    /// The session expired.
    pub session_expired: u64,
    /// The session was cleared.
    pub session_cleared: u64,
}

impl Waited {
    /// What was counted under this word; 0 under all others.
    pub fn under(&self, word: NotKept) -> u64 {
        match word {
            NotKept::Unsubscribed => self.unsubscribed,
            NotKept::SessionExpired => self.session_expired,
            NotKept::SessionCleared => self.session_cleared,
            _ => 0,
        }
    }
}

/// What a store tells the broker about itself when it was opened: enough to build the directory and the router.
pub trait Recovered {
    /// Each session, in no order. Called once; the images are made one at a time.
    fn sessions(&mut self, each: &mut dyn FnMut(&SessionImage));
    /// Each queue with its filter.
    fn queues(&mut self, each: &mut dyn FnMut(QueueId, &str));
    /// The last time the store knows of (K29).
    fn last_time(&self) -> UnixMillis;
    /// The highest session and queue ids ever used.
    fn highest_ids(&self) -> (SessionId, QueueId);
    /// What was found and mended, in sentences for the log.
    fn findings(&self) -> &[String];
}

/// Limits that the store applies to backlogs (K22), but not to those of the broker's own sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Most messages a session may be owed; 0 = no limit.
    pub messages_max: u64,
    /// Most bytes of message records a session may be owed; 0 = no limit. A single message above it is not owed.
    pub bytes_max: u64,
    /// What happens at the limit.
    pub when_full: WhenFull,
}

/// The policy at the limit (K22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest messages are no longer owed: a floor under the cursor.
    DropOldest,
    /// What came after the limit was reached is not owed.
    DropNewest,
    /// Publishers are refused: the broker asks before it submits.
    RejectPublisher,
}

/// What went wrong with a store as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the folder.
    #[error("the data folder is in use by another process path={path}")]
    InUse {
        /// The folder.
        path: String,
    },
    /// Somebody wants to look at a store where there is none.
    #[error("there is no store in this folder")]
    NoStore,
    /// The format is newer than this program.
    #[error("the store was written by a newer version format={found} known={known} path={path}")]
    NewerFormat {
        /// Found.
        found: u32,
        /// The newest this program knows.
        known: u32,
        /// Which file.
        path: String,
    },
    /// A file is not what it should be, and nothing safe can be done.
    #[error("the store is damaged: {what} path={path}")]
    Damaged {
        /// What.
        what: String,
        /// Which file.
        path: String,
    },
    /// A call to the disk failed.
    #[error("cannot {action}: {source} path={path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: String,
        /// The system's words.
        source: std::io::Error,
    },
}
