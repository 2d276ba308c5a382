//! A store with blocking calls, for tests.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use restante_model::{QoS, QueueId, Seq, SessionId, SubscriptionOptions, UnixMillis};

use crate::{
    batch::Batch,
    change::{Change, NewMessage},
    contract::{
        Done, Entry, Note, NotesPage, NotesRequest, Page, QueueSpan, ReadRequest, Recovered, RetainedPage,
        RetainedRequest, Span, Store,
    },
    image::{SessionImage, StoredMessage},
};

use super::{OpenSettings, Place};

/// Drives one open store.
pub struct Driver {
    store: Arc<dyn Store>,
    patience: Duration,
}

impl Driver {
    /// Opens the store of a place.
    pub fn open(place: &dyn Place, settings: &OpenSettings) -> Driver {
        Driver::open_and_ask(place, settings).0
    }

    /// Opens the store of a place, and gives what it said about itself.
    pub fn open_and_ask(place: &dyn Place, settings: &OpenSettings) -> (Driver, Box<dyn Recovered>) {
        let opened = place.open(settings.clone());
        (Driver::new(opened.store, place.patience()), opened.recovered)
    }

    /// Drives a store that is open.
    pub fn new(store: Arc<dyn Store>, patience: Duration) -> Driver {
        Driver { store, patience }
    }

    /// The store.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// How long it waits.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Submits a batch.
    pub fn submit(&self, build: impl FnOnce(&mut Batch)) -> Span {
        let mut batch = Batch::default();
        build(&mut batch);
        self.store.submit(batch)
    }

    /// Submits a batch and waits until it is durable.
    pub fn commit(&self, build: impl FnOnce(&mut Batch)) -> Span {
        let span = self.submit(build);
        self.until_durable(span.last);
        span
    }

    /// Submits one change and waits; answers its sequence.
    pub fn change(&self, change: &Change<'_>) -> Seq {
        self.commit(|batch| _ = batch.change(change)).first
    }

    /// Submits one message and waits; answers its sequence.
    pub fn message(&self, message: &NewMessage<'_>) -> Seq {
        self.commit(|batch| _ = batch.message(message)).first
    }

    /// Waits until everything up to `seq` is durable.
    pub fn until_durable(&self, seq: Seq) {
        self.until("the store is durable up to a batch", || {
            self.store.durable() >= seq
        });
    }

    /// Waits until something is so.
    pub fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < self.patience, "waited in vain until {what}");
            std::thread::sleep(Duration::from_micros(50));
        }
    }

    /// Waits for an answer.
    pub fn answer<T: Send + 'static>(&self, ask: impl FnOnce(Done<T>)) -> T {
        let (sender, receiver) = mpsc::sync_channel(1);
        ask(Box::new(move |answer| _ = sender.send(answer)));
        receiver.recv_timeout(self.patience).expect("the store answers")
    }

    /// Reads a page.
    pub fn read(&self, request: ReadRequest) -> Page {
        let after = request.after;
        let page = self.answer(|done| self.store.read(request, done));
        assert!(page.through >= after, "through is not below after");
        page
    }

    /// Reads spans to their end, by pages of so many messages.
    pub fn read_all(&self, spans: &[QueueSpan], skip: &[(Seq, Seq)], messages_max: usize) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut after = Seq::ZERO;
        loop {
            let page = self.read(ReadRequest {
                spans: spans.to_vec(),
                after,
                skip: skip.to_vec(),
                messages_max,
                bytes_max: usize::MAX,
                applied: self.store.durable(),
            });
            let last = page.entries.last().map(|entry| entry.seq);
            assert!(
                last.is_none_or(|last| last <= page.through),
                "through covers the page"
            );
            assert!(
                page.end || page.through > after,
                "a page that is not the end moves on"
            );
            after = page.through;
            entries.extend(page.entries);
            if page.end {
                return entries;
            }
        }
    }

    /// The sequences in a queue.
    pub fn queue(&self, queue: QueueId) -> Vec<Seq> {
        let entries = self.read_all(&[whole(queue)], &[], usize::MAX);
        entries.iter().map(|entry| entry.seq).collect()
    }

    /// A session, after everything durable.
    pub fn session(&self, session: SessionId) -> Option<SessionImage> {
        self.answer(|done| self.store.session(session, self.store.durable(), done))
    }

    /// A session that must be there.
    pub fn image(&self, session: SessionId) -> SessionImage {
        self.session(session).expect("the session is there")
    }

    /// Messages of bindings.
    pub fn bound(&self, session: SessionId, seqs: &[Seq]) -> Vec<Option<StoredMessage>> {
        self.answer(|done| self.store.bound_messages(session, seqs.to_vec(), done))
    }

    /// A page of retained messages.
    pub fn retained_page(&self, request: RetainedRequest) -> RetainedPage {
        self.answer(|done| self.store.retained(request, done))
    }

    /// Retained messages, by pages of so many messages.
    pub fn retained_by(&self, topic_filter: &str, messages_max: usize) -> Vec<StoredMessage> {
        let mut request = RetainedRequest {
            messages_max,
            ..retained_of(topic_filter, self.store.durable())
        };
        let mut all = Vec::new();
        loop {
            let page = self.retained_page(request.clone());
            assert!(
                page.messages.len() <= messages_max,
                "a page holds what was asked for"
            );
            assert!(
                page.after.is_none() || page.after > request.after,
                "a page that is not the end moves on"
            );
            all.extend(page.messages);
            if page.after.is_none() {
                return all;
            }
            request.after = page.after;
        }
    }

    /// All retained messages of a filter.
    pub fn retained(&self, topic_filter: &str) -> Vec<StoredMessage> {
        self.retained_by(topic_filter, usize::MAX)
    }

    /// A page of notes.
    pub fn notes_page(&self, request: NotesRequest) -> NotesPage {
        self.answer(|done| self.store.notes(request, done))
    }

    /// The notes of a prefix, by pages of so many.
    pub fn notes_by(&self, prefix: &str, notes_max: usize) -> Vec<Note> {
        let mut request = NotesRequest {
            prefix: prefix.into(),
            after: None,
            notes_max,
            bytes_max: usize::MAX,
            applied: self.store.durable(),
        };
        let mut all = Vec::new();
        loop {
            let page = self.notes_page(request.clone());
            assert!(page.notes.len() <= notes_max, "a page holds what was asked for");
            assert!(
                page.after.is_none() || page.after > request.after,
                "a page that is not the end moves on"
            );
            all.extend(page.notes);
            if page.after.is_none() {
                return all;
            }
            request.after = page.after;
        }
    }

    /// Lets time pass: a few ticks, so that a round of the sweep had its chance.
    pub fn tick(&self, now: UnixMillis) {
        for _ in 0..3 {
            self.store.tick(now);
            // Two answers: the second one comes after the tick was taken.
            for _ in 0..2 {
                self.retained("-");
            }
        }
    }

    /// Lets time pass until something is so.
    pub fn tick_until(&self, now: UnixMillis, what: &str, is_so: impl Fn() -> bool) {
        self.until(what, || {
            self.tick(now);
            is_so()
        });
    }
}

