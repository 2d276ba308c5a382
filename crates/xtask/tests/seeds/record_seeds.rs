//! One record of each kind, as the fuzz target reads it: two bytes of length, then the record without its frame.

use restante_model::{
    Binding, QoS, QueueId, RetainHandling, Seq, SessionId, SubscriptionOptions, UnixMillis,
};
use restante_store::{
    batch::Batch,
    change::{Change, NewMessage},
    image::Will,
    record::{FRAME_LEN, first},
};

const SESSION: SessionId = SessionId(300);
const QUEUE: QueueId = QueueId(4);
const BINDING: Binding = Binding {
    seq: Seq(70_000),
    packet_id: 9,
    qos: QoS::ExactlyOnce,
    released: true,
    retain: false,
    aside: false,
};

/// Name and bytes.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let changes = changes().into_iter().map(|(name, change)| {
        let mut batch = Batch::default();
        batch.change(&change);
        (name, batch)
    });
    let mut seeds: Vec<_> = messages()
        .into_iter()
        .chain(changes)
        .map(|(name, batch)| (name, seed(&batch)))
        .collect();
    let whole = seeds.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    seeds.push(("all-together", whole));
    seeds
}

fn seed(batch: &Batch) -> Vec<u8> {
    let mut seed = Vec::new();
    let mut rest = batch.bytes();
    while let Some(record) = first(rest) {
        let body = &record[FRAME_LEN - 1..];
        seed.extend_from_slice(&u16::try_from(body.len()).unwrap().to_le_bytes());
        seed.extend_from_slice(body);
        rest = &rest[record.len()..];
    }
    seed
}

fn messages() -> Vec<(&'static str, Batch)> {
    let plain = NewMessage {
        queues: &[QUEUE],
        qos: QoS::AtLeastOnce,
        retain: false,
        set_retained: false,
        deadline: UnixMillis::NEVER,
        sender: "sensor",
        topic: "site/1/door",
        properties: &[],
        payload: b"open",
        receipt: None,
    };
    let full = NewMessage {
        queues: &[QUEUE, QueueId(300), QueueId(u64::MAX)],
        qos: QoS::ExactlyOnce,
        retain: true,
        set_retained: true,
        deadline: UnixMillis(1_800_000_000_000),
        properties: &[1, 1, 38, 0, 1, b'a', 0, 1, b'b'],
        receipt: Some((SESSION, 65_535)),
        ..plain
    };
    let nobody = NewMessage {
        queues: &[],
        payload: b"",
        set_retained: true,
        ..plain
    };
    [
        ("message-plain", plain),
        ("message-full", full),
        ("message-for-nobody", nobody),
    ]
    .into_iter()
    .map(|(name, message)| {
        let mut batch = Batch::default();
        batch.message(&message);
        (name, batch)
    })
    .collect()
}

fn changes() -> Vec<(&'static str, Change<'static>)> {
    let at = UnixMillis(1_790_000_000_000);
    let will = Will {
        topic: "gone".into(),
        payload: b"dead"[..].into(),
        qos: QoS::AtLeastOnce,
        retain: true,
        delay: 30,
        message_expiry: Some(60),
        properties: [1, 1][..].to_vec().into(),
    };
    let options = SubscriptionOptions {
        qos: QoS::ExactlyOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::from_bits(1).unwrap(),
        identifier: Some(268_435_455),
    };
    vec![
        (
            "queue-opened",
            Change::QueueOpened {
                queue: QUEUE,
                filter: "$share/team/site/+/#",
            },
        ),
        ("queue-closed", Change::QueueClosed { queue: QUEUE }),
        (
            "session-opened",
            Change::SessionOpened {
                session: SESSION,
                client_id: "door-7",
                version: 5,
                expiry: u32::MAX,
                will: Some(will),
                at,
            },
        ),
        (
            "session-opened-without-will",
            Change::SessionOpened {
                session: SESSION,
                client_id: "",
                version: 4,
                expiry: 0,
                will: None,
                at,
            },
        ),
        (
            "session-detached",
            Change::SessionDetached {
                session: SESSION,
                expiry: 7,
                bindings: &[BINDING],
                at,
                will_void: true,
            },
        ),
        ("session-ended", Change::SessionEnded { session: SESSION }),
        ("will-cleared", Change::WillCleared { session: SESSION }),
        (
            "subscribed",
            Change::Subscribed {
                session: SESSION,
                filter: "site/#",
                queue: Some(QUEUE),
                options,
            },
        ),
        (
            "subscribed-without-queue",
            Change::Subscribed {
                session: SESSION,
                filter: "+",
                queue: None,
                options: SubscriptionOptions::default(),
            },
        ),
        (
            "unsubscribed",
            Change::Unsubscribed {
                session: SESSION,
                filter: "site/#",
            },
        ),
        (
            "cursor-moved",
            Change::CursorMoved {
                session: SESSION,
                low: Seq(70_000),
                above: &[(Seq(70_010), Seq(70_020)), (Seq(80_000), Seq(80_000))],
            },
        ),
        (
            "packet-ids-reserved",
            Change::PacketIdsReserved {
                session: SESSION,
                next: 1000,
            },
        ),
        (
            "bound",
            Change::Bound {
                session: SESSION,
                binding: BINDING,
            },
        ),
        (
            "bound-here",
            Change::BoundHere {
                session: SESSION,
                back: 300,
                packet_id: 9,
                qos: QoS::ExactlyOnce,
                retain: true,
            },
        ),
        (
            "released",
            Change::Released {
                session: SESSION,
                packet_id: 9,
            },
        ),
        (
            "unbound",
            Change::Unbound {
                session: SESSION,
                packet_id: 9,
            },
        ),
        (
            "received",
            Change::Received {
                session: SESSION,
                packet_id: 9,
            },
        ),
        (
            "completed",
            Change::Completed {
                session: SESSION,
                packet_id: 9,
            },
        ),
        (
            "retained-cleared",
            Change::RetainedCleared { topic: "site/1/door" },
        ),
        (
            "noted",
            Change::Noted {
                key: "position/doors/door-7/site/1/door",
                value: &[0, 255, 7],
            },
        ),
        (
            "noted-no-more",
            Change::Noted {
                key: "position/doors/door-7/site/1/door",
                value: &[],
            },
        ),
    ]
}
