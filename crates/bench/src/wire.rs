//! The little of MQTT that the hot loops need: written for speed, and for what a broker sends to a client that
//! behaves. Strict checking is what the test kit does.

/// The protocol spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    V311,
    V5,
}

pub(crate) const CONNACK: u8 = 2;
pub(crate) const PUBLISH: u8 = 3;
pub(crate) const PUBACK: u8 = 4;
pub(crate) const PUBREC: u8 = 5;
pub(crate) const PUBREL: u8 = 6;
pub(crate) const PUBCOMP: u8 = 7;
pub(crate) const SUBACK: u8 = 9;
pub(crate) const PINGRESP: u8 = 13;
pub(crate) const DISCONNECT: u8 = 14;

pub(crate) const PINGREQ: [u8; 2] = [0xc0, 0];
pub(crate) const DISCONNECT_NORMAL: [u8; 2] = [0xe0, 0];

/// Whether the broker keeps the session after the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Goes on with the session and keeps it.
    Session,
    /// Begins anew and keeps nothing.
    Nothing,
}

/// A packet as it stands: first byte, and the body behind the fixed header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) first: u8,
    pub(crate) body: &'a [u8],
}

/// What stands at the start of some bytes.
pub(crate) enum Cut<'a> {
    Whole(Frame<'a>, usize),
    Partly,
    /// A length of more than four bytes: no MQTT.
    Broken,
}

impl<'a> Frame<'a> {
    pub(crate) fn kind(&self) -> u8 {
        self.first >> 4
    }

    /// The packet identifier of an acknowledgement; 0 when there is none.
    #[inline]
    pub(crate) fn ack_id(&self) -> u16 {
        match self.body {
            [high, low, ..] => u16::from_be_bytes([*high, *low]),
            _ => 0,
        }
    }

    /// The reason of an acknowledgement; 0 where absent.
    #[inline]
    pub(crate) fn ack_reason(&self) -> u8 {
        self.body.get(2).copied().unwrap_or(0)
    }

    /// Topic, packet identifier (0 at QoS 0) and payload of a PUBLISH.
    #[inline]
    pub(crate) fn publish(&self, protocol: Protocol) -> Option<(&'a [u8], u16, &'a [u8])> {
        let (length, rest) = self.body.split_first_chunk::<2>()?;
        let (topic, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (id, rest) = if self.first & 0b110 == 0 {
            (0, rest)
        } else {
            let (id, rest) = rest.split_first_chunk::<2>()?;
            (u16::from_be_bytes(*id), rest)
        };
        let payload = match protocol {
            Protocol::V311 => rest,
            Protocol::V5 => {
                let (length, width) = varint(rest)?;
                rest.get(width + length..)?
            }
        };
        Some((topic, id, payload))
    }
}

/// The packet at the start of `bytes`.
#[inline]
pub(crate) fn cut(bytes: &[u8]) -> Cut<'_> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Cut::Partly;
    };
    let Some((length, width)) = varint(rest) else {
        return if rest.len() >= 4 { Cut::Broken } else { Cut::Partly };
    };
    match rest.get(width..width + length) {
        Some(body) => Cut::Whole(Frame { first, body }, 1 + width + length),
        None => Cut::Partly,
    }
}

/// A variable byte integer and how many bytes it took.
#[inline]
fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

pub(crate) fn put_varint(mut value: usize, out: &mut Vec<u8>) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_packet(first: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    put_varint(body.len(), out);
    out.extend_from_slice(body);
}

/// CONNECT with the longest keep-alive there is (none at all is refused by some brokers). In 5.0 a kept session never expires, and the receive maximum is `receive_maximum`.
pub(crate) fn put_connect(
    protocol: Protocol,
    client: &str,
    keep: Keep,
    receive_maximum: u16,
    out: &mut Vec<u8>,
) {
    let mut body = Vec::with_capacity(64);
    put_text("MQTT", &mut body);
    let clean = u8::from(keep == Keep::Nothing) << 1;
    body.extend_from_slice(&[if protocol == Protocol::V5 { 5 } else { 4 }, clean, 0xff, 0xff]);
    if protocol == Protocol::V5 {
        let mut properties = Vec::with_capacity(8);
        if keep == Keep::Session {
            properties.push(0x11);
            properties.extend_from_slice(&u32::MAX.to_be_bytes());
        }
        properties.push(0x21);
        properties.extend_from_slice(&receive_maximum.max(1).to_be_bytes());
        put_varint(properties.len(), &mut body);
        body.extend_from_slice(&properties);
    }
    put_text(client, &mut body);
    put_packet(0x10, &body, out);
}

/// SUBSCRIBE to one filter under packet identifier 1.
pub(crate) fn put_subscribe(protocol: Protocol, filter: &str, qos: u8, out: &mut Vec<u8>) {
    let mut body = vec![0, 1];
    if protocol == Protocol::V5 {
        body.push(0);
    }
    put_text(filter, &mut body);
    body.push(qos);
    put_packet(0x82, &body, out);
}

/// An acknowledgement with success.
#[inline]
pub(crate) fn put_ack(kind: u8, id: u16, out: &mut Vec<u8>) {
    let flags = if kind == PUBREL { 0b0010 } else { 0 };
    let [high, low] = id.to_be_bytes();
    out.extend_from_slice(&[kind << 4 | flags, 2, high, low]);
}
