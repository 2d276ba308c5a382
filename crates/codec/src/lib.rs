//! MQTT 3.1, 3.1.1 and 5.0: bytes to packets and back.
//!
//! Pure functions over byte slices and vectors: no sockets, no clock, no async, no `unsafe`. [`decode`] reads what a
//! client sends, the `write` functions in [`encode`] say what a server answers, [`client`] is the other side of both.
//! What a packet means is not decided here, only whether it is one: limits of the broker (topic levels, filters,
//! quotas, client identifiers) and the order of packets belong to the floors above.

pub mod client;
mod decode;
pub mod encode;
pub mod error;
mod forward;
pub mod frame;
pub mod packet;
pub mod property;
mod reader;
pub mod reason;
#[cfg(feature = "table")]
pub mod table;
mod text;
pub mod varint;
pub mod version;

pub use decode::{DecodeLimits, Decoded, decode};
pub use error::{DecodeError, Fault, TooLarge};
pub use forward::MessageProperties;
pub use frame::{PACKET_BYTES_MAX, PacketType, frame_len};
