//! Behaviours: the limits of what a session may be owed (K22, K23).

use restante_model::{Binding, QoS, QueueId, Seq, SessionId, UnixMillis};

use crate::{change::Change, contract::WhenFull};

use super::{
    OpenSettings, Place,
    driver::{Driver, at_qos, fill, plain, subscribe},
};

const SESSION: SessionId = SessionId(1);
const A: QueueId = QueueId(1);
const B: QueueId = QueueId(2);
const NOW: UnixMillis = UnixMillis(1_792_000_001_000);

fn limited(place: &dyn Place, messages_max: u64, when_full: WhenFull) -> Driver {
    let driver = Driver::open(place, &OpenSettings::limited(messages_max, 0, when_full));
    subscribe(&driver, SESSION, A, "t/#");
    driver
}

fn also_reads(driver: &Driver, queue: QueueId, filter: &str) {
    driver.commit(|batch| {
        batch.change(&Change::QueueOpened { queue, filter });
        let options = at_qos(QoS::AtLeastOnce);
        batch.change(&Change::Subscribed {
            session: SESSION,
            filter,
            queue: Some(queue),
            options,
        });
    });
}

fn move_cursor(driver: &Driver, low: Seq, above: &[(Seq, Seq)]) {
    driver.change(&Change::CursorMoved {
        session: SESSION,
        low,
        above,
    });
}

/// Which of these the session is still owed by its cursor.
fn owed(driver: &Driver, seqs: &[Seq]) -> Vec<Seq> {
    let cursor = driver.image(SESSION).cursor;
    seqs.iter()
        .copied()
        .filter(|&seq| !cursor.contains(seq))
        .collect()
}

/// The newest are kept; the others are counted as evicted.
pub fn k22_drop_oldest_is_a_floor_under_the_cursor(place: &dyn Place) {
    let driver = limited(place, 10, WhenFull::DropOldest);
    let mut all = fill(&driver, &[A], 10);
    assert_eq!(owed(&driver, &all), all, "at the limit nothing is lost");
    all.extend(fill(&driver, &[A], 15));
    let image = driver.image(SESSION);
    assert!(
        image.cursor.low() >= all[14] && image.cursor.low() < all[15],
        "the low-water mark is the floor"
    );
    assert!(image.cursor.above().is_empty());
    assert_eq!(driver.queue(A)[driver.queue(A).len() - 10..], all[15..]);
    driver.tick_until(NOW, "15 are counted", || driver.store().figures().evicted == 15);
    driver.image(SESSION);
    driver.tick(NOW);
    assert_eq!(driver.store().figures().evicted, 15, "each is counted once");
}

/// The first are kept; what came beyond is done with, and what comes after a drain is not.
pub fn k22_drop_newest_keeps_the_first_and_takes_new_ones_after_a_drain(place: &dyn Place) {
    let driver = limited(place, 10, WhenFull::DropNewest);
    let all = fill(&driver, &[A], 25);
    assert_eq!(owed(&driver, &all), all[..10]);
    driver.tick_until(NOW, "15 are counted", || driver.store().figures().evicted == 15);
    let beyond = fill(&driver, &[A], 5);
    assert_eq!(owed(&driver, &beyond), [], "still full");
    let cursor = driver.image(SESSION).cursor;
    move_cursor(&driver, all[9], cursor.above());
    let fresh = fill(&driver, &[A], 5);
    let everything = [all, beyond, fresh.clone()].concat();
    assert_eq!(
        owed(&driver, &everything),
        fresh,
        "what came after the drain is owed"
    );
    driver.tick(NOW);
    let left = driver.queue(A);
    assert!(fresh.iter().all(|seq| left.contains(seq)));
}

/// A publisher is refused as long as one reader is behind by the limit, and no longer.
pub fn k22_reject_publisher_is_judged_by_the_slowest_reader(place: &dyn Place) {
    let driver = limited(place, 10, WhenFull::RejectPublisher);
    driver.commit(|batch| {
        batch.change(&super::driver::opened(SessionId(2), "quick"));
        let options = at_qos(QoS::AtLeastOnce);
        batch.change(&Change::Subscribed {
            session: SessionId(2),
            filter: "t/#",
            queue: Some(A),
            options,
        });
    });
    let full = |expected: bool| {
        let what = if expected {
            "the queue is full"
        } else {
            "the queue is not full"
        };
        driver.tick_until(NOW, what, || driver.store().queue_full(A) == expected);
    };
    let all = fill(&driver, &[A], 9);
    full(false);
    let last = fill(&driver, &[A], 1)[0];
    full(true);
    driver.change(&Change::CursorMoved {
        session: SessionId(2),
        low: last,
        above: &[],
    });
    full(true);
    assert_eq!(owed(&driver, &all), all, "nothing is pushed out");
    move_cursor(&driver, all[0], &[]);
    full(false);
    fill(&driver, &[A], 1);
    full(true);
    driver.change(&Change::SessionEnded { session: SESSION });
    full(false);
    assert!(!driver.store().queue_full(QueueId(99)));
}

/// Bytes are counted too.
pub fn k22_bytes_are_a_limit_of_their_own(place: &dyn Place) {
    let payload = vec![1; 10_000];
    for (when_full, kept) in [(WhenFull::DropOldest, 5..8), (WhenFull::DropNewest, 0..3)] {
        let driver = Driver::open(place, &OpenSettings::limited(1000, 35_000, when_full));
        // One place may hold several stores one after another: take a session of its own.
        let session = SessionId(if kept.start == 0 { 11 } else { 12 });
        let queue = QueueId(session.0);
        subscribe(&driver, session, queue, "t/#");
        let all: Vec<Seq> = (0..8)
            .map(|_| driver.message(&plain(&[queue], &payload)))
            .collect();
        let cursor = driver.image(session).cursor;
        let left: Vec<Seq> = all.iter().copied().filter(|&seq| !cursor.contains(seq)).collect();
        assert_eq!(left, all[kept], "{when_full:?}");
        driver.store().close().expect("the store closes");
    }
}

