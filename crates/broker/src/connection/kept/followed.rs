//! Deliveries that are followed to their acknowledgement, by packet id. Bounded by the window.

use hashbrown::HashMap;
use restante_backend::{messages::Place, stored_id::StoredId};

use crate::keeping::{owed::Named, ruling::Pools};

/// A delivery whose acknowledgement somebody is told of.
#[derive(Clone, Debug)]
pub(in crate::connection) struct Followed {
    pub(in crate::connection) topic: Box<str>,
    pub(in crate::connection) place: Place,
    /// The keep that the topic's backlog is in.
    pub(in crate::connection) keep: Option<usize>,
    /// Pools that are told of the acknowledgement.
    pub(in crate::connection) told: Pools,
}

impl Followed {
    /// As events name it.
    pub(in crate::connection) fn named(&self) -> Named {
        Named {
            topic: self.topic.clone(),
            id: self.place.id.text().into(),
            row: self.place.row,
        }
    }
}

/// All of a connection.
#[derive(Default)]
pub(super) struct Follows {
    by_packet_id: HashMap<u16, Followed>,
}

impl Follows {
    pub(super) fn add(&mut self, packet_id: u16, followed: Followed) {
        self.by_packet_id.insert(packet_id, followed);
    }

    pub(super) fn get(&self, packet_id: u16) -> Option<&Followed> {
        self.by_packet_id.get(&packet_id)
    }

    pub(super) fn remove(&mut self, packet_id: u16) -> Option<Followed> {
        self.by_packet_id.remove(&packet_id)
    }

    /// What is in flight of a keep.
    pub(super) fn of_keep(&self, keep: usize) -> impl Iterator<Item = &StoredId> {
        let of_keep = self
            .by_packet_id
            .values()
            .filter(move |followed| followed.keep == Some(keep));
        of_keep.map(|followed| &followed.place.id)
    }
}
