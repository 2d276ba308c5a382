//! The values that a user's statement may use, by hook point (BEHAVIOUR 2.2).

use restante_backend::{
    messages::KeptMessage,
    statement::{Value, Values},
};
use restante_model::HookPoint;

use super::{
    owed::{Event, Named, topic_filter},
    reduce::Record,
};

/// Those of one record at one hook point.
pub(crate) fn of(record: &Record, point: HookPoint) -> Values {
    match record {
        Record::Message(message) => of_message(message, point),
        Record::Event(event, _) => of_event(event),
    }
}

fn of_message(message: &KeptMessage, point: HookPoint) -> Values {
    debug_assert_eq!(point, HookPoint::MessagePublish);
    Values(vec![
        ("msgid", text(message.id.text())),
        ("topic", text(&message.topic)),
        ("payload", Value::Bytes(message.payload.clone())),
        ("qos", Value::Int(message.qos as i64)),
        ("clientid", text(&message.sender)),
        ("retain", Value::Bool(message.retain)),
        ("timestamp", Value::Int(message.arrived.0 as i64)),
        ("message", Value::Text(json(message).into())),
    ])
}

fn of_event(event: &Event) -> Values {
    let named = |client: &str, message: &Named| {
        vec![
            ("msgid", text(&message.id)),
            ("topic", text(&message.topic)),
            ("clientid", text(client)),
        ]
    };
    Values(match event {
        Event::Connected { client } | Event::Disconnected { client } | Event::SessionCreated { client } => {
            vec![("clientid", text(client))]
        }
        Event::Subscribed { client, filter, qos } => vec![
            ("clientid", text(client)),
            ("topic", text(topic_filter(filter).0)),
            ("qos", Value::Int(*qos as i64)),
        ],
        Event::Unsubscribed { client, filter } => vec![
            ("clientid", text(client)),
            ("topic", text(topic_filter(filter).0)),
        ],
        Event::Acked { client, message } | Event::Delivered { client, message } => named(client, message),
        Event::Position { client, message } | Event::Written { client, message } => named(client, message),
    })
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// The whole message as JSON. A payload that is no text is given as hexadecimal digits, and `payload_encoding` says so.
fn json(message: &KeptMessage) -> String {
    let mut out = String::with_capacity(128 + message.payload.len());
    let mut field = |name: &str, value: &str| {
        out.push(if out.is_empty() { '{' } else { ',' });
        quoted(&mut out, name);
        out.push(':');
        out.push_str(value);
    };
    let quote = |text: &str| {
        let mut out = String::with_capacity(text.len() + 2);
        quoted(&mut out, text);
        out
    };
    field("msgid", &quote(message.id.text()));
    field("topic", &quote(&message.topic));
    field("clientid", &quote(&message.sender));
    field("qos", &(message.qos as u8).to_string());
    field("retain", if message.retain { "true" } else { "false" });
    field("timestamp", &message.arrived.0.to_string());
    match std::str::from_utf8(&message.payload) {
        Ok(payload) => field("payload", &quote(payload)),
        Err(_) => {
            let digits: String = message.payload.iter().map(|byte| format!("{byte:02x}")).collect();
            field("payload", &quote(&digits));
            field("payload_encoding", "\"hex\"");
        }
    }
    out.push('}');
    out
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use restante_backend::stored_id::StoredId;
    use restante_model::{QoS, UnixMillis};

    use super::*;

    fn message(payload: &'static [u8]) -> KeptMessage {
        KeptMessage {
            id: StoredId::parse("m"),
            topic: "t/\"q\"".into(),
            sender: "c".into(),
            qos: QoS::AtLeastOnce,
            retain: true,
            payload: Bytes::from_static(payload),
            arrived: UnixMillis(7),
        }
    }

    #[test]
    fn a_message_is_json_whatever_is_in_it() {
        assert_eq!(
            json(&message(b"a\\b\x01\n")),
            r#"{"msgid":"m","topic":"t/\"q\"","clientid":"c","qos":1,"retain":true,"timestamp":7,"payload":"a\\b\u0001\n"}"#
        );
        assert!(json(&message(b"\xff\x00")).ends_with(r#""payload":"ff00","payload_encoding":"hex"}"#));
    }

    #[test]
    fn every_variable_of_a_hook_point_has_a_value() {
        let values = of(&Record::Message(message(b"x")), HookPoint::MessagePublish);
        for name in HookPoint::MessagePublish.variables() {
            assert_ne!(values.get(name), &Value::Null, "{name}");
        }
        let event = Event::Subscribed {
            client: "c".into(),
            filter: "f".into(),
            qos: QoS::AtMostOnce,
        };
        let values = of(&Record::Event(event, UnixMillis(1)), HookPoint::SessionSubscribed);
        for name in HookPoint::SessionSubscribed.variables() {
            assert_ne!(values.get(name), &Value::Null, "{name}");
        }
    }
}
