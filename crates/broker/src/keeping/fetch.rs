//! What waits in a database is read for a client: topic by topic, page by page, behind the barrier.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use restante_backend::{
    messages::{Fetch, Fetched, FetchedMessage, Place},
    stored_id::StoredId,
    trouble::{Asked, Away},
};
use restante_model::{Filter, Mode, Seq, UnixMillis};
use restante_store::batch::Batch;
use tokio::sync::oneshot;

use super::{
    keeper::Keeping,
    positions::{self, Begun},
    scan,
    setup::FirstSubscribe,
    topics::Found,
};
use crate::{
    router::Address,
    shared::{Note, Shared},
};

/// The pause after the database was away; each one is twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// A question: the next that waits for a client at one of its filters.
pub(crate) struct Ask {
    pub(crate) to: Address,
    /// Tells the answer from those to earlier questions.
    pub(crate) run: u64,
    pub(crate) keep: usize,
    pub(crate) client: Arc<str>,
    pub(crate) filter: Filter,
    pub(crate) step: Step,
    /// The subscriptions for which the filter is looked through.
    pub(crate) begun: Begun,
    /// Everything up to here must have gone into the database, or out of it, before it is looked at.
    pub(crate) barrier: Seq,
}

/// What comes next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The first page of the next topic behind this one.
    Topic { after: Option<Box<str>> },
    /// The next page of a topic.
    Page { topic: Box<str>, after: Place },
}

/// The answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) run: u64,
    pub(crate) keep: usize,
    /// Which topic; `None` = no topic is left.
    pub(crate) topic: Option<Box<str>>,
    /// Oldest first.
    pub(crate) messages: Vec<FetchedMessage>,
    /// Where the next page of the topic begins; `None` = this was the last.
    pub(crate) next: Option<Place>,
}

/// Answers a question, however long it takes, unless the asker leaves: then `gone` resolves.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    keeping: Arc<Keeping>,
    ask: Ask,
    mut gone: oneshot::Receiver<()>,
) {
    let found = {
        let work = find(&shared, &keeping, &ask);
        tokio::select! {
            found = work => found,
            _ = &mut gone => return,
        }
    };
    // Looked at behind the leases: who leaves gives up its question first and its leases then, so one of the two sees
    // the other.
    match gone.try_recv() {
        Err(oneshot::error::TryRecvError::Empty) => shared.note(ask.to, Note::Kept(found)),
        _ => {
            if let Some(topic) = &found.topic {
                let ids = found.messages.iter().map(|message| &message.place.id);
                give_back(&shared, &keeping, ask.to, (ask.keep, topic), ids);
            }
        }
    }
}

/// What was leased to a client is free for others, and those who wait for it are told (K49).
pub(crate) fn give_back<'a>(
    shared: &Shared,
    keeping: &Keeping,
    who: Address,
    (keep, topic): (usize, &str),
    ids: impl IntoIterator<Item = &'a StoredId>,
) {
    if keeping.keeps[keep].setup.mode != Mode::Queue {
        return;
    }
    for waiting in keeping.leases.give_back(who, keep, topic, ids) {
        shared.note(waiting, Note::KeptFree(keep, topic.into()));
    }
}

