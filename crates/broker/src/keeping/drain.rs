//! The loop that carries one pool's outbox into its database: page by page, in order, again and again until it has it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hashbrown::HashMap;
use restante_model::{Seq, UnixMillis};
use restante_store::{
    batch::Batch,
    change::Change,
    contract::{NotesRequest, Page, QueueSpan, ReadRequest, Store},
};
use tokio::{sync::oneshot, time::timeout};

use super::{
    confirming::Confirming,
    keeper::Keeping,
    letters,
    perform::{DeadLetter, Performer},
    pool::{Owed, Pool},
    presence,
    reduce::{Record, Reducer},
    scan,
};
use crate::shared::Shared;

/// Records read at a time: with batches of this size a round trip costs little for each.
const PAGE_MESSAGES: usize = 512;
/// Bytes read at a time.
const PAGE_BYTES: usize = 4 << 20;
/// The first pause after the database was away; each one is twice as long as the one before, up to the longest.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often a paused drain looks whether it may go on, and an idle one whether something is there that nobody told of.
const IDLE: Duration = Duration::from_secs(1);

/// Drains until the broker stops.
pub(crate) async fn run(
    shared: Arc<Shared>,
    keeping: Arc<Keeping>,
    pool: Arc<Pool>,
    (from, started): (Seq, Seq),
    marks: HashMap<usize, u64>,
) {
    let mut performer = Performer::new(&keeping, &pool, marks);
    let mut passed = from;
    let mut confirming = Confirming::new(&pool, from).await;
    // What was submitted up to here may have been performed before: by the life before this one, whose cursor need not
    // have become durable, or by an attempt that was given up.
    let mut may_repeat_to = shared.last_submitted();
    // First what was owed before this start; then presence is put right; then the rest.
    let mut limit = Some(started);
    // Whether what is not to wait any longer is given up: only while the database takes nothing.
    let mut gives_up = false;
    while !shared.stopping.load(Ordering::SeqCst) {
        if pool.is_paused() {
            wait(&pool, IDLE).await;
            continue;
        }
        let Some(page) = read(&shared, &pool, passed, limit).await else {
            return;
        };
        // A page of what was owed before the start says nothing of what is behind that.
        let through = limit.map_or(page.through, |limit| page.through.min(limit));
        let is_all = page.end || limit.is_some_and(|limit| through >= limit);
        if page.entries.is_empty() && is_all && limit.take().is_some() {
            presence::put_right(&shared, &keeping, &pool).await;
            continue;
        }
        if page.entries.is_empty() {
            passed = passed.max(through);
            pool.came_to(passed, Owed::default());
            if page.end {
                if let Some(confirmed) = confirming.ripe() {
                    commit(&shared, &keeping, &pool, &mut performer, Some(confirmed));
                }
                wait(&pool, IDLE).await;
                // Company for what has just come: fewer round trips, and what is acknowledged at once need not travel.
                tokio::time::sleep(pool.batch_time).await;
            }
            continue;
        }
        let now = shared.clock.millis();
        let mut done = Owed::default();
        let mut oldest = UnixMillis::NEVER;
        let may_repeat = passed < may_repeat_to;
        let mut reducer = Reducer::repeating(may_repeat);
        for entry in &page.entries {
            // What cannot be read back was counted as damaged by the store.
            let Ok(stored) = &entry.message else { continue };
            done.add(Record::cost(stored));
            let Some(record) = Record::of(stored) else {
                pool.figures.unknown.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let published = UnixMillis(stored.id.micros() / 1000);
            match pool.gives_up(published, now).filter(|_| gives_up) {
                Some(why) => performer.outcome.dead.push(DeadLetter::given_up(record, why)),
                None => {
                    oldest = oldest.min(published);
                    reducer.take(&record, &keeping.ruling.acts(&pool, &record));
                }
            }
        }
        let mut slices = reducer.finish();
        let cancelled = slices.cancelled;
        let mut pause = PAUSE;
        gives_up = false;
        let mut was_away = false;
        let is_done = loop {
            let asked = match performer.prepare(&slices).await {
                Ok(true) => {
                    // The marks must be durable before what they are for is appended.
                    let noted = commit(&shared, &keeping, &pool, &mut performer, None);
                    if !durable(shared.store.as_ref(), noted).await {
                        return;
                    }
                    performer.perform(&mut slices, may_repeat).await
                }
                Ok(false) => performer.perform(&mut slices, may_repeat).await,
                Err(away) => Err(away),
            };
            let Err(away) = asked else { break true };
            pool.figures.away.fetch_add(1, Ordering::Relaxed);
            was_away = true;
            if pool.set_trouble(Some(&away.why)) {
                tracing::warn!(code = "backend-away", pool = %pool.name, "{away}; what is owed waits in the outbox");
            }
            if shared.stopping.load(Ordering::SeqCst) {
                return;
            }
            if pool.gives_up(oldest, shared.clock.millis()).is_some() {
                break false;
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        };
        if !is_done {
            // The page is read again, and what is not to wait any longer goes to the dead letters. What was to be buried
            // is met again, too.
            performer.outcome.dead.clear();
            gives_up = true;
            may_repeat_to = may_repeat_to.max(through);
            continue;
        }
        pool.figures.cancelled.fetch_add(cancelled, Ordering::Relaxed);
        let has_letters = !performer.outcome.dead.is_empty();
        // An attempt that asked for nothing says nothing of the database.
        if !slices.was_empty && pool.set_trouble(None) {
            tracing::info!(code = "backend-back", pool = %pool.name, waiting = pool.depth().records, "the database takes what is owed again");
        }
        if was_away && confirming.is_another(&pool, &performer).await {
            // Another server answers, or the same one without its memory: what it was sent lately is sent again.
            passed = confirming.rewind();
            tracing::warn!(code = "backend-replaced", pool = %pool.name, "another server answers; what was sent lately is sent again");
            continue;
        }
        passed = through;
        let confirmed = confirming.sent(&performer, passed);
        let committed = commit(&shared, &keeping, &pool, &mut performer, Some(confirmed));
        let done = confirming.counted(passed, done);
        pool.came_to(passed, done);
        if has_letters {
            applied(&shared, committed).await;
            letters::trim(&shared, &pool).await;
        }
    }
}

/// Reads the next page of the outbox; `None` when the broker is gone.
async fn read(shared: &Shared, pool: &Pool, after: Seq, limit: Option<Seq>) -> Option<Page> {
    let span = QueueSpan {
        queue: pool.queue,
        from: Seq::ZERO,
        to: limit.unwrap_or(Seq::MAX),
    };
    read_queue(shared, span, after, PAGE_MESSAGES, pool.last_owed()).await
}

/// Reads from a queue of the broker's own, behind everything up to `applied`.
pub(crate) async fn read_queue(
    shared: &Shared,
    span: QueueSpan,
    after: Seq,
    messages_max: usize,
    applied: Seq,
) -> Option<Page> {
    let (tell, told) = oneshot::channel();
    let request = ReadRequest {
        spans: vec![span],
        after,
        skip: Vec::new(),
        messages_max,
        bytes_max: PAGE_BYTES,
        applied,
    };
    let done = move |page| {
        // Who asked may have gone.
        let _ = tell.send(page);
    };
    shared.store.read(request, Box::new(done));
    told.await.ok()
}

/// Submits how far the drain has come, with dead letters and marks, in one batch. Answers its last sequence.
fn commit(
    shared: &Shared,
    keeping: &Keeping,
    pool: &Pool,
    performer: &mut Performer<'_>,
    passed: Option<Seq>,
) -> Seq {
    let mut batch = Batch::default();
    let outcome = std::mem::take(&mut performer.outcome);
    for letter in outcome.dead {
        letters::bury(&mut batch, pool, &letter);
    }
    for (keep, mark) in outcome.marks {
        keeping.note_mark(&mut batch, keep, mark);
    }
    for (keep, topic) in outcome.topics {
        scan::note_topic(&mut batch, &keeping.keeps[keep], &topic);
    }
    if let Some(low) = passed {
        batch.change(&Change::CursorMoved {
            session: pool.reader,
            low,
            above: &[],
        });
    }
    if batch.is_empty() {
        return shared.last_submitted();
    }
    let span = shared.submit(batch, Vec::new());
    shared.store.rouse();
    span.last
}

/// Waits until everything up to here was applied.
pub(crate) async fn applied(shared: &Shared, until: Seq) {
    let (tell, told) = oneshot::channel();
    let done = move |_| {
        // Who asked may have gone.
        let _ = tell.send(());
    };
    let request = NotesRequest {
        prefix: "".into(),
        after: None,
        notes_max: 1,
        bytes_max: 1,
        applied: until,
    };
    shared.store.notes(request, Box::new(done));
    // A store that failed tells nothing: then nothing is waited for.
    let _ = told.await;
}

/// Waits until something is durable; false when it never will be.
async fn durable(store: &dyn Store, until: Seq) -> bool {
    use restante_store::contract::Admission;
    while store.durable() < until {
        if matches!(store.admission(), Admission::Failed { .. }) {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    true
}

async fn wait(pool: &Pool, at_most: Duration) {
    // A timeout is no error: the caller looks again either way.
    let _ = timeout(at_most, pool.grown.notified()).await;
}

/// Half to all of a pause, so that pools that went away together do not come back together.
fn jittered(pause: Duration) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let share = RandomState::new().hash_one(0) % 512;
    pause / 2 + pause.mul_f64(share as f64 / 1024.0)
}
