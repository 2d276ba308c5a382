//! Packet sizes both ways (sections 3.1.2.11.4, 3.2.2.3.6), and large payloads.

use restante_model::NotKept;

use crate::house::*;
use crate::say;

/// A payload that makes a QoS 0 PUBLISH to `a` just so many bytes.
fn filling(version: Version, bytes: usize) -> Vec<u8> {
    let around = if version == V5 { 4 } else { 3 };
    let header = 1 + say::varint(bytes - 4).len();
    vec![b'x'; bytes - header - around]
}

/// [MQTT-3.2.2-15]: ours is announced, may be used to the last byte, and is judged by what is announced.
#[test]
fn packets_up_to_our_maximum_are_taken() {
    const MAXIMUM: usize = 20_000;
    let broker = InProcess::with(|settings| settings.session.packet_size_max = MAXIMUM as u32);
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c"));
        if version == V5 {
            assert_eq!(client.connack().maximum_packet_size, Some(MAXIMUM as u32));
        }
        let payload = filling(version, MAXIMUM);
        client.publish(&Publish::qos0("a", &payload));
        client.expect_nothing();
        client.publish(&Publish::qos0("a", &[&payload[..], b"!"].concat()));
        expect_thrown_out(&mut client, 0x95);
        let mut client = broker.connect(&Connect::new(version, "c"));
        client.must_send(&[&[0x30][..], &say::varint(200_000_000)].concat());
        expect_thrown_out(&mut client, 0x95);
    }
    let mut client = broker.open();
    client.must_send(&[&[0x10][..], &say::varint(MAXIMUM)].concat());
    client.expect_closed();
}

/// [MQTT-3.1.2-24], [MQTT-3.1.2-25]: what is too large for the client is left out, and what follows comes; live,
/// stored, retained, at each QoS.
#[test]
fn messages_too_large_for_the_client_are_left_out() {
    let broker = InProcess::start();
    let large = vec![b'x'; 300];
    for qos in [Q0, Q1, Q2] {
        let connect = Connect {
            maximum_packet_size: Some(200),
            ..Connect::v5("c").persistent()
        };
        let mut client = broker.connect(&connect);
        client.subscribe(&[("a", qos)]);
        let mut publisher = broker.connect(&Connect::v5("p"));
        let before = broker.figures().not_kept[NotKept::TooLargeForClient as usize];
        send(&mut publisher, qos, "a", &large);
        send(&mut publisher, qos, "a", b"small");
        assert_eq!(payloads(&mut client, 1), ["small"]);
        client.disconnect();
        let stored = qos.max(Q1);
        send(&mut publisher, stored, "a", &large);
        send(&mut publisher, stored, "a", b"stored");
        let mut client = broker.connect(&connect);
        let expected: &[&str] = if qos == Q0 { &[] } else { &["stored"] };
        assert_eq!(payloads(&mut client, expected.len()), expected);
        client.expect_nothing();
        client.disconnect();
        // It does not wait for a client that takes more later.
        let mut client = broker.connect(&Connect::v5("c").persistent());
        assert!(client.session_present());
        client.expect_nothing();
        let after = broker.figures().not_kept[NotKept::TooLargeForClient as usize];
        assert_eq!(after - before, if qos == Q0 { 1 } else { 2 });
        client.disconnect_with(0, Some(0));
    }
    let mut publisher = broker.connect(&Connect::v5("p"));
    publisher.publish(&Publish::qos0("r/large", &large).retain());
    publisher.publish(&Publish::qos0("r/small", b"small").retain());
    publisher.expect_nothing();
    let mut client = broker.connect(&Connect {
        maximum_packet_size: Some(200),
        ..Connect::v5("c")
    });
    client.subscribe(&[("r/+", Q0)]);
    assert_eq!(payloads(&mut client, 1), ["small"]);
    client.expect_nothing();
}

/// [MQTT-3.1.2-24]: to the byte, with the identifiers and aliases that belong to the packet.
#[test]
fn the_clients_maximum_counts_the_whole_packet() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("p"));
    for aliases in [0, 5] {
        let connect = Connect {
            maximum_packet_size: Some(100),
            topic_alias_maximum: aliases,
            ..Connect::v5("c")
        };
        let mut client = broker.connect(&connect);
        client.subscribe_with(&[(
            "long/topic",
            SubscriptionOptions {
                identifier: Some(300),
                ..at(Q1)
            },
        )]);
        let mut largest = 0;
        for length in (1..120).chain((1..120).rev()) {
            publisher.publish(&Publish::qos1(1, "long/topic", &vec![b'x'; length]));
            assert!(publisher.expect_ack(AckKind::PubAck, 1) < 0x80);
            publisher.publish(&Publish::qos0("long/topic", b""));
            loop {
                let bytes = client.expect_bytes();
                assert!(bytes.len() <= 100, "{} bytes", bytes.len());
                largest = largest.max(bytes.len());
                if bytes[0] & 0b110 == 0 {
                    break;
                }
                let body = &bytes[2..];
                let at = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                client.ack(AckKind::PubAck, u16::from_be_bytes([body[at], body[at + 1]]));
            }
        }
        // All that fits is sent; where an alias may come, its three bytes are counted beforehand, and so is the topic
        // it may stand for.
        assert!(largest >= if aliases == 0 { 100 } else { 90 }, "{largest}");
    }
}

