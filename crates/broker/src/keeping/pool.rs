//! One pool: its outbox in the store, how much waits there, how far the drain has come.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use restante_backend::{Backend, tables::Subscriptions};
use restante_model::{QueueId, Seq, SessionId, UnixMillis};
use tokio::sync::{Notify, Semaphore};

use super::setup::{OutboxLimits, PoolSetup, WhenFull};
use crate::figures::PoolFigures;

/// Fetches from one pool at a time; others wait their turn.
const FETCHES_MAX: usize = 8;

/// A pool at work.
pub(crate) struct Pool {
    /// `redis.main`: kind and name, as in the configuration.
    pub(crate) name: Arc<str>,
    pub(crate) backend: Arc<dyn Backend>,
    /// Subscriptions that an application has put there for clients.
    pub(crate) lookup: Option<Arc<dyn Subscriptions>>,
    pub(crate) limits: OutboxLimits,
    pub(crate) batch_time: Duration,
    /// The outbox's queue.
    pub(crate) queue: QueueId,
    /// The session that reads it.
    pub(crate) reader: SessionId,
    /// The queue of its dead letters.
    pub(crate) dead_queue: QueueId,
    /// The session that reads them.
    pub(crate) dead_reader: SessionId,
    /// Dead letters that are kept.
    pub(crate) letters: AtomicU64,
    /// Dead letters up to here are gone.
    pub(crate) dead_passed: AtomicU64,
    /// Its place in the list of pools.
    pub(crate) index: usize,
    /// Something was owed, or the drain has come further.
    pub(crate) grown: Notify,
    pub(crate) advanced: Notify,
    pub(crate) fetches: Semaphore,
    /// May be below zero for a moment: the drain can be quicker than the count.
    messages: AtomicI64,
    bytes: AtomicI64,
    last_owed: AtomicU64,
    passed: AtomicU64,
    paused: AtomicBool,
    pub(crate) figures: PoolCounters,
    trouble: Mutex<Option<Arc<str>>>,
}

/// The queues of one pool in the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutboxQueues {
    /// What is owed.
    pub(crate) owed: QueueId,
    /// The session that reads it.
    pub(crate) reader: SessionId,
    /// What was refused for good.
    pub(crate) dead: QueueId,
    /// The session that reads it.
    pub(crate) dead_reader: SessionId,
    /// How far that has come.
    pub(crate) dead_low: Seq,
    /// How many wait there.
    pub(crate) letters: u64,
}

/// What is counted of a pool.
#[derive(Debug, Default)]
pub(crate) struct PoolCounters {
    /// Records that the database has taken.
    pub(crate) sent: AtomicU64,
    /// Records that needed no sending: inserts that met their delete.
    pub(crate) cancelled: AtomicU64,
    /// Records that the database refused for good.
    pub(crate) dead: AtomicU64,
    /// Dead letters that were dropped, because there were too many.
    pub(crate) letters_dropped: AtomicU64,
    /// Attempts that found the database away.
    pub(crate) away: AtomicU64,
    /// Messages fetched for clients.
    pub(crate) fetched: AtomicU64,
    /// Events that this version does not know.
    pub(crate) unknown: AtomicU64,
}

impl Pool {
    pub(crate) fn new(setup: &PoolSetup, index: usize, queues: OutboxQueues) -> Pool {
        Pool {
            name: setup.name.as_str().into(),
            backend: setup.backend.clone(),
            lookup: setup.lookup.clone(),
            limits: setup.limits,
            batch_time: setup.batch_time,
            queue: queues.owed,
            reader: queues.reader,
            dead_queue: queues.dead,
            dead_reader: queues.dead_reader,
            letters: AtomicU64::new(queues.letters),
            dead_passed: AtomicU64::new(queues.dead_low.0),
            index,
            grown: Notify::new(),
            advanced: Notify::new(),
            fetches: Semaphore::new(FETCHES_MAX),
            messages: AtomicI64::new(0),
            bytes: AtomicI64::new(0),
            last_owed: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            figures: PoolCounters::default(),
            trouble: Mutex::default(),
        }
    }

    /// Something was submitted to the outbox; `last` is at or behind it.
    pub(crate) fn grew(&self, owed: Owed, last: Seq) {
        self.messages.fetch_add(owed.records as i64, Ordering::Relaxed);
        self.bytes.fetch_add(owed.bytes as i64, Ordering::Relaxed);
        self.last_owed.fetch_max(last.0, Ordering::SeqCst);
        self.grown.notify_one();
    }

