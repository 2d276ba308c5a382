//! Deliveries and their acknowledgements: QoS 1 and 2 towards the client, and sending again (sections 3.4 to 3.7, 4.3,
//! 4.4).

use crate::house::*;
use crate::say;

/// A persistent subscriber of `a` at QoS 2, and a publisher.
fn pair(broker: &InProcess, version: Version) -> (Client, Client) {
    let mut client = broker.connect(&connect(version));
    client.subscribe(&[("a", Q2)]);
    (client, broker.connect(&Connect::v5("p")))
}

fn connect(version: Version) -> Connect {
    Connect::new(version, "c").persistent()
}

fn forget(broker: &InProcess, client: Client) {
    client.disconnect();
    broker.connect(&Connect::v311("c")).disconnect();
}

/// [MQTT-2.2.1-4], [MQTT-4.3.2-1], [MQTT-4.3.3-1], [MQTT-2.3.1-4 of 3.1.1]: none is used twice at once.
#[test]
fn packet_identifiers_in_flight_differ() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let (mut client, mut publisher) = pair(&broker, version);
        for n in 0..80 {
            send(&mut publisher, if n % 2 == 0 { Q1 } else { Q2 }, "a", b"x");
        }
        let mut ids: Vec<_> = (0..80).map(|_| client.expect_publish().packet_id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 80);
        assert!(ids[0] > 0);
        forget(&broker, client);
    }
}

/// [MQTT-2.2.1-4]: also when the numbers come round, with one that is still in flight.
#[test]
fn an_identifier_in_flight_is_left_out_when_the_numbers_come_round() {
    let broker = InProcess::start();
    let mut client = broker.connect(&Connect::v311("c"));
    client.subscribe(&[("a", Q1)]);
    let mut publisher = broker.connect(&Connect::v311("p"));
    publisher.publish(&Publish::qos1(1, "a", b"x"));
    let held = client.expect_publish().packet_id;
    publisher.expect_ack(AckKind::PubAck, 1);
    let mut seen = 0;
    let mut wrapped = false;
    let mut last = held;
    while seen < 66_000 {
        let mut bytes = Vec::new();
        for id in 1..=500 {
            Publish::qos1(id, "a", b"x").write(Version::V311, &mut bytes);
        }
        publisher.must_send(&bytes);
        for id in 1..=500 {
            let message = client.expect_publish();
            assert_ne!(message.packet_id, held);
            wrapped |= message.packet_id < last;
            last = message.packet_id;
            client.ack(AckKind::PubAck, message.packet_id);
            publisher.expect_ack(AckKind::PubAck, id);
        }
        seen += 500;
    }
    assert!(wrapped);
}

/// [MQTT-4.3.2-3], [MQTT-4.3.3-3], [MQTT-4.4.0-1], [MQTT-3.3.1-1], [MQTT-4.6.0-1], and [MQTT-4.4.0-1] of 3.1.1: what
/// was not acknowledged comes again: in its order, with DUP, under its identifier; nothing else does.
#[test]
fn unacknowledged_messages_come_again_after_a_reconnect() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let (mut client, mut publisher) = pair(&broker, version);
        for n in 0..6 {
            send(&mut publisher, if n % 2 == 0 { Q1 } else { Q2 }, "a", &[b'0' + n]);
        }
        let first: Vec<_> = (0..6).map(|_| client.expect_publish()).collect();
        assert!(first.iter().all(|message| !message.dup));
        // One QoS 1 message is done, one QoS 2 message half.
        client.ack(AckKind::PubAck, first[2].packet_id);
        client.ack(AckKind::PubRec, first[3].packet_id);
        client.expect_ack(AckKind::PubRel, first[3].packet_id);
        client.cut();
        let mut client = broker.connect(&connect(version));
        for message in first.iter().filter(|message| message.payload != b"2") {
            if message.payload == b"3" {
                // [MQTT-4.3.3-6]: not the PUBLISH again.
                client.expect_ack(AckKind::PubRel, message.packet_id);
                continue;
            }
            let again = client.expect_publish();
            assert!(again.dup);
            assert_eq!(Message { dup: false, ..again }, *message);
        }
        client.expect_nothing();
        forget(&broker, client);
    }
}

/// [MQTT-4.4.0-1]: at no other time.
#[test]
fn nothing_comes_again_on_the_same_connection() {
    let broker = InProcess::start();
    let (mut client, mut publisher) = pair(&broker, V5);
    send(&mut publisher, Q1, "a", b"1");
    send(&mut publisher, Q2, "a", b"2");
    let held = [client.expect_publish(), client.expect_publish()];
    std::thread::sleep(std::time::Duration::from_millis(700));
    client.expect_nothing();
    assert!(held.iter().all(|message| !message.dup));
}

/// [MQTT-4.3.3-4], [MQTT-4.3.3-5], [MQTT-2.2.1-5]: PUBREL for PUBREC, and again after a reconnect until PUBCOMP.
#[test]
fn pubrel_is_repeated_until_pubcomp() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let (mut client, mut publisher) = pair(&broker, version);
        send(&mut publisher, Q2, "a", b"x");
        let id = client.expect_publish().packet_id;
        client.ack(AckKind::PubRec, id);
        client.expect_ack(AckKind::PubRel, id);
        // A repeated PUBREC has its PUBREL too.
        client.ack(AckKind::PubRec, id);
        client.expect_ack(AckKind::PubRel, id);
        for _ in 0..2 {
            client.cut();
            client = broker.connect(&connect(version));
            client.expect_ack(AckKind::PubRel, id);
        }
        client.ack(AckKind::PubComp, id);
        client.expect_nothing();
        client.cut();
        let mut client = broker.connect(&connect(version));
        client.expect_nothing();
        forget(&broker, client);
    }
}

