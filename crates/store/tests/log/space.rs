//! Space: what is not needed is given back, one slow session costs what it is owed, and a full disk is met early.

use restante_model::{Binding, QoS, QueueId, Seq, SessionId};
use restante_store::{
    batch::Batch,
    change::Change,
    conformance::driver::plain,
    contract::{Admission, QueueLimits, Store, WhenFull},
    log::LogSettings,
    sim::SimDisk,
};

use crate::on_disk::{SEGMENT, all, files, open, open_with, settings};

#[test]
fn what_all_have_acknowledged_gives_its_space_back() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.subscribe(2);
    let last = store.publish(&[1, 2], 0..1000);
    let before = store.segments();
    assert!(before > 5);
    store.acknowledge(1, last);
    store.sweep_until("one session does not hold the other's space", || {
        store.store.figures().entries <= 1000
    });
    // The last one may have begun after it was counted.
    assert!(store.segments() >= before);
    store.acknowledge(2, last);
    store.sweep_until("all is given back", || {
        store.store.figures().entries == 0 && store.segments() <= 2
    });
    // Some files are kept for reuse, the rest goes.
    assert!(files(&disk, "spare-", "").len() <= 4);
    store.sweep_until("files are removed", || disk.used() <= 8 * SEGMENT);
    store.publish(&[1], 0..20);
    store.close();
    assert_eq!(open(&disk).numbers(1), all(0..20));
}

#[test]
fn k16_a_shared_queue_is_trimmed_up_to_its_slowest_reader() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    // A second reader of the same queue.
    store.driver.commit(|batch| {
        batch.change(&restante_store::conformance::driver::opened(
            SessionId(2),
            "second",
        ));
        batch.change(&Change::Subscribed {
            session: SessionId(2),
            filter: "filter/1",
            queue: Some(QueueId(1)),
            options: restante_store::conformance::driver::at_qos(QoS::AtLeastOnce),
        });
    });
    let half = store.publish(&[1], 0..500);
    let last = store.publish(&[1], 500..1000);
    store.acknowledge(1, last);
    store.acknowledge(2, half);
    store.sweep_until("half of it is given back", || store.store.figures().entries < 650);
    let owed: Vec<_> = store
        .entries(1)
        .into_iter()
        .filter(|entry| entry.seq > half)
        .collect();
    assert_eq!(owed.len(), 500);
    store.acknowledge(2, last);
    store.sweep_until("all is given back", || store.store.figures().entries == 0);
}

#[test]
fn one_slow_session_costs_what_it_is_owed() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.subscribe(2);
    let mut last = Seq::ZERO;
    for number in 0..40 {
        // One message for the slow one among a hundred for the fast one.
        store.publish(&[1], number..number + 1);
        last = store.publish(&[2], 100 * number..100 * number + 100);
    }
    let before = store.entries(1);
    assert!(store.segments() > 25);
    store.acknowledge(2, last);
    store.sweep_until("the slow session's messages are merged", || store.segments() <= 5);
    let after = store.entries(1);
    assert_eq!(store.numbers(1), all(0..40));
    let identities = |entries: &[restante_store::contract::Entry]| -> Vec<_> {
        entries
            .iter()
            .map(|entry| (entry.seq, entry.message.as_ref().unwrap().id))
            .collect()
    };
    assert_eq!(identities(&after), identities(&before), "sequences and ids stay");
    store.close();
    let store = open(&disk);
    assert_eq!(identities(&store.entries(1)), identities(&before));
    assert_eq!(store.findings, [""; 0]);
    // Merged again, with others, and given back in the end.
    store.acknowledge(1, before[30].seq);
    store.publish(&[2], 0..400);
    assert_eq!(identities(&store.entries(1)).last(), identities(&before).last());
    let last = store.publish(&[1, 2], 40..41);
    store.acknowledge(1, last);
    store.acknowledge(2, last);
    store.sweep_until("all is given back", || {
        store.store.figures().entries == 0 && store.segments() <= 2
    });
}

#[test]
fn k15_a_message_in_flight_survives_merging_and_reopening() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.subscribe(2);
    let bound = store.publish(&[1], 5..6);
    store.publish(&[2], 0..300);
    let pinned = store.publish(&[2], 300..301);
    let binding = |seq, packet_id| Binding {
        seq,
        packet_id,
        qos: QoS::ExactlyOnce,
        released: false,
        retain: false,
        aside: false,
    };
    for (seq, packet_id) in [(bound, 1), (pinned, 2)] {
        store.driver.change(&Change::Bound {
            session: SessionId(1),
            binding: binding(seq, packet_id),
        });
    }
    let last = store.publish(&[2], 301..1000);
    store.driver.change(&Change::Unsubscribed {
        session: SessionId(1),
        filter: "filter/1",
    });
    store.driver.change(&Change::QueueClosed { queue: QueueId(1) });
    store.acknowledge(2, last);
    store.sweep_until("all but what is in flight is given back", || {
        store.segments() <= 3
    });
    let check = |store: &crate::on_disk::Open| {
        let messages = store.driver.bound(SessionId(1), &[bound, pinned]);
        let numbers = messages
            .iter()
            .map(|message| message.as_ref().map(|message| message.parts.payload()[0]));
        assert_eq!(numbers.collect::<Vec<_>>(), [Some(5), Some(300_u64 as u8)]);
    };
    check(&store);
    store.close();
    let store = open(&disk);
    check(&store);
    for packet_id in [1, 2] {
        store.driver.change(&Change::Unbound {
            session: SessionId(1),
            packet_id,
        });
    }
    store.sweep_until("nothing is in flight any more", || {
        store.segments() <= 2 && store.driver.bound(SessionId(1), &[bound]) == [None]
    });
}

