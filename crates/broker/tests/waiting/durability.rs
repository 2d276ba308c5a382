//! What is durable before what (K1, K2, K7): the store's durability is held back, and what may go and what must wait
//! is observed.

use restante_codec::packet::{AckKind, Subscribe, Unsubscribe, Version};
use restante_model::{QoS, SubscriptionOptions};
use restante_testkit::{Client, Connect, Publish, Received, sending::identifier};

use crate::house::{Backing, House, PATIENCE};

on_each_store! {
    k01_live_qos_0_and_1_go_ahead_of_the_commit_and_puback_waits
    k01_a_qos_2_delivery_waits_for_the_commit
    k01_pubrec_waits_for_the_commit
    k02_pubrel_and_pubcomp_wait_for_the_commit
    k07_suback_and_unsuback_wait_for_the_commit
    k07_a_connack_that_opens_a_session_waits_for_the_commit
}

fn k01_live_qos_0_and_1_go_ahead_of_the_commit_and_puback_waits(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut kept = house.client(&Connect::v5("kept").persistent());
    kept.subscribe(&[("t", QoS::AtLeastOnce)]);
    let mut volatile = house.client(&Connect::v5("volatile"));
    volatile.subscribe(&[("t", QoS::AtLeastOnce)]);
    let mut publisher = house.publisher("p");
    house.store.hold();
    publisher.publish(&Publish::qos1(1, "t", b"1"));
    publisher.publish(&Publish::qos0("t", b"0"));
    for subscriber in [&mut kept, &mut volatile] {
        for payload in [b"1", b"0"] {
            assert_eq!(subscriber.expect_publish().payload, payload);
        }
    }
    publisher.expect_nothing();
    house.store.let_go();
    assert_eq!(publisher.expect_ack(AckKind::PubAck, 1), 0);
}

fn k01_a_qos_2_delivery_waits_for_the_commit(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut kept = house.client(&Connect::v5("kept").persistent());
    kept.subscribe(&[("t", QoS::ExactlyOnce)]);
    let mut publisher = house.publisher("p");
    house.store.hold();
    publisher.publish(&Publish::qos2(1, "t", b"2"));
    // Seen by the broker, and by the subscriber's runtime too: the QoS 0 message came behind it.
    publisher.publish(&Publish::qos0("t", b"0"));
    assert_eq!(kept.expect_publish().payload, b"0");
    kept.expect_nothing();
    publisher.expect_nothing();
    house.store.let_go();
    assert_eq!(kept.expect_publish().payload, b"2");
    assert_eq!(publisher.expect_ack(AckKind::PubRec, 1), 0);
}

fn k01_pubrec_waits_for_the_commit(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.client(&Connect::v311("p").persistent());
    house.store.hold();
    // Nobody subscribes: what is waited for is the receipt.
    publisher.publish(&Publish::qos2(7, "nobody", b"2"));
    publisher.expect_nothing();
    // A repeat says no more than the first.
    publisher.publish(&Publish::qos2(7, "nobody", b"2").dup());
    publisher.expect_nothing();
    house.store.let_go();
    for _ in 0..2 {
        assert_eq!(publisher.expect_ack(AckKind::PubRec, 7), 0);
    }
}

fn k02_pubrel_and_pubcomp_wait_for_the_commit(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut kept = house.client(&Connect::v5("kept").persistent());
    kept.subscribe(&[("t", QoS::ExactlyOnce)]);
    let mut publisher = house.client(&Connect::v5("p").persistent());
    publisher.publish(&Publish::qos2(1, "t", b"2"));
    publisher.expect_ack(AckKind::PubRec, 1);
    let delivered = kept.expect_publish();
    house.store.hold();
    publisher.ack(AckKind::PubRel, 1);
    publisher.expect_nothing();
    kept.ack(AckKind::PubRec, delivered.packet_id);
    kept.expect_nothing();
    // An unknown PUBREL says that an earlier one is durable.
    publisher.ack(AckKind::PubRel, 1);
    publisher.expect_nothing();
    house.store.let_go();
    assert_eq!(publisher.expect_ack(AckKind::PubComp, 1), 0);
    assert_eq!(publisher.expect_ack(AckKind::PubComp, 1), 0x92);
    kept.expect_ack(AckKind::PubRel, delivered.packet_id);
}

fn k07_suback_and_unsuback_wait_for_the_commit(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut kept = house.client(&Connect::v5("kept").persistent());
    house.store.hold();
    let options = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        ..SubscriptionOptions::default()
    };
    let mut bytes = Vec::new();
    let subscribe = Subscribe {
        packet_id: identifier(1),
        filters: vec![("t", options)],
    };
    restante_codec::client::subscribe(Version::V5, &subscribe, &mut bytes).expect("sound");
    let unsubscribe = Unsubscribe {
        packet_id: identifier(2),
        filters: vec!["t"],
    };
    restante_codec::client::unsubscribe(Version::V5, &unsubscribe, &mut bytes).expect("sound");
    kept.send(&bytes).expect("open");
    kept.expect_nothing();
    house.store.let_go();
    assert_eq!(kept.expect(), Received::SubAck(1, vec![1]));
    assert_eq!(kept.expect(), Received::UnsubAck(2, vec![0]));
}

fn k07_a_connack_that_opens_a_session_waits_for_the_commit(backing: Backing) {
    let house = House::open(backing, |_| {});
    let connects = |clean| {
        let mut kept = Connect::v5("kept").persistent();
        kept.clean = clean;
        kept
    };
    // Creates; takes up again; clears.
    for (clean, existed) in [(false, false), (false, true), (true, false)] {
        house.store.hold();
        let mut client = Client::open(house.address);
        client.speak(Version::V5);
        client.send(&connects(clean).bytes()).expect("open");
        // A client without a session is not held up by the store, and its CONNECT came later.
        house.publisher("other").disconnect();
        let quiet = client.receive(std::time::Duration::from_millis(20));
        assert!(quiet.is_err(), "{quiet:?}");
        house.store.let_go();
        match client.receive(PATIENCE) {
            Ok(Received::ConnAck(connack)) => {
                assert_eq!((connack.reason, connack.session_present), (0, existed));
            }
            other => panic!("{other:?}"),
        }
        client.disconnect();
    }
}
