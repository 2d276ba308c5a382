//! Changes of state as records.

use bytes::Bytes;
use restante_model::{
    Binding, QoS, QueueId, RetainHandling, Seq, SessionId, SubscriptionOptions, UnixMillis,
};

use crate::{
    change::Change,
    image::Will,
    record::{close, open},
    wire::{Reader, put_bytes, put_varint},
};

/// A decoded change. The same words as [`Change`]; lists are owned, texts are borrowed from the record.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    missing_docs,
    reason = "each field is described at the variant of the same name in `Change`"
)]
pub enum ChangeRecord<'a> {
    QueueOpened {
        queue: QueueId,
        filter: &'a str,
    },
    QueueClosed {
        queue: QueueId,
    },
    SessionOpened {
        session: SessionId,
        client_id: &'a str,
        version: u8,
        expiry: u32,
        will: Option<Will>,
        at: UnixMillis,
    },
    SessionDetached {
        session: SessionId,
        expiry: u32,
        bindings: Vec<Binding>,
        at: UnixMillis,
        will_void: bool,
    },
    SessionEnded {
        session: SessionId,
    },
    WillCleared {
        session: SessionId,
    },
    Subscribed {
        session: SessionId,
        filter: &'a str,
        queue: Option<QueueId>,
        options: SubscriptionOptions,
    },
    Unsubscribed {
        session: SessionId,
        filter: &'a str,
    },
    CursorMoved {
        session: SessionId,
        low: Seq,
        above: Vec<(Seq, Seq)>,
    },
    PacketIdsReserved {
        session: SessionId,
        next: u16,
    },
    Bound {
        session: SessionId,
        binding: Binding,
    },
    BoundHere {
        session: SessionId,
        back: u32,
        packet_id: u16,
        qos: QoS,
        retain: bool,
    },
    Released {
        session: SessionId,
        packet_id: u16,
    },
    Unbound {
        session: SessionId,
        packet_id: u16,
    },
    Received {
        session: SessionId,
        packet_id: u16,
    },
    Completed {
        session: SessionId,
        packet_id: u16,
    },
    RetainedCleared {
        topic: &'a str,
    },
    Noted {
        key: &'a str,
        value: &'a [u8],
    },
}

const KIND_QUEUE_OPENED: u8 = 2;
const KIND_QUEUE_CLOSED: u8 = 3;
const KIND_SESSION_OPENED: u8 = 4;
const KIND_SESSION_DETACHED: u8 = 5;
const KIND_SESSION_ENDED: u8 = 6;
const KIND_WILL_CLEARED: u8 = 7;
const KIND_SUBSCRIBED: u8 = 8;
const KIND_UNSUBSCRIBED: u8 = 9;
const KIND_CURSOR_MOVED: u8 = 10;
const KIND_PACKET_IDS_RESERVED: u8 = 11;
const KIND_BOUND: u8 = 12;
const KIND_RELEASED: u8 = 13;
const KIND_UNBOUND: u8 = 14;
const KIND_RECEIVED: u8 = 15;
const KIND_COMPLETED: u8 = 16;
const KIND_RETAINED_CLEARED: u8 = 17;
const KIND_NOTED: u8 = 18;
const KIND_BOUND_HERE: u8 = 19;

