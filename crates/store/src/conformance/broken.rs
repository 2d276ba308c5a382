//! Stores that do one thing wrong on purpose (K54): the suite must notice each.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use restante_model::{QueueId, Seq, SessionId, UnixMillis};

use crate::{
    batch::Batch,
    change::{Change, NewMessage, OWN_VERSION},
    change_record::ChangeRecord,
    contract::{
        Admission, Backlog, Done, Figures, NotesPage, NotesRequest, Page, ReadRequest, RetainedPage,
        RetainedRequest, Span, Store, StoreError, Waited, Wake,
    },
    image::{SessionImage, StoredMessage},
    record::{Body, MessageRecord},
};

use super::{BEHAVIOURS, Behaviour, OpenSettings, Opened, Place, operation::as_change};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: to see that it is the fault, and not the wrapper, that is noticed.
    None,
    /// One cursor movement in three is dropped.
    AcknowledgementDropped,
    /// The first two entries of a page change places.
    EntriesSwapped,
    /// The last entry of a page comes twice.
    EntryDoubled,
    /// One message in seven is not kept.
    MessageLost,
    /// A message is kept, its QoS 2 receipt is not.
    ReceiptLost,
    /// A session of the broker's own is taken for a client's.
    OwnForgotten,
    /// The body of a bound message is gone when its queue is.
    BindingNotPinned,
    /// A binding to a message of its own batch is dropped.
    BoundHereLost,
    /// A closed queue stays.
    QueueNotClosed,
    /// A session that ended stays.
    SessionNotEnded,
    /// A change of options changes what came before it.
    EpochForgotten,
    /// Wills are not stored.
    WillForgotten,
    /// Retained messages are never cleared.
    RetainedNotCleared,
    /// Progress is not told.
    WakeForgotten,
    /// Reads do not wait for what they name.
    ReadTooEarly,
    /// A page says it is the end when it was cut.
    EndTooEarly,
    /// Ranges to skip are not skipped.
    SkipIgnored,
    /// What is submitted counts as durable at once.
    DurableTooEarly,
    /// What is between two pages of retained messages is left out.
    RetainedPageLost,
    /// Retained messages are given that were set after the reader began.
    RetainedBoundIgnored,
    /// One note in three is not set.
    NoteLost,
    /// A note that is removed stays.
    NoteNotRemoved,
    /// What is between two pages of notes is left out.
    NotesPageLost,
    /// What waited when something ended is not counted.
    WaitedUncounted,
    /// The word under which a session ends is forgotten.
    WordForgotten,
}

impl Fault {
    /// All of them, without [`Fault::None`].
    pub const ALL: &[Fault] = &[
        Fault::AcknowledgementDropped,
        Fault::EntriesSwapped,
        Fault::EntryDoubled,
        Fault::MessageLost,
        Fault::ReceiptLost,
        Fault::OwnForgotten,
        Fault::BindingNotPinned,
        Fault::BoundHereLost,
        Fault::QueueNotClosed,
        Fault::SessionNotEnded,
        Fault::EpochForgotten,
        Fault::WillForgotten,
        Fault::RetainedNotCleared,
        Fault::WakeForgotten,
        Fault::ReadTooEarly,
        Fault::EndTooEarly,
        Fault::SkipIgnored,
        Fault::DurableTooEarly,
        Fault::RetainedPageLost,
        Fault::RetainedBoundIgnored,
        Fault::NoteLost,
        Fault::NoteNotRemoved,
        Fault::NotesPageLost,
        Fault::WaitedUncounted,
        Fault::WordForgotten,
    ];
}

/// A place whose stores are broken.
pub struct BrokenPlace<P> {
    place: P,
    fault: Fault,
}

impl<P: Place> Place for BrokenPlace<P> {
    fn open(&self, settings: OpenSettings) -> Opened {
        let Opened { store, recovered } = self.place.open(settings);
        let fault = self.fault;
        let store = Arc::new(BrokenStore {
            store,
            fault,
            count: AtomicU64::new(0),
            submitted: AtomicU64::new(0),
        });
        Opened { store, recovered }
    }

    fn persists(&self) -> bool {
        self.place.persists()
    }

