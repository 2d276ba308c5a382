//! A raw MQTT client on a blocking socket: sends any bytes, acknowledges only when told to.
//!
//! Two ways to use it. The `expect_` functions panic with a sentence when something else came: for tests of one
//! connection. [`Client::receive`] and [`Client::send`] return what happened: for tests in which connections are
//! cut on purpose.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use restante_codec::client as codec;
use restante_codec::packet::{Ack, AckKind, Disconnect, Subscribe, Unsubscribe, Version};
use restante_codec::{Decoded, PACKET_BYTES_MAX, encode::Receiver};
use restante_model::{QoS, SubscriptionOptions};

use crate::received::{ConnAck, Message, Received};
use crate::sending::{Connect, Publish, identifier};

/// How long an expected packet may take. Generous: a test that passes never waits it out.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// Why nothing more came.
#[derive(Debug)]
pub enum Ended {
    /// Nothing within the time given; the connection is open.
    Silent,
    /// The server closed.
    Closed,
    /// The connection broke.
    Broken(io::Error),
    /// The server sent what is no packet.
    Malformed(String),
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    version: Version,
    buffer: Vec<u8>,
    /// How much of `buffer` was taken as packets.
    taken: usize,
    next_id: u16,
    connack: ConnAck,
}

impl Client {
    /// Connects a socket; sends nothing. Until a CONNECT is sent with [`Client::start`] the version is 3.1.1.
    ///
    /// # Panics
    /// When the address does not answer.
    pub fn open(address: SocketAddr) -> Client {
        Client::try_open(address).unwrap_or_else(|error| panic!("cannot reach {address}: {error}"))
    }

