//! What a message carries: properties, expiry, problem information (sections 3.3.2.3, 3.1.2.11).

use std::time::Duration;

use crate::house::*;
use crate::say;

/// Everything that must go on as it is, in an order no server would choose.
fn all_properties() -> Vec<u8> {
    [
        say::user("z", "first"),
        say::property(0x09, b"\0\x01\xff correlation"),
        say::user("a", ""),
        say::property(0x08, "answers/é"),
        vec![0x01, 1],
        say::user("", "a"),
        say::property(0x03, "application/json"),
        say::user("z", "first"),
        say::user("z", "second"),
    ]
    .concat()
}

fn with_properties(publish: Publish, properties: &[u8]) -> Publish {
    Publish {
        properties: properties.to_vec(),
        ..publish
    }
}

/// Splits a block into its properties; only those that messages carry.
fn split(mut block: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(&id) = block.first() {
        let text = |at: usize| 2 + usize::from(u16::from_be_bytes([block[at], block[at + 1]]));
        let length = match id {
            0x01 => 2,
            0x02 => 5,
            0x23 => 3,
            0x03 | 0x08 | 0x09 => 1 + text(1),
            0x26 => 1 + text(1) + text(1 + text(1)),
            0x0b => 1 + block[1..].iter().position(|byte| byte & 0x80 == 0).expect("ends") + 1,
            other => panic!("property {other:#04x}"),
        };
        all.push(block[..length].to_vec());
        block = &block[length..];
    }
    all
}

/// The user properties in their order, and the others sorted.
fn comparable(block: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (users, mut others): (Vec<_>, Vec<_>) = split(block).into_iter().partition(|one| one[0] == 0x26);
    others.sort();
    (users, others)
}

/// [MQTT-3.3.2-4], [MQTT-3.3.2-15], [MQTT-3.3.2-16], [MQTT-3.3.2-17], [MQTT-3.3.2-18], [MQTT-3.3.2-20]: live, from
/// the store, retained, through a shared subscription.
#[test]
fn properties_are_passed_on_unaltered_and_in_order() {
    let broker = InProcess::start();
    let properties = all_properties();
    let mut absent = broker.connect(&Connect::v5("absent").persistent());
    absent.subscribe(&[("a/#", Q2)]);
    absent.disconnect();
    let mut live = broker.connect(&Connect::v5("live"));
    live.subscribe(&[("a/#", Q2)]);
    let mut shared = broker.connect(&Connect::v5("shared"));
    shared.subscribe(&[("$share/g/a/#", Q2)]);
    let mut publisher = broker.connect(&Connect::v5("p"));
    for (id, qos) in [(1, Q1), (2, Q2)] {
        publisher.publish(&with_properties(
            publish(qos, id, "a/b", b"x").retain(),
            &properties,
        ));
    }
    let mut late = broker.connect(&Connect::v5("late"));
    publisher.expect_ack(AckKind::PubAck, 1);
    publisher.expect_ack(AckKind::PubRec, 2);
    late.subscribe(&[("a/#", Q2)]);
    let mut back = broker.connect(&Connect::v5("absent").persistent());
    for (client, count) in [(&mut live, 2), (&mut shared, 2), (&mut back, 2), (&mut late, 1)] {
        for message in client.take_publishes(count) {
            assert_eq!(comparable(&message.properties), comparable(&properties));
        }
    }
}

/// Subscribers of 3.x get the message without them, and what they publish has none.
#[test]
fn properties_end_where_the_version_has_none() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("p"));
    for version in [Version::V31, Version::V311] {
        let connect = Connect::new(version, "c").persistent();
        let mut client = broker.connect(&connect);
        client.subscribe(&[("a", Q1)]);
        for there in [true, false] {
            if !there {
                client.disconnect();
            }
            let publish = Publish::qos1(1, "a", b"payload").expiry(100);
            publisher.publish(&with_properties(publish, &all_properties()));
            publisher.expect_ack(AckKind::PubAck, 1);
            client = broker.connect(&connect);
            assert_eq!(payloads(&mut client, 1), ["payload"]);
        }
        client.disconnect();
        broker.connect(&Connect::new(version, "c")).disconnect();
    }
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("a", Q1)]);
    broker.connect(&Connect::v311("q")).publish_acked("a", b"x");
    assert_eq!(client.expect_publish().properties, b"");
}

