//! From CONNECT to CONNACK: claim the client id, take up the session, resume it.
//!
//! The order matters: the id is claimed first (the older connection writes its last word and leaves), then the
//! session is opened in the store, then its image is read at that point of the order, then the router is told, and
//! only when nobody plans without this receiver any more does its feed begin.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use hashbrown::HashMap;
use restante_codec::{
    DecodeLimits, Decoded, TooLarge, decode,
    packet::{Connect, Packet},
};
use restante_model::{Cursor, Filter, NotKept, QoS, Seq, SessionId};
use restante_session::{Inbound, KeepAlive, OutAliases, Outbound, Refusal, Terms, accept};
use restante_store::{
    change::Change,
    contract::Admission,
    image::{SessionImage, Will},
};
use tokio::net::TcpStream;

use super::{
    Answers, Connection, Feed, State, Subscription, ending, leaving, resending::Resending, telling::Stranger,
};
use crate::{
    counters::{down, up},
    directory::{Claim, Leaving},
    expiry_mark,
    reactor::{Reactor, Unkept},
    router::{Address, Receiver},
    shared::Note,
    wire,
};

/// 5.0 reason codes and 3.x return codes of a refused CONNECT.
const SERVER_UNAVAILABLE: Refusal = Refusal {
    reason_5: 0x88,
    code_3x: 3,
    why: "the store takes nothing, so no session can be opened",
};
const QUOTA: Refusal = Refusal {
    reason_5: 0x97,
    code_3x: 3,
    why: "the limit of sessions is reached",
};

const NO_ROOM: Refusal = Refusal {
    reason_5: 0x97,
    code_3x: 3,
    why: "the store is full, so no session is begun",
};

/// What a CONNECT said, kept beyond its bytes.
struct Newcomer {
    client_id: Arc<str>,
    terms: Terms,
    will: Option<Will>,
}

/// A connection ready to be served, with what it sent behind its CONNECT.
pub(super) struct Entered {
    pub(super) connection: Rc<Connection>,
    pub(super) beyond: Vec<u8>,
}

/// Gives a new socket its CONNACK. `None` when it did not come to that.
pub(super) async fn enter(reactor: &Rc<Reactor>, stream: TcpStream) -> Option<Entered> {
    let patience = Duration::from_secs(u64::from(reactor.shared.settings.limits.connect_timeout));
    let read = tokio::time::timeout(patience, read_connect(reactor, &stream)).await;
    let (mut newcomer, beyond) = match read.unwrap_or(Err((Stranger::Late, None))) {
        Ok(read) => read,
        Err((stranger, answer)) => {
            turn_away(reactor, &stream, &stranger);
            if let Some(answer) = answer {
                leaving::say_and_close(&stream, &answer).await;
            }
            return None;
        }
    };
    let (address, taken) = reactor.enter();
    match open(reactor, &mut newcomer, address).await {
        Ok((session, image)) => {
            let connection = settle(reactor, stream, newcomer, address, session, image, &taken).await;
            Some(Entered { connection, beyond })
        }
        Err(refusal) => {
            turn_away(reactor, &stream, &Stranger::refused(&refusal));
            reactor.vacate(address);
            let mut answer = Vec::new();
            wire::refused(&mut answer, &wire::receiver(&newcomer.terms), &refusal);
            leaving::say_and_close(&stream, &answer).await;
            None
        }
    }
}

/// Counts and tells that somebody does not come in.
fn turn_away(reactor: &Reactor, stream: &TcpStream, stranger: &Stranger) {
    let counters = &reactor.shared.counters;
    up(&counters.connections_refused);
    if stranger.broke_the_protocol() {
        up(&counters.protocol_errors);
    }
    stranger.tell(stream);
}

