//! What is different in MQTT 3.1.1, and in 3.1. What is not stands with the tests of 5.0.

use crate::house::*;
use crate::say;

/// [MQTT-3.1.2-18], [MQTT-3.1.2-19], [MQTT-3.1.2-20], [MQTT-3.1.2-21], [MQTT-3.1.2-22] of 3.1.1: flags and fields agree, and
/// a password needs a user name; 3.1.1 has no words for it.
#[test]
fn user_name_and_password_of_3_1_1() {
    let broker = InProcess::start();
    let (id, user, password) = (say::field("c"), say::field("u"), say::field("p"));
    for (flags, fields, good) in [
        (0x02, &[&id[..]][..], true),
        (0x82, &[&id, &user], true),
        (0xc2, &[&id, &user, &password], true),
        (0x42, &[&id, &password], false),
        (0x02, &[&id, &user], false),
        (0x82, &[&id], false),
        (0x82, &[&id, &user, &password], false),
        (0xc2, &[&id, &user], false),
    ] {
        let mut client = broker.open();
        client.must_send(&say::connect("MQTT", 4, flags, fields));
        if good {
            assert_eq!(expect_connack(&mut client), 0, "{flags:#04x}");
        } else {
            client.expect_closed();
        }
    }
}

/// 3.1, section 3.1: user name and password may be missing although they are announced.
#[test]
fn user_name_and_password_may_be_missing_in_3_1() {
    let broker = InProcess::start();
    for flags in [0x82, 0xc2] {
        let mut client = broker.open();
        client.speak(Version::V31);
        client.must_send(&say::connect("MQIsdp", 3, flags, &[&say::field("c")]));
        assert_eq!(expect_connack(&mut client), 0);
    }
}

/// [MQTT-3.1.3-4], [MQTT-3.1.3-10], [MQTT-3.1.3-11] of 3.1.1, [MQTT-3.1.4-1], [MQTT-3.2.2-6] of 3.1.1: closed without
/// a word, as there is none.
#[test]
fn malformed_connects_of_3x_are_closed_without_a_connack() {
    let broker = InProcess::start();
    let (good, bad) = (say::field("ok"), say::field(b"\xff"));
    for (name, level) in [("MQTT", 4), ("MQIsdp", 3)] {
        for (flags, fields) in [
            (0x02, vec![&bad[..]]),
            (0x06, vec![&good, &bad, &good]),
            (0x82, vec![&good, &bad]),
            (0x03, vec![&good]),
            (0x0a, vec![&good]),
            (0x22, vec![&good]),
            (0x02, vec![&good, b"!"]),
        ] {
            let mut client = broker.open();
            client.must_send(&say::connect(name, level, flags, &fields));
            client.expect_closed();
        }
    }
}

/// [MQTT-3.2.2-4], [MQTT-3.2.2-5] of 3.1.1: a refusal has no session present, and is the end.
#[test]
fn a_refusal_of_3x_is_the_end_of_the_connection() {
    let broker = InProcess::with(|settings| settings.limits.sessions_max = 1);
    broker.connect(&Connect::v311("c").persistent()).disconnect();
    for connect in [Connect::v311("d").persistent(), Connect::v31("d").persistent()] {
        let mut client = broker.open();
        client.must_send(&connect.bytes());
        client.must_send(&[0xc0, 0]);
        assert_eq!(client.expect_bytes(), [0x20, 2, 0, 3]);
        client.expect_closed();
    }
}

/// CONNACK of 3.1 has no session present: its first byte is reserved.
#[test]
fn connack_of_3_1_has_no_flags() {
    let broker = InProcess::start();
    for _ in 0..2 {
        let mut client = broker.open();
        client.must_send(&Connect::v31("c").persistent().bytes());
        assert_eq!(client.expect_bytes(), [0x20, 2, 0, 0]);
        client.must_send(&[0xe0, 0]);
        client.expect_closed();
    }
}

/// Client ids longer than the 23 letters of 3.1 are used everywhere, and taken.
#[test]
fn long_client_ids_are_taken_in_3_1() {
    let broker = InProcess::start();
    let id = "a-client-id-that-is-longer-than-23-letters";
    let connect = Connect::v31(id).persistent();
    let mut client = broker.connect(&connect);
    client.subscribe(&[("a", Q1)]);
    client.disconnect();
    broker.connect(&Connect::v31("p")).publish_acked("a", b"kept");
    assert_eq!(payloads(&mut broker.connect(&connect), 1), ["kept"]);
}

/// Bridges say so in the level's high bit; they are clients like others.
#[test]
fn bridges_are_taken() {
    let broker = InProcess::start();
    for (name, level, version) in [("MQTT", 0x84, Version::V311), ("MQIsdp", 0x83, Version::V31)] {
        let mut client = broker.open();
        client.speak(version);
        client.must_send(&say::connect(name, level, 2, &[&say::field("bridge")]));
        assert_eq!(expect_connack(&mut client), 0);
        client.expect_nothing();
    }
}

/// SUBSCRIBE and UNSUBSCRIBE of 3.x have no properties, and `$share` means in them what it means in 5.0.
#[test]
fn shared_subscriptions_work_in_3x() {
    let broker = InProcess::start();
    for version in [Version::V31, Version::V311] {
        let mut members: Vec<_> = (0..2)
            .map(|n| {
                let mut client = broker.connect(&Connect::new(version, &format!("m{n}")));
                assert_eq!(client.subscribe(&[("$share/g/a", Q1)]), [1]);
                client
            })
            .collect();
        let mut publisher = broker.connect(&Connect::new(version, "p"));
        for _ in 0..4 {
            publisher.publish_acked("a", b"x");
        }
        for member in &mut members {
            assert_eq!(payloads(member, 2), ["x", "x"]);
            member.expect_nothing();
        }
    }
}

/// K25: a publish that cannot be kept is not acknowledged in 3.x: the connection is closed. [MQTT-3.3.5-2] of 3.1.1
/// leaves only this, or to acknowledge what was not kept.
#[test]
fn k25_a_publish_that_cannot_be_kept_closes_the_connection() {
    let broker = InProcess::with(|settings| {
        settings.session.queue.messages_max = 1;
        settings.session.queue.when_full = restante_broker::settings::WhenFull::RejectPublisher;
    });
    let mut absent = broker.connect(&Connect::v311("absent").persistent());
    absent.subscribe(&[("a", Q1)]);
    absent.disconnect();
    // Until the store has seen that its queue is full.
    let mut filling = broker.connect(&Connect::v5("filling"));
    let refused = (0..1000).any(|_| {
        filling.publish(&Publish::qos1(1, "a", b"1"));
        filling.expect_ack(AckKind::PubAck, 1) == 0x97
    });
    assert!(refused, "never refused");
    for version in [Version::V31, Version::V311] {
        for (id, qos) in [(7, Q1), (8, Q2)] {
            let mut publisher = broker.connect(&Connect::new(version, "q"));
            publisher.publish(&publish(qos, id, "a", b"refused"));
            publisher.expect_closed();
        }
        let mut publisher = broker.connect(&Connect::new(version, "p"));
        // What nobody must keep goes on.
        publisher.publish_acked("elsewhere", b"x");
        publisher.publish(&Publish::qos0("a", b"x"));
        publisher.expect_nothing();
    }
}