/// [MQTT-4.3.3-4], [MQTT-4.4.0-2], K27's neighbour: a refusal ends it; no PUBREL, nothing again.
#[test]
fn a_refused_message_is_done() {
    let broker = InProcess::start();
    let (mut client, mut publisher) = pair(&broker, V5);
    for reason in [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] {
        send(&mut publisher, Q1, "a", b"x");
        send(&mut publisher, Q2, "a", b"x");
        let ids = [
            client.expect_publish().packet_id,
            client.expect_publish().packet_id,
        ];
        client.ack_with(AckKind::PubAck, ids[0], reason);
        client.ack_with(AckKind::PubRec, ids[1], reason);
        client.expect_nothing();
    }
    client.cut();
    broker.connect(&connect(V5)).expect_nothing();
}

/// [MQTT-3.6.2-1], [MQTT-3.7.2-1], sections 3.5.2 and 3.6.2: identifiers nobody knows.
#[test]
fn unknown_identifiers_are_answered_and_harm_nothing() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let unknown = if version == V5 { 0x92 } else { 0 };
        let mut client = broker.connect(&Connect::new(version, "c"));
        client.ack(AckKind::PubRel, 77);
        assert_eq!(client.expect_ack(AckKind::PubComp, 77), unknown);
        client.ack(AckKind::PubRec, 78);
        assert_eq!(client.expect_ack(AckKind::PubRel, 78), unknown);
        client.ack(AckKind::PubComp, 78);
        client.ack(AckKind::PubAck, 79);
        client.ack(AckKind::PubComp, 80);
        if version == V5 {
            client.ack_with(AckKind::PubComp, 81, 0x92);
            client.ack_with(AckKind::PubRec, 82, 0x80);
            client.ack_with(AckKind::PubAck, 83, 0x80);
        }
        client.expect_nothing();
    }
}

/// Sections 4.3.2 and 4.3.3: an acknowledgement of the wrong kind is a protocol error.
#[test]
fn acknowledgements_of_the_wrong_kind_end_the_connection() {
    let broker = InProcess::start();
    for version in VERSIONS {
        for (qos, kind) in [
            (Q1, AckKind::PubRec),
            (Q1, AckKind::PubComp),
            (Q2, AckKind::PubAck),
            (Q2, AckKind::PubComp),
        ] {
            let mut client = broker.connect(&Connect::new(version, "c"));
            client.subscribe(&[("a", Q2)]);
            send(&mut broker.connect(&Connect::v5("p")), qos, "a", b"x");
            let id = client.expect_publish().packet_id;
            client.ack(kind, id);
            expect_thrown_out(&mut client, 0x82);
        }
    }
}

/// [MQTT-3.6.1-1], [MQTT-2.1.3-1], and [MQTT-3.6.1-1] of 3.1.1. 3.1 knows DUP on PUBREL.
#[test]
fn acknowledgements_have_their_flags() {
    let broker = InProcess::start();
    for version in VERSIONS {
        for (kind, right) in [(0x40, 0), (0x50, 0), (0x60, 2), (0x70, 0)] {
            for flags in (0..16).filter(|&flags| flags != right) {
                let mut client = broker.connect(&Connect::new(version, "c"));
                client.must_send(&[kind | flags, 2, 0, 9]);
                if kind == 0x60 && flags == 10 && version == Version::V31 {
                    client.expect_ack(AckKind::PubComp, 9);
                } else {
                    expect_thrown_out(&mut client, 0x81);
                }
            }
        }
    }
}

/// [MQTT-3.4.2-1], [MQTT-3.5.2-1], [MQTT-3.6.2-1], [MQTT-3.7.2-1] from the other side: codes that are none.
#[test]
fn acknowledgements_have_codes_of_their_own() {
    let broker = InProcess::start();
    for (first, code) in [
        (0x40, 0x01),
        (0x40, 0x92),
        (0x50, 0x18),
        (0x62, 0x10),
        (0x62, 0x80),
        (0x70, 0x97),
        (0x40, 0xff),
    ] {
        let mut client = broker.connect(&Connect::v5("c"));
        client.must_send(&[first, 3, 0, 9, code]);
        expect_thrown_out(&mut client, 0x82);
    }
    let mut client = broker.connect(&Connect::v5("c"));
    for first in [0x40, 0x50, 0x70] {
        for properties in [
            vec![],
            say::block(&[&say::property(0x1f, "because"), &say::user("k", "v")]),
        ] {
            client.must_send(&say::frame(
                first,
                &[&[0, 9, if first == 0x70 { 0x92 } else { 0x80 }], &properties],
            ));
        }
    }
    client.expect_nothing();
}

/// [MQTT-4.5.0-1], K8: an acknowledged message is not sent again, whatever becomes of the connection.
#[test]
fn acknowledged_messages_do_not_come_again() {
    // One at a time, so that what is taken is all that was sent.
    let broker = InProcess::with(|settings| settings.session.inflight = 1);
    for version in VERSIONS {
        let (mut client, mut publisher) = pair(&broker, version);
        for n in 0..50 {
            send(&mut publisher, if n % 3 == 0 { Q2 } else { Q1 }, "a", &[b'0' + n]);
        }
        assert_eq!(client.take_publishes(25).len(), 25);
        client.cut();
        let mut client = broker.connect(&connect(version));
        let rest: Vec<_> = client
            .take_publishes(25)
            .iter()
            .map(|message| message.payload[0] - b'0')
            .collect();
        assert_eq!(rest, (25..50).collect::<Vec<_>>());
        client.expect_nothing();
        forget(&broker, client);
    }
}
