//! Valid packets of every kind, by chance.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use restante_codec::packet::{AckKind, Version};
use restante_model::{QoS, RetainHandling, SubscriptionOptions};

pub(crate) fn version() -> impl Strategy<Value = Version> {
    select(vec![Version::V31, Version::V311, Version::V5])
}

/// Text as MQTT has it: anything but U+0000.
pub(crate) fn text() -> impl Strategy<Value = String> {
    vec(
        any::<char>().prop_filter("U+0000", |&letter| letter != '\0'),
        0..24,
    )
    .prop_map(String::from_iter)
}

pub(crate) fn topic() -> impl Strategy<Value = String> {
    text().prop_map(|text| {
        if text.is_empty() {
            "/".to_owned()
        } else {
            text.replace(['+', '#'], "/")
        }
    })
}

pub(crate) fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..300)
}

pub(crate) fn packet_id() -> impl Strategy<Value = std::num::NonZeroU16> {
    any::<std::num::NonZeroU16>()
}

pub(crate) fn qos() -> impl Strategy<Value = QoS> {
    select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

pub(crate) fn ack_kind() -> impl Strategy<Value = AckKind> {
    select(vec![
        AckKind::PubAck,
        AckKind::PubRec,
        AckKind::PubRel,
        AckKind::PubComp,
    ])
}

/// User properties, encoded.
pub(crate) fn user_properties() -> impl Strategy<Value = Vec<u8>> {
    vec((text(), text()), 0..3).prop_map(|pairs| {
        let mut block = Vec::new();
        for (name, value) in pairs {
            block.push(0x26);
            put(name.as_bytes(), &mut block);
            put(value.as_bytes(), &mut block);
        }
        block
    })
}

/// What goes on to subscribers, encoded.
pub(crate) fn message_properties() -> impl Strategy<Value = Vec<u8>> {
    let parts = (
        option::of(0..=1_u8),
        option::of(text()),
        option::of(topic()),
        option::of(bytes()),
        user_properties(),
        user_properties(),
    );
    parts.prop_map(
        |(format, content_type, response_topic, correlation, before, behind)| {
            let mut block = before;
            if let Some(format) = format {
                block.extend_from_slice(&[0x01, format]);
            }
            if let Some(text) = content_type {
                block.push(0x03);
                put(text.as_bytes(), &mut block);
            }
            block.extend_from_slice(&behind);
            if let Some(topic) = response_topic {
                block.push(0x08);
                put(topic.as_bytes(), &mut block);
            }
            if let Some(data) = correlation {
                block.push(0x09);
                put(&data, &mut block);
            }
            block
        },
    )
}

pub(crate) fn options_5() -> impl Strategy<Value = SubscriptionOptions> {
    let handling = select(vec![
        RetainHandling::Always,
        RetainHandling::IfNew,
        RetainHandling::Never,
    ]);
    (qos(), any::<bool>(), any::<bool>(), handling).prop_map(
        |(qos, no_local, retain_as_published, retain_handling)| SubscriptionOptions {
            qos,
            no_local,
            retain_as_published,
            retain_handling,
            identifier: None,
        },
    )
}

pub(crate) fn put(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}
