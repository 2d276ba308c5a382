//! The client's side: what the test kit and the load tool send, and what they read back.
//!
//! PUBLISH is [`PublishOut::write`](crate::encode::PublishOut::write), acknowledgements are
//! [`Ack::write`](crate::packet::Ack::write) and AUTH is [`Auth::write`](crate::packet::Auth::write), the same as a
//! server's.

mod connect;
mod read;
mod request;

pub use connect::connect;
pub use read::{ServerPacket, ServerPublish, decode};
pub use request::{disconnect, subscribe, unsubscribe};

/// PINGREQ, the same in all versions.
pub const PINGREQ: [u8; 2] = [0xc0, 0x00];
