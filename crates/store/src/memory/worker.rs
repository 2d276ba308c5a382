//! The worker: one thread that owns the tables, applies what was submitted in order, and answers what was asked.
//!
//! Everything of a turn is applied first; then progress is published and the wakes are called, outside of all locks.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use parking_lot::{Condvar, Mutex, RwLock};
use restante_model::{QueueId, Seq, SessionId, UnixMicros, UnixMillis};
use std::collections::{HashMap, HashSet};

use crate::{
    batch::Batch,
    contract::{
        Admission, Backlog, Done, Figures, NotesPage, NotesRequest, Page, ReadRequest, RetainedPage,
        RetainedRequest, Wake,
    },
    image::{SessionImage, StoredMessage},
    notes::NOTE_OVERHEAD_BYTES,
};

use super::tables::Tables;

/// A full store opens again when it is this much below its bound: a sixteenth, so that it does not flutter.
const REOPEN_DIVISOR: usize = 16;

/// What stands between the callers and the worker.
pub(super) struct Shared {
    pub(super) bytes_max: usize,
    pub(super) pending_bytes_max: usize,
    /// Submitted, not yet applied. Its bound is `pending_bytes_max`, kept by callers that ask
    /// [`Store::congested`](crate::contract::Store::congested); reads are at most one per reader.
    pub(super) jobs: Mutex<Jobs>,
    pub(super) work: Condvar,
    pub(super) durable: AtomicU64,
    pub(super) pending_bytes: AtomicUsize,
    pub(super) full: AtomicBool,
    pub(super) queues_full: RwLock<HashSet<QueueId>>,
    /// Of the broker's own sessions.
    pub(super) backlogs: Mutex<HashMap<SessionId, Backlog>>,
    pub(super) figures: Mutex<Figures>,
    pub(super) wakes: Mutex<Vec<Wake>>,
}

/// What waits for the worker.
pub(super) struct Jobs {
    pub(super) list: Vec<Job>,
    /// The next sequence.
    pub(super) next: Seq,
    /// Message ids are above this time.
    pub(super) time: UnixMicros,
    /// The last tick; older ones that were not seen yet are of no interest.
    pub(super) tick: Option<UnixMillis>,
    pub(super) closed: bool,
}

/// One piece of work.
pub(super) enum Job {
    Batch {
        first: Seq,
        last: Seq,
        time: UnixMicros,
        batch: Batch,
    },
    Read(ReadRequest, Done<Page>),
    Session(SessionId, Seq, Done<Option<SessionImage>>),
    BoundMessages(SessionId, Vec<Seq>, Done<Vec<Option<StoredMessage>>>),
    Retained(RetainedRequest, Done<RetainedPage>),
    Notes(NotesRequest, Done<NotesPage>),
}

impl Shared {
    pub(super) fn admission(&self) -> Admission {
        if !self.full.load(Ordering::Acquire) {
            return Admission::Open;
        }
        Admission::Full {
            why: Arc::from(format!(
                "the store in memory holds its limit of messages: let clients fetch theirs, or raise the limit \
                 bytes_max={}",
                self.bytes_max
            )),
        }
    }
}

/// The worker's loop. Ends when the store is closed, after everything that was submitted before.
pub(super) fn run(shared: &Shared, mut tables: Tables) {
    let mut parked = Vec::new();
    let mut figures = Figures::default();
    loop {
        let (jobs, tick, closed) = {
            let mut jobs = shared.jobs.lock();
            while jobs.list.is_empty() && jobs.tick.is_none() && !jobs.closed {
                shared.work.wait(&mut jobs);
            }
            (std::mem::take(&mut jobs.list), jobs.tick.take(), jobs.closed)
        };
        let before = Progress::of(shared);
        for job in jobs {
            serve(shared, &mut tables, &mut figures, &mut parked, job);
        }
        if let Some(now) = tick {
            tables.tick(now);
        }
        if tables.settle_full() {
            shared.queues_full.write().clone_from(&tables.full);
        }
        publish(shared, &tables, &mut figures);
        publish_backlogs(shared, &tables);
        if Progress::of(shared) != before {
            let wakes = shared.wakes.lock().clone();
            wakes.iter().for_each(|wake| wake());
        }
        if closed && shared.jobs.lock().list.is_empty() {
            return;
        }
    }
}

