//! Messages at a fixed rate to subscribers that are present: how long they take.
//!
//! An open loop: one thread sends by the clock, whatever has been acknowledged; another reads. Latencies count from
//! the moment a message was written; how late that was against the plan is reported beside them, so that a stalled
//! sender cannot hide.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::BenchError;
use crate::fanout::{self, subscribers};
use crate::histogram::Histogram;
use crate::link::{Reactor, Talk, Target};
use crate::progress::Progress;
use crate::publisher::{FrameTemplate, NextMessage, topic_digits};
use crate::report::Verification;
use crate::sessions::panicked;
use crate::subscriber::{Expected, Subscriber};
use crate::wire::{self, Keep};

/// Messages without an acknowledgement, of one publisher, beyond which the sender waits (and is late).
pub(crate) const IN_FLIGHT_MAX: u16 = 10_000;

/// Pause of a sender that has too many messages without an acknowledgement.
const PAUSE: Duration = Duration::from_micros(100);

/// How messages are sent and taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live {
    /// Messages per second of all publishers together.
    pub(crate) rate: u32,
    pub(crate) qos: u8,
    pub(crate) subscribe_qos: u8,
    pub(crate) keep: Keep,
    /// When nothing at all has come for so long, what is missing is lost.
    pub(crate) quiet: Duration,
}

/// What it showed.
pub(crate) struct Lived {
    pub(crate) seconds: f64,
    pub(crate) published: u64,
    pub(crate) acknowledged: Histogram,
    pub(crate) received: Histogram,
    pub(crate) lag: Histogram,
    pub(crate) refused: u64,
    pub(crate) found: Verification,
}

/// A publisher as its two threads share it: the sender writes, the reader takes acknowledgements.
struct Shared {
    link: Mutex<crate::link::Link>,
    /// Under each packet identifier, when it was sent; 0 = free.
    sent_nanos: Vec<AtomicU64>,
}

/// Connects everyone, then sends and receives all messages of the layout.
pub(crate) fn run(
    target: &Target,
    expected: &Expected,
    live: Live,
    clock: &Clock,
    progress: &Progress,
    at_start: impl FnOnce(),
) -> Result<Lived, BenchError> {
    let mut subscribers = subscribers(target, expected, live.subscribe_qos, live.keep)?;
    let publishers = connect(target, expected)?;
    let reactor = Reactor::new()?;
    let first_publisher = subscribers.len();
    for (index, subscriber) in subscribers.iter_mut().enumerate() {
        reactor.register(&mut subscriber.link, index)?;
    }
    for (index, publisher) in publishers.iter().enumerate() {
        reactor.register(&mut lock(publisher), first_publisher + index)?;
    }
    at_start();
    let start = clock.nanos();
    let (sent, read) = thread::scope(|scope| {
        let sender = scope.spawn(|| send(&publishers, target, expected, live, clock, progress));
        let reader = Reader {
            publishers: &publishers,
            expected,
            live,
            clock,
            progress,
        };
        let read = reader.run(reactor, &mut subscribers);
        if read.is_err() {
            progress.fail();
        }
        (sender.join().unwrap_or_else(|_| Err(panicked())), read)
    });
    let (read, lag) = (read?, sent?);
    let mut found = Verification::default();
    for subscriber in &subscribers {
        found.merge(&subscriber.record.verification());
    }
    fanout::leave(subscribers)?;
    Ok(Lived {
        seconds: read.ended.saturating_sub(start) as f64 / 1e9,
        published: expected.layout.messages,
        acknowledged: read.acknowledged,
        received: read.received,
        lag,
        refused: read.refused,
        found,
    })
}

fn connect(target: &Target, expected: &Expected) -> Result<Vec<Shared>, BenchError> {
    let mut talk = Talk::new()?;
    (0..expected.layout.publishers)
        .map(|number| {
            let mut link = target.begin(expected.layout.publisher_name(number), Keep::Nothing)?;
            talk.connack(&mut link)?;
            Ok(Shared {
                link: Mutex::new(link),
                sent_nanos: (0..=IN_FLIGHT_MAX).map(|_| AtomicU64::new(0)).collect(),
            })
        })
        .collect()
}

