//! What the tests of this folder have in common.

pub(crate) use restante_codec::packet::{AckKind, Version};
pub(crate) use restante_model::{QoS, RetainHandling, SubscriptionOptions};
pub(crate) use restante_testkit::client::PATIENCE;
pub(crate) use restante_testkit::received::{Message, Received};
pub(crate) use restante_testkit::{Client, Connect, InProcess, Publish, Will};

/// All that are spoken.
pub(crate) const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];
pub(crate) const V5: Version = Version::V5;
pub(crate) const Q0: QoS = QoS::AtMostOnce;
pub(crate) const Q1: QoS = QoS::AtLeastOnce;
pub(crate) const Q2: QoS = QoS::ExactlyOnce;

/// Options with a QoS and nothing else.
pub(crate) fn at(qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions {
        qos,
        ..SubscriptionOptions::default()
    }
}

/// A PUBLISH at any QoS under packet identifier `packet_id` (left out at QoS 0).
pub(crate) fn publish(qos: QoS, packet_id: u16, topic: &str, payload: &[u8]) -> Publish {
    match qos {
        QoS::AtMostOnce => Publish::qos0(topic, payload),
        QoS::AtLeastOnce => Publish::qos1(packet_id, topic, payload),
        QoS::ExactlyOnce => Publish::qos2(packet_id, topic, payload),
    }
}

/// Publishes and takes whatever the QoS asks for, to its end.
pub(crate) fn send(client: &mut Client, qos: QoS, topic: &str, payload: &[u8]) {
    match qos {
        QoS::AtMostOnce => {
            client.publish(&Publish::qos0(topic, payload));
            // It has been taken when what comes behind it was.
            client.expect_nothing();
        }
        QoS::AtLeastOnce => client.publish_acked(topic, payload),
        QoS::ExactlyOnce => client.publish_completed(topic, payload),
    }
}

/// The payloads of the next `count` messages, each acknowledged to its end.
pub(crate) fn payloads(client: &mut Client, count: usize) -> Vec<String> {
    client.take_publishes(count).into_iter().map(text_of).collect()
}

/// A message's payload as text.
pub(crate) fn text_of(message: Message) -> String {
    String::from_utf8(message.payload).expect("payloads of these tests are text")
}

/// The next packet must be a SUBACK; returns its reasons.
pub(crate) fn expect_suback(client: &mut Client, packet_id: u16) -> Vec<u8> {
    match client.expect() {
        Received::SubAck(id, reasons) if id == packet_id => reasons,
        other => panic!("expected SUBACK {packet_id}, got {other:?}"),
    }
}

/// The next packet must be a CONNACK; returns its reason.
pub(crate) fn expect_connack(client: &mut Client) -> u8 {
    match client.expect() {
        Received::ConnAck(connack) => connack.reason,
        other => panic!("expected CONNACK, got {other:?}"),
    }
}

/// The server says why (5.0) or nothing (3.x), and closes.
pub(crate) fn expect_thrown_out(client: &mut Client, reason: u8) {
    if client.version() == V5 {
        assert_eq!(client.expect_disconnect(), reason);
    }
    client.expect_closed();
}
