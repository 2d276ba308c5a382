//! Which properties of a PUBLISH (or will) go on to subscribers, and into the store.

use crate::packet::{Publish, UserProperties};
use crate::property::{Properties, Property, Value};

impl Publish<'_> {
    /// Appends the property block that goes into the store and on to subscribers: all that belongs to the message,
    /// unaltered and in order `[MQTT-3.3.2-4]`, `[MQTT-3.3.2-15]` to `[MQTT-3.3.2-20]`; not what belongs to this one
    /// hop (topic alias, subscription identifiers) nor the expiry interval, which changes while the message waits.
    pub fn write_forwarded_properties(&self, out: &mut Vec<u8>) {
        if self.topic_alias.is_none() && self.message_expiry.is_none() {
            out.extend_from_slice(self.properties);
        } else {
            write(self.properties, out);
        }
    }
}

/// Appends those properties of a checked block that are forwarded. Neighbours that stay are copied together.
pub(crate) fn write(block: &[u8], out: &mut Vec<u8>) {
    let mut properties = Properties::checked(block);
    let mut kept = block;
    loop {
        let before = properties.rest();
        match properties.next() {
            Ok(Some((property, _))) if is_forwarded(property) => {}
            Ok(Some(_)) => {
                out.extend_from_slice(&kept[..kept.len() - before.len()]);
                kept = properties.rest();
            }
            // The block was checked when it was read: an error cannot come, and would end it here.
            Ok(None) | Err(_) => {
                out.extend_from_slice(&kept[..kept.len() - before.len()]);
                return;
            }
        }
    }
}

const fn is_forwarded(property: Property) -> bool {
    matches!(
        property,
        Property::PayloadFormatIndicator
            | Property::ContentType
            | Property::ResponseTopic
            | Property::CorrelationData
            | Property::UserProperty
    )
}

/// The forwarded properties of one message, read from their block.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MessageProperties<'a> {
    /// Payload format indicator: `Some(true)` says the payload is UTF-8, `Some(false)` and `None` say nothing.
    pub payload_is_utf8: Option<bool>,
    /// Content type.
    pub content_type: Option<&'a str>,
    /// Response topic, a valid topic name.
    pub response_topic: Option<&'a str>,
    /// Correlation data.
    pub correlation_data: Option<&'a [u8]>,
    /// User properties.
    pub user_properties: UserProperties<'a>,
}

impl<'a> MessageProperties<'a> {
    /// Reads a block that was checked before; where it turns out not to be one, reading ends.
    pub fn read(block: &'a [u8]) -> MessageProperties<'a> {
        let mut read = MessageProperties {
            user_properties: UserProperties(block),
            ..Default::default()
        };
        let mut properties = Properties::checked(block);
        while let Ok(Some((property, value))) = properties.next() {
            match (property, value) {
                (Property::PayloadFormatIndicator, Value::Number(flag)) => {
                    read.payload_is_utf8 = Some(flag == 1)
                }
                (Property::ContentType, Value::Text(text)) => read.content_type = Some(text),
                (Property::ResponseTopic, Value::Text(text)) => read.response_topic = Some(text),
                (Property::CorrelationData, Value::Binary(data)) => read.correlation_data = Some(data),
                _ => {}
            }
        }
        read
    }
}

impl<'a> UserProperties<'a> {
    /// Names and values in their order; a name may stand more than once.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut properties = Properties::checked(self.0);
        std::iter::from_fn(move || {
            while let Ok(Some((_, value))) = properties.next() {
                if let Value::Pair(name, value) = value {
                    return Some((name, value));
                }
            }
            None
        })
    }
}

/// Equal when the same pairs stand in the same order, whatever else is in the blocks.
impl PartialEq for UserProperties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for UserProperties<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_belongs_to_the_message_is_forwarded() {
        let block =
            b"\x26\0\x01a\0\x01b\x02\0\0\0\x05\x01\x01\x23\0\x07\x09\0\x02xy\x26\0\x01a\0\x01c\x0b\x05";
        let mut out = b"before".to_vec();
        write(block, &mut out);
        assert_eq!(
            out,
            b"before\x26\0\x01a\0\x01b\x01\x01\x09\0\x02xy\x26\0\x01a\0\x01c"
        );
    }

    #[test]
    fn what_cannot_be_walked_ends_the_copy() {
        let mut out = Vec::new();
        write(b"\x01\x01\xff\xff", &mut out);
        assert_eq!(out, b"\x01\x01");
    }

    #[test]
    fn user_properties_are_read_between_others() {
        let block = UserProperties(b"\x26\0\x01a\0\x01b\x21\0\x07\x26\0\x01a\0\0");
        assert_eq!(block.iter().collect::<Vec<_>>(), [("a", "b"), ("a", "")]);
        assert_eq!(block, UserProperties(b"\x26\0\x01a\0\x01b\x26\0\x01a\0\0"));
        assert_ne!(block, UserProperties(b"\x26\0\x01a\0\x01b"));
        assert_eq!(UserProperties::default().iter().count(), 0);
    }
}