#[test]
fn k22_the_sweep_pushes_out_what_is_above_the_limit() {
    let disk = SimDisk::new(1);
    let limits = QueueLimits {
        messages_max: 100,
        bytes_max: 0,
        when_full: WhenFull::DropOldest,
    };
    let store = open_with(&disk, LogSettings { limits, ..settings() });
    store.subscribe(1);
    store.publish(&[1], 0..2000);
    store.sweep_until("what was pushed out gives its space back", || {
        store.store.figures().evicted >= 1900 && store.segments() <= 4
    });
    assert_eq!(store.store.figures().evicted, 1900);
    let owed = store.driver.image(SessionId(1)).cursor.low();
    let left: Vec<_> = store
        .entries(1)
        .into_iter()
        .filter(|entry| entry.seq > owed)
        .collect();
    assert_eq!(left.len(), 100);
}

#[test]
fn k09_a_full_disk_takes_no_messages_and_opens_again_when_it_is_drained() {
    let disk = SimDisk::new(1);
    disk.set_capacity(24 * SEGMENT);
    let store = open(&disk);
    store.subscribe(1);
    let mut last = Seq::ZERO;
    let mut number = 0;
    while store.store.admission() == Admission::Open {
        last = store.publish(&[1], number..number + 50);
        number += 50;
        store.store.tick(crate::on_disk::LATER);
        assert!(number < 5000, "the disk is full long before");
    }
    assert!(matches!(store.store.admission(), Admission::Full { why } if why.contains("nearly full")));
    assert_eq!(disk.refusals(), 0, "it is met before the disk is full");
    assert_eq!(store.numbers(1), all(0..number));
    store.acknowledge(1, last);
    store.sweep_until("messages are taken again", || {
        store.store.admission() == Admission::Open
    });
    store.publish(&[1], 0..50);
}

#[test]
fn k09_the_stores_own_limit_works_the_same_way() {
    let disk = SimDisk::new(1);
    let store = open_with(
        &disk,
        LogSettings {
            store_bytes_max: 16 * SEGMENT,
            ..settings()
        },
    );
    store.subscribe(1);
    let mut last = Seq::ZERO;
    for ten in 0.. {
        store.store.tick(crate::on_disk::LATER);
        if store.store.admission() != Admission::Open {
            break;
        }
        last = store.publish(&[1], 10 * ten..10 * ten + 10);
    }
    assert!(store.store.figures().segment_bytes <= 16 * SEGMENT);
    store.acknowledge(1, last);
    store.sweep_until("messages are taken again", || {
        store.store.admission() == Admission::Open
    });
}

#[test]
fn a_disk_that_was_full_goes_on_when_there_is_space() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.publish(&[1], 0..10);
    // Not a byte more than now, and nobody asks for admission.
    disk.set_capacity(disk.used());
    let spans: Vec<_> = (1..40)
        .map(|ten| {
            store.driver.submit(|batch| {
                for number in 10 * ten..10 * ten + 10 {
                    let mut payload = u64::to_le_bytes(number).to_vec();
                    payload.resize(480, number as u8);
                    batch.message(&plain(&[QueueId(1)], &payload));
                }
            })
        })
        .collect();
    store
        .driver
        .until("the disk is full", || store.store.figures().stalled);
    assert!(matches!(store.store.admission(), Admission::Full { .. }));
    disk.set_capacity(u64::MAX);
    store.driver.until_durable(spans[38].last);
    assert_eq!(store.numbers(1), all(0..400));
    store.sweep_until("messages are taken again", || {
        store.store.admission() == Admission::Open
    });
}

#[test]
fn a_batch_larger_than_a_segment_gets_one_of_its_own() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.publish(&[1], 0..5);
    let big = vec![9; 3 * SEGMENT as usize];
    let mut batch = Batch::default();
    batch.message(&plain(&[QueueId(1)], &big));
    let span = store.store.submit(batch);
    store.driver.until_durable(span.last);
    let last = store.publish(&[1], 5..10);
    drop(store);
    let store = open(&disk);
    let entries = store.entries(1);
    let lens: Vec<_> = entries
        .iter()
        .map(|entry| entry.message.as_ref().unwrap().parts.payload().len())
        .collect();
    assert_eq!(lens.iter().filter(|&&len| len == 480).count(), 10);
    assert_eq!(lens[5], 3 * SEGMENT as usize);
    store.acknowledge(1, last);
    store.sweep_until("it is given back", || store.segments() <= 2);
}

#[test]
fn a_long_life_leaves_no_litter() {
    let disk = SimDisk::new(1);
    for life in 0..30 {
        let store = open(&disk);
        if life == 0 {
            store.subscribe(1);
        }
        let last = store.publish(&[1], 0..100 + life);
        if life % 3 == 0 {
            store.acknowledge(1, last);
        }
        store.store.tick(crate::on_disk::LATER);
        if life % 2 == 0 {
            store.close();
        }
    }
    let store = open(&disk);
    let last = store.publish(&[1], 0..1);
    store.acknowledge(1, last);
    store.sweep_until("all is given back", || store.segments() <= 2);
    store.close();
    assert!(disk.files().len() <= 10, "{:?}", disk.files());
}
