//! Behaviours: the image of a session after each kind of change.

use bytes::Bytes;
use restante_model::{Binding, QoS, QueueId, Seq, SessionId, SubscriptionOptions, UnixMillis};

use crate::{change::Change, image::Will};

use super::{
    OpenSettings, Place,
    driver::{Driver, at_qos, fill, opened, subscribe},
};

const SESSION: SessionId = SessionId(1);
const QUEUE: QueueId = QueueId(1);
const NOW: UnixMillis = UnixMillis(1_792_000_001_000);

fn will(payload: &'static str) -> Will {
    Will {
        topic: "last/words".into(),
        payload: Bytes::from_static(payload.as_bytes()),
        qos: QoS::ExactlyOnce,
        retain: true,
        delay: 30,
        message_expiry: Some(7),
        properties: Bytes::from_static(&[1, 1]),
    }
}

fn opening(will: Option<Will>, at: u64) -> Change<'static> {
    Change::SessionOpened {
        session: SESSION,
        client_id: "device",
        version: 4,
        expiry: u32::MAX,
        will,
        at: UnixMillis(at),
    }
}

fn detaching(bindings: &[Binding], will_void: bool) -> Change<'_> {
    Change::SessionDetached {
        session: SESSION,
        expiry: 60,
        bindings,
        at: UnixMillis(2000),
        will_void,
    }
}

/// Who it is, whether it is connected, since when, and for how long it stays.
pub fn opening_and_detaching(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    assert_eq!(driver.session(SESSION), None);
    let at = driver.change(&opening(None, 1000));
    let image = driver.image(SESSION);
    assert_eq!(
        (image.session, &*image.client_id, image.version),
        (SESSION, "device", 4)
    );
    assert_eq!(
        (image.connected, image.since, image.expiry),
        (true, UnixMillis(1000), u32::MAX)
    );
    assert_eq!(
        (image.cursor.low(), image.cursor.above().len()),
        (at, 0),
        "nothing before it is owed"
    );
    assert!(image.subscriptions.is_empty() && image.receipts.is_empty() && image.bindings.is_empty());
    assert_eq!((image.next_packet_id, image.will), (0, None));

    driver.change(&detaching(&[], true));
    let image = driver.image(SESSION);
    assert_eq!(
        (image.connected, image.since, image.expiry),
        (false, UnixMillis(2000), 60)
    );

    driver.change(&Change::SessionOpened {
        session: SESSION,
        client_id: "ignored",
        version: 5,
        expiry: 10,
        will: None,
        at: UnixMillis(3000),
    });
    let image = driver.image(SESSION);
    assert_eq!(
        (&*image.client_id, image.version, image.expiry),
        ("device", 5, 10)
    );
    assert_eq!(
        (image.connected, image.since, image.cursor.low()),
        (true, UnixMillis(3000), at)
    );
}

/// Wills (K11).
pub fn k11_wills_are_stored_replaced_and_cleared(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    let stored = || driver.image(SESSION).will;
    driver.change(&opening(Some(will("one")), 1));
    assert_eq!(stored(), Some(will("one")));
    driver.change(&detaching(&[], false));
    assert_eq!(
        stored(),
        Some(will("one")),
        "a lost connection leaves the will to be sent"
    );
    driver.change(&opening(Some(will("two")), 2));
    assert_eq!(stored(), Some(will("two")));
    driver.change(&detaching(&[], true));
    assert_eq!(stored(), None);
    driver.change(&opening(Some(will("three")), 3));
    driver.change(&Change::WillCleared { session: SESSION });
    assert_eq!(stored(), None);
    driver.change(&opening(Some(will("four")), 4));
    driver.change(&opening(None, 5));
    assert_eq!(stored(), None, "a connection without a will has none");
}

/// A change of options opens an epoch (K14).
pub fn k14_subscriptions_have_epochs(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SESSION, QUEUE, "t/#");
    let with = |options| {
        let queue = Some(QUEUE);
        driver.change(&Change::Subscribed {
            session: SESSION,
            filter: "t/#",
            queue,
            options,
        })
    };
    let epochs = || driver.image(SESSION).subscriptions[0].epochs.clone();
    let began = epochs().parts()[0].from;
    with(at_qos(QoS::AtLeastOnce));
    assert_eq!(epochs().parts().len(), 1, "the same options again are no change");
    let two = SubscriptionOptions {
        no_local: true,
        retain_as_published: true,
        retain_handling: restante_model::RetainHandling::Never,
        identifier: Some(268_435_455),
        ..at_qos(QoS::ExactlyOnce)
    };
    let changed = with(two);
    let found = epochs();
    assert_eq!((found.parts()[0].from, found.parts()[0].to), (began, changed));
    assert_eq!(
        (found.covering(changed).map(|o| o.qos), *found.current()),
        (Some(QoS::AtLeastOnce), two)
    );
    for round in 0..20 {
        with(SubscriptionOptions {
            identifier: Some(round + 1),
            ..two
        });
    }
    let found = epochs();
    assert!(found.parts().len() <= restante_model::epoch::EPOCHS_MAX);
    assert_eq!(
        found.covering(began.plus(1)).map(|o| o.qos),
        Some(QoS::AtLeastOnce),
        "merged at the lower QoS"
    );
    // Epochs that the cursor has passed may go, later ones stay.
    let last = found.parts()[found.parts().len() - 1].from;
    let seq = fill(&driver, &[QUEUE], 1)[0];
    driver.change(&Change::CursorMoved {
        session: SESSION,
        low: seq,
        above: &[],
    });
    let found = epochs();
    assert_eq!(
        (
            found.current().identifier,
            found.parts()[found.parts().len() - 1].from
        ),
        (Some(20), last)
    );
}

