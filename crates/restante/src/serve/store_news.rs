//! What somebody should hear of the store without asking: that it takes nothing new, that it stands still, that it has
//! failed, that records were found damaged. Told when it changes, and again from time to time while it lasts.

use restante_store::contract::{Admission, Store};

/// Looks until what still lasts is told again; one look a second.
const AGAIN: u32 = 600;

/// What the store takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Full,
    /// Full, and nothing becomes durable.
    Stalled,
    Failed,
}

/// What was told so far.
pub(super) struct StoreNews {
    state: State,
    looks: u32,
    damaged: u64,
}

impl StoreNews {
    /// What was damaged at the start was told with the store's findings.
    pub(super) fn new(store: &dyn Store) -> StoreNews {
        StoreNews {
            state: State::Open,
            looks: 0,
            damaged: store.figures().damaged,
        }
    }

    /// Tells what is new.
    pub(super) fn look(&mut self, store: &dyn Store) {
        let figures = store.figures();
        let (state, why) = match store.admission() {
            Admission::Open => (State::Open, None),
            Admission::Full { why } if figures.stalled => (State::Stalled, Some(why)),
            Admission::Full { why } => (State::Full, Some(why)),
            Admission::Failed { why } => (State::Failed, Some(why)),
        };
        self.looks = match state == self.state {
            true => self.looks + 1,
            false => 0,
        };
        let changed = state != self.state;
        self.state = state;
        if changed || (state != State::Open && self.looks.is_multiple_of(AGAIN)) {
            tell(state, &why.unwrap_or_default());
        }
        if figures.damaged > self.damaged {
            tracing::error!(
                code = "store-damaged",
                records = figures.damaged - self.damaged,
                "records could not be read back, and are passed over: look at the disk; store verify says where"
            );
            self.damaged = figures.damaged;
        }
    }
}

fn tell(state: State, why: &str) {
    match state {
        State::Open => tracing::info!(code = "store-has-room", "what must be kept is taken again"),
        State::Full => tracing::warn!(
            code = "store-full",
            "messages that must be kept, new sessions and new subscriptions are refused: {why}"
        ),
        State::Stalled => tracing::error!(code = "store-stalled", "{why}"),
        State::Failed => tracing::error!(code = "store-failed", "the store has failed: {why}"),
    }
}
