//! The messages kept, each once, counted by who holds them: queue entries, the retained table, bindings.

use std::collections::HashMap;

use restante_model::{MessageId, QoS, Seq, UnixMillis};

use crate::{image::StoredMessage, parts::Parts, record::MessageRecord};

/// What a kept message costs beside its bytes: its place in the table, its id and flags. An estimate, so that the
/// bound in bytes also bounds a store full of empty messages.
const MESSAGE_OVERHEAD_BYTES: usize = 128;

/// One message.
pub(super) struct Body {
    id: MessageId,
    qos: QoS,
    retain: bool,
    deadline: UnixMillis,
    parts: Parts,
    record_bytes: usize,
}

impl Body {
    /// Copies a message out of its batch, so that it does not pin the batch's buffer.
    pub(super) fn copy(id: MessageId, message: &MessageRecord<'_>, record_bytes: usize) -> Body {
        Body {
            id,
            qos: message.qos,
            retain: message.retain,
            deadline: message.deadline,
            parts: Parts::copy(message.sender, message.topic, message.properties, message.payload),
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
            parts: self.parts.clone(),
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
        self.bytes += body.parts.len() + MESSAGE_OVERHEAD_BYTES;
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
            self.bytes -= held.body.parts.len() + MESSAGE_OVERHEAD_BYTES;
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
