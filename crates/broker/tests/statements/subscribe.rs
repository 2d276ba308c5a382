//! SUBSCRIBE and SUBACK (sections 3.8 and 3.9), subscription identifiers, no-local.

use crate::house::*;
use crate::say;

fn identified(qos: QoS, identifier: u32) -> SubscriptionOptions {
    SubscriptionOptions {
        identifier: Some(identifier),
        ..at(qos)
    }
}

/// [MQTT-3.8.4-1], [MQTT-3.8.4-2], [MQTT-2.2.1-6], [MQTT-3.8.4-6], [MQTT-3.8.4-7], [MQTT-3.9.3-1], [MQTT-3.9.3-2]
#[test]
fn suback_has_the_identifier_and_a_code_for_each_filter_in_order() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let invalid = if version == V5 { 0x8f } else { 0x80 };
        let mut client = broker.connect(&Connect::new(version, "c"));
        assert_eq!(
            client.subscribe(&[
                ("a", Q2),
                ("b/#", Q0),
                ("c/#/d", Q1),
                ("+/d", Q1),
                ("e+", Q0),
                ("a", Q0)
            ]),
            [2, 0, invalid, 1, invalid, 0]
        );
        let properties: &[u8] = if version == V5 { &[0] } else { &[] };
        for id in [1u16, 0xff00, 0xffff, 0x0102] {
            client.must_send(&say::frame(
                0x82,
                &[&id.to_be_bytes(), properties, &say::field("a"), &[1]],
            ));
            assert_eq!(expect_suback(&mut client, id), [1]);
        }
    }
}

/// [MQTT-3.8.4-5], [MQTT-3.8.4-4 of 3.1.1]: many filters are many SUBSCRIBEs.
#[test]
fn many_filters_in_one_packet_are_handled_one_by_one() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c"));
        let names: Vec<_> = (0..500).map(|n| format!("t/{n}")).collect();
        let filters: Vec<_> = names.iter().map(|name| (name.as_str(), Q1)).collect();
        assert_eq!(client.subscribe(&filters), [1; 500]);
        let mut publisher = broker.connect(&Connect::new(version, "p"));
        for name in names.iter().step_by(50) {
            publisher.publish_acked(name, name.as_bytes());
            assert_eq!(payloads(&mut client, 1), [name.as_str()]);
        }
    }
}

/// [MQTT-3.8.4-3], and [MQTT-3.8.4-3] of 3.1.1: the same filter again replaces the options; no second copy comes.
#[test]
fn the_same_filter_replaces_its_subscription() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("p"));
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c"));
        for qos in [Q2, Q0, Q1, Q2, Q0] {
            assert_eq!(client.subscribe(&[("a/+", qos)]), [qos as u8]);
            publisher.publish(&Publish::qos2(1, "a/b", b"x"));
            publisher.expect_ack(AckKind::PubRec, 1);
            publisher.ack(AckKind::PubRel, 1);
            publisher.expect_ack(AckKind::PubComp, 1);
            assert_eq!(client.take_publishes(1)[0].qos, qos);
            client.expect_nothing();
        }
        assert_eq!(
            client.unsubscribe(&["a/+"]),
            if version == V5 { vec![0] } else { vec![] }
        );
        publisher.publish_acked("a/b", b"x");
        client.expect_nothing();
    }
}

/// [MQTT-3.8.4-4]: nothing is lost when a subscription is replaced.
#[test]
fn no_message_is_lost_when_a_subscription_is_replaced() {
    let broker = InProcess::start();
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("a", Q1)]);
    let address = broker.address();
    let publisher = std::thread::spawn(move || {
        let mut publisher = Client::connect(address, &Connect::v311("p"));
        for n in 0..300 {
            publisher.publish_acked("a", format!("{n}").as_bytes());
        }
    });
    let mut next = 0;
    let mut id = 0;
    while next < 300 {
        if next % 10 == 0 && id < next + 1 {
            id = next + 1;
            client.must_send(&say::subscribe_5(id, &[], &[("a", 1)]));
        }
        match client.expect() {
            Received::Publish(message) => {
                client.ack(AckKind::PubAck, message.packet_id);
                assert_eq!(text_of(message), next.to_string());
                next += 1;
            }
            Received::SubAck(..) => {}
            other => panic!("{other:?}"),
        }
    }
    publisher.join().expect("published");
}

