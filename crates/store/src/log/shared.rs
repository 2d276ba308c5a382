//! What the threads of the store share: the hand-overs between them, and what callers look at.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use parking_lot::{Condvar, Mutex, RwLock};
use restante_model::{Seq, UnixMicros, UnixMillis};

use crate::{
    batch::Batch,
    contract::{Admission, Span, Wake},
    io::Disk,
};

use super::{
    counters::Counters,
    page_memory::PageMemory,
    requests::{Request, Requests},
    segment::{Sealed, SegmentFile},
    settings::LogSettings,
    supply::Supply,
    tables::Tables,
    warm::Warm,
};

/// Buffers of committed batches kept for the next ones.
const BUFFERS_MAX: usize = 64;

/// Batches that the keeper lets gather at most: as many as there are buffers for.
pub(crate) const GATHERED_MAX: usize = BUFFERS_MAX;

/// Larger buffers are given back to the system.
const BUFFER_BYTES_MAX: usize = 1 << 20;

/// Everything.
pub(crate) struct Shared {
    pub(crate) settings: LogSettings,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) node: u64,
    /// Submitted, not taken by the committer yet.
    pub(crate) pending: Mutex<Pending>,
    pub(crate) pending_bell: Condvar,
    /// Bytes submitted and not applied yet; callers keep to `pending_bytes_max` by asking `congested`.
    pub(crate) pending_bytes: AtomicUsize,
    /// As durable as the settings say.
    durable: AtomicU64,
    /// Committed, not applied yet; bounded by `pending_bytes_max` too.
    pub(crate) committed: Mutex<Handover>,
    pub(crate) committed_bell: Condvar,
    pub(crate) tables: RwLock<Tables>,
    pub(crate) requests: Requests,
    pub(crate) warm: Warm,
    pub(crate) page_memory: PageMemory,
    pub(crate) supply: Supply,
    pub(crate) house: Mutex<House>,
    pub(crate) house_bell: Condvar,
    /// One limit at a time, so that nothing is counted as evicted twice.
    pub(crate) limits: Mutex<super::limits::Memo>,
    pub(crate) queues_full: RwLock<HashSet<u64>>,
    pub(crate) counters: Arc<Counters>,
    buffers: Mutex<Vec<Vec<u8>>>,
    wakes: RwLock<Vec<Wake>>,
    full: RwLock<Option<Arc<str>>>,
    failed: OnceLock<Arc<str>>,
    congested: AtomicBool,
    /// The committer waits for space.
    stalled: AtomicBool,
}

/// See [`Shared::watch`].
pub(crate) struct Watch {
    shared: Arc<Shared>,
    thread: &'static str,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let name = self.thread;
        self.shared.fail(format!(
            "a thread of the store has ended by a mistake in the program, restart thread={name}"
        ));
        self.shared.pending.lock().closed = true;
        self.shared.committed.lock().closed = true;
        self.shared.committed_bell.notify_all();
        self.shared.requests.over();
    }
}

/// What was submitted.
pub(crate) struct Pending {
    pub(crate) batches: Vec<Submitted>,
    pub(crate) next: Seq,
    pub(crate) time: UnixMicros,
    /// The committer waits for the bell.
    pub(crate) asleep: bool,
    pub(crate) closed: bool,
}

/// A batch with its place.
pub(crate) struct Submitted {
    pub(crate) first: Seq,
    pub(crate) last: Seq,
    pub(crate) time: UnixMicros,
    pub(crate) batch: Batch,
}

/// What the committer hands to the keeper, in order.
#[derive(Default)]
pub(crate) struct Handover {
    pub(crate) list: VecDeque<Committed>,
    pub(crate) keeper: Keeper,
    pub(crate) closed: bool,
}

/// What the keeper does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// It waits for the next commit.
    #[default]
    Idle,
    /// It lets commits gather, unless somebody is in a hurry.
    Gathering,
    /// It looks again by itself.
    Busy,
}

