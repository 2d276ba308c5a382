//! Behaviours of stores that persist: what is closed and opened again is the same. Without meaning for others.
//!
//! What a store said when it was opened may still read from its files: it is dropped before the next opening.

use std::collections::BTreeMap;

use restante_model::{Binding, QoS, QueueId, Seq, SessionId, UnixMicros, UnixMillis};

use crate::{
    change::{Change, NewMessage},
    contract::Recovered,
    image::SessionImage,
};

use super::{
    OpenSettings, Place,
    driver::{Driver, fill, opened, plain, subscribe, whole},
};

const SESSION: SessionId = SessionId(1);
const QUEUE: QueueId = QueueId(1);

fn reopen(place: &dyn Place, settings: &OpenSettings, driver: Driver) -> (Driver, Box<dyn Recovered>) {
    driver.store().close().expect("the store closes");
    drop(driver);
    Driver::open_and_ask(place, settings)
}

fn sessions(recovered: &mut dyn Recovered) -> BTreeMap<SessionId, SessionImage> {
    let mut sessions = BTreeMap::new();
    recovered.sessions(&mut |image| {
        let before = sessions.insert(image.session, image.clone());
        assert!(before.is_none(), "each session once");
    });
    sessions
}

fn queues(recovered: &mut dyn Recovered) -> BTreeMap<QueueId, String> {
    let mut queues = BTreeMap::new();
    recovered.queues(&mut |queue, filter| {
        let before = queues.insert(queue, filter.to_owned());
        assert!(before.is_none(), "each queue once");
    });
    queues
}

/// Messages, cursors, bindings, receipts, wills, retained messages (K5).
pub fn k05_everything_is_kept(place: &dyn Place) {
    if !place.persists() {
        return;
    }
    let settings = OpenSettings::unlimited();
    let driver = Driver::open(place, &settings);
    subscribe(&driver, SESSION, QUEUE, "t/#");
    let all = fill(&driver, &[QUEUE], 10);
    let receipt = Some((SESSION, 9));
    driver.message(&NewMessage {
        qos: QoS::ExactlyOnce,
        receipt,
        ..plain(&[], b"x")
    });
    driver.message(&NewMessage {
        topic: "r",
        set_retained: true,
        ..plain(&[QUEUE], b"kept")
    });
    let binding = Binding {
        seq: all[4],
        packet_id: 3,
        qos: QoS::ExactlyOnce,
        released: false,
        retain: true,
        aside: false,
    };
    driver.change(&Change::Bound {
        session: SESSION,
        binding,
    });
    driver.change(&Change::PacketIdsReserved {
        session: SESSION,
        next: 777,
    });
    let above = [(all[6], all[7])];
    driver.change(&Change::CursorMoved {
        session: SESSION,
        low: all[2],
        above: &above,
    });
    let image = driver.image(SESSION);
    let entries = driver.read_all(&[whole(QUEUE)], &[(Seq::ZERO, all[2])], 100);

    let (driver, mut recovered) = reopen(place, &settings, driver);
    assert_eq!(
        sessions(&mut *recovered),
        BTreeMap::from([(SESSION, image.clone())])
    );
    assert_eq!(
        queues(&mut *recovered),
        BTreeMap::from([(QUEUE, "t/#".to_owned())])
    );
    assert_eq!(recovered.highest_ids(), (SESSION, QUEUE));
    assert_eq!(driver.image(SESSION), image);
    let again = driver.read_all(&[whole(QUEUE)], &[(Seq::ZERO, all[2])], 3);
    assert_eq!(again.len(), entries.len());
    for (again, entry) in again.iter().zip(&entries) {
        assert_eq!(
            (again.seq, again.spans, &again.message),
            (entry.seq, entry.spans, &entry.message)
        );
    }
    assert!(driver.bound(SESSION, &[all[4]])[0].is_some());
    assert_eq!(driver.retained("r")[0].parts.payload(), b"kept");
}

