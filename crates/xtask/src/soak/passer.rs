//! Sessions that pass by: what they leave in the broker must be nothing.

use std::{sync::atomic::Ordering::Relaxed, thread, time::Duration};

use restante_model::QoS;
use restante_testkit::{Client, Connect, Ended, Publish, Received, Will};

use super::{chance::Chance, field::Field};

/// Different names of one passer: as many sessions, at most, that have yet to expire.
const NAMES: u64 = 1000;

/// Different topics of retained messages of one passer.
const RETAINED: u64 = 50;

/// Comes under one name after another: subscribes, publishes a retained message, has a will, and leaves, or is gone;
/// some sessions outlive their connection by a second.
pub(crate) fn run(field: &Field, passer: u64, mut chance: Chance) {
    let mut visit = 0;
    while !field.publishing_is_over() {
        visit += 1;
        let name = format!("soak-passer-{passer}-{}", visit % NAMES);
        let topic = format!("soak/passing/{passer}/{}", visit % RETAINED);
        let will = Will::new(&topic, b"gone")
            .qos(QoS::AtLeastOnce)
            .delay(u32::from(chance.once_in(2)));
        let connect = match visit % 3 {
            0 => Connect::v31(&name),
            1 => Connect::v311(&name),
            _ => Connect::v5(&name).session_expiry(1),
        };
        let Ok(mut client) = Client::try_connect(field.address(), &connect.will(will)) else {
            field.pause();
            continue;
        };
        field.connections.fetch_add(1, Relaxed);
        if let Err(Ended::Malformed(what)) = pass(&mut client, &topic, visit) {
            field.find(format!("passer {passer}: {what}"));
        }
        if chance.once_in(2) {
            client.cut();
        }
        thread::sleep(chance.up_to(Duration::from_millis(50)));
    }
}

fn pass(client: &mut Client, topic: &str, visit: u64) -> Result<(), Ended> {
    let mut bytes = Vec::new();
    // Every other time it is cleared again.
    let payload = if visit.is_multiple_of(2) {
        &b""[..]
    } else {
        &b"state"[..]
    };
    let version = client.version();
    let subscribe = restante_codec::packet::Subscribe {
        packet_id: restante_testkit::sending::identifier(1),
        filters: vec![("soak/passing/#", restante_model::SubscriptionOptions::default())],
    };
    restante_codec::client::subscribe(version, &subscribe, &mut bytes)
        .map_err(|error| Ended::Malformed(error.to_string()))?;
    Publish::qos1(2, topic, payload)
        .retain()
        .write(version, &mut bytes);
    client.send(&bytes).map_err(Ended::Broken)?;
    loop {
        match client.receive(Duration::from_secs(20)) {
            Ok(Received::Ack(ack)) if ack.packet_id == 2 => return Ok(()),
            Ok(Received::Publish(_) | Received::SubAck(..)) => {}
            Ok(Received::Disconnect(_)) => return Ok(()),
            Ok(other) => return Err(Ended::Malformed(format!("{other:?} came to a passer"))),
            Err(Ended::Silent) => return Err(Ended::Malformed("no PUBACK in 20 s".to_owned())),
            Err(ended) => return Err(ended),
        }
    }
}
