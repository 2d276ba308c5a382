//! The sweep (K16): brings limits, floors and expiry up to date in slices, so that space does not wait for a device's
//! return and nobody waits for the sweep.
//!
//! A pass asks every session what it still needs of its queues, then trims the queues. Sessions and subscriptions that
//! come during a pass need only what comes after its start, so nothing above the sequence of the start is trimmed.

use restante_model::{Seq, SessionId};

use crate::contract::QueueLimits;

use super::{
    limits::{self, Memo},
    shared::Shared,
    tables::{Tables, queue::Queue, session::Session, table::Table},
};

/// Sessions or queues looked at under one lock.
const SLICE: usize = 1024;

/// Retained messages that may expire in one tick.
const RETAINED_PER_TICK: usize = 16_384;

/// Sessions a pass may look at per tick, in the mean: a pass begins so many ticks after the one before. Bounds the
/// share of a core that sweeping takes to a few hundredths.
const SESSIONS_PER_TICK: usize = 100_000;

/// The longest pause between two passes, in ticks.
const PAUSE_MAX: usize = 30;

/// Where the sweep stands.
#[derive(Default)]
pub(crate) struct Sweep {
    ticks_left: usize,
}

impl Sweep {
    /// A tick: expires, and makes a pass if one is due. `between` is called between slices.
    pub(crate) fn tick(&mut self, shared: &Shared, mut between: impl FnMut()) {
        {
            let mut tables = shared.tables.write();
            let now = tables.now;
            tables.retained.expire(now, RETAINED_PER_TICK);
        }
        expire_segments(shared);
        if self.ticks_left > 0 {
            self.ticks_left -= 1;
            return;
        }
        let start = shared.tables.read().applied;
        let mut from = 0;
        let mut sessions = 0;
        let mut floors = Memo::default();
        while let Some(next) = ask(shared, from, &mut sessions, &mut floors) {
            from = next;
            between();
        }
        let mut from = 0;
        while let Some(next) = trim(&mut shared.tables.write(), from, start) {
            from = next;
            between();
        }
        self.ticks_left = (sessions / SESSIONS_PER_TICK).min(PAUSE_MAX);
    }
}

/// Asks some sessions what they need. Answers where to go on.
fn ask(shared: &Shared, from: u64, sessions: &mut usize, floors: &mut Memo) -> Option<u64> {
    let mut above = Vec::new();
    let next = {
        let mut tables = shared.tables.write();
        ask_slice(
            &mut tables,
            from,
            sessions,
            &shared.settings.limits,
            floors,
            &mut above,
        )
    };
    // Those above a limit are limited first, without the lock, and asked then.
    for id in above {
        limits::limit_and_note(shared, SessionId(id), Some(floors));
        let mut tables = shared.tables.write();
        let Tables { sessions, queues, .. } = &mut *tables;
        if let Some(session) = sessions.get(id) {
            note_needs(session, queues);
        }
    }
    next
}

fn ask_slice(
    tables: &mut Tables,
    mut from: u64,
    asked: &mut usize,
    queue_limits: &QueueLimits,
    floors: &Memo,
    above: &mut Vec<u64>,
) -> Option<u64> {
    let mut looked = 0;
    while looked < SLICE {
        let is_above: Vec<u64> = {
            let (page, _) = tables.sessions.page_from(from)?;
            let over = page.iter().filter(|(_, session)| {
                limits::is_above(tables, session, queue_limits) && !floors.knows_to_fit(session)
            });
            over.map(|&(id, _)| id).collect()
        };
        let Tables { sessions, queues, .. } = tables;
        let (page, next) = sessions.page_from(from)?;
        for (id, session) in page {
            if !is_above.contains(id) {
                note_needs(session, queues);
            }
        }
        looked += page.len();
        *asked += page.len();
        from = next;
        above.extend(is_above);
    }
    Some(from)
}

fn note_needs(session: &Session, queues: &mut Table<Queue>) {
    for subscription in &session.subscriptions {
        let Some(queue) = subscription.queue().and_then(|id| queues.get_mut(id.0)) else {
            continue;
        };
        let lowest = subscription
            .owed(session.low)
            .next()
            .map_or(Seq::MAX, |(from, _)| from);
        queue.needed = Some(queue.needed.unwrap_or(Seq::MAX).min(lowest));
    }
}

/// Trims some queues. Answers where to go on.
fn trim(tables: &mut Tables, mut from: u64, start: Seq) -> Option<u64> {
    let mut looked = 0;
    while looked < SLICE {
        let (page, next) = tables.queues.page_from(from)?;
        looked += page.len();
        from = next;
        let needed: Vec<_> = page
            .iter()
            .filter_map(|(id, queue)| Some((*id, queue.needed?.min(start))))
            .collect();
        for (id, floor) in needed {
            if let Some(queue) = tables.queues.get_mut(id) {
                queue.needed = None;
            }
            tables.trim(id, floor);
        }
    }
    Some(from)
}

/// Gives up the entries of segments in which every message has expired, but for those that the broker's own sessions
/// wait for: what is written down for somebody else is written down though it has expired.
fn expire_segments(shared: &Shared) {
    let mut tables = shared.tables.write();
    let now = tables.now;
    let own = tables.own_queues();
    let mut gone: Vec<u32> = Vec::new();
    for held in tables.segments.sealed() {
        if held.live > 0 && !held.expired && held.segment.summary.deadline <= now {
            gone.push(held.segment.file.key);
        }
    }
    let mut count = 0;
    for &key in &gone {
        let own = own.iter().filter_map(|&id| tables.queues.get(id));
        let left = own.map(|queue| queue.count_in(key)).sum();
        count += tables.segments.expire(key, left);
    }
    if !gone.is_empty() {
        for (id, queue) in tables.queues.values_mut() {
            if !own.contains(&id) {
                queue.drop_runs(|segment| gone.contains(&segment));
            }
        }
    }
    let Tables { segments, queues, .. } = &mut *tables;
    if let Some(open) = &mut segments.open
        && open.deadline <= now
    {
        let own_open = own.iter().filter_map(|&id| queues.get(id)?.open());
        let left: u64 = own_open.map(|entries| entries.len() as u64).sum();
        if open.live > left {
            for &id in open.queues.iter().filter(|&id| !own.contains(id)) {
                count += queues.get_mut(id).map_or(0, Queue::drop_open);
            }
            open.live = left;
        }
    }
    tables.entries = tables.entries.saturating_sub(count);
    tables.expired += count;
}