/// [MQTT-3.3.2-17]: a great many.
#[test]
fn hundreds_of_user_properties_are_passed_on() {
    let broker = InProcess::start();
    let properties: Vec<u8> = (0..500)
        .flat_map(|n| say::user(&format!("key {n}"), &"v".repeat(n)))
        .collect();
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("a", Q0)]);
    client.publish(&with_properties(Publish::qos0("a", b"x"), &properties));
    assert_eq!(client.expect_publish().properties, properties);
}

/// [MQTT-3.3.2-13], [MQTT-3.3.2-14], [MQTT-3.3.2-19], [MQTT-1.5.7-1]: texts of properties are texts.
#[test]
fn texts_of_properties_are_utf8_without_nul() {
    let broker = InProcess::start();
    for bad in [&b"\xff"[..], b"a\0", b"\xed\xa0\x80"] {
        for property in [
            say::property(0x03, bad),
            say::property(0x08, bad),
            [&[0x26][..], &say::field("k"), &say::field(bad)].concat(),
            [&[0x26][..], &say::field(bad), &say::field("v")].concat(),
        ] {
            let mut client = broker.connect(&Connect::v5("c"));
            client.must_send(&say::frame(
                0x30,
                &[&say::field("a"), &say::block(&[&property]), b"x"],
            ));
            expect_thrown_out(&mut client, 0x81);
        }
    }
    for wildcard in ["a/+", "#"] {
        let mut client = broker.connect(&Connect::v5("c"));
        let block = say::block(&[&say::property(0x08, wildcard)]);
        client.must_send(&say::frame(0x30, &[&say::field("a"), &block, b"x"]));
        expect_thrown_out(&mut client, 0x82);
    }
}

/// [MQTT-3.3.2-6], K21: what is left is sent on, live and after waiting; nothing is added where nothing was.
#[test]
fn k21_the_rest_of_the_message_expiry_is_sent_on() {
    let broker = InProcess::start();
    let connect = Connect::v5("c").persistent();
    let mut client = broker.connect(&connect);
    client.subscribe(&[("a", Q1)]);
    let mut publisher = broker.connect(&Connect::v5("p"));
    let mut send = |expiry: Option<u32>, id| {
        publisher.publish(&Publish {
            message_expiry: expiry,
            ..Publish::qos1(id, "a", b"x")
        });
        publisher.expect_ack(AckKind::PubAck, id);
    };
    for expiry in [Some(10), Some(u32::MAX), None] {
        send(expiry, 1);
        assert_eq!(client.take_publishes(1)[0].message_expiry, expiry);
    }
    client.disconnect();
    for expiry in [Some(100), None] {
        send(expiry, 1);
    }
    std::thread::sleep(Duration::from_millis(1100));
    let mut client = broker.connect(&connect);
    let left: Vec<_> = client
        .take_publishes(2)
        .iter()
        .map(|message| message.message_expiry)
        .collect();
    assert!(matches!(left[..], [Some(97..=99), None]), "{left:?}");
}

/// [MQTT-3.3.2-5], and the next one comes.
#[test]
fn an_expired_message_is_not_delivered() {
    let broker = InProcess::start();
    for connect in [Connect::v5("c").persistent(), Connect::v311("d").persistent()] {
        let mut client = broker.connect(&connect);
        client.subscribe(&[("a", Q2)]);
        client.disconnect();
        let mut publisher = broker.connect(&Connect::v5("p"));
        publisher.publish(&Publish::qos1(1, "a", b"expires").expiry(1));
        publisher.expect_ack(AckKind::PubAck, 1);
        publisher.publish(&Publish::qos2(2, "a", b"expires").expiry(1));
        publisher.expect_ack(AckKind::PubRec, 2);
        publisher.publish(&Publish::qos1(3, "a", b"stays").expiry(100));
        publisher.expect_ack(AckKind::PubAck, 3);
        std::thread::sleep(Duration::from_millis(1100));
        let mut client = broker.connect(&connect);
        assert_eq!(payloads(&mut client, 1), ["stays"]);
        client.expect_nothing();
        client.disconnect();
    }
}