/// The limit is of distinct messages (K13); only the count of what was lost may be too high (K23).
pub fn k22_overlapping_filters_count_a_message_once(place: &dyn Place) {
    let driver = limited(place, 10, WhenFull::DropOldest);
    also_reads(&driver, B, "t/+");
    let both = fill(&driver, &[A, B], 10);
    assert_eq!(owed(&driver, &both), both);
    let one = fill(&driver, &[B], 4);
    let all = [both, one].concat();
    assert_eq!(owed(&driver, &all), all[4..]);
    let evicted = driver.store().figures().evicted;
    driver.tick_until(NOW, "4 to 8 are counted", || {
        (4..=8).contains(&driver.store().figures().evicted)
    });
    assert!(evicted <= 8);
}

/// What was acknowledged out of order takes no room.
pub fn k22_acknowledged_messages_do_not_count(place: &dyn Place) {
    let driver = limited(place, 10, WhenFull::DropOldest);
    let first = fill(&driver, &[A], 10);
    move_cursor(&driver, Seq(first[0].0 - 1), &[(first[1], first[5])]);
    let more = fill(&driver, &[A], 5);
    let all = [first.clone(), more].concat();
    let expected: Vec<Seq> = all
        .iter()
        .copied()
        .filter(|seq| !first[1..=5].contains(seq))
        .collect();
    assert_eq!(owed(&driver, &all), expected);
    let last = fill(&driver, &[A], 1)[0];
    assert_eq!(owed(&driver, &[first[0], first[6], last]), [first[6], last]);
}

/// What has started to the client is not among what waits: it takes no room and is not counted, also where the cursor
/// that covers it has not come yet.
pub fn k22_what_is_in_flight_does_not_count(place: &dyn Place) {
    in_flight_does_not_count(place, WhenFull::DropOldest, [2, 3, 4]);
}

/// The same where the first are kept.
pub fn k22_what_is_in_flight_does_not_count_among_the_first(place: &dyn Place) {
    in_flight_does_not_count(place, WhenFull::DropNewest, [0, 1, 2]);
}

/// Three are in flight, five wait, and these three of them may.
fn in_flight_does_not_count(place: &dyn Place, when_full: WhenFull, kept: [usize; 3]) {
    let driver = limited(place, 3, when_full);
    for (seq, packet_id) in fill(&driver, &[A], 3).into_iter().zip(1..) {
        let binding = Binding {
            seq,
            packet_id,
            qos: QoS::ExactlyOnce,
            released: false,
            retain: false,
            aside: false,
        };
        driver.change(&Change::Bound {
            session: SESSION,
            binding,
        });
    }
    let mut waiting = fill(&driver, &[A], 3);
    assert_eq!(owed(&driver, &waiting), waiting, "three wait, and three may");
    waiting.extend(fill(&driver, &[A], 2));
    assert_eq!(owed(&driver, &waiting), kept.map(|at| waiting[at]));
    driver.tick_until(NOW, "two are counted", || driver.store().figures().evicted == 2);
    assert_eq!(driver.image(SESSION).bindings.len(), 3);
}

/// What came before a subscription, or under QoS 0, is not owed, and takes no room.
pub fn k14_what_is_not_owed_does_not_count(place: &dyn Place) {
    let driver = limited(place, 10, WhenFull::DropOldest);
    driver.commit(|batch| {
        batch.change(&super::driver::opened(SessionId(2), "other"));
        let options = at_qos(QoS::AtLeastOnce);
        batch.change(&Change::Subscribed {
            session: SessionId(2),
            filter: "t/#",
            queue: Some(A),
            options,
        });
    });
    let with = |qos| {
        let options = at_qos(qos);
        driver.change(&Change::Subscribed {
            session: SESSION,
            filter: "t/#",
            queue: Some(A),
            options,
        });
    };
    let first = fill(&driver, &[A], 8);
    with(QoS::AtMostOnce);
    fill(&driver, &[A], 20);
    with(QoS::ExactlyOnce);
    let last = fill(&driver, &[A], 2);
    assert_eq!(owed(&driver, &first), first);
    fill(&driver, &[A], 1);
    assert_eq!(owed(&driver, &first), first[1..]);
    assert_eq!(owed(&driver, &last), last);
}

/// A cursor from before the floor does not bring back what fell below it.
pub fn k22_a_floor_never_comes_back(place: &dyn Place) {
    let driver = limited(place, 3, WhenFull::DropOldest);
    let all = fill(&driver, &[A], 9);
    assert_eq!(owed(&driver, &all), all[6..]);
    move_cursor(&driver, all[1], &[(all[3], all[3]), (all[7], all[7])]);
    assert_eq!(owed(&driver, &all), [all[6], all[8]]);
}

/// 0 means no limit.
pub fn zero_is_no_limit(place: &dyn Place) {
    let driver = limited(place, 0, WhenFull::DropNewest);
    let all = fill(&driver, &[A], 20_000);
    driver.tick(NOW);
    assert_eq!(owed(&driver, &all).len(), all.len());
    assert_eq!(driver.store().figures().evicted, 0);
}
