//! Retained messages for new subscriptions: fetched one filter at a time, page by page, and only when the client has taken
//! what the last page brought, so that a client that subscribes to everything and reads nothing costs one page. A filter
//! that is asked for again before it was looked up is looked up once.
//!
//! While pages are awaited, live messages go on. A retained message that a newer one has overtaken is not sent behind it:
//! the client would take the older for the latest. In a page that is still to be read the store leaves it out; of the page
//! at hand what went live meanwhile is remembered.

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
};

use restante_model::{Seq, SubscriptionOptions};
use restante_session::Granted;
use restante_store::{
    contract::{RetainedPage, RetainedRequest},
    image::StoredMessage,
    parts::Parts,
};

use super::{Connection, delivery::text, wishes::Wishes};
use crate::{reactor::Reactor, shared::Note};

/// Messages of a page.
const PAGE_MESSAGES: usize = 256;
/// Bytes of a page: what a client that takes its retained messages slowly costs.
const PAGE_BYTES: usize = 256 << 10;
/// Topics remembered as overtaken. With more the page at hand is read again.
const OVERTAKEN_MAX: usize = 1024;

/// What one connection has to get. Filters are bounded by the subscriptions of a session.
#[derive(Default)]
pub(super) struct Retained {
    wanted: Wishes<Wanted>,
    /// The latest [`Wanted::to`].
    newest: Seq,
    /// The filter that is being looked up, page by page.
    current: Option<Wanted>,
    /// A page of it was asked for.
    asked: bool,
    /// What the page brings is of no interest any more.
    discards: bool,
    found: VecDeque<StoredMessage>,
    /// Behind which topic the page was asked for.
    page_after: Option<Box<str>>,
    /// The last message of the page that was sent or passed.
    sent: Option<Parts>,
    /// Filters that wait until everything planned without them has its sequence.
    announced: usize,
    /// By topic, the latest message with the retain flag that went live meanwhile.
    overtaken: HashMap<Box<[u8]>, Seq>,
    /// The last of these: a page that is asked for now is read behind it.
    live_through: Seq,
}

struct Wanted {
    topic_filter: Box<str>,
    options: SubscriptionOptions,
    /// What came before this subscription was known; all that came behind it goes live.
    to: Seq,
    /// The last topic of the page before, when there are more pages.
    after: Option<Box<str>>,
    /// There are no more pages.
    is_over: bool,
}

impl Retained {
    /// A message with the retain flag goes live.
    pub(super) fn went_live(&mut self, topic: &[u8], seq: Seq) {
        if self.announced == 0 && self.current.is_none() && self.wanted.is_empty() {
            return;
        }
        self.live_through = self.live_through.max(seq);
        if self.overtaken.len() < OVERTAKEN_MAX || self.overtaken.contains_key(topic) {
            self.overtaken.insert(topic.into(), seq);
        } else if self.current.is_some() {
            // The page is older than can be followed.
            self.read_again();
        }
    }

    /// Drops the page at hand, or on its way: from where the client has come to it is read again.
    fn read_again(&mut self) {
        self.discards = self.asked;
        let Some(current) = self.current.as_mut().filter(|_| !self.found.is_empty()) else {
            return;
        };
        self.found.clear();
        current.is_over = false;
        current.after = match &self.sent {
            Some(sent) => Some(text(sent.topic()).into()),
            None => self.page_after.take(),
        };
    }

    /// The next message to send.
    pub(super) fn pop(&mut self) -> Option<(StoredMessage, SubscriptionOptions)> {
        let current = self.current.as_mut()?;
        while let Some(message) = self.found.pop_front() {
            self.sent = Some(message.parts.clone());
            let latest = self.overtaken.get(message.parts.topic());
            if latest.is_none_or(|&latest| latest < message.seq) {
                return Some((message, current.options));
            }
        }
        None
    }

    fn take(&mut self, page: RetainedPage) {
        self.asked = false;
        if std::mem::take(&mut self.discards) {
            return;
        }
        if let Some(current) = &mut self.current {
            self.found = page.messages.into();
            self.sent = None;
            current.is_over = page.after.is_none();
            current.after = page.after;
        }
    }

    /// A filter looked up anew takes the place of its earlier wish.
    fn want(&mut self, wanted: Wanted) {
        self.newest = self.newest.max(wanted.to);
        let topic_filter = wanted.topic_filter.clone();
        self.wanted.insert(&topic_filter, wanted);
    }