/// Sends by the clock, one publisher after another; returns how late each send was.
fn send(
    publishers: &[Shared],
    target: &Target,
    expected: &Expected,
    live: Live,
    clock: &Clock,
    progress: &Progress,
) -> Result<Histogram, BenchError> {
    let layout = &expected.layout;
    let digits = topic_digits(layout.topics);
    let mut queues: Vec<(FrameTemplate, NextMessage)> = (0..layout.publishers)
        .map(|number| {
            let template = FrameTemplate::new(layout, target.protocol, number, live.qos);
            (template, NextMessage::first(layout, number))
        })
        .collect();
    let mut lag = Histogram::new();
    let interval = 1_000_000_000 / u64::from(live.rate.max(1));
    let start = clock.nanos();
    let mut id = 0;
    for index in 0..layout.messages {
        let due = start + index * interval;
        wait_until(due, clock);
        let publisher = (index % u64::from(layout.publishers)) as usize;
        let (template, next) = &mut queues[publisher];
        if publisher == 0 {
            id = id % IN_FLIGHT_MAX + 1;
        }
        let shared = &publishers[publisher];
        let slot = &shared.sent_nanos[usize::from(id)];
        while live.qos > 0 && slot.load(Ordering::Acquire) != 0 {
            clock.check(|| format!("{IN_FLIGHT_MAX} messages of one publisher have no acknowledgement"))?;
            if progress.has_failed() {
                return Ok(lag);
            }
            thread::sleep(PAUSE);
        }
        let mut link = lock(shared);
        let now = clock.nanos();
        lag.add(now.saturating_sub(due));
        slot.store(now, Ordering::Release);
        template.append(&digits[next.topic as usize], next, id, now, &mut link.out);
        next.advance();
        link.flush()?;
        if progress.has_failed() {
            return Ok(lag);
        }
    }
    Ok(lag)
}

/// Sleeps; the kernel wakes some 50 us late, which the lag shows. Spinning would take a core from the broker.
fn wait_until(due: u64, clock: &Clock) {
    let left = due.saturating_sub(clock.nanos());
    if left > 0 {
        thread::sleep(Duration::from_nanos(left));
    }
}

fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, crate::link::Link> {
    match shared.link.lock() {
        Ok(guard) => guard,
        Err(poisoned) => poisoned.into_inner(),
    }
}

/// The thread that reads: messages of all subscribers, acknowledgements of all publishers.
struct Reader<'a> {
    publishers: &'a [Shared],
    expected: &'a Expected,
    live: Live,
    clock: &'a Clock,
    progress: &'a Progress,
}

struct Read {
    acknowledged: Histogram,
    received: Histogram,
    refused: u64,
    /// Messages whose acknowledgement (PUBCOMP at QoS 2) has come.
    settled: u64,
    ended: u64,
}

impl Reader<'_> {
    fn run(&self, mut reactor: Reactor, subscribers: &mut [Subscriber]) -> Result<Read, BenchError> {
        let mut read = Read {
            acknowledged: Histogram::new(),
            received: Histogram::new(),
            refused: 0,
            settled: 0,
            ended: self.clock.nanos(),
        };
        let mut incomplete = subscribers.iter().filter(|one| !one.record.is_complete()).count();
        let to_settle = if self.live.qos == 0 {
            0
        } else {
            self.expected.layout.messages
        };
        let mut ready = Vec::new();
        while incomplete > 0 || read.settled < to_settle {
            let silent = self.clock.nanos().saturating_sub(read.ended);
            if silent > self.live.quiet.as_nanos() as u64 || self.progress.has_failed() {
                break;
            }
            self.clock
                .check(|| format!("{incomplete} subscribers wait for messages"))?;
            reactor.turn(&mut ready)?;
            for &index in &ready {
                let Some(subscriber) = subscribers.get_mut(index) else {
                    self.take_acknowledgements(index - subscribers.len(), &mut reactor.scratch, &mut read)?;
                    continue;
                };
                let was_complete = subscriber.record.is_complete();
                let before = subscriber.record.publishes;
                if subscriber.read(
                    self.expected,
                    self.clock,
                    &mut reactor.scratch,
                    &mut read.received,
                )? {
                    return Err(subscriber.link.closed());
                }
                if subscriber.record.publishes > before {
                    read.ended = self.clock.nanos();
                    self.progress.add(subscriber.record.publishes - before);
                }
                incomplete -= usize::from(!was_complete && subscriber.record.is_complete());
            }
        }
        Ok(read)
    }

    fn take_acknowledgements(
        &self,
        number: usize,
        scratch: &mut [u8],
        read: &mut Read,
    ) -> Result<(), BenchError> {
        let shared = &self.publishers[number];
        let mut link = lock(shared);
        let now = self.clock.nanos();
        let closed = link.read(scratch, |frame, out| {
            let id = frame.ack_id();
            let Some(slot) = shared.sent_nanos.get(usize::from(id)) else {
                return Ok(());
            };
            let sent = slot.load(Ordering::Acquire);
            let is_refused = frame.ack_reason() >= 0x80;
            let settles = match frame.kind() {
                wire::PUBACK => {
                    read.acknowledged.add(now.saturating_sub(sent));
                    true
                }
                wire::PUBREC => {
                    read.acknowledged.add(now.saturating_sub(sent));
                    if !is_refused {
                        wire::put_ack(wire::PUBREL, id, out);
                    }
                    is_refused
                }
                wire::PUBCOMP => true,
                _ => false,
            };
            if settles {
                read.settled += 1;
                read.refused += u64::from(is_refused);
                slot.store(0, Ordering::Release);
            }
            Ok(())
        })?;
        if closed {
            return Err(link.closed());
        }
        link.flush()
    }
}
