//! A PUBLISH encoded once for many receivers.

use restante_model::QoS;

use super::PublishOut;
use crate::error::TooLarge;
use crate::packet::{PacketId, Version};

/// The bit of DUP in the first byte.
const DUP: u8 = 0b1000;

/// An encoded PUBLISH that is copied to each receiver with its packet identifier and DUP. Right for all receivers
/// that share version, QoS, retain flag and properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedPublish {
    bytes: Box<[u8]>,
    /// Where the packet identifier stands; `None` at QoS 0.
    packet_id_at: Option<usize>,
}

impl EncodedPublish {
    /// Encodes; packet identifier and DUP of `publish` do not matter.
    ///
    /// # Errors
    /// MQTT cannot say it, see [`PublishOut::write`].
    pub fn new(version: Version, publish: &PublishOut<'_>) -> Result<EncodedPublish, TooLarge> {
        let publish = PublishOut {
            dup: false,
            ..*publish
        };
        let mut bytes = Vec::new();
        let id_at = publish.write_head_with_id_at(version, &mut bytes)?;
        bytes.extend_from_slice(publish.payload);
        let packet_id_at = (publish.qos != QoS::AtMostOnce).then_some(id_at);
        Ok(EncodedPublish {
            bytes: bytes.into(),
            packet_id_at,
        })
    }

    /// Bytes of the whole packet, to compare with a receiver's maximum packet size.
    pub fn encoded_len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the packet for one receiver: the identifier is given exactly for QoS 1 and 2, DUP only there.
    #[inline]
    pub fn write_with(&self, out: &mut Vec<u8>, packet_id: Option<PacketId>, dup: bool) {
        debug_assert_eq!(
            self.packet_id_at.is_some(),
            packet_id.is_some(),
            "QoS decides about the identifier"
        );
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let (Some(at), Some(packet_id)) = (self.packet_id_at, packet_id) else {
            return;
        };
        let written = &mut out[start..];
        if let Some(place) = written.get_mut(at..at + 2) {
            place.copy_from_slice(&packet_id.get().to_be_bytes());
        }
        if dup {
            written[0] |= DUP;
        }
    }
}
