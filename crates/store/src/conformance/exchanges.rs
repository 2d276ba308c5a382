//! Behaviours: the image of a session after what deliveries change: cursors, packet ids, bindings, receipts.

use restante_model::{Binding, QoS, QueueId, Seq, SessionId, UnixMillis};

use crate::{
    change::{Change, NewMessage},
    image::SessionImage,
};

use super::{
    OpenSettings, Place,
    driver::{Driver, fill, opened, plain, subscribe},
};

const SESSION: SessionId = SessionId(1);
const QUEUE: QueueId = QueueId(1);

fn detaching(bindings: &[Binding]) -> Change<'_> {
    Change::SessionDetached {
        session: SESSION,
        expiry: 60,
        bindings,
        at: UnixMillis(2000),
        will_void: true,
    }
}

fn receipts(image: &SessionImage) -> Vec<u16> {
    let mut receipts = image.receipts.clone();
    receipts.sort_unstable();
    receipts
}

/// Cursors (K13).
pub fn k13_cursors_are_stored_whole_and_never_move_back(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SESSION, QUEUE, "t/#");
    let all = fill(&driver, &[QUEUE], 10);
    let moved = |low, above: &[(Seq, Seq)]| {
        driver.change(&Change::CursorMoved {
            session: SESSION,
            low,
            above,
        });
        let cursor = driver.image(SESSION).cursor;
        (cursor.low(), cursor.above().to_vec())
    };
    let above = vec![(all[4], all[4]), (all[6], all[8])];
    assert_eq!(moved(all[2], &above), (all[2], above.clone()));
    assert_eq!(moved(all[4], &above[1..]), (all[4], above[1..].to_vec()));
    let (low, _) = moved(all[1], &[]);
    assert_eq!(low, all[4], "the low-water mark does not move back");
    let (low, above) = moved(all[5], &[(all[3], all[3])]);
    assert_eq!((low, above.len()), (all[4], 0), "nonsense moves nothing");
    let (low, above) = moved(Seq::MAX, &[]);
    assert_eq!(
        (low, above.len()),
        (all[4], 0),
        "a cursor never goes beyond what was submitted"
    );
    assert_eq!(moved(all[9], &[]), (all[9], vec![]));
}

/// What is in flight to it, in order (K10).
pub fn k10_packet_ids_and_bindings(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SESSION, QUEUE, "t/#");
    let all = fill(&driver, &[QUEUE], 4);
    let binding = |index: usize, qos| Binding {
        seq: all[index],
        packet_id: 65_530 + index as u16,
        qos,
        released: false,
        retain: index == 2,
        aside: false,
    };
    let bindings: Vec<Binding> = (0..4)
        .map(|index| {
            binding(
                index,
                if index == 1 {
                    QoS::ExactlyOnce
                } else {
                    QoS::AtLeastOnce
                },
            )
        })
        .collect();
    driver.change(&Change::PacketIdsReserved {
        session: SESSION,
        next: 1024,
    });
    for &binding in &bindings {
        driver.change(&Change::Bound {
            session: SESSION,
            binding,
        });
    }
    let image = driver.image(SESSION);
    assert_eq!((image.next_packet_id, &image.bindings), (1024, &bindings));
    driver.change(&Change::Released {
        session: SESSION,
        packet_id: 65_531,
    });
    driver.change(&Change::Unbound {
        session: SESSION,
        packet_id: 65_530,
    });
    driver.change(&Change::Unbound {
        session: SESSION,
        packet_id: 9,
    });
    driver.change(&Change::Released {
        session: SESSION,
        packet_id: 9,
    });
    let released = Binding {
        released: true,
        ..bindings[1]
    };
    assert_eq!(
        driver.image(SESSION).bindings,
        [released, bindings[2], bindings[3]]
    );
    // A packet id is bound to one message: the later binding counts.
    let later = Binding {
        seq: all[3],
        ..bindings[2]
    };
    driver.change(&Change::Bound {
        session: SESSION,
        binding: later,
    });
    assert_eq!(driver.image(SESSION).bindings, [released, bindings[3], later]);
    let list = [bindings[3], released];
    driver.change(&detaching(&list));
    assert_eq!(
        driver.image(SESSION).bindings,
        list,
        "the list at the end replaces what was stored"
    );
    driver.change(&opened(SESSION, "subscriber"));
    let image = driver.image(SESSION);
    assert_eq!((image.bindings, image.next_packet_id), (list.to_vec(), 1024));
}

/// Receipts of its own QoS 2 publishes (K2).
pub fn k02_receipts_come_with_messages_and_go_at_pubrel(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SESSION, QUEUE, "t/#");
    let with = |queues, receipt| NewMessage {
        qos: QoS::ExactlyOnce,
        receipt: Some(receipt),
        ..plain(queues, b"x")
    };
    let seq = driver.message(&with(&[QUEUE], (SESSION, 7)));
    driver.message(&with(&[], (SESSION, 65_535)));
    driver.change(&Change::Received {
        session: SESSION,
        packet_id: 1,
    });
    driver.change(&Change::Received {
        session: SESSION,
        packet_id: 7,
    });
    driver.message(&with(&[QUEUE], (SessionId(99), 5)));
    assert_eq!(receipts(&driver.image(SESSION)), [1, 7, 65_535]);
    assert_eq!(driver.queue(QUEUE).len(), 2);
    driver.change(&Change::Completed {
        session: SESSION,
        packet_id: 7,
    });
    driver.change(&Change::Completed {
        session: SESSION,
        packet_id: 8,
    });
    assert_eq!(receipts(&driver.image(SESSION)), [1, 65_535]);
    assert!(
        driver.queue(QUEUE).contains(&seq),
        "the message waits for its readers, not for PUBREL"
    );
    driver.change(&detaching(&[]));
    driver.change(&opened(SESSION, "subscriber"));
    assert_eq!(
        receipts(&driver.image(SESSION)),
        [1, 65_535],
        "they outlive the connection"
    );
}
