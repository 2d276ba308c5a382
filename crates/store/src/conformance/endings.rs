//! Behaviours: what waited when a session or a subscription ended is counted (K30).

use restante_model::{Binding, NotKept, QoS, QueueId, Seq, SessionId};

use crate::{
    change::Change,
    contract::{Waited, WhenFull},
};

use super::{
    OpenSettings, Place,
    driver::{Driver, at_qos, fill, opened, plain, subscribe},
};

const SESSION: SessionId = SessionId(1);
const A: QueueId = QueueId(1);
const B: QueueId = QueueId(2);

/// Entries that fill several segments of a log with small segments, each with many of them.
const MANY: usize = 600;

fn reads(driver: &Driver, session: SessionId, queue: QueueId, filter: &str, qos: QoS) {
    driver.change(&Change::Subscribed {
        session,
        filter,
        queue: Some(queue),
        options: at_qos(qos),
    });
}

fn also_reads(driver: &Driver, queue: QueueId, filter: &str) {
    driver.change(&Change::QueueOpened { queue, filter });
    reads(driver, SESSION, queue, filter, QoS::AtLeastOnce);
}

fn move_cursor(driver: &Driver, low: Seq, above: &[(Seq, Seq)]) {
    driver.change(&Change::CursorMoved {
        session: SESSION,
        low,
        above,
    });
}

fn end(driver: &Driver, session: SessionId, why: NotKept) {
    driver.commit(|batch| _ = batch.end_session(session, why));
}

fn unsubscribe(driver: &Driver, filter: &str) {
    driver.change(&Change::Unsubscribed {
        session: SESSION,
        filter,
    });
}

fn until_waited(driver: &Driver, expected: Waited) {
    let what = format!("{expected:?} is counted");
    driver.until(&what, || driver.store().figures().waited == expected);
    // An answer that comes later than the count: nothing is counted twice.
    driver.session(SESSION);
    assert_eq!(driver.store().figures().waited, expected, "and no more");
}

/// Each end has its word; what somebody else still waits for is not counted.
pub fn k30_what_waited_is_counted_by_word(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SESSION, A, "t/#");
    for id in 2..6 {
        driver.change(&opened(SessionId(id), "other"));
        reads(&driver, SessionId(id), A, "t/#", QoS::AtLeastOnce);
    }
    fill(&driver, &[A], 7);
    let mut expected = Waited::default();
    until_waited(&driver, expected);
    end(&driver, SessionId(2), NotKept::SessionCleared);
    expected.session_cleared = 7;
    until_waited(&driver, expected);
    end(&driver, SessionId(3), NotKept::SessionExpired);
    expected.session_expired = 7;
    until_waited(&driver, expected);
    // Without a word.
    driver.change(&Change::SessionEnded {
        session: SessionId(4),
    });
    expected.session_expired = 14;
    until_waited(&driver, expected);
    end(&driver, SessionId(5), NotKept::Unsubscribed);
    unsubscribe(&driver, "t/#");
    expected.unsubscribed = 14;
    until_waited(&driver, expected);
    // Nothing waits any more, and what does not exist does not end.
    end(&driver, SESSION, NotKept::SessionCleared);
    end(&driver, SESSION, NotKept::SessionCleared);
    unsubscribe(&driver, "t/#");
    until_waited(&driver, expected);
}

/// What entered before the end counts, also in its batch; what comes behind it does not.
pub fn k30_the_count_is_as_of_the_end(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SESSION, A, "t/#");
    fill(&driver, &[A], 2);
    driver.commit(|batch| {
        batch.message(&plain(&[A], b"before"));
        batch.end_session(SESSION, NotKept::SessionExpired);
        batch.message(&plain(&[A], b"behind"));
        batch.change(&Change::QueueClosed { queue: A });
    });
    let expected = Waited {
        session_expired: 3,
        ..Waited::default()
    };
    until_waited(&driver, expected);
}

/// What was acknowledged, at either end or in the middle, is not counted, wherever the entries are kept by now.
pub fn k30_what_was_acknowledged_is_not_counted(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SESSION, A, "t/#");
    driver.change(&opened(SessionId(2), "other"));
    reads(&driver, SessionId(2), A, "t/#", QoS::AtLeastOnce);
    let payload = vec![7; 500];
    let all: Vec<Seq> = (0..MANY)
        .map(|_| driver.message(&plain(&[A], &payload)))
        .collect();
    move_cursor(&driver, all[10], &[(all[20], all[29]), (all[300], all[301])]);
    unsubscribe(&driver, "t/#");
    let mut expected = Waited {
        unsubscribed: MANY as u64 - 11 - 10 - 2,
        ..Waited::default()
    };
    until_waited(&driver, expected);
    end(&driver, SessionId(2), NotKept::SessionCleared);
    expected.session_cleared = MANY as u64;
    until_waited(&driver, expected);
}

