//! Looking into a stopped store.

use std::sync::Arc;

use restante_model::{Binding, QoS, SessionId};
use restante_store::{
    change::{Change, NewMessage},
    conformance::driver::plain,
    contract::StoreError,
    log::{inspect, verify},
    sim::SimDisk,
};

use crate::on_disk::{all, files, open};

#[test]
fn a_stopped_store_tells_what_is_in_it_and_stays_as_it_was() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.subscribe(2);
    store.publish(&[1, 2], 0..200);
    let last = store.publish(&[2], 200..300);
    let binding = Binding {
        seq: last,
        packet_id: 1,
        qos: QoS::ExactlyOnce,
        released: false,
        retain: false,
        aside: false,
    };
    store.driver.change(&Change::Bound {
        session: SessionId(2),
        binding,
    });
    store.driver.message(&NewMessage {
        set_retained: true,
        ..plain(&[], b"kept")
    });
    for (key, value) in [
        ("mark", &b"123"[..]),
        ("gone", b"1"),
        ("mark/2", b"2"),
        ("gone", b""),
    ] {
        store.driver.change(&Change::Noted { key, value });
    }
    // As killed: the last part is read from the log.
    drop(store);
    let before = disk.files();
    let inspection = inspect(Arc::new(disk.clone())).unwrap();
    assert_eq!(
        (
            inspection.sessions,
            inspection.sessions_connected,
            inspection.subscriptions
        ),
        (2, 2, 2)
    );
    assert_eq!(
        (inspection.queues, inspection.entries, inspection.in_flight),
        (2, 500, 1)
    );
    assert_eq!(
        (inspection.retained, inspection.boots, inspection.format),
        (1, 1, 2)
    );
    assert_eq!((inspection.notes, inspection.note_bytes), (2, 14));
    let longest: Vec<_> = inspection
        .longest
        .iter()
        .map(|queue| (&*queue.filter, queue.entries))
        .collect();
    assert_eq!(longest, [("filter/2", 300), ("filter/1", 200)]);
    assert!(inspection.longest[0].bytes > 300 * 480 && inspection.longest[0].readers == 1);
    assert_eq!(inspection.oldest, Some(inspection.last_time));
    assert!(inspection.segments.len() >= 3 && inspection.segments[0].entries > 0);
    assert_eq!(
        (inspection.damaged, inspection.findings.len()),
        (0, 0),
        "{:?}",
        inspection.findings
    );
    assert_eq!(disk.files(), before);
    let store = open(&disk);
    assert_eq!(store.numbers(1), all(0..200));
    store.close();
    let again = inspect(Arc::new(disk.clone())).unwrap();
    assert_eq!((again.boots, again.entries, again.queues), (2, 500, 2));
}

#[test]
fn a_good_store_verifies_and_a_damaged_one_says_where() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.publish(&[1], 0..400);
    store.close();
    let good = verify(Arc::new(disk.clone())).unwrap();
    assert_eq!((good.damaged, good.problems.len()), (0, 0), "{:?}", good.problems);
    assert_eq!(good.records, 400 + 3);
    assert!(good.bytes > 400 * 480);
    let name = files(&disk, "log-", ".seg").remove(1);
    assert!(disk.flip(&name, 3000, 5));
    let index = files(&disk, "log-", ".idx").remove(0);
    let len = disk.files().iter().find(|(name, _)| *name == index).unwrap().1;
    assert!(disk.flip(&index, len / 2, 5));
    let bad = verify(Arc::new(disk.clone())).unwrap();
    assert!(bad.damaged > 1);
    assert!(
        bad.problems.iter().any(|problem| problem.contains(&name)),
        "{:?}",
        bad.problems
    );
    assert!(
        bad.problems.iter().any(|problem| problem.contains(&index)),
        "{:?}",
        bad.problems
    );
    assert_eq!(bad.inspection.queues, 1);
}

/// A note stands in the log until a checkpoint has it, and then in the state file.
#[test]
fn a_damaged_note_is_found_in_either_place() {
    for closed in [false, true] {
        let disk = SimDisk::new(1);
        let store = open(&disk);
        for number in 0..200 {
            let (key, value) = (format!("mark/{number:03}"), [7; 40]);
            store.driver.change(&Change::Noted {
                key: &key,
                value: &value,
            });
        }
        match closed {
            true => store.close(),
            false => drop(store),
        }
        let good = verify(Arc::new(disk.clone())).unwrap();
        assert_eq!(
            (good.damaged, good.inspection.notes),
            (0, 200),
            "{:?}",
            good.problems
        );
        let (begins, ends) = if closed {
            ("state-", ".st")
        } else {
            ("log-", ".seg")
        };
        let name = files(&disk, begins, ends).remove(0);
        assert!(disk.flip(&name, 5000, 5));
        let bad = verify(Arc::new(disk.clone())).unwrap();
        assert!(bad.damaged >= 1 && bad.inspection.notes == 199, "{bad:?}");
        assert!(
            bad.problems.iter().any(|problem| problem.contains(&name)),
            "{:?}",
            bad.problems
        );
    }
}

#[test]
fn an_empty_folder_is_no_store() {
    let refused = inspect(Arc::new(SimDisk::new(1))).unwrap_err();
    assert!(matches!(&refused, StoreError::NoStore), "{refused}");
}
