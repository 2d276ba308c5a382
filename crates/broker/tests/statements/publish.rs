//! PUBLISH to the server and from it (section 3.3), and the order of messages (section 4.6).

use crate::house::*;
use crate::say;

/// [MQTT-3.3.4-1], [MQTT-4.3.2-4], [MQTT-4.3.3-8], [MQTT-4.3.3-11], [MQTT-2.2.1-5], [MQTT-2.3.1-6 of 3.1.1]
#[test]
fn each_qos_has_its_answers() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c"));
        for id in [1, 2, 255, 256, 65_535] {
            client.publish(&Publish::qos0("a", b"x"));
            client.publish(&Publish::qos1(id, "a", b"x"));
            client.expect_ack(AckKind::PubAck, id);
            client.publish(&Publish::qos2(id, "a", b"x"));
            client.expect_ack(AckKind::PubRec, id);
            client.ack(AckKind::PubRel, id);
            assert_eq!(client.expect_ack(AckKind::PubComp, id), 0);
        }
        client.expect_nothing();
    }
}

/// [MQTT-3.4.2-1], [MQTT-3.5.2-1]: nobody is there, and the publisher of 5.0 is told.
#[test]
fn no_matching_subscribers_is_told() {
    let broker = InProcess::start();
    let mut client = broker.connect(&Connect::v5("c"));
    client.publish(&Publish::qos1(1, "nobody", b"x"));
    assert_eq!(client.expect_ack(AckKind::PubAck, 1), 0x10);
    client.publish(&Publish::qos2(2, "nobody", b"x"));
    assert_eq!(client.expect_ack(AckKind::PubRec, 2), 0x10);
    client.ack(AckKind::PubRel, 2);
    client.expect_ack(AckKind::PubComp, 2);
    client.subscribe(&[("somebody", Q0)]);
    client.publish(&Publish::qos1(3, "somebody", b"x"));
    let mut seen = Vec::new();
    for _ in 0..2 {
        match client.expect() {
            Received::Publish(message) => seen.push(message.topic),
            Received::Ack(ack) => seen.push(format!("{}", ack.reason)),
            other => panic!("{other:?}"),
        }
    }
    seen.sort();
    assert_eq!(seen, ["0", "somebody"]);
}

/// [MQTT-3.8.4-8], and what a subscriber gets in each case.
#[test]
fn the_lower_qos_of_publisher_and_subscription_counts() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let mut publisher = broker.connect(&Connect::new(version, "p"));
        for granted in [Q0, Q1, Q2] {
            let mut client = broker.connect(&Connect::new(version, "c"));
            assert_eq!(client.subscribe(&[("a", granted)]), [granted as u8]);
            for published in [Q0, Q1, Q2] {
                send(&mut publisher, published, "a", b"x");
                let message = client.take_publishes(1).remove(0);
                assert_eq!(message.qos, published.min(granted));
                assert_eq!(message.packet_id == 0, message.qos == Q0);
                assert!(!message.dup && !message.retain);
            }
        }
    }
}

/// [MQTT-3.3.1-3], [MQTT-4.3.1-1]: the publisher's DUP is its own affair.
#[test]
fn dup_is_not_passed_on() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v311("p"));
    let mut client = broker.connect(&Connect::v311("c"));
    client.subscribe(&[("a", Q2)]);
    for (id, qos) in [(1, Q1), (2, Q2)] {
        publisher.publish(&publish(qos, id, "a", b"x").dup());
        assert!(!client.take_publishes(1)[0].dup);
    }
}

/// [MQTT-4.3.2-5], [MQTT-4.3.2-2] of 3.1.1: after PUBACK the identifier is free, whatever DUP says.
#[test]
fn after_puback_the_same_identifier_is_a_new_message() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let mut publisher = broker.connect(&Connect::new(version, "p"));
        let mut client = broker.connect(&Connect::new(version, "c"));
        client.subscribe(&[("a", Q1)]);
        for (payload, dup) in [("1", false), ("2", true), ("2", true), ("3", false)] {
            let publish = Publish::qos1(7, "a", payload.as_bytes());
            publisher.publish(&if dup { publish.dup() } else { publish });
            publisher.expect_ack(AckKind::PubAck, 7);
        }
        assert_eq!(payloads(&mut client, 4), ["1", "2", "2", "3"]);
    }
}