/// Only what is owed is counted: not what came under QoS 0, and not what came before.
pub fn k30_k14_what_is_not_owed_is_not_counted(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SessionId(2), A, "t/#");
    fill(&driver, &[A], 3);
    driver.change(&opened(SESSION, "subscriber"));
    reads(&driver, SESSION, A, "t/#", QoS::AtLeastOnce);
    fill(&driver, &[A], 4);
    reads(&driver, SESSION, A, "t/#", QoS::AtMostOnce);
    fill(&driver, &[A], 5);
    reads(&driver, SESSION, A, "t/#", QoS::ExactlyOnce);
    fill(&driver, &[A], 6);
    end(&driver, SESSION, NotKept::SessionExpired);
    let expected = Waited {
        session_expired: 10,
        ..Waited::default()
    };
    until_waited(&driver, expected);
}

/// A delivery that was begun is owed by its binding: counted once, and not when the client has received it.
pub fn k30_what_is_in_flight_is_counted_once(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SESSION, A, "t/#");
    let all = fill(&driver, &[A], 10);
    let bind = |at: usize, released| {
        driver.change(&Change::Bound {
            session: SESSION,
            binding: Binding {
                seq: all[at],
                packet_id: at as u16 + 1,
                qos: QoS::ExactlyOnce,
                released,
                retain: false,
                aside: false,
            },
        });
    };
    // The cursor knows of the first and not of the others.
    bind(0, false);
    bind(4, false);
    bind(5, true);
    move_cursor(&driver, all[2], &[]);
    // What is bound goes on when its subscription ends.
    unsubscribe(&driver, "t/#");
    let mut expected = Waited {
        unsubscribed: 7 - 2,
        ..Waited::default()
    };
    until_waited(&driver, expected);
    end(&driver, SESSION, NotKept::SessionExpired);
    expected.session_expired = 2;
    until_waited(&driver, expected);
}

/// A message that two filters match is one message, and ends with the second of them.
pub fn k30_k13_overlapping_filters_count_a_message_once(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    let mut expected = Waited::default();
    subscribe(&driver, SESSION, A, "t/#");
    also_reads(&driver, B, "t/+");
    fill(&driver, &[A, B], 5);
    fill(&driver, &[A], 3);
    fill(&driver, &[B], 2);
    unsubscribe(&driver, "t/+");
    expected.unsubscribed = 2;
    until_waited(&driver, expected);
    unsubscribe(&driver, "t/#");
    expected.unsubscribed = 10;
    until_waited(&driver, expected);
    reads(&driver, SESSION, A, "t/#", QoS::AtLeastOnce);
    reads(&driver, SESSION, B, "t/+", QoS::AtLeastOnce);
    fill(&driver, &[A, B], 4);
    fill(&driver, &[B], 1);
    end(&driver, SESSION, NotKept::SessionCleared);
    expected.session_cleared = 5;
    until_waited(&driver, expected);
}

/// What is too much to be compared is an upper bound, and never less than what waited (K23).
pub fn k23_a_large_overlap_is_an_upper_bound(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SESSION, A, "t/#");
    also_reads(&driver, B, "t/+");
    fill(&driver, &[A, B], 2000);
    end(&driver, SESSION, NotKept::SessionExpired);
    let counted = || driver.store().figures().waited.session_expired;
    driver.until("something is counted", || counted() > 0);
    assert!((2000..=4000).contains(&counted()), "{}", counted());
}

/// What a limit has pushed out was counted then, and is not counted again.
pub fn k30_k22_what_was_evicted_is_not_counted_again(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::limited(10, 0, WhenFull::DropOldest));
    subscribe(&driver, SESSION, A, "t/#");
    fill(&driver, &[A], 25);
    driver.image(SESSION);
    end(&driver, SESSION, NotKept::SessionExpired);
    let expected = Waited {
        session_expired: 10,
        ..Waited::default()
    };
    until_waited(&driver, expected);
    assert_eq!(driver.store().figures().evicted, 15);
}
