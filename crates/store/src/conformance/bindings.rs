//! Behaviours: messages in flight hold their bodies (K15).

use restante_model::{Binding, QoS, QueueId, Seq, SessionId, UnixMillis};

use crate::{
    change::{Change, NewMessage},
    contract::WhenFull,
};

use super::{
    OpenSettings, Place,
    driver::{Driver, fill, plain, subscribe},
};

const SESSION: SessionId = SessionId(1);
const QUEUE: QueueId = QueueId(1);
const NOW: UnixMillis = UnixMillis(1_792_000_001_000);

fn binding(seq: Seq, packet_id: u16, qos: QoS) -> Binding {
    Binding {
        seq,
        packet_id,
        qos,
        released: false,
        retain: false,
        aside: false,
    }
}

fn bind(driver: &Driver, seq: Seq, packet_id: u16) {
    let binding = binding(seq, packet_id, QoS::ExactlyOnce);
    driver.change(&Change::Bound {
        session: SESSION,
        binding,
    });
}

fn payloads(driver: &Driver, seqs: &[Seq]) -> Vec<Option<Vec<u8>>> {
    let found = driver.bound(SESSION, seqs);
    assert_eq!(found.len(), seqs.len(), "an answer for each");
    let payload = |(message, &seq): (Option<crate::image::StoredMessage>, &Seq)| {
        let message = message?;
        assert_eq!(message.seq, seq, "in the order asked");
        Some(message.parts.payload().to_vec())
    };
    found.into_iter().zip(seqs).map(payload).collect()
}

fn three_messages(driver: &Driver) -> [Seq; 3] {
    subscribe(driver, SESSION, QUEUE, "t/#");
    [b"0", b"1", b"2"].map(|payload| driver.message(&plain(&[QUEUE], payload)))
}

/// What has started to a client is completed, whatever happens to its subscription `[MQTT-3.10.4-3]`.
pub fn k15_a_bound_message_stays_readable_after_unsubscribe_and_queue_close(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    let seqs = three_messages(&driver);
    bind(&driver, seqs[0], 10);
    bind(&driver, seqs[2], 11);
    driver.commit(|batch| {
        batch.change(&Change::Unsubscribed {
            session: SESSION,
            filter: "t/#",
        });
        batch.change(&Change::QueueClosed { queue: QUEUE });
    });
    driver.tick(NOW);
    let both = [seqs[2], seqs[0]];
    assert_eq!(
        payloads(&driver, &both),
        [Some(b"2".to_vec()), Some(b"0".to_vec())]
    );
    driver.change(&Change::Unbound {
        session: SESSION,
        packet_id: 10,
    });
    driver.tick(NOW);
    assert_eq!(payloads(&driver, &[seqs[2]]), [Some(b"2".to_vec())]);
    assert_eq!(driver.image(SESSION).bindings.len(), 1);
}

/// A floor cuts what waits, never what has started.
pub fn k15_a_bound_message_stays_readable_below_a_floor(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::limited(5, 0, WhenFull::DropOldest));
    let seqs = three_messages(&driver);
    let bindings = [
        binding(seqs[0], 1, QoS::AtLeastOnce),
        binding(seqs[1], 2, QoS::ExactlyOnce),
    ];
    driver.change(&Change::SessionDetached {
        session: SESSION,
        expiry: 3600,
        bindings: &bindings,
        at: NOW,
        will_void: true,
    });
    fill(&driver, &[QUEUE], 50);
    driver.tick(NOW);
    assert!(
        driver.image(SESSION).cursor.contains(seqs[1]),
        "the floor has passed it"
    );
    driver.tick(NOW);
    assert_eq!(
        payloads(&driver, &seqs[..2]),
        [Some(b"0".to_vec()), Some(b"1".to_vec())]
    );
    assert_eq!(driver.image(SESSION).bindings, bindings);
}

/// Another session's cursor, or this one's own, does not end a delivery.
pub fn a_bound_message_stays_readable_when_all_have_acknowledged(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    let seqs = three_messages(&driver);
    bind(&driver, seqs[1], 7);
    driver.change(&Change::CursorMoved {
        session: SESSION,
        low: seqs[2],
        above: &[],
    });
    driver.tick(NOW);
    driver.tick(NOW);
    assert_eq!(payloads(&driver, &[seqs[1]]), [Some(b"1".to_vec())]);
}

