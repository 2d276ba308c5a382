//! Packets and limits that tests vary.

use std::num::NonZeroU16;

use restante_codec::packet::{Connect, Publish, UserProperties, Version};
use restante_model::QoS;

use crate::{Terms, accept, limits::ServerLimits};

/// Limits small enough to be reached.
pub(crate) fn limits() -> ServerLimits {
    ServerLimits {
        session_expiry_3x: 3600,
        session_expiry_max: u32::MAX,
        receive_maximum: 4,
        inflight_default: 10,
        inflight_max: 20,
        packet_size_max: 1 << 20,
        keep_alive_max: 0,
        topic_alias_max: 3,
        message_expiry_max: 0,
        subscriptions_max: 3,
    }
}

/// A client that asks for nothing special.
pub(crate) fn connect(version: Version) -> Connect<'static> {
    Connect {
        version,
        bridge: false,
        clean: false,
        keep_alive: 60,
        client_id: "meter-7",
        will: None,
        username: None,
        password: None,
        session_expiry: None,
        receive_maximum: None,
        maximum_packet_size: None,
        topic_alias_maximum: 0,
        request_response_information: false,
        request_problem_information: true,
        authentication_method: None,
        authentication_data: None,
        user_properties: UserProperties(&[]),
    }
}

/// The terms such a client gets.
pub(crate) fn terms(version: Version) -> Terms {
    accept(&connect(version), &limits()).unwrap()
}

/// A publish; `packet_id` is left out at QoS 0.
pub(crate) fn publish(qos: QoS, packet_id: u16, topic: &str) -> Publish<'_> {
    Publish {
        dup: false,
        qos,
        retain: false,
        topic,
        packet_id: NonZeroU16::new(packet_id).filter(|_| qos != QoS::AtMostOnce),
        topic_alias: None,
        message_expiry: None,
        properties: &[],
        payload: b"21.5",
    }
}
