//! Behaviours: retained messages.

use restante_model::{QoS, QueueId, Seq, SessionId, UnixMillis};

use crate::{
    change::{Change, NewMessage},
    image::StoredMessage,
};

use super::{
    OpenSettings, Place,
    driver::{Driver, plain, subscribe, whole},
};

const NOW: UnixMillis = UnixMillis(1_792_000_001_000);

fn retained<'a>(topic: &'a str, payload: &'a [u8]) -> NewMessage<'a> {
    NewMessage {
        topic,
        retain: true,
        set_retained: true,
        ..plain(&[], payload)
    }
}

fn topics(messages: &[StoredMessage]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| std::str::from_utf8(&message.topic).expect("topics are text"))
        .collect()
}

/// The last one of a topic counts; an empty one clears it `[MQTT-3.3.1-6]`.
pub fn set_replace_and_clear(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    let first = driver.message(&NewMessage {
        qos: QoS::ExactlyOnce,
        ..retained("a", b"1")
    });
    let found = driver.retained("a");
    assert_eq!(
        (found.len(), found[0].seq, found[0].qos, found[0].retain),
        (1, first, QoS::ExactlyOnce, true)
    );
    let second = driver.message(&retained("a", b"22"));
    let found = driver.retained("a");
    assert_eq!(
        (found.len(), found[0].seq, &found[0].payload[..]),
        (1, second, &b"22"[..])
    );
    // Set and cleared within one batch, and the other way round.
    driver.commit(|batch| {
        batch.message(&retained("b", b"x"));
        batch.message(&retained("b", b""));
        batch.message(&retained("a", b""));
        batch.message(&retained("a", b"333"));
        batch.message(&retained("c", b"x"));
        batch.change(&Change::RetainedCleared { topic: "c" });
        batch.change(&Change::RetainedCleared { topic: "never" });
    });
    let found = driver.retained("#");
    assert_eq!((topics(&found), &found[0].payload[..]), (vec!["a"], &b"333"[..]));
    // A publish without the retain flag changes nothing.
    driver.message(&NewMessage {
        topic: "a",
        ..plain(&[], b"live")
    });
    assert_eq!(driver.retained("a")[0].payload, &b"333"[..]);
    driver.message(&retained("a", b""));
    assert!(driver.retained("#").is_empty());
}

/// Filters match retained topics as they match published ones.
pub fn wildcards_match_as_filters_do(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    let all = ["a", "a/b", "a/b/c", "/a", "a/", "b", "$SYS/a", "a/c", "ab"];
    driver.commit(|batch| {
        for topic in all {
            batch.message(&retained(topic, b"x"));
        }
    });
    for filter in [
        "#", "+", "a/#", "a/+", "+/+", "a/+/c", "a", "$SYS/#", "$SYS/+", "/+", "a/b/#", "+/b/#", "x/#",
    ] {
        let found = driver.retained(filter);
        let expected: Vec<&str> = all
            .into_iter()
            .filter(|topic| restante_model::filter::matches(filter, topic))
            .collect();
        assert_eq!(topics(&found), expected, "{filter}");
    }
}

/// Oldest first, by the message and not by the topic; a batch that was named is seen.
pub fn oldest_first_and_after_what_was_named(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    for topic in ["z", "m", "a", "m"] {
        driver.message(&retained(topic, b"x"));
    }
    assert_eq!(topics(&driver.retained("#")), ["z", "a", "m"]);
    for round in 0..50_u64 {
        let payload = round.to_be_bytes();
        let span = driver.submit(|batch| _ = batch.message(&retained("z", &payload)));
        let found = driver.answer(|done| driver.store().retained("z".into(), span.last, done));
        assert_eq!(
            (found.len(), found[0].seq, &found[0].payload[..]),
            (1, span.first, &payload[..])
        );
    }
}

/// A retained message that has expired is not given any more.
pub fn expired_ones_are_left_out(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    driver.tick(NOW);
    driver.commit(|batch| {
        batch.message(&NewMessage {
            deadline: UnixMillis(NOW.0 + 5),
            ..retained("soon", b"x")
        });
        batch.message(&NewMessage {
            deadline: UnixMillis(NOW.0 + 50_000),
            ..retained("late", b"x")
        });
        batch.message(&retained("never", b"x"));
        batch.message(&NewMessage {
            deadline: UnixMillis(NOW.0 + 5),
            ..retained("renewed", b"x")
        });
        batch.message(&retained("renewed", b"y"));
    });
    assert_eq!(driver.retained("#").len(), 4);
    let later = UnixMillis(NOW.0 + 5);
    driver.tick_until(later, "one is gone", || driver.retained("#").len() == 3);
    assert_eq!(topics(&driver.retained("#")), ["late", "never", "renewed"]);
}

/// A message that is queued and retained lives as long as either needs it.
pub fn a_retained_message_outlives_its_queue(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    let (session, queue) = (SessionId(1), QueueId(1));
    subscribe(&driver, session, queue, "t/#");
    let both = NewMessage {
        queues: &[queue],
        ..retained("t/1", b"both")
    };
    let seq = driver.message(&both);
    assert_eq!(driver.queue(queue), [seq]);
    driver.change(&Change::CursorMoved {
        session,
        low: seq,
        above: &[],
    });
    driver.tick(NOW);
    driver.change(&Change::QueueClosed { queue });
    driver.tick(NOW);
    let found = driver.retained("t/1");
    assert_eq!(
        (found.len(), found[0].seq, &found[0].payload[..]),
        (1, seq, &b"both"[..])
    );
    // And the other way round: cleared, but still queued.
    let (session, queue) = (SessionId(2), QueueId(2));
    subscribe(&driver, session, queue, "t/+");
    let seq = driver.message(&NewMessage {
        queues: &[queue],
        ..both
    });
    driver.change(&Change::RetainedCleared { topic: "t/1" });
    driver.tick(NOW);
    assert!(driver.retained("#").is_empty());
    let entries = driver.read_all(&[whole(queue)], &[], 10);
    assert_eq!(entries.iter().map(|entry| entry.seq).collect::<Vec<Seq>>(), [seq]);
    assert_eq!(
        entries[0].message.as_ref().expect("readable").payload,
        &b"both"[..]
    );
}
