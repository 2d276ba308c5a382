//! What the broker asks the store to remember. A batch is a list of these, in order, committed together.

use restante_model::{Binding, QoS, QueueId, Seq, SessionId, SubscriptionOptions, UnixMillis};

use crate::image::Will;

/// What stands in the place of a protocol version in a session of the broker's own: one reader of a queue that no client
/// has, such as what drains an outbox. No limit of the store applies to it ([`QueueLimits`](crate::contract::QueueLimits)):
/// nothing is pushed out of what it waits for, it makes no queue full, and what it waits for stays readable when it has
/// expired. Who opens one looks at [`Store::backlog`](crate::contract::Store::backlog), and limits it.
pub const OWN_VERSION: u8 = 1;

/// Most bytes of a note's key: a topic and a client id of any length, and as much again.
pub const NOTE_KEY_BYTES_MAX: usize = 192 << 10;

/// Most bytes of a note's value.
pub const NOTE_VALUE_BYTES_MAX: usize = 64 << 10;

/// One application message, borrowed, on its way into the store.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NewMessage<'a> {
    /// The queues it enters: one entry per distinct matched filter (or shared group). May be empty when only
    /// `receipt` or `retain` must be kept.
    pub queues: &'a [QueueId],
    /// Publisher's QoS.
    pub qos: QoS,
    /// The retain flag as published.
    pub retain: bool,
    /// The message becomes the retained message of its topic; an empty payload clears it `[MQTT-3.3.1-6]`.
    pub set_retained: bool,
    /// When it expires, or [`UnixMillis::NEVER`].
    pub deadline: UnixMillis,
    /// Client id of the publisher.
    pub sender: &'a str,
    /// Topic name.
    pub topic: &'a str,
    /// The 5.0 properties that travel with the message, encoded, without expiry, alias and subscription ids.
    pub properties: &'a [u8],
    /// Payload.
    pub payload: &'a [u8],
    /// QoS 2: the publisher's packet id is taken from now on; in the same record, so the message and its receipt
    /// are durable together or not at all.
    pub receipt: Option<(SessionId, u16)>,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq)]
pub enum Change<'a> {
    /// A queue begins for a filter, `$share/…` included.
    QueueOpened {
        /// New id, never used before.
        queue: QueueId,
        /// The filter's text.
        filter: &'a str,
    },
    /// The queue has no readers any more: its entries are dead at once (K15).
    QueueClosed {
        /// Which.
        queue: QueueId,
    },
    /// A client is connected: the session is created, or taken up again if it exists.
    SessionOpened {
        /// Which.
        session: SessionId,
        /// Client id; ignored when the session exists.
        client_id: &'a str,
        /// Protocol version number (3, 4, 5); 0: a shared group's, [`OWN_VERSION`]: the broker's own.
        version: u8,
        /// Session expiry interval in seconds, after capping; `u32::MAX` = never.
        expiry: u32,
        /// The will of this connection; replaces what was stored (K11).
        will: Option<Will>,
        /// Now.
        at: UnixMillis,
    },
    /// The connection is gone, the session stays.
    SessionDetached {
        /// Which.
        session: SessionId,
        /// May have been changed by DISCONNECT.
        expiry: u32,
        /// What is in flight to the client, in order: replaces the stored list.
        bindings: &'a [Binding],
        /// Now: the expiry interval counts from here.
        at: UnixMillis,
        /// Whether the stored will is void (normal DISCONNECT, or already sent).
        will_void: bool,
    },
    /// The session, its subscriptions, cursor, receipts, bindings and will are gone. What it was still owed is counted
    /// (K30), as `session-expired` unless [`Batch::end_session`](crate::batch::Batch::end_session) says another word:
    /// so it comes before the end of its queues.
    SessionEnded {
        /// Which.
        session: SessionId,
    },
    /// The stored will was published (in the same batch) or is void.
    WillCleared {
        /// Whose.
        session: SessionId,
    },
    /// A subscription begins, or its options change: the old epoch closes and a new one opens at this change's
    /// sequence (K14).
    Subscribed {
        /// Which session.
        session: SessionId,
        /// The filter's text.
        filter: &'a str,
        /// The queue it reads; absent when it is at QoS 0 and never had one. Who is named here pins what it has not
        /// acknowledged: the queue of a shared group is read by the group's pseudo session, opened and subscribed
        /// like any other, and the members' own subscriptions name no queue.
        queue: Option<QueueId>,
        /// Options from here on.
        options: SubscriptionOptions,
    },
    /// A subscription ends. What is bound (in flight) stays readable until it is done (K15). What was owed under this
    /// subscription alone is counted as `unsubscribed` (K30), so it comes before the end of its queue.
    Unsubscribed {
        /// Which session.
        session: SessionId,
        /// The filter's text.
        filter: &'a str,
    },
    /// The session's cursor, whole: replaces the stored one.
    CursorMoved {
        /// Which session, or a shared group's pseudo session.
        session: SessionId,
        /// Low-water mark.
        low: Seq,
        /// Acknowledged ranges above it.
        above: &'a [(Seq, Seq)],
    },
    /// Packet ids up to here may be in use towards this client (K10).
    PacketIdsReserved {
        /// Which session.
        session: SessionId,
        /// The next id that was not yet used.
        next: u16,
    },
    /// A delivery is bound to a packet id (for QoS 2: before the PUBLISH leaves).
    Bound {
        /// Which session.
        session: SessionId,
        /// The binding.
        binding: Binding,
    },
    /// A delivery of a message of this very batch is bound to a packet id. The message is held by the binding, whether or
    /// not it has queues, and aside: it did not come out of the session's own. See
    /// [`Batch::bind`](crate::batch::Batch::bind).
    BoundHere {
        /// Which session.
        session: SessionId,
        /// How many ordinals before this one the message stands; 0 changes nothing.
        back: u32,
        /// To which packet id; what it was bound to before is let go.
        packet_id: u16,
        /// At which QoS it is delivered.
        qos: QoS,
        /// With which retain flag.
        retain: bool,
    },
    /// PUBREC came: PUBREL is owed (K2).
    Released {
        /// Which session.
        session: SessionId,
        /// Which packet id.
        packet_id: u16,
    },
    /// The delivery is over (PUBACK, PUBCOMP, or a refusal): the binding goes.
    Unbound {
        /// Which session.
        session: SessionId,
        /// Which packet id.
        packet_id: u16,
    },
    /// A QoS 2 publish of this client that no message record carries (nobody had to keep it).
    Received {
        /// Which session.
        session: SessionId,
        /// Which packet id.
        packet_id: u16,
    },
    /// PUBREL came: the receipt goes (K2).
    Completed {
        /// Which session.
        session: SessionId,
        /// Which packet id.
        packet_id: u16,
    },
    /// A retained message is gone (cleared without a message, or expired).
    RetainedCleared {
        /// Which topic.
        topic: &'a str,
    },
    /// A note is set, replaced or removed: a small thing to remember that belongs to nobody's session (a read position,
    /// a mark), in the same batch as what it speaks of (K5).
    Noted {
        /// 1 to [`NOTE_KEY_BYTES_MAX`] bytes; a longer one changes nothing.
        key: &'a str,
        /// Up to [`NOTE_VALUE_BYTES_MAX`] bytes; a longer one changes nothing, an empty one removes the note.
        value: &'a [u8],
    },
}
