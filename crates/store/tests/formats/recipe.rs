//! Makes a store with every kind of thing in it, as small as it can be.
//!
//! Three lives, all killed. In the first, things come and go while checkpoints are written, and one slow session's
//! messages are merged. In the second every kind of record is written once more, behind the last checkpoint. The last
//! commit of the third is torn.

use std::{fs, path::Path};

use bytes::Bytes;
use restante_model::{
    Binding, QoS, QueueId, RetainHandling, Seq, SessionId, SubscriptionOptions, UnixMillis,
};
use restante_store::{
    change::{Change, NewMessage, OWN_VERSION},
    conformance::driver::{Driver, at_qos, plain},
    image::Will,
};

use crate::{
    content::{self, BEGIN, describe},
    files,
};

/// A fleet's reader, a slow one, one that takes everything at once, a shared group, and those that go.
const READER: SessionId = SessionId(1);
const SLOW: SessionId = SessionId(2);
const FAST: SessionId = SessionId(3);
const GROUP: SessionId = SessionId(4);
const GUEST: SessionId = SessionId(5);
const OLD: SessionId = SessionId(6);
const LATE: SessionId = SessionId(7);

/// The broker's own.
const OUTBOX: SessionId = SessionId(9);

const HOUSE: QueueId = QueueId(1);
const RARE: QueueId = QueueId(2);
const BULK: QueueId = QueueId(3);
const JOBS: QueueId = QueueId(4);
const GOING: QueueId = QueueId(5);

/// A moment while the store is made, after the first of its messages.
const NOW: UnixMillis = UnixMillis(BEGIN.0 + 60_000);
const IN_A_YEAR: UnixMillis = UnixMillis(BEGIN.0 + 31_536_000_000);

/// A user property, as MQTT encodes it.
const PROPERTIES: &[u8] = b"\x26\x00\x01k\x00\x01v";

/// Makes it in this folder, and answers what is in it.
pub(crate) fn make(folder: &Path) -> String {
    let store = content::open(folder);
    begin(&store.driver);
    merge(&store.driver, folder);
    end_some(&store.driver, folder);
    drop(store);
    let store = content::open(folder);
    once_more(&store.driver);
    drop(store);
    let store = content::open(folder);
    store.driver.message(&plain(&[RARE], b"the last that is whole"));
    let text = describe(&store);
    tear(store, folder);
    text
}

/// Sessions, subscriptions and messages of every kind.
fn begin(driver: &Driver) {
    let queues = [
        (HOUSE, "house/+/température"),
        (RARE, "rare/#"),
        (BULK, "bulk/#"),
        (JOBS, "$share/workers/jobs/#"),
        (GOING, "going"),
    ];
    driver.commit(|batch| {
        for (queue, filter) in queues {
            batch.change(&Change::QueueOpened { queue, filter });
        }
        for (session, client_id, version, expiry, will) in [
            (READER, "reader", 5, 3600, Some(will())),
            (SLOW, "slow", 4, u32::MAX, None),
            (FAST, "fast", 3, u32::MAX, None),
            (GROUP, "$share/workers/jobs/#", 5, u32::MAX, None),
            (GUEST, "guest", 5, 60, Some(will())),
            (OUTBOX, "$outbox/pool", OWN_VERSION, u32::MAX, None),
        ] {
            batch.change(&opened(session, client_id, version, expiry, will));
        }
        batch.change(&subscribed(
            READER,
            "house/+/température",
            Some(HOUSE),
            at_qos(QoS::AtLeastOnce),
        ));
        batch.change(&subscribed(SLOW, "rare/#", Some(RARE), at_qos(QoS::ExactlyOnce)));
        batch.change(&subscribed(SLOW, "quiet/#", None, at_qos(QoS::AtMostOnce)));
        batch.change(&subscribed(FAST, "bulk/#", Some(BULK), at_qos(QoS::AtLeastOnce)));
        batch.change(&subscribed(
            GROUP,
            "$share/workers/jobs/#",
            Some(JOBS),
            at_qos(QoS::ExactlyOnce),
        ));
        batch.change(&subscribed(GUEST, "going", Some(GOING), at_qos(QoS::AtLeastOnce)));
    });
    driver.message(&NewMessage {
        topic: "house/1/température",
        sender: "thermomètre",
        properties: PROPERTIES,
        deadline: IN_A_YEAR,
        ..plain(&[HOUSE], b"20.5")
    });
    // The same filter under other options: an epoch of its own.
    driver.change(&subscribed(
        READER,
        "house/+/température",
        Some(HOUSE),
        SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::Never,
            identifier: Some(268_435_455),
        },
    ));
    for number in 0..4 {
        driver.message(&NewMessage {
            topic: "house/2/température",
            qos: QoS::ExactlyOnce,
            retain: true,
            receipt: Some((SLOW, 100 + number)),
            ..plain(&[HOUSE, JOBS], &[0, number as u8, 0xff])
        });
    }
    for (topic, payload) in [("kept/1", &b"one"[..]), ("kept/2", b"two"), ("kept/3", b"three")] {
        driver.message(&NewMessage {
            topic,
            retain: true,
            set_retained: true,
            ..plain(&[], payload)
        });
    }
    driver.commit(|batch| {
        for (key, value) in [
            ("position/house/reader/α", &b"\x00\x01\xff"[..]),
            ("position/house/slow/α", b"1"),
            ("mark/house", b"first"),
            ("topic/house/α", b"1"),
        ] {
            batch.change(&Change::Noted { key, value });
        }
    });
    // Nobody reads it, and it is kept all the same: it is bound, and replaced as its topic's retained message.
    let held = driver.message(&NewMessage {
        topic: "kept/held",
        set_retained: true,
        ..plain(&[], b"the older")
    });
    driver.change(&bound(SLOW, held, 9, QoS::AtLeastOnce));
    driver.message(&NewMessage {
        topic: "kept/held",
        set_retained: true,
        deadline: IN_A_YEAR,
        properties: PROPERTIES,
        ..plain(&[], b"the newer")
    });
}

