//! Dead letters: what a database refuses for good, and what has waited too long (K42, K50).
//!
//! A queue of its own for each pool, in the store; bounded by number, and at the bound the oldest go, counted and told.

use std::sync::atomic::Ordering;

use restante_model::{QoS, Seq, UnixMillis};
use restante_store::{
    batch::Batch,
    change::{Change, NewMessage},
    contract::QueueSpan,
};

use super::{drain::read_queue, perform::DeadLetter, pool::Pool};
use crate::shared::Shared;

/// Letters dropped at a time.
const DROPPED_AT_ONCE: usize = 512;

/// Puts a dead letter into the pool's queue of them. Its words stand where a message has its properties.
pub(crate) fn bury(batch: &mut Batch, pool: &Pool, letter: &DeadLetter) {
    pool.figures.dead.fetch_add(1, Ordering::Relaxed);
    pool.letters.fetch_add(1, Ordering::Relaxed);
    tracing::warn!(code = "dead-letter", pool = %pool.name, what = letter.what, "to the dead letters: {}", letter.why);
    let words = format!("{}: {}", letter.what, letter.why);
    let message = letter.message.as_ref();
    batch.message(&NewMessage {
        queues: &[pool.dead_queue],
        qos: message.map_or(QoS::AtLeastOnce, |message| message.qos),
        retain: message.is_some_and(|message| message.retain),
        set_retained: false,
        deadline: UnixMillis::NEVER,
        sender: message.map_or("", |message| &message.sender),
        topic: message.map_or("", |message| &message.topic),
        properties: words.as_bytes(),
        payload: message.map_or(&[], |message| &message.payload),
        receipt: None,
    });
}

/// Drops the oldest letters beyond the bound.
pub(crate) async fn trim(shared: &Shared, pool: &Pool) {
    loop {
        let held = pool.letters.load(Ordering::Relaxed);
        let beyond = held.saturating_sub(pool.limits.dead_letters_max);
        if beyond == 0 {
            return;
        }
        let most = usize::try_from(beyond).unwrap_or(usize::MAX).min(DROPPED_AT_ONCE);
        let passed = Seq(pool.dead_passed.load(Ordering::Relaxed));
        let span = QueueSpan {
            queue: pool.dead_queue,
            from: Seq::ZERO,
            to: Seq::MAX,
        };
        let Some(page) = read_queue(shared, span, passed, most, shared.last_submitted()).await else {
            return;
        };
        let Some(last) = page.entries.last() else { return };
        let mut batch = Batch::default();
        batch.change(&Change::CursorMoved {
            session: pool.dead_reader,
            low: last.seq,
            above: &[],
        });
        shared.submit_changes(batch);
        pool.dead_passed.store(last.seq.0, Ordering::Relaxed);
        let dropped = page.entries.len() as u64;
        pool.letters.fetch_sub(dropped, Ordering::Relaxed);
        pool.figures.letters_dropped.fetch_add(dropped, Ordering::Relaxed);
        tracing::warn!(code = "dead-letters-dropped", pool = %pool.name, dropped, "there are more dead letters than are kept; the oldest are gone");
    }
}
