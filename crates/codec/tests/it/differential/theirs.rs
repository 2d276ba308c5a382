//! rmqtt-codec behind the shape of ours.

use std::num::NonZero;

use bytes::BytesMut;
use restante_codec::MessageProperties;
use restante_codec::packet::*;
use restante_model::{QoS, RetainHandling, SubscriptionOptions};
use rmqtt_codec::types::{Publish as TheirPublish, QoS as TheirQos};
use rmqtt_codec::{v3, v5, version};
use tokio_util::codec::Decoder;

use crate::arbitrary::put;

/// A packet they took.
#[derive(Debug)]
pub(crate) enum Theirs {
    Three(v3::Packet),
    Five(v5::Packet),
}

/// What they make of the bytes; `None` if they refuse them or want more.
pub(crate) fn read(bytes: &[u8], version: Option<Version>) -> Option<Theirs> {
    let mut buffer = BytesMut::from(bytes);
    let version = match version {
        Some(version) => version,
        None => match version::VersionCodec.decode(&mut buffer).ok()?? {
            version::ProtocolVersion::MQTT3 => Version::V311,
            version::ProtocolVersion::MQTT5 => Version::V5,
        },
    };
    match version {
        Version::V31 | Version::V311 => {
            let packet = v3::Codec::new(100_000).decode(&mut buffer).ok()??;
            Some(Theirs::Three(packet.0))
        }
        Version::V5 => {
            let packet = v5::Codec::new(100_000, 0).decode(&mut buffer).ok()??;
            Some(Theirs::Five(packet.0))
        }
    }
}

impl Theirs {
    /// Field by field.
    pub(crate) fn assert_same(&self, ours: &Packet<'_>, name: &str) {
        match self {
            Theirs::Three(packet) => same_three(packet, ours, name),
            Theirs::Five(packet) => same_five(packet, ours, name),
        }
    }
}

fn same_three(theirs: &v3::Packet, ours: &Packet<'_>, name: &str) {
    match (theirs, ours) {
        (v3::Packet::Connect(theirs), Packet::Connect(ours)) => connect_three(theirs, ours, name),
        (v3::Packet::Publish(theirs), Packet::Publish(ours)) => publish(theirs, ours, name),
        (v3::Packet::PublishAck { packet_id }, Packet::Ack(ours)) => {
            assert_eq!(
                (AckKind::PubAck, *packet_id),
                (ours.kind, ours.packet_id),
                "{name}"
            );
        }
        (v3::Packet::PublishReceived { packet_id }, Packet::Ack(ours)) => {
            assert_eq!(
                (AckKind::PubRec, *packet_id),
                (ours.kind, ours.packet_id),
                "{name}"
            );
        }
        (v3::Packet::PublishRelease { packet_id }, Packet::Ack(ours)) => {
            assert_eq!(
                (AckKind::PubRel, *packet_id),
                (ours.kind, ours.packet_id),
                "{name}"
            );
        }
        (v3::Packet::PublishComplete { packet_id }, Packet::Ack(ours)) => {
            assert_eq!(
                (AckKind::PubComp, *packet_id),
                (ours.kind, ours.packet_id),
                "{name}"
            );
        }
        (
            v3::Packet::Subscribe {
                packet_id,
                topic_filters,
            },
            Packet::Subscribe(ours),
        ) => {
            let filters = topic_filters.iter().map(|(filter, level)| {
                (
                    &**filter,
                    SubscriptionOptions {
                        qos: qos(*level),
                        ..SubscriptionOptions::default()
                    },
                )
            });
            assert_eq!(
                &Subscribe {
                    packet_id: *packet_id,
                    filters: filters.collect()
                },
                ours,
                "{name}"
            );
        }
        (
            v3::Packet::Unsubscribe {
                packet_id,
                topic_filters,
            },
            Packet::Unsubscribe(ours),
        ) => {
            let filters = topic_filters.iter().map(|filter| &**filter).collect();
            assert_eq!(
                &Unsubscribe {
                    packet_id: *packet_id,
                    filters
                },
                ours,
                "{name}"
            );
        }
        (v3::Packet::PingRequest, Packet::PingReq) | (v3::Packet::Disconnect, Packet::Disconnect(_)) => {}
        (theirs, ours) => panic!("{name}: theirs {theirs:?}, ours {ours:?}"),
    }
}