    /// Short: a missing answer is what some of the faults are about.
    fn patience(&self) -> Duration {
        match self.fault {
            Fault::None => self.place.patience(),
            _ => Duration::from_secs(2),
        }
    }
}

/// The first behaviour that notices a fault.
pub fn noticed_by<P: Place>(fault: Fault, new_place: impl Fn() -> P) -> Option<&'static str> {
    let notices = |&&(_, behaviour): &&Behaviour| {
        let place = new_place();
        let broken = BrokenPlace { place, fault };
        catch_unwind(AssertUnwindSafe(|| behaviour(&broken))).is_err()
    };
    BEHAVIOURS.iter().find(notices).map(|&(name, _)| name)
}

struct BrokenStore {
    store: Arc<dyn Store>,
    fault: Fault,
    count: AtomicU64,
    submitted: AtomicU64,
}

impl BrokenStore {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn one_in(&self, n: u64) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed) % n == n - 1
    }

    /// The batch again, with what is wrong left out; every record keeps its ordinal.
    fn spoil(&self, batch: &Batch) -> Batch {
        let mut spoiled = Batch::default();
        for record in batch.records() {
            while spoiled.ordinals() < record.ordinal {
                spoiled.skip();
            }
            match &record.body {
                Body::Message(message) => self.spoil_message(message, &mut spoiled),
                Body::Change(change) if self.drops(change) => _ = spoiled.skip(),
                Body::Change(ChangeRecord::SessionOpened {
                    session,
                    client_id,
                    version,
                    expiry,
                    will,
                    at,
                }) => {
                    let forgotten = self.has(Fault::OwnForgotten) && *version == OWN_VERSION;
                    spoiled.change(&Change::SessionOpened {
                        session: *session,
                        client_id,
                        version: if forgotten { 5 } else { *version },
                        expiry: *expiry,
                        will: will.clone().filter(|_| !self.has(Fault::WillForgotten)),
                        at: *at,
                    });
                }
                Body::Change(ChangeRecord::SessionEnded { session }) => {
                    match batch
                        .word(record.ordinal)
                        .filter(|_| !self.has(Fault::WordForgotten))
                    {
                        Some(word) => spoiled.end_session(*session, word),
                        None => spoiled.change(&Change::SessionEnded { session: *session }),
                    };
                }
                Body::Change(change) => _ = spoiled.change(&as_change(change)),
            }
        }
        while spoiled.ordinals() < batch.ordinals() {
            spoiled.skip();
        }
        spoiled
    }

    fn spoil_message(&self, message: &MessageRecord<'_>, spoiled: &mut Batch) {
        if self.has(Fault::MessageLost) && self.one_in(7) {
            spoiled.skip();
            return;
        }
        let queues: Vec<QueueId> = message.queues.clone().collect();
        let clears = message.set_retained && message.payload.is_empty();
        spoiled.message(&NewMessage {
            queues: &queues,
            qos: message.qos,
            retain: message.retain,
            set_retained: message.set_retained && !(clears && self.has(Fault::RetainedNotCleared)),
            deadline: message.deadline,
            sender: std::str::from_utf8(message.sender).unwrap_or_default(),
            topic: std::str::from_utf8(message.topic).unwrap_or_default(),
            properties: message.properties,
            payload: message.payload,
            receipt: message.receipt.filter(|_| !self.has(Fault::ReceiptLost)),
        });
    }

    fn drops(&self, change: &ChangeRecord<'_>) -> bool {
        match change {
            ChangeRecord::CursorMoved { .. } => self.has(Fault::AcknowledgementDropped) && self.one_in(3),
            ChangeRecord::BoundHere { .. } => self.has(Fault::BoundHereLost),
            ChangeRecord::QueueClosed { .. } => self.has(Fault::QueueNotClosed),
            ChangeRecord::SessionEnded { .. } => self.has(Fault::SessionNotEnded),
            ChangeRecord::RetainedCleared { .. } => self.has(Fault::RetainedNotCleared),
            ChangeRecord::Noted { value: [], .. } => self.has(Fault::NoteNotRemoved),
            ChangeRecord::Noted { .. } => self.has(Fault::NoteLost) && self.one_in(3),
            _ => false,
        }
    }
}

