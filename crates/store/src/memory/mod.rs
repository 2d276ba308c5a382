//! The store in plain memory (`store = "memory"`): the same promises as the log while the process lives, and none
//! beyond it. A restart loses every session and every message.
//!
//! What is not here: anything about disks. "Durable" means applied. One worker thread owns all tables, so there is no
//! locking among them; callers hand it work and are called back. Bounded by [`MemorySettings::bytes_max`] for what is
//! kept and by [`MemorySettings::pending_bytes_max`] for what is on its way.

mod bodies;
mod limits;
mod needs;
mod page;
mod queue;
mod retained;
mod session;
mod sweep;
mod tables;
mod waited;
mod worker;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
};

use parking_lot::{Condvar, Mutex, RwLock};
use restante_model::{QueueId, Seq, SessionId, UnixMicros, UnixMillis};

use crate::{
    batch::Batch,
    contract::{
        Admission, Backlog, Done, Figures, NotesPage, NotesRequest, Page, QueueLimits, ReadRequest,
        Recovered, RetainedPage, RetainedRequest, Span, Store, StoreError, Wake,
    },
    image::{SessionImage, StoredMessage},
};

use tables::Tables;
use worker::{Job, Jobs, Shared};

/// What a store in memory is told.
#[derive(Clone)]
pub struct MemorySettings {
    /// Bytes of messages and notes that are kept, with an estimate of what each costs beside its bytes. From here on the store
    /// is [`Admission::Full`] until a sixteenth is free again. Sessions and subscriptions do not count: they have
    /// limits of their own (K24).
    pub bytes_max: usize,
    /// Bytes submitted and not yet applied from which on the store is congested.
    pub pending_bytes_max: usize,
    /// Limits of what one session may be owed.
    pub limits: QueueLimits,
    /// The wall clock, for the ids of messages only.
    pub clock: Arc<dyn Fn() -> UnixMicros + Send + Sync>,
    /// The node part of message ids; the low 48 bits count.
    pub node: u64,
}

impl fmt::Debug for MemorySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySettings")
            .field("bytes_max", &self.bytes_max)
            .field("pending_bytes_max", &self.pending_bytes_max)
            .field("limits", &self.limits)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