    /// As [`Client::open`], for an address that may not answer.
    ///
    /// # Errors
    /// What the socket said.
    pub fn try_open(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client {
            stream,
            version: Version::V311,
            buffer: Vec::new(),
            taken: 0,
            next_id: 0,
            connack: ConnAck::default(),
        })
    }

    /// Connects and takes a CONNACK with success.
    ///
    /// # Panics
    /// When it does not come.
    pub fn connect(address: SocketAddr, connect: &Connect) -> Client {
        let mut client = Client::open(address);
        let connack = client.start(connect);
        assert_eq!(
            connack.reason, 0,
            "{:?} was refused: {connack:?}",
            connect.client_id
        );
        client
    }

    /// As [`Client::connect`], for a server that may be cut off at any moment.
    ///
    /// # Errors
    /// What came instead of a CONNACK with success.
    pub fn try_connect(address: SocketAddr, connect: &Connect) -> Result<Client, Ended> {
        let mut client = Client::try_open(address).map_err(Ended::Broken)?;
        client.version = connect.version;
        client.send(&connect.bytes()).map_err(Ended::Broken)?;
        match client.receive(PATIENCE)? {
            Received::ConnAck(connack) if connack.reason == 0 => client.connack = connack,
            other => return Err(Ended::Malformed(format!("no CONNACK with success but {other:?}"))),
        }
        Ok(client)
    }

    /// Sends CONNECT and takes the CONNACK, whatever it says.
    ///
    /// # Panics
    /// When none comes.
    pub fn start(&mut self, connect: &Connect) -> ConnAck {
        self.version = connect.version;
        self.must_send(&connect.bytes());
        match self.expect() {
            Received::ConnAck(connack) => {
                self.connack = connack.clone();
                connack
            }
            other => panic!("expected CONNACK, got {other:?}"),
        }
    }

    /// The CONNACK that began this connection.
    pub fn connack(&self) -> &ConnAck {
        &self.connack
    }

    /// Whether the server had a session.
    pub fn session_present(&self) -> bool {
        self.connack.session_present
    }

    /// The version spoken.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Reads what comes as packets of this version, without a CONNECT of ours.
    pub fn speak(&mut self, version: Version) {
        self.version = version;
    }

    /// Sends any bytes.
    ///
    /// # Errors
    /// What the socket said.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next packet, waiting for it no longer than `limit`.
    ///
    /// # Errors
    /// Why none came.
    pub fn receive(&mut self, limit: Duration) -> Result<Received, Ended> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(packet) = self.take()? {
                return Ok(packet);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Ended::Silent);
            }
            self.read(left)?;
        }
    }

    /// The next packet.
    ///
    /// # Panics
    /// When none comes within [`PATIENCE`].
    pub fn expect(&mut self) -> Received {
        self.receive(PATIENCE)
            .unwrap_or_else(|ended| panic!("expected a packet, but {ended}"))
    }

    /// The bytes of the next packet.
    ///
    /// # Panics
    /// When none comes within [`PATIENCE`], or what comes is no packet.
    pub fn expect_bytes(&mut self) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let before = self.taken;
            match self.take() {
                Ok(Some(_)) => return self.buffer[before..self.taken].to_vec(),
                Ok(None) => {}
                Err(ended) => panic!("expected a packet, but {ended}"),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if let Err(ended) = self.read(left.max(Duration::from_millis(1))) {
                panic!("expected a packet, but {ended}");
            }
        }
    }

    /// The next packet, which must be a PUBLISH.
    ///
    /// # Panics
    /// When it is not.
    pub fn expect_publish(&mut self) -> Message {
        match self.expect() {
            Received::Publish(message) => message,
            other => panic!("expected PUBLISH, got {other:?}"),
        }
    }

    /// The next packet, which must be the given acknowledgement; returns its reason.
    ///
    /// # Panics
    /// When it is not.
    pub fn expect_ack(&mut self, kind: AckKind, packet_id: u16) -> u8 {
        match self.expect() {
            Received::Ack(ack) if ack.kind == kind && ack.packet_id == packet_id => ack.reason,
            other => panic!("expected {kind:?} {packet_id}, got {other:?}"),
        }
    }

    /// The next packet must be a DISCONNECT; returns its reason.
    ///
    /// # Panics
    /// When it is not.
    pub fn expect_disconnect(&mut self) -> u8 {
        match self.expect() {
            Received::Disconnect(reason) => reason,
            other => panic!("expected DISCONNECT, got {other:?}"),
        }
    }

    /// The server must close without sending another packet. A reset counts: its kernel says so when bytes of ours
    /// were still unread.
    ///
    /// # Panics
    /// When it does not.
    pub fn expect_closed(&mut self) {
        match self.receive(PATIENCE) {
            Err(Ended::Closed | Ended::Broken(_)) => {}
            other => panic!("expected the connection to be closed, got {other:?}"),
        }
    }

    /// Nothing waits for this client: a PINGREQ is answered before anything else comes. What the server does
    /// later than that is not seen.
    ///
    /// # Panics
    /// When something comes.
    pub fn expect_nothing(&mut self) {
        self.must_send(&codec::PINGREQ);
        match self.expect() {
            Received::PingResp => {}
            other => panic!("expected nothing, got {other:?}"),
        }
    }

    /// SUBSCRIBE to filters at one QoS each; returns the reasons.
    ///
    /// # Panics
    /// When no SUBACK comes next.
    pub fn subscribe(&mut self, filters: &[(&str, QoS)]) -> Vec<u8> {
        let with_options: Vec<_> = filters
            .iter()
            .map(|&(filter, qos)| {
                let options = SubscriptionOptions {
                    qos,
                    ..SubscriptionOptions::default()
                };
                (filter, options)
            })
            .collect();
        self.subscribe_with(&with_options)
    }

    /// SUBSCRIBE with options; returns the reasons.
    ///
    /// # Panics
    /// When no SUBACK comes next.
    pub fn subscribe_with(&mut self, filters: &[(&str, SubscriptionOptions)]) -> Vec<u8> {
        let packet_id = self.fresh_id();
        let subscribe = Subscribe {
            packet_id: identifier(packet_id),
            filters: filters.to_vec(),
        };
        let mut bytes = Vec::new();
        codec::subscribe(self.version, &subscribe, &mut bytes).expect("a SUBSCRIBE that MQTT can say");
        self.must_send(&bytes);
        match self.expect() {
            Received::SubAck(id, reasons) if id == packet_id => reasons,
            other => panic!("expected SUBACK {packet_id}, got {other:?}"),
        }
    }

    /// Sends a SUBSCRIBE and waits for nothing; answers its packet identifier.
    ///
    /// # Errors
    /// What the socket said.
    ///
    /// # Panics
    /// When a filter is longer than MQTT can say.
    pub fn ask_to_subscribe(&mut self, filters: &[(&str, QoS)]) -> io::Result<u16> {
        let packet_id = self.fresh_id();
        let options = |qos| SubscriptionOptions {
            qos,
            ..SubscriptionOptions::default()
        };
        let subscribe = Subscribe {
            packet_id: identifier(packet_id),
            filters: filters
                .iter()
                .map(|&(filter, qos)| (filter, options(qos)))
                .collect(),
        };
        let mut bytes = Vec::new();
        codec::subscribe(self.version, &subscribe, &mut bytes).expect("a SUBSCRIBE that MQTT can say");
        self.send(&bytes)?;
        Ok(packet_id)
    }

    /// UNSUBSCRIBE; returns the reasons (none in 3.x).
    ///
    /// # Panics
    /// When no UNSUBACK comes next.
    pub fn unsubscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        let packet_id = self.fresh_id();
        let unsubscribe = Unsubscribe {
            packet_id: identifier(packet_id),
            filters: filters.to_vec(),
        };
        let mut bytes = Vec::new();
        codec::unsubscribe(self.version, &unsubscribe, &mut bytes).expect("an UNSUBSCRIBE that MQTT can say");
        self.must_send(&bytes);
        match self.expect() {
            Received::UnsubAck(id, reasons) if id == packet_id => reasons,
            other => panic!("expected UNSUBACK {packet_id}, got {other:?}"),
        }
    }

    /// Sends a PUBLISH and waits for nothing.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn publish(&mut self, publish: &Publish) {
        let mut bytes = Vec::new();
        publish.write(self.version, &mut bytes);
        self.must_send(&bytes);
    }

    /// Publishes at QoS 1 under a fresh identifier and takes the PUBACK.
    ///
    /// # Panics
    /// When it does not come next, or refuses.
    pub fn publish_acked(&mut self, topic: &str, payload: &[u8]) {
        let packet_id = self.fresh_id();
        self.publish(&Publish::qos1(packet_id, topic, payload));
        let reason = self.expect_ack(AckKind::PubAck, packet_id);
        assert!(
            reason < 0x80,
            "the publish to {topic} was refused with {reason:#04x}"
        );
    }

    /// Publishes at QoS 2 under a fresh identifier and goes the whole way to PUBCOMP.
    ///
    /// # Panics
    /// When a step does not come next, or refuses.
    pub fn publish_completed(&mut self, topic: &str, payload: &[u8]) {
        let packet_id = self.fresh_id();
        self.publish(&Publish::qos2(packet_id, topic, payload));
        let reason = self.expect_ack(AckKind::PubRec, packet_id);
        assert!(
            reason < 0x80,
            "the publish to {topic} was refused with {reason:#04x}"
        );
        self.ack(AckKind::PubRel, packet_id);
        self.expect_ack(AckKind::PubComp, packet_id);
    }

    /// Sends an acknowledgement with success.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn ack(&mut self, kind: AckKind, packet_id: u16) {
        self.ack_with(kind, packet_id, 0);
    }

    /// Sends an acknowledgement with a reason (5.0).
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn ack_with(&mut self, kind: AckKind, packet_id: u16, reason: u8) {
        let mut bytes = Vec::new();
        write_ack(self.version, kind, packet_id, reason, &mut bytes);
        self.must_send(&bytes);
    }

    /// Takes `count` publishes in the order they come, acknowledging each to its end.
    ///
    /// # Panics
    /// When something else comes.
    pub fn take_publishes(&mut self, count: usize) -> Vec<Message> {
        let mut messages = Vec::with_capacity(count.min(1 << 16));
        let mut open = 0usize;
        while messages.len() < count || open > 0 {
            match self.expect() {
                Received::Publish(message) => {
                    match message.qos {
                        QoS::AtMostOnce => {}
                        QoS::AtLeastOnce => self.ack(AckKind::PubAck, message.packet_id),
                        QoS::ExactlyOnce => {
                            open += 1;
                            self.ack(AckKind::PubRec, message.packet_id);
                        }
                    }
                    messages.push(message);
                }
                Received::Ack(ack) if ack.kind == AckKind::PubRel => {
                    open = open.saturating_sub(1);
                    self.ack(AckKind::PubComp, ack.packet_id);
                }
                other => panic!(
                    "expected message {} of {count}, got {other:?}",
                    messages.len() + 1
                ),
            }
        }
        messages
    }

    /// DISCONNECT with reason 0 (the session stays as CONNECT said), and waits until the server has closed: by
    /// then the broker has seen it.
    ///
    /// # Panics
    /// When the server does not close.
    pub fn disconnect(self) {
        self.disconnect_with(0, None);
    }

    /// As [`Client::disconnect`], with a reason and perhaps another session expiry interval (5.0).
    ///
    /// # Panics
    /// When the server does not close.
    pub fn disconnect_with(mut self, reason: u8, session_expiry: Option<u32>) {
        let disconnect = Disconnect {
            reason,
            session_expiry,
            reason_string: None,
        };
        let mut bytes = Vec::new();
        codec::disconnect(self.version, &disconnect, &mut bytes).expect("a DISCONNECT that MQTT can say");
        self.must_send(&bytes);
        while let Ok(packet) = self.receive(PATIENCE) {
            // Messages may have been on their way.
            assert!(
                matches!(packet, Received::Publish(_) | Received::Ack(_)),
                "after DISCONNECT came {packet:?}"
            );
        }
    }

    /// Leaves without a word: both directions end at once.
    pub fn cut(self) {
        // An error means that the other side was faster.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// A packet identifier that was not used for a while: 1, 2, … 65,535, 1, …
    pub fn fresh_id(&mut self) -> u16 {
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        self.next_id
    }

    /// Sends any bytes.
    ///
    /// # Panics
    /// When they cannot be sent.
    pub fn must_send(&mut self, bytes: &[u8]) {
        self.send(bytes)
            .unwrap_or_else(|error| panic!("cannot send {} bytes: {error}", bytes.len()));
    }

    /// A packet from what has been read, if there is a whole one.
    fn take(&mut self) -> Result<Option<Received>, Ended> {
        let input = self.buffer.get(self.taken..).unwrap_or_default();
        if input.is_empty() {
            return Ok(None);
        }
        match codec::decode(input, self.version, PACKET_BYTES_MAX) {
            Ok(Decoded::Packet { packet, consumed }) => {
                let packet = Received::own(packet);
                self.taken += consumed;
                Ok(Some(packet))
            }
            Ok(Decoded::NeedMore { .. }) => Ok(None),
            Err(error) => Err(Ended::Malformed(format!(
                "{error} in {:02x?}",
                input.get(..64.min(input.len()))
            ))),
        }
    }

    fn read(&mut self, limit: Duration) -> Result<(), Ended> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.stream.set_read_timeout(Some(limit)).map_err(Ended::Broken)?;
        let filled = self.buffer.len();
        self.buffer.resize(filled + READ_BYTES, 0);
        let result = self.stream.read(&mut self.buffer[filled..]);
        self.buffer.truncate(filled + *result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => Err(Ended::Closed),
            Ok(_) => Ok(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Err(Ended::Silent)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(Ended::Broken(error)),
        }
    }
}

/// Appends an acknowledgement.
///
/// # Panics
/// When the packet identifier is 0.
pub fn write_ack(version: Version, kind: AckKind, packet_id: u16, reason: u8, out: &mut Vec<u8>) {
    let ack = Ack {
        kind,
        packet_id: identifier(packet_id),
        reason,
        reason_string: None,
    };
    ack.write(&Receiver::new(version), out)
        .expect("an acknowledgement that MQTT can say");
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Silent => formatter.write_str("nothing came in time"),
            Ended::Closed => formatter.write_str("the server closed the connection"),
            Ended::Broken(error) => write!(formatter, "the connection broke: {error}"),
            Ended::Malformed(what) => write!(formatter, "the server sent no packet: {what}"),
        }
    }
}
