//! PUBLISH, the packet that matters for speed.

use restante_model::QoS;

use crate::error::Fault;
use crate::packet::{Publish, Version};
use crate::property::{self, Allowed, Properties, Property, Value};
use crate::reader::Reader;

/// Reads a PUBLISH from a client. The flags in `first` have been checked.
#[inline]
pub(super) fn publish(first: u8, body: &[u8], version: Version) -> Result<Publish<'_>, Fault> {
    with_properties(first, body, version, property::PUBLISH, |property, _| {
        debug_assert!(property != Property::SubscriptionIdentifier);
    })
    .map_err(|fault| match fault {
        Fault::PropertyNotAllowed(Property::SubscriptionIdentifier) => Fault::SubscriptionIdFromClient,
        other => other,
    })
}

/// Reads a PUBLISH whose properties are those in `allowed`; `also` is shown each of them.
#[inline]
pub(crate) fn with_properties<'a>(
    first: u8,
    body: &'a [u8],
    version: Version,
    allowed: Allowed,
    mut also: impl FnMut(Property, Value<'a>),
) -> Result<Publish<'a>, Fault> {
    let mut reader = Reader::new(body);
    let topic = reader.topic_name()?;
    let qos = QoS::from_bits((first >> 1) & 0b11).ok_or(Fault::PublishQos)?;
    let packet_id = match qos {
        QoS::AtMostOnce => None,
        QoS::AtLeastOnce | QoS::ExactlyOnce => Some(reader.packet_id()?),
    };
    let properties = if version.has_properties() {
        reader.block()?
    } else {
        &[]
    };
    let mut publish = Publish {
        dup: first & 0b1000 != 0,
        qos,
        retain: first & 1 != 0,
        topic,
        packet_id,
        topic_alias: None,
        message_expiry: None,
        properties,
        payload: reader.rest(),
    };
    if !properties.is_empty() {
        let mut properties = Properties::new(properties, allowed);
        while let Some((property, value)) = properties.next()? {
            match (property, value) {
                (Property::TopicAlias, Value::Number(alias)) => publish.topic_alias = Some(alias as u16),
                (Property::MessageExpiryInterval, Value::Number(seconds)) => {
                    publish.message_expiry = Some(seconds);
                }
                _ => also(property, value),
            }
        }
    }
    // An alias may stand for the topic name (5.0); nothing else may.
    if topic.is_empty() && publish.topic_alias.is_none() {
        return Err(Fault::TopicEmpty);
    }
    Ok(publish)
}
