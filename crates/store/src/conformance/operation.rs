//! What a history does, as owned values that can be put into a batch and into the naive model.

use restante_model::{NotKept, QoS, QueueId, SessionId, UnixMillis};

use crate::{
    batch::Batch,
    change::{Change, NewMessage},
    change_record::ChangeRecord,
};

/// One ordinal of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// A message nobody keeps.
    Skip,
    /// A message.
    Publish(Published),
    /// A change of state.
    Change(ChangeRecord<'static>),
}

/// A message on its way into the store; see [`NewMessage`].
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "each field is described in `NewMessage`")]
pub struct Published {
    pub queues: Vec<QueueId>,
    pub qos: QoS,
    pub retain: bool,
    pub set_retained: bool,
    pub deadline: UnixMillis,
    pub sender: &'static str,
    pub topic: &'static str,
    pub properties: Vec<u8>,
    pub payload: Vec<u8>,
    pub receipt: Option<(SessionId, u16)>,
}

impl Operation {
    /// Puts it into a batch.
    pub fn put(&self, batch: &mut Batch) {
        match self {
            Operation::Skip => _ = batch.skip(),
            Operation::Publish(published) => _ = batch.message(&published.message()),
            Operation::Change(ChangeRecord::SessionEnded { session }) => {
                batch.end_session(*session, word_of(*session));
            }
            Operation::Change(change) => _ = batch.change(&as_change(change)),
        }
    }
}

/// Under which word the session of a history ends.
pub fn word_of(session: SessionId) -> NotKept {
    match session.0 % 2 {
        0 => NotKept::SessionCleared,
        _ => NotKept::SessionExpired,
    }
}

impl Published {
    /// Borrowed.
    pub fn message(&self) -> NewMessage<'_> {
        NewMessage {
            queues: &self.queues,
            qos: self.qos,
            retain: self.retain,
            set_retained: self.set_retained,
            deadline: self.deadline,
            sender: self.sender,
            topic: self.topic,
            properties: &self.properties,
            payload: &self.payload,
            receipt: self.receipt,
        }
    }
}

/// A decoded change as one that can be encoded again.
pub fn as_change<'a>(change: &'a ChangeRecord<'a>) -> Change<'a> {
    match *change {
        ChangeRecord::QueueOpened { queue, filter } => Change::QueueOpened { queue, filter },
        ChangeRecord::QueueClosed { queue } => Change::QueueClosed { queue },
        ChangeRecord::SessionOpened {
            session,
            client_id,
            version,
            expiry,
            ref will,
            at,
        } => Change::SessionOpened {
            session,
            client_id,
            version,
            expiry,
            will: will.clone(),
            at,
        },
        ChangeRecord::SessionDetached {
            session,
            expiry,
            ref bindings,
            at,
            will_void,
        } => Change::SessionDetached {
            session,
            expiry,
            bindings,
            at,
            will_void,
        },
        ChangeRecord::SessionEnded { session } => Change::SessionEnded { session },
        ChangeRecord::WillCleared { session } => Change::WillCleared { session },
        ChangeRecord::Subscribed {
            session,
            filter,
            queue,
            options,
        } => Change::Subscribed {
            session,
            filter,
            queue,
            options,
        },
        ChangeRecord::Unsubscribed { session, filter } => Change::Unsubscribed { session, filter },
        ChangeRecord::CursorMoved {
            session,
            low,
            ref above,
        } => Change::CursorMoved { session, low, above },
        ChangeRecord::PacketIdsReserved { session, next } => Change::PacketIdsReserved { session, next },
        ChangeRecord::Bound { session, binding } => Change::Bound { session, binding },
        ChangeRecord::BoundHere {
            session,
            back,
            packet_id,
            qos,
            retain,
        } => Change::BoundHere {
            session,
            back,
            packet_id,
            qos,
            retain,
        },
        ChangeRecord::Released { session, packet_id } => Change::Released { session, packet_id },
        ChangeRecord::Unbound { session, packet_id } => Change::Unbound { session, packet_id },
        ChangeRecord::Received { session, packet_id } => Change::Received { session, packet_id },
        ChangeRecord::Completed { session, packet_id } => Change::Completed { session, packet_id },
        ChangeRecord::RetainedCleared { topic } => Change::RetainedCleared { topic },
        ChangeRecord::Noted { key, value } => Change::Noted { key, value },
    }
}
