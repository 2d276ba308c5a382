//! The sweep (K16): brings limits, expiry and trimming up to date in bounded slices, one slice per tick, so that space
//! does not wait for a device's return and no tick takes long.
//!
//! A round first asks every session, in the order of their ids, what it still needs of its queues, and then trims the
//! queues. Sessions and subscriptions that come during a round need only what comes after its start, so nothing
//! above the sequence of the start is trimmed.

use restante_model::{QueueId, Seq, SessionId, UnixMillis};

use super::{queue::Trimmed, tables::Tables};

/// Steps of one slice at least: sessions asked, entries walked. About 10 ms of work.
const STEPS_MIN: usize = 65_536;

/// A round takes at most about so many ticks, whatever the number of sessions; with a tick a second this is well
/// within the 60 s of K16.
const TICKS_PER_ROUND: usize = 20;

/// Retained messages that may expire in one tick.
const RETAINED_PER_TICK: usize = 16_384;

/// Where the sweep stands.
#[derive(Default)]
pub(super) enum Sweep {
    /// Between two rounds.
    #[default]
    Idle,
    /// Asking the sessions from this one on.
    Asking {
        /// Only entries up to here are judged in this round.
        start: Seq,
        next: SessionId,
    },
    /// Trimming the queues that are still on the list.
    Trimming { start: Seq, left: Vec<QueueId> },
}

impl Tables {
    /// Time passes: one slice of the sweep.
    pub(super) fn tick(&mut self, now: UnixMillis) {
        // Time never runs backwards here, whatever the clock does (K29).
        self.now = self.now.max(now);
        for _ in 0..RETAINED_PER_TICK {
            let Some(seq) = self.retained.pop_expired(self.now) else {
                break;
            };
            self.bodies.release(seq);
        }
        let round = self.sessions.len() + self.queues.len() + self.bodies.len();
        self.slice(STEPS_MIN.max(round / TICKS_PER_ROUND));
    }

    fn slice(&mut self, steps_max: usize) {
        let mut steps = self.bury(steps_max);
        if matches!(self.sweep, Sweep::Idle) {
            self.sweep = Sweep::Asking {
                start: self.applied,
                next: SessionId(0),
            };
        }
        while steps < steps_max {
            match std::mem::take(&mut self.sweep) {
                Sweep::Idle => return,
                Sweep::Asking { start, next } => {
                    let Some(id) = self.sessions.range(next..).next().map(|(&id, _)| id) else {
                        let left = self.queues.keys().copied().collect();
                        self.sweep = Sweep::Trimming { start, left };
                        continue;
                    };
                    steps += self.limit(id) + self.ask(id);
                    let next = SessionId(id.0.saturating_add(1));
                    self.sweep = Sweep::Asking { start, next };
                }
                Sweep::Trimming { start, mut left } => {
                    let Some(id) = left.pop() else { return };
                    let (trimmed, walked) = self.trim(id, start, steps_max - steps);
                    steps += walked;
                    if trimmed == Trimmed::More {
                        left.push(id);
                    }
                    self.sweep = Sweep::Trimming { start, left };
                }
            }
        }
    }

    /// Notes what a session still needs of its queues.
    fn ask(&mut self, id: SessionId) -> usize {
        let Some(session) = self.sessions.get(&id) else {
            return 1;
        };
        for id in session
            .subscriptions
            .values()
            .filter_map(|subscription| subscription.queue)
        {
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.needs.ask();
            }
        }
        let mut steps = 1;
        for span in session.owed() {
            steps += 1;
            if let Some(queue) = self.queues.get_mut(&span.queue) {
                queue.needs.add(span.from, span.to);
            }
        }
        steps
    }

    fn trim(&mut self, id: QueueId, start: Seq, most: usize) -> (Trimmed, usize) {
        // What the broker's own sessions wait for stays, though it has expired.
        let now = match self.queues.get(&id) {
            Some(queue) if self.is_read_by_own(queue) => UnixMillis(0),
            _ => self.now,
        };
        let Some(queue) = self.queues.get_mut(&id) else {
            return (Trimmed::Done { expired: 0 }, 1);
        };
        let mut gone = Vec::new();
        let trimmed = queue.trim(start, now, most, &mut gone);
        if let Trimmed::Done { expired } = trimmed {
            self.expired += expired;
        }
        let steps = 1 + gone.len();
        self.entries -= gone.len() as u64;
        for seq in gone {
            self.bodies.release(seq);
        }
        (trimmed, steps)
    }

    /// Frees what closed queues held.
    fn bury(&mut self, steps_max: usize) -> usize {
        let mut steps = 0;
        while steps < steps_max
            && let Some(queue) = self.closed.last_mut()
        {
            steps += 1;
            match queue.pop() {
                Some(seq) => self.bodies.release(seq),
                None => _ = self.closed.pop(),
            }
        }
        steps
    }
}
