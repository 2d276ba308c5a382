//! PINGREQ and PINGRESP (sections 3.12 and 3.13).

use crate::house::*;

/// [MQTT-3.12.4-1]
#[test]
fn every_pingreq_has_its_pingresp() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c"));
        client.must_send(&[0xc0, 0].repeat(1000));
        for _ in 0..1000 {
            assert_eq!(client.expect(), Received::PingResp);
        }
        client.expect_nothing();
    }
}

/// [MQTT-2.1.3-1]: a PINGREQ has no flags, and no body.
#[test]
fn a_pingreq_is_two_bytes() {
    let broker = InProcess::start();
    for version in VERSIONS {
        for ping in [&b"\xc1\x00"[..], b"\xc2\x00", b"\xc8\x00", b"\xc0\x01\x00"] {
            let mut client = broker.connect(&Connect::new(version, "c"));
            client.must_send(ping);
            expect_thrown_out(&mut client, 0x81);
        }
    }
}
