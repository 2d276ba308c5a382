//! Publishing in a closed loop while nobody is there to receive.

use std::thread;

use crate::clock::Clock;
use crate::error::BenchError;
use crate::histogram::Histogram;
use crate::layout::Layout;
use crate::link::{Reactor, Talk, Target};
use crate::progress::Progress;
use crate::publisher::{Publisher, TopicDigits, topic_digits};
use crate::sessions::panicked;
use crate::wire::Keep;

/// How messages are published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ingest {
    pub(crate) qos: u8,
    /// Messages in flight of each publisher.
    pub(crate) window: u16,
    pub(crate) threads: u32,
}

/// What publishing showed.
pub(crate) struct Ingested {
    pub(crate) seconds: f64,
    pub(crate) published: u64,
    pub(crate) refused: u64,
    pub(crate) latency: Histogram,
}

/// Connects all publishers, then publishes all messages of the layout.
///
/// `at_start` is called between the two: the time, and whatever else is measured, begins there.
pub(crate) fn run(
    target: &Target,
    layout: &Layout,
    ingest: Ingest,
    clock: &Clock,
    progress: &Progress,
    at_start: impl FnOnce(),
) -> Result<Ingested, BenchError> {
    let publishers = connect(target, layout, ingest)?;
    let mut shares: Vec<Vec<Publisher>> = (0..ingest.threads.max(1)).map(|_| Vec::new()).collect();
    let lanes = shares.len();
    for (index, publisher) in publishers.into_iter().enumerate() {
        shares[index % lanes].push(publisher);
    }
    at_start();
    let start = clock.nanos();
    let mut whole = Ingested {
        seconds: 0.0,
        published: 0,
        refused: 0,
        latency: Histogram::new(),
    };
    thread::scope(|scope| {
        let workers: Vec<_> = shares
            .into_iter()
            .map(|share| scope.spawn(|| publish(share, clock, progress)))
            .collect();
        let mut failed = None;
        for worker in workers {
            match worker.join().unwrap_or_else(|_| Err(panicked())) {
                Ok(share) => {
                    for publisher in &share {
                        whole.published += publisher.done;
                        whole.refused += publisher.refused;
                        whole.latency.merge(&publisher.latency);
                    }
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(()), Err)
    })?;
    whole.seconds = (clock.nanos() - start) as f64 / 1e9;
    Ok(whole)
}

/// All publishers, past their CONNACK, on clean sessions.
pub(crate) fn connect(
    target: &Target,
    layout: &Layout,
    ingest: Ingest,
) -> Result<Vec<Publisher>, BenchError> {
    let digits: TopicDigits = topic_digits(layout.topics);
    let mut talk = Talk::new()?;
    (0..layout.publishers)
        .map(|number| {
            let mut link = target.begin(layout.publisher_name(number), Keep::Nothing)?;
            talk.connack(&mut link)?;
            let (protocol, digits) = (target.protocol, digits.clone());
            Ok(Publisher::new(
                link,
                layout,
                protocol,
                number,
                ingest.qos,
                ingest.window,
                digits,
            ))
        })
        .collect()
}

/// The loop of one thread: whoever is ready takes its acknowledgements and fills its window again.
fn publish(
    mut publishers: Vec<Publisher>,
    clock: &Clock,
    progress: &Progress,
) -> Result<Vec<Publisher>, BenchError> {
    let mut reactor = Reactor::new()?;
    let mut unfinished = 0;
    for (index, publisher) in publishers.iter_mut().enumerate() {
        reactor.register(&mut publisher.link, index)?;
        publisher.fill(clock, u64::MAX)?;
        unfinished += usize::from(!publisher.is_finished());
    }
    let mut ready = Vec::new();
    while unfinished > 0 {
        clock.check(|| format!("{unfinished} publishers have messages without an acknowledgement"))?;
        if progress.has_failed() {
            break;
        }
        reactor.turn(&mut ready)?;
        for &index in &ready {
            let publisher = &mut publishers[index];
            if publisher.is_finished() {
                continue;
            }
            let before = publisher.done;
            let served = publisher
                .read(clock, &mut reactor.scratch)
                .and_then(|()| publisher.fill(clock, u64::MAX));
            served.inspect_err(|_| progress.fail())?;
            progress.add(publisher.done - before);
            unfinished -= usize::from(publisher.is_finished());
        }
    }
    Ok(publishers)
}