/// Appends a change. Answers the record's CRC.
pub(crate) fn encode(out: &mut Vec<u8>, ordinal: u32, change: &Change<'_>) -> u32 {
    let start = open(out, kind(change), ordinal);
    match change {
        Change::QueueOpened { queue, filter } => {
            put_varint(out, queue.0);
            put_bytes(out, filter.as_bytes());
        }
        Change::QueueClosed { queue } => put_varint(out, queue.0),
        Change::SessionOpened {
            session,
            client_id,
            version,
            expiry,
            will,
            at,
        } => {
            put_varint(out, session.0);
            put_bytes(out, client_id.as_bytes());
            out.push(*version);
            put_varint(out, u64::from(*expiry));
            put_varint(out, at.0);
            put_will(out, will.as_ref());
        }
        Change::SessionDetached {
            session,
            expiry,
            bindings,
            at,
            will_void,
        } => {
            put_varint(out, session.0);
            put_varint(out, u64::from(*expiry));
            put_varint(out, at.0);
            out.push(u8::from(*will_void));
            put_varint(out, bindings.len() as u64);
            for binding in *bindings {
                put_binding(out, binding);
            }
        }
        Change::SessionEnded { session } | Change::WillCleared { session } => put_varint(out, session.0),
        Change::Subscribed {
            session,
            filter,
            queue,
            options,
        } => {
            put_varint(out, session.0);
            put_bytes(out, filter.as_bytes());
            put_queue(out, *queue);
            put_options(out, options);
        }
        Change::Unsubscribed { session, filter } => {
            put_varint(out, session.0);
            put_bytes(out, filter.as_bytes());
        }
        Change::CursorMoved { session, low, above } => {
            put_varint(out, session.0);
            put_varint(out, low.0);
            put_ranges(out, *low, above);
        }
        Change::Bound { session, binding } => {
            put_varint(out, session.0);
            put_binding(out, binding);
        }
        Change::BoundHere {
            session,
            back,
            packet_id,
            qos,
            retain,
        } => {
            put_varint(out, session.0);
            put_varint(out, u64::from(*back));
            out.extend_from_slice(&packet_id.to_le_bytes());
            out.push(*qos as u8 | u8::from(*retain) << 3);
        }
        Change::PacketIdsReserved {
            session,
            next: number,
        }
        | Change::Released {
            session,
            packet_id: number,
        }
        | Change::Unbound {
            session,
            packet_id: number,
        }
        | Change::Received {
            session,
            packet_id: number,
        }
        | Change::Completed {
            session,
            packet_id: number,
        } => {
            put_varint(out, session.0);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Change::RetainedCleared { topic } => put_bytes(out, topic.as_bytes()),
        Change::Noted { key, value } => {
            put_bytes(out, key.as_bytes());
            put_bytes(out, value);
        }
    }
    close(out, start)
}

fn kind(change: &Change<'_>) -> u8 {
    match change {
        Change::QueueOpened { .. } => KIND_QUEUE_OPENED,
        Change::QueueClosed { .. } => KIND_QUEUE_CLOSED,
        Change::SessionOpened { .. } => KIND_SESSION_OPENED,
        Change::SessionDetached { .. } => KIND_SESSION_DETACHED,
        Change::SessionEnded { .. } => KIND_SESSION_ENDED,
        Change::WillCleared { .. } => KIND_WILL_CLEARED,
        Change::Subscribed { .. } => KIND_SUBSCRIBED,
        Change::Unsubscribed { .. } => KIND_UNSUBSCRIBED,
        Change::CursorMoved { .. } => KIND_CURSOR_MOVED,
        Change::PacketIdsReserved { .. } => KIND_PACKET_IDS_RESERVED,
        Change::Bound { .. } => KIND_BOUND,
        Change::BoundHere { .. } => KIND_BOUND_HERE,
        Change::Released { .. } => KIND_RELEASED,
        Change::Unbound { .. } => KIND_UNBOUND,
        Change::Received { .. } => KIND_RECEIVED,
        Change::Completed { .. } => KIND_COMPLETED,
        Change::RetainedCleared { .. } => KIND_RETAINED_CLEARED,
        Change::Noted { .. } => KIND_NOTED,
    }
}

/// Reads a change of this kind; all of `body` must be used.
pub(crate) fn decode(kind: u8, mut body: Reader<'_>) -> Option<ChangeRecord<'_>> {
    let body = &mut body;
    let change = match kind {
        KIND_QUEUE_OPENED => ChangeRecord::QueueOpened {
            queue: QueueId(body.varint()?),
            filter: body.str()?,
        },
        KIND_QUEUE_CLOSED => ChangeRecord::QueueClosed {
            queue: QueueId(body.varint()?),
        },
        KIND_RETAINED_CLEARED => ChangeRecord::RetainedCleared { topic: body.str()? },
        KIND_NOTED => ChangeRecord::Noted {
            key: body.str()?,
            value: body.bytes()?,
        },
        _ => of_session(kind, SessionId(body.varint()?), body)?,
    };
    body.end()?;
    Some(change)
}

fn of_session<'a>(kind: u8, session: SessionId, body: &mut Reader<'a>) -> Option<ChangeRecord<'a>> {
    Some(match kind {
        KIND_SESSION_OPENED => ChangeRecord::SessionOpened {
            session,
            client_id: body.str()?,
            version: body.u8()?,
            expiry: body.varint32()?,
            at: UnixMillis(body.varint()?),
            will: take_will(body)?,
        },
        KIND_SESSION_DETACHED => ChangeRecord::SessionDetached {
            session,
            expiry: body.varint32()?,
            at: UnixMillis(body.varint()?),
            will_void: take_bool(body)?,
            bindings: take_bindings(body)?,
        },
        KIND_SESSION_ENDED => ChangeRecord::SessionEnded { session },
        KIND_WILL_CLEARED => ChangeRecord::WillCleared { session },
        KIND_SUBSCRIBED => ChangeRecord::Subscribed {
            session,
            filter: body.str()?,
            queue: take_queue(body)?,
            options: take_options(body)?,
        },
        KIND_UNSUBSCRIBED => ChangeRecord::Unsubscribed {
            session,
            filter: body.str()?,
        },
        KIND_CURSOR_MOVED => {
            let low = Seq(body.varint()?);
            ChangeRecord::CursorMoved {
                session,
                low,
                above: take_ranges(body, low)?,
            }
        }
        KIND_PACKET_IDS_RESERVED => ChangeRecord::PacketIdsReserved {
            session,
            next: body.u16()?,
        },
        KIND_BOUND => ChangeRecord::Bound {
            session,
            binding: take_binding(body)?,
        },
        KIND_BOUND_HERE => take_bound_here(session, body)?,
        KIND_RELEASED => ChangeRecord::Released {
            session,
            packet_id: body.u16()?,
        },
        KIND_UNBOUND => ChangeRecord::Unbound {
            session,
            packet_id: body.u16()?,
        },
        KIND_RECEIVED => ChangeRecord::Received {
            session,
            packet_id: body.u16()?,
        },
        KIND_COMPLETED => ChangeRecord::Completed {
            session,
            packet_id: body.u16()?,
        },
        _ => return None,
    })
}

