//! The test client against a broker that is not ours: what it sends and reads is MQTT to others too.
//!
//! Skipped, with a sentence, where mosquitto is not installed, unless `CI=true`.

use restante_codec::packet::AckKind;
use restante_model::QoS;
use restante_testkit::mosquitto::Mosquitto;
use restante_testkit::{Client, Connect, Publish, Will, tools};

fn mosquitto() -> Option<Mosquitto> {
    tools::program("mosquitto")?;
    Mosquitto::start()
}

#[test]
fn every_version_publishes_and_receives_at_every_qos() {
    let Some(broker) = mosquitto() else { return };
    for connect in [Connect::v31("all"), Connect::v311("all"), Connect::v5("all")] {
        let mut client = Client::connect(broker.address(), &connect);
        assert_eq!(client.subscribe(&[("a/+", QoS::ExactlyOnce)]), [2]);
        client.publish(&Publish::qos0("a/0", b"zero"));
        client.publish(&Publish::qos1(7, "a/1", b"one"));
        client.publish(&Publish::qos2(8, "a/2", b"two"));
        let mut seen = Vec::new();
        let (mut puback, mut pubcomp) = (false, false);
        while seen.len() < 3 || !puback || !pubcomp {
            match client.expect() {
                restante_testkit::Received::Publish(message) => {
                    match message.qos {
                        QoS::AtMostOnce => {}
                        QoS::AtLeastOnce => client.ack(AckKind::PubAck, message.packet_id),
                        QoS::ExactlyOnce => client.ack(AckKind::PubRec, message.packet_id),
                    }
                    seen.push(message.payload);
                }
                restante_testkit::Received::Ack(ack) => match ack.kind {
                    AckKind::PubAck => puback = ack.packet_id == 7,
                    AckKind::PubRec => client.ack(AckKind::PubRel, ack.packet_id),
                    AckKind::PubComp => pubcomp = ack.packet_id == 8,
                    AckKind::PubRel => client.ack(AckKind::PubComp, ack.packet_id),
                },
                other => panic!("unexpected {other:?}"),
            }
        }
        seen.sort();
        assert_eq!(seen, [b"one".to_vec(), b"two".to_vec(), b"zero".to_vec()]);
        client.disconnect();
    }
}

#[test]
fn a_session_waits_and_is_taken_up_with_what_was_in_flight() {
    let Some(broker) = mosquitto() else { return };
    let connect = Connect::v5("waits").persistent();
    let mut away = Client::connect(broker.address(), &connect);
    assert!(!away.session_present());
    away.subscribe(&[("w/#", QoS::AtLeastOnce)]);
    let mut publisher = Client::connect(broker.address(), &Connect::v311("publishes"));
    publisher.publish_acked("w/1", b"in flight");
    let first = away.expect_publish();
    away.cut();
    publisher.publish_completed("w/2", b"queued");
    let mut back = Client::connect(broker.address(), &connect);
    assert!(back.session_present());
    let messages = back.take_publishes(2);
    assert!(messages[0].dup);
    assert_eq!(messages[0].packet_id, first.packet_id);
    assert_eq!(messages[1].payload, b"queued");
    back.expect_nothing();
    back.disconnect();
}

#[test]
fn a_cut_connection_leaves_its_will() {
    let Some(broker) = mosquitto() else { return };
    let mut watcher = Client::connect(broker.address(), &Connect::v311("watches"));
    watcher.subscribe(&[("wills", QoS::AtMostOnce)]);
    let dying = Connect::v5("dies").will(Will::new("wills", b"gone"));
    Client::connect(broker.address(), &dying).cut();
    assert_eq!(watcher.expect_publish().payload, b"gone");
}
