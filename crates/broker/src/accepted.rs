//! Sockets that were accepted and have not ended, whether they have said who they are or not.

use std::sync::{Weak, atomic::Ordering};

use crate::{
    counters::{down, up},
    shared::Shared,
};

/// A socket on its way to the runtime that will own it.
pub(crate) struct Accepted {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) place: Place,
}

/// One of the places that `max_connections` allows; free again when this is dropped.
pub(crate) struct Place(Weak<Shared>);

impl Place {
    /// Takes a place, if there is one.
    pub(crate) fn take(shared: &Shared) -> Option<Place> {
        let taken = &shared.counters.places_taken;
        // Listeners share one thread, so nobody takes the same place.
        if taken.load(Ordering::Relaxed) >= shared.settings.limits.connections_max as u64 {
            return None;
        }
        up(taken);
        Some(Place(shared.hub()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The broker may have gone.
        if let Some(shared) = self.0.upgrade() {
            down(&shared.counters.places_taken);
        }
    }
}
