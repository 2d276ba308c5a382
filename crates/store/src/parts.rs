//! What a message consists of, in one piece of memory.

use bytes::Bytes;

use crate::record::MessageRecord;

/// Sender, topic, properties and payload, one after another. One reference for all four: a backlog is handed over
/// message by message, and each further one would be counted up by a reader and down by a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    bytes: Bytes,
    topic_at: u32,
    properties_at: u32,
    payload_at: u32,
}

impl Parts {
    /// A copy that keeps nothing else in memory. Each part is shorter than 4 GiB, as is what a packet can carry.
    pub fn copy(sender: &[u8], topic: &[u8], properties: &[u8], payload: &[u8]) -> Parts {
        let bytes = [sender, topic, properties, payload].concat();
        Parts::new(bytes.into(), sender.len(), topic.len(), properties.len())
    }

    /// The parts of a message that was decoded from this record; the record is a part of `bytes`, and stays there.
    pub(crate) fn of_record(message: &MessageRecord<'_>, record: &[u8], bytes: &Bytes) -> Parts {
        let (sender, topic) = (message.sender.len(), message.topic.len());
        let properties = message.properties.len();
        // A record ends with its parts, in this order.
        let len = sender + topic + properties + message.payload.len();
        let own = &record[record.len().saturating_sub(len)..];
        Parts::new(bytes.slice_ref(own), sender, topic, properties)
    }

    fn new(bytes: Bytes, sender: usize, topic: usize, properties: usize) -> Parts {
        let (topic_at, properties_at) = (sender as u32, (sender + topic) as u32);
        Parts {
            bytes,
            topic_at,
            properties_at,
            payload_at: properties_at + properties as u32,
        }
    }

    /// Client id of the publisher (UTF-8).
    pub fn sender(&self) -> &[u8] {
        &self.bytes[..self.topic_at as usize]
    }

    /// Topic name (UTF-8).
    pub fn topic(&self) -> &[u8] {
        &self.bytes[self.topic_at as usize..self.properties_at as usize]
    }

    /// Encoded 5.0 properties.
    pub fn properties(&self) -> &[u8] {
        &self.bytes[self.properties_at as usize..self.payload_at as usize]
    }

    /// Payload.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.payload_at as usize..]
    }

    /// Bytes of all parts.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether all parts are empty.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
