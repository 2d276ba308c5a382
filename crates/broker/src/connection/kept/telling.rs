//! Databases are told who comes and goes, and what clients subscribe to.

use std::rc::Rc;

use restante_model::{Filter, HookPoint, QoS};

use crate::{
    connection::{Connection, copies::Source, kept::Kept},
    keeping::owed::Event,
    live::MessageView,
    reactor::Reactor,
    shared::Note,
};

impl Connection {
    /// A client has its session.
    pub(in crate::connection) fn tell_of_arrival(&self, reactor: &Reactor) {
        let client = || Box::from(&*self.client_id);
        self.tell(reactor, HookPoint::SessionCreated, None, || {
            Event::SessionCreated { client: client() }
        });
        self.tell(reactor, HookPoint::ClientConnected, None, || Event::Connected {
            client: client(),
        });
    }

    /// A session is taken up: what waits for it in databases is fetched.
    pub(in crate::connection) fn take_up_kept(&self, reactor: &Reactor) {
        let mut state = self.state.borrow_mut();
        let filters: Vec<Filter> = state
            .subscriptions
            .values()
            .map(|one| one.filter.clone())
            .collect();
        for filter in filters {
            self.want_kept(reactor, &mut state, &filter);
        }
    }

    /// A connection is gone: its last words to databases, and what it held there is free for others.
    pub(in crate::connection) fn tell_of_departure(&self, reactor: &Reactor) {
        let Some(keeping) = reactor.shared.keeping() else {
            return;
        };
        let client = || Box::from(&*self.client_id);
        reactor.decide(|turn| self.write_positions(keeping, &mut self.state.borrow_mut(), turn));
        // Before its leases are free: an answer that is on its way gives back what it has leased.
        if let Some(kept) = &mut self.state.borrow_mut().kept {
            kept.wants.leave();
        }
        self.tell(reactor, HookPoint::ClientDisconnected, None, || {
            Event::Disconnected { client: client() }
        });
        for (waiting, keep, topic) in keeping.leases.leave(self.address) {
            reactor.shared.note(waiting, Note::KeptFree(keep, topic));
        }
    }

    /// A subscription has begun (with its QoS) or ended.
    pub(in crate::connection) fn tell_of_subscription(
        &self,
        reactor: &Reactor,
        filter: &Filter,
        qos: Option<QoS>,
    ) {
        let client = || Box::from(&*self.client_id);
        let text = filter.topic_filter();
        match qos {
            Some(qos) => self.tell(reactor, HookPoint::SessionSubscribed, Some(text), || {
                Event::Subscribed {
                    client: client(),
                    filter: filter.as_str().into(),
                    qos,
                }
            }),
            None => self.tell(reactor, HookPoint::SessionUnsubscribed, Some(text), || {
                Event::Unsubscribed {
                    client: client(),
                    filter: filter.as_str().into(),
                }
            }),
        }
    }

    fn tell(&self, reactor: &Reactor, point: HookPoint, topic: Option<&str>, event: impl FnOnce() -> Event) {
        let Some(keeping) = reactor.shared.keeping() else {
            return;
        };
        let pools = keeping.ruling.pools_at(point, topic);
        if pools != 0 {
            reactor.decide(|turn| keeping.owe(turn, pools, &event()));
        }
    }

    /// What is sent again is followed again: a copy by the id it has in its database, a live one by our own. A retained
    /// message stands for no message of its topic.
    pub(in crate::connection) fn follow_again(
        &self,
        reactor: &Rc<Reactor>,
        kept: &mut Option<Box<Kept>>,
        view: &MessageView<'_>,
        (packet_id, qos): (u16, QoS),
        source: Option<&Source>,
    ) {
        let origin = match source {
            Some(Source::Retained) => return,
            Some(Source::Fetched(place)) => Some(place),
            None => None,
        };
        if kept.is_some() {
            // What is in flight at QoS 1 of a kept topic is fetched again, and not sent again: this is of a queue.
            let is_kept = qos == QoS::ExactlyOnce;
            self.follow(reactor, kept, view, Some(packet_id), (is_kept, origin));
        }
    }
}