/// A retained message goes to a new subscriber under a packet id like any other.
pub fn a_retained_message_can_be_bound(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SESSION, QUEUE, "t/#");
    let retained = NewMessage {
        retain: true,
        set_retained: true,
        ..plain(&[], b"kept")
    };
    let seq = driver.message(&retained);
    bind(&driver, seq, 3);
    driver.message(&NewMessage {
        payload: b"newer",
        ..retained
    });
    driver.tick(NOW);
    assert_eq!(payloads(&driver, &[seq]), [Some(b"kept".to_vec())]);
}

/// What cannot be read is said so, in its place.
pub fn what_is_not_bound_or_not_kept_is_none(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    let seqs = three_messages(&driver);
    bind(&driver, seqs[1], 7);
    let unknown = seqs[2].plus(1_000_000);
    assert_eq!(
        payloads(&driver, &[unknown, seqs[1]]),
        [None, Some(b"1".to_vec())]
    );
    assert!(
        driver
            .bound(SessionId(99), &[seqs[1]])
            .iter()
            .all(Option::is_none)
    );
    assert!(payloads(&driver, &[]).is_empty());
}

/// A message that no queue has is held by the binding of its own batch, until the delivery is over.
pub fn k15_a_message_is_bound_in_its_own_batch(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SESSION, QUEUE, "t/#");
    let alone = |number: u8| vec![number; 300];
    let mut seqs = Vec::new();
    for number in 1..=3 {
        let payload = alone(number);
        let span = driver.commit(|batch| {
            batch.skip();
            batch.message(&plain(&[], b"nobody's"));
            let message = batch.message(&plain(&[], &payload));
            batch.message(&plain(&[QUEUE], b"a queue's"));
            batch.bind(message, SESSION, number.into(), QoS::ExactlyOnce, number == 2);
        });
        seqs.push(span.first.plus(2));
    }
    // Among much that goes.
    let filled = fill(&driver, &[QUEUE], 1000);
    driver.change(&Change::CursorMoved {
        session: SESSION,
        low: filled[999],
        above: &[],
    });
    for _ in 0..5 {
        driver.tick(NOW);
    }
    let all = [1, 2, 3].map(|number| Some(alone(number)));
    assert_eq!(payloads(&driver, &seqs), all);
    let image = driver.image(SESSION);
    let expected: Vec<Binding> = (1..)
        .zip(&seqs)
        .map(|(packet_id, &seq)| Binding {
            retain: packet_id == 2,
            aside: true,
            ..binding(seq, packet_id, QoS::ExactlyOnce)
        })
        .collect();
    assert_eq!(image.bindings, expected);
    driver.change(&Change::Unbound {
        session: SESSION,
        packet_id: 2,
    });
    driver.tick(NOW);
    let others = [seqs[0], seqs[2]];
    assert_eq!(payloads(&driver, &others), [Some(alone(1)), Some(alone(3))]);
    // A binding that names itself, or nobody's session, is none.
    driver.commit(|batch| {
        let message = batch.message(&plain(&[], b"x"));
        batch.bind(message, SessionId(77), 1, QoS::ExactlyOnce, false);
        batch.change(&Change::BoundHere {
            session: SESSION,
            back: 0,
            packet_id: 9,
            qos: QoS::ExactlyOnce,
            retain: false,
        });
    });
    assert_eq!(driver.image(SESSION).bindings.len(), 2);
}

/// And after a restart.
pub fn k15_what_was_bound_in_its_own_batch_is_kept(place: &dyn Place) {
    if !place.persists() {
        return;
    }
    let settings = OpenSettings::unlimited();
    let driver = Driver::open(place, &settings);
    subscribe(&driver, SESSION, QUEUE, "t/#");
    let span = driver.commit(|batch| {
        let message = batch.message(&plain(&[], b"alone"));
        batch.bind(message, SESSION, 1, QoS::ExactlyOnce, false);
    });
    let mut driver = Some(driver);
    for _ in 0..3 {
        if let Some(driver) = driver.take() {
            driver.store().close().expect("the store closes");
        }
        let again = driver.insert(Driver::open(place, &settings));
        let filled = fill(again, &[QUEUE], 500);
        again.change(&Change::CursorMoved {
            session: SESSION,
            low: filled[499],
            above: &[],
        });
        again.tick(NOW);
        assert_eq!(payloads(again, &[span.first]), [Some(b"alone".to_vec())]);
    }
}