async fn find(shared: &Shared, keeping: &Keeping, ask: &Ask) -> Answer {
    let pool = keeping.pool_of(ask.keep);
    let mut barrier = ask.barrier;
    if matches!(ask.step, Step::Topic { after: None }) {
        positions::begin(shared, keeping, &ask.begun).await;
        // What is being planned without this subscription is not handed over live: it is in front of the barrier.
        shared.planned_since(shared.generation()).await;
        barrier = barrier.max(pool.last_owed());
    }
    pool.passed_all(barrier).await;
    let mut pause = PAUSE;
    loop {
        let asked = match pool.fetches.acquire().await {
            Ok(_permit) => once(shared, keeping, ask).await,
            // Never closed.
            Err(_) => Err(Away {
                why: "the broker is stopping".into(),
            }),
        };
        match asked {
            Ok(answer) => {
                pool.figures
                    .fetched
                    .fetch_add(answer.messages.len() as u64, Ordering::Relaxed);
                return answer;
            }
            Err(away) => {
                if pool.set_trouble(Some(&away.why)) {
                    tracing::warn!(code = "backend-away", pool = %pool.name, "{away}; backlogs wait until it is back");
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

async fn once(shared: &Shared, keeping: &Keeping, ask: &Ask) -> Asked<Answer> {
    match &ask.step {
        Step::Page { topic, after } => page(shared, keeping, ask, topic.clone(), Some(after.clone())).await,
        Step::Topic { after } => {
            let mut after = after.clone();
            loop {
                let Some(topic) = next_topic(keeping, ask, after.as_deref()).await else {
                    return Ok(Answer {
                        run: ask.run,
                        keep: ask.keep,
                        topic: None,
                        messages: Vec::new(),
                        next: None,
                    });
                };
                // Only where this keep is the topic's source of backlog.
                let is_source = keeping
                    .ruling
                    .of_topic(&topic)
                    .is_some_and(|kept| kept.source == Some(ask.keep));
                if is_source {
                    return page(shared, keeping, ask, topic, None).await;
                }
                after = Some(topic);
            }
        }
    }
}

/// The next topic behind `after`; an exact filter is its own topic.
async fn next_topic(keeping: &Keeping, ask: &Ask, after: Option<&str>) -> Option<Box<str>> {
    if !ask.filter.has_wildcard() {
        return after.is_none().then(|| ask.filter.topic_filter().into());
    }
    let mut after = after.map(Box::from);
    loop {
        match keeping.keeps[ask.keep].topics.next(&ask.filter, after.as_deref()) {
            Found::Topic(topic) => return Some(topic),
            Found::NotYet(behind) => after = Some(behind),
            Found::End => return None,
        }
        tokio::task::yield_now().await;
    }
}

async fn page(
    shared: &Shared,
    keeping: &Keeping,
    ask: &Ask,
    topic: Box<str>,
    after: Option<Place>,
) -> Asked<Answer> {
    let keep = &keeping.keeps[ask.keep];
    let is_first = after.is_none();
    let start = positions::start(shared, keeping, ask, &topic).await?;
    let (mut after, since) = (after.or(start.after), start.since);
    let in_range = keep
        .setup
        .time_range
        .map(|range| UnixMillis(shared.clock.millis().0.saturating_sub(range.as_millis() as u64)));
    let since = since.max(in_range);
    loop {
        let _look = (keep.setup.mode == Mode::Queue).then(|| keeping.leases.look(ask.keep, &topic));
        let times = keep.topics.times(&topic);
        let fetched = keep
            .setup
            .messages
            .fetch(&Fetch {
                topic: &topic,
                after: after.as_ref(),
                since,
                messages_max: keep.setup.page,
            })
            .await?;
        let Fetched {
            messages,
            more,
            unreadable,
        } = fetched;
        for what in unreadable {
            tracing::warn!(code = "unreadable-row", keep = keep.setup.name, topic = %topic, "{what}; it is passed over");
        }
        let last = messages.last().map(|message| message.place.clone());
        let was_empty = messages.is_empty();
        let wanted = messages
            .into_iter()
            .filter(|message| !start.without.contains(&message.place.id));
        let given = lease(keeping, ask, &topic, wanted.collect());
        let is_empty = is_first && was_empty && !more && since.is_none() && keep.setup.mode != Mode::Pubsub;
        if is_empty && keep.topics.remove(&topic, times) {
            let mut batch = Batch::default();
            scan::forget_topic(&mut batch, keep, &topic);
            shared.submit_changes(batch);
        }
        let next = last.filter(|_| more);
        // A page that others hold altogether says nothing; go on behind it.
        match (given.is_empty(), next) {
            (true, Some(next)) => after = Some(next),
            (_, next) => {
                return Ok(Answer {
                    run: ask.run,
                    keep: ask.keep,
                    topic: Some(topic),
                    messages: given,
                    next,
                });
            }
        }
    }
}

/// In queue mode what another client holds is left out, and the rest is this client's (K49).
fn lease(keeping: &Keeping, ask: &Ask, topic: &str, messages: Vec<FetchedMessage>) -> Vec<FetchedMessage> {
    if keeping.keeps[ask.keep].setup.mode != Mode::Queue {
        return messages;
    }
    let free = |message: &FetchedMessage| keeping.leases.take(ask.keep, topic, &message.place.id, ask.to);
    messages.into_iter().filter(free).collect()
}

/// From when on a client without a read position gets messages; `None` = all there are.
pub(crate) fn first_time(first: FirstSubscribe, now: UnixMillis) -> Option<UnixMillis> {
    match first {
        FirstSubscribe::All | FirstSubscribe::Last(_) => None,
        FirstSubscribe::FromNow => Some(now),
        FirstSubscribe::Since(span) => Some(UnixMillis(now.0.saturating_sub(span.as_millis() as u64))),
    }
}
