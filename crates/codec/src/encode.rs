//! What a server sends, appended to a byte vector.
//!
//! Every packet is written for a [`Receiver`], whose maximum packet size it keeps: what only explains (reason
//! strings, user properties) is left out first `[MQTT-3.2.2-19]`; what still does not fit is not written, and the
//! vector is as it was `[MQTT-3.1.2-24]`.

mod ack;
pub(crate) mod block;
mod connack;
mod leave;
mod publish;
mod suback;
mod template;

use crate::error::TooLarge;
use crate::frame::{PACKET_BYTES_MAX, PacketType};
use crate::packet::Version;
use crate::varint;

pub use connack::ConnAck;
pub use leave::ServerDisconnect;
pub(crate) use leave::put_reason_and_block;
pub use publish::PublishOut;
pub use suback::{SubAck, UnsubAck};
pub use template::EncodedPublish;

/// PINGRESP, the same in all versions.
pub const PINGRESP: [u8; 2] = [0xd0, 0x00];

/// Who a packet is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// The version of the connection.
    pub version: Version,
    /// The largest packet the client takes, in bytes with its fixed header `[MQTT-3.1.2-24]`.
    pub packet_size_max: u32,
    /// Whether the client wants reason strings and user properties on packets other than PUBLISH, CONNACK and
    /// DISCONNECT `[MQTT-3.1.2-29]`.
    pub problem_information: bool,
}

impl Receiver {
    /// One that takes whatever MQTT can say, as long as its CONNECT has not said otherwise.
    pub const fn new(version: Version) -> Receiver {
        Receiver {
            version,
            packet_size_max: PACKET_BYTES_MAX,
            problem_information: true,
        }
    }
}

/// Appends a packet with the given body, if it fits.
pub(crate) fn put_packet(
    first: u8,
    body: &[&[u8]],
    size_max: u32,
    out: &mut Vec<u8>,
) -> Result<(), TooLarge> {
    let body_len = body.iter().map(|part| part.len()).sum();
    put_header(first, body_len, size_max, out)?;
    for part in body {
        out.extend_from_slice(part);
    }
    Ok(())
}

/// Appends a fixed header, if the packet it begins fits.
pub(crate) fn put_header(
    first: u8,
    body_len: usize,
    size_max: u32,
    out: &mut Vec<u8>,
) -> Result<(), TooLarge> {
    if packet_len(body_len) > size_max as usize {
        return Err(TooLarge);
    }
    out.reserve(body_len + 5);
    out.push(first);
    varint::write(body_len as u32, out);
    Ok(())
}

/// Bytes of a packet with the given body; more than any limit if MQTT cannot say it.
pub(crate) const fn packet_len(body_len: usize) -> usize {
    if body_len > varint::VALUE_MAX as usize {
        return usize::MAX;
    }
    1 + varint::len(body_len as u32) + body_len
}

/// Appends two bytes of length and the bytes.
pub(crate) fn put_binary(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), TooLarge> {
    let length = u16::try_from(bytes.len()).map_err(|_| TooLarge)?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// The first byte of a packet.
pub(crate) const fn first_byte(packet_type: PacketType, flags: u8) -> u8 {
    (packet_type as u8) << 4 | flags
}
