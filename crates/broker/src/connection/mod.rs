//! One connection: from its CONNECT to the last byte.
//!
//! | module | concept |
//! |---|---|
//! | [`task`] | the loop: reads, writes, waits |
//! | [`handshake`] | CONNECT to CONNACK: take-over, session, resume |
//! | [`packets`] | what the client sends, packet by packet |
//! | [`publishing`] | PUBLISH from the client, and messages the broker publishes itself |
//! | [`subscribing`] | SUBSCRIBE and UNSUBSCRIBE |
//! | [`retained`] | retained messages for new subscriptions |
//! | [`copies`] | messages that are kept for one delivery |
//! | [`kept`] | topics whose backlog is in a database |
//! | [`feed`] | what the session is fed from |
//! | [`pump`] | messages to the client |
//! | [`answers`] | responses that wait for the disk |
//! | [`leaving`] | the end of a connection |
//! | [`ending`] | the end of a session whose client is absent |
//! | [`telling`] | what the log says about connections |
//!
//! A connection belongs to one runtime's thread. Its state is behind one `RefCell`, borrowed for the length of a
//! synchronous step and never across an await.

mod answers;
mod copies;
mod cursor;
mod delivery;
mod ending;
mod feed;
mod handshake;
mod kept;
mod leaving;
mod packets;
mod publishing;
mod pump;
mod resending;
mod retained;
mod subscribing;
mod task;
mod telling;
mod wishes;

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use answers::{Answers, Response, Wait};
pub(crate) use ending::{end_sessions, publish_will};
use feed::Feed;
use hashbrown::HashMap;
use kept::Kept;
use publishing::{Outgoing, publish};
use restante_codec::encode::Receiver;
use restante_codec::packet::Version;
use restante_model::{Epochs, Filter, NotKept, QoS, QueueId, Seq, SessionId, SubscriptionOptions};
use restante_session::{Inbound, KeepAlive, OutAliases, Outbound, Terms, Violation};
use restante_store::image::Will;
use retained::Retained;
pub(crate) use subscribing::GROUP_VERSION;
pub(crate) use task::run;
use tokio::{net::TcpStream, sync::Notify};

use crate::{group::Group, reactor::Reactor, router::Address, shared::Shared};

/// A client with a CONNACK.
pub(crate) struct Connection {
    pub(crate) address: Address,
    pub(crate) client_id: Arc<str>,
    pub(crate) terms: Terms,
    /// The session outlives the connection, or it did so until now: a client may come back to its session and ask that
    /// it end with this connection (clean start 0, session expiry interval 0). What has waited is delivered all the same.
    persistent: bool,
    /// Set when the store has a record of this session (it is persistent, or has a will).
    pub(crate) session: Option<SessionId>,
    /// In the list of those that [`crate::reactor::Reactor::progress`] will pump.
    pub(crate) touched: Cell<bool>,
    stream: TcpStream,
    receiver: Receiver,
    /// Wakes the connection's task: it must close, or wait for room to write.
    wake: Notify,
    closing: Cell<Option<Closing>>,
    /// Its last word is written: the session may be another connection's, and nothing may be decided for it here.
    left: Cell<bool>,
    answering: Cell<bool>,
    /// Where the copies of fetched messages stand that are bound to a packet id: told when their turn is submitted.
    copies: RefCell<HashMap<u16, Seq>>,
    cursor_moved: Cell<bool>,
    blocked: Cell<bool>,
    /// The log has said that its publishes are refused.
    told_unkept: Cell<bool>,
    state: RefCell<State>,
}

struct State {
    inbound: Inbound,
    outbound: Outbound,
    aliases: OutAliases,
    keep_alive: KeepAlive,
    subscriptions: HashMap<Box<str>, Subscription>,
    feed: Feed,
    /// Whether any subscription had no queue of its own when the last page was asked for.
    has_unqueued: bool,
    /// How far the cursor had come when it was last written.
    cursor_written: Seq,
    /// The end of the last subscription that had a queue: what came before it and matches no other one is not owed.
    unsubscribed_through: Seq,
    answers: Answers,
    /// Bytes on their way to the socket; `written` of them are there already.
    out: Vec<u8>,
    written: usize,
    /// The end of what was read: the beginning of a packet.
    partial: Vec<u8>,
    /// Deliveries that the session's cursor does not follow, by packet id: leased from a shared group, or (`None`)
    /// retained messages for a new subscription.
    aside: HashMap<u16, Option<(Arc<Group>, Seq)>>,
    retained: Retained,
    /// What concerns kept topics; none where nothing is kept.
    kept: Option<Box<Kept>>,
    /// Shared groups that have something for this member.
    groups_ready: Vec<Arc<Group>>,
    /// Those that were told that there is no room, and wait to be asked when there is.
    groups_declined: Vec<Arc<Group>>,
    /// Messages in flight from before this connection that are being read again.
    resending: resending::Resending,
    will: Option<Will>,
    /// Subscription identifiers of the delivery at hand.
    identifiers: Vec<u32>,
    /// Options that cover the delivery at hand.
    covering: Vec<SubscriptionOptions>,
}

