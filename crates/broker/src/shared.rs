//! What all runtimes of a broker share, and the one total order.
//!
//! Lock order: `directory` and `router` are never held together with each other; `order` may be taken while `router`
//! is held for writing, never the other way round. Inboxes are leaves.

use std::sync::{
    Arc, OnceLock, Weak,
    atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
};

use parking_lot::{Mutex, RwLock};
use restante_model::{QueueId, Seq, SessionId};
use restante_session::limits::ServerLimits;
use restante_store::{
    batch::Batch,
    contract::{Page, RetainedPage, Span, Store, WhenFull},
    image::StoredMessage,
};
use tokio::sync::Notify;

use crate::{
    accepted::Accepted,
    clock::Clock,
    counters::Counters,
    directory::Directory,
    due_wills::DueWills,
    group::Group,
    keeping::{fetch::Answer, keeper::Keeping},
    live::{LiveBatch, LiveEntry},
    router::{Address, Router},
    settings::Settings,
};

/// Bytes of live messages that may wait in one runtime's inbox; beyond, publishers are not read (K26).
const INBOX_BYTES_MAX: usize = 64 << 20;

/// The broker's state that more than one runtime touches.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) limits: ServerLimits,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) router: RwLock<Router>,
    /// The router's generation, readable without its lock.
    pub(crate) generation: AtomicU64,
    pub(crate) directory: Mutex<Directory>,
    pub(crate) doors: Vec<Door>,
    pub(crate) counters: Counters,
    pub(crate) stopping: AtomicBool,
    /// Held while a batch gets its sequences and enters the inboxes: the one total order (K3).
    order: Mutex<Seq>,
    /// Wills that wait for their delay: when, whose.
    pub(crate) wills: Mutex<DueWills>,
    /// How many more retained messages may be let through before the store's figures are looked at again.
    retained_room: AtomicI64,
    hub: Weak<Shared>,
    keeping: OnceLock<Arc<Keeping>>,
    next_session: AtomicU64,
    next_queue: AtomicU64,
}

/// Where a runtime is reached by others.
pub(crate) struct Door {
    inbox: Mutex<Vec<Mail>>,
    pub(crate) wake: Notify,
    live_bytes: AtomicUsize,
    /// The generation under which messages of the running turn were planned; 0 between turns.
    planning: AtomicU64,
    /// Whether something in the runtime waits for durability.
    pub(crate) waits: AtomicBool,
}

/// What is put into an inbox.
///
/// Bounded: live batches by [`INBOX_BYTES_MAX`]; connections by `connections_max`; notes by a small number for each
/// connection (one page of each kind, one take-over, one note for each shared group).
pub(crate) enum Mail {
    Live(Arc<LiveBatch>),
    Connection(Accepted),
    Note(Address, Note),
}

/// A note to one connection.
pub(crate) enum Note {
    /// A page of its backlog.
    Page(Page),
    /// Messages in flight that are to be sent again.
    Bound(Vec<Option<StoredMessage>>),
    /// Somebody else has connected with its client id.
    TakenOver,
    /// A shared group it belongs to has something.
    GroupReady(Arc<Group>),
    /// The page of retained messages that was asked for.
    Retained(RetainedPage),
    /// What was fetched for it from a database.
    Kept(Answer),
    /// What another client held of a kept topic is free.
    KeptFree(usize, Box<str>),
}

impl Shared {
    pub(crate) fn new(
        settings: Settings,
        limits: ServerLimits,
        store: Arc<dyn Store>,
        clock: Clock,
        runtimes: usize,
        highest: (SessionId, QueueId),
        hub: Weak<Shared>,
    ) -> Shared {
        // What was kept before this start is behind whoever comes first.
        let order = store.durable();
        Shared {
            settings,
            limits,
            store,
            clock,
            router: RwLock::default(),
            generation: AtomicU64::new(0),
            directory: Mutex::default(),
            doors: (0..runtimes).map(|_| Door::new()).collect(),
            counters: Counters::default(),
            stopping: AtomicBool::new(false),
            order: Mutex::new(order),
            wills: Mutex::default(),
            retained_room: AtomicI64::new(0),
            hub,
            keeping: OnceLock::new(),
            next_session: AtomicU64::new(highest.0.0 + 1),
            next_queue: AtomicU64::new(highest.1.0 + 1),
        }
    }

    /// Submits changes that are no runtime's turn, if there are any.
    pub(crate) fn submit_changes(&self, batch: Batch) {
        if !batch.is_empty() {
            self.submit(batch, Vec::new());
            self.store.rouse();
        }
    }

    /// Gives a turn its sequences and hands its live messages to the runtimes they concern, in one order for all. The
    /// store is to be roused after this.
    pub(crate) fn submit(&self, batch: Batch, live: Vec<LiveEntry>) -> Span {
        let bytes = live.iter().map(|entry| entry.message.cost()).sum();
        let runtimes = live.iter().fold(0, |set, entry| {
            let chosen = entry
                .chosen
                .iter()
                .fold(0, |set, chosen| set | 1 << chosen.address.runtime);
            set | chosen | entry.matches.runtimes()
        });
        let mut last = self.order.lock();
        let span = self.store.submit_quietly(batch);
        *last = span.last;
        if runtimes != 0 {
            let batch = Arc::new(LiveBatch {
                first: span.first,
                time: span.time,
                entries: live,
                bytes,
            });
            for (index, door) in self.doors.iter().enumerate() {
                if runtimes & (1 << index) != 0 {
                    door.live_bytes.fetch_add(bytes, Ordering::Relaxed);
                    door.post(Mail::Live(batch.clone()));
                }
            }
        }
        span
    }

