//! The absent sessions return and take everything; then they return once more and must get nothing.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::BenchError;
use crate::histogram::Histogram;
use crate::layout::Layout;
use crate::link::{Reactor, Target};
use crate::progress::Progress;
use crate::report::Verification;
use crate::subscriber::{Expected, Subscriber};
use crate::wire::{self, Keep};

/// How sessions return.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    /// Sessions present at once; when one is done, the next comes.
    pub(crate) at_once: u32,
    /// When nothing at all has come for so long, what is missing is lost.
    pub(crate) quiet: Duration,
    /// How many of the sessions return, drawn by the number of the run, in no order; 0: all, one after another.
    pub(crate) sample: u32,
    /// Whether sessions take a second look, and for how long each stays for it.
    pub(crate) again: Option<Duration>,
}

impl Drain {
    /// Who returns, in which order.
    fn returning(&self, layout: &Layout) -> VecDeque<u32> {
        let all = 0..layout.sessions;
        if self.sample == 0 {
            return all.collect();
        }
        let mut drawn: Vec<u32> = all.collect();
        drawn.sort_unstable_by_key(|&session| scattered(u64::from(layout.run) << 32 | u64::from(session)));
        drawn.truncate(self.sample as usize);
        drawn.into()
    }

    /// Messages that those who return must receive.
    pub(crate) fn deliveries(&self, layout: &Layout) -> u64 {
        match self.sample {
            0 => layout.deliveries(),
            _ => self
                .returning(layout)
                .iter()
                .map(|&session| layout.count_of_topic(layout.topic_of_session(session)))
                .sum(),
        }
    }
}

/// Spreads numbers over all 64 bits, each to another (the finaliser of splitmix64).
fn scattered(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// What draining showed.
pub(crate) struct Drained {
    /// From the first connection to the last message.
    pub(crate) seconds: f64,
    pub(crate) found: Verification,
    /// Publish to arrival; only of meaning when published in the same run.
    pub(crate) sessions_absent: u64,
}

/// Where a session is on its visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Receiving,
    /// Asked whether the broker has read all acknowledgements.
    Confirming,
    Gone,
}

/// Drains all sessions of the layout.
pub(crate) fn run(
    target: &Target,
    expected: &Expected,
    drain: Drain,
    clock: &Clock,
    progress: &Progress,
) -> Result<Drained, BenchError> {
    let start = clock.nanos();
    let mut wave = Wave::new(target, expected, drain, clock, progress)?;
    wave.first_visit()?;
    let seconds = wave.last_message.saturating_sub(start) as f64 / 1e9;
    let mut found = wave.found;
    if let Some(stay) = drain.again {
        let mut second = Wave::new(target, expected, drain, clock, progress)?;
        found.again = second.second_visit(stay)?;
    }
    Ok(Drained {
        seconds,
        found,
        sessions_absent: wave.sessions_absent,
    })
}

/// All visits of one kind, a bounded number of them at once. A slot is taken by one session after another.
struct Wave<'a> {
    target: &'a Target,
    expected: &'a Expected,
    drain: Drain,
    clock: &'a Clock,
    progress: &'a Progress,
    reactor: Reactor,
    slots: Vec<Option<(Subscriber, Stage)>>,
    waiting: VecDeque<u32>,
    present: usize,
    found: Verification,
    last_message: u64,
    sessions_absent: u64,
    unused: Histogram,
}

