//! Copies of messages that nothing else keeps for as long as a delivery needs them: retained ones, which the next of their
//! topic replaces, and those that were fetched from a database, which may be away when they are to be sent again (K46).
//!
//! A copy goes into the turn of its delivery, for no queue, bound to the packet id in the same batch. Its sequence is known
//! when the turn is submitted. What it was copied from stands before its properties.

use restante_backend::{messages::Place, stored_id::StoredId};
use restante_model::{Binding, QoS, SessionId};
use restante_store::change::NewMessage;

use super::{Connection, delivery::text};
use crate::{live::MessageView, reactor::Turn};

/// No property has these numbers.
const RETAINED: u8 = 0xFE;
const FETCHED: u8 = 0xFF;

/// What a copy was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A retained message.
    Retained,
    /// A message that stands here in its database.
    Fetched(Place),
}

/// A delivery that needs a copy.
pub(super) struct Bound {
    pub(super) session: SessionId,
    pub(super) packet_id: u16,
    pub(super) qos: QoS,
    pub(super) retain: bool,
}

impl Connection {
    /// Puts a copy of a message into the turn, bound to its packet id.
    pub(super) fn bind_copy(&self, turn: &mut Turn, view: &MessageView<'_>, source: &Source, bound: &Bound) {
        let ordinal = turn.batch.message(&NewMessage {
            queues: &[],
            qos: view.qos,
            retain: view.retain,
            set_retained: false,
            deadline: view.deadline,
            sender: text(view.sender),
            topic: text(view.topic),
            properties: &encode(source, view.properties),
            payload: view.payload,
            receipt: None,
        });
        turn.batch
            .bind(ordinal, bound.session, bound.packet_id, bound.qos, bound.retain);
        turn.copied.push((self.address, bound.packet_id, ordinal));
    }

    /// A binding as the store is to keep it: what is bound to a copy names the copy.
    pub(super) fn of_copy(&self, mut binding: Binding) -> Binding {
        if let (true, Some(&seq)) = (binding.aside, self.copies.borrow().get(&binding.packet_id)) {
            binding.seq = seq;
        }
        binding
    }
}

fn encode(source: &Source, properties: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(properties.len() + 64);
    match source {
        Source::Retained => out.push(RETAINED),
        Source::Fetched(place) => {
            out.push(FETCHED);
            out.extend_from_slice(&place.row.unwrap_or(0).to_le_bytes());
            out.extend_from_slice(&(place.id.text().len() as u32).to_le_bytes());
            out.extend_from_slice(place.id.text().as_bytes());
        }
    }
    out.extend_from_slice(properties);
    out
}

/// What a message is a copy of, if it is one, and its properties.
pub(super) fn split(properties: &[u8]) -> (Option<Source>, &[u8]) {
    match properties.split_first() {
        Some((&RETAINED, rest)) => (Some(Source::Retained), rest),
        Some((&FETCHED, rest)) => match fetched(rest) {
            Some((place, rest)) => (Some(Source::Fetched(place)), rest),
            None => (None, &[]),
        },
        _ => (None, properties),
    }
}

fn fetched(bytes: &[u8]) -> Option<(Place, &[u8])> {
    let (row, rest) = bytes.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (id, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let place = Place {
        id: StoredId::parse(std::str::from_utf8(id).ok()?),
        row: Some(u64::from_le_bytes(*row)).filter(|&row| row != 0),
    };
    Some((place, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k46_a_copy_knows_what_it_was_made_of() {
        let place = Place {
            id: StoredId::parse("an id"),
            row: Some(3),
        };
        for source in [Source::Retained, Source::Fetched(place)] {
            let bytes = encode(&source, b"\x02abcd");
            assert_eq!(split(&bytes), (Some(source), &b"\x02abcd"[..]));
        }
        assert_eq!(split(b"\x02abcd"), (None, &b"\x02abcd"[..]));
        assert_eq!(split(&[]), (None, &[][..]));
        assert_eq!(split(&[FETCHED, 1]), (None, &[][..]));
    }
}
