//! Shared subscriptions (K27).
//!
//! A group with persistent members has one queue in the store and one cursor for all, kept under a session of its
//! own whose client id is the filter. Its messages are fetched from the store and leased one by one to members with
//! room; a QoS 1 lease whose member leaves goes to another. What has started to a member at QoS 2 is that member's: it
//! ends with its session and never goes to another. A group without persistent members has no queue: each message goes
//! to one present member, in turn, when it is published.
//!
//! Bounds: one page of messages that nobody holds; leases, by the windows of the members.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use restante_model::{Cursor, Filter, NotKept, QoS, QueueId, Seq, SessionId, SubscriptionOptions};
use restante_store::{
    batch::Batch,
    change::Change,
    contract::{Page, QueueSpan, ReadRequest},
    image::StoredMessage,
};

use crate::{
    live::Chosen,
    ranges,
    router::Address,
    shared::{Note, Shared},
};

/// Messages fetched at a time.
const PAGE_MESSAGES: usize = 256;
/// Bytes fetched at a time.
const PAGE_BYTES: usize = 256 << 10;

/// The members of one `$share` filter.
pub(crate) struct Group {
    filter: Filter,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    store: Option<InStore>,
    members: Vec<Member>,
    /// Whose turn it is.
    turn: usize,
    /// Fetched and not given to anybody, oldest first.
    ready: BTreeMap<Seq, StoredMessage>,
    /// Leased at QoS 1: to whom, and the message, in case it must go to another.
    leased: BTreeMap<Seq, (Address, StoredMessage)>,
    /// Done with above `fetched`.
    done_above: Vec<(Seq, Seq)>,
    /// Everything up to here was fetched.
    fetched: Seq,
    /// The queue may have something up to here.
    grown: Seq,
    reading: bool,
    /// Rises when what is being read is of no interest any more.
    round: u64,
    moved: bool,
}

#[derive(Clone, Copy)]
struct InStore {
    queue: QueueId,
    session: SessionId,
}

struct Member {
    address: Address,
    options: SubscriptionOptions,
    standing: Standing,
}

/// Whether a member can be offered something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Yes.
    Free,
    /// A note is on its way to it; it answers with [`Group::take`], [`Group::decline`] or by leaving.
    Noted,
    /// It has no room, and will ask by itself when it has.
    Full,
}

/// One message for one member.
pub(crate) struct Lease {
    pub(crate) seq: Seq,
    pub(crate) message: StoredMessage,
    pub(crate) options: SubscriptionOptions,
}

impl Group {
    pub(crate) fn new(filter: Filter) -> Group {
        Group {
            filter,
            state: Mutex::default(),
        }
    }

    /// The group's filter.
    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The group has a queue now: it begins behind `cursor`.
    pub(crate) fn open(&self, queue: QueueId, session: SessionId, cursor: &Cursor) {
        let mut state = self.state.lock();
        state.store = Some(InStore { queue, session });
        state.discard_reading();
        state.fetched = cursor.low();
        state.done_above = cursor.above().to_vec();
        state.grown = state.grown.max(cursor.low());
    }

    /// The group's last persistent member has left: what waits ends under this word, and what is leased is completed with
    /// its holder. Answers whether there was anything to close.
    pub(crate) fn close(&self, why: NotKept, batch: &mut Batch) -> bool {
        let mut state = self.state.lock();
        let Some(store) = state.store.take() else {
            return false;
        };
        // Not acknowledged yet, and not waiting either.
        let leased = std::mem::take(&mut state.leased);
        let leased: Vec<(Seq, Seq)> = leased.into_keys().map(|seq| (seq, seq)).collect();
        state.done_above = ranges::merge(&state.done_above, &leased);
        let cursor = state.cursor();
        let (session, low, above) = (store.session, cursor.low(), cursor.above());
        batch.change(&Change::CursorMoved { session, low, above });
        batch.end_session(session, why);
        state.discard_reading();
        state.ready.clear();
        true
    }

    /// Whether a member's lease goes to another one when it leaves.
    pub(crate) fn has_leased(&self, seq: Seq, to: Address) -> bool {
        let state = self.state.lock();
        state.leased.get(&seq).is_some_and(|(holder, _)| *holder == to)
    }

    /// Whether its messages wait in a queue.
    pub(crate) fn is_stored(&self) -> bool {
        self.state.lock().store.is_some()
    }

    /// Whether it has neither members nor a queue.
    pub(crate) fn is_unused(&self) -> bool {
        let state = self.state.lock();
        state.members.is_empty() && state.store.is_none()
    }