    /// The last sequence that was given to anything.
    pub(crate) fn last_submitted(&self) -> Seq {
        *self.order.lock()
    }

    /// Changes the router and publishes its new generation.
    pub(crate) fn change_router<T>(&self, change: impl FnOnce(&mut Router) -> T) -> T {
        let mut router = self.router.write();
        let answer = change(&mut router);
        self.generation.store(router.generation(), Ordering::SeqCst);
        answer
    }

    /// Waits until no runtime plans under a generation older than `generation`, and answers a sequence behind which
    /// every message was planned with it. A turn lasts well below a millisecond.
    pub(crate) async fn planned_since(&self, generation: u64) -> Seq {
        for door in &self.doors {
            loop {
                let planning = door.planning.load(Ordering::SeqCst);
                if planning == 0 || planning >= generation {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_micros(200)).await;
            }
        }
        self.last_submitted()
    }

    /// Publishers are not read while this is true: the only back pressure there is (K26).
    pub(crate) fn congested(&self) -> bool {
        self.store.congested()
            || self
                .doors
                .iter()
                .any(|door| door.live_bytes.load(Ordering::Relaxed) > INBOX_BYTES_MAX)
    }

    /// Databases that messages are kept in; set before the first runtime starts, if at all.
    pub(crate) fn keeping(&self) -> Option<&Arc<Keeping>> {
        self.keeping.get()
    }

    /// Sets [`Shared::keeping`].
    pub(crate) fn keep_in(&self, keeping: Arc<Keeping>) {
        // Once: the first stays.
        let _ = self.keeping.set(keeping);
    }

    /// A reference for callbacks that may outlive the broker.
    pub(crate) fn hub(&self) -> Weak<Shared> {
        self.hub.clone()
    }

    /// The router's generation.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Whether full queues refuse their publishers (K22).
    pub(crate) fn rejects_publishers(&self) -> bool {
        self.settings.session.queue.when_full == WhenFull::RejectPublisher
    }

    /// Whether the limits of retained messages are reached (K24). By the store's figures, less what was let through since
    /// they were looked at; so it is exact but for what is on its way to the store.
    pub(crate) fn retained_is_full(&self) -> bool {
        if self.retained_room.load(Ordering::Relaxed) > 0 {
            return false;
        }
        // Some may have replaced others, or been cleared.
        self.watch_retained();
        self.retained_room.load(Ordering::Relaxed) <= 0
    }

    /// A retained message was let through.
    pub(crate) fn retained_one_more(&self) {
        self.retained_room.fetch_sub(1, Ordering::Relaxed);
    }

    /// Looks at the limits of retained messages.
    pub(crate) fn watch_retained(&self) {
        let figures = self.store.figures();
        let limits = &self.settings.limits;
        let room = match figures.retained_bytes >= limits.retained_bytes_max {
            true => 0,
            false => i64::try_from(limits.retained_max.saturating_sub(figures.retained)).unwrap_or(i64::MAX),
        };
        self.retained_room.store(room, Ordering::Relaxed);
    }

    pub(crate) fn new_session(&self) -> SessionId {
        SessionId(self.next_session.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn new_queue(&self) -> QueueId {
        QueueId(self.next_queue.fetch_add(1, Ordering::Relaxed))
    }

    /// Puts a note into the inbox of a connection's runtime and wakes it.
    pub(crate) fn note(&self, to: Address, note: Note) {
        let door = &self.doors[usize::from(to.runtime)];
        door.post(Mail::Note(to, note));
    }
}

impl Door {
    fn new() -> Door {
        Door {
            inbox: Mutex::default(),
            wake: Notify::new(),
            live_bytes: AtomicUsize::new(0),
            planning: AtomicU64::new(0),
            waits: AtomicBool::new(false),
        }
    }

    pub(crate) fn post(&self, mail: Mail) {
        let mut inbox = self.inbox.lock();
        inbox.push(mail);
        let first = inbox.len() == 1;
        drop(inbox);
        if first {
            self.wake.notify_one();
        }
    }

    /// Takes everything, in the order it came; `into` is empty and keeps its room.
    pub(crate) fn take(&self, into: &mut Vec<Mail>) {
        std::mem::swap(&mut *self.inbox.lock(), into);
    }

    pub(crate) fn taken(&self, batch: &LiveBatch) {
        self.live_bytes.fetch_sub(batch.bytes, Ordering::Relaxed);
    }

    /// A turn begins planning, under the generation of now or a later one.
    pub(crate) fn plan_begins(&self, generation: &AtomicU64) {
        loop {
            let now = generation.load(Ordering::SeqCst).max(1);
            self.planning.store(now, Ordering::SeqCst);
            // A change between the two lines would not be waited for: look again.
            if generation.load(Ordering::SeqCst).max(1) == now {
                return;
            }
        }
    }

    /// What was planned has its sequences.
    pub(crate) fn plan_ends(&self) {
        self.planning.store(0, Ordering::SeqCst);
    }
}