/// Few messages for the slow one among many for the fast one: what is left of those segments is merged.
fn merge(driver: &Driver, folder: &Path) {
    let bulk = [b'.'; 700];
    for number in 0..12 {
        driver.message(&NewMessage {
            topic: "rare/α",
            ..plain(&[RARE], format!("rare {number}").as_bytes())
        });
        driver.commit(|batch| {
            for _ in 0..10 {
                batch.message(&plain(&[BULK], &bulk));
            }
        });
    }
    acknowledge_bulk(driver);
    driver.tick_until(
        NOW,
        "a merged segment has its index, and its sources are gone",
        || {
            let names = files::names(folder);
            let merged = |name: &&String| name.ends_with(".idx") && files::is_merged(folder, name);
            names.iter().filter(merged).count() > 0
        },
    );
}

/// What was in a checkpoint goes, and that is in another one.
fn end_some(driver: &Driver, folder: &Path) {
    checkpoint(driver, folder, OLD, "old");
    driver.change(&Change::SessionEnded { session: GUEST });
    driver.change(&Change::QueueClosed { queue: GOING });
    driver.change(&Change::RetainedCleared { topic: "kept/3" });
    driver.change(&noted("position/house/slow/α", b""));
    checkpoint(driver, folder, LATE, "late");
}

/// Lets a session begin, and writes until its image is in a checkpoint.
fn checkpoint(driver: &Driver, folder: &Path, session: SessionId, client_id: &str) {
    driver.change(&opened(session, client_id, 4, 7, None));
    let bulk = [b'.'; 700];
    driver.tick_until(NOW, "the checkpoint is written", || {
        driver.message(&plain(&[BULK], &bulk));
        acknowledge_bulk(driver);
        files::checkpoints_hold(folder, client_id.as_bytes())
    });
}