/// [MQTT-3.3.2-2], [MQTT-4.7.0-1], [MQTT-4.7.1-1]: 0x90, at every QoS and place.
#[test]
fn topic_names_have_no_wildcards() {
    let broker = InProcess::start();
    for version in VERSIONS {
        for topic in ["+", "#", "a/+", "a/#", "+/a", "a+", "a#b", "a/b/c/d/e/f/g/h/+"] {
            for qos in 0..3u8 {
                let id: &[u8] = if qos > 0 { &[0, 1] } else { &[] };
                let properties: &[u8] = if version == V5 { &[0] } else { &[] };
                let mut client = broker.connect(&Connect::new(version, "c"));
                client.must_send(&say::frame(
                    0x30 | qos << 1,
                    &[&say::field(topic), id, properties, b"x"],
                ));
                expect_thrown_out(&mut client, 0x90);
            }
        }
    }
}

/// [MQTT-3.3.2-1], [MQTT-1.5.4-1], [MQTT-1.5.4-2], [MQTT-4.7.3-1], [MQTT-4.7.3-2], and [MQTT-1.5.3-1],
/// [MQTT-1.5.3-2] of 3.1.1.
#[test]
fn topic_names_are_utf8_without_nul_and_not_empty() {
    let broker = InProcess::start();
    for version in VERSIONS {
        for (topic, reason) in [
            (&b""[..], 0x82),
            (b"\0", 0x81),
            (b"a\0b", 0x81),
            (b"abcdefghijkl\0", 0x81),
            (b"\xff", 0x81),
            (b"\xc3", 0x81),
            (b"a/\xed\xbf\xbf", 0x81),
        ] {
            let properties: &[u8] = if version == V5 { &[0] } else { &[] };
            let mut client = broker.connect(&Connect::new(version, "c"));
            client.must_send(&say::frame(0x30, &[&say::field(topic), properties, b"x"]));
            expect_thrown_out(&mut client, reason);
        }
    }
}

/// [MQTT-2.2.1-2], [MQTT-2.2.1-3], [MQTT-2.3.1-1 of 3.1.1]: an identifier of 0 is none.
#[test]
fn packet_identifiers_are_not_0() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let properties: &[u8] = if version == V5 { &[0] } else { &[] };
        let topic = say::field("a");
        for packet in [
            say::frame(0x32, &[&topic, &[0, 0], properties, b"x"]),
            say::frame(0x34, &[&topic, &[0, 0], properties, b"x"]),
            say::frame(0x82, &[&[0, 0], properties, &topic, &[0]]),
            say::frame(0xa2, &[&[0, 0], properties, &topic]),
        ] {
            let mut client = broker.connect(&Connect::new(version, "c"));
            client.must_send(&packet);
            expect_thrown_out(&mut client, 0x82);
        }
    }
}

/// [MQTT-3.3.1-4], [MQTT-3.3.1-2], [MQTT-4.3.1-1]: QoS 3, and DUP at QoS 0.
#[test]
fn publish_flags_that_say_nothing_are_malformed() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let properties: &[u8] = if version == V5 { &[0] } else { &[] };
        for first in [0x36, 0x3e, 0x37, 0x38, 0x39] {
            let mut client = broker.connect(&Connect::new(version, "c"));
            client.must_send(&say::frame(first, &[&say::field("a"), &[0, 1], properties, b"x"]));
            expect_thrown_out(&mut client, 0x81);
        }
    }
}

/// [MQTT-3.3.4-6]
#[test]
fn a_publish_from_a_client_has_no_subscription_identifier() {
    let broker = InProcess::start();
    let mut client = broker.connect(&Connect::v5("c"));
    client.must_send(&say::frame(
        0x30,
        &[&say::field("a"), &say::block(&[&[0x0b, 1]]), b"x"],
    ));
    expect_thrown_out(&mut client, 0x82);
}