impl Store for BrokenStore {
    fn submit(&self, batch: Batch) -> Span {
        let span = self.store.submit(self.spoil(&batch));
        self.submitted.fetch_max(span.last.0, Ordering::SeqCst);
        span
    }

    fn node(&self) -> u64 {
        self.store.node()
    }

    fn durable(&self) -> Seq {
        if self.has(Fault::DurableTooEarly) {
            return Seq(self.submitted.load(Ordering::SeqCst) + 1);
        }
        self.store.durable()
    }

    fn on_progress(&self, wake: Wake) {
        if !self.has(Fault::WakeForgotten) {
            self.store.on_progress(wake);
        }
    }

    fn admission(&self) -> Admission {
        self.store.admission()
    }

    fn congested(&self) -> bool {
        self.store.congested()
    }

    fn read(&self, mut request: ReadRequest, done: Done<Page>) {
        if self.has(Fault::ReadTooEarly) {
            request.applied = Seq::ZERO;
        }
        if self.has(Fault::SkipIgnored) {
            request.skip.clear();
        }
        let fault = self.fault;
        let spoil = move |mut page: Page| {
            match fault {
                Fault::EntriesSwapped if page.entries.len() > 1 => page.entries.swap(0, 1),
                Fault::EntryDoubled => page.entries.extend(page.entries.last().cloned()),
                Fault::EndTooEarly => page.end = true,
                _ => {}
            }
            done(page);
        };
        self.store.read(request, Box::new(spoil));
    }

    fn session(&self, session: SessionId, at: Seq, done: Done<Option<SessionImage>>) {
        let fault = self.fault;
        let spoil = move |mut image: Option<SessionImage>| {
            if fault == Fault::EpochForgotten {
                let subscriptions = image.iter_mut().flat_map(|image| &mut image.subscriptions);
                for subscription in subscriptions {
                    let from = subscription.epochs.parts()[0].from;
                    let options = *subscription.epochs.current();
                    subscription.epochs = restante_model::Epochs::begin(from, options);
                }
            }
            done(image);
        };
        self.store.session(session, at, Box::new(spoil));
    }

    fn bound_messages(&self, session: SessionId, seqs: Vec<Seq>, done: Done<Vec<Option<StoredMessage>>>) {
        let lost = self.has(Fault::BindingNotPinned);
        let spoil = move |mut messages: Vec<Option<StoredMessage>>| {
            if lost {
                messages.iter_mut().for_each(|message| *message = None);
            }
            done(messages);
        };
        self.store.bound_messages(session, seqs, Box::new(spoil));
    }

    fn retained(&self, mut request: RetainedRequest, done: Done<RetainedPage>) {
        if self.has(Fault::RetainedBoundIgnored) {
            request.to = Seq::MAX;
        }
        let lost = self.has(Fault::RetainedPageLost);
        let spoil = move |mut page: RetainedPage| {
            // The last message of a page falls between it and the next one.
            if lost && page.after.is_some() {
                page.messages.pop();
            }
            done(page);
        };
        self.store.retained(request, Box::new(spoil));
    }

    fn notes(&self, request: NotesRequest, done: Done<NotesPage>) {
        let lost = self.has(Fault::NotesPageLost);
        let spoil = move |mut page: NotesPage| {
            if lost && page.after.is_some() {
                page.notes.pop();
            }
            done(page);
        };
        self.store.notes(request, Box::new(spoil));
    }

    fn queue_full(&self, queue: QueueId) -> bool {
        self.store.queue_full(queue)
    }

    fn backlog(&self, session: SessionId) -> Backlog {
        self.store.backlog(session)
    }

    fn has_retained(&self, topic: &str) -> bool {
        self.store.has_retained(topic)
    }

    fn tick(&self, now: UnixMillis) {
        self.store.tick(now);
    }

    fn figures(&self) -> Figures {
        let mut figures = self.store.figures();
        if self.has(Fault::WaitedUncounted) {
            figures.waited = Waited::default();
        }
        figures
    }

    fn close(&self) -> Result<(), StoreError> {
        self.store.close()
    }
}
