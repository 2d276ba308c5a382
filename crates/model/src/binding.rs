//! A delivery in flight to a client.

use crate::{QoS, Seq};

/// A message on its way to one client under one packet id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Which message.
    pub seq: Seq,
    /// Under which packet id; never 0.
    pub packet_id: u16,
    /// At which QoS it is delivered (1 or 2).
    pub qos: QoS,
    /// QoS 2: PUBREC came, PUBREL is owed; the message itself is not needed any more.
    pub released: bool,
    /// The delivery's retain flag.
    pub retain: bool,
    /// It did not come out of the session's own queues: it was leased from a shared group (K27), or it is a retained
    /// message for a new subscription. The same message may still wait in a queue of the session, and is owed there too.
    pub aside: bool,
}
