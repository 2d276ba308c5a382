//! DISCONNECT from both sides (sections 3.14 and 4.13).

use crate::house::*;
use crate::say;

/// [MQTT-3.14.4-2], [MQTT-3.14.4-1], and [MQTT-3.14.4-1] of 3.1.1: we close, and take nothing that comes behind it.
#[test]
fn what_follows_a_disconnect_is_not_taken() {
    let broker = InProcess::start();
    let mut witness = broker.connect(&Connect::v5("witness"));
    witness.subscribe(&[("#", Q0)]);
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c"));
        let mut bytes = vec![0xe0, 0];
        Publish::qos0("a", b"x").write(version, &mut bytes);
        client.must_send(&bytes);
        client.expect_closed();
        broker.wait_for_connections(1);
    }
    witness.expect_nothing();
    witness.publish(&Publish::qos0("marker", b"marker"));
    assert_eq!(payloads(&mut witness, 1), ["marker"]);
}

/// What was published before a DISCONNECT in the same write is taken.
#[test]
fn what_precedes_a_disconnect_is_taken() {
    let broker = InProcess::start();
    let mut witness = broker.connect(&Connect::v5("witness"));
    witness.subscribe(&[("#", Q2)]);
    for version in VERSIONS {
        let mut client = broker.open();
        let mut bytes = Connect::new(version, "c").bytes();
        for (id, qos) in [(1, Q0), (2, Q1), (3, Q2)] {
            publish(qos, id, "a", b"x").write(version, &mut bytes);
        }
        bytes.extend_from_slice(&[0xe0, 0]);
        client.must_send(&bytes);
        assert_eq!(payloads(&mut witness, 3), ["x", "x", "x"]);
    }
}

/// [MQTT-3.14.1-1], and [MQTT-3.14.1-1] of 3.1.1
#[test]
fn disconnect_has_no_flags() {
    let broker = InProcess::start();
    let mut witness = broker.connect(&Connect::v5("witness"));
    witness.subscribe(&[("will", Q0)]);
    for version in VERSIONS {
        for flags in 1..16 {
            let mut client = broker.connect(&Connect::new(version, "c").will(Will::new("will", b"gone")));
            client.must_send(&[0xe0 | flags, 0]);
            expect_thrown_out(&mut client, 0x81);
            // It was no DISCONNECT.
            assert_eq!(payloads(&mut witness, 1), ["gone"]);
        }
    }
}

/// [MQTT-3.14.2-1] from the other side, section 3.14.2.1: reasons a client cannot have.
#[test]
fn disconnect_has_reasons_of_its_own() {
    let broker = InProcess::start();
    for reason in [
        0x01, 0x02, 0x10, 0x84, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x9c, 0x9d, 0xa0, 0xff,
    ] {
        let mut client = broker.connect(&Connect::v5("c"));
        client.must_send(&[0xe0, 1, reason]);
        expect_thrown_out(&mut client, 0x82);
    }
}

/// In 3.x it has no body.
#[test]
fn disconnect_of_3x_is_two_bytes() {
    let broker = InProcess::start();
    for version in [Version::V31, Version::V311] {
        let mut client = broker.connect(&Connect::new(version, "c"));
        client.must_send(&[0xe0, 1, 0]);
        client.expect_closed();
    }
}

/// Section 3.14.2: all forms of a normal one.
#[test]
fn every_form_of_disconnect_is_taken() {
    let broker = InProcess::start();
    let everything = say::block(&[
        &[0x11, 0, 0, 0, 9],
        &say::property(0x1f, "tired"),
        &say::user("k", "v"),
    ]);
    for disconnect in [
        vec![0xe0, 0],
        vec![0xe0, 1, 0],
        vec![0xe0, 2, 0, 0],
        say::frame(0xe0, &[&[0], &everything]),
    ] {
        let mut client = broker.connect(&Connect::v5("c").persistent());
        client.must_send(&disconnect);
        client.expect_closed();
    }
}

/// [MQTT-3.14.0-1], [MQTT-4.13.2-1]: before CONNACK there is no DISCONNECT.
#[test]
fn no_disconnect_comes_before_connack() {
    let broker = InProcess::start();
    for bytes in [
        say::connect("MQTT", 5, 3, &[&say::field("c")]),
        say::connect_5("c", &[&say::property(0x15, "x")]),
    ] {
        let mut client = broker.open();
        client.speak(V5);
        client.must_send(&bytes);
        assert!(expect_connack(&mut client) >= 0x80);
        client.expect_closed();
    }
}

/// [MQTT-3.14.2-2], [MQTT-3.14.2-1]: DISCONNECT of ours has a reason, and no session expiry interval.
#[test]
fn our_disconnect_has_no_session_expiry() {
    let broker = InProcess::start();
    let mut client = broker.connect(&Connect::v5("c").persistent());
    client.must_send(&[0xc1, 0]);
    let bytes = client.expect_bytes();
    assert_eq!((bytes[0], bytes[2]), (0xe0, 0x81));
    // The reason string is the only property.
    assert!(
        bytes.len() == 3 || bytes[3] == 0 || bytes[4] == 0x1f,
        "{bytes:02x?}"
    );
    client.expect_closed();
}

/// [MQTT-4.13.1-1], section 4.13: the code arrives although more comes behind the error than we ever read.
#[test]
fn the_code_arrives_whatever_comes_behind_the_error() {
    let broker = InProcess::start();
    let mut client = broker.connect(&Connect::v5("c"));
    let mut bytes = b"\x30\x04\0\x02a#".to_vec();
    bytes.resize(300_000, 0x55);
    client.must_send(&bytes);
    assert_eq!(client.expect_disconnect(), 0x90);
    client.expect_closed();
}

/// [MQTT-4.13.1-1]: what was right before the error is done, and answered.
#[test]
fn packets_before_the_error_count() {
    let broker = InProcess::start();
    let mut witness = broker.connect(&Connect::v5("witness"));
    witness.subscribe(&[("a", Q0)]);
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c"));
        let mut bytes = Vec::new();
        Publish::qos0("a", b"before").write(version, &mut bytes);
        bytes.extend_from_slice(b"\xc1\x00");
        Publish::qos0("a", b"behind").write(version, &mut bytes);
        client.must_send(&bytes);
        expect_thrown_out(&mut client, 0x81);
        assert_eq!(payloads(&mut witness, 1), ["before"]);
    }
    witness.expect_nothing();
}

/// Section 4.13: a broker that stops says so.
#[test]
fn a_broker_that_stops_says_so() {
    let mut broker = InProcess::start();
    let mut clients: Vec<_> = VERSIONS
        .iter()
        .map(|&version| broker.connect(&Connect::new(version, &format!("{version:?}"))))
        .collect();
    let watching = std::thread::spawn(move || {
        for client in &mut clients {
            expect_thrown_out(client, 0x8b);
        }
    });
    broker.stop();
    watching.join().expect("told");
}

/// Packets that only a server sends are none of a client's.
#[test]
fn packets_of_servers_are_refused() {
    let broker = InProcess::start();
    for version in VERSIONS {
        for packet in [
            &b"\x20\x02\0\0"[..],
            b"\x90\x03\0\x01\0",
            b"\xb0\x02\0\x01",
            b"\xd0\x00",
        ] {
            let mut client = broker.connect(&Connect::new(version, "c"));
            client.must_send(packet);
            expect_thrown_out(&mut client, 0x82);
        }
    }
}