fn same_five(theirs: &v5::Packet, ours: &Packet<'_>, name: &str) {
    match (theirs, ours) {
        (v5::Packet::Connect(theirs), Packet::Connect(ours)) => connect_five(theirs, ours, name),
        (v5::Packet::Publish(theirs), Packet::Publish(ours)) => publish(theirs, ours, name),
        (v5::Packet::PublishAck(theirs), Packet::Ack(ours)) => {
            let kind = AckKind::PubAck;
            ack(
                kind,
                theirs.packet_id,
                theirs.reason_code as u8,
                theirs.reason_string.as_deref(),
                ours,
                name,
            );
        }
        (v5::Packet::PublishReceived(theirs), Packet::Ack(ours)) => {
            let kind = AckKind::PubRec;
            ack(
                kind,
                theirs.packet_id,
                theirs.reason_code as u8,
                theirs.reason_string.as_deref(),
                ours,
                name,
            );
        }
        (v5::Packet::PublishRelease(theirs), Packet::Ack(ours)) => {
            let kind = AckKind::PubRel;
            ack(
                kind,
                theirs.packet_id,
                theirs.reason_code as u8,
                theirs.reason_string.as_deref(),
                ours,
                name,
            );
        }
        (v5::Packet::PublishComplete(theirs), Packet::Ack(ours)) => {
            let kind = AckKind::PubComp;
            ack(
                kind,
                theirs.packet_id,
                theirs.reason_code as u8,
                theirs.reason_string.as_deref(),
                ours,
                name,
            );
        }
        (v5::Packet::Subscribe(theirs), Packet::Subscribe(ours)) => subscribe_five(theirs, ours, name),
        (v5::Packet::Unsubscribe(theirs), Packet::Unsubscribe(ours)) => {
            let filters = theirs.topic_filters.iter().map(|filter| &**filter).collect();
            assert_eq!(
                &Unsubscribe {
                    packet_id: theirs.packet_id,
                    filters
                },
                ours,
                "{name}"
            );
        }
        (v5::Packet::PingRequest, Packet::PingReq) => {}
        (v5::Packet::Disconnect(theirs), Packet::Disconnect(ours)) => {
            let theirs = Disconnect {
                reason: theirs.reason_code as u8,
                session_expiry: theirs.session_expiry_interval_secs,
                reason_string: theirs.reason_string.as_deref(),
            };
            assert_eq!(&theirs, ours, "{name}");
        }
        (v5::Packet::Auth(theirs), Packet::Auth(ours)) => {
            let theirs = Auth {
                reason: theirs.reason_code as u8,
                method: theirs.auth_method.as_deref(),
                data: theirs.auth_data.as_deref(),
            };
            assert_eq!(&theirs, ours, "{name}");
        }
        (theirs, ours) => panic!("{name}: theirs {theirs:?}, ours {ours:?}"),
    }
}

fn connect_three(theirs: &v3::Connect, ours: &Connect<'_>, name: &str) {
    let will = theirs.last_will.as_ref().map(|will| Will {
        topic: &will.topic,
        payload: &will.message,
        qos: qos(will.qos),
        retain: will.retain,
        delay: 0,
        message_expiry: None,
        properties: Vec::new(),
    });
    let theirs = Connect {
        version: if theirs.protocol.level() == 3 {
            Version::V31
        } else {
            Version::V311
        },
        bridge: false,
        clean: theirs.clean_session,
        keep_alive: theirs.keep_alive,
        client_id: &theirs.client_id,
        will,
        username: theirs.username.as_deref(),
        password: theirs.password.as_deref(),
        session_expiry: None,
        receive_maximum: None,
        maximum_packet_size: None,
        topic_alias_maximum: 0,
        request_response_information: false,
        request_problem_information: true,
        authentication_method: None,
        authentication_data: None,
        user_properties: UserProperties::default(),
    };
    assert_eq!(&theirs, ours, "{name}");
}

fn connect_five(theirs: &v5::Connect, ours: &Connect<'_>, name: &str) {
    let users = users(&theirs.user_properties);
    let (will, our_will) = (&theirs.last_will, &ours.will);
    assert_eq!(will.is_some(), our_will.is_some(), "{name}");
    if let (Some(theirs), Some(ours)) = (will, our_will) {
        self::will(theirs, ours, name);
    }
    let theirs = Connect {
        version: Version::V5,
        bridge: false,
        clean: theirs.clean_start,
        keep_alive: theirs.keep_alive,
        client_id: &theirs.client_id,
        will: ours.will.clone(),
        username: theirs.username.as_deref(),
        password: theirs.password.as_deref(),
        // They do not tell absent from 0.
        session_expiry: ours.session_expiry.and(Some(theirs.session_expiry_interval_secs)),
        receive_maximum: theirs.receive_max.map(NonZero::get),
        maximum_packet_size: theirs.max_packet_size.map(NonZero::get),
        topic_alias_maximum: theirs.topic_alias_max,
        request_response_information: theirs.request_response_info,
        request_problem_information: theirs.request_problem_info,
        authentication_method: theirs.auth_method.as_deref(),
        authentication_data: theirs.auth_data.as_deref(),
        user_properties: UserProperties(&users),
    };
    assert_eq!(&theirs, ours, "{name}");
}