/// All retained messages of a filter, after everything up to `applied`.
pub fn retained_of(topic_filter: &str, applied: Seq) -> RetainedRequest {
    RetainedRequest {
        topic_filter: topic_filter.into(),
        after: None,
        to: Seq::MAX,
        messages_max: usize::MAX,
        bytes_max: usize::MAX,
        applied,
    }
}

/// A whole queue.
pub fn whole(queue: QueueId) -> QueueSpan {
    QueueSpan {
        queue,
        from: Seq::ZERO,
        to: Seq::MAX,
    }
}

/// A QoS 1 message without anything special.
pub fn plain<'a>(queues: &'a [QueueId], payload: &'a [u8]) -> NewMessage<'a> {
    NewMessage {
        queues,
        qos: QoS::AtLeastOnce,
        retain: false,
        set_retained: false,
        deadline: UnixMillis::NEVER,
        sender: "publisher",
        topic: "t/1",
        properties: &[],
        payload,
        receipt: None,
    }
}

/// Options at a QoS.
pub fn at_qos(qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions {
        qos,
        ..SubscriptionOptions::default()
    }
}

/// A session's beginning.
pub fn opened<'a>(session: SessionId, client_id: &'a str) -> Change<'a> {
    Change::SessionOpened {
        session,
        client_id,
        version: 5,
        expiry: 3600,
        will: None,
        at: UnixMillis(1_792_000_000_000),
    }
}

/// A session with one QoS 1 subscription of a queue of its own, all in one batch.
pub fn subscribe(driver: &Driver, session: SessionId, queue: QueueId, filter: &str) -> Span {
    driver.commit(|batch| {
        batch.change(&Change::QueueOpened { queue, filter });
        batch.change(&opened(session, "subscriber"));
        batch.change(&Change::Subscribed {
            session,
            filter,
            queue: Some(queue),
            options: at_qos(QoS::AtLeastOnce),
        });
    })
}

/// So many messages of one byte each, in one batch.
pub fn fill(driver: &Driver, queues: &[QueueId], count: usize) -> Vec<Seq> {
    let span = driver.commit(|batch| {
        for _ in 0..count {
            batch.message(&plain(queues, b"x"));
        }
    });
    (0..count as u64)
        .map(|ordinal| span.first.plus(ordinal))
        .collect()
}

/// The sequences of entries.
pub fn seqs(entries: &[Entry]) -> Vec<Seq> {
    entries.iter().map(|entry| entry.seq).collect()
}
