//! Retained messages for new subscriptions: fetched one filter at a time, and only when the client has taken what the
//! last one brought, so that a client that subscribes to everything and reads nothing costs one answer of the store. A
//! filter that is asked for again before it was looked up is looked up once.
//!
//! While an answer is awaited, live messages go on. A retained message that a newer one has overtaken is not sent behind
//! it: the client would take the older for the latest.

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
};

use restante_model::{Seq, SubscriptionOptions};
use restante_session::Granted;
use restante_store::image::StoredMessage;

use super::Connection;
use crate::{reactor::Reactor, shared::Note};

/// Topics remembered as overtaken. Beyond it an older message may follow a newer one, once.
const OVERTAKEN_MAX: usize = 1024;

/// What one connection has to get. Filters are bounded by the subscriptions of a session.
#[derive(Default)]
pub(super) struct Retained {
    wanted: VecDeque<Wanted>,
    /// The options of the filter that is being looked up.
    fetching: Option<SubscriptionOptions>,
    found: VecDeque<(StoredMessage, SubscriptionOptions)>,
    /// Filters that wait until everything planned without them has its sequence.
    announced: usize,
    /// By topic, the latest message with the retain flag that went live meanwhile.
    overtaken: HashMap<Box<[u8]>, Seq>,
}

struct Wanted {
    topic_filter: Box<str>,
    options: SubscriptionOptions,
    /// The answer must contain everything up to here.
    at: Seq,
}

impl Retained {
    /// A message with the retain flag goes live.
    pub(super) fn went_live(&mut self, topic: &[u8], seq: Seq) {
        let awaited = self.announced > 0 || self.fetching.is_some() || !self.wanted.is_empty();
        if awaited && self.overtaken.len() < OVERTAKEN_MAX {
            self.overtaken.insert(topic.into(), seq);
        }
    }

    /// The next message to send.
    pub(super) fn pop(&mut self) -> Option<(StoredMessage, SubscriptionOptions)> {
        while let Some((message, options)) = self.found.pop_front() {
            let latest = self.overtaken.get(&*message.topic);
            if latest.is_none_or(|&latest| latest < message.seq) {
                return Some((message, options));
            }
        }
        None
    }

    fn take(&mut self, found: Vec<StoredMessage>) {
        if let Some(options) = self.fetching.take() {
            self.found = found.into_iter().map(|message| (message, options)).collect();
        }
    }

    /// A filter looked up anew takes the place of its earlier wish.
    fn want(&mut self, wanted: Wanted) {
        self.wanted
            .retain(|known| known.topic_filter != wanted.topic_filter);
        self.wanted.push_back(wanted);
    }

    fn next(&mut self) -> Option<Wanted> {
        if self.fetching.is_some() || !self.found.is_empty() {
            return None;
        }
        let next = self.wanted.pop_front();
        self.fetching = next.as_ref().map(|wanted| wanted.options);
        if next.is_none() && self.announced == 0 && !self.overtaken.is_empty() {
            self.overtaken = HashMap::new();
        }
        next
    }
}

impl Connection {
    /// Retained messages are wanted for these new subscriptions.
    pub(super) fn want_retained(
        self: &Rc<Self>,
        reactor: &Rc<Reactor>,
        state: &mut super::State,
        filters: Vec<Granted>,
    ) {
        state.retained.announced += filters.len();
        reactor.spawn(Rc::clone(self).look_up_retained(reactor.clone(), filters));
    }

    /// Asks when everything that was planned without these subscriptions has its sequence: nothing falls between
    /// retained and live.
    async fn look_up_retained(self: Rc<Self>, reactor: Rc<Reactor>, filters: Vec<Granted>) {
        let shared = &reactor.shared;
        let generation = shared.generation();
        reactor.flush();
        let at = shared.planned_since(generation).await;
        let mut state = self.state.borrow_mut();
        state.retained.announced -= filters.len();
        for Granted { filter, options } in filters {
            state.retained.want(Wanted {
                topic_filter: filter.topic_filter().into(),
                options,
                at,
            });
        }
        self.fetch_retained(&reactor, &mut state.retained);
    }

    /// Asks for the next filter's messages, when those of the last one are on their way to the client.
    pub(super) fn fetch_retained(&self, reactor: &Reactor, retained: &mut Retained) {
        let Some(wanted) = retained.next() else { return };
        let (hub, address) = (reactor.shared.hub(), self.address);
        let done = move |found: Vec<_>| {
            // The broker may have gone.
            if let Some(shared) = hub.upgrade() {
                shared.note(address, Note::Retained(found));
            }
        };
        let store = &reactor.shared.store;
        store.retained(wanted.topic_filter.into(), wanted.at, Box::new(done));
    }

    /// What was asked for has come.
    pub(super) fn take_retained(&self, found: Vec<StoredMessage>) {
        self.state.borrow_mut().retained.take(found);
    }
}