/// One thing that was committed.
pub(crate) enum Committed {
    /// The next blocks are in this segment; the one before is sealed.
    Segment(Arc<SegmentFile>),
    /// A batch whose first record stands at `offset`.
    Batch { submitted: Submitted, offset: u32 },
}

/// What the house thread is asked to do.
#[derive(Default)]
pub(crate) struct House {
    pub(crate) ticked: Option<UnixMillis>,
    /// Segments whose index is in memory only.
    pub(crate) unwritten: Vec<Arc<Sealed>>,
    /// Segments that nothing was written to before the next one was needed.
    pub(crate) unused: Vec<Arc<SegmentFile>>,
    pub(crate) rung: bool,
    pub(crate) closed: bool,
    /// Closing without a last checkpoint.
    pub(crate) hurry: bool,
}

impl Shared {
    #[allow(
        clippy::too_many_arguments,
        reason = "called once, by recovery, with what it found"
    )]
    pub(crate) fn new(
        settings: LogSettings,
        disk: Arc<dyn Disk>,
        node: u64,
        tables: Tables,
        supply: Supply,
        next: Seq,
        time: UnixMicros,
        unwritten: Vec<Arc<Sealed>>,
    ) -> Shared {
        let durable = tables.applied;
        Shared {
            requests: Requests::new(durable),
            warm: Warm::default(),
            page_memory: PageMemory::default(),
            settings,
            disk,
            node,
            pending: Mutex::new(Pending {
                batches: Vec::new(),
                next,
                time,
                asleep: false,
                closed: false,
            }),
            pending_bell: Condvar::new(),
            pending_bytes: AtomicUsize::new(0),
            durable: AtomicU64::new(durable.0),
            committed: Mutex::default(),
            committed_bell: Condvar::new(),
            supply,
            house: Mutex::new(House {
                unwritten,
                rung: true,
                ..House::default()
            }),
            house_bell: Condvar::new(),
            limits: Mutex::default(),
            queues_full: RwLock::default(),
            counters: tables.counters.clone(),
            tables: RwLock::new(tables),
            buffers: Mutex::default(),
            wakes: RwLock::default(),
            full: RwLock::new(None),
            failed: OnceLock::new(),
            congested: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
        }
    }

    /// Gives a batch its place and leaves it for the committer, who may have to be roused.
    pub(crate) fn submit(&self, batch: Batch) -> Span {
        let mut pending = self.pending.lock();
        let first = pending.next;
        let ordinals = batch.ordinals();
        let time = UnixMicros((self.settings.clock)().0.max(pending.time.0 + 1));
        if ordinals == 0 {
            return Span {
                first,
                last: Seq(first.0 - 1),
                time,
            };
        }
        let last = first.plus(u64::from(ordinals) - 1);
        pending.next = last.plus(1);
        // Ids of ordinals from 65,536 on use up the microseconds that follow.
        pending.time = UnixMicros(time.0 + u64::from((ordinals - 1) >> 16));
        let span = Span { first, last, time };
        if pending.closed || self.failed.get().is_some() {
            return span;
        }
        self.pending_bytes.fetch_add(batch.bytes_len(), Ordering::Relaxed);
        pending.batches.push(Submitted {
            first,
            last,
            time,
            batch,
        });
        span
    }

    /// Wakes the committer if it sleeps beside something that was submitted.
    pub(crate) fn rouse(&self) {
        let mut pending = self.pending.lock();
        let sleeps = !pending.batches.is_empty() && std::mem::take(&mut pending.asleep);
        drop(pending);
        if sleeps {
            self.pending_bell.notify_one();
        }
    }

    /// An empty batch with the memory of an old one.
    pub(crate) fn batch(&self) -> Batch {
        self.buffers
            .lock()
            .pop()
            .map_or_else(Batch::default, Batch::with_buffer)
    }

    /// Takes back what a batch was made of.
    pub(crate) fn recycle(&self, batch: Batch) {
        let buffer = batch.into_buffer();
        if buffer.capacity() == 0 || buffer.capacity() > BUFFER_BYTES_MAX {
            return;
        }
        let mut buffers = self.buffers.lock();
        if buffers.len() < BUFFERS_MAX {
            buffers.push(buffer);
        }
    }

    /// Bytes are not pending any more.
    pub(crate) fn relieve(&self, bytes: usize) {
        let left = self.pending_bytes.fetch_sub(bytes, Ordering::Relaxed) - bytes;
        if left <= self.settings.pending_bytes_max && self.congested.swap(false, Ordering::Relaxed) {
            self.wake();
        }
    }

    pub(crate) fn congested(&self) -> bool {
        let congested = self.pending_bytes.load(Ordering::Relaxed) > self.settings.pending_bytes_max;
        if congested {
            // Somebody was told to wait, so somebody must be woken.
            if !self.congested.swap(true, Ordering::Relaxed) {
                self.hurry();
            }
        }
        congested
    }

    pub(crate) fn durable(&self) -> Seq {
        Seq(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn set_durable(&self, seq: Seq) {
        self.durable.store(seq.0, Ordering::Release);
    }

    pub(crate) fn on_progress(&self, wake: Wake) {
        self.wakes.write().push(wake);
    }

    pub(crate) fn wake(&self) {
        // Outside of the lock: a wake may register another one.
        let wakes = self.wakes.read().clone();
        wakes.iter().for_each(|wake| wake());
    }

    /// A write or a sync failed. The first reason stays.
    pub(crate) fn fail(&self, why: String) {
        let _ = self.failed.set(why.into());
        self.wake();
    }

    /// Watches over a thread of the store: should it panic, the store counts as failed and nobody waits for ever.
    pub(crate) fn watch(self: &Arc<Shared>, thread: &'static str) -> Watch {
        Watch {
            shared: self.clone(),
            thread,
        }
    }

    pub(crate) fn failed(&self) -> Option<&Arc<str>> {
        self.failed.get()
    }

    /// Messages are taken, or not, from now on.
    pub(crate) fn set_full(&self, why: Option<String>) {
        let mut full = self.full.write();
        let changed = full.is_some() != why.is_some();
        *full = why.map(Arc::from);
        drop(full);
        if changed {
            self.wake();
        }
    }

    /// The committer waits for space, for this reason.
    pub(crate) fn stall(&self, why: String) {
        self.stalled.store(true, Ordering::Relaxed);
        self.set_full(Some(why));
    }

    /// There was space.
    pub(crate) fn go_on(&self) {
        self.stalled.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    pub(crate) fn admission(&self) -> Admission {
        if let Some(why) = self.failed.get() {
            return Admission::Failed { why: why.clone() };
        }
        match &*self.full.read() {
            Some(why) => Admission::Full { why: why.clone() },
            None => Admission::Open,
        }
    }

    /// Hands things to the keeper.
    pub(crate) fn hand_over(&self, things: impl IntoIterator<Item = Committed>) {
        let mut committed = self.committed.lock();
        committed.list.extend(things);
        let rings = match committed.keeper {
            Keeper::Idle => true,
            Keeper::Gathering => committed.list.len() >= GATHERED_MAX,
            Keeper::Busy => false,
        };
        drop(committed);
        if rings {
            self.committed_bell.notify_one();
        }
    }

    /// Asks the store something. What the question is about is applied without delay.
    pub(crate) fn ask(&self, request: Request) {
        if self.requests.ask(request) {
            self.hurry();
        }
    }

    /// The keeper lets nothing gather.
    fn hurry(&self) {
        // With the lock: it may be about to wait.
        let committed = self.committed.lock();
        if committed.keeper == Keeper::Gathering {
            self.committed_bell.notify_one();
        }
    }

    /// Whether callers wait until less is pending.
    pub(crate) fn has_told_to_wait(&self) -> bool {
        self.congested.load(Ordering::Relaxed)
    }

    /// Lets the house thread look around.
    pub(crate) fn ring_house(&self, change: impl FnOnce(&mut House)) {
        let mut house = self.house.lock();
        change(&mut house);
        house.rung = true;
        drop(house);
        self.house_bell.notify_one();
    }
}