    /// The subscription has ended: nothing of it is sent any more.
    pub(super) fn forget(&mut self, topic_filter: &str) {
        self.wanted.remove(topic_filter);
        let is_current = |current: &Wanted| *current.topic_filter == *topic_filter;
        if self.current.as_ref().is_some_and(is_current) {
            self.current = None;
            self.found.clear();
            self.discards = self.asked;
        }
    }

    /// What to ask for next, when what was asked for is on its way to the client.
    fn next(&mut self) -> Option<RetainedRequest> {
        if self.asked || !self.found.is_empty() {
            return None;
        }
        let wanted = &self.wanted;
        // Asked for anew meanwhile, it begins anew.
        let goes_on = |current: &Wanted| !current.is_over && !wanted.contains(&current.topic_filter);
        if !self.current.as_ref().is_some_and(goes_on) {
            self.current = self.wanted.pop();
        }
        let Some(current) = &self.current else {
            if self.announced == 0 && !self.overtaken.is_empty() {
                self.overtaken = HashMap::new();
            }
            return None;
        };
        // What the store has applied when it answers need not be remembered, where it is newer than what is asked for.
        let newest = match self.wanted.is_empty() {
            true => current.to,
            false => current.to.max(self.newest),
        };
        if self.announced == 0 {
            self.overtaken.retain(|_, seq| *seq <= newest);
        }
        self.asked = true;
        self.page_after.clone_from(&current.after);
        Some(RetainedRequest {
            topic_filter: (*current.topic_filter).into(),
            after: current.after.clone(),
            to: current.to,
            messages_max: PAGE_MESSAGES,
            bytes_max: PAGE_BYTES,
            applied: current.to.max(self.live_through),
        })
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
        let to = shared.planned_since(generation).await;
        let mut state = self.state.borrow_mut();
        state.retained.announced -= filters.len();
        for Granted { filter, options } in filters {
            state.retained.want(Wanted {
                topic_filter: filter.topic_filter().into(),
                options,
                to,
                after: None,
                is_over: false,
            });
        }
        self.fetch_retained(&reactor, &mut state.retained);
    }

    /// Asks for the next page, when the last one is on its way to the client.
    pub(super) fn fetch_retained(&self, reactor: &Reactor, retained: &mut Retained) {
        let Some(request) = retained.next() else { return };
        let (hub, address) = (reactor.shared.hub(), self.address);
        let done = move |page: RetainedPage| {
            // The broker may have gone.
            if let Some(shared) = hub.upgrade() {
                shared.note(address, Note::Retained(page));
            }
        };
        reactor.shared.store.retained(request, Box::new(done));
    }

    /// What was asked for has come.
    pub(super) fn take_retained(&self, page: RetainedPage) {
        self.state.borrow_mut().retained.take(page);
    }
}

#[cfg(test)]
mod tests {
    use restante_model::{MessageId, QoS, UnixMillis};

    use super::*;

    const TO: u64 = 1000;

    fn message(topic: &str, seq: u64) -> StoredMessage {
        StoredMessage {
            seq: Seq(seq),
            id: MessageId(0),
            qos: QoS::AtLeastOnce,
            retain: true,
            deadline: UnixMillis::NEVER,
            parts: Parts::copy(b"", topic.as_bytes(), b"", b""),
        }
    }

    fn page(topics: &[&str], after: Option<&str>) -> RetainedPage {
        RetainedPage {
            messages: topics.iter().map(|topic| message(topic, 1)).collect(),
            after: after.map(Box::from),
        }
    }

    fn wanting(filters: &[&str]) -> Retained {
        let mut retained = Retained::default();
        for filter in filters {
            want(&mut retained, filter);
        }
        retained
    }

    fn want(retained: &mut Retained, filter: &str) {
        retained.want(Wanted {
            topic_filter: filter.into(),
            options: SubscriptionOptions::default(),
            to: Seq(TO),
            after: None,
            is_over: false,
        });
    }

    /// The filter that is asked for, and where its page begins.
    fn ask(retained: &mut Retained) -> Option<(String, Option<Box<str>>)> {
        retained
            .next()
            .map(|request| (request.topic_filter, request.after))
    }

    fn asks(filter: &str, after: Option<&str>) -> Option<(String, Option<Box<str>>)> {
        Some((filter.into(), after.map(Box::from)))
    }

