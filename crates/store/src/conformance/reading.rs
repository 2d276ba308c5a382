//! Behaviours: reading a backlog.

use restante_model::{QoS, QueueId, Seq, SessionId, UnixMillis};

use crate::{
    change::{Change, NewMessage},
    contract::{QueueSpan, ReadRequest},
};

use super::{
    OpenSettings, Place,
    driver::{Driver, fill, plain, seqs, subscribe, whole},
};

const A: QueueId = QueueId(1);
const B: QueueId = QueueId(2);

/// Two queues with a reader each.
fn two_queues(place: &dyn Place) -> Driver {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SessionId(1), A, "a/#");
    subscribe(&driver, SessionId(2), B, "b/#");
    driver
}

fn request(spans: &[QueueSpan]) -> ReadRequest {
    ReadRequest {
        spans: spans.to_vec(),
        after: Seq::ZERO,
        skip: Vec::new(),
        messages_max: 1000,
        bytes_max: 1 << 20,
        applied: Seq::ZERO,
    }
}

/// Messages of several queues are one stream in the order of their sequences, each with the spans that hold it.
pub fn messages_come_in_order_with_their_spans(place: &dyn Place) {
    let driver = two_queues(place);
    let mut expected = Vec::new();
    for queue in [A, B, B, A, A, B] {
        let bit = if queue == A { 1 } else { 2 };
        expected.push((fill(&driver, &[queue], 1)[0], bit));
    }
    let entries = driver.read_all(&[whole(A), whole(B)], &[], 100);
    let found: Vec<_> = entries.iter().map(|entry| (entry.seq, entry.spans)).collect();
    assert_eq!(found, expected);
    assert!(entries.iter().all(|entry| entry.spans_beyond.is_empty()));
    let turned: Vec<_> = driver.read_all(&[whole(B), whole(A)], &[], 2);
    let found: Vec<_> = turned.iter().map(|entry| (entry.seq, entry.spans ^ 3)).collect();
    assert_eq!(found, expected, "bits follow the request's order, over pages too");
}

/// Every field of a message survives.
pub fn messages_come_back_as_they_were_given(place: &dyn Place) {
    let driver = two_queues(place);
    let large = vec![0xA5; 300_000];
    let messages = [
        plain(&[A], b""),
        NewMessage {
            qos: QoS::ExactlyOnce,
            retain: true,
            deadline: UnixMillis(1_999_999_999_999),
            sender: "Zoë's sensor",
            topic: "/größe//$x",
            properties: &[38, 0, 1, b'k', 0, 1, b'v'],
            payload: &[0, 255, 0],
            ..plain(&[A], b"")
        },
        NewMessage {
            sender: "",
            payload: &large,
            ..plain(&[A], b"")
        },
    ];
    let span = driver.commit(|batch| {
        for message in &messages {
            batch.message(message);
        }
    });
    let entries = driver.read_all(&[whole(A)], &[], 100);
    assert_eq!(entries.len(), messages.len());
    for (entry, message) in entries.iter().zip(&messages) {
        let stored = entry.message.as_ref().expect("the message can be read");
        assert_eq!(stored.seq, entry.seq);
        assert_eq!(stored.id.micros(), span.time.0, "the id's time is the batch's");
        assert_eq!(
            (stored.qos, stored.retain, stored.deadline),
            (message.qos, message.retain, message.deadline)
        );
        assert_eq!(
            (stored.parts.sender(), stored.parts.topic()),
            (message.sender.as_bytes(), message.topic.as_bytes())
        );
        assert_eq!(
            (stored.parts.properties(), stored.parts.payload()),
            (message.properties, message.payload)
        );
    }
}

/// A message in two queues is one entry (K13).
pub fn k13_overlap_is_one_entry_with_both_bits(place: &dyn Place) {
    let driver = two_queues(place);
    let both = fill(&driver, &[A, B], 3);
    let one = fill(&driver, &[B], 1);
    let entries = driver.read_all(&[whole(A), whole(B)], &[], 2);
    let found: Vec<_> = entries.iter().map(|entry| (entry.seq, entry.spans)).collect();
    assert_eq!(found, [(both[0], 3), (both[1], 3), (both[2], 3), (one[0], 2)]);
    // One queue in two spans, as a subscription with epochs has it.
    let spans = [
        QueueSpan {
            queue: A,
            from: Seq::ZERO,
            to: both[0],
        },
        QueueSpan {
            queue: A,
            from: both[0],
            to: Seq::MAX,
        },
        whole(B),
    ];
    let entries = driver.read_all(&spans, &[], 100);
    let found: Vec<_> = entries.iter().map(|entry| entry.spans).collect();
    assert_eq!(found, [0b101, 0b110, 0b110, 0b100]);
}

/// Spans beyond the 64 bits are named by their index.
pub fn spans_beyond_64_are_named(place: &dyn Place) {
    let driver = two_queues(place);
    let seq = fill(&driver, &[A], 1)[0];
    let mut spans = vec![
        QueueSpan {
            queue: B,
            from: Seq::ZERO,
            to: Seq::MAX
        };
        130
    ];
    for index in [0, 63, 64, 100, 129] {
        spans[index].queue = A;
    }
    let entries = driver.read_all(&spans, &[], 100);
    assert_eq!(seqs(&entries), [seq]);
    assert_eq!(entries[0].spans, 1 | 1 << 63);
    let mut beyond = entries[0].spans_beyond.clone();
    beyond.sort_unstable();
    assert_eq!(beyond, [64, 100, 129]);
}