/// Reads up to the end of a CONNECT. The error is why it is none, and what to answer before closing, if anything.
async fn read_connect(
    reactor: &Reactor,
    stream: &TcpStream,
) -> Result<(Newcomer, Vec<u8>), (Stranger, Option<Vec<u8>>)> {
    let gone = || (Stranger::Gone, None);
    let limits = DecodeLimits {
        packet_size_max: reactor.shared.limits.packet_size_max,
    };
    let mut read: Vec<u8> = Vec::new();
    loop {
        stream.readable().await.map_err(|_| gone())?;
        let mut chunk = [0; 4096];
        match stream.try_read(&mut chunk) {
            Ok(0) => return Err(gone()),
            Ok(count) => read.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return Err(gone()),
        }
        let decoded = decode(&read, None, &limits)
            .map_err(|error| (Stranger::unreadable(error, &read), wire::bad_connect(&error)))?;
        let Decoded::Packet { packet, consumed } = decoded else {
            continue;
        };
        // The decoder lets nothing else pass before a CONNECT [MQTT-3.1.0-1].
        let Packet::Connect(connect) = packet else {
            return Err(gone());
        };
        let newcomer = judge(reactor, &connect).map_err(|refusal| {
            let mut answer = Vec::new();
            let to = restante_codec::encode::Receiver {
                packet_size_max: connect.maximum_packet_size.unwrap_or(u32::MAX),
                ..restante_codec::encode::Receiver::new(connect.version)
            };
            wire::refused(&mut answer, &to, &refusal);
            (Stranger::refused(&refusal), Some(answer))
        })?;
        // Who takes no CONNACK cannot come in: it must be the first packet [MQTT-3.2.0-1].
        let (to, limits) = (wire::receiver(&newcomer.terms), &reactor.shared.limits);
        let told = newcomer.terms.connack(false, &newcomer.client_id, limits);
        wire::connack(&mut Vec::new(), &to, &told).map_err(|TooLarge| (Stranger::Tight, None))?;
        read.drain(..consumed);
        return Ok((newcomer, read));
    }
}

fn judge(reactor: &Reactor, connect: &Connect<'_>) -> Result<Newcomer, Refusal> {
    let terms = accept(connect, &reactor.shared.limits)?;
    let client_id: Arc<str> = match terms.assigned_id_needed {
        true => reactor.assigned_id().into(),
        false => connect.client_id.into(),
    };
    let will = connect.will.as_ref().map(|will| {
        let mut properties = Vec::new();
        expiry_mark::begin(&mut properties, will.message_expiry);
        properties.extend_from_slice(&will.properties);
        Will {
            topic: will.topic.into(),
            payload: Bytes::copy_from_slice(will.payload),
            qos: will.qos,
            retain: will.retain,
            delay: will.delay,
            message_expiry: will.message_expiry,
            properties: properties.into(),
        }
    });
    Ok(Newcomer {
        client_id,
        terms,
        will,
    })
}

