//! How far a client has read one topic in pubsub mode: a low-water mark, and what is acknowledged above it.

use std::collections::VecDeque;

use restante_backend::{messages::Place, stored_id::StoredId};

/// Deliveries above the mark that are remembered; beyond, the oldest counts as acknowledged when the client has
/// acknowledged this many behind it. More than any window lets be open.
const OPEN_MAX: usize = 65_536;

/// The deliveries of one topic, in their order.
pub(super) struct Track {
    pub(super) keep: usize,
    deliveries: VecDeque<(Place, bool)>,
    low: Option<Place>,
    moved: bool,
}

impl Track {
    pub(super) fn new(keep: usize) -> Track {
        Track {
            keep,
            deliveries: VecDeque::new(),
            low: None,
            moved: false,
        }
    }

    /// A message is on its way to the client, or is passed for good (`done`).
    pub(super) fn begin(&mut self, place: Place, done: bool) {
        self.deliveries.push_back((place, done));
        self.moved |= done;
        if done || self.deliveries.len() > OPEN_MAX {
            self.advance();
        }
    }

    /// The client has acknowledged a message.
    pub(super) fn acknowledge(&mut self, id: &StoredId) {
        let found = self
            .deliveries
            .iter_mut()
            .find(|(place, done)| !*done && place.id == *id);
        if let Some((_, done)) = found {
            *done = true;
            self.moved = true;
            self.advance();
        }
    }

    /// Whether a message is among the deliveries that are remembered.
    pub(super) fn knows(&self, id: &StoredId) -> bool {
        self.deliveries.iter().any(|(place, _)| place.id == *id)
    }

    /// The mark, and what is acknowledged above it, if any of it has changed since this was last asked.
    pub(super) fn take_moved(&mut self) -> Option<(Option<&Place>, Vec<&StoredId>)> {
        if !std::mem::take(&mut self.moved) {
            return None;
        }
        let above = self
            .deliveries
            .iter()
            .filter(|(_, done)| *done)
            .map(|(place, _)| &place.id);
        Some((self.low.as_ref(), above.collect()))
    }

    fn advance(&mut self) {
        while let Some((_, done)) = self.deliveries.front()
            && (*done || self.deliveries.len() > OPEN_MAX)
        {
            self.low = self.deliveries.pop_front().map(|(place, _)| place);
            self.moved = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(id: &str) -> Place {
        Place {
            id: StoredId::parse(id),
            row: None,
        }
    }

    #[test]
    fn the_mark_moves_in_the_order_of_delivery() {
        let mut track = Track::new(0);
        for id in ["a", "b", "c"] {
            track.begin(place(id), false);
        }
        track.acknowledge(&StoredId::parse("b"));
        let (low, above) = track.take_moved().unwrap();
        assert_eq!((low, above), (None, vec![&StoredId::parse("b")]));
        assert!(track.take_moved().is_none(), "nothing new");
        track.acknowledge(&StoredId::parse("a"));
        let (low, above) = track.take_moved().unwrap();
        assert_eq!((low, above), (Some(&place("b")), vec![]));
        assert!(track.knows(&StoredId::parse("c")) && !track.knows(&StoredId::parse("a")));
        track.begin(place("d"), true);
        assert!(track.take_moved().is_some(), "what is passed counts above c");
    }
}