/// What is already acknowledged or in flight is left out.
pub fn skipped_ranges_are_left_out(place: &dyn Place) {
    let driver = two_queues(place);
    let all = fill(&driver, &[A], 10);
    let skip = [(all[0], all[1]), (all[3], all[3]), (all[7], all[9].plus(5))];
    let entries = driver.read_all(&[whole(A)], &skip, 2);
    assert_eq!(seqs(&entries), [all[2], all[4], all[5], all[6]]);
    let everything = driver.read(ReadRequest {
        skip: vec![(Seq(1), Seq::MAX)],
        applied: all[9],
        ..request(&[whole(A)])
    });
    assert!(everything.entries.is_empty() && everything.end);
}

/// A page ends at the first of its bounds, but always has one message.
pub fn pages_end_at_messages_and_bytes(place: &dyn Place) {
    let driver = two_queues(place);
    let payload = vec![7; 10_000];
    let span = driver.commit(|batch| {
        for _ in 0..10 {
            batch.message(&plain(&[A], &payload));
        }
    });
    let page = |messages_max, bytes_max| {
        let page = driver.read(ReadRequest {
            messages_max,
            bytes_max,
            applied: span.last,
            ..request(&[whole(A)])
        });
        let ends_right = page.through == page.entries[page.entries.len() - 1].seq;
        assert!(
            page.end || ends_right,
            "a page that was cut goes on behind its last message"
        );
        (page.entries.len(), page.end)
    };
    assert_eq!(page(3, usize::MAX), (3, false));
    assert_eq!(page(11, usize::MAX), (10, true));
    assert_eq!(
        page(1000, 1),
        (1, false),
        "the first message is given whatever its size"
    );
    // Bodies are counted with their topics and senders, or without: both stay within these.
    assert_eq!(page(1000, 35_000), (3, false));
    let paged = driver.read_all(&[whole(A)], &[], 1);
    assert_eq!(paged.len(), 10);
}

/// `through` never leaves anything behind, and at the end covers what the request named.
pub fn through_and_end_say_where_to_go_on(place: &dyn Place) {
    let driver = two_queues(place);
    let all = fill(&driver, &[A], 4);
    let others = fill(&driver, &[B], 3);
    let page = driver.read(ReadRequest {
        applied: others[2],
        ..request(&[whole(A)])
    });
    assert!(
        page.end && page.through >= others[2],
        "the end covers what was asked for, of other queues too"
    );
    let behind = driver.read(ReadRequest {
        after: page.through,
        applied: others[2],
        ..request(&[whole(A)])
    });
    assert!(behind.entries.is_empty() && behind.end);
    // What comes later is after `through`.
    let later = fill(&driver, &[A], 1);
    let next = driver.read(ReadRequest {
        after: page.through,
        applied: later[0],
        ..request(&[whole(A)])
    });
    assert_eq!(seqs(&next.entries), later);
    let cut = driver.read(ReadRequest {
        messages_max: 2,
        applied: later[0],
        ..request(&[whole(A)])
    });
    assert_eq!((seqs(&cut.entries), cut.end), (all[..2].to_vec(), false));
    assert!(cut.through >= all[1] && cut.through < all[2]);
    let nothing = driver.read(ReadRequest {
        after: Seq::MAX,
        ..request(&[whole(A)])
    });
    assert!(nothing.entries.is_empty() && nothing.end && nothing.through == Seq::MAX);
    assert!(driver.read(request(&[])).end, "no spans, nothing to read");
}

/// Spans and `after`.
pub fn spans_are_exclusive_below_and_inclusive_above(place: &dyn Place) {
    let driver = two_queues(place);
    let all = fill(&driver, &[A], 6);
    let span = QueueSpan {
        queue: A,
        from: all[1],
        to: all[4],
    };
    let found = |after| {
        let page = driver.read(ReadRequest {
            after,
            applied: all[5],
            ..request(&[span])
        });
        assert!(page.end && page.through >= all[5]);
        seqs(&page.entries)
    };
    assert_eq!(found(Seq::ZERO), all[2..=4]);
    assert_eq!(found(all[2]), all[3..=4]);
    assert_eq!(found(all[4]), []);
    let empty = QueueSpan {
        queue: A,
        from: all[4],
        to: all[1],
    };
    assert!(driver.read_all(&[empty], &[], 10).is_empty());
}

/// A read is answered when what it names was applied, even if that is submitted later.
pub fn a_read_waits_for_what_it_names(place: &dyn Place) {
    let driver = two_queues(place);
    for _ in 0..50 {
        let span = driver.submit(|batch| _ = batch.message(&plain(&[A], b"1")));
        let page = driver.read(ReadRequest {
            after: Seq(span.first.0 - 1),
            applied: span.last,
            ..request(&[whole(A)])
        });
        assert_eq!(seqs(&page.entries), [span.first]);
    }
    let ahead = driver.submit(|_| {}).first;
    let page = driver.answer(|done| {
        let waits = ReadRequest {
            after: Seq(ahead.0 - 1),
            applied: ahead,
            ..request(&[whole(A)])
        };
        driver.store().read(waits, done);
        let span = driver.submit(|batch| _ = batch.message(&plain(&[A], b"2")));
        assert_eq!(span.first, ahead, "an empty batch takes no sequence");
    });
    assert_eq!(seqs(&page.entries), [ahead]);
}

/// A queue that never was, or is closed, holds nothing.
pub fn an_unknown_queue_is_empty(place: &dyn Place) {
    let driver = two_queues(place);
    fill(&driver, &[A], 2);
    driver.change(&Change::QueueClosed { queue: A });
    assert!(
        driver
            .read_all(&[whole(QueueId(77)), whole(A)], &[], 10)
            .is_empty()
    );
}
