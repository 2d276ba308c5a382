//! Retained messages (section 3.3.1.3).

use crate::house::*;

fn retain(broker: &InProcess, qos: QoS, topic: &str, payload: &[u8]) {
    let mut publisher = broker.connect(&Connect::v5("retainer"));
    publisher.publish(&publish(qos, 1, topic, payload).retain());
    match qos {
        QoS::AtMostOnce => publisher.expect_nothing(),
        QoS::AtLeastOnce => assert!(publisher.expect_ack(AckKind::PubAck, 1) < 0x80),
        QoS::ExactlyOnce => assert!(publisher.expect_ack(AckKind::PubRec, 1) < 0x80),
    }
    publisher.disconnect();
}

fn handled(qos: QoS, retain_handling: RetainHandling) -> SubscriptionOptions {
    SubscriptionOptions {
        retain_handling,
        ..at(qos)
    }
}

/// What a new subscriber is sent for a filter.
fn seen(broker: &InProcess, filter: &str) -> Vec<String> {
    retain(broker, Q1, "$end/of/it", b"");
    retain(broker, Q1, "$end/of/it", b"end");
    let mut client = broker.connect(&Connect::v5("looks"));
    client.subscribe(&[(filter, Q0), ("$end/of/it", Q0)]);
    let mut seen = Vec::new();
    loop {
        let message = client.expect_publish();
        if message.topic == "$end/of/it" {
            client.expect_nothing();
            return seen;
        }
        seen.push(text_of(message));
    }
}

/// [MQTT-3.3.1-5], [MQTT-3.3.1-9], and [MQTT-3.3.1-5], [MQTT-3.3.1-6], [MQTT-3.3.1-8] of 3.1.1: the last one comes,
/// marked, at the lower QoS.
#[test]
fn a_new_subscription_gets_the_last_retained_message() {
    let broker = InProcess::start();
    for published in [Q0, Q1, Q2] {
        retain(&broker, Q1, "state", b"old");
        retain(&broker, published, "state", b"new");
        for version in VERSIONS {
            for granted in [Q0, Q1, Q2] {
                for filter in ["state", "+", "#", "state/#"] {
                    let mut client = broker.connect(&Connect::new(version, "c"));
                    client.subscribe(&[(filter, granted)]);
                    let message = client.take_publishes(1).remove(0);
                    assert_eq!(
                        (message.topic.as_str(), &message.payload[..]),
                        ("state", &b"new"[..])
                    );
                    assert_eq!((message.qos, message.retain), (published.min(granted), true));
                    assert!(!message.dup);
                }
            }
        }
    }
}

/// [MQTT-3.3.1-6], [MQTT-3.3.1-7], and [MQTT-3.3.1-10], [MQTT-3.3.1-11] of 3.1.1.
#[test]
fn an_empty_payload_removes_the_retained_message() {
    let broker = InProcess::start();
    for qos in [Q0, Q1, Q2] {
        retain(&broker, Q1, "a", b"there");
        retain(&broker, Q1, "b", b"other");
        let mut live = broker.connect(&Connect::v5("live"));
        live.subscribe_with(&[(
            "a",
            SubscriptionOptions {
                retain_handling: RetainHandling::Never,
                ..at(Q2)
            },
        )]);
        retain(&broker, qos, "a", b"");
        // It goes its way as a message all the same.
        assert_eq!(payloads(&mut live, 1), [""]);
        let mut client = broker.connect(&Connect::v5("c"));
        client.subscribe(&[("#", Q1)]);
        assert_eq!(payloads(&mut client, 1), ["other"]);
        client.publish(&Publish::qos0("a", b"next"));
        assert_eq!(payloads(&mut client, 1), ["next"]);
    }
}

/// [MQTT-3.3.1-8], [MQTT-3.3.1-12] of 3.1.1: what is not retained touches nothing.
#[test]
fn a_message_without_the_flag_is_not_retained_and_replaces_nothing() {
    let broker = InProcess::start();
    retain(&broker, Q1, "a", b"retained");
    let mut publisher = broker.connect(&Connect::v5("p"));
    for qos in [Q0, Q1, Q2] {
        send(&mut publisher, qos, "a", b"passing");
        send(&mut publisher, qos, "a", b"");
        send(&mut publisher, qos, "b", b"passing");
        assert_eq!(seen(&broker, "+"), ["retained"]);
    }
}

