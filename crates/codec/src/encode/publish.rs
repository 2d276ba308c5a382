//! PUBLISH.

use restante_model::QoS;

use super::{first_byte, packet_len, put_binary, put_header};
use crate::error::TooLarge;
use crate::frame::{PACKET_BYTES_MAX, PacketType};
use crate::packet::{PacketId, Version};
use crate::property::Property;
use crate::varint;

/// A PUBLISH to be written. What 3.x does not have (alias, expiry, identifiers, properties) is not written to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PublishOut<'a> {
    /// Sent before `[MQTT-3.3.1-1]`; never with QoS 0 `[MQTT-3.3.1-2]`.
    pub dup: bool,
    /// QoS.
    pub qos: QoS,
    /// Retain flag.
    pub retain: bool,
    /// The topic name; empty only with an alias. At most 65,535 bytes.
    pub topic: &'a str,
    /// Present exactly for QoS 1 and 2 `[MQTT-2.2.1-2]`, `[MQTT-2.2.1-4]`.
    pub packet_id: Option<PacketId>,
    /// Topic alias, not 0 and at most what the receiver takes `[MQTT-3.1.2-26]`.
    pub topic_alias: Option<u16>,
    /// What is left of the message expiry interval, in seconds `[MQTT-3.3.2-6]`.
    pub message_expiry: Option<u32>,
    /// The identifiers of the subscriptions that matched `[MQTT-3.3.4-3]`, each 1 to 268,435,455.
    pub subscription_ids: &'a [u32],
    /// The forwarded properties, encoded, without their length.
    pub properties: &'a [u8],
    /// The application message.
    pub payload: &'a [u8],
}

impl PublishOut<'_> {
    /// Bytes of the whole packet, to compare with the receiver's maximum packet size; `usize::MAX` if MQTT cannot
    /// say a packet as large.
    pub fn encoded_len(&self, version: Version) -> usize {
        packet_len(self.body_len(version))
    }

    /// Appends the packet.
    ///
    /// # Errors
    /// MQTT cannot say it: the topic is over 65,535 bytes or the packet over 268,435,460. Nothing was written. The
    /// receiver's own maximum is for the caller, with [`encoded_len`](Self::encoded_len).
    pub fn write(&self, version: Version, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        self.write_head(version, out)?;
        out.extend_from_slice(self.payload);
        Ok(())
    }

    /// Appends all but the payload, for callers that send the payload from where it lies.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_head(&self, version: Version, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        self.write_head_with_id_at(version, out).map(|_| ())
    }

    /// As `write_head`; also where in the packet the packet identifier stands.
    pub(super) fn write_head_with_id_at(
        &self,
        version: Version,
        out: &mut Vec<u8>,
    ) -> Result<usize, TooLarge> {
        debug_assert!(self.qos != QoS::AtMostOnce || !self.dup, "DUP needs QoS 1 or 2");
        if self.topic.len() > usize::from(u16::MAX) {
            return Err(TooLarge);
        }
        let start = out.len();
        let flags = u8::from(self.dup) << 3 | (self.qos as u8) << 1 | u8::from(self.retain);
        put_header(
            first_byte(PacketType::Publish, flags),
            self.body_len(version),
            PACKET_BYTES_MAX,
            out,
        )?;
        put_binary(self.topic.as_bytes(), out)?;
        let id_at = out.len() - start;
        if self.qos != QoS::AtMostOnce {
            let id = self.packet_id.map_or(0, PacketId::get);
            out.extend_from_slice(&id.to_be_bytes());
        }
        if version.has_properties() {
            self.write_properties(out);
        }
        Ok(id_at)
    }

    fn write_properties(&self, out: &mut Vec<u8>) {
        varint::write(self.block_len() as u32, out);
        if let Some(alias) = self.topic_alias {
            out.push(Property::TopicAlias.id());
            out.extend_from_slice(&alias.to_be_bytes());
        }
        if let Some(seconds) = self.message_expiry {
            out.push(Property::MessageExpiryInterval.id());
            out.extend_from_slice(&seconds.to_be_bytes());
        }
        for &id in self.subscription_ids {
            out.push(Property::SubscriptionIdentifier.id());
            varint::write(id, out);
        }
        out.extend_from_slice(self.properties);
    }

    fn body_len(&self, version: Version) -> usize {
        let id_len = if self.qos == QoS::AtMostOnce { 0 } else { 2 };
        let mut length = 2 + self.topic.len() + id_len + self.payload.len();
        if version.has_properties() {
            let block_len = self.block_len();
            length += varint::len(block_len.min(varint::VALUE_MAX as usize) as u32) + block_len;
        }
        length
    }

    fn block_len(&self) -> usize {
        let alias_len = if self.topic_alias.is_some() { 3 } else { 0 };
        let expiry_len = if self.message_expiry.is_some() { 5 } else { 0 };
        let ids_len: usize = self.subscription_ids.iter().map(|&id| 1 + varint::len(id)).sum();
        alias_len + expiry_len + ids_len + self.properties.len()
    }
}
