//! Messages of kept topics to the client, and what becomes of them.

use std::{collections::VecDeque, rc::Rc, sync::Arc};

use restante_backend::messages::{FetchedMessage, Place};
use restante_model::{Filter, MessageId, QoS, Seq, SubscriptionOptions, UnixMillis};
use restante_session::Source;

use super::{Kept, fetching::is_wanted, followed::Followed, gates::Held, track::Track, wants::Want};
use crate::{
    connection::{Connection, State, delivery::Origin, delivery::text},
    keeping::{
        keeper::Keeping,
        owed::{Event, Named},
        positions,
        reduce::ours,
        ruling::KeptTopic,
    },
    live::{LiveMessage, MessageView},
    reactor::{Reactor, Turn},
};

impl Connection {
    /// A message of a kept topic has been published for this client, at QoS 1 or 2.
    pub(in crate::connection) fn offer_kept(
        self: &Rc<Self>,
        reactor: &Rc<Reactor>,
        state: &mut State,
        seq: Seq,
        (id, keep): (MessageId, usize),
        message: &Arc<LiveMessage>,
        options: &[SubscriptionOptions],
    ) {
        let view = message.view();
        let topic = text(view.topic);
        let Some(kept) = &mut state.kept else { return };
        let is_covered = kept.wants.covers(keep, topic);
        let has_room =
            state.outbound.room() > 0 && state.out.len() < reactor.shared.settings.limits.outgoing_bytes_max;
        if !is_covered && has_room && kept.ready.is_empty() && !kept.gates.holds(topic) {
            let place = Place {
                id: ours(id),
                row: None,
            };
            self.deliver(
                reactor,
                state,
                seq,
                &view,
                options.iter(),
                Source::Live,
                &Origin::live(&place),
            );
            return;
        }
        let held = Held {
            seq,
            id,
            message: message.clone(),
            options: options.into(),
        };
        let is_held = kept.gates.hold(keep, topic, held);
        if is_held && !is_covered {
            kept.gates.open(topic);
        } else if !is_held
            && !is_covered
            && let Some(want) = Want::part(keep, topic, reactor.now())
        {
            kept.wants.add(want);
        }
    }

    /// Sends one message of a kept topic, or asks for more of them. Answers whether one was sent or passed.
    pub(in crate::connection) fn pump_kept(
        self: &Rc<Self>,
        reactor: &Rc<Reactor>,
        state: &mut State,
    ) -> bool {
        let Some(keeping) = reactor.shared.keeping() else {
            return false;
        };
        let Some(kept) = &mut state.kept else { return false };
        if let Some(fetched) = kept.ready.pop_front() {
            self.deliver_fetched(reactor, state, &fetched);
            return true;
        }
        let Kept { gates, wants, .. } = &mut **kept;
        if let Some(held) = gates.pop(|keep, topic| wants.covers(keep, topic)) {
            let (view, place) = (
                held.message.view(),
                Place {
                    id: ours(held.id),
                    row: None,
                },
            );
            let options = held.options.iter();
            self.deliver(
                reactor,
                state,
                held.seq,
                &view,
                options,
                Source::Backlog,
                &Origin::live(&place),
            );
            return true;
        }
        self.ask_kept(reactor, keeping, state);
        false
    }

    fn deliver_fetched(self: &Rc<Self>, reactor: &Rc<Reactor>, state: &mut State, fetched: &FetchedMessage) {
        let FetchedMessage { place, message } = fetched;
        let covering: Vec<SubscriptionOptions> = state
            .subscriptions
            .values()
            .filter(|one| one.filter.share().is_none() && one.filter.matches(&message.topic))
            .map(|one| *one.epochs.current())
            .collect();
        let Some(qos) = covering.iter().map(|options| options.qos).max() else {
            // The subscription has ended meanwhile: it waits where it is.
            if let Some(keep) = reactor.matches(&message.topic).source() {
                self.give_back_kept(reactor, (keep, &message.topic), [&place.id]);
            }
            return;
        };
        // What is sent at QoS 2 must be there to be sent again while the database is away (K46).
        let is_copied = qos.min(message.qos) == QoS::ExactlyOnce && self.is_persistent();
        let view = MessageView {
            qos: message.qos,
            retain: message.retain,
            stored: is_copied,
            id: None,
            deadline: UnixMillis::NEVER,
            sender: message.sender.as_bytes(),
            topic: message.topic.as_bytes(),
            properties: &[],
            payload: &message.payload,
        };
        let origin = Origin::Kept {
            place,
            copied: is_copied,
        };
        let is_in_flight = self.deliver(
            reactor,
            state,
            Seq::ZERO,
            &view,
            covering.iter(),
            Source::Backlog,
            &origin,
        );
        // Its own, or too large for it: somebody else may take it.
        if !is_in_flight
            && qos.min(message.qos) > QoS::AtMostOnce
            && let Some(keep) = reactor.matches(&message.topic).source()
        {
            self.give_back_kept(reactor, (keep, &message.topic), [&place.id]);
        }
    }

