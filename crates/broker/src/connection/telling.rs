//! What the log says about connections: how they ended, and why somebody did not come in. The throttle of the log
//! bounds the lines of a code; nothing here is said for each message.

use std::fmt;

use restante_codec::{DecodeError, reason};
use restante_session::Refusal;
use tokio::net::TcpStream;

use super::{Closing, Connection, NotTaken};

/// What the beginnings of other protocols look like.
const OTHERS: [(&[u8], &str); 12] = [
    (b"\x16\x03", "TLS"),
    (b"GET ", "HTTP"),
    (b"POST ", "HTTP"),
    (b"PUT ", "HTTP"),
    (b"HEAD ", "HTTP"),
    (b"DELETE ", "HTTP"),
    (b"OPTIONS ", "HTTP"),
    (b"CONNECT ", "HTTP"),
    (b"PRI * HTTP", "HTTP"),
    (b"PROXY ", "the PROXY protocol"),
    (b"\r\n\r\n\0\r\nQUIT\n", "the PROXY protocol"),
    (b"SSH-", "SSH"),
];

/// Why somebody who connected did not come in.
pub(super) enum Stranger {
    /// The socket ended before a whole CONNECT had come.
    Gone,
    /// No whole CONNECT in time.
    Late,
    /// What came is no CONNECT that we take.
    Unreadable {
        error: DecodeError,
        looks_like: Option<&'static str>,
    },
    /// A CONNECT that is refused.
    Refused { reason: u8, why: &'static str },
    /// The client takes no packet as large as its CONNACK.
    Tight,
}

impl Stranger {
    /// Bytes that could not be read as a CONNECT.
    pub(super) fn unreadable(error: DecodeError, read: &[u8]) -> Stranger {
        let known = OTHERS.iter().find(|(begin, _)| read.starts_with(begin));
        let looks_like = known.map(|(_, name)| *name);
        Stranger::Unreadable { error, looks_like }
    }

    pub(super) fn refused(refusal: &Refusal) -> Stranger {
        Stranger::Refused {
            reason: refusal.reason_5,
            why: refusal.why,
        }
    }

    /// Whether it broke the protocol, or spoke another one, and was not merely refused or slow.
    pub(super) fn broke_the_protocol(&self) -> bool {
        matches!(self, Stranger::Unreadable { .. })
    }

    /// Writes the line.
    pub(super) fn tell(&self, stream: &TcpStream) {
        let address = Peer(stream);
        match self {
            Stranger::Gone => {
                tracing::debug!(code = "no-connect", %address, "the connection was closed before its CONNECT");
            }
            Stranger::Late => tracing::info!(
                code = "connect-timeout",
                %address,
                "no whole CONNECT came within connect_timeout"
            ),
            Stranger::Unreadable {
                looks_like: Some(looks_like),
                ..
            } => tracing::info!(
                code = "not-mqtt",
                %address,
                looks_like,
                "somebody speaks another protocol to an MQTT listener, which speaks plain MQTT only"
            ),
            Stranger::Unreadable { error, .. } if error.version().is_none() => {
                tracing::info!(code = "not-mqtt", %address, "what came first is no CONNECT: {error}");
            }
            Stranger::Unreadable { error, .. } => tracing::info!(
                code = "connect-refused",
                %address,
                reason = %Code(error.reason_code()),
                "{error}"
            ),
            Stranger::Refused { reason, why } => {
                tracing::info!(code = "connect-refused", %address, reason = %Code(*reason), "{why}");
            }
            Stranger::Tight => tracing::info!(
                code = "connect-refused",
                %address,
                reason = %Code(reason::PACKET_TOO_LARGE),
                "the client takes no packet as large as a CONNACK"
            ),
        }
    }
}

/// Says that publishes of a client are refused: once, until one is kept again.
pub(super) fn tell_unkept(connection: &Connection, NotTaken { reason, why }: NotTaken) {
    if !connection.told_unkept.replace(true) {
        tracing::warn!(
            code = "publish-not-kept",
            client = &*connection.client_id,
            reason = %why,
            answer = %Code(reason),
            "the client is told with each publish; its next ones are only counted until one is kept"
        );
    }
}

impl Connection {
    /// Says how it ended.
    pub(super) fn tell_end(&self, why: Closing) {
        let client = &*self.client_id;
        let address = Peer(&self.stream);
        match why {
            Closing::ByClient { .. } | Closing::Lost | Closing::Stopping => {
                tracing::debug!(code = "client-left", client, "{}", how(why));
            }
            Closing::Violation(violation) => tracing::warn!(
                code = "protocol-violation",
                client,
                %address,
                reason = %Code(violation.reason),
                why = violation.why,
                "the client broke the protocol: {}",
                name(violation.reason)
            ),
            Closing::KeepAlive => tracing::info!(
                code = "keep-alive-timeout",
                client,
                %address,
                "nothing was heard for one and a half times the keep-alive"
            ),
            Closing::TakenOver => tracing::info!(
                code = "taken-over",
                client,
                %address,
                "another connection came with this client id"
            ),
            Closing::StoreFailed => tracing::error!(
                code = "store-failed",
                client,
                "the connection is closed: what it was promised cannot be kept"
            ),
            Closing::Unkept(NotTaken { reason, why }) => tracing::warn!(
                code = "publish-not-kept",
                client,
                reason = %why,
                answer = %Code(reason),
                "a 3.x client cannot be told, so its connection is closed without an acknowledgement"
            ),
        }
    }
}

fn how(why: Closing) -> &'static str {
    match why {
        Closing::ByClient { reason: 0, .. } => "the client said goodbye",
        Closing::ByClient {
            reason: reason::DISCONNECT_WITH_WILL,
            ..
        } => "the client said goodbye and asked for its will",
        Closing::ByClient { .. } => "the client said goodbye for a reason of its own",
        Closing::Stopping => "the broker stops",
        _ => "the connection was lost",
    }
}

fn name(reason: u8) -> &'static str {
    reason::name(reason).unwrap_or("a reason without a name")
}

/// A reason code as MQTT writes it.
struct Code(u8);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02X}", self.0)
    }
}

/// The other side's address. A socket that was cut may not know it any more.
struct Peer<'a>(&'a TcpStream);

impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.peer_addr() {
            Ok(address) => address.fmt(f),
            Err(_) => f.write_str("unknown"),
        }
    }
}
