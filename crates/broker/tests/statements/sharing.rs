//! Shared subscriptions (section 4.8.2).

use crate::house::*;
use crate::say;

/// [MQTT-4.8.2-1], [MQTT-4.8.2-2]
#[test]
fn share_filters_have_a_name_and_a_filter() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let invalid = if version == V5 { 0x8f } else { 0x80 };
        let mut client = broker.connect(&Connect::new(version, "c"));
        for filter in [
            "$share",
            "$share/",
            "$share/g",
            "$share/g/",
            "$share//a",
            "$share/+/a",
            "$share/#/a",
            "$share/g+/a",
            "$share/g/a/#/b",
            "$share/g/a+",
        ] {
            assert_eq!(client.subscribe(&[(filter, Q1)]), [invalid], "{filter}");
        }
        for filter in [
            "$share/g/a",
            "$share/g//",
            "$share/g/#",
            "$share/g/+/a",
            "$share/é /a",
            "$shared/a",
            "$SHARE/a",
        ] {
            assert_eq!(client.subscribe(&[(filter, Q1)]), [1], "{filter}");
        }
    }
}

/// [MQTT-3.8.3-4]
#[test]
fn no_local_on_a_shared_subscription_is_a_protocol_error() {
    let broker = InProcess::start();
    for filters in [&[("$share/g/a", 4)][..], &[("a", 5), ("$share/g/a", 5)]] {
        let mut client = broker.connect(&Connect::v5("c"));
        client.must_send(&say::subscribe_5(1, &[], filters));
        expect_thrown_out(&mut client, 0x82);
    }
}

/// Section 4.8.2: each message to one member of each group, and to everybody else.
#[test]
fn each_message_goes_to_one_member_of_each_group() {
    let broker = InProcess::start();
    for persistent in [false, true] {
        for qos in [Q0, Q1, Q2] {
            let connect = |id: &str| match persistent {
                true => Connect {
                    clean: true,
                    ..Connect::v5(id).persistent()
                },
                false => Connect::v5(id),
            };
            let mut members: Vec<_> = (0..6)
                .map(|n| {
                    let mut client = broker.connect(&connect(&format!("m{n}")));
                    // Two groups of three, by two filters.
                    let filter = if n < 3 { "$share/one/a/+" } else { "$share/two/a/#" };
                    client.subscribe(&[(filter, qos)]);
                    client
                })
                .collect();
            let mut plain = broker.connect(&connect("plain"));
            plain.subscribe(&[("a/b", qos)]);
            let mut publisher = broker.connect(&Connect::v5("p"));
            for n in 0..30 {
                send(&mut publisher, qos, "a/b", format!("{n}").as_bytes());
            }
            let expected: Vec<_> = (0..30).map(|n| n.to_string()).collect();
            assert_eq!(payloads(&mut plain, 30), expected);
            for group in members.chunks_mut(3) {
                let mut got = drained(group, 30);
                got.sort_by_key(|text| text.parse::<u32>().expect("a number"));
                assert_eq!(got, expected, "{persistent} {qos:?}");
            }
            for member in members.into_iter().chain([plain]) {
                member.disconnect_with(0, Some(0));
            }
        }
    }
}

/// What the members of a group get together, each acknowledged to its end.
fn drained(members: &mut [Client], count: usize) -> Vec<String> {
    let mut got = Vec::new();
    let until = std::time::Instant::now() + PATIENCE;
    let mut open = 0;
    while got.len() < count || open > 0 {
        assert!(std::time::Instant::now() < until, "{} of {count}", got.len());
        for client in members.iter_mut() {
            match client.receive(std::time::Duration::from_millis(2)) {
                Ok(Received::Publish(message)) => {
                    match message.qos {
                        QoS::AtMostOnce => {}
                        QoS::AtLeastOnce => client.ack(AckKind::PubAck, message.packet_id),
                        QoS::ExactlyOnce => {
                            open += 1;
                            client.ack(AckKind::PubRec, message.packet_id);
                        }
                    }
                    got.push(text_of(message));
                }
                Ok(Received::Ack(ack)) => {
                    open -= 1;
                    client.ack(AckKind::PubComp, ack.packet_id);
                }
                Ok(other) => panic!("{other:?}"),
                Err(restante_testkit::Ended::Silent) => {}
                Err(ended) => panic!("{ended}"),
            }
        }
    }
    got
}

