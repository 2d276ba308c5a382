//! The end of a connection, and of a session.

use std::{rc::Rc, sync::Arc, time::Duration};

use restante_codec::packet::Version;
use restante_model::{Binding, NotKept, QoS};
use restante_store::{batch::Batch, change::Change};
use tokio::net::TcpStream;

use super::{Closing, Connection, ending::publish_will, subscribing::close_reader};
use crate::{
    counters::{down, up},
    directory::Leaving,
    reactor::Reactor,
    shared::Shared,
    wire,
};

/// How long a client that was told goodbye may go on talking before the socket is closed.
const LINGER: Duration = Duration::from_millis(500);
/// Bytes read and thrown away meanwhile.
const LINGER_BYTES_MAX: usize = 1 << 20;

impl Connection {
    /// Everything that happens when a connection ends: its last word is written to the store before its client id is
    /// free for another.
    pub(super) async fn leave(self: &Rc<Self>, reactor: &Rc<Reactor>, why: Closing) {
        let shared = &reactor.shared;
        self.tell_of_departure(reactor);
        // So that every copy that is bound has its sequence.
        reactor.flush();
        reactor.vacate(self.address);
        self.left.set(true);
        self.tell_end(why);
        let leaving = self.detach(reactor, why);
        reactor.flush();
        down(&shared.counters.connections);
        if self.is_persistent() {
            down(&shared.counters.sessions_present);
            if matches!(leaving, Leaving::Absent(..)) {
                up(&shared.counters.sessions_absent);
            }
        }
        shared
            .directory
            .lock()
            .release(&self.client_id, self.address, leaving);
        if matches!(why, Closing::Violation(_) | Closing::KeepAlive) {
            up(&shared.counters.protocol_errors);
        }
        if !matches!(why, Closing::Lost) {
            let mut last = Vec::new();
            {
                let state = self.state.borrow();
                last.extend_from_slice(&state.out[state.written..]);
            }
            if let (Version::V5, Some(reason)) = (self.version(), why.reason()) {
                wire::disconnect(&mut last, &self.receiver, reason, why.words());
            }
            say_and_close(&self.stream, &last).await;
        }
    }

    /// Writes the session's last state into the turn and takes the receiver out of the router.
    fn detach(self: &Rc<Self>, reactor: &Rc<Reactor>, why: Closing) -> Leaving {
        let shared = &reactor.shared;
        let expiry = match why {
            Closing::ByClient { expiry, .. } => expiry,
            _ => self.terms.session_expiry,
        };
        let persistent = self.is_persistent() && expiry > 0;
        let will = {
            let mut state = self.state.borrow_mut();
            state.will.take().filter(|_| why.wants_will())
        };
        let delayed = will.as_ref().is_some_and(|will| will.delay > 0 && persistent);
        let now = shared.clock.millis();
        if let (Some(will), false) = (&will, delayed) {
            publish_will(reactor, &self.client_id, will);
        }
        // Whoever asked for the end has cleared it; else it ends because it does not outlive its connection.
        let ended = match why {
            Closing::ByClient { .. } => NotKept::SessionCleared,
            _ => NotKept::SessionExpired,
        };
        if !self.is_persistent() {
            shared.counters.not_kept(ended, self.waiting_in_memory());
        }
        shared.counters.not_kept(NotKept::Unsubscribed, self.left_over());
        self.leave_router(reactor);
        let Some(session) = self.session else {
            return Leaving::Gone;
        };
        if !persistent {
            reactor.decide(|turn| {
                if self.is_persistent() {
                    // What was acknowledged until now is not counted as waiting.
                    self.record_cursor(&mut self.state.borrow_mut(), &mut turn.batch);
                }
                turn.batch.end_session(session, ended);
            });
            reactor.flush();
            self.stop_reading(shared, ended);
            return Leaving::Gone;
        }
        reactor.decide(|turn| {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            let bindings: Vec<_> = state
                .outbound
                .bindings()
                .into_iter()
                .map(|binding| self.of_copy(binding))
                // QoS 1 from a shared group has gone to another member (K27).
                .filter(|binding| {
                    let leased = matches!(state.aside.get(&binding.packet_id), Some(Some(_)));
                    // And that of a kept topic is fetched again.
                    let kept = state.kept.as_ref();
                    let kept = kept.is_some_and(|kept| kept.is_fetched_again(binding.packet_id));
                    binding.qos == QoS::ExactlyOnce || !(leased || kept)
                })
                .collect();
            let next = state.outbound.next_packet_id();
            turn.batch.change(&Change::PacketIdsReserved { session, next });
            let will_void = !delayed;
            turn.batch.change(&Change::SessionDetached {
                session,
                expiry,
                bindings: &bindings,
                at: now,
                will_void,
            });
            // Behind the bindings, which hold all that is in flight.
            self.record_cursor_but(&[], state, &mut turn.batch);
        });
        if let (Some(will), true) = (will, delayed) {
            let due = now.plus_seconds(will.delay.min(expiry));
            shared.wills.lock().set(session, due, self.client_id.clone());
        }
        Leaving::Absent(session, now.plus_seconds(expiry))
    }

