//! Images of sessions, queues, retained messages and notes, as records of a state file.

use restante_model::{
    Binding, Cursor, Epoch, Epochs, MessageId, QoS, QueueId, Seq, SessionId, UnixMicros, UnixMillis,
};

use crate::{
    change_record::{
        put_binding, put_options, put_queue, put_ranges, put_will, take_bindings, take_bool, take_options,
        take_queue, take_ranges, take_will,
    },
    image::{SessionImage, StoredMessage, SubscriptionImage},
    notes,
    record::{FRAME_LEN, close, open},
    wire::{Reader, put_bytes, put_varint},
};

const KIND_SESSION: u8 = 32;
const KIND_SESSION_GONE: u8 = 33;
const KIND_QUEUE: u8 = 34;
const KIND_QUEUE_GONE: u8 = 35;
const KIND_RETAINED: u8 = 36;
const KIND_RETAINED_GONE: u8 = 37;
const KIND_MARK: u8 = 38;
const KIND_HELD: u8 = 39;
const KIND_NOTE: u8 = 40;
const KIND_NOTE_GONE: u8 = 41;

/// One record of a state file.
#[derive(Debug, PartialEq)]
pub(crate) enum Image<'a> {
    Session(SessionImage),
    SessionGone(SessionId),
    Queue(QueueId, &'a str),
    QueueGone(QueueId),
    Retained(StoredImage<'a>),
    RetainedGone(&'a str),
    /// A retained message that somebody has in flight, retained or not.
    Held(StoredImage<'a>),
    /// Key and value.
    Note(&'a str, &'a [u8]),
    NoteGone(&'a str),
    Mark(Mark),
}

/// A message in a state file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredImage<'a> {
    pub(crate) seq: Seq,
    pub(crate) id: MessageId,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) deadline: UnixMillis,
    pub(crate) topic: &'a str,
    pub(crate) sender: &'a [u8],
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// The end of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Records above this may be missing in images.
    pub(crate) replay_from: Seq,
    pub(crate) highest_session: u64,
    pub(crate) highest_queue: u64,
    pub(crate) last_time: UnixMicros,
}

/// Appends an image. Answers its CRC.
pub(crate) fn encode(out: &mut Vec<u8>, image: &Image<'_>) -> u32 {
    let start = open(out, kind(image), 0);
    match image {
        Image::Session(session) => put_session(out, session),
        Image::SessionGone(session) => put_varint(out, session.0),
        Image::Queue(queue, filter) => {
            put_varint(out, queue.0);
            put_bytes(out, filter.as_bytes());
        }
        Image::QueueGone(queue) => put_varint(out, queue.0),
        Image::Retained(message) | Image::Held(message) => put_message(out, message),
        Image::RetainedGone(topic) => put_bytes(out, topic.as_bytes()),
        Image::Note(key, value) => {
            put_bytes(out, key.as_bytes());
            put_bytes(out, value);
        }
        Image::NoteGone(key) => put_bytes(out, key.as_bytes()),
        Image::Mark(mark) => {
            put_varint(out, mark.replay_from.0);
            put_varint(out, mark.highest_session);
            put_varint(out, mark.highest_queue);
            put_varint(out, mark.last_time.0);
        }
    }
    close(out, start)
}

fn kind(image: &Image<'_>) -> u8 {
    match image {
        Image::Session(_) => KIND_SESSION,
        Image::SessionGone(_) => KIND_SESSION_GONE,
        Image::Queue(..) => KIND_QUEUE,
        Image::QueueGone(_) => KIND_QUEUE_GONE,
        Image::Retained(_) => KIND_RETAINED,
        Image::RetainedGone(_) => KIND_RETAINED_GONE,
        Image::Mark(_) => KIND_MARK,
        Image::Held(_) => KIND_HELD,
        Image::Note(..) => KIND_NOTE,
        Image::NoteGone(_) => KIND_NOTE_GONE,
    }
}

/// Reads a record cut out by [`crate::record::first`], without looking at its CRC.
pub(crate) fn decode(record: &[u8]) -> Option<Image<'_>> {
    let kind = *record.get(FRAME_LEN - 1)?;
    let mut body = Reader::new(record.get(FRAME_LEN..)?);
    let body = &mut body;
    if body.varint()? != 0 {
        return None;
    }
    let image = match kind {
        KIND_SESSION => Image::Session(take_session(body)?),
        KIND_SESSION_GONE => Image::SessionGone(SessionId(body.varint()?)),
        KIND_QUEUE => Image::Queue(QueueId(body.varint()?), body.str()?),
        KIND_QUEUE_GONE => Image::QueueGone(QueueId(body.varint()?)),
        KIND_RETAINED => Image::Retained(take_message(body)?),
        KIND_HELD => Image::Held(take_message(body)?),
        KIND_RETAINED_GONE => Image::RetainedGone(body.str()?),
        KIND_NOTE => take_note(body)?,
        KIND_NOTE_GONE => Image::NoteGone(body.str()?),
        KIND_MARK => Image::Mark(Mark {
            replay_from: Seq(body.varint()?),
            highest_session: body.varint()?,
            highest_queue: body.varint()?,
            last_time: UnixMicros(body.varint()?),
        }),
        _ => return None,
    };
    body.end()?;
    Some(image)
}

fn take_note<'a>(body: &mut Reader<'a>) -> Option<Image<'a>> {
    let (key, value) = (body.str()?, body.bytes()?);
    (notes::fits(key, value) && !value.is_empty()).then_some(Image::Note(key, value))
}

