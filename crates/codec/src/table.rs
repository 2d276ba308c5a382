//! Named packets from clients with what is to become of them: valid, malformed, on the boundary.
//!
//! One list for the decoder's tests, the fuzzer's seeds and the tests of servers over real sockets. Behind the cargo
//! feature `table`. The bytes are written out by hand, without the encoder that they test.

mod acks;
mod connect;
mod connect_properties;
mod frames;
mod leave;
mod publish;
mod publish_properties;
mod subscribe;

use crate::decode::DecodeLimits;
use crate::packet::Version;

/// One packet.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is, in words; no two rows have the same.
    pub name: &'static str,
    /// The connection's version when it arrives; `None` before CONNECT.
    pub version: Option<Version>,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The statement (or section) that says so; for refused rows the one the error names.
    pub statement: &'static str,
    /// What is to become of it.
    pub expect: Expect,
}

/// What a server does with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Takes it; written again by a client it has the same bytes.
    Valid,
    /// Takes it, though our client writes it otherwise (order of properties, long forms, things not kept).
    ValidOtherwise,
    /// Refuses it with this 5.0 reason code, and closes.
    Refused(u8),
    /// Waits until so many bytes are there.
    NeedMore(usize),
}

/// The limits the table is written for.
pub const LIMITS: DecodeLimits = DecodeLimits {
    packet_size_max: 100_000,
};

/// All rows.
pub fn rows() -> Vec<Row> {
    [
        frames::rows(),
        connect::rows(),
        connect_properties::rows(),
        publish::rows(),
        publish_properties::rows(),
        acks::rows(),
        subscribe::rows(),
        leave::rows(),
    ]
    .concat()
}

const V31: Option<Version> = Some(Version::V31);
const V311: Option<Version> = Some(Version::V311);
const V5: Option<Version> = Some(Version::V5);

const MALFORMED: u8 = 0x81;
const PROTOCOL: u8 = 0x82;

fn valid(name: &'static str, version: Option<Version>, statement: &'static str, bytes: Vec<u8>) -> Row {
    Row {
        name,
        version,
        bytes,
        statement,
        expect: Expect::Valid,
    }
}

fn otherwise(name: &'static str, version: Option<Version>, statement: &'static str, bytes: Vec<u8>) -> Row {
    Row {
        name,
        version,
        bytes,
        statement,
        expect: Expect::ValidOtherwise,
    }
}

fn bad(
    name: &'static str,
    version: Option<Version>,
    statement: &'static str,
    code: u8,
    bytes: Vec<u8>,
) -> Row {
    Row {
        name,
        version,
        bytes,
        statement,
        expect: Expect::Refused(code),
    }
}

/// A packet with its length, which is the only thing not written out.
fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    while length > 127 {
        bytes.push((length % 128) as u8 + 128);
        length /= 128;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(body);
    bytes
}
