//! How far the client has come: what is written of its cursor, and when.

use std::rc::Rc;

use restante_model::Seq;
use restante_store::{batch::Batch, change::Change};

use super::{Connection, State};
use crate::reactor::Reactor;

impl Connection {
    /// A delivery has ended: whoever waited for it goes on.
    pub(super) fn delivery_over(self: &Rc<Self>, reactor: &Rc<Reactor>, state: &mut State, packet_id: u16) {
        // Hardly ever anything is aside, and every acknowledgement asks.
        if state.aside.is_empty() {
            return self.moved(reactor);
        }
        self.copies.borrow_mut().remove(&packet_id);
        match state.aside.remove(&packet_id) {
            Some(Some((group, seq))) => {
                group.done(seq);
                reactor.group_moved(&group);
            }
            Some(None) => {}
            None => self.moved(reactor),
        }
    }

    /// Writes the cursor if it moved since it was last written. (A connection that has left may still be on the list of
    /// those that moved: the session is another's by now.)
    pub(crate) fn write_cursor(&self, batch: &mut Batch) {
        if self.cursor_moved.get() {
            self.record_cursor(&mut self.state.borrow_mut(), batch);
        }
    }

    /// Writes the cursor as it is now. What a binding in the store holds counts as done: it is owed by the binding.
    pub(super) fn record_cursor(&self, state: &mut State, batch: &mut Batch) {
        let mut open: Vec<Seq> = state
            .outbound
            .without_binding()
            .filter(|binding| !state.aside.contains_key(&binding.packet_id))
            .map(|binding| binding.seq)
            .collect();
        open.sort_unstable();
        self.record_cursor_but(&open, state, batch);
    }

    /// Writes the cursor as it is when only these are open, ascending.
    pub(super) fn record_cursor_but(&self, open: &[Seq], state: &mut State, batch: &mut Batch) {
        self.cursor_moved.set(false);
        let Some(session) = self.session else { return };
        let cursor = state.feed.cursor(open);
        state.cursor_written = state.feed.passed();
        let (low, above) = (cursor.low(), cursor.above());
        batch.change(&Change::CursorMoved { session, low, above });
    }

    pub(super) fn moved(self: &Rc<Self>, reactor: &Reactor) {
        if self.session.is_some() && self.is_persistent() && !self.cursor_moved.replace(true) {
            reactor.cursor_moved(self);
        }
    }
}
