//! Behaviours: sessions of the broker's own, which read a queue that no client has.

use restante_model::{Binding, QoS, QueueId, Seq, SessionId, UnixMicros, UnixMillis};

use crate::{
    change::{Change, NewMessage, OWN_VERSION},
    contract::{Backlog, WhenFull},
};

use super::{
    Clock, OpenSettings, Place,
    driver::{Driver, at_qos, fill, opened, plain, subscribe},
};

const OWN: SessionId = SessionId(1);
const CLIENT: SessionId = SessionId(2);
const OUTBOX: QueueId = QueueId(1);
const OTHER: QueueId = QueueId(2);
const NOW: UnixMillis = UnixMillis(1_792_000_001_000);

/// A session of the broker's own that reads a queue.
fn open_own(driver: &Driver) {
    driver.commit(|batch| {
        let filter = "$outbox/pool";
        batch.change(&Change::QueueOpened {
            queue: OUTBOX,
            filter,
        });
        batch.change(&Change::SessionOpened {
            session: OWN,
            client_id: filter,
            version: OWN_VERSION,
            expiry: u32::MAX,
            will: None,
            at: NOW,
        });
        batch.change(&Change::Subscribed {
            session: OWN,
            filter,
            queue: Some(OUTBOX),
            options: at_qos(QoS::ExactlyOnce),
        });
    });
}

fn acknowledge(driver: &Driver, session: SessionId, low: Seq) {
    driver.change(&Change::CursorMoved {
        session,
        low,
        above: &[],
    });
}

fn waits(driver: &Driver, messages: u64) -> Backlog {
    let what = format!("{messages} messages wait");
    driver.tick_until(NOW, &what, || driver.store().backlog(OWN).messages == messages);
    driver.store().backlog(OWN)
}

/// Nothing is pushed out of what it waits for, whatever the policy.
pub fn k22_limits_are_not_for_the_brokers_own(place: &dyn Place) {
    for when_full in [WhenFull::DropOldest, WhenFull::DropNewest] {
        let driver = Driver::open(place, &OpenSettings::limited(5, 3000, when_full));
        if driver.session(OWN).is_none() {
            open_own(&driver);
        }
        let before = driver.queue(OUTBOX).len();
        fill(&driver, &[OUTBOX], 50);
        driver.tick(NOW);
        let cursor = driver.image(OWN).cursor;
        driver.tick(NOW);
        let kept = driver.queue(OUTBOX);
        assert_eq!(kept.len(), before + 50, "{when_full:?}");
        assert!(
            kept.iter().all(|&seq| !cursor.contains(seq)),
            "{when_full:?}: {cursor:?}"
        );
        assert_eq!(driver.store().figures().evicted, 0, "{when_full:?}");
        driver.store().close().expect("the store closes");
    }
}

/// A client that reads the same queue is limited as ever.
pub fn k22_a_client_beside_the_brokers_own_is_limited(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::limited(5, 0, WhenFull::DropOldest));
    open_own(&driver);
    driver.commit(|batch| {
        batch.change(&opened(CLIENT, "client"));
        batch.change(&Change::Subscribed {
            session: CLIENT,
            filter: "$outbox/pool",
            queue: Some(OUTBOX),
            options: at_qos(QoS::AtLeastOnce),
        });
    });
    let all = fill(&driver, &[OUTBOX], 20);
    let cursor = driver.image(CLIENT).cursor;
    let owed: Vec<Seq> = all.iter().copied().filter(|&seq| !cursor.contains(seq)).collect();
    assert_eq!(owed, all[15..]);
    driver.tick(NOW);
    assert_eq!(driver.queue(OUTBOX), all);
    driver.until("the evicted are counted", || {
        driver.store().figures().evicted == 15
    });
}

/// It makes no queue full; a client does.
pub fn k22_the_brokers_own_makes_no_queue_full(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::limited(5, 0, WhenFull::RejectPublisher));
    open_own(&driver);
    subscribe(&driver, CLIENT, OTHER, "t/#");
    fill(&driver, &[OUTBOX, OTHER], 20);
    driver.until("the client's queue is full", || driver.store().queue_full(OTHER));
    assert!(!driver.store().queue_full(OUTBOX));
    driver.tick(NOW);
    assert_eq!(driver.queue(OUTBOX).len(), 20);
}

/// How much waits, and since when; exact when the store has had a tick to look.
pub fn what_waits_for_the_brokers_own_is_told(place: &dyn Place) {
    let clock = Clock::default();
    let begin = clock.now().millis();
    let settings = OpenSettings {
        clock: clock.clone(),
        ..OpenSettings::limited(5, 0, WhenFull::DropOldest)
    };
    let driver = Driver::open(place, &settings);
    subscribe(&driver, CLIENT, OTHER, "t/#");
    open_own(&driver);
    fill(&driver, &[OTHER], 3);
    assert_eq!(waits(&driver, 0), Backlog::default());
    let payload = [7; 500];
    let mut seqs = Vec::new();
    for second in 0..200 {
        clock.set(UnixMicros(begin.0 * 1000 + second * 1_000_000));
        seqs.push(driver.message(&plain(&[OUTBOX], &payload)));
    }
    let published = |at: usize| UnixMillis(begin.0 + at as u64 * 1000);
    let all = waits(&driver, 200);
    assert_eq!(all.oldest, Some(published(0)));
    assert!((100_000..130_000).contains(&all.bytes), "{all:?}");
    // Somewhere in the middle of whatever the store holds them in.
    for at in [1, 17, 50, 51, 133, 198] {
        acknowledge(&driver, OWN, seqs[at - 1]);
        let left = waits(&driver, 200 - at as u64);
        assert_eq!(left.oldest, Some(published(at)), "{at}");
        let share = all.bytes * left.messages / 200;
        assert!(
            left.bytes.abs_diff(share) < 200 + share / 20,
            "{left:?} instead of {share}"
        );
    }
    acknowledge(&driver, OWN, seqs[199]);
    assert_eq!(waits(&driver, 0), Backlog::default());
    // Of others nothing is told.
    assert_eq!(driver.store().backlog(CLIENT), Backlog::default());
    assert_eq!(driver.store().backlog(SessionId(99)), Backlog::default());
    driver.message(&plain(&[OUTBOX], b"one more"));
    assert_eq!(waits(&driver, 1).oldest, Some(published(199)));
    driver.change(&Change::SessionEnded { session: OWN });
    waits(&driver, 0);
}

