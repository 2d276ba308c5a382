//! Flow control: receive maximum both ways (sections 3.3.4, 4.9).

use crate::house::*;

/// Takes 20 messages, holding as many back as the client may; then everything but a PUBLISH still goes on.
fn take_within(client: &mut Client, qos: QoS, maximum: u16) -> Vec<String> {
    let end = |client: &mut Client, id: u16| {
        if qos == Q1 {
            return client.ack(AckKind::PubAck, id);
        }
        client.ack(AckKind::PubRec, id);
        client.expect_ack(AckKind::PubRel, id);
        // PUBREC gives no room, only PUBCOMP does.
        client.expect_nothing();
        client.ack(AckKind::PubComp, id);
    };
    let mut open = std::collections::VecDeque::new();
    let mut taken = Vec::new();
    while taken.len() < 20 {
        if open.len() == usize::from(maximum) {
            client.expect_nothing();
            end(client, open.pop_front().expect("one is open"));
        }
        let message = client.expect_publish();
        open.push_back(message.packet_id);
        taken.push(text_of(message));
    }
    for id in open {
        end(client, id);
    }
    client.expect_nothing();
    taken
}

/// [MQTT-3.3.4-9], [MQTT-4.9.0-1], [MQTT-4.9.0-2], K18: live and from the store, at both QoS.
#[test]
fn k18_no_more_are_in_flight_than_the_client_takes() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("p"));
    let expected: Vec<_> = (0..20).map(|n| n.to_string()).collect();
    for maximum in [1, 2, 7] {
        for qos in [Q1, Q2] {
            let connect = Connect::v5("c").persistent().receive_maximum(maximum);
            let mut client = broker.connect(&connect);
            client.subscribe(&[("a", qos)]);
            let mut twenty = || {
                expected
                    .iter()
                    .for_each(|text| send(&mut publisher, qos, "a", text.as_bytes()))
            };
            twenty();
            assert_eq!(take_within(&mut client, qos, maximum), expected);
            client.disconnect();
            twenty();
            let mut client = broker.connect(&connect);
            assert_eq!(take_within(&mut client, qos, maximum), expected);
            client.disconnect_with(0, Some(0));
        }
    }
}

/// Section 4.9: a refusal by the client gives room too.
#[test]
fn refusals_give_room() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("p"));
    let mut client = broker.connect(&Connect::v5("c").receive_maximum(1));
    client.subscribe(&[("a", Q2)]);
    for n in 0..6 {
        send(&mut publisher, if n % 2 == 0 { Q1 } else { Q2 }, "a", b"x");
    }
    for n in 0..6 {
        let id = client.expect_publish().packet_id;
        client.expect_nothing();
        client.ack_with(
            if n % 2 == 0 {
                AckKind::PubAck
            } else {
                AckKind::PubRec
            },
            id,
            0x80,
        );
    }
    client.expect_nothing();
}

/// [MQTT-3.3.4-10], [MQTT-4.9.0-3]: everything but PUBLISH goes on, and QoS 0 needs no quota.
#[test]
fn nothing_else_waits_for_the_quota() {
    let broker = InProcess::start();
    let mut client = broker.connect(&Connect::v5("c").receive_maximum(1));
    client.subscribe(&[("a", Q1), ("zero", Q0)]);
    let mut publisher = broker.connect(&Connect::v5("p"));
    for _ in 0..3 {
        publisher.publish_acked("a", b"x");
    }
    let held = client.expect_publish();
    client.expect_nothing();
    assert_eq!(client.subscribe(&[("b", Q0)]), [0]);
    assert_eq!(client.unsubscribe(&["b"]), [0]);
    client.publish_acked("elsewhere", b"");
    client.publish_completed("elsewhere", b"");
    publisher.publish(&Publish::qos1(9, "zero", b"at QoS 0"));
    assert_eq!(text_of(client.expect_publish()), "at QoS 0");
    client.ack(AckKind::PubAck, held.packet_id);
    assert_eq!(payloads(&mut client, 2), ["x", "x"]);
}