/// [MQTT-4.8.2-3]: at the lower of the message's and the member's QoS, each member for itself.
#[test]
fn the_granted_qos_of_the_member_counts() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("p"));
    for persistent in [false, true] {
        for granted in [Q0, Q1, Q2] {
            let connect = if persistent {
                Connect {
                    clean: true,
                    ..Connect::v5("c").persistent()
                }
            } else {
                Connect::v5("c")
            };
            let mut client = broker.connect(&connect);
            client.subscribe(&[("$share/g/a", granted)]);
            for published in [Q0, Q1, Q2] {
                send(&mut publisher, published, "a", b"x");
                assert_eq!(
                    client.take_publishes(1)[0].qos,
                    published.min(granted),
                    "{persistent}"
                );
            }
            client.disconnect_with(0, Some(0));
        }
    }
}

/// [MQTT-4.8.2-4]: a QoS 2 message that has started is completed with its client when it is back.
#[test]
fn a_qos_2_message_that_has_started_waits_for_its_client() {
    let broker = InProcess::start();
    let connect = Connect::v5("one").persistent();
    let mut one = broker.connect(&connect);
    one.subscribe(&[("$share/g/a", Q2)]);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publisher.publish_completed("a", b"first");
    let first = one.expect_publish();
    publisher.publish_completed("a", b"second");
    let second = one.expect_publish();
    one.ack(AckKind::PubRec, second.packet_id);
    one.expect_ack(AckKind::PubRel, second.packet_id);
    let mut two = broker.connect(&Connect {
        clean: true,
        ..Connect::v5("two").persistent()
    });
    two.subscribe(&[("$share/g/a", Q2)]);
    one.cut();
    broker.wait_for_connections(2);
    two.expect_nothing();
    let mut one = broker.connect(&connect);
    let again = one.expect_publish();
    assert_eq!(
        (again.packet_id, again.dup, &again.payload),
        (first.packet_id, true, &first.payload)
    );
    one.expect_ack(AckKind::PubRel, second.packet_id);
    one.ack(AckKind::PubRec, again.packet_id);
    one.expect_ack(AckKind::PubRel, again.packet_id);
    one.ack(AckKind::PubComp, again.packet_id);
    one.ack(AckKind::PubComp, second.packet_id);
    one.expect_nothing();
}

/// [MQTT-4.8.2-5]: if its session ends first, nobody else gets it.
#[test]
fn a_qos_2_message_that_has_started_ends_with_its_session() {
    let broker = InProcess::start();
    let mut one = broker.connect(&Connect::v5("one").persistent());
    one.subscribe(&[("$share/g/a", Q2)]);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publisher.publish_completed("a", b"started");
    let _ = one.expect_publish();
    let mut two = broker.connect(&Connect {
        clean: true,
        ..Connect::v5("two").persistent()
    });
    two.subscribe(&[("$share/g/a", Q2)]);
    one.disconnect_with(0, Some(0));
    two.expect_nothing();
    publisher.publish_completed("a", b"next");
    assert_eq!(payloads(&mut two, 1), ["next"]);
}

/// K27: a QoS 1 message whose member leaves goes to another.
#[test]
fn k27_a_qos_1_message_goes_to_another_member() {
    let broker = InProcess::start();
    let connect = |id| Connect {
        clean: true,
        ..Connect::v5(id).persistent()
    };
    let mut one = broker.connect(&connect("one"));
    one.subscribe(&[("$share/g/a", Q1)]);
    let mut publisher = broker.connect(&Connect::v5("p"));
    for payload in [b"1", b"2", b"3"] {
        publisher.publish_acked("a", payload);
    }
    let held: Vec<_> = (0..3).map(|_| one.expect_publish()).collect();
    one.ack(AckKind::PubAck, held[1].packet_id);
    one.expect_nothing();
    let mut two = broker.connect(&connect("two"));
    two.subscribe(&[("$share/g/a", Q1)]);
    one.cut();
    assert_eq!(payloads(&mut two, 2), ["1", "3"]);
    two.expect_nothing();
}