/// [MQTT-3.8.1-1], [MQTT-2.1.3-1], and [MQTT-2.2.2-1], [MQTT-2.2.2-2] of 3.1.1. 3.1 knows DUP there.
#[test]
fn subscribe_has_its_flags() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let properties: &[u8] = if version == V5 { &[0] } else { &[] };
        for flags in (0..16).filter(|&flags| flags != 2) {
            let mut client = broker.connect(&Connect::new(version, "c"));
            client.must_send(&say::frame(
                0x80 | flags,
                &[&[0, 1], properties, &say::field("a"), &[0]],
            ));
            if flags == 10 && version == Version::V31 {
                assert_eq!(expect_suback(&mut client, 1), [0]);
            } else {
                expect_thrown_out(&mut client, 0x81);
            }
        }
    }
}

/// [MQTT-3.8.3-2], [MQTT-3.8.3-3 of 3.1.1]
#[test]
fn a_subscribe_without_a_filter_ends_the_connection() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let properties: &[u8] = if version == V5 { &[0] } else { &[] };
        let mut client = broker.connect(&Connect::new(version, "c"));
        client.must_send(&say::frame(0x82, &[&[0, 1], properties]));
        expect_thrown_out(&mut client, 0x82);
    }
}

/// [MQTT-3.8.3-5], [MQTT-3.8.3-4 of 3.1.1]: reserved bits, QoS 3, retain handling 3.
#[test]
fn subscription_options_have_no_other_bits() {
    let broker = InProcess::start();
    for (options, reason) in [(0x40, 0x81), (0x80, 0x81), (0xc1, 0x81), (3, 0x82), (0x30, 0x82)] {
        let mut client = broker.connect(&Connect::v5("c"));
        client.must_send(&say::subscribe_5(1, &[], &[("good", 1), ("a", options)]));
        expect_thrown_out(&mut client, reason);
    }
    for version in [Version::V31, Version::V311] {
        for options in [3, 4, 8, 0x10, 0x80, 0xff] {
            let mut client = broker.connect(&Connect::new(version, "c"));
            client.must_send(&say::frame(0x82, &[&[0, 1], &say::field("a"), &[options]]));
            client.expect_closed();
        }
    }
}

/// [MQTT-3.8.3-1], [MQTT-4.7.3-2]
#[test]
fn topic_filters_are_utf8_without_nul() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let properties: &[u8] = if version == V5 { &[0] } else { &[] };
        for bad in [&b"\xff"[..], b"a\0", b"\0", b"a/\xed\xa0\x80"] {
            for (first, end) in [(0x82, &[0][..]), (0xa2, &[])] {
                let mut client = broker.connect(&Connect::new(version, "c"));
                client.must_send(&say::frame(first, &[&[0, 1], properties, &say::field(bad), end]));
                expect_thrown_out(&mut client, 0x81);
            }
        }
    }
}

/// [MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.7.3-1], and [MQTT-4.7.1-2], [MQTT-4.7.1-3] of 3.1.1: refused in SUBACK,
/// and the connection goes on.
#[test]
fn filters_that_are_none_are_refused_in_suback() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let invalid = if version == V5 { 0x8f } else { 0x80 };
        let mut client = broker.connect(&Connect::new(version, "c"));
        for filter in [
            "", "a#", "#/a", "a/#/b", "##", "a/##", "+a", "a+", "a/+b", "a/b+/c", "++", "+#",
        ] {
            assert_eq!(
                client.subscribe(&[(filter, Q1), ("good", Q1)]),
                [invalid, 1],
                "{filter:?}"
            );
        }
        client.expect_nothing();
    }
}

