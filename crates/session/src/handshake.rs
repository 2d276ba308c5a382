//! From CONNECT to the terms of the connection, or to a refusal.
//!
//! Who the client is and whether it may come in is not decided here; nor whether a session is present: the broker
//! looks that up under the terms.

use restante_codec::packet::{Connect, Version};

use crate::{limits::ServerLimits, reason_code as code, violation::Violation};

/// What was agreed for one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Protocol version.
    pub version: Version,
    /// Clean session (3.x) or clean start (5.0): what was kept of this client id goes.
    pub clean: bool,
    /// The client sent an empty id and gets one from the server; a 5.0 client is told it `[MQTT-3.1.3-7]`.
    pub assigned_id_needed: bool,
    /// Seconds the session outlives the connection; 0 = it ends with it, `u32::MAX` = for ever.
    pub session_expiry: u32,
    /// Set when that is not what the client asked for: told in CONNACK (K21).
    pub session_expiry_told: Option<u32>,
    /// Effective keep-alive in seconds; 0 = none.
    pub keep_alive: u16,
    /// Set when that is not what the client asked for: told in CONNACK `[MQTT-3.1.2-21]`.
    pub server_keep_alive: Option<u16>,
    /// How many unfinished QoS 1 and 2 PUBLISH may be on their way to the client (K18). At least 1.
    pub inflight: u16,
    /// How many the client may have on their way to us. At least 1; 65,535 for 3.x clients, which cannot be told.
    pub receive_maximum: u16,
    /// The largest packet the client takes, in bytes `[MQTT-3.1.2-24]`; `u32::MAX` = any.
    pub packet_size_max_out: u32,
    /// How many topic aliases we may use towards the client `[MQTT-3.1.2-26]`; 0 = none.
    pub alias_max_out: u16,
    /// How many the client may use towards us; 0 = none.
    pub alias_max_in: u16,
    /// Whether reason strings and user properties may stand on packets other than PUBLISH, CONNACK and DISCONNECT
    /// `[MQTT-3.1.2-29]`.
    pub problem_information: bool,
    /// The most seconds a DISCONNECT may set as session expiry.
    session_expiry_max: u32,
}

/// Why a client does not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// Reason code for a 5.0 CONNACK.
    pub reason_5: u8,
    /// Return code for a 3.x CONNACK.
    pub code_3x: u8,
    /// A sentence for the log and the reason string; lower case, no final stop.
    pub why: &'static str,
}

/// Works out the terms of a connection from what the client asks for and what we allow.
///
/// # Errors
/// An authentication method, as we know none (K21); an empty client id where the version does not allow one
/// `[MQTT-3.1.3-8]`.
pub fn accept(connect: &Connect<'_>, limits: &ServerLimits) -> Result<Terms, Refusal> {
    if connect.authentication_method.is_some() {
        return Err(Refusal {
            reason_5: code::BAD_AUTHENTICATION_METHOD,
            code_3x: code::CONNACK_NOT_AUTHORISED_3X,
            why: "this server knows no authentication method; connect without one",
        });
    }
    check_client_id(connect)?;
    let is_5 = connect.version == Version::V5;
    let (session_expiry, session_expiry_told) = session_expiry(connect, limits);
    let server_keep_alive =
        (is_5 && exceeds(connect.keep_alive, limits.keep_alive_max)).then_some(limits.keep_alive_max);
    Ok(Terms {
        version: connect.version,
        clean: connect.clean,
        assigned_id_needed: connect.client_id.is_empty(),
        session_expiry,
        session_expiry_told,
        keep_alive: server_keep_alive.unwrap_or(connect.keep_alive),
        server_keep_alive,
        inflight: connect
            .receive_maximum
            .unwrap_or(limits.inflight_default)
            .min(limits.inflight_max)
            .max(1),
        receive_maximum: if is_5 {
            limits.receive_maximum.max(1)
        } else {
            u16::MAX
        },
        packet_size_max_out: connect.maximum_packet_size.unwrap_or(u32::MAX),
        alias_max_out: connect.topic_alias_maximum.min(limits.topic_alias_max),
        alias_max_in: if is_5 { limits.topic_alias_max } else { 0 },
        problem_information: connect.request_problem_information,
        session_expiry_max: limits.session_expiry_max,
    })
}