fn will(theirs: &v5::LastWill, ours: &Will<'_>, name: &str) {
    assert_eq!(
        (&*theirs.topic, &*theirs.message),
        (ours.topic, ours.payload),
        "{name}"
    );
    assert_eq!(
        (qos(theirs.qos), theirs.retain),
        (ours.qos, ours.retain),
        "{name}"
    );
    assert_eq!(theirs.will_delay_interval_sec.unwrap_or(0), ours.delay, "{name}");
    assert_eq!(
        theirs.message_expiry_interval.map(NonZero::get),
        ours.message_expiry,
        "{name}"
    );
    let users = users(&theirs.user_properties);
    let theirs = MessageProperties {
        payload_is_utf8: theirs.is_utf8_payload,
        content_type: theirs.content_type.as_deref(),
        response_topic: theirs.response_topic.as_deref(),
        correlation_data: theirs.correlation_data.as_deref(),
        user_properties: UserProperties(&users),
    };
    assert_eq!(theirs, MessageProperties::read(&ours.properties), "{name}");
}

fn publish(theirs: &TheirPublish, ours: &Publish<'_>, name: &str) {
    assert_eq!(
        (theirs.dup, qos(theirs.qos), theirs.retain),
        (ours.dup, ours.qos, ours.retain),
        "{name}"
    );
    assert_eq!(
        (&*theirs.topic, &*theirs.payload),
        (ours.topic, ours.payload),
        "{name}"
    );
    assert_eq!(theirs.packet_id, ours.packet_id, "{name}");
    let Some(theirs) = &theirs.properties else {
        return assert!(ours.properties.is_empty(), "{name}");
    };
    assert_eq!(theirs.topic_alias.map(NonZero::get), ours.topic_alias, "{name}");
    assert_eq!(
        theirs.message_expiry_interval.map(NonZero::get),
        ours.message_expiry,
        "{name}"
    );
    let mut read = MessageProperties::read(ours.properties);
    // They do not tell absent from 0.
    read.payload_is_utf8 = Some(read.payload_is_utf8 == Some(true));
    let users = users(&theirs.user_properties);
    let theirs = MessageProperties {
        payload_is_utf8: Some(theirs.is_utf8_payload),
        content_type: theirs.content_type.as_deref(),
        response_topic: theirs.response_topic.as_deref(),
        correlation_data: theirs.correlation_data.as_deref(),
        user_properties: UserProperties(&users),
    };
    assert_eq!(theirs, read, "{name}");
}

fn ack(
    kind: AckKind,
    packet_id: PacketId,
    reason: u8,
    reason_string: Option<&str>,
    ours: &Ack<'_>,
    name: &str,
) {
    assert_eq!(
        &Ack {
            kind,
            packet_id,
            reason,
            reason_string
        },
        ours,
        "{name}"
    );
}

fn subscribe_five(theirs: &v5::Subscribe, ours: &Subscribe<'_>, name: &str) {
    let filters = theirs.topic_filters.iter().map(|(filter, options)| {
        let handling = match options.retain_handling {
            v5::RetainHandling::AtSubscribe => RetainHandling::Always,
            v5::RetainHandling::AtSubscribeNew => RetainHandling::IfNew,
            v5::RetainHandling::NoAtSubscribe => RetainHandling::Never,
        };
        let options = SubscriptionOptions {
            qos: qos(options.qos),
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            retain_handling: handling,
            identifier: theirs.id.map(NonZero::get),
        };
        (&**filter, options)
    });
    assert_eq!(
        &Subscribe {
            packet_id: theirs.packet_id,
            filters: filters.collect()
        },
        ours,
        "{name}"
    );
}

fn qos(theirs: TheirQos) -> QoS {
    QoS::from_bits(theirs as u8).unwrap()
}

fn users<T: AsRef<str>>(pairs: &[(T, T)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in pairs {
        block.push(0x26);
        put(name.as_ref().as_bytes(), &mut block);
        put(value.as_ref().as_bytes(), &mut block);
    }
    block
}