fn take_bound_here<'a>(session: SessionId, body: &mut Reader<'a>) -> Option<ChangeRecord<'a>> {
    let (back, packet_id, bits) = (body.varint32()?, body.u16()?, body.u8()?);
    if bits & !(3 | 1 << 3) != 0 {
        return None;
    }
    Some(ChangeRecord::BoundHere {
        session,
        back,
        packet_id,
        qos: QoS::from_bits(bits & 3)?,
        retain: bits & 1 << 3 != 0,
    })
}

/// The binding of [`ChangeRecord::BoundHere`] in a record with the sequence `at`. None if it names no message.
pub(crate) fn bound_here(at: Seq, back: u32, packet_id: u16, qos: QoS, retain: bool) -> Option<Binding> {
    let seq = at.0.checked_sub(u64::from(back)).filter(|_| back > 0)?;
    Some(Binding {
        seq: Seq(seq),
        packet_id,
        qos,
        released: false,
        retain,
        aside: true,
    })
}

/// A queue id or none: 0, or 1 and the id.
pub(crate) fn put_queue(out: &mut Vec<u8>, queue: Option<QueueId>) {
    out.push(u8::from(queue.is_some()));
    if let Some(queue) = queue {
        put_varint(out, queue.0);
    }
}

pub(crate) fn take_queue(body: &mut Reader<'_>) -> Option<Option<QueueId>> {
    Some(match take_bool(body)? {
        false => None,
        true => Some(QueueId(body.varint()?)),
    })
}

/// Options: QoS in bits 0-1, no local in 2, retain as published in 3, retain handling in 4-5, identifier in 6.
pub(crate) fn put_options(out: &mut Vec<u8>, options: &SubscriptionOptions) {
    let mut bits = options.qos as u8 | (options.retain_handling as u8) << 4;
    bits |= u8::from(options.no_local) << 2 | u8::from(options.retain_as_published) << 3;
    bits |= u8::from(options.identifier.is_some()) << 6;
    out.push(bits);
    if let Some(identifier) = options.identifier {
        put_varint(out, u64::from(identifier));
    }
}

