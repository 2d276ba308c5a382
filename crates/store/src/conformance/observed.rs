//! What a store shows: all of it, as one value that can be compared with what the naive model expects.

use std::collections::BTreeMap;

use restante_model::{NotKept, Seq, SessionId};

use crate::{
    contract::{Note, QueueSpan},
    image::{SessionImage, StoredMessage},
};

use super::{
    driver::{Driver, whole},
    state::{State, owes},
};

/// Everything that is visible.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Sessions with their backlogs.
    pub sessions: BTreeMap<SessionId, Seen>,
    /// All retained messages, ascending by topic.
    pub retained: Vec<StoredMessage>,
    /// All notes, ascending by key.
    pub notes: Vec<Note>,
}

/// One session, as its client would find it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The image: receipts ascending, epochs without those that the cursor has passed.
    pub image: SessionImage,
    /// What it is owed.
    pub backlog: Vec<Owed>,
    /// The messages of its bindings that are not released, in order.
    pub bound: Vec<Option<StoredMessage>>,
}

/// One message of a backlog.
#[derive(Clone, Debug, PartialEq)]
pub struct Owed {
    /// Its sequence.
    pub seq: Seq,
    /// Bits of the spans that hold it.
    pub spans: u64,
    /// The message.
    pub message: Result<StoredMessage, NotKept>,
}

/// The spans a session reads: one per subscription and epoch above QoS 0.
pub fn spans(image: &SessionImage) -> Vec<QueueSpan> {
    let mut spans = Vec::new();
    for subscription in &image.subscriptions {
        let Some(queue) = subscription.queue else { continue };
        for epoch in subscription
            .epochs
            .parts()
            .iter()
            .filter(|epoch| owes(&epoch.options))
        {
            let (from, to) = (epoch.from, epoch.to);
            spans.push(QueueSpan { queue, from, to });
        }
    }
    spans
}

/// Looks at everything, by pages of so many messages. Sessions that once were are asked for too.
pub fn observe(driver: &Driver, state: &State, page: usize) -> Observed {
    let session = |&id: &SessionId| Some((id, see(driver, driver.session(id)?, page)));
    Observed {
        sessions: state.sessions_ever.iter().filter_map(session).collect(),
        retained: driver.retained_by("#", page),
        notes: driver.notes_by("", page),
    }
}

fn see(driver: &Driver, mut image: SessionImage, page: usize) -> Seen {
    image.receipts.sort_unstable();
    for subscription in &mut image.subscriptions {
        subscription.epochs.forget_below(image.cursor.low());
    }
    let mut skip = vec![(Seq::ZERO, image.cursor.low())];
    skip.extend_from_slice(image.cursor.above());
    let entries = driver.read_all(&spans(&image), &skip, page);
    let owed = entries.into_iter().map(|entry| Owed {
        seq: entry.seq,
        spans: entry.spans,
        message: entry.message,
    });
    let bound = image.bindings.iter().filter(|binding| !binding.released);
    let seqs: Vec<Seq> = bound.map(|binding| binding.seq).collect();
    Seen {
        backlog: owed.collect(),
        bound: driver.bound(image.session, &seqs),
        image,
    }
}

/// What the queues hold that they must not: closed queues hold nothing, and open ones nothing that did not enter
/// them, each once and in order. (They may still hold what all have acknowledged.)
pub fn excess(driver: &Driver, state: &State) -> Option<String> {
    for &queue in &state.queues_ever {
        let entries = driver.read_all(&[whole(queue)], &[], usize::MAX);
        let mut before = Seq::ZERO;
        for entry in entries {
            let entered = state
                .messages
                .iter()
                .any(|(message, queues)| message.seq == entry.seq && queues.contains(&queue));
            if !entered || entry.seq <= before {
                return Some(format!(
                    "{queue:?} holds {} after {before}, which must not be",
                    entry.seq
                ));
            }
            before = entry.seq;
        }
    }
    None
}

/// Where two observations differ, in a sentence; none when they are equal.
pub fn difference(found: &Observed, expected: &Observed) -> Option<String> {
    let ids = |observed: &Observed| observed.sessions.keys().copied().collect::<Vec<_>>();
    if ids(found) != ids(expected) {
        return Some(format!(
            "sessions: found {:?}, expected {:?}",
            ids(found),
            ids(expected)
        ));
    }
    for (id, expected) in &expected.sessions {
        let found = &found.sessions[id];
        if found.image != expected.image {
            return Some(format!(
                "{id:?}: found {:#?}, expected {:#?}",
                found.image, expected.image
            ));
        }
        let seqs = |seen: &Seen| {
            seen.backlog
                .iter()
                .map(|owed| (owed.seq, owed.spans))
                .collect::<Vec<_>>()
        };
        if seqs(found) != seqs(expected) {
            let (found, expected) = (seqs(found), seqs(expected));
            return Some(format!(
                "{id:?}: found the backlog {found:?}, expected {expected:?}"
            ));
        }
        let differs = found
            .backlog
            .iter()
            .zip(&expected.backlog)
            .find(|(found, expected)| found != expected);
        if let Some((found, expected)) = differs {
            let (found, expected) = (short(found), short(expected));
            return Some(format!("{id:?}: found {found}, expected {expected}"));
        }
        if found.bound != expected.bound {
            let (found, expected) = (short(&found.bound), short(&expected.bound));
            return Some(format!("{id:?}: found bound {found}, expected {expected}"));
        }
    }
    if found.notes != expected.notes {
        let (found, expected) = (short(&found.notes), short(&expected.notes));
        return Some(format!("notes: found {found}, expected {expected}"));
    }
    (found.retained != expected.retained).then(|| {
        let (found, expected) = (short(&found.retained), short(&expected.retained));
        format!("retained: found {found}, expected {expected}")
    })
}

/// Enough to see what it is; payloads are long.
fn short(value: &impl std::fmt::Debug) -> String {
    const CHARACTERS: usize = 600;
    format!("{value:?}").chars().take(CHARACTERS).collect()
}
