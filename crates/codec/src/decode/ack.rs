//! PUBACK, PUBREC, PUBREL, PUBCOMP.

use crate::error::Fault;
use crate::packet::{Ack, AckKind, Version};
use crate::property::{self, Properties, Property, Value};
use crate::reader::Reader;
use crate::reason::{self, Sender};

/// Reads one of the four. In 5.0 the reason may be left out when it is success, and the property length when there
/// are no properties (5.0 sections 3.4.2.1 and 3.4.2.2.1, and the like for the others).
#[inline]
pub(crate) fn ack(kind: AckKind, body: &[u8], version: Version, sender: Sender) -> Result<Ack<'_>, Fault> {
    let mut reader = Reader::new(body);
    let mut ack = Ack {
        kind,
        packet_id: reader.packet_id()?,
        reason: reason::SUCCESS,
        reason_string: None,
    };
    if reader.is_empty() {
        return Ok(ack);
    }
    if !version.has_properties() {
        return Err(Fault::TrailingBytes);
    }
    let code = reader.byte()?;
    ack.reason = reason::check(code, carries(kind, code, sender))?;
    if !reader.is_empty() {
        let mut properties = Properties::new(reader.block()?, property::ACK);
        while let Some((property, value)) = properties.next()? {
            if let (Property::ReasonString, Value::Text(text)) = (property, value) {
                ack.reason_string = Some(text);
            }
        }
        reader.finish()?;
    }
    Ok(ack)
}

fn carries(kind: AckKind, code: u8, sender: Sender) -> bool {
    match kind {
        AckKind::PubAck | AckKind::PubRec => reason::in_puback(code, sender),
        AckKind::PubRel | AckKind::PubComp => reason::in_pubrel(code),
    }
}