/// A new subscription starts at its own commit; subscriptions stand in the order of their filters (K15).
pub fn k15_a_subscription_begins_at_its_own_change(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SESSION, QUEUE, "t/#");
    fill(&driver, &[QUEUE], 1);
    let options = at_qos(QoS::AtMostOnce);
    let late = driver.change(&Change::Subscribed {
        session: SESSION,
        filter: "a/+",
        queue: None,
        options,
    });
    let image = driver.image(SESSION);
    let filters: Vec<&str> = image
        .subscriptions
        .iter()
        .map(|subscription| &*subscription.filter)
        .collect();
    assert_eq!(filters, ["a/+", "t/#"]);
    assert_eq!(
        (image.subscriptions[0].queue, image.subscriptions[1].queue),
        (None, Some(QUEUE))
    );
    assert_eq!(image.subscriptions[0].epochs.parts()[0].from, late);
    // It gets a queue when it is raised, and keeps it when it is lowered.
    let queue = QueueId(2);
    driver.commit(|batch| {
        batch.change(&Change::QueueOpened { queue, filter: "a/+" });
        let options = at_qos(QoS::AtLeastOnce);
        batch.change(&Change::Subscribed {
            session: SESSION,
            filter: "a/+",
            queue: Some(queue),
            options,
        });
        let options = at_qos(QoS::AtMostOnce);
        batch.change(&Change::Subscribed {
            session: SESSION,
            filter: "a/+",
            queue: None,
            options,
        });
    });
    let subscription = driver.image(SESSION).subscriptions[0].clone();
    assert_eq!(
        (subscription.queue, subscription.epochs.parts().len()),
        (Some(queue), 3)
    );
    driver.change(&Change::Unsubscribed {
        session: SESSION,
        filter: "a/+",
    });
    driver.change(&Change::Unsubscribed {
        session: SESSION,
        filter: "never",
    });
    assert_eq!(driver.image(SESSION).subscriptions.len(), 1);
    let options = at_qos(QoS::AtLeastOnce);
    let again = driver.change(&Change::Subscribed {
        session: SESSION,
        filter: "a/+",
        queue: Some(queue),
        options,
    });
    let epochs = driver.image(SESSION).subscriptions[0].epochs.clone();
    assert_eq!(
        (epochs.parts().len(), epochs.parts()[0].from),
        (1, again),
        "what it had before is over"
    );
}

/// Clean start and expiry.
pub fn an_ended_session_is_gone(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    subscribe(&driver, SESSION, QUEUE, "t/#");
    subscribe(&driver, SessionId(2), QUEUE, "t/#");
    let seq = fill(&driver, &[QUEUE], 1)[0];
    let binding = Binding {
        seq,
        packet_id: 1,
        qos: QoS::ExactlyOnce,
        released: false,
        retain: false,
        aside: false,
    };
    driver.change(&Change::Bound {
        session: SESSION,
        binding,
    });
    driver.change(&Change::Received {
        session: SESSION,
        packet_id: 1,
    });
    driver.change(&Change::SessionEnded { session: SESSION });
    assert_eq!(driver.session(SESSION), None);
    driver.tick(NOW);
    assert!(
        driver.session(SessionId(2)).is_some(),
        "another session is another session"
    );
    assert_eq!(driver.queue(QUEUE), [seq]);
    driver.tick_until(NOW, "one session is counted", || {
        driver.store().figures().sessions == 1
    });
    // Ended and begun in one batch: nothing of the old one is left.
    let span = driver.commit(|batch| {
        batch.change(&Change::SessionEnded {
            session: SessionId(2),
        });
        batch.change(&opened(SessionId(3), "subscriber"));
    });
    let image = driver.image(SessionId(3));
    assert_eq!((image.cursor.low(), image.subscriptions.len()), (span.last, 0));
}

/// A change that comes too late for its session is no error.
pub fn changes_of_unknown_sessions_change_nothing(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    let binding = Binding {
        seq: Seq(1),
        packet_id: 1,
        qos: QoS::AtLeastOnce,
        released: false,
        retain: false,
        aside: false,
    };
    let options = at_qos(QoS::AtLeastOnce);
    driver.commit(|batch| {
        for change in [
            detaching(&[], true),
            Change::SessionEnded { session: SESSION },
            Change::WillCleared { session: SESSION },
            Change::Subscribed {
                session: SESSION,
                filter: "t/#",
                queue: Some(QUEUE),
                options,
            },
            Change::Unsubscribed {
                session: SESSION,
                filter: "t/#",
            },
            Change::CursorMoved {
                session: SESSION,
                low: Seq(1),
                above: &[],
            },
            Change::PacketIdsReserved {
                session: SESSION,
                next: 3,
            },
            Change::Bound {
                session: SESSION,
                binding,
            },
            Change::Released {
                session: SESSION,
                packet_id: 1,
            },
            Change::Unbound {
                session: SESSION,
                packet_id: 1,
            },
            Change::Received {
                session: SESSION,
                packet_id: 1,
            },
            Change::Completed {
                session: SESSION,
                packet_id: 1,
            },
            Change::QueueClosed { queue: QueueId(55) },
        ] {
            batch.change(&change);
        }
    });
    assert_eq!(driver.session(SESSION), None);
    assert_eq!(driver.store().figures().sessions, 0);
}

/// An image is taken after what its asker names.
pub fn an_image_waits_for_what_it_names(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    driver.change(&opening(None, 1));
    for next in 1..50 {
        let span = driver.submit(|batch| {
            _ = batch.change(&Change::PacketIdsReserved {
                session: SESSION,
                next,
            })
        });
        let image = driver.answer(|done| driver.store().session(SESSION, span.last, done));
        assert_eq!(image.map(|image| image.next_packet_id), Some(next));
    }
}