fn put_session(out: &mut Vec<u8>, session: &SessionImage) {
    put_varint(out, session.session.0);
    put_bytes(out, session.client_id.as_bytes());
    out.push(session.version);
    put_varint(out, u64::from(session.expiry));
    out.push(u8::from(session.connected));
    put_varint(out, session.since.0);
    put_varint(out, session.cursor.low().0);
    put_ranges(out, session.cursor.low(), session.cursor.above());
    out.extend_from_slice(&session.next_packet_id.to_le_bytes());
    put_varint(out, session.receipts.len() as u64);
    for receipt in &session.receipts {
        out.extend_from_slice(&receipt.to_le_bytes());
    }
    put_varint(out, session.bindings.len() as u64);
    for binding in &session.bindings {
        put_binding(out, binding);
    }
    put_will(out, session.will.as_ref());
    put_varint(out, session.subscriptions.len() as u64);
    for subscription in &session.subscriptions {
        put_bytes(out, subscription.filter.as_bytes());
        put_queue(out, subscription.queue);
        put_varint(out, subscription.epochs.parts().len() as u64);
        for epoch in subscription.epochs.parts() {
            put_varint(out, epoch.from.0);
            put_varint(out, epoch.to.0);
            put_options(out, &epoch.options);
        }
    }
}

fn take_session(body: &mut Reader<'_>) -> Option<SessionImage> {
    let session = SessionId(body.varint()?);
    let client_id = body.str()?.into();
    let version = body.u8()?;
    let expiry = body.varint32()?;
    let connected = take_bool(body)?;
    let since = UnixMillis(body.varint()?);
    let low = Seq(body.varint()?);
    let cursor = Cursor::from_parts(low, take_ranges(body, low)?)?;
    let next_packet_id = body.u16()?;
    let receipts_len = body.count(2)?;
    let receipts = (0..receipts_len).map(|_| body.u16()).collect::<Option<_>>()?;
    let bindings: Vec<Binding> = take_bindings(body)?;
    let will = take_will(body)?;
    let subscriptions_len = body.count(4)?;
    let subscriptions = (0..subscriptions_len)
        .map(|_| take_subscription(body))
        .collect::<Option<_>>()?;
    Some(SessionImage {
        session,
        client_id,
        version,
        expiry,
        connected,
        since,
        subscriptions,
        cursor,
        receipts,
        bindings,
        next_packet_id,
        will,
    })
}

fn take_subscription(body: &mut Reader<'_>) -> Option<SubscriptionImage> {
    let filter = body.str()?.into();
    let queue = take_queue(body)?;
    let epochs_len = body.count(3)?;
    let mut epochs = Vec::with_capacity(epochs_len);
    for _ in 0..epochs_len {
        epochs.push(Epoch {
            from: Seq(body.varint()?),
            to: Seq(body.varint()?),
            options: take_options(body)?,
        });
    }
    let epochs = Epochs::from_parts(epochs)?;
    Some(SubscriptionImage {
        filter,
        queue,
        epochs,
    })
}