/// K18: a cap of ours on what clients announce, and for those that announce nothing.
#[test]
fn k18_what_is_in_flight_has_limits_of_ours() {
    let broker = InProcess::with(|settings| {
        settings.session.inflight = 3;
        settings.session.inflight_max = 5;
    });
    let mut publisher = broker.connect(&Connect::v5("p"));
    for (connect, expected) in [
        (Connect::v311("c"), 3),
        (Connect::v5("c"), 3),
        (Connect::v5("c").receive_maximum(4), 4),
        (Connect::v5("c").receive_maximum(1000), 5),
    ] {
        let mut client = broker.connect(&connect);
        client.subscribe(&[("a", Q1)]);
        for _ in 0..10 {
            publisher.publish_acked("a", b"x");
        }
        let held: Vec<_> = (0..expected).map(|_| client.expect_publish().packet_id).collect();
        client.expect_nothing();
        for id in held {
            client.ack(AckKind::PubAck, id);
        }
        assert_eq!(payloads(&mut client, 10 - expected).len(), 10 - expected);
    }
}

/// [MQTT-3.3.4-7], section 3.2.2.3.3: ours is announced, may be used in full, and holds.
#[test]
fn more_than_our_receive_maximum_is_0x93() {
    let broker = InProcess::with(|settings| settings.session.receive_maximum = 3);
    let mut client = broker.connect(&Connect::v5("c"));
    assert_eq!(client.connack().receive_maximum, Some(3));
    // In full, over and over; QoS 2 counts until PUBCOMP.
    for round in 0..3u16 {
        for n in 1..=3 {
            client.publish(&Publish::qos2(round * 3 + n, "a", b"x"));
            client.expect_ack(AckKind::PubRec, round * 3 + n);
        }
        // A repeat is none, QoS 0 needs none.
        client.publish(&Publish::qos2(round * 3 + 1, "a", b"x").dup());
        client.expect_ack(AckKind::PubRec, round * 3 + 1);
        client.publish(&Publish::qos0("a", b"x"));
        for n in 1..=3 {
            client.ack(AckKind::PubRel, round * 3 + n);
            client.expect_ack(AckKind::PubComp, round * 3 + n);
        }
    }
    for n in 1..=3 {
        client.publish(&Publish::qos2(100 + n, "a", b"x"));
        client.expect_ack(AckKind::PubRec, 100 + n);
    }
    client.publish(&Publish::qos1(200, "a", b"one too many"));
    expect_thrown_out(&mut client, 0x93);
}

/// Section 4.9: an exchange that began on an earlier connection does not use up the quota of this one.
#[test]
fn the_quota_begins_anew_with_each_connection() {
    let broker = InProcess::with(|settings| settings.session.receive_maximum = 2);
    let connect = Connect::v5("c").persistent();
    let mut client = broker.connect(&connect);
    for id in [1, 2] {
        client.publish(&Publish::qos2(id, "a", b"x"));
        client.expect_ack(AckKind::PubRec, id);
    }
    client.cut();
    let mut client = broker.connect(&connect);
    for id in [1, 2] {
        client.publish(&Publish::qos2(id, "a", b"x").dup());
        client.expect_ack(AckKind::PubRec, id);
    }
    for id in [1, 2] {
        client.ack(AckKind::PubRel, id);
        client.expect_ack(AckKind::PubComp, id);
    }
    for id in 3..10 {
        client.publish_completed("a", format!("{id}").as_bytes());
    }
}

/// A 3.x client knows no maximum, and has none.
#[test]
fn clients_of_3x_have_no_receive_maximum() {
    let broker = InProcess::with(|settings| settings.session.receive_maximum = 1);
    for version in [Version::V31, Version::V311] {
        let mut client = broker.connect(&Connect::new(version, "c"));
        let mut bytes = Vec::new();
        for id in 1..=1000 {
            Publish::qos2(id, "a", b"x").write(version, &mut bytes);
        }
        client.must_send(&bytes);
        for id in 1..=1000 {
            client.expect_ack(AckKind::PubRec, id);
        }
    }
}

/// Section 3.1.2.11.3: 0 is no receive maximum.
#[test]
fn a_receive_maximum_of_0_is_refused() {
    let broker = InProcess::start();
    let mut client = broker.open();
    client.speak(V5);
    client.must_send(&crate::say::connect_5("c", &[b"\x21\0\0"]));
    assert_eq!(expect_connack(&mut client), 0x82);
    client.expect_closed();
}
