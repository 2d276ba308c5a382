//! Which queues hold their limit beyond their slowest reader; only with `reject-publisher` (K22).

use std::collections::HashSet;

use restante_model::{QueueId, Seq};

use crate::contract::{QueueLimits, WhenFull};

use super::{
    tables::{Rejecting, Tables, queue::Load},
    walk::{Order, View},
};

/// Looks again at the queues in doubt. Answers the full ones if they changed.
pub(crate) fn settle(tables: &mut Tables, limits: &QueueLimits, full: &mut HashSet<u64>) -> bool {
    let Some(rejecting) = &mut tables.rejecting else {
        return false;
    };
    let mut in_doubt = std::mem::take(&mut rejecting.in_doubt);
    in_doubt.sort_unstable();
    in_doubt.dedup();
    let mut changed = false;
    for id in in_doubt {
        changed |= match is_full(tables, id, limits) {
            true => full.insert(id),
            false => full.remove(&id),
        };
    }
    changed
}

/// What the policy needs, if it is the one.
pub(crate) fn rejecting(limits: &QueueLimits) -> Option<Rejecting> {
    (limits.when_full == WhenFull::RejectPublisher).then(Rejecting::default)
}

fn is_full(tables: &Tables, id: u64, limits: &QueueLimits) -> bool {
    let Some(queue) = tables.queues.get(id).filter(|queue| !queue.closed) else {
        return false;
    };
    // What it holds at most: nearly always little.
    let rough = queue.load();
    if !reached(
        Load {
            bytes: rough.bytes + rough.messages * 64,
            ..rough
        },
        limits,
    ) {
        return false;
    }
    let readers = tables
        .rejecting
        .as_ref()
        .and_then(|rejecting| rejecting.readers.get(&id));
    let lowest = |reader: &u64| {
        let session = tables.sessions.get(*reader).filter(|session| !session.is_own())?;
        let mine = session
            .subscriptions
            .iter()
            .filter(|one| one.queue() == Some(QueueId(id)));
        mine.filter_map(|one| one.owed(session.low).next())
            .map(|(from, _)| from)
            .min()
    };
    let Some(slowest) = readers.into_iter().flatten().filter_map(lowest).min() else {
        return false;
    };
    let view = View::take(
        tables,
        QueueId(id),
        slowest,
        Seq::MAX,
        Order::OldestFirst,
        usize::MAX,
    );
    let messages = view.count_to(Seq::MAX);
    // Bytes are known by the run only; a run that the slowest reader is in counts in proportion.
    let bytes = rough.bytes.saturating_mul(messages) / rough.messages.max(1);
    reached(Load { messages, bytes }, limits)
}

fn reached(load: Load, limits: &QueueLimits) -> bool {
    (limits.messages_max > 0 && load.messages >= limits.messages_max)
        || (limits.bytes_max > 0 && load.bytes >= limits.bytes_max)
}
