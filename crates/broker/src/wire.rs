//! The packets of a server, as the connection says them.
//!
//! A packet that is larger than the client takes is not sent `[MQTT-3.1.2-24]`; for acknowledgements that means a
//! client with an absurd maximum, whose exchange then does not end.

use restante_codec::{
    DecodeError, TooLarge,
    encode::{ConnAck, PINGRESP, Receiver, ServerDisconnect, SubAck, UnsubAck},
    packet::{Ack, AckKind, PacketId, Version},
};
use restante_session::{ConnAckTerms, Refusal, Terms};

/// What the encoder must know of a client.
pub(crate) fn receiver(terms: &Terms) -> Receiver {
    Receiver {
        version: terms.version,
        packet_size_max: terms.packet_size_max_out,
        problem_information: terms.problem_information,
    }
}

pub(crate) fn ack(out: &mut Vec<u8>, to: &Receiver, kind: AckKind, packet_id: u16, reason: u8) {
    if let Some(packet_id) = PacketId::new(packet_id) {
        let _ = Ack {
            kind,
            packet_id,
            reason,
            reason_string: None,
        }
        .write(to, out);
    }
}

pub(crate) fn suback(out: &mut Vec<u8>, to: &Receiver, packet_id: PacketId, codes: &[u8]) {
    let _ = SubAck {
        packet_id,
        reasons: codes,
        reason_string: None,
    }
    .write(to, out);
}

pub(crate) fn unsuback(out: &mut Vec<u8>, to: &Receiver, packet_id: PacketId, codes: &[u8]) {
    let _ = UnsubAck {
        packet_id,
        reasons: codes,
        reason_string: None,
    }
    .write(to, out);
}

pub(crate) fn ping_response(out: &mut Vec<u8>) {
    out.extend_from_slice(&PINGRESP);
}

pub(crate) fn disconnect(out: &mut Vec<u8>, to: &Receiver, reason: u8, why: Option<&str>) {
    let _ = ServerDisconnect {
        reason,
        reason_string: why,
        ..ServerDisconnect::default()
    }
    .write(to, out);
}

/// Fails for a client that takes no packet as large as this, and so can be told nothing at all.
pub(crate) fn connack(out: &mut Vec<u8>, to: &Receiver, terms: &ConnAckTerms<'_>) -> Result<(), TooLarge> {
    ConnAck {
        session_present: terms.session_present,
        session_expiry: terms.session_expiry,
        receive_maximum: terms.receive_maximum,
        maximum_packet_size: terms.maximum_packet_size,
        assigned_client_id: terms.assigned_client_id,
        topic_alias_maximum: terms.topic_alias_maximum,
        server_keep_alive: terms.server_keep_alive,
        ..ConnAck::default()
    }
    .write(to, out)
}

/// The CONNACK of a client that does not come in. 3.x return codes say less than the reason does.
/// The words give way to the client's maximum packet size [MQTT-3.2.2-19].
pub(crate) fn refused(out: &mut Vec<u8>, to: &Receiver, refusal: &Refusal) {
    if to.version == Version::V5 {
        let answer = ConnAck {
            reason: refusal.reason_5,
            reason_string: Some(refusal.why),
            ..ConnAck::default()
        };
        let _ = answer.write(to, out);
    } else {
        out.extend_from_slice(&[0x20, 2, 0, refusal.code_3x]);
    }
}

/// What to answer to a CONNECT that is none; nothing where the sender cannot be answered in its own tongue.
pub(crate) fn bad_connect(error: &DecodeError) -> Option<Vec<u8>> {
    let version = error.version()?;
    let reason = error.reason_code();
    if version != Version::V5 && restante_codec::version::connack_return_code(reason).is_none() {
        return None;
    }
    let mut out = Vec::new();
    let answer = ConnAck {
        reason,
        reason_string: Some(error.statement()),
        ..ConnAck::default()
    };
    answer.write(&Receiver::new(version), &mut out).ok()?;
    Some(out)
}