/// The store in memory.
pub struct MemoryStore {
    shared: Arc<Shared>,
    clock: Arc<dyn Fn() -> UnixMicros + Send + Sync>,
    node: u64,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl MemoryStore {
    /// Opens an empty store and starts its worker.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the system gives no thread.
    pub fn open(settings: MemorySettings) -> Result<(Arc<MemoryStore>, MemoryRecovered), StoreError> {
        let before_all = Seq::first_of_boot(1);
        let shared = Arc::new(Shared {
            bytes_max: settings.bytes_max,
            pending_bytes_max: settings.pending_bytes_max,
            jobs: Mutex::new(Jobs {
                list: Vec::new(),
                next: before_all.plus(1),
                time: UnixMicros(0),
                tick: None,
                closed: false,
            }),
            work: Condvar::new(),
            durable: before_all.0.into(),
            pending_bytes: 0.into(),
            full: false.into(),
            queues_full: RwLock::default(),
            backlogs: Mutex::default(),
            figures: Mutex::default(),
            wakes: Mutex::default(),
        });
        let tables = Tables::new(settings.limits, settings.node, before_all);
        let worker = std::thread::Builder::new().name("store-memory".into()).spawn({
            let shared = shared.clone();
            move || worker::run(&shared, tables)
        });
        let worker = worker.map_err(|source| StoreError::Io {
            action: "start the store's thread",
            path: "memory".into(),
            source,
        })?;
        let store = MemoryStore {
            shared,
            clock: settings.clock,
            node: settings.node,
            worker: Mutex::new(Some(worker)),
        };
        Ok((Arc::new(store), MemoryRecovered::new()))
    }

    fn hand_over(&self, job: Job) {
        let mut jobs = self.shared.jobs.lock();
        if !jobs.closed {
            jobs.list.push(job);
            self.shared.work.notify_one();
        }
    }

    /// Lets the worker finish what was submitted, and ends it.
    fn stop(&self) {
        self.shared.jobs.lock().closed = true;
        self.shared.work.notify_one();
        let worker = self.worker.lock().take();
        // The last owner may be a callback, on the worker itself: it ends when that returns.
        if let Some(worker) = worker.filter(|worker| worker.thread().id() != std::thread::current().id()) {
            // A worker that panicked has said so already.
            let _ = worker.join();
        }
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Store for MemoryStore {
    fn submit(&self, batch: Batch) -> Span {
        let now = (self.clock)();
        let ordinals = u64::from(batch.ordinals());
        let mut jobs = self.shared.jobs.lock();
        let first = jobs.next;
        let last = Seq(first.0 + ordinals - 1);
        let time = UnixMicros(now.0.max(jobs.time.0 + 1));
        jobs.next = first.plus(ordinals);
        // The id of a message beyond 65,536 ordinals borrows from the microseconds that follow.
        jobs.time = UnixMicros(time.0 + (ordinals >> 16));
        if ordinals > 0 && !jobs.closed {
            let pending = &self.shared.pending_bytes;
            pending.fetch_add(batch.bytes_len(), Ordering::Relaxed);
            jobs.list.push(Job::Batch {
                first,
                last,
                time,
                batch,
            });
        }
        drop(jobs);
        self.shared.work.notify_one();
        Span { first, last, time }
    }

    fn node(&self) -> u64 {
        self.node
    }

    fn durable(&self) -> Seq {
        Seq(self.shared.durable.load(Ordering::Acquire))
    }

    fn on_progress(&self, wake: Wake) {
        self.shared.wakes.lock().push(wake);
    }

    fn admission(&self) -> Admission {
        self.shared.admission()
    }

    fn congested(&self) -> bool {
        self.shared.pending_bytes.load(Ordering::Relaxed) > self.shared.pending_bytes_max
    }

    fn read(&self, request: ReadRequest, done: Done<Page>) {
        self.hand_over(Job::Read(request, done));
    }

    fn session(&self, session: SessionId, at: Seq, done: Done<Option<SessionImage>>) {
        self.hand_over(Job::Session(session, at, done));
    }

    fn bound_messages(&self, session: SessionId, seqs: Vec<Seq>, done: Done<Vec<Option<StoredMessage>>>) {
        self.hand_over(Job::BoundMessages(session, seqs, done));
    }

    fn retained(&self, request: RetainedRequest, done: Done<RetainedPage>) {
        self.hand_over(Job::Retained(request, done));
    }

    fn notes(&self, request: NotesRequest, done: Done<NotesPage>) {
        self.hand_over(Job::Notes(request, done));
    }

    fn queue_full(&self, queue: QueueId) -> bool {
        self.shared.queues_full.read().contains(&queue)
    }

    fn backlog(&self, session: SessionId) -> Backlog {
        self.shared
            .backlogs
            .lock()
            .get(&session)
            .copied()
            .unwrap_or_default()
    }

    fn tick(&self, now: UnixMillis) {
        self.shared.jobs.lock().tick = Some(now);
        self.shared.work.notify_one();
    }

    fn figures(&self) -> Figures {
        self.shared.figures.lock().clone()
    }

    /// After it nothing is applied or answered any more; what still asks is dropped without an answer.
    fn close(&self) -> Result<(), StoreError> {
        self.stop();
        Ok(())
    }
}

/// What a store in memory knows when it is opened: nothing.
#[derive(Debug)]
pub struct MemoryRecovered {
    findings: Vec<String>,
}

impl MemoryRecovered {
    fn new() -> MemoryRecovered {
        let warning = "messages and sessions are kept in memory only: a restart loses them all; set store = \"log\" \
                       to keep them on disk";
        MemoryRecovered {
            findings: vec![warning.into()],
        }
    }
}

impl Recovered for MemoryRecovered {
    fn sessions(&mut self, _each: &mut dyn FnMut(&SessionImage)) {}

    fn queues(&mut self, _each: &mut dyn FnMut(QueueId, &str)) {}

    fn last_time(&self) -> UnixMillis {
        UnixMillis(0)
    }

    fn highest_ids(&self) -> (SessionId, QueueId) {
        (SessionId(0), QueueId(0))
    }

    fn findings(&self) -> &[String] {
        &self.findings
    }
}
