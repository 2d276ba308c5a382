//! Behaviours: what becomes durable when, and who is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use restante_model::{QueueId, Seq, SessionId, UnixMillis};

use crate::{change::NewMessage, contract::Admission};

use super::{
    OpenSettings, Place,
    driver::{Driver, fill, plain, subscribe},
};

const QUEUE: QueueId = QueueId(1);

fn subscribed(place: &dyn Place) -> Driver {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SessionId(1), QUEUE, "t/#");
    driver
}

/// `durable` only rises, never passes what was submitted, and reaches it.
pub fn durable_follows_the_order_of_submits(place: &dyn Place) {
    let driver = subscribed(place);
    let mut before = driver.store().durable();
    let mut last = before;
    for _ in 0..200 {
        last = driver
            .submit(|batch| _ = batch.message(&plain(&[QUEUE], b"x")))
            .last;
        let now = driver.store().durable();
        assert!(before <= now && now <= last, "{before} <= {now} <= {last}");
        before = now;
    }
    driver.until_durable(last);
    assert_eq!(driver.store().durable(), last);
    assert_eq!(driver.store().admission(), Admission::Open);
}

/// Every advance is told, on a thread of the store, with the news already visible.
pub fn wakes_come_and_never_from_inside_a_call(place: &dyn Place) {
    let driver = subscribed(place);
    let (sender, receiver) = mpsc::sync_channel(1024);
    let seen = Arc::new(AtomicU64::new(0));
    let caller = thread::current().id();
    let from_caller = Arc::new(AtomicBool::new(false));
    driver.store().on_progress(Arc::new({
        let from_caller = from_caller.clone();
        move || {
            if thread::current().id() == caller {
                from_caller.store(true, Ordering::SeqCst);
            }
            _ = sender.try_send(());
        }
    }));
    driver.store().on_progress(Arc::new({
        let seen = seen.clone();
        move || _ = seen.fetch_add(1, Ordering::SeqCst)
    }));
    for _ in 0..20 {
        let span = driver.submit(|batch| _ = batch.message(&plain(&[QUEUE], b"x")));
        while driver.store().durable() < span.last {
            receiver
                .recv_timeout(driver.patience())
                .expect("a wake comes with each advance");
        }
        driver.answer(|done| {
            let from_caller = from_caller.clone();
            let done = Box::new(move |image| {
                if thread::current().id() == caller {
                    from_caller.store(true, Ordering::SeqCst);
                }
                done(image);
            });
            driver.store().session(SessionId(1), Seq::ZERO, done);
        });
    }
    assert!(
        !from_caller.load(Ordering::SeqCst),
        "nothing is called from inside a call"
    );
    driver.until("the other wake was called too", || {
        seen.load(Ordering::SeqCst) > 0
    });
}

/// The only back pressure there is ends by itself, with a wake (K26).
pub fn k26_congestion_ends(place: &dyn Place) {
    let driver = subscribed(place);
    let (sender, receiver) = mpsc::sync_channel(1);
    driver
        .store()
        .on_progress(Arc::new(move || _ = sender.try_send(())));
    let payload = vec![1; 1 << 20];
    let mut last = Seq::ZERO;
    for _ in 0..32 {
        last = driver
            .submit(|batch| _ = batch.message(&plain(&[QUEUE], &payload)))
            .last;
    }
    while driver.store().congested() {
        receiver
            .recv_timeout(driver.patience())
            .expect("a wake comes when congestion ends");
    }
    driver.until_durable(last);
    assert!(!driver.store().congested());
}

/// What is there, counted.
pub fn figures_tell_what_is_there(place: &dyn Place) {
    let driver = subscribed(place);
    fill(&driver, &[QUEUE], 100);
    driver.commit(|batch| {
        for topic in ["r/1", "r/2"] {
            batch.message(&NewMessage {
                topic,
                set_retained: true,
                ..plain(&[], b"12345678")
            });
        }
    });
    let now = UnixMillis(1_792_000_001_000);
    driver.tick_until(now, "the figures have come", || {
        let figures = driver.store().figures();
        (
            figures.sessions,
            figures.queues,
            figures.entries,
            figures.retained,
        ) == (1, 1, 100, 2)
    });
    let figures = driver.store().figures();
    assert!(figures.retained_bytes >= 16, "{figures:?}");
    assert!(
        figures.records >= 105 && figures.commits >= 3 && figures.bytes > 0,
        "{figures:?}"
    );
    assert_eq!((figures.damaged, figures.evicted, figures.expired), (0, 0, 0));
}