/// Claims the id and opens the session in the store. Answers the store's record, and the image of a session that
/// goes on.
async fn open(
    reactor: &Rc<Reactor>,
    newcomer: &mut Newcomer,
    address: Address,
) -> Result<(Option<SessionId>, Option<SessionImage>), Refusal> {
    let shared = &reactor.shared;
    let client_id = &newcomer.client_id.clone();
    let mut existing = loop {
        let claim = shared.directory.lock().claim(client_id, address);
        match claim {
            Claim::Granted(existing) => break existing,
            Claim::Owned(owner, left) => {
                shared.note(owner, Note::TakenOver);
                // An owner that has gone in the meantime has released the id already.
                let _ = left.await;
            }
        }
    };
    let is_known = existing.is_some();
    let opened = async {
        if let (Some(session), true) = (existing, newcomer.terms.clean) {
            ending::end_session(reactor, client_id, session, NotKept::SessionCleared)
                .await
                .map_err(|Unkept| SERVER_UNAVAILABLE)?;
            shared.directory.lock().set_session(client_id, None);
            existing = None;
        }
        let persistent = newcomer.terms.is_persistent();
        if existing.is_none()
            && persistent
            && shared.directory.lock().persistent() >= shared.settings.limits.sessions_max
        {
            return Err(QUOTA);
        }
        if existing.is_none() && !persistent && newcomer.will.is_none() {
            return Ok((None, None));
        }
        // Who has a session may come back and free space, or begin anew in its place. Who has none is refused, also for
        // the sake of a will alone: it is kept like a session.
        let is_full = matches!(*reactor.admission(), Admission::Full { .. });
        if !is_known && is_full {
            return Err(NO_ROOM);
        }
        // The wills of all who come back would use up what is left to free space with: they are held in memory only, and
        // published without a delay.
        let kept_will = newcomer.will.clone().filter(|_| !is_full);
        if let (Some(will), true) = (&mut newcomer.will, is_full) {
            will.delay = 0;
        }
        if let Some(session) = existing {
            shared.wills.lock().remove(session);
        }
        let session = existing.unwrap_or_else(|| shared.new_session());
        let opened = Change::SessionOpened {
            session,
            client_id,
            version: newcomer.terms.version as u8,
            expiry: newcomer.terms.session_expiry,
            will: kept_will,
            at: shared.clock.millis(),
        };
        // The first block of packet ids is reserved in the same commit (K10).
        let reserve = existing
            .is_none()
            .then(|| Outbound::new(1, 0, Vec::new()).reserve_ahead())
            .flatten();
        let at = reactor
            .commit(|turn| {
                turn.batch.change(&opened);
                if let Some(next) = reserve {
                    turn.batch.change(&Change::PacketIdsReserved { session, next });
                }
            })
            .await
            .map_err(|Unkept| SERVER_UNAVAILABLE)?;
        shared.directory.lock().set_session(
            client_id,
            Some(session).filter(|_| persistent || existing.is_some()),
        );
        let image = match existing {
            Some(_) => reactor.session_image(session, at).await,
            None => None,
        };
        Ok((Some(session), image))
    };
    let answer = opened.await;
    if answer.is_err() {
        shared
            .directory
            .lock()
            .release(client_id, address, Leaving::AsBefore);
    }
    answer
}