    /// The drain has done with everything up to here; this much of it was in the outbox.
    pub(crate) fn came_to(&self, through: Seq, done: Owed) {
        self.messages.fetch_sub(done.records as i64, Ordering::Relaxed);
        self.bytes.fetch_sub(done.bytes as i64, Ordering::Relaxed);
        self.passed.fetch_max(through.0, Ordering::SeqCst);
        self.advanced.notify_waiters();
    }

    /// At or behind everything that is owed now.
    pub(crate) fn last_owed(&self) -> Seq {
        Seq(self.last_owed.load(Ordering::SeqCst))
    }

    /// Everything up to here is in the database, or done with.
    pub(crate) fn passed(&self) -> Seq {
        Seq(self.passed.load(Ordering::SeqCst))
    }

    /// How much waits in the outbox.
    pub(crate) fn depth(&self) -> Owed {
        Owed {
            records: self.messages.load(Ordering::Relaxed).max(0) as u64,
            bytes: self.bytes.load(Ordering::Relaxed).max(0) as u64,
        }
    }

    /// Whether publishes that would be owed are to be refused (K42).
    pub(crate) fn refuses(&self) -> bool {
        self.limits.when_full == WhenFull::RejectPublisher && self.is_over()
    }

    /// Why a record that was published at this time is not to wait any longer, if it is not (K42).
    pub(crate) fn gives_up(&self, published: UnixMillis, now: UnixMillis) -> Option<&'static str> {
        let age = self.limits.age_max.map(|max| max.as_millis() as u64);
        if age.is_some_and(|max| now.0.saturating_sub(published.0) > max) {
            return Some("it has waited longer than max_age");
        }
        let drops = self.limits.when_full == WhenFull::DeadLetterOldest && self.is_over();
        drops.then_some("the outbox is full, and it is the oldest there")
    }

    /// Whether more waits than the limits allow.
    pub(crate) fn is_over(&self) -> bool {
        let depth = self.depth();
        let over = |value: u64, max: u64| max > 0 && value >= max;
        over(depth.records, self.limits.messages_max) || over(depth.bytes, self.limits.bytes_max)
    }

    /// What is counted, as plain numbers.
    pub(crate) fn figures(&self, oldest: Duration) -> PoolFigures {
        let counted = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let depth = self.depth();
        PoolFigures {
            name: self.name.clone(),
            records: depth.records,
            bytes: depth.bytes,
            oldest,
            sent: counted(&self.figures.sent),
            cancelled: counted(&self.figures.cancelled),
            dead: counted(&self.figures.dead),
            letters: counted(&self.letters),
            letters_dropped: counted(&self.figures.letters_dropped),
            away: counted(&self.figures.away),
            fetched: counted(&self.figures.fetched),
            unknown: counted(&self.figures.unknown),
            paused: self.is_paused(),
            trouble: self.trouble.lock().clone(),
        }
    }

    /// Waits until everything owed up to here is in the database (the barrier of a fetch).
    pub(crate) async fn passed_all(&self, until: Seq) {
        loop {
            let advanced = self.advanced.notified();
            tokio::pin!(advanced);
            // Registered before the look, so that no advance is missed.
            advanced.as_mut().enable();
            if self.passed() >= until {
                return;
            }
            advanced.await;
        }
    }

    /// Whether an operator has stopped the drain.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::SeqCst)
    }

    /// An operator stops the drain, or lets it go on.
    pub(crate) fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::SeqCst);
        self.grown.notify_one();
    }

    /// Takes note of trouble or of its end; answers whether that is news.
    pub(crate) fn set_trouble(&self, why: Option<&str>) -> bool {
        let mut trouble = self.trouble.lock();
        let is_news = trouble.is_some() != why.is_some();
        *trouble = why.map(Into::into);
        is_news
    }
}

/// A number of records with their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owed {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Owed {
    /// One record.
    pub(crate) fn one(bytes: usize) -> Owed {
        Owed {
            records: 1,
            bytes: bytes as u64,
        }
    }

    /// Both.
    pub(crate) fn add(&mut self, other: Owed) {
        self.records += other.records;
        self.bytes += other.bytes;
    }
}
