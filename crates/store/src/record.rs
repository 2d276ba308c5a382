//! Records as bytes: the frame every record has, and what is inside a message record. Changes are in
//! [`crate::change_record`]. The format is described byte by byte in `docs/design/store-format.md`.
//!
//! A record carries no sequence of its own: it has an ordinal, and the block it stands in has the first sequence.
//! Only records that compaction moved carry both sequence and id ([`Moved`]).
//!
//! Decoding trusts nothing: any bytes give `None` or a value, never a panic.

use restante_model::{MessageId, QoS, QueueId, Seq, SessionId, UnixMillis};

use crate::{
    change::NewMessage,
    change_record::{self, ChangeRecord},
    wire::{Reader, put_varint, u32_at},
};

/// Bytes before a record's body: CRC-32C, length, kind.
pub const FRAME_LEN: usize = 9;

/// The kind of a message record. The kinds of changes are in [`crate::change_record`].
pub(crate) const KIND_MESSAGE: u8 = 1;

/// Set in the kind of a record that compaction moved.
const MOVED: u8 = 0x80;

const FLAG_RETAIN: u8 = 1 << 2;
const FLAG_SET_RETAINED: u8 = 1 << 3;
const FLAG_RECEIPT: u8 = 1 << 4;
const FLAG_DEADLINE: u8 = 1 << 5;

/// One decoded record, borrowed from the bytes it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<'a> {
    /// Bytes of the whole record: what a message counts for in limits and pages.
    pub len: usize,
    /// Its place in its batch: sequence = the block's first + this. 0 and without meaning when it was moved.
    pub ordinal: u32,
    /// Its own sequence and id, when compaction moved it.
    pub moved: Option<Moved>,
    /// What it says.
    pub body: Body<'a>,
}

/// Where a record that compaction moved came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The sequence it always had.
    pub seq: Seq,
    /// The id it always had.
    pub id: MessageId,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body<'a> {
    /// A message.
    Message(MessageRecord<'a>),
    /// A change of state.
    Change(ChangeRecord<'a>),
}

/// A message as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageRecord<'a> {
    /// The queues it entered.
    pub queues: Queues<'a>,
    /// Publisher's QoS.
    pub qos: QoS,
    /// The retain flag as published.
    pub retain: bool,
    /// It becomes the retained message of its topic; an empty payload clears it.
    pub set_retained: bool,
    /// When it expires, or [`UnixMillis::NEVER`].
    pub deadline: UnixMillis,
    /// QoS 2: whose packet id is taken.
    pub receipt: Option<(SessionId, u16)>,
    /// Client id of the publisher; UTF-8 as it was given, not checked again.
    pub sender: &'a [u8],
    /// Topic name; UTF-8 as it was given, not checked again.
    pub topic: &'a [u8],
    /// Encoded 5.0 properties.
    pub properties: &'a [u8],
    /// Payload.
    pub payload: &'a [u8],
}

/// The queue ids of a message record: an iterator.
#[derive(Clone, Debug)]
pub struct Queues<'a> {
    left: usize,
    ids: Reader<'a>,
}

impl Iterator for Queues<'_> {
    type Item = QueueId;

    fn next(&mut self) -> Option<QueueId> {
        self.left = self.left.checked_sub(1)?;
        self.ids.varint().map(QueueId)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Queues<'_> {}

impl PartialEq for Queues<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

/// The id of the message with this ordinal in a batch that has this time: the 16-bit sequence of an id is too
/// narrow for large batches, so each further 65,536 ordinals count as one microsecond more.
pub fn message_id(time: u64, node: u64, ordinal: u32) -> MessageId {
    MessageId::new(time + u64::from(ordinal >> 16), node, ordinal as u16)
}

/// Appends a message record. Answers its CRC.
pub(crate) fn encode_message(out: &mut Vec<u8>, ordinal: u32, message: &NewMessage<'_>) -> u32 {
    let bodies =
        message.sender.len() + message.topic.len() + message.properties.len() + message.payload.len();
    out.reserve(FRAME_LEN + 64 + 10 * message.queues.len() + bodies);
    let start = open(out, KIND_MESSAGE, ordinal);
    let mut flags = message.qos as u8;
    for (set, flag) in [
        (message.retain, FLAG_RETAIN),
        (message.set_retained, FLAG_SET_RETAINED),
        (message.receipt.is_some(), FLAG_RECEIPT),
        (message.deadline != UnixMillis::NEVER, FLAG_DEADLINE),
    ] {
        if set {
            flags |= flag;
        }
    }
    out.push(flags);
    put_varint(out, message.queues.len() as u64);
    for queue in message.queues {
        put_varint(out, queue.0);
    }
    if message.deadline != UnixMillis::NEVER {
        put_varint(out, message.deadline.0);
    }
    if let Some((session, packet_id)) = message.receipt {
        put_varint(out, session.0);
        out.extend_from_slice(&packet_id.to_le_bytes());
    }
    put_varint(out, message.sender.len() as u64);
    put_varint(out, message.topic.len() as u64);
    put_varint(out, message.properties.len() as u64);
    out.extend_from_slice(message.sender.as_bytes());
    out.extend_from_slice(message.topic.as_bytes());
    out.extend_from_slice(message.properties);
    out.extend_from_slice(message.payload);
    close(out, start)
}

/// Begins a record; answers where. The frame is filled in by [`close`].
pub(crate) fn open(out: &mut Vec<u8>, kind: u8, ordinal: u32) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, kind]);
    put_varint(out, u64::from(ordinal));
    start
}

