//! Kept topics on one connection: what waits for the client in databases, and what is followed to its acknowledgement.
//!
//! | module | concept |
//! |---|---|
//! | [`wants`] | which filters are still to be fetched, and what is being fetched |
//! | [`gates`] | live messages that wait behind a backlog |
//! | [`followed`] | deliveries whose acknowledgement somebody is told of |
//! | [`track`] | how far the client has read a topic in pubsub mode |
//! | [`fetching`] | questions to the keeper, and its answers |
//! | [`handing`] | messages of kept topics to the client |
//! | [`restoring`] | subscriptions that databases hold for the client |
//! | [`retained`] | retained messages that databases hold |
//! | [`telling`] | who comes and goes, as databases are told |

mod fetching;
mod followed;
mod gates;
mod handing;
mod restoring;
mod retained;
mod telling;
mod track;
mod wants;

use std::collections::VecDeque;

use followed::Follows;
use gates::Gates;
use hashbrown::HashMap;
use restante_backend::messages::FetchedMessage;
use track::Track;
use wants::Wants;

/// The state of kept topics on one connection; there is none where nothing is kept.
#[derive(Default)]
pub(super) struct Kept {
    wants: Wants,
    /// What was fetched and has not gone out.
    ready: VecDeque<FetchedMessage>,
    gates: Gates,
    follows: Follows,
    /// By topic, in pubsub mode.
    tracks: HashMap<Box<str>, Track>,
    /// Some track has moved since positions were last written.
    moved: bool,
}

impl Kept {
    /// Whether a delivery is of a kept topic: at QoS 1 it is fetched again when it was not acknowledged.
    pub(super) fn is_fetched_again(&self, packet_id: u16) -> bool {
        self.follows
            .get(packet_id)
            .is_some_and(|followed| followed.keep.is_some())
    }
}