    /// What ends with a session that is not in the store: what it had in its ring, and what it was sent and has not
    /// received for sure. What is leased goes to another member.
    fn waiting_in_memory(&self) -> u64 {
        let state = self.state.borrow();
        let in_flight = state.outbound.bindings().into_iter().filter(|binding| {
            let leased = matches!(state.aside.get(&binding.packet_id), Some(Some(_)));
            !binding.released && (binding.qos == QoS::ExactlyOnce || !leased)
        });
        state.feed.ringed() + in_flight.count() as u64
    }

    /// What was leased from groups that have ended since: there is no other member to get it.
    fn left_over(&self) -> u64 {
        let state = self.state.borrow();
        let is_lost = |binding: &Binding| match state.aside.get(&binding.packet_id) {
            Some(Some((group, seq))) => {
                binding.qos < QoS::ExactlyOnce && !group.has_leased(*seq, self.address)
            }
            _ => false,
        };
        state
            .outbound
            .bindings()
            .iter()
            .filter(|binding| is_lost(binding))
            .count() as u64
    }

    fn leave_router(&self, reactor: &Reactor) {
        let shared = &reactor.shared;
        let state = self.state.borrow();
        let mut groups = shared.change_router(|router| {
            let mut groups = Vec::new();
            for subscription in state.subscriptions.values() {
                down(&shared.counters.subscriptions);
                match subscription.filter.share() {
                    Some(_) => groups.push(router.group(&subscription.filter)),
                    None => router.detach(&subscription.filter, self.address),
                }
            }
            groups
        });
        // Also those whose subscription has ended while something of theirs was in flight here.
        for (group, _) in state.aside.values().flatten() {
            if !groups.iter().any(|known| Arc::ptr_eq(known, group)) {
                groups.push(group.clone());
            }
        }
        for group in groups {
            group.leave(shared, self.address);
            reactor.group_moved(&group);
            shared.change_router(|router| router.drop_group_if_unused(group.filter()));
        }
    }

    /// A persistent session that ends with its connection reads its queues no more.
    fn stop_reading(&self, shared: &Shared, why: NotKept) {
        let state = self.state.borrow();
        shared.change_router(|router| {
            let mut closed = Batch::default();
            for subscription in state
                .subscriptions
                .values()
                .filter(|subscription| subscription.reads)
            {
                close_reader(router, &subscription.filter, why, &mut closed);
            }
            shared.submit_changes(closed);
        });
    }
}

/// Writes the last bytes, ends our side, and reads on for a moment, so that what was said arrives before the close.
pub(super) async fn say_and_close(stream: &TcpStream, last: &[u8]) {
    let goodbye = async {
        let mut written = 0;
        while written < last.len() {
            stream.writable().await?;
            match stream.try_write(&last[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        socket2::SockRef::from(stream).shutdown(std::net::Shutdown::Write)?;
        let mut thrown_away = 0;
        let mut chunk = [0; 4096];
        while thrown_away < LINGER_BYTES_MAX {
            stream.readable().await?;
            match stream.try_read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => thrown_away += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    // A client that is gone needs no goodbye.
    let _ = tokio::time::timeout(LINGER, goodbye).await;
}