    /// A present member joins, or changes its options. While the router is held, so that the group is not forgotten
    /// meanwhile; [`Group::serve_all`] follows when it is not.
    pub(crate) fn enroll(&self, address: Address, options: SubscriptionOptions) {
        let mut state = self.state.lock();
        match state.members.iter_mut().find(|member| member.address == address) {
            Some(member) => member.options = options,
            None => state.members.push(Member {
                address,
                options,
                standing: Standing::Free,
            }),
        }
    }

    /// Looks for all that came while nobody was there.
    pub(crate) fn serve_all(self: &Arc<Self>, shared: &Shared) {
        self.grew(shared, shared.last_submitted());
    }

    /// A present member leaves; what it held at QoS 1 goes to another.
    pub(crate) fn leave(self: &Arc<Self>, shared: &Shared, address: Address) {
        let mut state = self.state.lock();
        state.members.retain(|member| member.address != address);
        let back = state.leased.extract_if(.., |_, (holder, _)| *holder == address);
        let back: Vec<_> = back.map(|(seq, (_, message))| (seq, message)).collect();
        state.ready.extend(back);
        state.rest_if_alone();
        drop(state);
        self.serve(shared);
    }

    /// A present member gives up its membership and stays connected: what was begun with it is completed with it
    /// [MQTT-3.10.4-3]. [`Group::serve_all`] follows.
    pub(crate) fn resign(&self, address: Address) {
        let mut state = self.state.lock();
        state.members.retain(|member| member.address != address);
        state.rest_if_alone();
    }

    /// Chooses a present member for a message that no queue holds.
    pub(crate) fn choose(&self) -> Option<Chosen> {
        let mut state = self.state.lock();
        if state.members.is_empty() {
            return None;
        }
        state.turn = (state.turn + 1) % state.members.len();
        let member = &state.members[state.turn];
        Some(Chosen {
            address: member.address,
            options: member.options,
        })
    }

    /// The queue got something, at or below this sequence.
    pub(crate) fn grew(self: &Arc<Self>, shared: &Shared, to: Seq) {
        let mut state = self.state.lock();
        state.grown = state.grown.max(to);
        drop(state);
        self.serve(shared);
    }

    /// A member with room takes its share of what is ready. What goes out at QoS 2 is the member's from here on: the
    /// group is done with it, whatever becomes of the session (K27), so its cursor must be written with the bindings.
    pub(crate) fn take(self: &Arc<Self>, shared: &Shared, address: Address, room: usize) -> Vec<Lease> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let takers = state
            .members
            .iter()
            .filter(|member| member.standing != Standing::Full);
        let share = state.ready.len().div_ceil(takers.count().max(1)).min(room);
        let mut taken = Vec::with_capacity(share);
        if let Some(member) = state.members.iter_mut().find(|member| member.address == address) {
            member.standing = Standing::Free;
            let options = member.options;
            while taken.len() < share
                && let Some((seq, message)) = state.ready.pop_first()
            {
                if options.qos.min(message.qos) == QoS::AtLeastOnce {
                    state.leased.insert(seq, (address, message.clone()));
                } else {
                    state.moved = true;
                }
                taken.push(Lease {
                    seq,
                    message,
                    options,
                });
            }
        }
        drop(guard);
        self.serve(shared);
        taken
    }

    /// A member that was told has no room: it will ask by itself, and others are told meanwhile.
    pub(crate) fn decline(self: &Arc<Self>, shared: &Shared, address: Address) {
        let mut state = self.state.lock();
        if let Some(member) = state.members.iter_mut().find(|member| member.address == address) {
            member.standing = Standing::Full;
        }
        drop(state);
        self.serve(shared);
    }

    /// A leased message is done with: acknowledged, refused, or passed for good.
    pub(crate) fn done(&self, seq: Seq) {
        let mut state = self.state.lock();
        state.leased.remove(&seq);
        if seq > state.fetched {
            let at = state.done_above.partition_point(|range| range.0 < seq);
            state.done_above.insert(at, (seq, seq));
        }
        state.moved = true;
    }

    /// A note came for a member that has left.
    pub(crate) fn refused(self: &Arc<Self>, shared: &Shared, address: Address) {
        let mut state = self.state.lock();
        state.members.retain(|member| member.address != address);
        drop(state);
        self.serve(shared);
    }

    /// Writes the group's cursor if it moved.
    pub(crate) fn write_cursor(&self, batch: &mut Batch) {
        let mut state = self.state.lock();
        let Some(store) = state.store else { return };
        if std::mem::take(&mut state.moved) {
            let cursor = state.cursor();
            let (low, above) = (cursor.low(), cursor.above());
            batch.change(&Change::CursorMoved {
                session: store.session,
                low,
                above,
            });
        }
    }

    /// Offers what is ready to members with room, and fetches more when nothing is.
    fn serve(self: &Arc<Self>, shared: &Shared) {
        let mut state = self.state.lock();
        if !state.ready.is_empty() {
            let told = state.offer();
            drop(state);
            for address in told {
                shared.note(address, Note::GroupReady(self.clone()));
            }
            return;
        }
        let Some(store) = state.store else { return };
        if state.reading || state.members.is_empty() || state.fetched >= state.grown {
            return;
        }
        state.reading = true;
        let round = state.round;
        let span = QueueSpan {
            queue: store.queue,
            from: Seq::ZERO,
            to: Seq::MAX,
        };
        let request = ReadRequest {
            spans: vec![span],
            after: state.fetched,
            skip: state.skip(),
            messages_max: PAGE_MESSAGES,
            bytes_max: PAGE_BYTES,
            applied: state.grown,
        };
        drop(state);
        let group = self.clone();
        let hub = shared.hub();
        let done = move |page: Page| {
            // The broker may have gone.
            if let Some(shared) = hub.upgrade() {
                group.take_page(&shared, round, page);
            }
        };
        shared.store.read(request, Box::new(done));
    }

    fn take_page(self: &Arc<Self>, shared: &Shared, round: u64, page: Page) {
        let mut state = self.state.lock();
        if state.round != round {
            return;
        }
        state.reading = false;
        state.fetched = state.fetched.max(page.through);
        let fetched = state.fetched;
        state.done_above.retain(|range| range.1 > fetched);
        for entry in page.entries {
            match entry.message {
                Ok(message) => {
                    state.ready.insert(entry.seq, message);
                }
                Err(why) => {
                    shared.counters.not_kept(why, 1);
                    state.moved = true;
                }
            }
        }
        drop(state);
        self.serve(shared);
    }
}

