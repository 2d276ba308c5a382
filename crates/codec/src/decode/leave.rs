//! DISCONNECT and AUTH.

use crate::error::Fault;
use crate::packet::{Auth, Disconnect, Version};
use crate::property::{self, Properties, Property, Value};
use crate::reader::Reader;
use crate::reason::{self, Sender};

/// Reads a client's DISCONNECT. It has no body in 3.x; in 5.0 a normal one may be empty (section 3.14.2.1).
pub(super) fn disconnect(body: &[u8], version: Version) -> Result<Disconnect<'_>, Fault> {
    let mut disconnect = Disconnect {
        reason: reason::NORMAL_DISCONNECTION,
        session_expiry: None,
        reason_string: None,
    };
    let mut reader = Reader::new(body);
    if reader.is_empty() {
        return Ok(disconnect);
    }
    if !version.has_properties() {
        return Err(Fault::TrailingBytes);
    }
    let code = reader.byte()?;
    disconnect.reason = reason::check(code, reason::in_disconnect(code, Sender::Client))?;
    if !reader.is_empty() {
        let mut properties = Properties::new(reader.block()?, property::DISCONNECT);
        while let Some((property, value)) = properties.next()? {
            match (property, value) {
                (Property::SessionExpiryInterval, Value::Number(seconds)) => {
                    disconnect.session_expiry = Some(seconds);
                }
                (Property::ReasonString, Value::Text(text)) => disconnect.reason_string = Some(text),
                _ => {}
            }
        }
        reader.finish()?;
    }
    Ok(disconnect)
}

/// Reads a client's AUTH. The empty form means success, which only a server says.
pub(super) fn auth(body: &[u8]) -> Result<Auth<'_>, Fault> {
    auth_from(body, Sender::Client)
}

/// Reads AUTH from either side (5.0 section 3.15).
pub(crate) fn auth_from(body: &[u8], sender: Sender) -> Result<Auth<'_>, Fault> {
    let mut auth = Auth {
        reason: reason::SUCCESS,
        method: None,
        data: None,
    };
    let mut reader = Reader::new(body);
    if !reader.is_empty() {
        auth.reason = reader.byte()?;
    }
    reason::check(auth.reason, reason::in_auth(auth.reason, sender))?;
    if body.is_empty() {
        return Ok(auth);
    }
    let mut properties = Properties::new(reader.block()?, property::AUTH);
    while let Some((property, value)) = properties.next()? {
        match (property, value) {
            (Property::AuthenticationMethod, Value::Text(text)) => auth.method = Some(text),
            (Property::AuthenticationData, Value::Binary(data)) => auth.data = Some(data),
            _ => {}
        }
    }
    reader.finish()?;
    match auth.method {
        Some(_) => Ok(auth),
        None => Err(Fault::AuthenticationMethod),
    }
}