    fn pop(retained: &mut Retained) -> Option<String> {
        retained
            .pop()
            .map(|(message, _)| text(message.parts.topic()).to_owned())
    }

    #[test]
    fn page_after_page_then_the_next_filter() {
        let mut retained = wanting(&["t/#", "u"]);
        assert_eq!(ask(&mut retained), asks("t/#", None));
        assert_eq!(ask(&mut retained), None, "one at a time");
        retained.take(page(&["t/1", "t/2"], Some("t/2")));
        assert_eq!(ask(&mut retained), None, "not before they are taken");
        assert_eq!(pop(&mut retained).as_deref(), Some("t/1"));
        assert_eq!(pop(&mut retained).as_deref(), Some("t/2"));
        assert_eq!(ask(&mut retained), asks("t/#", Some("t/2")));
        // A page may hold nothing and not be the last.
        retained.take(page(&[], Some("t/8")));
        assert_eq!(ask(&mut retained), asks("t/#", Some("t/8")));
        retained.take(page(&["t/9"], None));
        assert_eq!(pop(&mut retained).as_deref(), Some("t/9"));
        assert_eq!(ask(&mut retained), asks("u", None));
        retained.take(page(&["u"], None));
        assert_eq!(pop(&mut retained).as_deref(), Some("u"));
        assert_eq!((ask(&mut retained), pop(&mut retained)), (None, None));
    }

    #[test]
    fn a_filter_that_is_wanted_anew_begins_anew_and_one_that_has_ended_stops() {
        let mut retained = wanting(&["t/#"]);
        ask(&mut retained);
        retained.take(page(&["t/1"], Some("t/1")));
        want(&mut retained, "t/#");
        want(&mut retained, "t/#");
        assert_eq!(pop(&mut retained).as_deref(), Some("t/1"));
        assert_eq!(ask(&mut retained), asks("t/#", None));
        retained.forget("t/#");
        retained.take(page(&["t/1"], Some("t/1")));
        assert_eq!((pop(&mut retained), ask(&mut retained)), (None, None));
        want(&mut retained, "u");
        assert_eq!(ask(&mut retained), asks("u", None));
    }

    #[test]
    fn what_was_overtaken_is_left_out_and_the_next_page_is_read_behind_it() {
        let mut retained = wanting(&["t/#"]);
        ask(&mut retained);
        retained.went_live(b"t/2", Seq(TO + 5));
        retained.take(page(&["t/1", "t/2", "t/3"], Some("t/3")));
        retained.went_live(b"t/3", Seq(TO + 6));
        assert_eq!(pop(&mut retained).as_deref(), Some("t/1"));
        assert_eq!(pop(&mut retained), None);
        let request = retained.next().expect("there is more");
        assert_eq!((request.to, request.applied), (Seq(TO), Seq(TO + 6)));
        assert!(retained.overtaken.is_empty(), "the store knows of them");
        retained.take(page(&[], None));
        retained.next();
        retained.went_live(b"t/1", Seq(TO + 7));
        assert!(retained.overtaken.is_empty(), "nothing is awaited any more");
    }

    #[test]
    fn a_page_that_too_much_has_overtaken_is_read_again_from_where_the_client_is() {
        let mut retained = wanting(&["t/#"]);
        ask(&mut retained);
        retained.take(page(&["t/1", "t/2", "t/3"], None));
        assert_eq!(pop(&mut retained).as_deref(), Some("t/1"));
        let overtake = |retained: &mut Retained| {
            for number in 0..=OVERTAKEN_MAX {
                retained.went_live(format!("x/{number}").as_bytes(), Seq(TO + 1 + number as u64));
            }
        };
        overtake(&mut retained);
        assert_eq!(pop(&mut retained), None);
        assert_eq!(ask(&mut retained), asks("t/#", Some("t/1")));
        // So is one that is under way.
        overtake(&mut retained);
        retained.take(page(&["t/2", "t/3"], None));
        assert_eq!(pop(&mut retained), None);
        assert_eq!(ask(&mut retained), asks("t/#", Some("t/1")));
        retained.take(page(&["t/2", "t/3"], None));
        assert_eq!(pop(&mut retained).as_deref(), Some("t/2"));
        assert_eq!(pop(&mut retained).as_deref(), Some("t/3"));
        assert_eq!(ask(&mut retained), None);
    }
}
