//! Wills: when they come, and what they carry (sections 3.1.2.5 to 3.1.2.7, 3.1.3.2 to 3.1.3.4, 3.14.4).

use std::time::{Duration, Instant};

use crate::house::*;
use crate::say;

fn witness(broker: &InProcess) -> Client {
    let mut witness = broker.connect(&Connect::v5("witness"));
    witness.subscribe(&[("will/#", Q2)]);
    witness
}

fn will() -> Will {
    Will::new("will/w", b"gone")
}

/// Nothing has come to the witness up to now.
fn expect_no_will(witness: &mut Client) {
    witness.publish(&Publish::qos0("will/marker", b"marker"));
    assert_eq!(payloads(witness, 1), ["marker"]);
}

/// [MQTT-3.1.2-7], [MQTT-3.1.2-8], and [MQTT-3.1.2-8] of 3.1.1.
#[test]
fn a_will_comes_when_the_connection_is_lost() {
    let broker = InProcess::start();
    let mut witness = witness(&broker);
    for version in VERSIONS {
        for persistent in [false, true] {
            let connect = Connect::new(version, "c").will(will());
            let connect = if persistent { connect.persistent() } else { connect };
            broker.connect(&connect).cut();
            let message = witness.expect_publish();
            assert_eq!(
                (message.topic.as_str(), &message.payload[..]),
                ("will/w", &b"gone"[..])
            );
        }
        broker.connect(&Connect::new(version, "c")).disconnect();
    }
    expect_no_will(&mut witness);
}

/// [MQTT-3.1.2-8]: the server closes because of a protocol error.
#[test]
fn a_will_comes_after_a_protocol_error() {
    let broker = InProcess::start();
    let mut witness = witness(&broker);
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c").will(will()));
        client.must_send(b"\x30\x04\0\x02a#");
        expect_thrown_out(&mut client, 0x90);
        assert_eq!(payloads(&mut witness, 1), ["gone"]);
    }
}

/// Section 3.1.4: a take-over closes the older connection, so its will comes.
#[test]
fn a_will_comes_when_the_client_id_is_taken_over() {
    let broker = InProcess::start();
    let mut witness = witness(&broker);
    for version in VERSIONS {
        let mut older = broker.connect(&Connect::new(version, "c").will(will()));
        let newer = broker.connect(&Connect::new(version, "c"));
        expect_thrown_out(&mut older, 0x8e);
        assert_eq!(payloads(&mut witness, 1), ["gone"]);
        newer.disconnect();
    }
}

/// [MQTT-3.14.4-3], [MQTT-3.1.2-10], and [MQTT-3.14.4-3], [MQTT-3.1.2-10] of 3.1.1.
#[test]
fn a_will_is_discarded_at_a_normal_disconnect() {
    let broker = InProcess::start();
    let mut witness = witness(&broker);
    for version in VERSIONS {
        for connect in [
            Connect::new(version, "c"),
            Connect::new(version, "c").persistent(),
        ] {
            broker.connect(&connect.clone().will(will())).disconnect();
            // And it is not there any more when the session goes on without one.
            broker.connect(&connect).cut();
            broker.wait_for_connections(1);
        }
        broker.connect(&Connect::new(version, "c")).disconnect();
    }
    expect_no_will(&mut witness);
}

/// [MQTT-3.1.2-10]: once published it is gone.
#[test]
fn a_will_comes_once() {
    let broker = InProcess::start();
    let mut witness = witness(&broker);
    let connect = Connect::v5("c").persistent();
    broker.connect(&connect.clone().will(will())).cut();
    assert_eq!(payloads(&mut witness, 1), ["gone"]);
    broker.connect(&connect).cut();
    broker.wait_for_connections(1);
    broker.connect(&Connect::v5("c")).cut();
    broker.wait_for_connections(1);
    expect_no_will(&mut witness);
}

/// Section 3.14.2.1: 0x04 asks for it, and so does any other reason but 0.
#[test]
fn a_disconnect_with_another_reason_publishes_the_will() {
    let broker = InProcess::start();
    let mut witness = witness(&broker);
    for reason in [
        0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
    ] {
        broker
            .connect(&Connect::v5("c").will(will()))
            .disconnect_with(reason, None);
        assert_eq!(payloads(&mut witness, 1), ["gone"], "{reason:#04x}");
    }
}

