//! UNSUBSCRIBE and UNSUBACK (sections 3.10 and 3.11).

use crate::house::*;
use crate::say;

/// [MQTT-3.10.4-4], [MQTT-3.10.4-5], [MQTT-3.10.4-6], [MQTT-3.11.3-1], [MQTT-3.11.3-2], and [MQTT-3.10.4-4],
/// [MQTT-3.10.4-5], [MQTT-3.10.4-6] of 3.1.1: one UNSUBACK, whatever is found.
#[test]
fn unsuback_has_a_code_for_each_filter_in_order() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c"));
        client.subscribe(&[("a", Q0), ("b/+", Q1), ("c", Q2)]);
        let codes = client.unsubscribe(&["a", "x", "b/+", "a", "d/#/e"]);
        assert_eq!(
            codes,
            if version == V5 {
                vec![0, 0x11, 0, 0x11, 0x8f]
            } else {
                vec![]
            }
        );
        let codes = client.unsubscribe(&["nothing"]);
        assert_eq!(codes, if version == V5 { vec![0x11] } else { vec![] });
        let properties: &[u8] = if version == V5 { &[0] } else { &[] };
        client.must_send(&say::frame(0xa2, &[&[0xff, 0xfe], properties, &say::field("c")]));
        assert!(matches!(client.expect(), Received::UnsubAck(0xfffe, _)));
        client.expect_nothing();
    }
}

/// [MQTT-3.10.4-1]: letter by letter; a filter is not what it matches.
#[test]
fn filters_are_compared_letter_by_letter() {
    let broker = InProcess::start();
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("a/+", Q0), ("é", Q0), ("$share/g/a/b", Q0)]);
    for filter in [
        "a/b",
        "a/#",
        "A/+",
        "a/+/",
        "+/+",
        "#",
        "e\u{301}",
        "$share/h/a/b",
        "$share/g/a/+",
    ] {
        assert_eq!(client.unsubscribe(&[filter]), [0x11], "{filter}");
    }
    assert_eq!(client.unsubscribe(&["é", "a/+", "$share/g/a/b"]), [0, 0, 0]);
}

/// [MQTT-3.10.4-2], and [MQTT-3.10.4-2] of 3.1.1: nothing new is added, also for a session that is away later.
#[test]
fn after_unsuback_nothing_new_comes() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("p"));
    for version in VERSIONS {
        let connect = Connect::new(version, "c").persistent();
        let mut client = broker.connect(&connect);
        client.subscribe(&[("a", Q1), ("b", Q1), ("$share/g/a", Q1)]);
        client.unsubscribe(&["a", "$share/g/a"]);
        publisher.publish_acked("a", b"no");
        client.expect_nothing();
        client.disconnect();
        publisher.publish_acked("a", b"no");
        publisher.publish_acked("b", b"yes");
        let mut client = broker.connect(&connect);
        assert_eq!(payloads(&mut client, 1), ["yes"]);
        client.expect_nothing();
        client.disconnect();
        broker.connect(&Connect::new(version, "c")).disconnect();
    }
}

/// [MQTT-3.10.4-3], K15: what has started is completed, here and after a reconnect.
#[test]
fn k15_what_has_started_is_completed() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("p"));
    let connect = Connect::v5("c").persistent();
    let mut client = broker.connect(&connect);
    client.subscribe(&[("a", Q2)]);
    for payload in [b"1", b"2"] {
        publisher.publish_completed("a", payload);
    }
    publisher.publish_acked("a", b"3");
    let (one, two, three) = (
        client.expect_publish(),
        client.expect_publish(),
        client.expect_publish(),
    );
    assert_eq!(client.unsubscribe(&["a"]), [0]);
    client.ack(AckKind::PubRec, one.packet_id);
    client.expect_ack(AckKind::PubRel, one.packet_id);
    client.ack(AckKind::PubComp, one.packet_id);
    client.expect_nothing();
    client.cut();
    let mut client = broker.connect(&connect);
    let again = [client.expect_publish(), client.expect_publish()];
    assert_eq!(
        again.each_ref().map(|message| (message.packet_id, message.dup)),
        [(two.packet_id, true), (three.packet_id, true)]
    );
    assert_eq!(again.each_ref().map(|message| message.payload[0]), [b'2', b'3']);
    client.ack(AckKind::PubRec, two.packet_id);
    client.expect_ack(AckKind::PubRel, two.packet_id);
    client.ack(AckKind::PubComp, two.packet_id);
    client.ack(AckKind::PubAck, three.packet_id);
    client.expect_nothing();
}

/// [MQTT-3.10.1-1], [MQTT-2.1.3-1], and [MQTT-3.10.1-1] of 3.1.1. 3.1 knows DUP there.
#[test]
fn unsubscribe_has_its_flags() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let properties: &[u8] = if version == V5 { &[0] } else { &[] };
        for flags in (0..16).filter(|&flags| flags != 2) {
            let mut client = broker.connect(&Connect::new(version, "c"));
            client.must_send(&say::frame(
                0xa0 | flags,
                &[&[0, 1], properties, &say::field("a")],
            ));
            if flags == 10 && version == Version::V31 {
                assert!(matches!(client.expect(), Received::UnsubAck(1, _)));
            } else {
                expect_thrown_out(&mut client, 0x81);
            }
        }
    }
}

/// [MQTT-3.10.3-2]
#[test]
fn an_unsubscribe_without_a_filter_ends_the_connection() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let properties: &[u8] = if version == V5 { &[0] } else { &[] };
        let mut client = broker.connect(&Connect::new(version, "c"));
        client.must_send(&say::frame(0xa2, &[&[0, 1], properties]));
        expect_thrown_out(&mut client, 0x82);
    }
}

/// [MQTT-3.10.4-3], [MQTT-4.8.2-4]: what a shared subscription has started is completed with its client, and goes to no
/// other member.
#[test]
fn what_a_shared_subscription_has_started_is_completed() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("p"));
    for persistent in [false, true] {
        let connect = |id: &str| match persistent {
            true => Connect {
                clean: true,
                ..Connect::v5(id).persistent()
            },
            false => Connect::v5(id),
        };
        let mut one = broker.connect(&connect("one"));
        one.subscribe(&[("$share/g/a", Q2)]);
        publisher.publish_completed("a", b"1");
        publisher.publish_acked("a", b"2");
        let (first, second) = (one.expect_publish(), one.expect_publish());
        let mut two = broker.connect(&connect("two"));
        two.subscribe(&[("$share/g/a", Q2)]);
        assert_eq!(one.unsubscribe(&["$share/g/a"]), [0]);
        publisher.publish_acked("a", b"3");
        assert_eq!(payloads(&mut two, 1), ["3"], "{persistent}");
        two.expect_nothing();
        one.ack(AckKind::PubAck, second.packet_id);
        one.ack(AckKind::PubRec, first.packet_id);
        one.expect_ack(AckKind::PubRel, first.packet_id);
        one.ack(AckKind::PubComp, first.packet_id);
        one.expect_nothing();
        two.expect_nothing();
        one.disconnect_with(0, Some(0));
        two.disconnect_with(0, Some(0));
    }
}