/// Ends the record that began at `start`: length and CRC. Answers the CRC.
pub(crate) fn close(out: &mut [u8], start: usize) -> u32 {
    let len = (out.len() - start) as u32;
    out[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
    let crc = crc32c::crc32c(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    crc
}

/// Folds one more record CRC into the seal of a block: the CRC-32C over the CRCs of its records, in order.
pub(crate) fn fold(seal: u32, crc: u32) -> u32 {
    crc32c::crc32c_append(seal, &crc.to_le_bytes())
}

/// Appends a message record again, at a new place, with the sequence and id it always had. `None` when the bytes
/// are not a whole message record.
pub(crate) fn encode_moved(out: &mut Vec<u8>, moved: Moved, record: &[u8]) -> Option<u32> {
    let (kind, _, _, body) = place(record)?;
    if kind != KIND_MESSAGE {
        return None;
    }
    out.reserve(record.len() + 24);
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, KIND_MESSAGE | MOVED]);
    out.extend_from_slice(&moved.seq.0.to_le_bytes());
    out.extend_from_slice(&moved.id.0.to_le_bytes());
    out.extend_from_slice(body.rest());
    Some(close(out, start))
}

/// The first whole record of `bytes`, by its length alone. `None` when the length cannot be true.
pub fn first(bytes: &[u8]) -> Option<&[u8]> {
    let len = u32_at(bytes, 4)? as usize;
    if len <= FRAME_LEN {
        return None;
    }
    bytes.get(..len)
}

/// The CRC of a record cut out by [`first`], if it is right.
pub fn verify(record: &[u8]) -> Option<u32> {
    let crc = u32_at(record, 0)?;
    (crc32c::crc32c(record.get(4..)?) == crc).then_some(crc)
}

/// Decodes a record cut out by [`first`], without looking at its CRC.
pub fn decode(record: &[u8]) -> Option<Record<'_>> {
    let (kind, ordinal, moved, mut body) = place(record)?;
    let body = match kind {
        KIND_MESSAGE => Body::Message(decode_message(&mut body)?),
        _ if moved.is_none() => Body::Change(change_record::decode(kind, body)?),
        _ => return None,
    };
    Some(Record {
        len: record.len(),
        ordinal,
        moved,
        body,
    })
}

/// Kind, ordinal, where it was moved from, and the body.
fn place(record: &[u8]) -> Option<(u8, u32, Option<Moved>, Reader<'_>)> {
    let kind = *record.get(FRAME_LEN - 1)?;
    let mut body = Reader::new(record.get(FRAME_LEN..)?);
    if kind & MOVED == 0 {
        return Some((kind, body.varint32()?, None, body));
    }
    let moved = Moved {
        seq: Seq(body.u64()?),
        id: MessageId(body.u128()?),
    };
    Some((kind & !MOVED, 0, Some(moved), body))
}

fn decode_message<'a>(body: &mut Reader<'a>) -> Option<MessageRecord<'a>> {
    let flags = body.u8()?;
    if flags >= 1 << 6 {
        return None;
    }
    let left = body.count(1)?;
    let ids = body.clone();
    for _ in 0..left {
        body.varint()?;
    }
    let deadline = match flags & FLAG_DEADLINE {
        0 => UnixMillis::NEVER,
        _ => UnixMillis(body.varint()?),
    };
    let receipt = match flags & FLAG_RECEIPT {
        0 => None,
        _ => Some((SessionId(body.varint()?), body.u16()?)),
    };
    let sender_len = body.varint()?;
    let topic_len = body.varint()?;
    let properties_len = body.varint()?;
    Some(MessageRecord {
        queues: Queues { left, ids },
        qos: QoS::from_bits(flags & 3)?,
        retain: flags & FLAG_RETAIN != 0,
        set_retained: flags & FLAG_SET_RETAINED != 0,
        deadline,
        receipt,
        sender: body.take(usize::try_from(sender_len).ok()?)?,
        topic: body.take(usize::try_from(topic_len).ok()?)?,
        properties: body.take(usize::try_from(properties_len).ok()?)?,
        payload: body.rest(),
    })
}

