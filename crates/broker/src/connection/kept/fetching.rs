//! Questions to the keeper, and its answers.

use std::rc::Rc;

use hashbrown::HashMap;
use restante_backend::stored_id::StoredId;
use restante_model::{Filter, UnixMillis};
use tokio::sync::{mpsc::error::TrySendError, oneshot};

use super::{Kept, wants::Want};
use crate::{
    connection::{Connection, State, Subscription},
    keeping::{
        fetch::{self, Answer, Ask},
        keeper::{Keeping, Question},
        positions::Begun,
        setup::FirstSubscribe,
    },
    reactor::Reactor,
};

/// How long a connection waits before it asks again when the keeper has no room for its question.
const ASK_AGAIN: std::time::Duration = std::time::Duration::from_millis(50);

impl Connection {
    /// The client has a new subscription, or comes back to one: what waits for it in databases is to be fetched. From
    /// here on live messages of those topics wait.
    pub(in crate::connection) fn want_kept(&self, reactor: &Reactor, state: &mut State, filter: &Filter) {
        let (Some(keeping), Some(kept)) = (reactor.shared.keeping(), &mut state.kept) else {
            return;
        };
        if filter.share().is_some() {
            return;
        }
        for keep in keeping.ruling.backlogs_of(filter.topic_filter()) {
            if keeping.keeps[keep].setup.first_subscribe != FirstSubscribe::All {
                // Its fetch may come much later. Where there is no room for it, that says it too.
                let _ = keeping.asks.try_send(Question::Begin(Begun {
                    keep,
                    client: self.client_id.clone(),
                    filters: [filter.clone()].into(),
                    at: reactor.now(),
                }));
            }
            kept.wants.add(Want {
                keep,
                filter: filter.clone(),
                at: reactor.now(),
                is_part: false,
            });
        }
    }

    /// What another client held of a topic is free (K49).
    pub(in crate::connection) fn kept_is_free(&self, reactor: &Reactor, keep: usize, topic: &str) {
        let mut state = self.state.borrow_mut();
        if !is_wanted(&state.subscriptions, topic) {
            return;
        }
        if let (Some(kept), Some(want)) = (&mut state.kept, Want::part(keep, topic, reactor.now())) {
            kept.wants.add(want);
        }
    }

    /// Asks for the next pages of all that is looked through, one for each.
    pub(super) fn ask_kept(self: &Rc<Self>, reactor: &Rc<Reactor>, keeping: &Keeping, state: &mut State) {
        while self.ask_one(reactor, keeping, state) {}
    }

    /// Asks for one page that is wanted and not on its way; false when there is none, or no room for the question.
    fn ask_one(self: &Rc<Self>, reactor: &Rc<Reactor>, keeping: &Keeping, state: &mut State) -> bool {
        let Some(kept) = &mut state.kept else { return false };
        if kept.wants.is_empty() || !kept.ready.is_empty() {
            return false;
        }
        let Kept { wants, follows, .. } = &mut **kept;
        let Some(run) = wants.run(|keep| follows.of_keep(keep).cloned().collect()) else {
            return false;
        };
        let (keep, number, step) = (run.want.keep, run.number, run.step.clone());
        let Want { filter, at, .. } = run.want.clone();
        let filters = match run.want.is_part {
            false => [filter.clone()].into(),
            true => {
                let subscriptions = state.subscriptions.values().map(|one| &one.filter);
                let own = subscriptions.filter(|one| one.share().is_none());
                own.filter(|one| one.matches(filter.topic_filter()))
                    .cloned()
                    .collect()
            }
        };
        let (asked, gone) = oneshot::channel();
        run.asked = Some(asked);
        // What the client has acknowledged until now is to be behind the barrier.
        reactor.decide(|turn| self.write_positions(keeping, state, turn));
        let pool = keeping.pool_of(keep);
        reactor.flush();
        let ask = Ask {
            to: self.address,
            run: number,
            keep,
            client: self.client_id.clone(),
            filter,
            step,
            begun: Begun {
                keep,
                client: self.client_id.clone(),
                filters,
                at,
            },
            barrier: pool.last_owed(),
        };
        if let Err(TrySendError::Full(_)) = keeping.asks.try_send(Question::Fetch(ask, gone)) {
            if let Some(run) = state.kept.as_mut().and_then(|kept| kept.wants.answered(number)) {
                run.asked = None;
            }
            let (connection, runtime) = (self.clone(), reactor.clone());
            reactor.spawn(async move {
                tokio::time::sleep(ASK_AGAIN).await;
                connection.drive(&runtime);
            });
            return false;
        }
        true
    }

    /// A page has come.
    pub(in crate::connection) fn take_kept(&self, reactor: &Reactor, answer: Answer) {
        let mut state = self.state.borrow_mut();
        let Some(kept) = &mut state.kept else { return };
        let Some(run) = kept.wants.answered(answer.run) else {
            // The client has unsubscribed meanwhile.
            if let Some(topic) = &answer.topic {
                let ids = answer.messages.iter().map(|message| &message.place.id);
                self.give_back_kept(reactor, (answer.keep, topic), ids);
            }
            return;
        };
        let keep = run.want.keep;
        let Some(topic) = answer.topic else {
            kept.wants.end_run(answer.run);
            kept.open_gates(reactor.now());
            return;
        };
        let held = kept.gates.held(&topic);
        let is_known = |id: &StoredId| {
            held.contains(id)
                || run.known.contains(id)
                || kept.follows.of_keep(keep).any(|open| open == id)
                || kept.tracks.get(&topic).is_some_and(|track| track.knows(id))
        };
        let fetched: Vec<_> = answer
            .messages
            .into_iter()
            .filter(|message| !is_known(&message.place.id))
            .collect();
        kept.ready.extend(fetched);
        run.came(topic, answer.next);
        kept.open_gates(reactor.now());
    }

    /// What was leased to this client, and will not go out to it, is free for others.
    pub(super) fn give_back_kept<'a>(
        &self,
        reactor: &Reactor,
        of: (usize, &str),
        ids: impl IntoIterator<Item = &'a StoredId>,
    ) {
        if let Some(keeping) = reactor.shared.keeping() {
            fetch::give_back(&reactor.shared, keeping, self.address, of, ids);
        }
    }
}

/// Whether a client has subscribed to a topic for itself.
pub(super) fn is_wanted(subscriptions: &HashMap<Box<str>, Subscription>, topic: &str) -> bool {
    let mut own = subscriptions.values().filter(|one| one.filter.share().is_none());
    own.any(|one| one.filter.matches(topic))
}

impl Kept {
    /// Opens the gates of topics whose backlog has come. Those that have overflowed are fetched once more.
    pub(super) fn open_gates(&mut self, now: UnixMillis) {
        let waiting: Vec<(usize, Box<str>)> = self
            .gates
            .topics()
            .map(|(keep, topic)| (keep, topic.into()))
            .collect();
        for (keep, topic) in waiting {
            if self.wants.covers(keep, &topic) {
                continue;
            }
            if self.gates.open(&topic)
                && let Some(want) = Want::part(keep, &topic, now)
            {
                self.wants.add(want);
            }
        }
    }
}