/// [MQTT-3.3.1-9], [MQTT-3.3.1-10], [MQTT-3.3.1-11], [MQTT-3.8.4-4]
#[test]
fn retain_handling_says_when_they_come() {
    let broker = InProcess::start();
    retain(&broker, Q1, "a", b"x");
    for (handling, first, second) in [
        (RetainHandling::Always, 1, 1),
        (RetainHandling::IfNew, 1, 0),
        (RetainHandling::Never, 0, 0),
    ] {
        let mut client = broker.connect(&Connect::v5("c"));
        let mut publisher = broker.connect(&Connect::v5("p"));
        for count in [first, second] {
            assert_eq!(client.subscribe_with(&[("a", handled(Q1, handling))]), [1]);
            assert_eq!(payloads(&mut client, count).len(), count, "{handling:?}");
            publisher.publish_acked("a", b"live");
            assert_eq!(payloads(&mut client, 1), ["live"], "{handling:?}");
        }
        // After it was gone it is new.
        client.unsubscribe(&["a"]);
        client.subscribe_with(&[("a", handled(Q1, handling))]);
        assert_eq!(payloads(&mut client, first).len(), first);
        publisher.publish_acked("a", b"live");
        assert_eq!(payloads(&mut client, 1), ["live"], "{handling:?}");
    }
}

/// [MQTT-3.3.1-10]: a subscription that a kept session brings back did exist.
#[test]
fn a_resumed_subscription_is_not_new() {
    let broker = InProcess::start();
    retain(&broker, Q1, "a", b"retained");
    let connect = Connect::v5("c").persistent();
    let mut client = broker.connect(&connect);
    client.subscribe_with(&[("a", handled(Q1, RetainHandling::IfNew))]);
    assert_eq!(payloads(&mut client, 1), ["retained"]);
    client.disconnect();
    let mut client = broker.connect(&connect);
    client.subscribe_with(&[("a", handled(Q1, RetainHandling::IfNew))]);
    broker.connect(&Connect::v5("p")).publish_acked("a", b"live");
    assert_eq!(payloads(&mut client, 1), ["live"]);
}

/// [MQTT-3.8.4-3], [MQTT-3.8.4-4], and [MQTT-3.8.4-3] of 3.1.1: subscribed again, sent again.
#[test]
fn subscribing_again_brings_them_again() {
    let broker = InProcess::start();
    retain(&broker, Q1, "a", b"x");
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c"));
        for qos in [Q0, Q1, Q2, Q1] {
            client.subscribe(&[("a", qos)]);
            let message = client.take_publishes(1).remove(0);
            assert_eq!((message.retain, message.qos), (true, qos.min(Q1)));
        }
    }
}

/// [MQTT-3.3.1-12], [MQTT-3.3.1-13], and [MQTT-3.3.1-9] of 3.1.1: the flag of what passes.
#[test]
fn retain_as_published_keeps_the_flag() {
    let broker = InProcess::start();
    let mut plain = broker.connect(&Connect::v5("plain"));
    plain.subscribe(&[("a", Q2)]);
    let mut old = broker.connect(&Connect::v311("old"));
    old.subscribe(&[("a", Q2)]);
    let mut keeping = broker.connect(&Connect::v5("keeping"));
    keeping.subscribe_with(&[(
        "a",
        SubscriptionOptions {
            retain_as_published: true,
            ..at(Q2)
        },
    )]);
    let mut publisher = broker.connect(&Connect::v5("p"));
    let mut id = 0;
    for qos in [Q0, Q1, Q2] {
        for retained in [false, true] {
            id += 1;
            let publish = publish(qos, id, "a", b"x");
            publisher.publish(&if retained { publish.retain() } else { publish });
            assert!(!plain.take_publishes(1)[0].retain);
            assert!(!old.take_publishes(1)[0].retain);
            assert_eq!(keeping.take_publishes(1)[0].retain, retained);
        }
    }
}

/// [MQTT-3.3.1-13]: also of what waited.
#[test]
fn retain_as_published_holds_for_what_waited() {
    let broker = InProcess::start();
    for keeps in [false, true] {
        let connect = Connect::v5("c").persistent();
        let mut client = broker.connect(&connect);
        client.subscribe_with(&[(
            "w",
            SubscriptionOptions {
                retain_as_published: keeps,
                retain_handling: RetainHandling::Never,
                ..at(Q2)
            },
        )]);
        client.disconnect();
        retain(&broker, Q1, "w", b"x");
        retain(&broker, Q2, "w", b"x");
        broker.connect(&Connect::v5("p")).publish_acked("w", b"x");
        let mut client = broker.connect(&connect);
        let flags: Vec<_> = client
            .take_publishes(3)
            .iter()
            .map(|message| message.retain)
            .collect();
        assert_eq!(flags, [keeps, keeps, false]);
        client.disconnect();
    }
}

