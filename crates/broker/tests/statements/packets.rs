//! The codec's table of packets through real sockets: section 2, and everything malformed.

use std::time::Duration;

use restante_codec::table::{Expect, LIMITS, Row, rows};
use restante_codec::version::connack_return_code;
use restante_codec::{Decoded, decode};

use crate::house::*;

/// How long silence is listened to.
const SILENCE: Duration = Duration::from_millis(100);

fn house() -> InProcess {
    InProcess::with(|settings| settings.session.packet_size_max = LIMITS.packet_size_max)
}

/// A client at the point where the row's bytes come.
fn at_the_row(broker: &InProcess, row: &Row) -> Client {
    match row.version {
        Some(version) => broker.connect(&Connect::new(version, row.name)),
        None => broker.open(),
    }
}

/// What the client must see: a packet's bytes, or nothing, before the close.
fn check_refusal(client: &mut Client, row: &Row, code: u8) {
    let answer = match row.version {
        Some(version) => (version == V5).then_some((0xe0, code)),
        // A refused CONNECT is answered in the words of the version it asked for, if it has any for this.
        None => {
            let error = decode(&row.bytes, None, &LIMITS).expect_err("refused rows are refused");
            match error.version() {
                Some(Version::V5) => Some((0x20, code)),
                Some(_) => connack_return_code(code).map(|code| (0x20, code)),
                None => None,
            }
        }
    };
    let Some((first, code)) = answer else {
        return client.expect_closed();
    };
    if row.version.is_none() {
        let asked = decode(&row.bytes, None, &LIMITS).map_err(|error| error.version());
        client.speak(asked.expect_err("refused").expect("it could be answered"));
    }
    let bytes = client.expect_bytes();
    assert_eq!(bytes[0], first, "{}: {bytes:02x?}", row.name);
    let at = if first == 0xe0 { 2 } else { 3 };
    assert_eq!(bytes[at], code, "{}: {bytes:02x?}", row.name);
    client.expect_closed();
}

/// The code is sent before the close [MQTT-4.13.1-1], [MQTT-3.1.4-1], [MQTT-2.1.3-1], [MQTT-1.5.4-1], [MQTT-1.5.4-2],
/// [MQTT-1.5.5-1], and another client goes on undisturbed.
#[test]
fn malformed_packets_are_answered_and_the_connection_closed() {
    let broker = house();
    let mut witness = broker.connect(&Connect::v5("witness"));
    witness.subscribe(&[("witness", Q1)]);
    let mut refused = 0;
    for row in rows() {
        let Expect::Refused(code) = row.expect else {
            continue;
        };
        let mut client = at_the_row(&broker, &row);
        client.must_send(&row.bytes);
        check_refusal(&mut client, &row, code);
        refused += 1;
    }
    assert!(refused > 150, "{refused} rows");
    witness.publish_acked("elsewhere", b"");
    witness.publish(&Publish::qos0("witness", b"still here"));
    assert_eq!(payloads(&mut witness, 1), ["still here"]);
}

/// What is valid is never called malformed; where the broker still ends the connection (DISCONNECT, an alias nobody
/// set, AUTH without a method) it does so for another reason.
#[test]
fn valid_packets_are_taken() {
    let broker = house();
    for row in rows() {
        if !matches!(row.expect, Expect::Valid | Expect::ValidOtherwise) {
            continue;
        }
        let mut client = at_the_row(&broker, &row);
        client.must_send(&row.bytes);
        if row.version.is_none() {
            let Ok(Decoded::Packet { packet, .. }) = decode(&row.bytes, None, &LIMITS) else {
                panic!("{}: not valid", row.name);
            };
            let restante_codec::packet::Packet::Connect(connect) = packet else {
                panic!("{}: not a CONNECT", row.name);
            };
            client.speak(connect.version);
            if connect.maximum_packet_size.is_some_and(|size| size < 20) {
                // No CONNACK fits.
                client.expect_closed();
                continue;
            }
            let reason = expect_connack(&mut client);
            assert!(matches!(reason, 0 | 2 | 0x8c), "{}: {reason:#04x}", row.name);
            continue;
        }
        // The broker may be closing already.
        let _ = client.send(&[0xc0, 0]);
        loop {
            match client.receive(PATIENCE) {
                Ok(Received::PingResp) => break,
                Ok(Received::Disconnect(reason)) => {
                    assert!(matches!(reason, 0x82 | 0x94), "{}: {reason:#04x}", row.name);
                }
                Ok(_) => {}
                Err(_) => {
                    let leaves = matches!(row.bytes[0] >> 4, 14 | 15);
                    let aliased = row.bytes[0] >> 4 == 3;
                    assert!(leaves || aliased, "{}: closed", row.name);
                    break;
                }
            }
        }
    }
}

/// A part of a packet is waited for: no answer, no close.
#[test]
fn parts_of_packets_are_waited_for() {
    let broker = house();
    let mut waiting = Vec::new();
    for row in rows() {
        if let Expect::NeedMore(_) = row.expect {
            let mut client = at_the_row(&broker, &row);
            client.must_send(&row.bytes);
            waiting.push((row.name, client));
        }
    }
    assert!(waiting.len() > 4);
    std::thread::sleep(SILENCE);
    for (name, mut client) in waiting {
        let got = client.receive(Duration::from_millis(1));
        assert!(
            matches!(got, Err(restante_testkit::Ended::Silent)),
            "{name}: {got:?}"
        );
    }
}