/// [MQTT-4.8.2-6]: a refusal ends it for the group.
#[test]
fn a_refused_message_goes_to_no_other_member() {
    let broker = InProcess::start();
    for persistent in [false, true] {
        let connect = |id| {
            if persistent {
                Connect {
                    clean: true,
                    ..Connect::v5(id).persistent()
                }
            } else {
                Connect::v5(id)
            }
        };
        let mut one = broker.connect(&connect("one"));
        one.subscribe(&[("$share/g/a", Q2)]);
        let mut publisher = broker.connect(&Connect::v5("p"));
        publisher.publish_acked("a", b"x");
        publisher.publish_completed("a", b"x");
        let held = [one.expect_publish(), one.expect_publish()];
        let mut two = broker.connect(&connect("two"));
        two.subscribe(&[("$share/g/a", Q2)]);
        one.ack_with(AckKind::PubAck, held[0].packet_id, 0x80);
        one.ack_with(AckKind::PubRec, held[1].packet_id, 0x97);
        one.expect_nothing();
        one.cut();
        publisher.publish_acked("a", b"next");
        let mut got = drained(std::slice::from_mut(&mut two), 1);
        assert_eq!(got.pop().as_deref(), Some("next"), "{persistent}");
        two.expect_nothing();
        two.disconnect_with(0, Some(0));
    }
}

/// Section 4.8.2: what waits for a group waits once, and comes when a member comes.
#[test]
fn messages_wait_for_an_absent_group() {
    let broker = InProcess::start();
    let connect = |id| Connect::v311(id).persistent();
    for id in ["one", "two"] {
        let mut client = broker.connect(&connect(id));
        client.subscribe(&[("$share/g/a", Q2)]);
        client.disconnect();
    }
    let mut publisher = broker.connect(&Connect::v5("p"));
    for n in 0..10 {
        send(
            &mut publisher,
            if n % 2 == 0 { Q1 } else { Q2 },
            "a",
            format!("{n}").as_bytes(),
        );
    }
    let mut two = broker.connect(&connect("two"));
    assert_eq!(
        payloads(&mut two, 10),
        (0..10).map(|n| n.to_string()).collect::<Vec<_>>()
    );
    two.expect_nothing();
    broker.connect(&connect("one")).expect_nothing();
}

/// [MQTT-3.3.4-3]: with the identifier of the member's subscription.
#[test]
fn shared_messages_carry_the_members_identifier() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("p"));
    for connect in [Connect::v5("c"), Connect::v5("d").persistent()] {
        let mut client = broker.connect(&connect);
        let options = SubscriptionOptions {
            identifier: Some(42),
            ..at(Q1)
        };
        client.subscribe_with(&[("$share/g/a", options)]);
        publisher.publish_acked("a", b"x");
        assert_eq!(client.take_publishes(1)[0].subscription_ids, [42]);
        client.disconnect_with(0, Some(0));
    }
}

/// Section 4.8.2: a shared and a plain subscription of one client are two.
#[test]
fn a_shared_subscription_is_apart_from_a_plain_one() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("p"));
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("a", Q1), ("$share/g/a", Q1), ("$share/h/a", Q1)]);
    publisher.publish_acked("a", b"x");
    assert_eq!(payloads(&mut client, 3), ["x", "x", "x"]);
    client.expect_nothing();
    assert_eq!(client.unsubscribe(&["$share/g/a"]), [0]);
    publisher.publish_acked("a", b"y");
    assert_eq!(payloads(&mut client, 2), ["y", "y"]);
    client.expect_nothing();
}