/// [MQTT-3.8.3-3]: not the publisher's own, live and from the store; everybody else's.
#[test]
fn no_local_keeps_the_clients_own_messages_away() {
    let broker = InProcess::start();
    let no_local = SubscriptionOptions {
        no_local: true,
        ..at(Q2)
    };
    let connect = Connect::v5("c").persistent();
    let mut client = broker.connect(&connect);
    client.subscribe_with(&[("a", no_local)]);
    let mut other = broker.connect(&Connect::v5("other"));
    other.subscribe(&[("a", Q2)]);
    let mut third = broker.connect(&Connect::v5("third"));
    for qos in [Q0, Q1, Q2] {
        send(&mut client, qos, "a", b"own");
        send(&mut third, qos, "a", b"other's");
        assert_eq!(payloads(&mut client, 1), ["other's"]);
        assert_eq!(payloads(&mut other, 2), ["own", "other's"]);
    }
    client.disconnect();
    // Published under the client's own id while its session's subscription is being read from the store.
    third.publish_acked("a", b"waited");
    let mut client = broker.connect(&connect);
    assert_eq!(payloads(&mut client, 1), ["waited"]);
    client.publish_acked("a", b"own");
    client.expect_nothing();
}

/// [MQTT-3.8.3-3], [MQTT-3.3.4-4]: an overlapping filter that allows it brings it once, under its own terms.
#[test]
fn no_local_is_an_option_of_one_subscription() {
    let broker = InProcess::start();
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe_with(&[(
        "a",
        SubscriptionOptions {
            no_local: true,
            ..identified(Q2, 1)
        },
    )]);
    client.subscribe_with(&[("+", identified(Q0, 2))]);
    client.publish(&Publish::qos0("a", b"own"));
    let message = client.expect_publish();
    assert_eq!((message.qos, message.subscription_ids), (Q0, vec![2]));
    client.expect_nothing();
}

/// [MQTT-3.8.3-3]: retained messages are application messages.
#[test]
fn no_local_holds_for_retained_messages() {
    let broker = InProcess::start();
    let mut client = broker.connect(&Connect::v5("c"));
    client.publish(&Publish::qos1(1, "own", b"own").retain());
    client.expect_ack(AckKind::PubAck, 1);
    let mut other = broker.connect(&Connect::v5("other"));
    other.publish(&Publish::qos1(1, "other", b"other's").retain());
    other.expect_ack(AckKind::PubAck, 1);
    client.subscribe_with(&[(
        "+",
        SubscriptionOptions {
            no_local: true,
            ..at(Q1)
        },
    )]);
    assert_eq!(payloads(&mut client, 1), ["other's"]);
    client.expect_nothing();
}

/// [MQTT-3.3.4-2], [MQTT-3.3.5-1 of 3.1.1]: one copy, at the highest QoS, live and from the store.
#[test]
fn overlapping_filters_give_one_copy_at_the_highest_qos() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("p"));
    for version in VERSIONS {
        let connect = Connect::new(version, "c").persistent();
        let mut client = broker.connect(&connect);
        client.subscribe(&[("a/b", Q0), ("a/+", Q2), ("#", Q1), ("a/#", Q0)]);
        for qos in [Q0, Q1, Q2] {
            send(&mut publisher, qos, "a/b", b"x");
            assert_eq!(client.take_publishes(1)[0].qos, qos);
            client.expect_nothing();
        }
        client.disconnect();
        send(&mut publisher, Q1, "a/b", b"1");
        send(&mut publisher, Q2, "a/b", b"2");
        let mut client = broker.connect(&connect);
        let qos: Vec<_> = client
            .take_publishes(2)
            .iter()
            .map(|message| message.qos)
            .collect();
        assert_eq!(qos, [Q1, Q2]);
        client.expect_nothing();
        client.disconnect();
        broker.connect(&Connect::new(version, "c")).disconnect();
    }
}