/// [MQTT-3.2.2-19], [MQTT-3.2.2-20], [MQTT-3.14.2-3], [MQTT-3.14.2-4], [MQTT-3.4.2-2], [MQTT-3.4.2-3], [MQTT-3.5.2-2],
/// [MQTT-3.5.2-3], [MQTT-3.6.2-2], [MQTT-3.6.2-3], [MQTT-3.7.2-2], [MQTT-3.7.2-3], [MQTT-3.9.2-1], [MQTT-3.9.2-2],
/// [MQTT-3.11.2-1], [MQTT-3.11.2-2]: words give way to the maximum.
#[test]
fn reason_strings_give_way_to_the_clients_maximum() {
    const MAXIMUM: u32 = 18;
    let broker = InProcess::start();
    let property = [&[0x27][..], &MAXIMUM.to_be_bytes()].concat();
    let mut client = broker.open();
    client.speak(V5);
    client.must_send(&say::connect_5("c", &[&property, &say::property(0x15, "m")]));
    let connack = client.expect_bytes();
    assert!(connack.len() <= MAXIMUM as usize, "{connack:02x?}");
    assert_eq!(connack[3], 0x8c);
    client.expect_closed();

    let small = Connect {
        maximum_packet_size: Some(MAXIMUM),
        ..Connect::v5("c")
    };
    let mut client = broker.connect(&small);
    client.publish(&Publish::qos1(1, "a", b""));
    client.publish(&Publish::qos2(2, "a", b""));
    client.ack(AckKind::PubRel, 3);
    client.ack(AckKind::PubRec, 4);
    client.must_send(&say::subscribe_5(5, &[], &[("a#", 0)]));
    client.must_send(&say::frame(0xa2, &[&[0, 6, 0], &say::field("a")]));
    for _ in 0..6 {
        let bytes = client.expect_bytes();
        assert!(bytes.len() <= MAXIMUM as usize, "{bytes:02x?}");
    }
    client.must_send(b"\x30\x05\0\x02a#\0");
    let disconnect = client.expect_bytes();
    assert!(disconnect.len() <= MAXIMUM as usize, "{disconnect:02x?}");
    assert_eq!((disconnect[0], disconnect[2]), (0xe0, 0x90));
    client.expect_closed();
}

/// [MQTT-3.2.0-1], [MQTT-3.1.2-24]: who takes no CONNACK cannot come in.
#[test]
fn a_client_that_takes_no_connack_is_turned_away() {
    let broker = InProcess::start();
    for maximum in [1u32, 2, 4] {
        let mut client = broker.open();
        client.speak(V5);
        client.must_send(&say::connect_5(
            "c",
            &[&[&[0x27][..], &maximum.to_be_bytes()].concat()],
        ));
        client.must_send(&[0xc0, 0]);
        client.expect_closed();
    }
    let mut client = broker.open();
    client.speak(V5);
    client.must_send(&say::connect_5("c", &[b"\x27\0\0\0\0"]));
    assert_eq!(expect_connack(&mut client), 0x82);
}

/// Payloads of a mebibyte, at each QoS: live, from the store, retained.
#[test]
fn payloads_of_a_mebibyte_arrive_whole() {
    let broker = InProcess::with(|settings| settings.session.packet_size_max = 2 << 20);
    let payload: Vec<u8> = (0..1u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for version in [Version::V311, V5] {
        let connect = Connect::new(version, "c").persistent();
        let mut client = broker.connect(&connect);
        client.subscribe(&[("a", Q2)]);
        let mut publisher = broker.connect(&Connect::new(version, "p"));
        for qos in [Q0, Q1, Q2] {
            send(&mut publisher, qos, "a", &payload);
            assert!(client.take_publishes(1)[0].payload == payload);
        }
        client.disconnect();
        for (id, qos) in [(1, Q1), (2, Q2)] {
            publisher.publish(&publish(qos, id, "a", &payload).retain());
            let _ = publisher.expect();
        }
        let mut client = broker.connect(&connect);
        assert!(
            client
                .take_publishes(2)
                .iter()
                .all(|message| message.payload == payload)
        );
        client.disconnect();
        let mut client = broker.connect(&Connect::new(version, "c"));
        client.subscribe(&[("a", Q2)]);
        assert!(client.take_publishes(1)[0].payload == payload);
        broker
            .connect(&Connect::new(version, "q"))
            .publish(&Publish::qos0("a", b"").retain());
        assert!(client.take_publishes(1)[0].payload.is_empty());
    }
}