/// Makes the connection, sends CONNACK, and lets messages flow.
async fn settle(
    reactor: &Rc<Reactor>,
    stream: TcpStream,
    newcomer: Newcomer,
    address: Address,
    session: Option<SessionId>,
    image: Option<SessionImage>,
    taken: &Cell<bool>,
) -> Rc<Connection> {
    let shared = &reactor.shared;
    let Newcomer {
        client_id,
        terms,
        will,
    } = newcomer;
    let present = image.is_some();
    let persistent = terms.is_persistent() || present;
    let mut out = Vec::new();
    let receiver = wire::receiver(&terms);
    // It fits: that was seen before the session was opened.
    let _ = wire::connack(
        &mut out,
        &receiver,
        &terms.connack(present, &client_id, &shared.limits),
    );
    let (subscriptions, receipts, bindings, next_id, cursor) = match image {
        Some(image) => {
            let subscriptions = subscriptions_of(&image);
            (
                subscriptions,
                image.receipts,
                image.bindings,
                image.next_packet_id,
                image.cursor,
            )
        }
        // A session begins where the order stands now.
        None => (
            HashMap::new(),
            Vec::new(),
            Vec::new(),
            0,
            Cursor::at(shared.last_submitted()),
        ),
    };
    let resending = Resending::new(&bindings);
    let mut outbound = Outbound::new(terms.inflight, next_id, bindings);
    let feed = match persistent {
        true => Feed::persistent(&cursor, &outbound.bound_ranges()),
        false => Feed::volatile(shared.settings.session.queue),
    };
    // A new session's first block was reserved when it was opened.
    let reserve = outbound.reserve_ahead().filter(|_| present);
    let connection = Rc::new(Connection {
        address,
        persistent,
        touched: Cell::new(false),
        wake: tokio::sync::Notify::new(),
        closing: Cell::new(None),
        left: Cell::new(false),
        answering: Cell::new(false),
        copies: RefCell::default(),
        cursor_moved: Cell::new(false),
        blocked: Cell::new(false),
        told_unkept: Cell::new(false),
        state: RefCell::new(State {
            inbound: Inbound::new(&terms, &receipts),
            outbound,
            aliases: OutAliases::new(terms.alias_max_out),
            keep_alive: KeepAlive::new(terms.keep_alive, shared.clock.steady()),
            subscriptions,
            feed,
            cursor_written: cursor.low(),
            unsubscribed_through: Seq::ZERO,
            has_unqueued: false,
            answers: Answers::default(),
            out,
            written: 0,
            partial: Vec::new(),
            aside: HashMap::new(),
            resending,
            retained: super::retained::Retained::default(),
            kept: shared.keeping().map(|_| Box::default()),
            groups_ready: Vec::new(),
            groups_declined: Vec::new(),
            will,
            identifiers: Vec::new(),
            covering: Vec::new(),
        }),
        client_id,
        terms,
        session,
        stream,
        receiver,
    });
    up(&shared.counters.connections);
    if connection.is_persistent() {
        up(&shared.counters.sessions_present);
        if present {
            down(&shared.counters.sessions_absent);
        }
    }
    reactor.settle(&connection);
    if taken.get() {
        connection.close(super::Closing::TakenOver);
    }
    if connection.state.borrow().subscriptions.is_empty() {
        connection.write_out(shared);
    }
    if let (Some(session), Some(next)) = (session, reserve) {
        // Before anything is delivered under these ids (K10). A store that failed delivers nothing that needs them.
        let _ = reactor
            .commit(|turn| {
                turn.batch.change(&Change::PacketIdsReserved { session, next });
            })
            .await;
    }
    connection.tell_of_arrival(reactor);
    connection.take_up_kept(reactor);
    let generation = attach(reactor, &connection);
    let complete_from = shared.planned_since(generation).await;
    // What a client reads in CONNACK is true: from here on the subscriptions it has kept bring QoS 0 messages too.
    connection.write_out(shared);
    connection.restore_subscriptions(reactor).await;
    connection.state.borrow_mut().feed.begin(complete_from);
    connection.drive(reactor);
    connection
}

fn subscriptions_of(image: &SessionImage) -> HashMap<Box<str>, Subscription> {
    let restored = image.subscriptions.iter().filter_map(|stored| {
        let filter = Filter::parse(&stored.filter, true).ok()?;
        let had_qos = stored
            .epochs
            .parts()
            .iter()
            .any(|epoch| epoch.options.qos > QoS::AtMostOnce);
        let reads = stored.queue.is_some() || (filter.share().is_some() && had_qos);
        let subscription = Subscription {
            filter,
            queue: stored.queue,
            reads,
            epochs: stored.epochs.clone(),
        };
        Some((stored.filter.clone(), subscription))
    });
    restored.collect()
}

/// Tells the router about a session's subscriptions; answers the generation from which on they are planned with.
fn attach(reactor: &Reactor, connection: &Connection) -> u64 {
    let shared = &reactor.shared;
    let state = connection.state.borrow();
    let address = connection.address;
    let persistent = connection.is_persistent();
    let (generation, groups) = shared.change_router(|router| {
        let mut groups = Vec::new();
        for subscription in state.subscriptions.values() {
            let options = *subscription.epochs.current();
            match subscription.filter.share() {
                Some(_) => {
                    let group = router.group(&subscription.filter);
                    group.enroll(address, options);
                    groups.push(group);
                }
                None => router.attach(
                    &subscription.filter,
                    Receiver {
                        address,
                        options,
                        persistent,
                    },
                ),
            }
        }
        (router.generation(), groups)
    });
    for _ in 0..state.subscriptions.len() {
        up(&shared.counters.subscriptions);
    }
    for group in groups {
        group.serve_all(shared);
    }
    generation
}