/// [MQTT-3.1.2-12], [MQTT-3.1.2-14], [MQTT-3.1.2-15], and [MQTT-3.1.2-16], [MQTT-3.1.2-17] of 3.1.1.
#[test]
fn a_will_has_the_qos_and_the_retain_flag_it_was_given() {
    let broker = InProcess::start();
    let mut witness = broker.connect(&Connect::v5("witness"));
    let as_published = SubscriptionOptions {
        retain_as_published: true,
        ..at(Q2)
    };
    witness.subscribe_with(&[("will/#", as_published)]);
    for version in VERSIONS {
        for qos in [Q0, Q1, Q2] {
            for retain in [false, true] {
                let topic = format!("will/{version:?}/{qos:?}/{retain}");
                let mut will = Will::new(&topic, b"gone").qos(qos);
                will.retain = retain;
                broker.connect(&Connect::new(version, "c").will(will)).cut();
                let message = witness.take_publishes(1).remove(0);
                assert_eq!((message.qos, message.retain), (qos, retain));
                // Retained or not: a later subscriber sees it.
                let mut later = broker.connect(&Connect::v5("later"));
                later.subscribe(&[(&topic, Q0)]);
                if retain {
                    assert_eq!(payloads(&mut later, 1), ["gone"]);
                }
                later.publish(&Publish::qos0(&topic, b"marker"));
                assert_eq!(payloads(&mut later, 1), ["marker"]);
                assert_eq!(text_of(witness.expect_publish()), "marker");
            }
        }
    }
}

/// [MQTT-3.1.2-11], [MQTT-3.1.2-13], [MQTT-3.1.2-12] and [MQTT-3.1.2-9]: flags without a will, and a will in part.
#[test]
fn will_flags_and_fields_agree_or_it_is_no_connect() {
    let broker = InProcess::start();
    let (id, topic, payload) = (say::field("c"), say::field("w"), say::field("p"));
    let none: &[u8] = b"\0";
    for (flags, fields) in [
        (0x0a, vec![&id[..]]),
        (0x12, vec![&id]),
        (0x1a, vec![&id]),
        (0x22, vec![&id]),
        (0x1e, vec![&id, none, &topic, &payload]),
        (0x06, vec![&id]),
        (0x06, vec![&id, none, &topic]),
        (0x02, vec![&id, none, &topic, &payload]),
    ] {
        let mut client = broker.open();
        client.speak(V5);
        client.must_send(&say::connect("MQTT", 5, flags, &fields));
        assert_eq!(expect_connack(&mut client), 0x81, "{flags:#04x} {fields:02x?}");
        client.expect_closed();
        let mut client = broker.open();
        let fields: Vec<_> = fields.into_iter().filter(|field| *field != none).collect();
        client.must_send(&say::connect("MQTT", 4, flags, &fields));
        client.expect_closed();
    }
}

/// [MQTT-3.1.3-10], [MQTT-3.3.2-4], [MQTT-3.3.2-15], [MQTT-3.3.2-16], [MQTT-3.3.2-20]: as with any message.
#[test]
fn the_properties_of_a_will_go_on_unaltered_and_in_order() {
    let broker = InProcess::start();
    let mut witness = witness(&broker);
    let properties = [
        vec![0x01, 1],
        say::property(0x03, "text/plain"),
        say::property(0x08, "answers"),
        say::property(0x09, b"\0\xff\x07"),
        say::user("b", "1"),
        say::user("a", "2"),
        say::user("b", "1"),
    ]
    .concat();
    for delay in [0, 1] {
        let mut will = will().delay(delay);
        will.properties = properties.clone();
        broker.connect(&Connect::v5("c").persistent().will(will)).cut();
        assert_eq!(witness.expect_publish().properties, properties);
    }
}

/// Section 3.1.3.2.4: the interval of a will counts from its publication.
#[test]
fn a_wills_message_expiry_begins_when_it_is_published() {
    let broker = InProcess::start();
    let mut witness = witness(&broker);
    let mut will = will().delay(1);
    will.message_expiry = Some(100);
    broker.connect(&Connect::v5("c").persistent().will(will)).cut();
    assert_eq!(witness.expect_publish().message_expiry, Some(100));
}

/// [MQTT-3.1.2-8]: not before the delay.
#[test]
fn a_delayed_will_waits() {
    let broker = InProcess::start();
    let mut witness = witness(&broker);
    let cut = Instant::now();
    broker
        .connect(&Connect::v5("c").persistent().will(will().delay(1)))
        .cut();
    assert_eq!(payloads(&mut witness, 1), ["gone"]);
    assert!(
        cut.elapsed() >= Duration::from_millis(1000),
        "{:?}",
        cut.elapsed()
    );
    // Once.
    broker.connect(&Connect::v5("c")).disconnect();
    expect_no_will(&mut witness);
}