/// K21: an interval of 0 is for who is there.
#[test]
fn k21_a_message_expiry_of_0_is_for_who_is_present() {
    let broker = InProcess::start();
    let connect = Connect::v5("absent").persistent();
    let mut client = broker.connect(&connect);
    client.subscribe(&[("a", Q1)]);
    client.disconnect();
    let mut present = broker.connect(&Connect::v5("present"));
    present.subscribe(&[("a", Q1)]);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publisher.publish(&Publish::qos1(1, "a", b"now").expiry(0));
    publisher.expect_ack(AckKind::PubAck, 1);
    assert_eq!(payloads(&mut present, 1), ["now"]);
    broker.connect(&connect).expect_nothing();
}

/// [MQTT-3.3.2-5]: retained messages expire too.
#[test]
fn a_retained_message_expires() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("p"));
    publisher.publish(&Publish::qos1(1, "a", b"old").retain().expiry(1));
    publisher.expect_ack(AckKind::PubAck, 1);
    publisher.publish(&Publish::qos1(2, "b", b"new").retain().expiry(100));
    publisher.expect_ack(AckKind::PubAck, 2);
    std::thread::sleep(Duration::from_millis(1100));
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("+", Q1)]);
    let message = client.take_publishes(1).remove(0);
    assert!(matches!(message.message_expiry, Some(97..=99)), "{message:?}");
    client.expect_nothing();
}

/// [MQTT-4.3.3-7]: what has been sent is not cut by its expiry.
#[test]
fn a_message_in_flight_does_not_expire() {
    let broker = InProcess::start();
    let connect = Connect::v5("c").persistent();
    let mut client = broker.connect(&connect);
    client.subscribe(&[("a", Q2)]);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publisher.publish(&Publish::qos2(1, "a", b"sent").expiry(1));
    publisher.expect_ack(AckKind::PubRec, 1);
    let first = client.expect_publish();
    client.cut();
    std::thread::sleep(Duration::from_millis(1100));
    let mut client = broker.connect(&connect);
    let again = client.expect_publish();
    assert_eq!((again.packet_id, again.dup), (first.packet_id, true));
    client.ack(AckKind::PubRec, again.packet_id);
    client.expect_ack(AckKind::PubRel, again.packet_id);
    client.ack(AckKind::PubComp, again.packet_id);
    // [MQTT-4.3.3-13]: and the publisher's half goes on to its end.
    publisher.ack(AckKind::PubRel, 1);
    assert_eq!(publisher.expect_ack(AckKind::PubComp, 1), 0);
}

/// [MQTT-3.1.2-29]: without it, no reason string and no user property but on CONNACK, DISCONNECT and PUBLISH.
#[test]
fn problem_information_can_be_refused() {
    let broker = InProcess::start();
    let quiet = Connect {
        request_problem_information: false,
        ..Connect::v5("c")
    };
    let mut client = broker.connect(&quiet);
    client.publish(&Publish::qos1(1, "nobody", b"x"));
    assert_eq!(client.expect_bytes(), [0x40, 3, 0, 1, 0x10]);
    client.publish(&Publish::qos2(2, "nobody", b"x"));
    assert_eq!(client.expect_bytes(), [0x50, 3, 0, 2, 0x10]);
    client.ack(AckKind::PubRel, 9);
    assert_eq!(client.expect_bytes(), [0x70, 3, 0, 9, 0x92]);
    client.ack(AckKind::PubRec, 9);
    assert_eq!(client.expect_bytes(), [0x62, 3, 0, 9, 0x92]);
    client.must_send(&say::subscribe_5(3, &[], &[("a/#/b", 0)]));
    assert_eq!(client.expect_bytes(), [0x90, 4, 0, 3, 0, 0x8f]);
    client.must_send(&say::frame(0xa2, &[&[0, 4, 0], &say::field("a")]));
    assert_eq!(client.expect_bytes(), [0xb0, 4, 0, 4, 0, 0x11]);
    // Messages keep their user properties.
    client.subscribe(&[("a", Q0)]);
    client.publish(&with_properties(Publish::qos0("a", b"x"), &say::user("k", "v")));
    assert_eq!(client.expect_publish().properties, say::user("k", "v"));
}