impl<'a> Wave<'a> {
    fn new(
        target: &'a Target,
        expected: &'a Expected,
        drain: Drain,
        clock: &'a Clock,
        progress: &'a Progress,
    ) -> Result<Wave<'a>, BenchError> {
        Ok(Wave {
            target,
            expected,
            drain,
            clock,
            progress,
            reactor: Reactor::new()?,
            slots: Vec::new(),
            waiting: drain.returning(&expected.layout),
            present: 0,
            found: Verification::default(),
            last_message: clock.nanos(),
            sessions_absent: 0,
            unused: Histogram::new(),
        })
    }

    fn first_visit(&mut self) -> Result<(), BenchError> {
        let mut ready = Vec::new();
        let at_once = (self.drain.at_once as usize).min(self.waiting.len());
        for slot in 0..at_once {
            self.slots.push(None);
            self.admit(slot)?;
        }
        while self.present > 0 {
            let present = self.present;
            self.clock
                .check(|| format!("{present} sessions wait for messages"))?;
            self.reactor.turn(&mut ready)?;
            for &slot in &ready {
                self.serve(slot)?;
            }
            let silent = self.clock.nanos().saturating_sub(self.last_message);
            if silent > self.drain.quiet.as_nanos() as u64 {
                self.give_up();
            }
        }
        Ok(())
    }

    /// The next session takes a slot.
    fn admit(&mut self, slot: usize) -> Result<(), BenchError> {
        let Some(session) = self.waiting.pop_front() else {
            return Ok(());
        };
        let name = self.expected.layout.session_name(session);
        let mut link = self.target.begin(name, Keep::Session)?;
        self.reactor.register(&mut link, slot)?;
        link.flush()?;
        let subscriber = Subscriber::new(link, self.expected.record(session));
        self.slots[slot] = Some((subscriber, Stage::Receiving));
        self.present += 1;
        Ok(())
    }

    fn serve(&mut self, slot: usize) -> Result<(), BenchError> {
        let Some((subscriber, stage)) = &mut self.slots[slot] else {
            return Ok(());
        };
        let before = subscriber.record.publishes;
        let closed = subscriber.read(
            self.expected,
            self.clock,
            &mut self.reactor.scratch,
            &mut self.unused,
        )?;
        let arrived = subscriber.record.publishes - before;
        if arrived > 0 {
            self.last_message = self.clock.nanos();
            self.progress.add(arrived);
        }
        match *stage {
            Stage::Receiving if subscriber.record.connack.is_some() && subscriber.record.is_complete() => {
                subscriber.link.out.extend_from_slice(&wire::PINGREQ);
                subscriber.link.flush()?;
                *stage = Stage::Confirming;
            }
            Stage::Confirming if subscriber.record.ponged => {
                subscriber.link.out.extend_from_slice(&wire::DISCONNECT_NORMAL);
                subscriber.link.flush()?;
                *stage = Stage::Gone;
            }
            _ => {}
        }
        if closed {
            if *stage != Stage::Gone {
                return Err(subscriber.link.closed());
            }
            self.end(slot);
            return self.admit(slot);
        }
        Ok(())
    }

    /// Counts what the session in a slot has found, and frees the slot.
    fn end(&mut self, slot: usize) {
        if let Some((subscriber, _)) = self.slots[slot].take() {
            self.present -= 1;
            self.found.merge(&subscriber.record.verification());
            self.sessions_absent += u64::from(subscriber.record.connack == Some(false));
        }
    }

    /// Nothing comes any more: whoever still waits has lost what it waits for.
    fn give_up(&mut self) {
        for slot in 0..self.slots.len() {
            self.end(slot);
        }
        while let Some(session) = self.waiting.pop_front() {
            self.found.merge(&self.expected.record(session).verification());
        }
    }

    /// Connects all sessions, at most `at_once` together, and counts what comes while they stay.
    fn second_visit(&mut self, stay: Duration) -> Result<u64, BenchError> {
        let mut again = 0;
        while !self.waiting.is_empty() {
            again += self.second_group(stay)?;
        }
        Ok(again)
    }

    fn second_group(&mut self, stay: Duration) -> Result<u64, BenchError> {
        self.slots.clear();
        let count = (self.drain.at_once as usize).min(self.waiting.len());
        for slot in 0..count {
            self.slots.push(None);
            self.admit(slot)?;
        }
        let mut ready = Vec::new();
        let mut connected_at = None;
        loop {
            self.clock
                .check(|| "sessions look whether anything comes again".to_owned())?;
            self.reactor.turn(&mut ready)?;
            for &slot in &ready {
                if let Some((subscriber, _)) = &mut self.slots[slot] {
                    let scratch = &mut self.reactor.scratch;
                    if subscriber.read(self.expected, self.clock, scratch, &mut self.unused)? {
                        return Err(subscriber.link.closed());
                    }
                }
            }
            let subscribers = || {
                self.slots
                    .iter()
                    .flatten()
                    .map(|(subscriber, _)| &subscriber.record)
            };
            if connected_at.is_none() && subscribers().all(|record| record.connack.is_some()) {
                connected_at = Some(self.clock.nanos());
            }
            let stayed = connected_at.map_or(0, |at| self.clock.nanos() - at);
            if stayed >= stay.as_nanos() as u64 && connected_at.is_some() {
                let publishes = subscribers().map(|record| record.publishes).sum();
                for (subscriber, _) in self.slots.iter_mut().flatten() {
                    subscriber.link.out.extend_from_slice(&wire::DISCONNECT_NORMAL);
                    subscriber.link.flush()?;
                }
                self.slots.clear();
                return Ok(publishes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_drawn_without_repeats_and_counted() {
        let layout = Layout {
            run: 7,
            publishers: 3,
            topics: 40,
            sessions: 50,
            messages: 1_000,
            size: 64,
        };
        let drain = |sample| Drain {
            at_once: 1,
            quiet: Duration::ZERO,
            sample,
            again: None,
        };
        let mut drawn: Vec<u32> = drain(20).returning(&layout).into();
        assert_ne!(drawn, (0..20).collect::<Vec<_>>());
        drawn.sort_unstable();
        drawn.dedup();
        assert!(drawn.len() == 20 && drawn.iter().all(|&session| session < 50));
        assert_eq!(drain(50).deliveries(&layout), layout.deliveries());
        assert_eq!(drain(0).returning(&layout), (0..50).collect::<VecDeque<_>>());
    }
}