/// What comes after a restart is above everything before (K4), whatever the clock says.
pub fn k04_sequences_and_ids_rise_across_reopening(place: &dyn Place) {
    if !place.persists() {
        return;
    }
    let settings = OpenSettings::unlimited();
    let mut driver = Driver::open(place, &settings);
    subscribe(&driver, SESSION, QUEUE, "t/#");
    let mut before = driver.commit(|batch| _ = batch.message(&plain(&[QUEUE], b"x")));
    for _ in 0..3 {
        settings
            .clock
            .set(UnixMicros(settings.clock.now().0 - 3_600_000_000));
        (driver, _) = reopen(place, &settings, driver);
        assert!(driver.store().durable() >= before.last);
        let span = driver.commit(|batch| _ = batch.message(&plain(&[QUEUE], b"x")));
        assert!(span.first > before.last && span.time > before.time);
        assert!(
            span.first.boot() > before.first.boot(),
            "a boot has its own sequences"
        );
        before = span;
    }
    let ids = driver.read_all(&[whole(QUEUE)], &[], 10);
    let ids: Vec<_> = ids
        .iter()
        .map(|entry| entry.message.as_ref().expect("readable").id)
        .collect();
    assert!(ids.len() == 4 && ids.is_sorted_by(|a, b| a < b));
}

/// Nothing comes back from the dead.
pub fn what_was_ended_stays_ended(place: &dyn Place) {
    if !place.persists() {
        return;
    }
    let settings = OpenSettings::unlimited();
    let driver = Driver::open(place, &settings);
    subscribe(&driver, SESSION, QUEUE, "t/#");
    subscribe(&driver, SessionId(5), QueueId(9), "u/#");
    let seq = fill(&driver, &[QUEUE, QueueId(9)], 1)[0];
    driver.message(&NewMessage {
        topic: "r",
        set_retained: true,
        ..plain(&[], b"x")
    });
    let (driver, _) = reopen(place, &settings, driver);
    driver.commit(|batch| {
        batch.change(&Change::SessionEnded {
            session: SessionId(5),
        });
        batch.change(&Change::QueueClosed { queue: QueueId(9) });
        batch.change(&Change::Unsubscribed {
            session: SESSION,
            filter: "t/#",
        });
        batch.change(&Change::RetainedCleared { topic: "r" });
    });
    let (driver, mut recovered) = reopen(place, &settings, driver);
    let found = sessions(&mut *recovered);
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [SESSION]);
    assert!(found[&SESSION].subscriptions.is_empty());
    assert!(!queues(&mut *recovered).contains_key(&QueueId(9)));
    let highest = recovered.highest_ids();
    drop(recovered);
    assert_eq!(highest, (SessionId(5), QueueId(9)), "ids are never used again");
    assert_eq!(
        (driver.session(SessionId(5)), driver.queue(QueueId(9))),
        (None, vec![])
    );
    assert!(driver.retained("#").is_empty());
    // Also after everything that names them may have been cleaned away.
    for _ in 0..3 {
        driver.tick(UnixMillis(settings.clock.now().millis().0));
    }
    let (driver, recovered) = reopen(place, &settings, driver);
    assert_eq!(recovered.highest_ids(), highest);
    assert!(!driver.queue(QUEUE).iter().any(|&found| found != seq));
}

/// The absence can be reckoned from it (K29).
pub fn k29_the_last_time_is_known(place: &dyn Place) {
    if !place.persists() {
        return;
    }
    let settings = OpenSettings::unlimited();
    let (driver, recovered) = Driver::open_and_ask(place, &settings);
    assert!(recovered.last_time() <= settings.clock.now().millis());
    drop(recovered);
    settings.clock.set(UnixMicros(settings.clock.now().0 + 5_000_000));
    let time = driver
        .commit(|batch| _ = batch.change(&opened(SESSION, "c")))
        .time;
    settings
        .clock
        .set(UnixMicros(settings.clock.now().0 + 3_600_000_000));
    let (_, recovered) = reopen(place, &settings, driver);
    let last = recovered.last_time();
    assert!(
        last >= time.millis() && last <= settings.clock.now().millis(),
        "{last:?} {time:?}"
    );
}

/// Opening is no change.
pub fn reopening_again_and_again_changes_nothing(place: &dyn Place) {
    if !place.persists() {
        return;
    }
    let settings = OpenSettings::unlimited();
    let mut driver = Driver::open(place, &settings);
    subscribe(&driver, SESSION, QUEUE, "t/#");
    let all = fill(&driver, &[QUEUE], 50);
    let image = driver.image(SESSION);
    for _ in 0..5 {
        let recovered;
        (driver, recovered) = reopen(place, &settings, driver);
        assert!(
            recovered.findings().is_empty(),
            "a clean close leaves nothing to mend: {:?}",
            recovered.findings()
        );
        assert_eq!(
            (driver.image(SESSION), driver.queue(QUEUE)),
            (image.clone(), all.clone())
        );
    }
}
