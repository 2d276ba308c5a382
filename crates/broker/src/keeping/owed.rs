//! Events on their way to a pool, as records of its outbox.
//!
//! An event is stored as a message with an empty topic. Its payload is one byte for the kind and then the fields, each
//! text behind its length in four bytes, little-endian. Written and read by one version of the broker and the next: a
//! kind that is not known is passed over, counted.

use restante_model::QoS;

/// Something that happened, of which a pool is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A client has its CONNACK.
    Connected { client: Box<str> },
    /// A connection is gone.
    Disconnected { client: Box<str> },
    /// A session is there: created, or taken up again.
    SessionCreated { client: Box<str> },
    /// A subscription has begun. The filter as the client has written it, `$share` included.
    Subscribed {
        client: Box<str>,
        filter: Box<str>,
        qos: QoS,
    },
    /// A subscription has ended.
    Unsubscribed { client: Box<str>, filter: Box<str> },
    /// A subscriber has acknowledged a message.
    Acked { client: Box<str>, message: Named },
    /// A message was written to a subscriber at QoS 0, who will never acknowledge it (C22).
    Written { client: Box<str>, message: Named },
    /// A message was handed to a subscriber's connection.
    Delivered { client: Box<str>, message: Named },
    /// A client has read a kept topic up to this message.
    Position { client: Box<str>, message: Named },
}

/// A message by its topic and the id it is stored under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) topic: Box<str>,
    /// As it stands in the database, or as ours are written in hexadecimal.
    pub(crate) id: Box<str>,
    /// The row it was read from.
    pub(crate) row: Option<u64>,
}

const CONNECTED: u8 = 1;
const DISCONNECTED: u8 = 2;
const SESSION_CREATED: u8 = 3;
const SUBSCRIBED: u8 = 4;
const UNSUBSCRIBED: u8 = 5;
const ACKED: u8 = 6;
const DELIVERED: u8 = 7;
const POSITION: u8 = 8;
const WRITTEN: u8 = 9;

/// The topic filter of a subscription, and whether it is shared.
pub(crate) fn topic_filter(filter: &str) -> (&str, bool) {
    let shared = filter
        .strip_prefix("$share/")
        .and_then(|rest| rest.split_once('/'));
    shared.map_or((filter, false), |(_, topic_filter)| (topic_filter, true))
}

impl Event {
    /// Its bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        match self {
            Event::Connected { client } => texts(&mut out, CONNECTED, &[client]),
            Event::Disconnected { client } => texts(&mut out, DISCONNECTED, &[client]),
            Event::SessionCreated { client } => texts(&mut out, SESSION_CREATED, &[client]),
            Event::Subscribed { client, filter, qos } => {
                texts(&mut out, SUBSCRIBED, &[client, filter]);
                out.push(*qos as u8);
            }
            Event::Unsubscribed { client, filter } => texts(&mut out, UNSUBSCRIBED, &[client, filter]),
            Event::Acked { client, message } => named(&mut out, ACKED, client, message),
            Event::Written { client, message } => named(&mut out, WRITTEN, client, message),
            Event::Delivered { client, message } => named(&mut out, DELIVERED, client, message),
            Event::Position { client, message } => named(&mut out, POSITION, client, message),
        }
        out
    }

    /// Reads one back; `None` for what a newer version wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Event> {
        let (&kind, rest) = bytes.split_first()?;
        let mut fields = Fields(rest);
        let client = fields.text()?;
        let event = match kind {
            CONNECTED => Event::Connected { client },
            DISCONNECTED => Event::Disconnected { client },
            SESSION_CREATED => Event::SessionCreated { client },
            SUBSCRIBED => Event::Subscribed {
                client,
                filter: fields.text()?,
                qos: QoS::from_bits(fields.byte()?)?,
            },
            UNSUBSCRIBED => Event::Unsubscribed {
                client,
                filter: fields.text()?,
            },
            ACKED => Event::Acked {
                client,
                message: fields.named()?,
            },
            DELIVERED => Event::Delivered {
                client,
                message: fields.named()?,
            },
            WRITTEN => Event::Written {
                client,
                message: fields.named()?,
            },
            POSITION => Event::Position {
                client,
                message: fields.named()?,
            },
            _ => return None,
        };
        Some(event)
    }
}

fn texts(out: &mut Vec<u8>, kind: u8, texts: &[&str]) {
    out.push(kind);
    for text in texts {
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
}

fn named(out: &mut Vec<u8>, kind: u8, client: &str, message: &Named) {
    texts(out, kind, &[client, &message.topic, &message.id]);
    // Rows are numbered from 1.
    out.extend_from_slice(&message.row.unwrap_or(0).to_le_bytes());
}

/// What is left to read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn text(&mut self) -> Option<Box<str>> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.0 = rest;
        Some(std::str::from_utf8(text).ok()?.into())
    }

    fn named(&mut self) -> Option<Named> {
        let (topic, id) = (self.text()?, self.text()?);
        let (row, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        let row = Some(u64::from_le_bytes(*row)).filter(|&row| row != 0);
        Some(Named { topic, id, row })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_comes_back() {
        let message = Named {
            topic: "t/ü".into(),
            id: "0A".into(),
            row: Some(7),
        };
        let rowless = Named {
            row: None,
            ..message.clone()
        };
        let client: Box<str> = "c".into();
        let events = [
            Event::Connected {
                client: client.clone(),
            },
            Event::Disconnected { client: "".into() },
            Event::SessionCreated {
                client: client.clone(),
            },
            Event::Subscribed {
                client: client.clone(),
                filter: "a/#".into(),
                qos: QoS::ExactlyOnce,
            },
            Event::Unsubscribed {
                client: client.clone(),
                filter: "a/#".into(),
            },
            Event::Acked {
                client: client.clone(),
                message: message.clone(),
            },
            Event::Delivered {
                client: client.clone(),
                message: rowless.clone(),
            },
            Event::Written {
                client: client.clone(),
                message: rowless,
            },
            Event::Position { client, message },
        ];
        for event in events {
            let bytes = event.encode();
            assert_eq!(Event::decode(&bytes), Some(event));
            for cut in 0..bytes.len() {
                assert_eq!(Event::decode(&bytes[..cut]), None, "a cut record is no event");
            }
        }
        assert_eq!(Event::decode(&[99, 0, 0, 0, 0]), None);
    }
}
