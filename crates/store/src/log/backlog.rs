//! What waits for a session of the broker's own. Asked about once a second while publishers wait for the answer, so what
//! must be read from an index for it is read by the house, at each tick.

use std::sync::Arc;

use restante_model::{QueueId, Seq, SessionId, UnixMillis};

use crate::{contract::Backlog, record};

use super::{
    fetch,
    segment::Sealed,
    shared::Shared,
    tables::{Tables, own::First, queue::Run},
    walk::position,
};

/// What waits, as of the last applied batch; of the run that the cursor stands in, as of the last tick.
pub(crate) fn backlog(tables: &Tables, id: SessionId) -> Backlog {
    let mut sum = Backlog::default();
    for (queue, from) in tables.own_readings(id) {
        add_queue(tables, id, queue, from, &mut sum);
    }
    sum
}

fn add_queue(tables: &Tables, id: SessionId, queue: QueueId, from: Seq, sum: &mut Backlog) {
    let Some(found) = tables.queues.get(queue.0) else {
        return;
    };
    let known = tables.own.first(id, queue);
    let mut oldest = None;
    let mut bytes_in_runs = 0;
    for run in found.runs() {
        bytes_in_runs += run.bytes();
        if run.last <= from {
            continue;
        }
        let passed = match known {
            Some(first) if run.first <= from && first.is_of(run) && first.low <= from => first.passed,
            _ => 0,
        };
        let left = u64::from(run.count.saturating_sub(passed));
        sum.messages += left;
        sum.bytes += run.bytes() * left / u64::from(run.count.max(1));
        // Of a run that nobody has looked at, all came after the last tick, or what came before it is known.
        oldest.get_or_insert_with(|| known.map_or(tables.now, |first| first.oldest));
    }
    if let Some(entries) = found.open() {
        let passed = entries.partition_point(|entry| entry.seq <= from);
        let bytes_passed: u64 = entries.range(..passed).map(|entry| u64::from(entry.len)).sum();
        sum.messages += (entries.len() - passed) as u64;
        sum.bytes += (found.load().bytes - bytes_in_runs).saturating_sub(bytes_passed);
        if let Some(entry) = entries.get(passed) {
            oldest = oldest.or_else(|| published_in_open(tables, entry.seq));
        }
    }
    sum.oldest = sum.oldest.into_iter().chain(oldest).min();
}

fn published_in_open(tables: &Tables, seq: Seq) -> Option<UnixMillis> {
    let block = tables.segments.open.as_ref()?.blocks_from(seq, 1).first()?;
    Some(block.time.millis())
}

/// Looks where each reader of the broker's own stands in the first run of what waits for it.
pub(crate) fn look(shared: &Shared) {
    let readings: Vec<_> = {
        let tables = shared.tables.read();
        let sessions: Vec<SessionId> = tables.own.sessions().collect();
        let each = sessions
            .into_iter()
            .flat_map(|id| tables.own_readings(id).map(move |read| (id, read)));
        each.map(|(id, (queue, from))| (id, queue, from, Place::find(&tables, id, queue, from)))
            .collect()
    };
    let looked: Vec<_> = readings
        .into_iter()
        .map(|(id, queue, from, place)| (id, queue, place.look(from)))
        .collect();
    if !looked.is_empty() {
        let mut tables = shared.tables.write();
        for (id, queue, first) in looked {
            tables.own.set_first(id, queue, first);
        }
    }
}

/// Where the first message is that waits.
enum Place {
    Nowhere,
    /// Known already, or in the open segment.
    Known(First),
    Run(Arc<Sealed>, Run),
}

impl Place {
    fn find(tables: &Tables, id: SessionId, queue: QueueId, from: Seq) -> Place {
        let Some(found) = tables.queues.get(queue.0) else {
            return Place::Nowhere;
        };
        if let Some(run) = found.runs().find(|run| run.last > from) {
            let known = tables.own.first(id, queue);
            if let Some(known) = known.filter(|known| known.low == from && known.is_of(run)) {
                return Place::Known(known);
            }
            return match tables.segments.get(run.segment) {
                Some(segment) => Place::Run(segment.clone(), *run),
                None => Place::Nowhere,
            };
        }
        // Sealed, its segment keeps its key: until the next tick at least its oldest is known.
        let entries = found.open().into_iter().flatten();
        let first = entries.into_iter().find(|entry| entry.seq > from);
        let open = tables.segments.open.as_ref();
        match first.and_then(|entry| Some((open?, published_in_open(tables, entry.seq)?))) {
            Some((open, oldest)) => Place::Known(First {
                segment: open.file.key,
                count: 0,
                low: from,
                passed: 0,
                oldest,
            }),
            None => Place::Nowhere,
        }
    }

    /// Reads a few pages of the index, and the first record.
    fn look(self, from: Seq) -> Option<First> {
        let (segment, run) = match self {
            Place::Nowhere => return None,
            Place::Known(first) => return Some(first),
            Place::Run(segment, run) => (segment, run),
        };
        // Where the index cannot be read nothing counts as passed.
        let passed = position(&segment, &run, from).unwrap_or(0);
        let last_time = segment.summary.last_time.millis();
        Some(First {
            segment: run.segment,
            count: run.count,
            low: from,
            passed,
            oldest: published(&segment, &run, passed).unwrap_or(last_time),
        })
    }
}

/// When the message was published whose entry has this number in its run.
fn published(segment: &Sealed, run: &Run, number: u32) -> Option<UnixMillis> {
    let mut entries = Vec::new();
    let at = run.at + number.min(run.count.saturating_sub(1));
    segment.index().read_entries(at, 1, &mut entries).ok()?;
    let entry = entries.first()?;
    let bytes = fetch::read(&segment.file, entry.offset, entry.len)?;
    record::verify(&bytes)?;
    // Of a moved record the block says when others were published.
    match record::decode(&bytes)?.moved {
        Some(moved) => Some(UnixMillis(moved.id.micros() / 1000)),
        None => Some(segment.block_of(entry.seq)?.time.millis()),
    }
}
