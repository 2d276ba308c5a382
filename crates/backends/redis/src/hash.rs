//! A message as a hash: the seven fields of both layouts.

use bytes::Bytes;
use redis::{ServerError, Value};
use restante_backend::{
    messages::{KeptMessage, Layout},
    stored_field,
    stored_id::{StoredId, base62},
};
use restante_model::{QoS, UnixMillis};

use crate::{
    command::{Command, words},
    fault::is_wrong_type,
};

/// The fields.
pub(crate) const FIELDS: [&str; 7] = ["id", "from", "qos", "topic", "payload", "ts", "retain"];

/// The text an id is written under: positional base62, which sorts like time. An id that means no number stays as it
/// is, and so does one that was read here in a form that others wrote.
pub(crate) fn written_id(id: &StoredId) -> Box<str> {
    match id.number() {
        Some(number) if is_hexadecimal(id.text()) => base62::encode(number).into(),
        _ => id.text().into(),
    }
}

/// The texts under which a message may stand here: hexadecimal is how other backends write, so it may be ours.
pub(crate) fn possible_ids(id: &StoredId) -> Vec<Box<str>> {
    let written = written_id(id);
    if *written == *id.text() {
        vec![written]
    } else {
        vec![written, id.text().into()]
    }
}

fn is_hexadecimal(text: &str) -> bool {
    (28..=32).contains(&text.len())
}

/// Adds the fields of a message to an HSET.
pub(crate) fn write(command: Command, id: &str, message: &KeptMessage, layout: Layout) -> Command {
    let ts = match layout {
        Layout::Plugin => message.arrived.0,
        // As the documented samples show it (C5).
        Layout::Backends => message.arrived.0 / 1000,
    };
    let qos = [b'0' + message.qos as u8];
    let ts = ts.to_string();
    let values: [&[u8]; 7] = [
        id.as_bytes(),
        message.sender.as_bytes(),
        &qos,
        message.topic.as_bytes(),
        &message.payload,
        ts.as_bytes(),
        if message.retain { b"true" } else { b"false" },
    ];
    FIELDS
        .iter()
        .zip(values)
        .fold(command, |command, (field, value)| {
            command.arg(field.as_bytes()).arg(value)
        })
}

/// Reads the answer to HGETALL: `None` when there is no such key. `id` is the text that led here, `topic` the topic
/// it was asked for. The error is a sentence that names the key.
pub(crate) fn read(
    key: &str,
    id: Option<&str>,
    topic: &str,
    reply: Result<Value, ServerError>,
) -> Result<Option<KeptMessage>, String> {
    let wrong = |what: &str| Err(format!("{key:?} is no message: {what}"));
    let value = match reply {
        Ok(value) => value,
        Err(error) if is_wrong_type(&error) => return wrong("it is a key of another type than a hash"),
        Err(error) => return wrong(&words(&error)),
    };
    let Some(fields) = pairs(value) else {
        return wrong("the server's answer is no list of fields");
    };
    if fields.is_empty() {
        return Ok(None);
    }
    let raw = |name: &str| {
        let found = fields.iter().find(|(field, _)| field == name.as_bytes());
        found.map(|(_, value)| value.as_slice())
    };
    let text = |name: &str| raw(name).map(std::str::from_utf8).transpose();
    let Some(payload) = raw("payload") else {
        return wrong("it has no field \"payload\"");
    };

    let Ok(own_id) = text("id") else {
        return wrong("its id is no text");
    };
    let Some(id) = id.or(own_id).map(StoredId::parse) else {
        return wrong("it has no field \"id\"");
    };
    match text("topic") {
        Ok(None) => {}
        Ok(Some(own)) if own == topic => {}
        Ok(Some(own)) => {
            return wrong(&format!(
                "it is in the index of {topic:?}, and its topic is {own:?}"
            ));
        }
        Err(_) => return wrong("its topic is no text"),
    }
    let Ok(sender) = text("from") else {
        return wrong("its sender (\"from\") is no text");
    };
    let qos = match text("qos") {
        Ok(None) => Some(QoS::AtLeastOnce),
        Ok(Some(qos)) => qos.trim().parse().ok().and_then(QoS::from_bits),
        Err(_) => None,
    };
    let Some(qos) = qos else {
        return wrong("its qos is none of 0, 1 and 2");
    };
    let retain = match text("retain") {
        Ok(flag) => stored_field::flag_text(flag.unwrap_or_default()),
        Err(_) => None,
    };
    let Some(retain) = retain else {
        return wrong("its retain flag is neither true nor false");
    };
    let Ok(ts) = text("ts") else {
        return wrong("its time (\"ts\") is no number");
    };
    let arrived = ts
        .and_then(stored_field::time_text)
        .or(id.time().map(restante_model::UnixMicros::millis))
        .unwrap_or(UnixMillis(0));
    Ok(Some(KeptMessage {
        id,
        topic: topic.into(),
        sender: sender.unwrap_or_default().into(),
        qos,
        retain,
        payload: Bytes::copy_from_slice(payload),
        arrived,
    }))
}

/// The fields and values of a hash in either protocol's form.
pub(crate) fn pairs(value: Value) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    fn bytes(value: Value) -> Option<Vec<u8>> {
        match value {
            Value::BulkString(bytes) => Some(bytes),
            Value::SimpleString(text) => Some(text.into_bytes()),
            _ => None,
        }
    }
    match value {
        Value::Array(items) => {
            let mut items = items.into_iter();
            let mut pairs = Vec::with_capacity(items.len() / 2);
            while let Some(field) = items.next() {
                pairs.push((bytes(field)?, bytes(items.next()?)?));
            }
            Some(pairs)
        }
        Value::Map(items) => items
            .into_iter()
            .map(|(field, value)| Some((bytes(field)?, bytes(value)?)))
            .collect(),
        _ => None,
    }
}