pub(crate) fn take_options(body: &mut Reader<'_>) -> Option<SubscriptionOptions> {
    let bits = body.u8()?;
    if bits >= 1 << 7 {
        return None;
    }
    Some(SubscriptionOptions {
        qos: QoS::from_bits(bits & 3)?,
        no_local: bits & 1 << 2 != 0,
        retain_as_published: bits & 1 << 3 != 0,
        retain_handling: RetainHandling::from_bits(bits >> 4 & 3)?,
        identifier: match bits & 1 << 6 {
            0 => None,
            _ => Some(body.varint32()?),
        },
    })
}

/// A binding: sequence, packet id, and one byte with QoS (bits 0-1), released (2), retain (3), aside (4).
pub(crate) fn put_binding(out: &mut Vec<u8>, binding: &Binding) {
    put_varint(out, binding.seq.0);
    out.extend_from_slice(&binding.packet_id.to_le_bytes());
    let bits = u8::from(binding.released) << 2 | u8::from(binding.retain) << 3 | u8::from(binding.aside) << 4;
    out.push(binding.qos as u8 | bits);
}

pub(crate) fn take_binding(body: &mut Reader<'_>) -> Option<Binding> {
    let seq = Seq(body.varint()?);
    let packet_id = body.u16()?;
    let bits = body.u8()?;
    if bits >= 1 << 5 {
        return None;
    }
    Some(Binding {
        seq,
        packet_id,
        qos: QoS::from_bits(bits & 3)?,
        released: bits & 1 << 2 != 0,
        retain: bits & 1 << 3 != 0,
        aside: bits & 1 << 4 != 0,
    })
}

pub(crate) fn take_bindings(body: &mut Reader<'_>) -> Option<Vec<Binding>> {
    let count = body.count(4)?;
    (0..count).map(|_| take_binding(body)).collect()
}

/// Ranges above a low-water mark: their number, then for each its distance from the end before it and its length
/// less one. Distances wrap, so that any list comes back as it was.
pub(crate) fn put_ranges(out: &mut Vec<u8>, low: Seq, ranges: &[(Seq, Seq)]) {
    put_varint(out, ranges.len() as u64);
    let mut end = low.0;
    for &(first, last) in ranges {
        put_varint(out, first.0.wrapping_sub(end));
        put_varint(out, last.0.wrapping_sub(first.0));
        end = last.0;
    }
}

pub(crate) fn take_ranges(body: &mut Reader<'_>, low: Seq) -> Option<Vec<(Seq, Seq)>> {
    let count = body.count(2)?;
    let mut ranges = Vec::with_capacity(count);
    let mut end = low.0;
    for _ in 0..count {
        let first = end.wrapping_add(body.varint()?);
        end = first.wrapping_add(body.varint()?);
        ranges.push((Seq(first), Seq(end)));
    }
    Some(ranges)
}

/// A will or none. Flags: present (bit 0), QoS (1-2), retain (3), message expiry (4).
pub(crate) fn put_will(out: &mut Vec<u8>, will: Option<&Will>) {
    let Some(will) = will else {
        out.push(0);
        return;
    };
    let expires = u8::from(will.message_expiry.is_some());
    out.push(1 | (will.qos as u8) << 1 | u8::from(will.retain) << 3 | expires << 4);
    put_varint(out, u64::from(will.delay));
    if let Some(expiry) = will.message_expiry {
        put_varint(out, u64::from(expiry));
    }
    put_bytes(out, will.topic.as_bytes());
    put_bytes(out, &will.properties);
    put_bytes(out, &will.payload);
}

pub(crate) fn take_will(body: &mut Reader<'_>) -> Option<Option<Will>> {
    let bits = body.u8()?;
    if bits == 0 {
        return Some(None);
    }
    if bits & 1 == 0 || bits >= 1 << 5 {
        return None;
    }
    Some(Some(Will {
        qos: QoS::from_bits(bits >> 1 & 3)?,
        retain: bits & 1 << 3 != 0,
        delay: body.varint32()?,
        message_expiry: match bits & 1 << 4 {
            0 => None,
            _ => Some(body.varint32()?),
        },
        topic: body.str()?.into(),
        properties: Bytes::copy_from_slice(body.bytes()?),
        payload: Bytes::copy_from_slice(body.bytes()?),
    }))
}

pub(crate) fn take_bool(body: &mut Reader<'_>) -> Option<bool> {
    match body.u8()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

#[cfg(test)]
#[path = "change_record_tests.rs"]
mod tests;