/// [MQTT-3.1.3-9]: a client that is back before the delay has passed has not gone.
#[test]
fn a_client_that_is_back_in_time_has_no_will() {
    let broker = InProcess::start();
    let mut witness = witness(&broker);
    let connect = Connect::v5("c").persistent();
    broker.connect(&connect.clone().will(will().delay(2))).cut();
    let mut back = broker.connect(&connect);
    assert!(back.session_present());
    std::thread::sleep(Duration::from_millis(2600));
    back.expect_nothing();
    back.cut();
    broker.wait_for_connections(1);
    expect_no_will(&mut witness);
}

/// [MQTT-3.1.3-9]: each absence has its own delay, that of the will it left.
#[test]
fn the_delay_of_an_earlier_absence_does_not_count() {
    let broker = InProcess::start();
    let mut witness = witness(&broker);
    let connect = Connect::v5("c").persistent();
    broker.connect(&connect.clone().will(will().delay(2))).cut();
    broker
        .connect(&connect.clone().will(Will::new("will/w", b"later").delay(600)))
        .cut();
    std::thread::sleep(Duration::from_millis(2600));
    expect_no_will(&mut witness);
    // And the session's end brings it.
    broker.connect(&Connect::v5("c")).disconnect();
    assert_eq!(payloads(&mut witness, 1), ["later"]);
}

/// [MQTT-3.1.2-8]: the session's end comes before the delay's.
#[test]
fn a_delayed_will_comes_when_its_session_ends() {
    let broker = InProcess::start();
    let mut witness = witness(&broker);
    let delayed = |id: &str, expiry| {
        Connect {
            clean: false,
            ..Connect::v5(id)
        }
        .session_expiry(expiry)
        .will(will().delay(600))
    };
    // At once, as the session ends with the connection.
    broker.connect(&delayed("c", 0)).cut();
    assert_eq!(payloads(&mut witness, 1), ["gone"]);
    // By clean start.
    broker.connect(&delayed("c", 600)).cut();
    broker.wait_for_connections(1);
    expect_no_will(&mut witness);
    broker.connect(&Connect::v5("c")).disconnect();
    assert_eq!(payloads(&mut witness, 1), ["gone"]);
    // By a DISCONNECT that ends the session and asks for the will.
    broker.connect(&delayed("c", 600)).disconnect_with(4, Some(0));
    assert_eq!(payloads(&mut witness, 1), ["gone"]);
    // By its expiry.
    broker.connect(&delayed("c", 1)).cut();
    assert_eq!(payloads(&mut witness, 1), ["gone"]);
}

/// Section 3.1.3.2.2: a take-over with clean start 0 within the delay keeps the will; with clean start it comes.
#[test]
fn a_take_over_within_the_delay_keeps_the_will_back() {
    let broker = InProcess::start();
    let mut witness = witness(&broker);
    let connect = Connect::v5("c").persistent();
    let _older = broker.connect(&connect.clone().will(will().delay(600)));
    let _newer = broker.connect(&connect.clone().will(will().delay(600)));
    broker.wait_for_connections(2);
    expect_no_will(&mut witness);
    let _cleaner = broker.connect(&Connect {
        clean: true,
        ..connect
    });
    assert_eq!(payloads(&mut witness, 1), ["gone"]);
}

/// [MQTT-4.5.0-1]: wills wait for absent sessions like any message.
#[test]
fn a_will_waits_for_who_is_absent() {
    let broker = InProcess::start();
    let mut absent = broker.connect(&Connect::v311("absent").persistent());
    absent.subscribe(&[("will/#", Q2)]);
    absent.disconnect();
    for (qos, payload) in [(Q1, b"one"), (Q2, b"two")] {
        broker
            .connect(&Connect::v311("c").will(Will::new("will/w", payload).qos(qos)))
            .cut();
        broker.wait_for_connections(0);
    }
    let mut back = broker.connect(&Connect::v311("absent").persistent());
    assert_eq!(payloads(&mut back, 2), ["one", "two"]);
}

/// [MQTT-3.1.2-12] of 3.1.1: no will, no word.
#[test]
fn without_a_will_nothing_comes() {
    let broker = InProcess::start();
    let mut witness = broker.connect(&Connect::v5("witness"));
    witness.subscribe(&[("#", Q0)]);
    for version in VERSIONS {
        broker.connect(&Connect::new(version, "c")).cut();
        broker.wait_for_connections(1);
    }
    expect_no_will(&mut witness);
}
