//! Subscribers that are present, publishers in a closed loop that never run far ahead of them.

use crate::clock::Clock;
use crate::error::BenchError;
use crate::histogram::Histogram;
use crate::ingest::{self, Ingest};
use crate::link::{Reactor, Talk, Target};
use crate::progress::Progress;
use crate::publisher::Publisher;
use crate::report::Verification;
use crate::subscriber::{Expected, Subscriber};
use crate::wire::{self, Keep};

/// How messages fan out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fanout {
    pub(crate) ingest: Ingest,
    pub(crate) subscribe_qos: u8,
    pub(crate) keep: Keep,
    /// Messages that the slowest subscriber may be behind before publishers wait for it.
    pub(crate) ahead: u64,
    /// When nothing at all has come for so long, what is missing is lost.
    pub(crate) quiet: std::time::Duration,
}

/// What it showed.
pub(crate) struct FannedOut {
    pub(crate) seconds: f64,
    pub(crate) published: u64,
    pub(crate) refused: u64,
    pub(crate) acknowledged: Histogram,
    pub(crate) received: Histogram,
    pub(crate) found: Verification,
}

/// Connects everyone, then publishes and receives all messages of the layout on this thread.
pub(crate) fn run(
    target: &Target,
    expected: &Expected,
    fanout: Fanout,
    clock: &Clock,
    progress: &Progress,
    at_start: impl FnOnce(),
) -> Result<FannedOut, BenchError> {
    let mut subscribers = subscribers(target, expected, fanout.subscribe_qos, fanout.keep)?;
    let mut publishers = ingest::connect(target, &expected.layout, fanout.ingest)?;
    at_start();
    let start = clock.nanos();
    let mut received = Histogram::new();
    let ended = serve(
        &mut publishers,
        &mut subscribers,
        expected,
        fanout,
        clock,
        progress,
        &mut received,
    )?;
    let mut whole = FannedOut {
        seconds: ended.saturating_sub(start) as f64 / 1e9,
        published: 0,
        refused: 0,
        acknowledged: Histogram::new(),
        received,
        found: Verification::default(),
    };
    for publisher in &publishers {
        whole.published += publisher.done;
        whole.refused += publisher.refused;
        whole.acknowledged.merge(&publisher.latency);
    }
    for subscriber in &subscribers {
        whole.found.merge(&subscriber.record.verification());
    }
    leave(subscribers)?;
    Ok(whole)
}

/// All sessions of the layout, present and subscribed.
pub(crate) fn subscribers(
    target: &Target,
    expected: &Expected,
    qos: u8,
    keep: Keep,
) -> Result<Vec<Subscriber>, BenchError> {
    let mut talk = Talk::new()?;
    let layout = &expected.layout;
    (0..layout.sessions)
        .map(|session| {
            let mut link = target.begin(layout.session_name(session), keep)?;
            talk.connack(&mut link)?;
            let topic = layout.topic_name(layout.topic_of_session(session));
            talk.subscribe(&mut link, target.protocol, &topic, qos)?;
            Ok(Subscriber::new(link, expected.record(session)))
        })
        .collect()
}

/// All subscribers say DISCONNECT.
pub(crate) fn leave(subscribers: Vec<Subscriber>) -> Result<(), BenchError> {
    for subscriber in subscribers {
        let mut link = subscriber.link;
        link.out.extend_from_slice(&wire::DISCONNECT_NORMAL);
        link.flush()?;
    }
    Ok(())
}

/// Serves everyone until all has arrived, or nothing comes any more. Returns when the last message came.
fn serve(
    publishers: &mut [Publisher],
    subscribers: &mut [Subscriber],
    expected: &Expected,
    fanout: Fanout,
    clock: &Clock,
    progress: &Progress,
    received: &mut Histogram,
) -> Result<u64, BenchError> {
    let mut reactor = Reactor::new()?;
    for (index, subscriber) in subscribers.iter_mut().enumerate() {
        reactor.register(&mut subscriber.link, index)?;
    }
    let first_publisher = subscribers.len();
    for (index, publisher) in publishers.iter_mut().enumerate() {
        reactor.register(&mut publisher.link, first_publisher + index)?;
    }
    let mut incomplete = subscribers.iter().filter(|one| !one.record.is_complete()).count();
    let mut last_message = clock.nanos();
    let mut ready = Vec::new();
    loop {
        let allowed = allowance(publishers, subscribers, expected, fanout.ahead);
        for publisher in publishers.iter_mut().filter(|publisher| !publisher.is_finished()) {
            publisher.fill(clock, allowed)?;
        }
        if incomplete == 0 && publishers.iter().all(Publisher::is_finished) {
            return Ok(last_message);
        }
        if clock.nanos().saturating_sub(last_message) > fanout.quiet.as_nanos() as u64 {
            return Ok(last_message);
        }
        clock.check(|| format!("{incomplete} subscribers wait for messages"))?;
        reactor.turn(&mut ready)?;
        for &index in &ready {
            if let Some(publisher) = index.checked_sub(first_publisher) {
                publishers[publisher].read(clock, &mut reactor.scratch)?;
                continue;
            }
            let subscriber = &mut subscribers[index];
            let was_complete = subscriber.record.is_complete();
            let before = subscriber.record.publishes;
            if subscriber.read(expected, clock, &mut reactor.scratch, received)? {
                return Err(subscriber.link.closed());
            }
            let arrived = subscriber.record.publishes - before;
            if arrived > 0 {
                last_message = clock.nanos();
                progress.add(arrived);
            }
            incomplete -= usize::from(!was_complete && subscriber.record.is_complete());
        }
    }
}

/// How many messages each publisher may make now without running further ahead of the slowest subscriber.
fn allowance(publishers: &[Publisher], subscribers: &[Subscriber], expected: &Expected, ahead: u64) -> u64 {
    let layout = &expected.layout;
    let made: u64 = (0..)
        .zip(publishers)
        .map(|(number, one)| one.made(layout, number))
        .sum();
    // What a subscriber has seen of its own topic, seen as if every topic had as much.
    let slowest = subscribers
        .iter()
        .map(|one| one.record.found.arrived * u64::from(layout.topics))
        .min()
        .unwrap_or(u64::MAX);
    slowest.saturating_add(ahead).saturating_sub(made)
}