    /// A message goes to the client, under this packet id or (`None`) at QoS 0: who is told of its acknowledgement is
    /// remembered. `is_kept`: it is handed over as a kept topic's message, and not from a queue. `origin` is where it
    /// stands in a database, when it is known from there.
    pub(in crate::connection) fn follow(
        &self,
        reactor: &Rc<Reactor>,
        kept: &mut Option<Box<Kept>>,
        view: &MessageView<'_>,
        packet_id: Option<u16>,
        (is_kept, origin): (bool, Option<&Place>),
    ) {
        let Some(keeping) = reactor.shared.keeping() else {
            return;
        };
        let topic = text(view.topic);
        let place = origin.cloned().or_else(|| {
            Some(Place {
                id: ours(view.id?),
                row: None,
            })
        });
        let (Some(place), Some(rules)) = (place, reactor.matches(topic).kept().cloned()) else {
            return;
        };
        let followed = Followed {
            topic: topic.into(),
            // What comes from a queue, the client's own of before or a group's, is sent again from there; and what a
            // client reads for its group says nothing of how far it has read for itself.
            keep: rules.source.filter(|_| is_kept),
            told: rules.told_of_acks,
            place,
        };
        if rules.told_of_deliveries != 0 {
            let event = Event::Delivered {
                client: (*self.client_id).into(),
                message: followed.named(),
            };
            reactor.decide(|turn| keeping.owe(turn, rules.told_of_deliveries, &event));
        }
        let Some(kept) = kept else { return };
        if let Some(keep) = followed.keep
            && keeping.keeps[keep].is_read_by_position()
        {
            let track = kept
                .tracks
                .entry(followed.topic.clone())
                .or_insert_with(|| Track::new(keep));
            track.begin(followed.place.clone(), packet_id.is_none());
            kept.moved |= packet_id.is_none();
        }
        match packet_id {
            Some(packet_id) if rules.is_followed() => kept.follows.add(packet_id, followed),
            Some(_) => {}
            // What was written to a client at QoS 0 is all that will ever be known of it (C22).
            None => self.written(reactor, keeping, &rules, &followed),
        }
    }

    fn written(&self, reactor: &Reactor, keeping: &Keeping, rules: &KeptTopic, followed: &Followed) {
        if let Some(keep) = followed
            .keep
            .filter(|keep| !keeping.keeps[*keep].is_read_by_position())
        {
            let event = Event::Written {
                client: (*self.client_id).into(),
                message: followed.named(),
            };
            let pool = 1 << keeping.pool_of(keep).index;
            reactor.decide(|turn| keeping.owe(turn, pool & rules.told_of_acks, &event));
        }
    }

    /// The client has acknowledged a delivery, or refused it for good (K44).
    pub(in crate::connection) fn acked(
        &self,
        reactor: &Rc<Reactor>,
        state: &mut State,
        packet_id: u16,
        is_exactly_once: bool,
    ) {
        let (Some(keeping), Some(kept)) = (reactor.shared.keeping(), &mut state.kept) else {
            return;
        };
        let Some(followed) = kept.follows.remove(packet_id) else {
            return;
        };
        if let Some(track) = kept.tracks.get_mut(&followed.topic) {
            track.acknowledge(&followed.place.id);
            kept.moved = true;
        }
        let moved = kept.moved;
        let event = Event::Acked {
            client: (*self.client_id).into(),
            message: followed.named(),
        };
        reactor.decide(|turn| {
            keeping.owe(turn, followed.told, &event);
            if is_exactly_once {
                // With the record that it was received: a crash in between would bring it a second time.
                self.write_positions(keeping, state, turn);
            }
        });
        if moved && !is_exactly_once {
            reactor.positions_moved(self.address);
        }
    }

    /// Writes how far the client has read, where that has changed.
    pub(crate) fn write_positions_now(&self, reactor: &Reactor, turn: &mut Turn) {
        if let Some(keeping) = reactor.shared.keeping() {
            self.write_positions(keeping, &mut self.state.borrow_mut(), turn);
        }
    }

    pub(in crate::connection) fn write_positions(
        &self,
        keeping: &Keeping,
        state: &mut State,
        turn: &mut Turn,
    ) {
        let Some(kept) = &mut state.kept else { return };
        if !std::mem::take(&mut kept.moved) {
            return;
        }
        for (topic, track) in &mut kept.tracks {
            let keep = track.keep;
            let Some((low, above)) = track.take_moved() else {
                continue;
            };
            let name = &keeping.keeps[keep].setup.name;
            positions::note_position(&mut turn.batch, name, &self.client_id, topic, low, &above);
            if let Some(low) = low {
                let event = Event::Position {
                    client: (*self.client_id).into(),
                    message: Named {
                        topic: topic.clone(),
                        id: low.id.text().into(),
                        row: low.row,
                    },
                };
                keeping.owe(turn, 1 << keeping.pool_of(keep).index, &event);
            }
        }
    }

    /// The client has unsubscribed: nothing more is fetched for this filter, and where it has read is forgotten (C10).
    pub(in crate::connection) fn unwant_kept(&self, reactor: &Reactor, state: &mut State, filter: &Filter) {
        let (Some(keeping), Some(kept)) = (reactor.shared.keeping(), &mut state.kept) else {
            return;
        };
        if filter.share().is_some() {
            // Nothing was fetched for it, and what the client has read for itself is another matter.
            return;
        }
        let subscriptions = &state.subscriptions;
        let is_wanted = |topic: &str| is_wanted(subscriptions, topic);
        kept.wants.forget(filter, is_wanted);
        kept.gates.forget(is_wanted);
        let ready = std::mem::take(&mut kept.ready);
        let (stays, goes): (VecDeque<_>, VecDeque<_>) = ready
            .into_iter()
            .partition(|fetched| is_wanted(&fetched.message.topic));
        kept.ready = stays;
        for FetchedMessage { place, message } in &goes {
            if let Some(keep) = reactor.matches(&message.topic).source() {
                self.give_back_kept(reactor, (keep, &message.topic), [&place.id]);
            }
        }
        kept.tracks.retain(|topic, _| is_wanted(topic));
        // What waited behind this filter's backlog, and is wanted by another one, waits for nothing any more.
        kept.open_gates(reactor.now());
        for keep in keeping.ruling.forgets(filter.topic_filter()) {
            let name = &keeping.keeps[keep].setup.name;
            reactor.decide(|turn| {
                positions::forget(&mut turn.batch, name, &self.client_id, filter.topic_filter());
            });
        }
    }
}