/// What a successful CONNACK says, as plain data. `None` = the property is left out. What we offer in full (QoS 2,
/// retain, wildcards, subscription identifiers, shared subscriptions) is the default of the protocol and is not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnAckTerms<'a> {
    /// Whether the session existed and goes on; always false after clean start `[MQTT-3.2.2-2]`.
    pub session_present: bool,
    /// Session expiry interval in seconds, when it differs from what was asked.
    pub session_expiry: Option<u32>,
    /// Our receive maximum, unless it is the default of 65,535.
    pub receive_maximum: Option<u16>,
    /// The largest packet we take, in bytes.
    pub maximum_packet_size: Option<u32>,
    /// The most topic aliases the client may use, unless 0.
    pub topic_alias_maximum: Option<u16>,
    /// The client id we gave `[MQTT-3.2.2-16]`.
    pub assigned_client_id: Option<&'a str>,
    /// The keep-alive the client must use, in seconds `[MQTT-3.2.2-21]`.
    pub server_keep_alive: Option<u16>,
}

impl Terms {
    /// The contents of the CONNACK that grants these terms. `client_id` is the session's id, told when it was
    /// assigned. A 3.x CONNACK carries `session_present` only (3.1: nothing).
    pub fn connack<'a>(
        &self,
        session_present: bool,
        client_id: &'a str,
        limits: &ServerLimits,
    ) -> ConnAckTerms<'a> {
        let is_5 = self.version == Version::V5;
        ConnAckTerms {
            session_present: session_present && !self.clean,
            session_expiry: self.session_expiry_told,
            receive_maximum: (self.receive_maximum != u16::MAX).then_some(self.receive_maximum),
            maximum_packet_size: is_5.then_some(limits.packet_size_max),
            topic_alias_maximum: (self.alias_max_in > 0).then_some(self.alias_max_in),
            assigned_client_id: (is_5 && self.assigned_id_needed).then_some(client_id),
            server_keep_alive: self.server_keep_alive,
        }
    }

    /// Whether the session outlives its connection.
    pub fn is_persistent(&self) -> bool {
        self.session_expiry > 0
    }

    /// The session expiry after a DISCONNECT that may set another one.
    ///
    /// # Errors
    /// A session that was to end with its connection cannot be prolonged by DISCONNECT (MQTT 5.0 section 3.14.2.2.2).
    pub fn session_expiry_at_disconnect(&self, asked: Option<u32>) -> Result<u32, Violation> {
        match asked {
            None => Ok(self.session_expiry),
            Some(seconds) if seconds > 0 && self.session_expiry == 0 => Err(Violation {
                reason: code::PROTOCOL_ERROR,
                why: "a session with expiry interval 0 cannot be prolonged at disconnect",
            }),
            Some(seconds) => Ok(seconds.min(self.session_expiry_max)),
        }
    }
}

fn check_client_id(connect: &Connect<'_>) -> Result<(), Refusal> {
    let why = match connect.version {
        _ if !connect.client_id.is_empty() => return Ok(()),
        Version::V5 => return Ok(()),
        Version::V311 if connect.clean => return Ok(()),
        Version::V311 => "an empty client id needs a clean session; choose an id or connect clean",
        Version::V31 => "MQTT 3.1 has no empty client id; choose one",
    };
    Err(Refusal {
        reason_5: code::CLIENT_IDENTIFIER_NOT_VALID,
        code_3x: code::CONNACK_IDENTIFIER_REJECTED_3X,
        why,
    })
}

/// The effective session expiry, and what the client is told of it.
fn session_expiry(connect: &Connect<'_>, limits: &ServerLimits) -> (u32, Option<u32>) {
    match connect.version {
        Version::V5 => {
            let asked = connect.session_expiry.unwrap_or(0);
            let granted = asked.min(limits.session_expiry_max);
            (granted, (granted < asked).then_some(granted))
        }
        _ if connect.clean => (0, None),
        _ => (limits.session_expiry_3x, None),
    }
}

/// Whether a keep-alive is longer than a cap; 0 is none in both.
fn exceeds(keep_alive: u16, cap: u16) -> bool {
    cap > 0 && (keep_alive == 0 || keep_alive > cap)
}

#[cfg(test)]
mod tests;
