//! One runtime's own state: its connections, the turn under construction, what waits for the disk.
//!
//! Everything here belongs to one thread. Connections append to the turn; the flusher submits it once all that were
//! ready have had their say (one batch per turn, not one per connection); [`Reactor::progress`] runs when the store
//! or another runtime has news.

use std::{
    cell::{Cell, RefCell},
    collections::{VecDeque, hash_map::RandomState},
    hash::BuildHasher,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hashbrown::HashMap;
use restante_model::{Seq, SessionId, UnixMillis};
use restante_store::{batch::Batch, contract::Admission, image::SessionImage, record::message_id};
use slab::Slab;
use tokio::sync::{Notify, oneshot};

use crate::{
    accepted::Accepted,
    connection::{Closing, Connection},
    group::Group,
    keeping::pool::Owed,
    live::{LiveBatch, LiveEntry},
    router::{Address, Matches},
    shared::{Mail, Note, Shared},
};

/// Topics whose matches are remembered; at the maximum all are forgotten and found again.
const TOPICS_CACHED_MAX: usize = 65_536;
/// Bytes read from a socket at a time; one buffer for all connections of the runtime.
pub(crate) const READ_BYTES: usize = 64 << 10;

/// Messages handed over before the store is told to write the turn they came with.
const RECEIVERS_FIRST_MAX: usize = 32;

/// The state of one runtime.
pub(crate) struct Reactor {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: u16,
    pub(crate) scratch: RefCell<Vec<u8>>,
    /// Lent to the connection that is writing: the memory of its outgoing buffer.
    pub(crate) outgoing: RefCell<Vec<u8>>,
    /// Wakes the flusher: the turn is no longer empty.
    pub(crate) flush_due: Notify,
    /// Wakes those who wait for congestion to pass.
    pub(crate) relief: Notify,
    turn: RefCell<Turn>,
    topics: RefCell<Topics>,
    slots: RefCell<Slab<Slot>>,
    next_tenant: Cell<u32>,
    /// Turns that were submitted and are not durable yet, with their last sequence.
    submitted: RefCell<VecDeque<(u64, Seq)>>,
    durable_turn: Cell<u64>,
    /// Connections with answers that wait for durability.
    answering: RefCell<Vec<Rc<Connection>>>,
    commits: RefCell<Vec<Commit>>,
    /// Connections whose cursor moved since it was last written.
    moved: RefCell<Vec<Rc<Connection>>>,
    admission: RefCell<Admission>,
    mail: RefCell<Vec<Mail>>,
    /// Connections whose read positions moved since they were last written.
    positions: RefCell<Vec<Address>>,
    /// Shared groups whose cursor moved.
    groups_moved: RefCell<Vec<Arc<Group>>>,
    /// Where a property block is put together.
    pub(crate) properties: RefCell<Vec<u8>>,
    now: Cell<UnixMillis>,
    steady: Cell<UnixMillis>,
    ids: RandomState,
    assigned: Cell<u64>,
}

/// Who waits for which turn.
type Commit = (u64, oneshot::Sender<Result<Seq, Unkept>>);

/// What the runtime decided since the last submission.
pub(crate) struct Turn {
    pub(crate) number: u64,
    pub(crate) batch: Batch,
    pub(crate) live: Vec<LiveEntry>,
    /// Groups whose queue got something.
    pub(crate) groups: Vec<Arc<Group>>,
    planning: bool,
    /// What was owed to pools.
    owed: Vec<(usize, Owed)>,
    /// Copies that are bound in this turn: for whom, under which packet id, and their ordinals.
    pub(crate) copied: Vec<(Address, u16, u32)>,
}

impl Turn {
    /// Something of this turn is owed to a pool.
    pub(crate) fn owe(&mut self, pool: usize, more: Owed) {
        match self.owed.iter_mut().find(|(known, _)| *known == pool) {
            Some((_, owed)) => owed.add(more),
            None => self.owed.push((pool, more)),
        }
    }
}

/// The store could not keep what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unkept;

enum Slot {
    /// A connection that has not got its CONNACK; true = somebody has taken its client id already.
    Entering(u32, Rc<Cell<bool>>),
    Present(Rc<Connection>),
}

#[derive(Default)]
struct Topics {
    generation: u64,
    known: HashMap<Box<str>, Arc<Matches>>,
}

impl Reactor {
    pub(crate) fn new(shared: Arc<Shared>, index: u16) -> Rc<Reactor> {
        let admission = RefCell::new(shared.store.admission());
        let now = shared.clock.now();
        Rc::new(Reactor {
            shared,
            index,
            scratch: RefCell::new(vec![0; READ_BYTES]),
            outgoing: RefCell::default(),
            flush_due: Notify::new(),
            relief: Notify::new(),
            turn: RefCell::new(Turn {
                number: 1,
                batch: Batch::default(),
                live: Vec::new(),
                groups: Vec::new(),
                planning: false,
                owed: Vec::new(),
                copied: Vec::new(),
            }),
            topics: RefCell::default(),
            slots: RefCell::default(),
            next_tenant: Cell::new(1),
            submitted: RefCell::default(),
            durable_turn: Cell::new(0),
            answering: RefCell::default(),
            commits: RefCell::default(),
            moved: RefCell::default(),
            admission,
            mail: RefCell::default(),
            positions: RefCell::default(),
            groups_moved: RefCell::default(),
            properties: RefCell::default(),
            now: Cell::new(now.wall),
            steady: Cell::new(now.steady),
            ids: RandomState::new(),
            assigned: Cell::new(0),
        })
    }

    // ---- the turn

    /// Whoever looks something up in the router to decide by it says so *before* it looks: from here to the next
    /// submission, whoever changes the router waits for this turn ([`Shared::planned_since`]). Said only after the
    /// look, a message planned without a new receiver could get its sequence behind the point from which that
    /// receiver believes to be given everything.
    pub(crate) fn begin_planning(&self) {
        let mut turn = self.turn.borrow_mut();
        if !turn.planning {
            turn.planning = true;
            self.door().plan_begins(&self.shared.generation);
            // A turn in which nothing is decided must end too.
            self.flush_due.notify_one();
        }
    }

    /// Adds to the turn; answers its number, by which one waits for it. The flusher is woken.
    pub(crate) fn decide(&self, decision: impl FnOnce(&mut Turn)) -> u64 {
        let mut turn = self.turn.borrow_mut();
        let idle = turn.batch.is_empty();
        decision(&mut turn);
        if idle {
            self.flush_due.notify_one();
        }
        turn.number
    }

    /// The last turn that anything was decided in: when it is durable, everything before now is.
    pub(crate) fn last_turn(&self) -> u64 {
        let turn = self.turn.borrow();
        if turn.batch.is_empty() {
            turn.number - 1
        } else {
            turn.number
        }
    }

    /// The turn under construction, for those who are about to decide something in it.
    pub(crate) fn this_turn(&self) -> u64 {
        self.turn.borrow().number
    }

    /// Submits the turn. Never blocks.
    pub(crate) fn flush(&self) {
        self.submit_turn();
        self.shared.store.rouse();
    }

    /// Submits the turn and hands over what of it is for clients here; answers newcomers, as [`Reactor::progress`] does.
    /// The receivers come before the disk, which would take a core from them for its next piece of work; but not if
    /// they are so many that those who wait for the disk would notice.
    pub(crate) fn end_turn(self: &Rc<Self>) -> Vec<Accepted> {
        let few = {
            let turn = self.turn.borrow();
            let here = turn.live.iter().map(|entry| entry.receivers_on(self.index));
            (1..=RECEIVERS_FIRST_MAX).contains(&here.sum())
        };
        if !few {
            self.flush();
            return Vec::new();
        }
        self.submit_turn();
        let newcomers = self.progress();
        self.shared.store.rouse();
        newcomers
    }

    fn submit_turn(&self) {
        let mut turn = self.turn.borrow_mut();
        turn.planning = false;
        if turn.batch.is_empty() {
            self.door().plan_ends();
            return;
        }
        // Said before the submission, so that no wake-up is missed.
        self.door().waits.store(true, Ordering::SeqCst);
        let batch = std::mem::take(&mut turn.batch);
        let live = std::mem::take(&mut turn.live);
        let span = self.shared.submit(batch, live);
        if let Some(keeping) = self.shared.keeping() {
            for (pool, owed) in turn.owed.drain(..) {
                keeping.pools[pool].grew(owed, span.last);
            }
        }
        for (address, packet_id, ordinal) in turn.copied.drain(..) {
            if let Some(connection) = self.connection(address) {
                connection.copied_at(packet_id, span.first.plus(u64::from(ordinal)));
            }
        }
        self.door().plan_ends();
        self.submitted.borrow_mut().push_back((turn.number, span.last));
        turn.number += 1;
        let groups = std::mem::take(&mut turn.groups);
        drop(turn);
        for group in groups {
            group.grew(&self.shared, span.last);
        }
    }

    /// Submits the turn; answers the last sequence of what this runtime has submitted.
    pub(crate) fn flush_through(&self) -> Seq {
        self.flush();
        let submitted = self.submitted.borrow();
        submitted.back().map_or(Seq::ZERO, |&(_, last)| last)
    }

    /// Adds to the turn, submits it, and waits until it is durable. Answers a sequence at or behind it.
    pub(crate) async fn commit(&self, decision: impl FnOnce(&mut Turn)) -> Result<Seq, Unkept> {
        let turn = self.decide(decision);
        self.durable(turn).await
    }

    /// Waits until a turn is durable.
    pub(crate) async fn durable(&self, turn: u64) -> Result<Seq, Unkept> {
        if matches!(*self.admission.borrow(), Admission::Failed { .. }) {
            return Err(Unkept);
        }
        if self.is_durable(turn) {
            return Ok(self.shared.store.durable());
        }
        let (tell, told) = oneshot::channel();
        self.commits.borrow_mut().push((turn, tell));
        told.await.unwrap_or(Err(Unkept))
    }

    /// Whether a turn is durable.
    pub(crate) fn is_durable(&self, turn: u64) -> bool {
        turn <= self.durable_turn.get()
    }

    /// What the store takes, as of the last progress.
    pub(crate) fn admission(&self) -> std::cell::Ref<'_, Admission> {
        self.admission.borrow()
    }

    /// The session as the store knows it at a point of the order; `None` if there is none.
    pub(crate) fn session_image(
        &self,
        session: SessionId,
        at: Seq,
    ) -> impl Future<Output = Option<SessionImage>> + use<> {
        let (tell, told) = oneshot::channel();
        let done = move |image| {
            // Who asked may have gone.
            let _ = tell.send(image);
        };
        self.shared.store.session(session, at, Box::new(done));
        async { told.await.ok().flatten() }
    }

    /// Sessions as the store knows them at a point of the order; the requests are under way at the same time.
    pub(crate) async fn session_images(
        &self,
        sessions: impl Iterator<Item = SessionId>,
        at: Seq,
    ) -> Vec<Option<SessionImage>> {
        let asked: Vec<_> = sessions.map(|session| self.session_image(session, at)).collect();
        let mut images = Vec::with_capacity(asked.len());
        for asked in asked {
            images.push(asked.await);
        }
        images
    }

    // ---- time and names

    /// Reads the clock; what follows in this step happens at that time.
    pub(crate) fn look_at_clock(&self) -> UnixMillis {
        let now = self.shared.clock.now();
        self.now.set(now.wall);
        self.steady.set(now.steady);
        now.wall
    }

    /// When this step happens.
    pub(crate) fn now(&self) -> UnixMillis {
        self.now.get()
    }

    /// When this step happens, as silence is measured.
    pub(crate) fn steady(&self) -> UnixMillis {
        self.steady.get()
    }

    /// A client id for a client that came without one: nobody else has it.
    pub(crate) fn assigned_id(&self) -> String {
        self.assigned.set(self.assigned.get() + 1);
        let one = self
            .ids
            .hash_one((self.assigned.get(), self.shared.clock.millis().0));
        let two = self.ids.hash_one((one, self.index));
        format!("restante-{one:016x}{two:016x}")
    }

    /// Runs a task on this runtime's thread. Tasks are one for each connection, one for each SUBSCRIBE that wants
    /// retained messages, and the runtime's own few.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        tokio::task::spawn_local(task);
    }

    /// Waits until congestion may have passed.
    pub(crate) async fn relieved(&self, at_most: Duration) {
        // A timeout is no error: the caller looks again either way.
        let _ = tokio::time::timeout(at_most, self.relief.notified()).await;
    }

    // ---- matching

    /// Everything a topic matches, from the cache while the subscriptions have not changed.
    pub(crate) fn matches(&self, topic: &str) -> Arc<Matches> {
        let mut topics = self.topics.borrow_mut();
        let generation = self.shared.generation.load(Ordering::SeqCst);
        if topics.generation != generation || topics.known.len() >= TOPICS_CACHED_MAX {
            topics.known.clear();
            topics.generation = generation;
        }
        if let Some(known) = topics.known.get(topic) {
            return known.clone();
        }
        let found = self.shared.router.read().matches(topic);
        let kept = self
            .shared
            .keeping()
            .and_then(|keeping| keeping.ruling.of_topic(topic));
        let found = Arc::new(found.with_rules(kept));
        topics.known.insert(topic.into(), found.clone());
        found
    }

    // ---- connections

    /// Gives a newcomer an address; the flag becomes true when its client id is taken over.
    pub(crate) fn enter(&self) -> (Address, Rc<Cell<bool>>) {
        let tenant = self.next_tenant.get();
        self.next_tenant.set(tenant.wrapping_add(1));
        let taken = Rc::new(Cell::new(false));
        let slot = self
            .slots
            .borrow_mut()
            .insert(Slot::Entering(tenant, taken.clone()));
        (
            Address {
                runtime: self.index,
                slot: slot as u32,
                tenant,
            },
            taken,
        )
    }

    /// The newcomer is a connection now: it can be given messages.
    pub(crate) fn settle(&self, connection: &Rc<Connection>) {
        if let Some(slot) = self.slots.borrow_mut().get_mut(connection.address.slot as usize) {
            *slot = Slot::Present(connection.clone());
        }
    }

    /// The address is free again.
    pub(crate) fn vacate(&self, address: Address) {
        self.slots.borrow_mut().try_remove(address.slot as usize);
    }

    /// All connections with a CONNACK.
    pub(crate) fn connections(&self) -> Vec<Rc<Connection>> {
        let slots = self.slots.borrow();
        let present = slots.iter().filter_map(|(_, slot)| match slot {
            Slot::Present(connection) => Some(connection.clone()),
            Slot::Entering(..) => None,
        });
        present.collect()
    }

    /// How many addresses are in use.
    pub(crate) fn occupied(&self) -> usize {
        self.slots.borrow().len()
    }

    fn connection(&self, address: Address) -> Option<Rc<Connection>> {
        match self.slots.borrow().get(address.slot as usize) {
            Some(Slot::Present(connection)) if connection.address == address => Some(connection.clone()),
            _ => None,
        }
    }

    /// A connection has answers that wait for durability.
    pub(crate) fn will_answer(&self, connection: &Rc<Connection>) {
        self.door().waits.store(true, Ordering::SeqCst);
        self.answering.borrow_mut().push(connection.clone());
        if matches!(*self.admission.borrow(), Admission::Failed { .. }) {
            // A store that failed has no more news: what waits for it is ended by our own.
            self.door().wake.notify_one();
        }
    }

    /// A connection's cursor moved; it is written within [`crate::runtime::CURSOR_INTERVAL`] (K8).
    pub(crate) fn cursor_moved(&self, connection: &Rc<Connection>) {
        self.moved.borrow_mut().push(connection.clone());
    }

    /// A connection's read positions moved; they are written with the cursors.
    pub(crate) fn positions_moved(&self, address: Address) {
        let mut moved = self.positions.borrow_mut();
        if moved.last() != Some(&address) {
            moved.push(address);
        }
    }

    /// A shared group's cursor moved; it is written with the others.
    pub(crate) fn group_moved(&self, group: &Arc<Group>) {
        let mut moved = self.groups_moved.borrow_mut();
        if !moved.iter().any(|known| Arc::ptr_eq(known, group)) {
            moved.push(group.clone());
        }
    }

    /// Writes the cursors that moved.
    pub(crate) fn write_cursors(&self) {
        let moved = std::mem::take(&mut *self.moved.borrow_mut());
        let groups = std::mem::take(&mut *self.groups_moved.borrow_mut());
        let positions = std::mem::take(&mut *self.positions.borrow_mut());
        if moved.is_empty() && groups.is_empty() && positions.is_empty() {
            return;
        }
        self.decide(|turn| {
            for group in &groups {
                group.write_cursor(&mut turn.batch);
            }
            for connection in &moved {
                connection.write_cursor(&mut turn.batch);
            }
            for connection in positions
                .into_iter()
                .filter_map(|address| self.connection(address))
            {
                connection.write_positions_now(self, turn);
            }
        });
    }

    // ---- news

    /// Takes in what the store and the other runtimes have to say.
    pub(crate) fn progress(self: &Rc<Self>) -> Vec<Accepted> {
        self.look_at_clock();
        self.take_durability();
        let mut newcomers = Vec::new();
        let mut mail = std::mem::take(&mut *self.mail.borrow_mut());
        self.door().take(&mut mail);
        let mut touched: Vec<Rc<Connection>> = Vec::new();
        for item in mail.drain(..) {
            match item {
                Mail::Live(batch) => self.hand_over(&batch, &mut touched),
                Mail::Connection(accepted) => newcomers.push(accepted),
                Mail::Note(address, note) => self.take_note(address, note, &mut touched),
            }
        }
        *self.mail.borrow_mut() = mail;
        for connection in touched {
            connection.touched.set(false);
            connection.drive(self);
        }
        newcomers
    }

    fn take_durability(self: &Rc<Self>) {
        let admission = self.shared.store.admission();
        let failed = matches!(admission, Admission::Failed { .. });
        *self.admission.borrow_mut() = admission;
        let durable = self.shared.store.durable();
        {
            let mut submitted = self.submitted.borrow_mut();
            while let Some(&(turn, last)) = submitted.front()
                && last <= durable
            {
                self.durable_turn.set(turn);
                submitted.pop_front();
            }
        }
        let reached = self.durable_turn.get();
        self.commits
            .borrow_mut()
            .extract_if(.., |(turn, _)| failed || *turn <= reached)
            .for_each(|(turn, tell)| {
                // Who asked may have gone.
                let _ = tell.send(if turn <= reached { Ok(durable) } else { Err(Unkept) });
            });
        let answering = std::mem::take(&mut *self.answering.borrow_mut());
        for connection in answering {
            if connection.release_answers(self) {
                if failed {
                    connection.close(Closing::StoreFailed);
                }
                self.answering.borrow_mut().push(connection.clone());
            } else {
                connection.all_answered();
            }
            // What was held up by the disk goes on.
            connection.drive(self);
        }
        // While anything is on its way to the disk its arrival must be heard of: an answer may come to wait for it.
        let idle = self.submitted.borrow().is_empty()
            && self.answering.borrow().is_empty()
            && self.commits.borrow().is_empty()
            && self.turn.borrow().batch.is_empty();
        if idle {
            self.door().waits.store(false, Ordering::SeqCst);
        }
        if !self.shared.congested() {
            self.relief.notify_waiters();
        }
    }

    fn hand_over(self: &Rc<Self>, batch: &Arc<LiveBatch>, touched: &mut Vec<Rc<Connection>>) {
        let slots = self.slots.borrow();
        for entry in &batch.entries {
            let seq = batch.first.plus(u64::from(entry.ordinal));
            // Whoever is told of acknowledgements must know which message it is.
            let kept = entry.matches.kept().map(|kept| {
                let id = message_id(batch.time.0, self.shared.store.node(), entry.ordinal);
                (id, kept.source)
            });
            let of_filters = entry.matches.targets_of(self.index).iter();
            let of_filters = of_filters.map(|target| (target.address, target.options.as_slice(), kept));
            // What comes through a group is the group's, and no part of the client's own backlog.
            let of_group = kept.map(|(id, _)| (id, None));
            let here = entry
                .chosen
                .iter()
                .filter(|chosen| chosen.address.runtime == self.index);
            let of_groups = here.map(|chosen| {
                let options = std::slice::from_ref(&chosen.options);
                (chosen.address, options, of_group)
            });
            for (address, options, kept) in of_filters.chain(of_groups) {
                let Some(Slot::Present(connection)) = slots.get(address.slot as usize) else {
                    continue;
                };
                if connection.address != address {
                    continue;
                }
                connection.offer(self, seq, &entry.message, options, kept);
                if !connection.touched.replace(true) {
                    touched.push(connection.clone());
                }
            }
        }
        self.door().taken(batch);
    }

    fn take_note(self: &Rc<Self>, address: Address, note: Note, touched: &mut Vec<Rc<Connection>>) {
        if let Some(connection) = self.connection(address) {
            connection.take_note(self, note);
            if !connection.touched.replace(true) {
                touched.push(connection);
            }
            return;
        }
        match (note, self.slots.borrow().get(address.slot as usize)) {
            (Note::TakenOver, Some(Slot::Entering(tenant, taken))) if *tenant == address.tenant => {
                taken.set(true)
            }
            // What came for somebody who has left.
            (Note::GroupReady(group), _) => group.refused(&self.shared, address),
            _ => {}
        }
    }

    fn door(&self) -> &crate::shared::Door {
        &self.shared.doors[usize::from(self.index)]
    }
}
