//! What one runtime decided in one turn, encoded as the records that go to disk.

use restante_model::{NotKept, QoS, SessionId};

use crate::{
    change::{Change, NewMessage},
    change_record,
    record::{self, Record, Records},
};

/// A list of records under construction. Each record, and each message nobody keeps, takes one ordinal; the store
/// turns ordinals into sequences when the batch is submitted.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    ordinals: u32,
    records: u32,
    seal: u32,
    /// Under which word what an ended session waited for is counted, by ordinal, ascending. Not written to the log:
    /// counters begin with the process.
    words: Vec<(u32, NotKept)>,
}

impl Batch {
    /// An empty batch that uses the memory of an older one; what is in the buffer is discarded.
    pub fn with_buffer(mut buffer: Vec<u8>) -> Batch {
        buffer.clear();
        Batch {
            bytes: buffer,
            ..Batch::default()
        }
    }

    /// Takes an ordinal for a message that is not kept, so that live delivery has one order (K3).
    pub fn skip(&mut self) -> u32 {
        self.ordinals += 1;
        self.ordinals - 1
    }

    /// Appends a message; answers its ordinal.
    pub fn message(&mut self, message: &NewMessage<'_>) -> u32 {
        let ordinal = self.skip();
        let crc = record::encode_message(&mut self.bytes, ordinal, message);
        self.count(crc);
        ordinal
    }

    /// Appends a change; answers its ordinal.
    pub fn change(&mut self, change: &Change<'_>) -> u32 {
        let ordinal = self.skip();
        let crc = change_record::encode(&mut self.bytes, ordinal, change);
        self.count(crc);
        ordinal
    }

    /// Appends a delivery, to this session under this packet id, of a message that was appended before with this
    /// ordinal: message and binding are durable together. Answers the ordinal of the binding.
    pub fn bind(&mut self, message: u32, session: SessionId, packet_id: u16, qos: QoS, retain: bool) -> u32 {
        self.change(&Change::BoundHere {
            session,
            back: self.ordinals.saturating_sub(message),
            packet_id,
            qos,
            retain,
        })
    }

    /// Appends the end of a session ([`Change::SessionEnded`]); what it waited for is counted under this word:
    /// [`NotKept::SessionCleared`], [`NotKept::Unsubscribed`] or else [`NotKept::SessionExpired`].
    pub fn end_session(&mut self, session: SessionId, why: NotKept) -> u32 {
        let ordinal = self.change(&Change::SessionEnded { session });
        self.words.push((ordinal, why));
        ordinal
    }

    /// The word that was given with the end of a session.
    pub fn word(&self, ordinal: u32) -> Option<NotKept> {
        let at = self.words.binary_search_by_key(&ordinal, |&(at, _)| at).ok()?;
        Some(self.words[at].1)
    }

    fn count(&mut self, crc: u32) {
        self.records += 1;
        self.seal = record::fold(self.seal, crc);
    }

    /// How many ordinals it has taken.
    pub fn ordinals(&self) -> u32 {
        self.ordinals
    }

    /// Bytes of its records.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was put in.
    pub fn is_empty(&self) -> bool {
        self.ordinals == 0
    }

    /// How many records it holds: the ordinals without those that were skipped.
    pub fn records_len(&self) -> u32 {
        self.records
    }

    /// Its records, decoded, in the order they were put in.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        Records::new(&self.bytes).flatten()
    }

    /// The encoded records, one after another.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The CRC-32C over the CRCs of its records, in order: with the records' own CRCs it says whether bytes read
    /// back are exactly this batch.
    pub fn seal(&self) -> u32 {
        self.seal
    }

    /// The buffer, for the next batch.
    pub fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use restante_model::{QoS, QueueId, SessionId, UnixMillis};

    use super::*;
    use crate::record::Body;

    const MESSAGE: NewMessage<'_> = NewMessage {
        queues: &[QueueId(4), QueueId(300)],
        qos: QoS::AtLeastOnce,
        retain: false,
        set_retained: false,
        deadline: UnixMillis::NEVER,
        sender: "sensor",
        topic: "a/b",
        properties: &[],
        payload: b"21.5",
        receipt: None,
    };

    #[test]
    fn k03_every_entry_takes_one_ordinal_kept_or_not() {
        let mut batch = Batch::default();
        assert!(batch.is_empty());
        assert_eq!(batch.message(&MESSAGE), 0);
        assert_eq!(batch.skip(), 1);
        assert_eq!(
            batch.change(&Change::SessionEnded {
                session: SessionId(5)
            }),
            2
        );
        assert_eq!((batch.ordinals(), batch.records_len()), (3, 2));
        let ordinals: Vec<_> = batch.records().map(|record| record.ordinal).collect();
        assert_eq!(ordinals, [0, 2]);
        assert!(
            matches!(batch.records().next().unwrap().body, Body::Message(message)
            if message.queues.clone().eq([QueueId(4), QueueId(300)]) && message.payload == b"21.5")
        );
    }

    #[test]
    fn k30_the_word_of_an_ended_session_goes_along_but_is_no_part_of_its_record() {
        let (session, mut said, mut plain) = (SessionId(5), Batch::default(), Batch::default());
        said.skip();
        plain.skip();
        assert_eq!(said.end_session(session, NotKept::SessionCleared), 1);
        plain.change(&Change::SessionEnded { session });
        assert_eq!((said.bytes(), said.seal()), (plain.bytes(), plain.seal()));
        assert_eq!(
            (said.word(0), said.word(1)),
            (None, Some(NotKept::SessionCleared))
        );
        assert_eq!(plain.word(1), None);
    }

    #[test]
    fn the_seal_knows_order_and_number_of_records() {
        let of = |topics: &[&str]| {
            let mut batch = Batch::with_buffer(vec![1, 2, 3]);
            for topic in topics {
                batch.message(&NewMessage { topic, ..MESSAGE });
            }
            batch.seal()
        };
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["b", "a"]));
        assert_ne!(of(&["a", "b"]), of(&["a"]));
        assert_eq!(of(&[]), 0);
    }
}
