//! The messages kept, each once, counted by who holds them: queue entries, the retained table, bindings.

use std::collections::HashMap;

use bytes::Bytes;
use restante_model::{MessageId, QoS, Seq, UnixMillis};

use crate::{image::StoredMessage, record::MessageRecord};

/// What a kept message costs beside its bytes: its place in the table, its id and flags. An estimate, so that the
/// bound in bytes also bounds a store full of empty messages.
const MESSAGE_OVERHEAD_BYTES: usize = 128;

/// One message, its texts in one buffer.
pub(super) struct Body {
    id: MessageId,
    qos: QoS,
    retain: bool,
    deadline: UnixMillis,
    /// Sender, topic, properties and payload, one after another.
    text: Bytes,
    topic_at: usize,
    properties_at: usize,
    payload_at: usize,
    record_bytes: usize,
}

impl Body {
    /// Copies a message out of its batch, so that it does not pin the batch's buffer.
    pub(super) fn copy(id: MessageId, message: &MessageRecord<'_>, record_bytes: usize) -> Body {
        let topic_at = message.sender.len();
        let properties_at = topic_at + message.topic.len();
        let payload_at = properties_at + message.properties.len();
        let mut text = Vec::with_capacity(payload_at + message.payload.len());
        text.extend_from_slice(message.sender);
        text.extend_from_slice(message.topic);
        text.extend_from_slice(message.properties);
        text.extend_from_slice(message.payload);
        Body {
            id,
            qos: message.qos,
            retain: message.retain,
            deadline: message.deadline,
            text: Bytes::from(text),
            topic_at,
            properties_at,
            payload_at,
            record_bytes,
        }
    }

    /// What limits and pages count: the length of its record, as in the log.
    pub(super) fn len(&self) -> usize {
        self.record_bytes
    }

    /// When it was published.
    pub(super) fn published(&self) -> UnixMillis {
        UnixMillis(self.id.micros() / 1000)
    }

    /// The message as readers get it.
    pub(super) fn stored(&self, seq: Seq) -> StoredMessage {
        StoredMessage {
            seq,
            id: self.id,
            qos: self.qos,
            retain: self.retain,
            deadline: self.deadline,
            sender: self.text.slice(..self.topic_at),
            topic: self.text.slice(self.topic_at..self.properties_at),
            properties: self.text.slice(self.properties_at..self.payload_at),
            payload: self.text.slice(self.payload_at..),
        }
    }
}

/// All messages that somebody holds.
#[derive(Default)]
pub(super) struct Bodies {
    held: HashMap<Seq, Held>,
    bytes: usize,
}

struct Held {
    body: Body,
    holders: u32,
}

impl Bodies {
    /// Keeps a message for so many holders, at least one.
    pub(super) fn insert(&mut self, seq: Seq, body: Body, holders: u32) {
        self.bytes += body.text.len() + MESSAGE_OVERHEAD_BYTES;
        self.held.insert(seq, Held { body, holders });
    }

    /// One more holder. Answers whether the message is there.
    pub(super) fn hold(&mut self, seq: Seq) -> bool {
        let held = self.held.get_mut(&seq);
        held.map(|held| held.holders += 1).is_some()
    }

    /// One holder less; without holders the message goes.
    pub(super) fn release(&mut self, seq: Seq) {
        let Some(held) = self.held.get_mut(&seq) else {
            return;
        };
        held.holders -= 1;
        if held.holders == 0 {
            self.bytes -= held.body.text.len() + MESSAGE_OVERHEAD_BYTES;
            self.held.remove(&seq);
        }
    }

    /// The message, while somebody holds it.
    pub(super) fn get(&self, seq: Seq) -> Option<&Body> {
        self.held.get(&seq).map(|held| &held.body)
    }

    /// Bytes of all messages, with what each costs beside its bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many messages are held.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }
}
