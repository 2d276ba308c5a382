//! What only the memory store does; what every store does is in the conformance suite.

use std::{
    sync::{atomic::AtomicU64, mpsc},
    time::Duration,
};

use restante_model::{QoS, SubscriptionOptions};

use super::*;
use crate::{
    change::{Change, NewMessage},
    contract::{QueueSpan, WhenFull},
};

const SESSION: SessionId = SessionId(1);
const QUEUE: QueueId = QueueId(1);
const LONG: Duration = Duration::from_secs(60);

fn open(bytes_max: usize, limits: QueueLimits) -> Arc<MemoryStore> {
    let clock = AtomicU64::new(1_000_000);
    let settings = MemorySettings {
        bytes_max,
        pending_bytes_max: 1 << 20,
        limits,
        clock: Arc::new(move || UnixMicros(clock.fetch_add(1, Ordering::Relaxed))),
        node: 7,
    };
    let (store, recovered) = MemoryStore::open(settings).unwrap();
    assert_eq!(recovered.findings().len(), 1);
    store
}

fn limits(messages_max: u64, when_full: WhenFull) -> QueueLimits {
    QueueLimits {
        messages_max,
        bytes_max: 0,
        when_full,
    }
}

fn subscribed() -> Batch {
    let mut batch = Batch::default();
    let filter = "a/#";
    batch.change(&Change::QueueOpened { queue: QUEUE, filter });
    batch.change(&Change::SessionOpened {
        session: SESSION,
        client_id: "c",
        version: 5,
        expiry: 60,
        will: None,
        at: UnixMillis(1),
    });
    let options = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        ..SubscriptionOptions::default()
    };
    batch.change(&Change::Subscribed {
        session: SESSION,
        filter,
        queue: Some(QUEUE),
        options,
    });
    batch
}

fn messages(count: usize, payload: &[u8]) -> Batch {
    let mut batch = Batch::default();
    for _ in 0..count {
        batch.message(&NewMessage {
            queues: &[QUEUE],
            qos: QoS::AtLeastOnce,
            retain: false,
            set_retained: false,
            deadline: UnixMillis::NEVER,
            sender: "p",
            topic: "a/b",
            properties: &[],
            payload,
            receipt: None,
        });
    }
    batch
}

fn read(store: &MemoryStore, applied: Seq) -> Page {
    let (sender, receiver) = mpsc::channel();
    let span = QueueSpan {
        queue: QUEUE,
        from: Seq::ZERO,
        to: Seq::MAX,
    };
    let request = ReadRequest {
        spans: vec![span],
        after: Seq::ZERO,
        skip: Vec::new(),
        messages_max: usize::MAX,
        bytes_max: usize::MAX,
        applied,
    };
    store.read(request, Box::new(move |page| sender.send(page).unwrap()));
    receiver.recv_timeout(LONG).unwrap()
}

fn acknowledge(low: Seq) -> Batch {
    let mut batch = Batch::default();
    batch.change(&Change::CursorMoved {
        session: SESSION,
        low,
        above: &[],
    });
    batch
}

/// Waits until a tick was worked off and what it changed is published.
fn settle(store: &MemoryStore) {
    while store.shared.jobs.lock().tick.is_some() {
        std::thread::yield_now();
    }
    // The turn that took the tick is over when a later one answers.
    let (sender, receiver) = mpsc::channel();
    let done = move |_| sender.send(()).unwrap();
    store.session(SESSION, Seq::ZERO, Box::new(done));
    receiver.recv_timeout(LONG).unwrap();
}

#[test]
fn what_was_acknowledged_by_all_is_freed_and_a_full_store_opens_again() {
    let store = open(100_000, limits(0, WhenFull::DropOldest));
    store.submit(subscribed());
    let span = store.submit(messages(100, &[1; 1000]));
    assert_eq!(read(&store, span.last).entries.len(), 100);
    settle(&store);
    assert!(matches!(store.admission(), Admission::Full { why } if why.contains("bytes_max=100000")));

    let moved = store.submit(acknowledge(Seq(span.last.0 - 5)));
    store.tick(UnixMillis(2000));
    settle(&store);
    assert_eq!(read(&store, moved.last).entries.len(), 5);
    assert_eq!(store.admission(), Admission::Open);
    assert_eq!(store.figures().entries, 5);
}

#[test]
fn k22_what_is_beyond_the_limit_is_freed_while_the_device_is_away() {
    for (when_full, first) in [(WhenFull::DropOldest, 90), (WhenFull::DropNewest, 0)] {
        let store = open(1 << 20, limits(10, when_full));
        store.submit(subscribed());
        let span = store.submit(messages(100, b"x"));
        store.tick(UnixMillis(2000));
        settle(&store);
        let page = read(&store, span.last);
        let kept: Vec<u64> = page
            .entries
            .iter()
            .map(|entry| entry.seq.0 - span.first.0)
            .collect();
        assert_eq!(kept, (first..first + 10).collect::<Vec<u64>>(), "{when_full:?}");
        assert_eq!(store.figures().evicted, 90);
    }
}

#[test]
fn k16_expired_messages_are_freed_while_the_device_is_away() {
    let store = open(1 << 20, limits(0, WhenFull::DropOldest));
    store.submit(subscribed());
    let mut batch = messages(3, b"stays");
    batch.message(&NewMessage {
        queues: &[QUEUE],
        qos: QoS::AtLeastOnce,
        retain: false,
        set_retained: false,
        deadline: UnixMillis(2000),
        sender: "p",
        topic: "a/b",
        properties: &[],
        payload: b"goes",
        receipt: None,
    });
    let span = store.submit(batch);
    store.tick(UnixMillis(1999));
    settle(&store);
    assert_eq!(store.figures().entries, 4);
    store.tick(UnixMillis(2000));
    settle(&store);
    assert_eq!(read(&store, span.last).entries.len(), 3);
    let figures = store.figures();
    assert_eq!((figures.entries, figures.expired, figures.evicted), (3, 1, 0));
}

#[test]
fn after_close_nothing_is_answered_and_nothing_hangs() {
    let store = open(1 << 20, limits(0, WhenFull::DropOldest));
    let span = store.submit(subscribed());
    store.close().unwrap();
    assert_eq!(store.durable(), span.last);
    let later = store.submit(messages(1, b"x"));
    assert!(later.first > span.last && store.durable() < later.last);
    let (sender, receiver) = mpsc::channel::<()>();
    store.session(SESSION, Seq::ZERO, Box::new(move |_| drop(sender)));
    assert_eq!(
        receiver.recv_timeout(LONG),
        Err(mpsc::RecvTimeoutError::Disconnected)
    );
    store.close().unwrap();
}

#[test]
fn the_last_owner_may_be_a_callback() {
    let store = open(1 << 20, limits(0, WhenFull::DropOldest));
    let (sender, receiver) = mpsc::channel();
    let owner = store.clone();
    let done = move |_| {
        drop(owner);
        sender.send(()).unwrap();
    };
    store.session(SESSION, Seq::ZERO, Box::new(done));
    drop(store);
    receiver.recv_timeout(LONG).unwrap();
}
