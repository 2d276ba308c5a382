//! Why a run could not go on.

use std::io;
use std::net::SocketAddr;

/// Why a run could not go on. What was merely lost or late is in the report instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The broker does not answer.
    #[error("cannot connect: address={address}: {source}; is the broker running there?")]
    Unreachable {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A connection broke or was closed in the middle.
    #[error("connection lost: client={client}: {source}")]
    Lost {
        /// Whose.
        client: String,
        /// What the system said.
        source: io::Error,
    },
    /// CONNACK or SUBACK said no.
    #[error("refused by the broker: client={client}, packet={packet}, code={code:#04x}")]
    Refused {
        /// Whose.
        client: String,
        /// CONNACK or SUBACK.
        packet: &'static str,
        /// What it said.
        code: u8,
    },
    /// The broker sent what the tool cannot read.
    #[error("unreadable answer from the broker: client={client}: {what}")]
    Unreadable {
        /// To whom.
        client: String,
        /// What was wrong.
        what: String,
    },
    /// Time ran out.
    #[error("deadline passed: {what}; raise --deadline or ask for less")]
    Deadline {
        /// What was missing.
        what: String,
    },
    /// The arguments do not fit together.
    #[error("{0}")]
    Arguments(String),
    /// The machine failed the tool (poll, thread).
    #[error("cannot go on: {0}")]
    System(#[from] io::Error),
}