/// Section 4.8.2: none for shared subscriptions.
#[test]
fn a_shared_subscription_gets_no_retained_messages() {
    let broker = InProcess::start();
    retain(&broker, Q1, "a", b"retained");
    for version in [Version::V311, V5] {
        let mut client = broker.connect(&Connect::new(version, "c"));
        client.subscribe(&[("$share/g/a", Q1)]);
        broker.connect(&Connect::v5("p")).publish_acked("a", b"live");
        assert_eq!(payloads(&mut client, 1), ["live"]);
    }
}

/// [MQTT-3.3.4-3]: with the identifier of the subscription they are sent for.
#[test]
fn retained_messages_carry_the_subscription_identifier() {
    let broker = InProcess::start();
    retain(&broker, Q1, "a", b"x");
    let mut client = broker.connect(&Connect::v5("c"));
    for identifier in [1, 268_435_455] {
        let options = SubscriptionOptions {
            identifier: Some(identifier),
            ..at(Q1)
        };
        client.subscribe_with(&[("a", options)]);
        assert_eq!(client.take_publishes(1)[0].subscription_ids, [identifier]);
    }
}

/// [MQTT-3.3.1-9]: all that match, of many, and of each filter of one SUBSCRIBE.
#[test]
fn all_matching_retained_messages_come() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v311("p"));
    for n in 1..=500 {
        publisher.publish(&Publish::qos1(n, &format!("many/{n}/x"), b"").retain());
        publisher.publish(&Publish::qos1(n, &format!("many/{n}/x"), format!("{n}").as_bytes()).retain());
        publisher.expect_ack(AckKind::PubAck, n);
        publisher.expect_ack(AckKind::PubAck, n);
    }
    let mut client = broker.connect(&Connect::v311("c"));
    client.subscribe(&[("many/+/x", Q1), ("other", Q1), ("many/7/#", Q1)]);
    let mut numbers: Vec<u16> = payloads(&mut client, 501)
        .iter()
        .map(|text| text.parse().expect("a number"))
        .collect();
    numbers.sort_unstable();
    let mut expected: Vec<u16> = (1..=500).chain([7]).collect();
    expected.sort_unstable();
    assert_eq!(numbers, expected);
}

/// [MQTT-4.7.2-1]: `#` asks for none of `$`.
#[test]
fn retained_messages_of_dollar_topics_need_a_filter_that_names_them() {
    let broker = InProcess::start();
    retain(&broker, Q1, "$house/door", b"hidden");
    retain(&broker, Q1, "house/door", b"seen");
    assert_eq!(seen(&broker, "#"), ["seen"]);
    assert_eq!(seen(&broker, "+/door"), ["seen"]);
    assert_eq!(seen(&broker, "$house/#"), ["hidden"]);
    assert_eq!(seen(&broker, "$house/+"), ["hidden"]);
}

/// K24: a limit on retained messages.
#[test]
fn k24_retained_messages_beyond_the_limit_are_refused() {
    let broker = InProcess::with(|settings| settings.limits.retained_max = 2);
    let mut publisher = broker.connect(&Connect::v5("p"));
    let mut reason = |topic: &str, payload: &[u8]| {
        publisher.publish(&Publish::qos1(1, topic, payload).retain());
        // The limit is looked at from time to time.
        publisher.expect_ack(AckKind::PubAck, 1)
    };
    for n in 0..2 {
        assert!(reason(&format!("t{n}"), b"x") < 0x80);
    }
    let mut refused = false;
    for _ in 0..200 {
        refused = reason("t2", b"x") == 0x97;
        if refused {
            break;
        }
        reason("t2", b"");
        reason("t3", b"x");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(refused);
}

/// [MQTT-4.4.0-1]: retained messages that were not acknowledged come again like others, whatever became of the topic.
#[test]
fn unacknowledged_retained_messages_come_again() {
    let broker = InProcess::start();
    for published in [Q1, Q2] {
        retain(&broker, published, "a", b"first");
        let connect = Connect::v5("c").persistent();
        let mut client = broker.connect(&connect);
        client.subscribe(&[("a", Q2)]);
        let first = client.expect_publish();
        assert_eq!((first.qos, first.retain), (published, true));
        retain(&broker, Q1, "a", b"second");
        let live = client.expect_publish();
        client.ack(AckKind::PubAck, live.packet_id);
        client.expect_nothing();
        client.cut();
        let mut client = broker.connect(&connect);
        let again = client.expect_publish();
        assert_eq!(Message { dup: false, ..again }, first);
        client.disconnect_with(0, Some(0));
    }
}