/// [MQTT-3.3.2-3], [MQTT-4.7.3-4], [MQTT-3.3.2-13]: payload and topic arrive as they were sent, in every version.
#[test]
fn topic_and_payload_are_passed_on_unaltered() {
    let broker = InProcess::start();
    let long = "t".repeat(65_535);
    for (from, to) in [
        (Version::V31, V5),
        (V5, Version::V31),
        (Version::V311, Version::V311),
        (V5, V5),
    ] {
        let mut publisher = broker.connect(&Connect::new(from, "p"));
        let mut client = broker.connect(&Connect::new(to, "c"));
        client.subscribe(&[("#", Q0)]);
        for topic in [
            "a",
            "/",
            "//",
            "a/b/",
            " a ",
            "A/é/日本/🚪",
            "a$b",
            "\u{1}\u{7f}\u{fffe}",
            &long,
        ] {
            for payload in [&b""[..], b"\0", b"\xff\xfe\0\x01", b"text"] {
                publisher.publish(&Publish::qos0(topic, payload));
                let message = client.expect_publish();
                assert_eq!((message.topic.as_str(), &message.payload[..]), (topic, payload));
            }
        }
    }
}

/// [MQTT-4.6.0-5], [MQTT-4.6.0-6], and [MQTT-4.6.0-5], [MQTT-4.6.0-6] of 3.1.1.
#[test]
fn messages_of_one_publisher_and_topic_arrive_in_order() {
    let broker = InProcess::start();
    let address = broker.address();
    for qos in [Q0, Q1, Q2] {
        let mut clients: Vec<_> = VERSIONS
            .iter()
            .map(|&version| {
                let mut client = broker.connect(&Connect::new(version, &format!("c{version:?}")));
                client.subscribe(&[("order/#", qos)]);
                client
            })
            .collect();
        let publishers: Vec<_> = (0..3)
            .map(|number| {
                std::thread::spawn(move || {
                    let mut publisher = Client::connect(address, &Connect::v311(&format!("p{number}")));
                    let topic = format!("order/{number}");
                    // Up to 50 on their way at once.
                    for n in 0..200u16 {
                        publisher.publish(&publish(qos, n + 1, &topic, format!("{n}").as_bytes()));
                        if n % 50 == 49 && qos != Q0 {
                            let kind = if qos == Q1 {
                                AckKind::PubAck
                            } else {
                                AckKind::PubRec
                            };
                            for m in n - 49..=n {
                                publisher.expect_ack(kind, m + 1);
                                if qos == Q2 {
                                    publisher.ack(AckKind::PubRel, m + 1);
                                }
                            }
                            if qos == Q2 {
                                for m in n - 49..=n {
                                    publisher.expect_ack(AckKind::PubComp, m + 1);
                                }
                            }
                        }
                    }
                    publisher.expect_nothing();
                })
            })
            .collect();
        for client in &mut clients {
            let mut next = [0u16; 3];
            for message in client.take_publishes(600) {
                let from = usize::from(message.topic.as_bytes()[6] - b'0');
                assert_eq!(text_of(message), next[from].to_string());
                next[from] += 1;
            }
        }
        for publisher in publishers {
            publisher.join().expect("published");
        }
    }
}

/// [MQTT-4.6.0-2], [MQTT-4.6.0-3], [MQTT-4.6.0-4] hold for us as a receiver too: answers in the order of the packets.
#[test]
fn answers_come_in_the_order_of_the_packets() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c"));
        let mut bytes = Vec::new();
        for id in 1..=60 {
            publish(if id % 2 == 0 { Q1 } else { Q2 }, id, "a", b"x").write(version, &mut bytes);
        }
        client.must_send(&bytes);
        for id in 1..=60 {
            client.expect_ack(
                if id % 2 == 0 {
                    AckKind::PubAck
                } else {
                    AckKind::PubRec
                },
                id,
            );
        }
        for id in (1..=60).step_by(2) {
            client.ack(AckKind::PubRel, id);
        }
        for id in (1..=60).step_by(2) {
            client.expect_ack(AckKind::PubComp, id);
        }
    }
}