/// The records in some bytes, one after another: each verified and decoded, or `Err` with its place. After a bad
/// record it goes on behind it as far as its length can be believed; then it ends.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A record that does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedRecord {
    /// Where it begins in the bytes.
    pub at: usize,
    /// How long it says it is; 0 when that cannot be true, and then it is the last.
    pub len: usize,
}

impl<'a> Records<'a> {
    /// Of these bytes.
    pub fn new(bytes: &'a [u8]) -> Records<'a> {
        Records { bytes, at: 0 }
    }

    /// Where the next record begins.
    pub fn at(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, DamagedRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let Some(record) = first(rest) else {
            self.at = self.bytes.len();
            return Some(Err(DamagedRecord { at, len: 0 }));
        };
        self.at += record.len();
        let damaged = DamagedRecord {
            at,
            len: record.len(),
        };
        Some(verify(record).and_then(|_| decode(record)).ok_or(damaged))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_message_comes_back(
            queues in proptest::collection::vec(any::<u64>().prop_map(QueueId), 0..5),
            ordinal: u32,
            flags in 0u8..12,
            deadline: u64,
            sender: String,
            topic: String,
            properties: Vec<u8>,
            payload: Vec<u8>,
            receipt in proptest::option::of((any::<u64>().prop_map(SessionId), any::<u16>())),
        ) {
            let message = NewMessage {
                queues: &queues,
                qos: QoS::from_bits(flags % 3).unwrap(),
                retain: flags & 4 != 0,
                set_retained: flags & 8 != 0,
                deadline: UnixMillis(deadline),
                sender: &sender,
                topic: &topic,
                properties: &properties,
                payload: &payload,
                receipt,
            };
            let mut out = vec![7; 3];
            let crc = encode_message(&mut out, ordinal, &message);
            prop_assert_eq!(verify(&out[3..]), Some(crc));
            let record = decode(first(&out[3..]).unwrap()).unwrap();
            prop_assert_eq!((record.ordinal, record.moved), (ordinal, None));
            same(&record, &message);

            let moved = Moved { seq: Seq(deadline), id: MessageId(77) };
            let mut again = Vec::new();
            encode_moved(&mut again, moved, &out[3..]).unwrap();
            prop_assert!(verify(&again).is_some());
            let record = decode(&again).unwrap();
            prop_assert_eq!(record.moved, Some(moved));
            same(&record, &message);
        }

        #[test]
        fn a_changed_bit_is_noticed(at: prop::sample::Index, bit in 0u8..8) {
            let mut out = Vec::new();
            encode_message(&mut out, 3, &NewMessage {
                queues: &[QueueId(1)], qos: QoS::AtLeastOnce, retain: false, set_retained: false,
                deadline: UnixMillis::NEVER, sender: "s", topic: "t", properties: &[], payload: b"payload",
                receipt: None,
            });
            let at = at.index(out.len());
            out[at] ^= 1 << bit;
            prop_assert!(Records::new(&out).next().unwrap().is_err());
        }

        #[test]
        fn any_bytes_are_decoded_without_a_panic(bytes: Vec<u8>, kind: u8) {
            let _ = Records::new(&bytes).count();
            let mut framed = vec![0; 8];
            framed.push(kind);
            framed.extend_from_slice(&bytes);
            close(&mut framed, 0);
            if let Some(record) = decode(&framed)
                && let Body::Message(message) = record.body
            {
                let count = message.queues.len();
                prop_assert_eq!(message.queues.count(), count);
            }
        }
    }

    fn same(record: &Record<'_>, message: &NewMessage<'_>) {
        let Body::Message(stored) = &record.body else {
            panic!("not a message: {record:?}");
        };
        assert!(stored.queues.clone().eq(message.queues.iter().copied()));
        let flags = (stored.qos, stored.retain, stored.set_retained);
        assert_eq!(flags, (message.qos, message.retain, message.set_retained));
        assert_eq!(
            (stored.deadline, stored.receipt),
            (message.deadline, message.receipt)
        );
        assert_eq!(
            (stored.sender, stored.topic),
            (message.sender.as_bytes(), message.topic.as_bytes())
        );
        assert_eq!(
            (stored.properties, stored.payload),
            (message.properties, message.payload)
        );
    }

    #[test]
    fn ids_of_a_large_batch_rise() {
        let ids = [0, 1, 0xFFFF, 0x1_0000, 0x1_0001].map(|ordinal| message_id(1000, 5, ordinal));
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert_eq!(ids[3], MessageId::new(1001, 5, 0));
    }
}
