//! Bytes arrive as they please: in pieces, at once, split anywhere.

use std::time::Duration;

use crate::house::*;
use crate::say;

/// Between pieces that are to be read apart.
const APART: Duration = Duration::from_micros(500);

/// CONNECT, SUBSCRIBE, PUBLISH at each QoS, UNSUBSCRIBE.
fn conversation(version: Version) -> Vec<u8> {
    let properties: &[u8] = if version == V5 { &[0] } else { &[] };
    let mut bytes = Connect::new(version, "c").bytes();
    bytes.extend(say::frame(0x82, &[&[0, 1], properties, &say::field("a/+"), &[1]]));
    for (id, qos) in [(1, Q0), (2, Q1), (3, Q2)] {
        publish(qos, id, "a/b", format!("{id}").as_bytes()).write(version, &mut bytes);
    }
    bytes.extend(say::frame(0xa2, &[&[0, 9], properties, &say::field("a/+")]));
    bytes
}

/// Everything that the conversation asks for comes.
fn check_conversation(client: &mut Client) {
    assert_eq!(expect_connack(client), 0);
    let (mut messages, mut acks, mut suback, mut unsuback) = (Vec::new(), Vec::new(), false, false);
    while messages.len() < 3 || acks.len() < 2 || !suback || !unsuback {
        match client.expect() {
            Received::Publish(message) => messages.push(text_of(message)),
            Received::Ack(ack) => acks.push((ack.kind, ack.packet_id)),
            Received::SubAck(1, codes) if codes == [1] => suback = true,
            Received::UnsubAck(9, _) => unsuback = true,
            other => panic!("{other:?}"),
        }
    }
    messages.sort();
    assert_eq!(messages, ["1", "2", "3"]);
    assert_eq!(acks, [(AckKind::PubAck, 2), (AckKind::PubRec, 3)]);
}

/// The same in one write as in many [MQTT-4.2-1].
#[test]
fn a_whole_conversation_may_come_in_one_write() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let mut client = broker.open();
        client.speak(version);
        client.must_send(&conversation(version));
        check_conversation_without_unsubscribe_race(&mut client);
    }
}

/// In one write the UNSUBSCRIBE may overtake deliveries: what it must not do is lose an answer.
fn check_conversation_without_unsubscribe_race(client: &mut Client) {
    assert_eq!(expect_connack(client), 0);
    let mut kinds = Vec::new();
    while !kinds.contains(&'u') {
        match client.expect() {
            Received::Publish(_) => {}
            Received::SubAck(1, codes) if codes == [1] => kinds.push('s'),
            Received::Ack(ack) if ack.kind == AckKind::PubAck => kinds.push('a'),
            Received::Ack(ack) if ack.kind == AckKind::PubRec => kinds.push('r'),
            Received::UnsubAck(9, _) => kinds.push('u'),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(kinds, ['s', 'a', 'r', 'u']);
}

/// CONNECT, SUBSCRIBE and PUBLISH in one write: the client's own subscription is in force for its own message.
#[test]
fn a_pipelined_subscription_is_in_force_for_what_follows() {
    let broker = InProcess::start();
    for version in VERSIONS {
        for qos in [Q0, Q1, Q2] {
            let properties: &[u8] = if version == V5 { &[0] } else { &[] };
            let mut bytes = Connect::new(version, "c").bytes();
            bytes.extend(say::frame(0x82, &[&[0, 1], properties, &say::field("a"), &[0]]));
            publish(qos, 2, "a", b"mine").write(version, &mut bytes);
            let mut client = broker.open();
            client.speak(version);
            client.must_send(&bytes);
            loop {
                match client.expect() {
                    Received::Publish(message) => break assert_eq!(text_of(message), "mine"),
                    Received::ConnAck(_) | Received::SubAck(..) | Received::Ack(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

/// One byte at a time.
#[test]
fn packets_may_come_byte_by_byte() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let mut client = broker.open();
        client.speak(version);
        for byte in conversation(version) {
            client.must_send(&[byte]);
            std::thread::sleep(APART);
        }
        check_conversation(&mut client);
    }
}

/// In two pieces, split at every place.
#[test]
fn packets_may_be_split_anywhere() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let bytes = conversation(version);
        for place in 1..bytes.len() {
            let mut client = broker.open();
            client.speak(version);
            client.must_send(&bytes[..place]);
            std::thread::sleep(APART);
            client.must_send(&bytes[place..]);
            check_conversation_without_unsubscribe_race(&mut client);
        }
    }
}

/// Large and small ones mixed, in pieces of a size that fits none of them.
#[test]
fn large_and_small_packets_may_follow_each_other_in_any_pieces() {
    let broker = InProcess::start();
    let sizes = [
        0, 70_000, 1, 3, 40_000, 33_000, 32_768, 65_536, 5, 131_072, 65_535, 2, 300_000, 0, 7,
    ];
    for piece in [7_919, 32_768, 65_537, 1 << 20] {
        let mut client = broker.connect(&Connect::v311("c"));
        client.subscribe(&[("a", Q1)]);
        let mut publisher = broker.connect(&Connect::v311("p"));
        let mut bytes = Vec::new();
        for (n, &size) in (1..).zip(&sizes) {
            Publish::qos1(n, "a", &vec![n as u8; size]).write(Version::V311, &mut bytes);
        }
        for part in bytes.chunks(piece) {
            publisher.must_send(part);
            std::thread::sleep(APART);
        }
        for ((n, &size), message) in (1u8..).zip(&sizes).zip(client.take_publishes(sizes.len())) {
            assert!(message.payload == vec![n; size], "{n} in pieces of {piece}");
        }
    }
}

/// Thousands of small packets in one write, and none of the answers is lost.
#[test]
fn thousands_of_packets_may_come_at_once() {
    let broker = InProcess::start();
    let mut client = broker.connect(&Connect::v311("c"));
    let mut bytes = Vec::new();
    for id in 1..=20_000 {
        Publish::qos1(id, "a", b"x").write(Version::V311, &mut bytes);
    }
    let address = broker.address();
    let mut sender = Client::connect(address, &Connect::v311("other"));
    std::thread::scope(|scope| {
        scope.spawn(|| client.must_send(&bytes));
        sender.expect_nothing();
    });
    for id in 1..=20_000 {
        client.expect_ack(AckKind::PubAck, id);
    }
}