/// A message: flags are the QoS (bits 0-1) and the retain flag (2).
fn put_message(out: &mut Vec<u8>, message: &StoredImage<'_>) {
    put_bytes(out, message.topic.as_bytes());
    put_varint(out, message.seq.0);
    out.extend_from_slice(&message.id.0.to_le_bytes());
    out.push(message.qos as u8 | u8::from(message.retain) << 2);
    put_varint(out, message.deadline.0);
    put_bytes(out, message.sender);
    put_bytes(out, message.properties);
    put_bytes(out, message.payload);
}

fn take_message<'a>(body: &mut Reader<'a>) -> Option<StoredImage<'a>> {
    let topic = body.str()?;
    let seq = Seq(body.varint()?);
    let id = MessageId(body.u128()?);
    let bits = body.u8()?;
    if bits >= 1 << 3 {
        return None;
    }
    Some(StoredImage {
        topic,
        seq,
        id,
        qos: QoS::from_bits(bits & 3)?,
        retain: bits & 1 << 2 != 0,
        deadline: UnixMillis(body.varint()?),
        sender: body.bytes()?,
        properties: body.bytes()?,
        payload: body.bytes()?,
    })
}

impl<'a> StoredImage<'a> {
    /// The image of a message in memory; `None` when its topic is not UTF-8.
    pub(crate) fn of(message: &'a StoredMessage) -> Option<StoredImage<'a>> {
        Some(StoredImage {
            seq: message.seq,
            id: message.id,
            qos: message.qos,
            retain: message.retain,
            deadline: message.deadline,
            topic: std::str::from_utf8(message.parts.topic()).ok()?,
            sender: message.parts.sender(),
            properties: message.parts.properties(),
            payload: message.parts.payload(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use restante_model::SubscriptionOptions;

    use super::*;
    use crate::record;

    fn through(image: &Image<'_>) {
        let mut out = Vec::new();
        let crc = encode(&mut out, image);
        assert_eq!(record::verify(&out), Some(crc));
        assert_eq!(decode(&out).as_ref(), Some(image));
        for cut in 0..out.len() {
            assert_eq!(decode(&out[..cut]), None, "cut at {cut}: {image:?}");
        }
    }

    proptest! {
        #[test]
        fn images_come_back(
            id: u64, text: String, numbers: [u32; 4], flags: (bool, bool), receipts: Vec<u16>, parts: [Vec<u8>; 3],
        ) {
            let options = SubscriptionOptions { no_local: flags.0, ..SubscriptionOptions::default() };
            let mut epochs = Epochs::begin(Seq(3), options);
            epochs.change(Seq(9), SubscriptionOptions { identifier: Some(numbers[1]), ..options });
            through(&Image::Session(SessionImage {
                session: SessionId(id),
                client_id: text.as_str().into(),
                version: 4,
                expiry: numbers[0],
                connected: flags.1,
                since: UnixMillis(id),
                subscriptions: vec![SubscriptionImage { filter: "a".into(), queue: Some(QueueId(id)), epochs }],
                cursor: Cursor::from_parts(Seq(5), vec![(Seq(7), Seq(8)), (Seq(100), Seq(100))]).unwrap(),
                receipts,
                bindings: vec![Binding {
                    seq: Seq(id), packet_id: 3, qos: QoS::ExactlyOnce, released: flags.0, retain: flags.1, aside: false,
                }],
                next_packet_id: 77,
                will: None,
            }));
            through(&Image::SessionGone(SessionId(id)));
            through(&Image::Queue(QueueId(id), &text));
            through(&Image::QueueGone(QueueId(id)));
            through(&Image::RetainedGone(&text));
            through(&Image::Mark(Mark {
                replay_from: Seq(id), highest_session: 1, highest_queue: 2, last_time: UnixMicros(3),
            }));
            let message = StoredImage {
                seq: Seq(id),
                id: MessageId(u128::from(id) << 50),
                qos: QoS::AtLeastOnce,
                retain: flags.0,
                deadline: UnixMillis::NEVER,
                topic: &text,
                sender: &parts[0],
                properties: &parts[1],
                payload: &parts[2],
            };
            through(&Image::Retained(message.clone()));
            through(&Image::Held(message));
        }

        #[test]
        fn any_bytes_are_decoded_without_a_panic(bytes: Vec<u8>, kind in 32u8..40) {
            let mut record = vec![0; 8];
            record.push(kind);
            record.push(0);
            record.extend_from_slice(&bytes);
            let _ = decode(&record);
        }
    }
}