/// One subscription of a present session.
struct Subscription {
    filter: Filter,
    /// The queue this session reads; none for shared filters and for those that never had QoS 1 or 2.
    queue: Option<QueueId>,
    /// The session counts as a reader of the filter's queue.
    reads: bool,
    epochs: Epochs,
}

impl Subscription {
    /// Not shared, and never above QoS 0: what the store keeps for other subscriptions does not name it.
    fn is_unqueued(&self) -> bool {
        self.queue.is_none() && self.filter.share().is_none()
    }
}

/// Whether a message of a persistent session's queues is owed under any of these.
fn is_owed(subscriptions: &HashMap<Box<str>, Subscription>, seq: Seq, topic: &[u8]) -> bool {
    let topic = delivery::text(topic);
    let mut reading = subscriptions.values().filter(|one| one.queue.is_some());
    reading.any(|one| {
        let options = one.epochs.covering(seq);
        options.is_some_and(|options| options.qos > QoS::AtMostOnce) && one.filter.matches(topic)
    })
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// DISCONNECT with this reason and session expiry interval: 0x04 asks for the will.
    ByClient { reason: u8, expiry: u32 },
    /// The socket ended or failed.
    Lost,
    /// The client broke a rule.
    Violation(Violation),
    /// Nothing heard for 1.5 times the keep-alive [MQTT-3.1.2-22].
    KeepAlive,
    /// Another connection has the client id now [MQTT-3.1.4-3].
    TakenOver,
    /// The broker stops.
    Stopping,
    /// The store failed: what was promised cannot be kept.
    StoreFailed,
    /// A 3.x publish that cannot be kept (K25).
    Unkept(NotTaken),
}

/// A publish that is refused, and reaches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotTaken {
    /// What a 5.0 client is answered.
    pub(crate) reason: u8,
    /// The word in metrics and log lines.
    pub(crate) why: NotKept,
}

impl Closing {
    /// Reason code of a 5.0 DISCONNECT, if one is sent.
    fn reason(self) -> Option<u8> {
        match self {
            Closing::ByClient { .. } | Closing::Lost => None,
            Closing::Violation(violation) => Some(violation.reason),
            Closing::KeepAlive => Some(0x8D),
            Closing::TakenOver => Some(0x8E),
            Closing::Stopping => Some(0x8B),
            Closing::StoreFailed => Some(0x83),
            Closing::Unkept(not_taken) => Some(not_taken.reason),
        }
    }

    /// A reason string, where there is more to say than the code.
    fn words(self) -> Option<&'static str> {
        match self {
            Closing::Violation(violation) => Some(violation.why),
            _ => None,
        }
    }

    /// Whether the will is published [MQTT-3.1.2-8], [MQTT-3.14.4-3].
    fn wants_will(self) -> bool {
        !matches!(self, Closing::ByClient { reason: 0, .. })
    }
}

impl Connection {
    /// Whether the store holds what this session is owed.
    pub(crate) fn is_persistent(&self) -> bool {
        self.persistent
    }

    fn version(&self) -> Version {
        self.terms.version
    }

    /// A copy of a fetched message has its sequence.
    pub(crate) fn copied_at(&self, packet_id: u16, seq: Seq) {
        self.copies.borrow_mut().insert(packet_id, seq);
    }

    /// Asks the connection's task to end. The first reason counts.
    pub(crate) fn close(&self, why: Closing) {
        if self.closing.get().is_none() {
            self.closing.set(Some(why));
            self.wake.notify_one();
        }
    }

    /// Writes what there is to write, as far as the socket takes it. The rest waits for the connection's task.
    pub(crate) fn write_out(&self, shared: &Shared) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        while state.written < state.out.len() {
            match self.stream.try_write(&state.out[state.written..]) {
                Ok(0) => break,
                Ok(count) => {
                    state.written += count;
                    shared
                        .counters
                        .bytes_sent
                        .fetch_add(count as u64, std::sync::atomic::Ordering::Relaxed);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if !self.blocked.replace(true) {
                        self.wake.notify_one();
                    }
                    break;
                }
                Err(_) => {
                    self.close(Closing::Lost);
                    break;
                }
            }
        }
        if state.written == state.out.len() {
            state.out.clear();
            state.written = 0;
            self.blocked.set(false);
        } else if state.written > OUT_KEPT {
            state.out.drain(..state.written);
            state.written = 0;
        }
    }

    /// Takes a note from the inbox.
    pub(crate) fn take_note(&self, reactor: &Reactor, note: crate::shared::Note) {
        use crate::shared::Note;
        match note {
            Note::Page(page) => self.state.borrow_mut().feed.take_page(page),
            Note::Bound(messages) => self.take_bound(messages),
            Note::Retained(page) => self.take_retained(page),
            Note::Kept(answer) => self.take_kept(reactor, answer),
            Note::KeptFree(keep, topic) => self.kept_is_free(reactor, keep, &topic),
            Note::TakenOver => self.close(Closing::TakenOver),
            Note::GroupReady(group) => self.group_ready(&group),
        }
    }
}

/// Room that an idle connection's buffer keeps, in bytes; what is lent to it while it writes goes back.
const OUT_KEPT: usize = 16 << 10;
