//! Keep alive (sections 3.1.2.10 and 3.2.2.3.14).

use std::time::{Duration, Instant};

use crate::house::*;

/// [MQTT-3.2.2-21], [MQTT-3.2.2-22], [MQTT-3.1.2-21]: our cap is told, and else what the client said counts.
#[test]
fn a_capped_keep_alive_is_told() {
    let broker = InProcess::with(|settings| settings.session.keep_alive_max = 30);
    for (asked, told) in [
        (10, None),
        (30, None),
        (31, Some(30)),
        (0, Some(30)),
        (u16::MAX, Some(30)),
    ] {
        let client = broker.connect(&Connect::v5("c").keep_alive(asked));
        assert_eq!(client.connack().server_keep_alive, told, "{asked}");
    }
    // Never refuses who cannot be told.
    broker
        .connect(&Connect::v311("c").keep_alive(600))
        .expect_nothing();
}

/// [MQTT-3.1.2-20] from the server's side, [MQTT-3.1.2-22]: silence of one and a half keep-alives ends it.
#[test]
fn silence_beyond_the_keep_alive_ends_the_connection() {
    let broker = InProcess::start();
    let mut clients: Vec<_> = VERSIONS
        .iter()
        .map(|&version| {
            let id = format!("c{version:?}");
            let will = Will::new("will", id.as_bytes());
            broker.connect(&Connect::new(version, &id).keep_alive(1).will(will))
        })
        .collect();
    let mut witness = broker.connect(&Connect::v5("witness"));
    witness.subscribe(&[("will", Q0)]);
    let started = Instant::now();
    for client in &mut clients {
        expect_thrown_out(client, 0x8d);
    }
    assert!(started.elapsed() >= Duration::from_millis(1400), "too soon");
    // As if the network had failed: the wills come.
    assert_eq!(payloads(&mut witness, 3).len(), 3);
}

/// [MQTT-3.1.2-22]: any packet counts, and a part of one does not end the waiting.
#[test]
fn packets_keep_a_connection_alive() {
    let broker = InProcess::start();
    let mut client = broker.connect(&Connect::v311("c").keep_alive(2));
    let until = Instant::now() + Duration::from_millis(3500);
    let mut id = 0;
    while Instant::now() < until {
        std::thread::sleep(Duration::from_millis(700));
        id += 1;
        client.publish(&Publish::qos0("a", &[id]));
    }
    client.expect_nothing();
    // A client that dribbles bytes of one packet is silent.
    client.must_send(b"\x30\x7f\0\x01a");
    let mut alive = 0;
    while client.send(b"x").is_ok() && alive < 40 {
        std::thread::sleep(Duration::from_millis(250));
        alive += 1;
    }
    assert!(alive < 40, "a packet that never ends counts as a sign of life");
    client.expect_closed();
}

/// [MQTT-3.1.2-22]: a keep-alive of 0 is none.
#[test]
fn a_keep_alive_of_0_is_none() {
    let broker = InProcess::start();
    let mut client = broker.connect(&Connect::v311("c").keep_alive(0));
    std::thread::sleep(Duration::from_millis(1800));
    client.expect_nothing();
}
