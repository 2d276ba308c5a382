use bytes::Bytes;
use proptest::prelude::*;
use restante_model::{
    Binding, QoS, QueueId, RetainHandling, Seq, SessionId, SubscriptionOptions, UnixMillis,
};

use super::*;
use crate::record::{self, Body};

fn through(change: &Change<'_>, check: impl FnOnce(ChangeRecord<'_>)) {
    let mut out = Vec::new();
    let crc = encode(&mut out, 9, change);
    assert_eq!(record::verify(&out), Some(crc));
    let record = record::decode(&out).unwrap();
    assert_eq!((record.ordinal, record.moved), (9, None));
    match record.body {
        Body::Change(change) => check(change),
        Body::Message(_) => panic!("a change became a message"),
    }
    for cut in record::FRAME_LEN..out.len() {
        let mut short = out[..cut].to_vec();
        record::close(&mut short, 0);
        assert_eq!(
            record::decode(&short),
            None,
            "a record cut at {cut} was taken: {change:?}"
        );
    }
    out.push(0);
    record::close(&mut out, 0);
    assert_eq!(
        record::decode(&out),
        None,
        "a byte too many was taken: {change:?}"
    );
}

fn qos() -> impl Strategy<Value = QoS> {
    (0u8..3).prop_map(|bits| QoS::from_bits(bits).unwrap())
}

prop_compose! {
    fn binding()(seq: u64, packet_id: u16, qos in qos(), released: bool, retain: bool, aside: bool) -> Binding {
        Binding { seq: Seq(seq), packet_id, qos, released, retain, aside }
    }
}

prop_compose! {
    fn options()(
        qos in qos(), no_local: bool, retain_as_published: bool, handling in 0u8..3, identifier: Option<u32>,
    ) -> SubscriptionOptions {
        let retain_handling = RetainHandling::from_bits(handling).unwrap();
        SubscriptionOptions { qos, no_local, retain_as_published, retain_handling, identifier }
    }
}

prop_compose! {
    fn will()(
        topic: String, payload: Vec<u8>, qos in qos(), retain: bool, delay: u32, message_expiry: Option<u32>,
        properties: Vec<u8>,
    ) -> Will {
        let (payload, properties) = (Bytes::from(payload), Bytes::from(properties));
        Will { topic: topic.into(), payload, qos, retain, delay, message_expiry, properties }
    }
}

proptest! {
    #[test]
    fn queues_come_back(id: u64, text: String) {
        let queue = QueueId(id);
        through(&Change::QueueOpened { queue, filter: &text }, |back| {
            assert_eq!(back, ChangeRecord::QueueOpened { queue, filter: &text });
        });
        through(&Change::QueueClosed { queue }, |back| assert_eq!(back, ChangeRecord::QueueClosed { queue }));
        through(&Change::RetainedCleared { topic: &text }, |back| {
            assert_eq!(back, ChangeRecord::RetainedCleared { topic: &text });
        });
    }

    #[test]
    fn notes_come_back(key: String, value: Vec<u8>) {
        through(&Change::Noted { key: &key, value: &value }, |back| {
            assert_eq!(back, ChangeRecord::Noted { key: &key, value: &value });
        });
    }

    #[test]
    fn sessions_come_back(
        id: u64, client_id: String, version: u8, expiry: u32, at: u64, will_void: bool,
        will in proptest::option::of(will()),
        bindings in proptest::collection::vec(binding(), 0..4),
    ) {
        let (session, at) = (SessionId(id), UnixMillis(at));
        let opened = Change::SessionOpened { session, client_id: &client_id, version, expiry, will: will.clone(), at };
        through(&opened, |back| {
            let client_id = client_id.as_str();
            assert_eq!(back, ChangeRecord::SessionOpened { session, client_id, version, expiry, will, at });
        });
        let detached = Change::SessionDetached { session, expiry, bindings: &bindings, at, will_void };
        through(&detached, |back| {
            let bindings = bindings.clone();
            assert_eq!(back, ChangeRecord::SessionDetached { session, expiry, bindings, at, will_void });
        });
        through(&Change::SessionEnded { session }, |back| assert_eq!(back, ChangeRecord::SessionEnded { session }));
        through(&Change::WillCleared { session }, |back| assert_eq!(back, ChangeRecord::WillCleared { session }));
    }

    #[test]
    fn subscriptions_come_back(id: u64, filter: String, queue: Option<u64>, options in options()) {
        let (session, queue) = (SessionId(id), queue.map(QueueId));
        through(&Change::Subscribed { session, filter: &filter, queue, options }, |back| {
            assert_eq!(back, ChangeRecord::Subscribed { session, filter: &filter, queue, options });
        });
        through(&Change::Unsubscribed { session, filter: &filter }, |back| {
            assert_eq!(back, ChangeRecord::Unsubscribed { session, filter: &filter });
        });
    }

    #[test]
    fn cursors_come_back(id: u64, low: u64, above: Vec<(u64, u64)>) {
        let (session, low) = (SessionId(id), Seq(low));
        let above: Vec<_> = above.into_iter().map(|(first, last)| (Seq(first), Seq(last))).collect();
        through(&Change::CursorMoved { session, low, above: &above }, |back| {
            assert_eq!(back, ChangeRecord::CursorMoved { session, low, above: above.clone() });
        });
    }

    #[test]
    fn exchanges_come_back(id: u64, packet_id: u16, back: u32, binding in binding()) {
        let session = SessionId(id);
        let Binding { qos, retain, .. } = binding;
        through(&Change::BoundHere { session, back, packet_id, qos, retain }, |read| {
            assert_eq!(read, ChangeRecord::BoundHere { session, back, packet_id, qos, retain });
        });
        through(&Change::Bound { session, binding }, |back| {
            assert_eq!(back, ChangeRecord::Bound { session, binding });
        });
        let pairs = [
            (Change::PacketIdsReserved { session, next: packet_id },
             ChangeRecord::PacketIdsReserved { session, next: packet_id }),
            (Change::Released { session, packet_id }, ChangeRecord::Released { session, packet_id }),
            (Change::Unbound { session, packet_id }, ChangeRecord::Unbound { session, packet_id }),
            (Change::Received { session, packet_id }, ChangeRecord::Received { session, packet_id }),
            (Change::Completed { session, packet_id }, ChangeRecord::Completed { session, packet_id }),
        ];
        for (change, expected) in pairs {
            through(&change, |back| assert_eq!(back, expected));
        }
    }
}