/// [MQTT-3.3.4-3], [MQTT-3.3.4-4]: all identifiers of all that matched, none of the others, live and from the store.
#[test]
fn messages_carry_the_identifiers_of_all_matching_subscriptions() {
    let broker = InProcess::start();
    let connect = Connect::v5("c").persistent();
    let mut publisher = broker.connect(&Connect::v5("p"));
    let mut client = broker.connect(&connect);
    for (filter, identifier) in [
        ("a/b", 1),
        ("a/+", 127),
        ("#", 128),
        ("a/#", 16_384),
        ("c", 268_435_455),
    ] {
        assert_eq!(
            client.subscribe_with(&[(filter, identified(Q1, identifier))]),
            [1]
        );
    }
    client.subscribe(&[("+/b", Q1)]);
    let check = |client: &mut Client| {
        let mut found: Vec<_> = client
            .take_publishes(2)
            .into_iter()
            .map(|message| message.subscription_ids)
            .collect();
        found
            .iter_mut()
            .for_each(|identifiers| identifiers.sort_unstable());
        assert_eq!(found, [vec![1, 127, 128, 16_384], vec![128, 268_435_455]]);
    };
    for topic in ["a/b", "c"] {
        publisher.publish_acked(topic, b"live");
    }
    check(&mut client);
    client.disconnect();
    for topic in ["a/b", "c"] {
        publisher.publish_acked(topic, b"stored");
    }
    check(&mut broker.connect(&connect));
}

/// [MQTT-3.8.4-3]: the identifier is part of what is replaced, and may go.
#[test]
fn an_identifier_is_replaced_with_its_subscription() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("p"));
    let mut client = broker.connect(&Connect::v5("c"));
    for identifier in [Some(1), Some(2), None, Some(3)] {
        client.subscribe_with(&[("a", SubscriptionOptions { identifier, ..at(Q1) })]);
        publisher.publish_acked("a", b"x");
        let expected: Vec<u32> = identifier.into_iter().collect();
        assert_eq!(client.take_publishes(1)[0].subscription_ids, expected);
    }
}

/// Section 3.8.2.1.2: 1 to 268,435,455, once.
#[test]
fn subscription_identifiers_are_one_and_not_0() {
    let broker = InProcess::start();
    for (properties, reason) in [
        (&b"\x0b\0"[..], 0x82),
        (b"\x0b\x01\x0b\x01", 0x82),
        (b"\x0b\x01\x0b\x02", 0x82),
        (b"\x0b\xff\xff\xff\xff\x7f", 0x81),
        (b"\x0b", 0x81),
    ] {
        let mut client = broker.connect(&Connect::v5("c"));
        client.must_send(&say::subscribe_5(1, &[properties], &[("a", 0)]));
        expect_thrown_out(&mut client, reason);
    }
}

/// K24: a limit on subscriptions; those that exist can be renewed.
#[test]
fn k24_subscriptions_beyond_the_limit_are_refused() {
    let broker = InProcess::with(|settings| settings.limits.subscriptions_per_session_max = 2);
    for (version, full) in [(Version::V311, 0x80), (V5, 0x97)] {
        let mut client = broker.connect(&Connect::new(version, "c"));
        assert_eq!(client.subscribe(&[("a", Q1), ("b", Q1), ("c", Q1)]), [1, 1, full]);
        assert_eq!(client.subscribe(&[("a", Q2), ("d", Q0)]), [2, full]);
        client.unsubscribe(&["a"]);
        assert_eq!(client.subscribe(&[("d", Q0), ("a", Q0)]), [0, full]);
    }
}

/// [MQTT-3.3.2-3]: nobody gets what no filter of theirs matches.
#[test]
fn messages_come_only_for_filters_that_match() {
    let broker = InProcess::start();
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("a/+/c", Q1), ("b/#", Q1), ("marker", Q1)]);
    let mut publisher = broker.connect(&Connect::v5("p"));
    for topic in ["a", "a/b", "a/b/c/d", "a/c", "A/b/c", "/a/b/c", "c", "bb", "b/"] {
        publisher.publish_acked(topic, topic.as_bytes());
    }
    for topic in ["a//c", "b", "b/x/y/z", "marker"] {
        publisher.publish_acked(topic, topic.as_bytes());
    }
    assert_eq!(payloads(&mut client, 5), ["b/", "a//c", "b", "b/x/y/z", "marker"]);
}