/// Every kind of record, behind the last checkpoint.
fn once_more(driver: &Driver) {
    driver.commit(|batch| {
        let (queue, filter) = (QueueId(6), "brief");
        batch.change(&Change::QueueOpened { queue, filter });
        batch.change(&Change::QueueClosed { queue });
        batch.change(&opened(SessionId(8), "brief", 4, 0, None));
        batch.change(&Change::SessionEnded {
            session: SessionId(8),
        });
        batch.change(&opened(GUEST, "guest again", 5, 60, Some(will())));
        batch.change(&Change::WillCleared { session: GUEST });
        batch.change(&subscribed(GUEST, "quiet/#", None, at_qos(QoS::AtMostOnce)));
        batch.change(&Change::Unsubscribed {
            session: GUEST,
            filter: "quiet/#",
        });
        batch.change(&Change::Received {
            session: GUEST,
            packet_id: 65_535,
        });
        batch.change(&Change::Received {
            session: GUEST,
            packet_id: 2,
        });
        batch.change(&Change::Completed {
            session: GUEST,
            packet_id: 2,
        });
        batch.change(&Change::PacketIdsReserved {
            session: READER,
            next: 513,
        });
        batch.change(&Change::RetainedCleared { topic: "kept/2" });
        batch.change(&noted("mark/house", b"second"));
        batch.change(&noted("topic/house/α", b""));
        batch.change(&noted("topic/house/β", b"\x02"));
    });
    let messages: Vec<Seq> = (0..8)
        .map(|number| {
            driver.message(&NewMessage {
                topic: "house/3/température",
                qos: QoS::ExactlyOnce,
                ..plain(&[HOUSE, RARE], &[number])
            })
        })
        .collect();
    driver.commit(|batch| {
        for (packet_id, seq) in (1..).zip(&messages[..3]) {
            batch.change(&bound(READER, *seq, packet_id, QoS::ExactlyOnce));
        }
        let alone = batch.message(&plain(&[], b"held by its binding alone"));
        batch.bind(alone, GUEST, 17, QoS::ExactlyOnce, true);
        batch.change(&Change::Released {
            session: READER,
            packet_id: 1,
        });
        batch.change(&Change::Unbound {
            session: READER,
            packet_id: 2,
        });
        // It has taken nothing of the first life, and some of this one.
        batch.change(&Change::CursorMoved {
            session: READER,
            low: Seq::ZERO,
            above: &[(messages[0], messages[2]), (messages[5], messages[5])],
        });
        let bindings = [Binding {
            retain: true,
            aside: false,
            ..binding(messages[1], 40, QoS::AtLeastOnce)
        }];
        batch.change(&Change::SessionDetached {
            session: LATE,
            expiry: 8,
            bindings: &bindings,
            at: NOW,
            will_void: true,
        });
    });
}

/// Kills the store after one more commit, of which the disk has only half.
fn tear(store: content::Open, folder: &Path) {
    let segments = || -> Vec<(String, Vec<u8>)> {
        let names = files::names(folder).into_iter();
        names
            .filter(|name| name.ends_with(".seg"))
            .map(|name| {
                let bytes = fs::read(folder.join(&name)).unwrap();
                (name, bytes)
            })
            .collect()
    };
    let before = segments();
    store.driver.message(&plain(&[RARE], &[b'!'; 400]));
    drop(store);
    for (name, mut bytes) in segments() {
        let older = before.iter().find(|(older, _)| *older == name);
        let Some((_, older)) = older.filter(|(_, older)| *older != bytes) else {
            continue;
        };
        let changed: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] != older[at]).collect();
        let half = changed[changed.len() / 2];
        bytes[half..].copy_from_slice(&older[half..]);
        fs::write(folder.join(&name), bytes).unwrap();
        return;
    }
    panic!("the last commit is in no segment");
}

fn acknowledge_bulk(driver: &Driver) {
    driver.change(&Change::CursorMoved {
        session: FAST,
        low: driver.store().durable(),
        above: &[],
    });
}

fn opened<'a>(
    session: SessionId,
    client_id: &'a str,
    version: u8,
    expiry: u32,
    will: Option<Will>,
) -> Change<'a> {
    Change::SessionOpened {
        session,
        client_id,
        version,
        expiry,
        will,
        at: BEGIN,
    }
}

fn subscribed<'a>(
    session: SessionId,
    filter: &'a str,
    queue: Option<QueueId>,
    options: SubscriptionOptions,
) -> Change<'a> {
    Change::Subscribed {
        session,
        filter,
        queue,
        options,
    }
}

fn noted<'a>(key: &'a str, value: &'a [u8]) -> Change<'a> {
    Change::Noted { key, value }
}

fn bound(session: SessionId, seq: Seq, packet_id: u16, qos: QoS) -> Change<'static> {
    Change::Bound {
        session,
        binding: binding(seq, packet_id, qos),
    }
}

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

fn will() -> Will {
    Will {
        topic: "wills/α".into(),
        payload: Bytes::from_static(b"gone"),
        qos: QoS::ExactlyOnce,
        retain: true,
        delay: 30,
        message_expiry: Some(86_400),
        properties: Bytes::from_static(PROPERTIES),
    }
}
