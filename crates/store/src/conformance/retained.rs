//! Behaviours: retained messages.

use restante_model::{QoS, QueueId, Seq, SessionId, UnixMillis};

use crate::{
    change::{Change, NewMessage},
    contract::{RetainedPage, RetainedRequest},
    image::StoredMessage,
};

use super::{
    OpenSettings, Place,
    driver::{Driver, plain, retained_of, subscribe, whole},
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
        .map(|message| std::str::from_utf8(message.parts.topic()).expect("topics are text"))
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
        (found.len(), found[0].seq, found[0].parts.payload()),
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
    assert_eq!(
        (topics(&found), found[0].parts.payload()),
        (vec!["a"], &b"333"[..])
    );
    // A publish without the retain flag changes nothing.
    driver.message(&NewMessage {
        topic: "a",
        ..plain(&[], b"live")
    });
    assert_eq!(driver.retained("a")[0].parts.payload(), b"333");
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
        let mut expected: Vec<&str> = all
            .into_iter()
            .filter(|topic| restante_model::filter::matches(filter, topic))
            .collect();
        expected.sort_unstable();
        assert_eq!(topics(&found), expected, "{filter}");
        for page in [1, 2, 3] {
            let found = driver.retained_by(filter, page);
            assert_eq!(topics(&found), expected, "{filter} by pages of {page}");
        }
    }
}

/// Ascending by topic; a batch that was named is seen.
pub fn by_topic_and_after_what_was_named(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    for topic in ["z", "m", "a", "m"] {
        driver.message(&retained(topic, b"x"));
    }
    assert_eq!(topics(&driver.retained("#")), ["a", "m", "z"]);
    for round in 0..50_u64 {
        let payload = round.to_be_bytes();
        let span = driver.submit(|batch| _ = batch.message(&retained("z", &payload)));
        let found = driver.retained_page(retained_of("z", span.last)).messages;
        assert_eq!(
            (found.len(), found[0].seq, found[0].parts.payload()),
            (1, span.first, &payload[..])
        );
    }
}

/// What is set, replaced, cleared or expires between two pages makes no difference to what stays, and nothing is given
/// that was set after the reader began.
pub fn pages_stay_right_while_messages_change(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    driver.tick(NOW);
    let topic = |number: usize| format!("t/{number:02}");
    let set = |number: usize, payload: &[u8]| driver.message(&retained(&topic(number), payload));
    for number in (0..20).rev() {
        set(number, b"old");
    }
    let to = driver.message(&NewMessage {
        deadline: UnixMillis(NOW.0 + 5),
        ..retained("t/15", b"expires")
    });
    let ask = |after: Option<Box<str>>| {
        driver.retained_page(RetainedRequest {
            after,
            to,
            messages_max: 5,
            ..retained_of("t/#", driver.store().durable())
        })
    };
    let first = ask(None);
    assert_eq!(topics(&first.messages), ["t/00", "t/01", "t/02", "t/03", "t/04"]);
    // Behind, at and before the place where the reader stands.
    for number in [2, 4, 5, 12] {
        set(number, b"new");
    }
    for number in [3, 6, 13] {
        set(number, b"");
    }
    driver.message(&retained("t/04/between", b"new"));
    driver.message(&retained("t/99", b"new"));
    let second = ask(first.after);
    assert_eq!(topics(&second.messages), ["t/07", "t/08", "t/09", "t/10", "t/11"]);
    // Even the topic at which it stands may go.
    set(11, b"");
    let later = UnixMillis(NOW.0 + 5);
    driver.tick_until(later, "one is gone", || driver.retained("t/15").is_empty());
    let third = ask(second.after);
    assert_eq!(topics(&third.messages), ["t/14", "t/16", "t/17", "t/18", "t/19"]);
    assert!(
        third
            .messages
            .iter()
            .all(|message| message.parts.payload() == b"old" && message.seq < to)
    );
    let rest = match third.after {
        Some(after) => ask(Some(after)),
        None => RetainedPage::default(),
    };
    assert!(rest.messages.is_empty() && rest.after.is_none());
}

/// A page ends at messages and bytes; a single message is given whatever its size.
pub fn pages_of_retained_messages_are_bounded(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    let payload = vec![1; 10_000];
    for number in 0..12 {
        driver.message(&retained(&format!("t/{number:02}"), &payload));
    }
    let mut request = RetainedRequest {
        bytes_max: 35_000,
        ..retained_of("#", driver.store().durable())
    };
    assert_eq!(driver.retained_page(request.clone()).messages.len(), 3);
    request.bytes_max = 1;
    let page = driver.retained_page(request.clone());
    assert_eq!(topics(&page.messages), ["t/00"]);
    request.after = page.after;
    assert_eq!(topics(&driver.retained_page(request).messages), ["t/01"]);
}

/// Many topics that do not match are looked through in the end.
pub fn few_among_many_are_found(place: &dyn Place) {
    const MANY: usize = 20_000;
    let driver = Driver::open(place, &OpenSettings::unlimited());
    driver.commit(|batch| {
        for number in 0..MANY {
            let last = if number % 9000 == 4500 { "yes" } else { "no" };
            batch.message(&retained(&format!("t/{number:05}/{last}"), b"x"));
        }
    });
    let found = driver.retained_by("t/+/yes", 2);
    assert_eq!(topics(&found), ["t/04500/yes", "t/13500/yes"]);
    assert_eq!(driver.retained_by("#", 7000).len(), MANY);
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
        (found.len(), found[0].seq, found[0].parts.payload()),
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
        entries[0].message.as_ref().expect("readable").parts.payload(),
        b"both"
    );
}