/// What has expired stays readable until the reader has passed it, and goes then; for clients it goes at once.
pub fn k16_what_has_expired_stays_for_the_brokers_own(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    open_own(&driver);
    subscribe(&driver, CLIENT, OTHER, "t/#");
    let payload = [1; 400];
    let brief = NewMessage {
        deadline: NOW,
        ..plain(&[OUTBOX, OTHER], &payload)
    };
    let seqs: Vec<Seq> = (0..200).map(|_| driver.message(&brief)).collect();
    let later = UnixMillis(NOW.0 + 1000);
    driver.tick_until(later, "the client's have expired", || {
        driver.queue(OTHER).is_empty() && driver.store().figures().expired == 200
    });
    driver.tick(later);
    assert_eq!(driver.queue(OUTBOX), seqs);
    assert_eq!(driver.store().figures().entries, 200);
    let one = driver.read_all(&[super::driver::whole(OUTBOX)], &[], 50);
    assert!(one.iter().all(|entry| entry.message.is_ok()));
    acknowledge(&driver, OWN, seqs[120]);
    driver.tick(later);
    assert!(driver.queue(OUTBOX).ends_with(&seqs[121..]));
    acknowledge(&driver, OWN, seqs[199]);
    driver.tick_until(later, "all of it is gone", || {
        driver.store().figures().entries == 0
    });
    assert_eq!(driver.store().figures().expired, 200);
}

/// It is known again after a restart, with what waits for it.
pub fn the_brokers_own_comes_back(place: &dyn Place) {
    if !place.persists() {
        return;
    }
    let settings = OpenSettings::limited(5, 0, WhenFull::DropOldest);
    let driver = Driver::open(place, &settings);
    open_own(&driver);
    let payload = [7; 500];
    let seqs: Vec<Seq> = (0..100)
        .map(|_| driver.message(&plain(&[OUTBOX], &payload)))
        .collect();
    acknowledge(&driver, OWN, seqs[41]);
    let before = waits(&driver, 58);
    let mut driver = Some(driver);
    for _ in 0..2 {
        if let Some(driver) = driver.take() {
            driver.store().close().expect("the store closes");
        }
        let again = driver.insert(Driver::open(place, &settings));
        // At once: a start looks.
        let told = again.store().backlog(OWN);
        assert_eq!((told.messages, told.oldest), (58, before.oldest));
        again.tick(NOW);
        let image = again.image(OWN);
        assert_eq!((image.version, image.cursor.low()), (OWN_VERSION, seqs[41]));
        assert!(again.queue(OUTBOX).ends_with(&seqs[42..]));
    }
}

/// A delivery to a client can be bound to what only the broker's own reads, and holds it when that has passed it.
pub fn k15_what_the_brokers_own_has_passed_stays_for_who_is_bound(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    open_own(&driver);
    driver.change(&opened(CLIENT, "client"));
    let payload = |number: usize| vec![number as u8; 400];
    let seqs: Vec<Seq> = (0..100)
        .map(|number| driver.message(&plain(&[OUTBOX], &payload(number))))
        .collect();
    let bound = [(7, 3), (8, 60)];
    for (packet_id, at) in bound {
        driver.change(&Change::Bound {
            session: CLIENT,
            binding: Binding {
                seq: seqs[at],
                packet_id,
                qos: QoS::ExactlyOnce,
                released: false,
                retain: false,
                aside: true,
            },
        });
    }
    acknowledge(&driver, OWN, seqs[99]);
    // More, so that what holds only what nobody needs is taken back.
    let more = fill(&driver, &[OUTBOX], 400);
    acknowledge(&driver, OWN, more[399]);
    for _ in 0..5 {
        driver.tick(NOW);
    }
    driver.tick_until(NOW, "nothing waits", || driver.store().figures().entries == 0);
    let found = |packets: &[(u16, usize)]| {
        let asked: Vec<Seq> = packets.iter().map(|&(_, at)| seqs[at]).collect();
        let found = driver.bound(CLIENT, &asked).into_iter();
        let found: Vec<_> = found
            .map(|message| message.map(|message| message.parts.payload().to_vec()))
            .collect();
        let expected: Vec<_> = packets.iter().map(|&(_, at)| Some(payload(at))).collect();
        assert_eq!(found, expected);
    };
    found(&bound);
    driver.change(&Change::Unbound {
        session: CLIENT,
        packet_id: 7,
    });
    driver.tick(NOW);
    found(&bound[1..]);
}