/// What wakes are for.
#[derive(PartialEq)]
struct Progress {
    durable: u64,
    full: bool,
    congested: bool,
}

impl Progress {
    fn of(shared: &Shared) -> Progress {
        Progress {
            durable: shared.durable.load(Ordering::Relaxed),
            full: shared.full.load(Ordering::Relaxed),
            congested: shared.pending_bytes.load(Ordering::Relaxed) > shared.pending_bytes_max,
        }
    }
}

/// Does one job, or parks it until what it waits for was applied.
fn serve(shared: &Shared, tables: &mut Tables, figures: &mut Figures, parked: &mut Vec<Job>, job: Job) {
    match job {
        Job::Batch {
            first,
            last,
            time,
            batch,
        } => {
            tables.apply(first, last, time, &batch);
            figures.commits += 1;
            figures.records += u64::from(batch.records_len());
            figures.bytes += batch.bytes_len() as u64;
            shared
                .pending_bytes
                .fetch_sub(batch.bytes_len(), Ordering::Relaxed);
            shared.durable.store(last.0, Ordering::Release);
            for job in parked
                .extract_if(.., |job| job.applied() <= last)
                .collect::<Vec<_>>()
            {
                answer(tables, job);
            }
        }
        job if job.applied() > tables.applied => parked.push(job),
        job => answer(tables, job),
    }
}

impl Job {
    /// What must have been applied before.
    fn applied(&self) -> Seq {
        match self {
            Job::Read(request, _) => request.applied,
            Job::Retained(request, _) => request.applied,
            Job::Notes(request, _) => request.applied,
            Job::Session(_, at, _) => *at,
            Job::Batch { .. } | Job::BoundMessages(..) => Seq::ZERO,
        }
    }
}

fn answer(tables: &mut Tables, job: Job) {
    match job {
        Job::Batch { .. } => {}
        Job::Read(request, done) => done(tables.page(&request)),
        Job::Session(session, _, done) => {
            tables.limit(session);
            done(tables.sessions.get(&session).map(|found| found.image(session)));
        }
        Job::BoundMessages(session, seqs, done) => done(tables.bound_messages(session, &seqs)),
        Job::Retained(request, done) => done(tables.retained(&request)),
        Job::Notes(request, done) => done(tables.notes.page(&request)),
    }
}

fn publish_backlogs(shared: &Shared, tables: &Tables) {
    let mut published = shared.backlogs.lock();
    published.clear();
    published.extend(tables.own.iter().map(|&id| (id, tables.backlog(id))));
}

fn publish(shared: &Shared, tables: &Tables, figures: &mut Figures) {
    let notes = tables.notes.len() as u64;
    let of_notes = tables.notes.bytes() + notes * NOTE_OVERHEAD_BYTES;
    let bytes = tables.bodies.bytes() + of_notes as usize;
    let full = if shared.full.load(Ordering::Relaxed) {
        bytes > shared.bytes_max - shared.bytes_max / REOPEN_DIVISOR
    } else {
        bytes >= shared.bytes_max
    };
    shared.full.store(full, Ordering::Release);
    figures.sessions = tables.sessions.len() as u64;
    figures.queues = tables.queues.len() as u64;
    figures.entries = tables.entries;
    figures.segment_bytes = tables.bodies.bytes() as u64;
    figures.notes = notes;
    figures.note_bytes = tables.notes.bytes();
    figures.retained = tables.retained.len() as u64;
    figures.retained_bytes = tables.retained.bytes();
    figures.evicted = tables.evicted;
    figures.expired = tables.expired;
    figures.waited = tables.waited;
    shared.figures.lock().clone_from(figures);
}
