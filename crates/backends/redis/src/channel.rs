//! Commands that come in on a channel: an application subscribes and unsubscribes a client that is connected (C3).
//!
//! JSON, as the documentation shows it: `{"type": "subscribe", "topic": "t", "clientid": "c", "qos": "1"}`; `qos` is a
//! number or a text, and belongs to `subscribe` only. Nothing is ever published on a channel that is listened to.
//! Redis forgets what it publishes: commands that come while nobody listens are lost, as they were with the original.

use std::time::Duration;

use futures_util::StreamExt as _;
use restante_backend::trouble::Away;
use restante_model::QoS;
use serde_json::Value;
use tokio::time::timeout;

use crate::{client::Client, command::driver_words};

/// After this silence the server is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(15);

/// Longest command that is read, in bytes.
const COMMAND_MAX: usize = 128 * 1024;

/// What an application asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelCommand {
    /// The client is to have a subscription.
    Subscribe {
        /// Whose.
        client: Box<str>,
        /// The filter.
        topic: Box<str>,
        /// Its QoS.
        qos: QoS,
    },
    /// The client is to lose one.
    Unsubscribe {
        /// Whose.
        client: Box<str>,
        /// The filter.
        topic: Box<str>,
    },
}

/// Hands over each command, or the sentence that says why one cannot be read, until the connection is lost; then says
/// why. To be called again after a pause.
pub(crate) async fn listen(
    client: &Client,
    channel: &str,
    mut hand: impl FnMut(Result<ChannelCommand, String>) + Send,
) -> Away {
    let mut listener = match client.listener().await {
        Ok(listener) => listener,
        Err(away) => return away,
    };
    let lost = |why: String| Away {
        why: format!("redis channel {channel:?}: {why}"),
    };
    let limit = client.command_timeout();
    match timeout(limit, listener.subscribe(channel)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return lost(driver_words(&error)),
        Err(_) => return lost(format!("no answer within {limit:?}")),
    }
    let (mut asks, mut messages) = listener.split();
    loop {
        match timeout(SILENCE, messages.next()).await {
            Ok(Some(message)) => hand(read(message.get_payload_bytes())),
            Ok(None) => return lost("the connection was lost".to_owned()),
            Err(_) => match timeout(limit, asks.ping::<redis::Value>()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return lost(driver_words(&error)),
                Err(_) => return lost(format!("no answer within {limit:?}")),
            },
        }
    }
}

/// Reads a command. The error is a sentence.
pub fn read(bytes: &[u8]) -> Result<ChannelCommand, String> {
    if bytes.len() > COMMAND_MAX {
        return Err(format!(
            "a command of {} bytes is longer than {COMMAND_MAX}",
            bytes.len()
        ));
    }
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| format!("a command is no JSON: {error}"))?;
    let text = |name: &str| match value.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(Box::<str>::from(text.as_str())),
        _ => Err(format!("a command has no text in {name:?}")),
    };
    let (client, topic) = (text("clientid")?, text("topic")?);
    match &*text("type")? {
        "subscribe" => Ok(ChannelCommand::Subscribe {
            client,
            topic,
            qos: qos(value.get("qos"))?,
        }),
        "unsubscribe" => Ok(ChannelCommand::Unsubscribe { client, topic }),
        other => Err(format!(
            "a command has the type {other:?}; known are subscribe and unsubscribe"
        )),
    }
}

fn qos(value: Option<&Value>) -> Result<QoS, String> {
    let bits = match value {
        None | Some(Value::Null) => Some(0),
        Some(Value::Number(number)) => number.as_u64().and_then(|number| u8::try_from(number).ok()),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    bits.and_then(QoS::from_bits).ok_or_else(|| {
        format!(
            "a command has the qos {}, which is none of 0, 1 and 2",
            value.unwrap_or(&Value::Null)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c03_the_documented_commands_are_read() {
        let subscribe = br#"{"type": "subscribe", "topic": "topic0", "clientid": "test", "qos": "0"}"#;
        assert_eq!(
            read(subscribe),
            Ok(ChannelCommand::Subscribe {
                client: "test".into(),
                topic: "topic0".into(),
                qos: QoS::AtMostOnce,
            })
        );
        let number = br#"{"type":"subscribe","topic":"t","clientid":"c","qos":2}"#;
        assert!(matches!(
            read(number),
            Ok(ChannelCommand::Subscribe {
                qos: QoS::ExactlyOnce,
                ..
            })
        ));
        let unsubscribe = br#"{"type": "unsubscribe", "topic": "test_topic0", "clientid": "test"}"#;
        assert_eq!(
            read(unsubscribe),
            Ok(ChannelCommand::Unsubscribe {
                client: "test".into(),
                topic: "test_topic0".into(),
            })
        );
    }

    #[test]
    fn c03_what_is_no_command_is_a_sentence() {
        for bad in [
            &b"hello"[..],
            b"{}",
            b"\xff",
            br#"{"type":"subscribe","topic":"","clientid":"c"}"#,
            br#"{"type":"publish","topic":"t","clientid":"c"}"#,
            br#"{"type":"subscribe","topic":"t","clientid":"c","qos":3}"#,
            br#"{"type":"subscribe","topic":"t","clientid":"c","qos":[]}"#,
        ] {
            assert!(read(bad).unwrap_err().starts_with("a command"), "{bad:?}");
        }
    }
}
