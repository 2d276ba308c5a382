//! Behaviours: queues, their end, and the sweep.

use restante_model::{QueueId, Seq, SessionId, UnixMillis};

use crate::change::{Change, NewMessage};

use super::{
    OpenSettings, Place,
    driver::{Driver, at_qos, fill, opened, plain, subscribe},
};

const A: QueueId = QueueId(1);
const B: QueueId = QueueId(2);
const NOW: UnixMillis = UnixMillis(1_792_000_001_000);

/// A queue without readers is dead at once, and what comes for it is not kept.
pub fn k15_closing_a_queue_kills_its_entries(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SessionId(1), A, "t/#");
    fill(&driver, &[A], 5);
    driver.commit(|batch| {
        batch.change(&Change::Unsubscribed {
            session: SessionId(1),
            filter: "t/#",
        });
        batch.change(&Change::QueueClosed { queue: A });
    });
    assert_eq!(driver.queue(A), []);
    fill(&driver, &[A], 2);
    assert_eq!(driver.queue(A), []);
    driver.tick_until(NOW, "no entries are counted", || {
        driver.store().figures().entries == 0
    });
    assert_eq!(driver.store().figures().queues, 0);
}

/// A message in two queues stays in the one that lives.
pub fn k15_closing_a_queue_leaves_other_queues_alone(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SessionId(1), A, "t/#");
    subscribe(&driver, SessionId(2), B, "t/+");
    let both = fill(&driver, &[A, B], 5);
    driver.change(&Change::QueueClosed { queue: A });
    driver.tick(NOW);
    assert_eq!(driver.queue(B), both);
    let entries = driver.read_all(&[super::driver::whole(B)], &[], 2);
    assert!(
        entries.iter().all(|entry| entry.message.is_ok()),
        "the bodies are still there"
    );
}

/// Trimming goes by the slowest reader, by ranges above the cursor, and by what came since.
pub fn k16_the_sweep_leaves_what_somebody_needs(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SessionId(1), A, "t/#");
    driver.commit(|batch| {
        batch.change(&opened(SessionId(2), "second"));
        let options = at_qos(restante_model::QoS::ExactlyOnce);
        batch.change(&Change::Subscribed {
            session: SessionId(2),
            filter: "t/#",
            queue: Some(A),
            options,
        });
    });
    let all = fill(&driver, &[A], 20);
    let moved =
        |session, low, above: &[(Seq, Seq)]| driver.change(&Change::CursorMoved { session, low, above });
    moved(SessionId(1), all[14], &[(all[17], all[18])]);
    moved(SessionId(2), all[9], &[(all[12], all[18])]);
    driver.tick(NOW);
    let since = fill(&driver, &[A], 3);
    driver.tick(NOW);
    let left = driver.queue(A);
    let needed = [10, 11, 15, 16, 19].map(|index: usize| all[index]);
    assert!(
        needed.iter().all(|seq| left.contains(seq)),
        "{left:?} has {needed:?}"
    );
    assert!(since.iter().all(|seq| left.contains(seq)));
    // The first reader goes: the other one's needs are still there.
    driver.change(&Change::SessionEnded {
        session: SessionId(1),
    });
    driver.tick(NOW);
    let left = driver.queue(A);
    assert!(
        [10, 11, 19]
            .iter()
            .all(|&index: &usize| left.contains(&all[index]))
    );
}

/// Space comes back without anybody's return.
pub fn k16_the_sweep_frees_what_nobody_needs(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SessionId(1), A, "t/#");
    let all = fill(&driver, &[A], 100);
    driver.tick_until(NOW, "the entries are counted", || {
        driver.store().figures().entries == 100
    });
    driver.change(&Change::CursorMoved {
        session: SessionId(1),
        low: all[99],
        above: &[],
    });
    driver.tick_until(NOW, "nothing is waited for", || {
        driver.store().figures().entries == 0
    });
}

/// Only what has expired goes early, and what went that way is counted. (A store may free it in larger pieces and so
/// later; readers look at the deadline themselves, K20.)
pub fn expired_messages_go_and_nothing_else(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SessionId(1), A, "t/#");
    driver.tick(NOW);
    let (soon, late) = (UnixMillis(NOW.0 + 20), UnixMillis(NOW.0 + 10_000));
    let span = driver.commit(|batch| {
        for deadline in [soon, UnixMillis::NEVER, soon, late] {
            batch.message(&NewMessage {
                deadline,
                ..plain(&[A], b"x")
            });
        }
    });
    driver.tick(UnixMillis(soon.0 - 1));
    assert_eq!(driver.queue(A).len(), 4);
    driver.tick(soon);
    let left = driver.queue(A);
    assert!(
        [1, 3]
            .into_iter()
            .all(|ordinal| left.contains(&span.first.plus(ordinal))),
        "{left:?}"
    );
    assert_eq!(
        driver.store().figures().expired,
        4 - left.len() as u64,
        "{left:?}"
    );
}

/// An entry for a queue that does not exist is no entry.
pub fn a_message_in_unknown_queues_is_nowhere(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SessionId(1), A, "t/#");
    let seq = driver.message(&plain(&[QueueId(99), A, QueueId(98)], b"x"));
    driver.message(&plain(&[], b"x"));
    driver.message(&plain(&[QueueId(99)], b"x"));
    assert_eq!((driver.queue(A), driver.queue(QueueId(99))), (vec![seq], vec![]));
}