impl State {
    /// Members to tell of what is ready: no more than there are messages, counting those that were told already.
    fn offer(&mut self) -> Vec<Address> {
        let noted = self
            .members
            .iter()
            .filter(|member| member.standing == Standing::Noted);
        let mut wanted = self.ready.len().saturating_sub(noted.count());
        let mut told = Vec::new();
        for _ in 0..self.members.len() {
            if wanted == 0 {
                break;
            }
            self.turn = (self.turn + 1) % self.members.len();
            let member = &mut self.members[self.turn];
            if member.standing == Standing::Free {
                member.standing = Standing::Noted;
                told.push(member.address);
                wanted -= 1;
            }
        }
        told
    }

    /// When nobody is there any more, what was fetched is forgotten and fetched again when somebody comes.
    fn rest_if_alone(&mut self) {
        if !self.members.is_empty() || self.store.is_none() {
            return;
        }
        let Some((&first, _)) = self.ready.first_key_value() else {
            return;
        };
        self.discard_reading();
        self.done_above = self.cursor_above(first);
        self.fetched = Seq(first.0 - 1);
        self.ready.clear();
    }

    /// What is not to be fetched (again): done with, or held by somebody who has left the group and is still connected.
    fn skip(&self) -> Vec<(Seq, Seq)> {
        let held = self.leased.keys().filter(|&&seq| seq > self.fetched);
        let held: Vec<(Seq, Seq)> = held.map(|&seq| (seq, seq)).collect();
        ranges::merge(&held, &self.done_above)
    }

    fn discard_reading(&mut self) {
        self.round += 1;
        self.reading = false;
    }

    /// What the group is done with: everything fetched that is neither ready nor leased.
    fn cursor(&self) -> Cursor {
        let ready = self.ready.first_key_value().map(|(&seq, _)| seq);
        let leased = self.leased.first_key_value().map(|(&seq, _)| seq);
        let first = ready.into_iter().chain(leased).min();
        let low = first.map_or(self.fetched, |seq| Seq(seq.0 - 1).min(self.fetched));
        let mut above = self.cursor_above(Seq(low.0 + 1));
        above.truncate(restante_model::cursor::RANGES_MAX);
        Cursor::from_parts(low, above).unwrap_or_else(|| Cursor::at(low))
    }

    /// The ranges the group is done with above `first`, which is open or the first that was not fetched.
    fn cursor_above(&self, first: Seq) -> Vec<(Seq, Seq)> {
        let mut open: Vec<Seq> = self.ready.keys().chain(self.leased.keys()).copied().collect();
        open.sort_unstable();
        open.dedup();
        let mut above = Vec::new();
        let mut from = first;
        for seq in open.into_iter().filter(|&seq| seq > first) {
            ranges::push(&mut above, Seq(from.0 + 1), Seq(seq.0 - 1).min(self.fetched));
            from = seq;
        }
        ranges::push(&mut above, Seq(from.0 + 1), self.fetched);
        for &(begin, end) in &self.done_above {
            ranges::push(&mut above, begin.max(Seq(self.fetched.0 + 1)), end);
        }
        above
    }
}
