//! A store that can be stopped: durability held back, full, failed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use restante_model::{QueueId, Seq, SessionId, UnixMillis};
use restante_store::{
    batch::Batch,
    contract::{
        Admission, Backlog, Done, Figures, NotesPage, NotesRequest, Page, ReadRequest, RetainedPage,
        RetainedRequest, Span, Store, StoreError, Wake,
    },
    image::{SessionImage, StoredMessage},
};

/// An answer that comes later.
type Late = Box<dyn FnOnce() + Send>;

/// Any store, with its durability and its admission in the hands of a test.
pub(crate) struct HeldStore {
    inner: Arc<dyn Store>,
    /// What `durable` answers at most.
    ceiling: AtomicU64,
    admission: Mutex<Option<Admission>>,
    is_cut: AtomicBool,
    /// Microseconds that `submit` goes on for, every few calls, when the batch is in the store already.
    lingers: AtomicU64,
    calls: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    reads: AtomicU64,
    /// Answers about retained messages that are held back, when they are.
    late: Arc<Mutex<Option<Vec<Late>>>>,
    lookups: AtomicU64,
    wakes: Mutex<Vec<Wake>>,
}

impl HeldStore {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Arc<HeldStore> {
        let store = Arc::new(HeldStore {
            inner,
            ceiling: AtomicU64::new(u64::MAX),
            admission: Mutex::new(None),
            is_cut: AtomicBool::new(false),
            lingers: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            late: Arc::default(),
            lookups: AtomicU64::new(0),
            wakes: Mutex::default(),
        });
        let held = Arc::downgrade(&store);
        store.inner.on_progress(Arc::new(move || {
            if let Some(held) = held.upgrade() {
                held.wake();
            }
        }));
        store
    }

    /// From now on nothing more becomes durable, as far as the broker is told.
    pub(crate) fn hold(&self) {
        self.ceiling.fetch_min(self.inner.durable().0, Ordering::SeqCst);
    }

    /// What was held back is durable.
    pub(crate) fn let_go(&self) {
        self.ceiling.store(u64::MAX, Ordering::SeqCst);
        self.wake();
    }

    /// Lets the store be ahead of the broker: what was submitted is applied, and read by others, before the one who
    /// submitted goes on. Widens every race between the two.
    pub(crate) fn linger(&self, time: Duration) {
        self.lingers.store(time.as_micros() as u64, Ordering::SeqCst);
    }

    /// The process dies now: nothing more reaches the store or is acknowledged. (Whoever waits is told that the store
    /// has failed, so that the broker around it can be stopped.)
    pub(crate) fn cut(&self) {
        self.hold();
        self.is_cut.store(true, Ordering::SeqCst);
        self.fail();
    }

    /// The disk is full.
    pub(crate) fn fill(&self) {
        *self.admission.lock() = Some(Admission::Full {
            why: "the test says so".into(),
        });
        self.wake();
    }

    /// There is room again.
    pub(crate) fn empty(&self) {
        *self.admission.lock() = None;
        self.wake();
    }

    /// A write failed: nothing is taken or becomes durable any more.
    pub(crate) fn fail(&self) {
        self.hold();
        *self.admission.lock() = Some(Admission::Failed {
            why: "the test says so".into(),
        });
        self.wake();
    }

    /// Answers about retained messages are as of when they were asked for, and come later.
    pub(crate) fn hold_retained(&self) {
        *self.late.lock() = Some(Vec::new());
    }

    /// They come now.
    pub(crate) fn let_retained_go(&self) {
        let late = self.late.lock().take();
        late.into_iter().flatten().for_each(|answer| answer());
    }

    /// How often retained messages were asked for.
    pub(crate) fn lookups(&self) -> u64 {
        self.lookups.load(Ordering::SeqCst)
    }

    /// Records and their bytes that were submitted so far.
    pub(crate) fn submitted(&self) -> (u64, u64) {
        (
            self.records.load(Ordering::SeqCst),
            self.bytes.load(Ordering::SeqCst),
        )
    }

    /// Pages and sessions that were asked for so far.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }

    fn wake(&self) {
        let wakes = self.wakes.lock().clone();
        wakes.iter().for_each(|wake| wake());
    }

    fn takes_nothing(&self) -> bool {
        self.is_cut.load(Ordering::SeqCst) || matches!(*self.admission.lock(), Some(Admission::Failed { .. }))
    }
}

impl Store for HeldStore {
    fn batch(&self) -> Batch {
        self.inner.batch()
    }

    fn submit(&self, batch: Batch) -> Span {
        self.records
            .fetch_add(u64::from(batch.records_len()), Ordering::SeqCst);
        self.bytes.fetch_add(batch.bytes_len() as u64, Ordering::SeqCst);
        if !self.takes_nothing() {
            let span = self.inner.submit(batch);
            let lingers = self.lingers.load(Ordering::Relaxed);
            if lingers > 0 && self.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
                std::thread::sleep(Duration::from_micros(lingers));
            }
            return span;
        }
        // Sequences go on, nothing is kept.
        let mut nothing = Batch::default();
        for _ in 0..batch.ordinals() {
            nothing.skip();
        }
        self.inner.submit(nothing)
    }

    fn node(&self) -> u64 {
        self.inner.node()
    }

    fn durable(&self) -> Seq {
        Seq(self.inner.durable().0.min(self.ceiling.load(Ordering::SeqCst)))
    }

    fn on_progress(&self, wake: Wake) {
        self.wakes.lock().push(wake);
    }

    fn admission(&self) -> Admission {
        let told = self.admission.lock().clone();
        told.unwrap_or_else(|| self.inner.admission())
    }

    fn congested(&self) -> bool {
        self.inner.congested()
    }

    fn read(&self, request: ReadRequest, done: Done<Page>) {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.read(request, done);
    }

    fn session(&self, session: SessionId, at: Seq, done: Done<Option<SessionImage>>) {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.session(session, at, done);
    }

    fn bound_messages(&self, session: SessionId, seqs: Vec<Seq>, done: Done<Vec<Option<StoredMessage>>>) {
        self.inner.bound_messages(session, seqs, done);
    }

    fn retained(&self, request: RetainedRequest, done: Done<RetainedPage>) {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let late = self.late.clone();
        let done: Done<RetainedPage> = Box::new(move |page| match &mut *late.lock() {
            Some(waiting) => waiting.push(Box::new(move || done(page))),
            None => done(page),
        });
        self.inner.retained(request, done);
    }

    fn notes(&self, request: NotesRequest, done: Done<NotesPage>) {
        self.inner.notes(request, done);
    }

    fn queue_full(&self, queue: QueueId) -> bool {
        self.inner.queue_full(queue)
    }

    fn backlog(&self, session: SessionId) -> Backlog {
        self.inner.backlog(session)
    }

    fn has_retained(&self, topic: &str) -> bool {
        self.inner.has_retained(topic)
    }

    fn tick(&self, now: UnixMillis) {
        self.inner.tick(now);
    }

    fn figures(&self) -> Figures {
        self.inner.figures()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.inner.close()
    }
}
