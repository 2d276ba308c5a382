//! Behaviours: sequences, ids and times.

use std::sync::mpsc;

use restante_model::{QueueId, SessionId, UnixMicros};

use crate::{batch::Batch, contract::Span};

use super::{
    OpenSettings, Place,
    driver::{Driver, plain, subscribe, whole},
};

const QUEUE: QueueId = QueueId(1);

fn subscribed(place: &dyn Place, settings: &OpenSettings) -> Driver {
    let driver = Driver::open(place, settings);
    subscribe(&driver, SessionId(1), QUEUE, "t/#");
    driver
}

/// Ordinals become sequences one by one, whether or not they are kept (K3).
pub fn k03_every_ordinal_takes_one_sequence(place: &dyn Place) {
    let driver = subscribed(place, &OpenSettings::unlimited());
    let mut ordinals = Vec::new();
    let span = driver.commit(|batch| {
        batch.skip();
        ordinals.push(batch.message(&plain(&[QUEUE], b"1")));
        batch.skip();
        batch.skip();
        ordinals.push(batch.message(&plain(&[QUEUE], b"2")));
        batch.skip();
    });
    assert_eq!(span.last.0 - span.first.0, 5);
    let expected: Vec<_> = ordinals
        .iter()
        .map(|&ordinal| span.first.plus(u64::from(ordinal)))
        .collect();
    assert_eq!(driver.queue(QUEUE), expected);
    let only_skipped = driver.commit(|batch| _ = batch.skip());
    assert_eq!(only_skipped.first, span.last.plus(1));
}

/// Whoever submits, sequences and times have one order, and messages are applied in it.
pub fn sequences_and_times_rise_strictly_from_all_threads(place: &dyn Place) {
    const THREADS: usize = 4;
    const BATCHES: usize = 50;
    let driver = subscribed(place, &OpenSettings::unlimited());
    let (sender, receiver) = mpsc::sync_channel(THREADS * BATCHES);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut before: Option<Span> = None;
                for _ in 0..BATCHES {
                    let mut batch = Batch::default();
                    batch.message(&plain(&[QUEUE], b"1"));
                    batch.message(&plain(&[QUEUE], b"2"));
                    let span = driver.store().submit(batch);
                    assert!(before.is_none_or(|before| before.last < span.first && before.time < span.time));
                    before = Some(span);
                    sender.send(span).expect("the test still listens");
                }
            });
        }
    });
    let mut spans: Vec<Span> = receiver.try_iter().collect();
    spans.sort_by_key(|span| span.first);
    assert!(
        spans
            .windows(2)
            .all(|pair| pair[0].last < pair[1].first && pair[0].time < pair[1].time)
    );
    driver.until_durable(spans[spans.len() - 1].last);
    let entries = driver.read_all(&[whole(QUEUE)], &[], 33);
    assert_eq!(entries.len(), THREADS * BATCHES * 2);
    let ids: Vec<_> = entries
        .iter()
        .map(|entry| entry.message.as_ref().expect("readable").id)
        .collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "ids rise with sequences");
}

/// The clock may step back or stand still; times and ids do not.
pub fn times_rise_when_the_clock_steps_back(place: &dyn Place) {
    let settings = OpenSettings::unlimited();
    let driver = subscribed(place, &settings);
    let start = settings.clock.now();
    let mut before = driver
        .commit(|batch| _ = batch.message(&plain(&[QUEUE], b"x")))
        .time;
    assert!(before >= start);
    for step in [0_i64, -5_000_000, 1, 3_000_000, -1] {
        settings
            .clock
            .set(UnixMicros(start.0.saturating_add_signed(step)));
        let time = driver
            .commit(|batch| _ = batch.message(&plain(&[QUEUE], b"x")))
            .time;
        assert!(time > before, "after a step of {step}");
        before = time;
    }
}

/// The 16 bits of an id are not enough for a large batch: ids rise all the same, into the next batch too.
pub fn ids_rise_within_a_large_batch(place: &dyn Place) {
    let driver = subscribed(place, &OpenSettings::unlimited());
    driver.commit(|batch| {
        for _ in 0..65_540 {
            batch.message(&plain(&[QUEUE], b""));
        }
    });
    driver.commit(|batch| _ = batch.message(&plain(&[QUEUE], b"")));
    let entries = driver.read_all(&[whole(QUEUE)], &[], 20_000);
    assert_eq!(entries.len(), 65_541);
    let ids = entries
        .iter()
        .map(|entry| entry.message.as_ref().expect("readable").id);
    assert!(ids.is_sorted_by(|a, b| a < b));
}
