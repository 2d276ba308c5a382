//! Messages on their way to present receivers, in memory.
//!
//! A batch that was submitted to the store is handed to the runtimes whose receivers it concerns, in the order of its
//! sequences (K3), without waiting for the disk (K1).

use std::sync::Arc;

use restante_model::{MessageId, QoS, Seq, SubscriptionOptions, UnixMicros, UnixMillis};
use restante_store::image::StoredMessage;

use crate::router::{Address, Matches};

/// One message, copied out of the read buffer once, shared by all its receivers.
#[derive(Debug)]
pub(crate) struct LiveMessage {
    /// Topic, properties and payload, one after another: one allocation.
    body: Box<[u8]>,
    topic_len: u32,
    properties_len: u32,
    qos: QoS,
    retain: bool,
    stored: bool,
    deadline: UnixMillis,
    sender: Arc<str>,
}

/// A message as delivery sees it, wherever it came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageView<'a> {
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// It is in the store, or on its way there.
    pub(crate) stored: bool,
    /// Which one it is, where that is known: of a live message only when somebody must know.
    pub(crate) id: Option<MessageId>,
    pub(crate) deadline: UnixMillis,
    pub(crate) sender: &'a [u8],
    pub(crate) topic: &'a [u8],
    /// In the form of [`crate::expiry_mark`]: begins with the expiry when the publisher set one.
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl LiveMessage {
    pub(crate) fn new(view: &MessageView<'_>, sender: Arc<str>) -> LiveMessage {
        let mut body = Vec::with_capacity(view.topic.len() + view.properties.len() + view.payload.len());
        body.extend_from_slice(view.topic);
        body.extend_from_slice(view.properties);
        body.extend_from_slice(view.payload);
        LiveMessage {
            body: body.into_boxed_slice(),
            topic_len: view.topic.len() as u32,
            properties_len: view.properties.len() as u32,
            qos: view.qos,
            retain: view.retain,
            stored: view.stored,
            deadline: view.deadline,
            sender,
        }
    }

    pub(crate) fn view(&self) -> MessageView<'_> {
        let (topic, rest) = self.body.split_at(self.topic_len as usize);
        let (properties, payload) = rest.split_at(self.properties_len as usize);
        MessageView {
            qos: self.qos,
            retain: self.retain,
            stored: self.stored,
            id: None,
            deadline: self.deadline,
            sender: self.sender.as_bytes(),
            topic,
            properties,
            payload,
        }
    }

    /// Bytes it holds, for the bounds of queues in memory.
    pub(crate) fn cost(&self) -> usize {
        self.body.len() + size_of::<LiveMessage>()
    }
}

impl<'a> MessageView<'a> {
    pub(crate) fn of_stored(message: &'a StoredMessage) -> MessageView<'a> {
        MessageView {
            qos: message.qos,
            retain: message.retain,
            stored: true,
            id: Some(message.id),
            deadline: message.deadline,
            sender: message.parts.sender(),
            topic: message.parts.topic(),
            properties: message.parts.properties(),
            payload: message.parts.payload(),
        }
    }
}

/// What one turn of one runtime hands to the others.
pub(crate) struct LiveBatch {
    pub(crate) first: Seq,
    /// Publish time of its messages: the time part of their ids.
    pub(crate) time: UnixMicros,
    pub(crate) entries: Vec<LiveEntry>,
    /// Bytes of its messages, for the bound of the hand-over.
    pub(crate) bytes: usize,
}

/// One message of a batch with its receivers.
pub(crate) struct LiveEntry {
    pub(crate) ordinal: u32,
    pub(crate) message: Arc<LiveMessage>,
    pub(crate) matches: Arc<Matches>,
    /// Members chosen from shared groups.
    pub(crate) chosen: Vec<Chosen>,
}

impl LiveEntry {
    /// How many clients of one runtime get it.
    pub(crate) fn receivers_on(&self, runtime: u16) -> usize {
        let chosen = self.chosen.iter();
        let chosen = chosen.filter(|chosen| chosen.address.runtime == runtime);
        self.matches.targets_of(runtime).len() + chosen.count()
    }
}

/// The member of a shared group that was chosen for one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen {
    pub(crate) address: Address,
    pub(crate) options: SubscriptionOptions,
}
