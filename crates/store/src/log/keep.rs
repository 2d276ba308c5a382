//! The keeper: applies what was committed to the tables, in order, and lets go what waited for it.
//!
//! What is committed is acknowledged already. While nobody asks about it the keeper lets some gather, so that it does not
//! have to be woken, and take a core from others, for each commit.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use restante_model::Seq;

use crate::record::{self, Body, Record};

use super::{
    block::BLOCK_HEADER,
    index::BlockEntry,
    shared::{Committed, GATHERED_MAX, Keeper, Shared, Submitted},
    tables::Tables,
    waited,
};

/// Bytes of records applied under one lock.
const SLICE_BYTES: usize = 256 << 10;

/// How long commits gather behind one that was applied.
const GATHERING: Duration = Duration::from_millis(2);

/// Runs until the committer has ended and everything it committed is applied.
pub(crate) fn run(shared: &Arc<Shared>) {
    let mut list = VecDeque::new();
    while next(shared, &mut list) {
        for thing in list.drain(..) {
            match thing {
                Committed::Batch { submitted, offset } => apply(shared, submitted, offset),
                Committed::Segment(next) => {
                    let mut tables = shared.tables.write();
                    let unused = tables
                        .segments
                        .open
                        .take_if(|open| open.blocks.is_empty())
                        .map(|open| open.file);
                    let sealed = tables.seal();
                    tables.open_segment(next);
                    drop(tables);
                    shared.ring_house(|house| {
                        house.unwritten.extend(sealed);
                        house.unused.extend(unused);
                    });
                }
            }
        }
    }
    shared.requests.over();
}

/// Waits for something to be applied; the list is empty. Answers false when there will be no more.
fn next(shared: &Shared, list: &mut VecDeque<Committed>) -> bool {
    let mut committed = shared.committed.lock();
    // The first after a pause is applied at once, and so is what somebody waits for.
    let gathers =
        committed.keeper == Keeper::Busy && !committed.closed && committed.list.len() < GATHERED_MAX;
    if gathers && !shared.requests.any_early() && !shared.has_told_to_wait() {
        committed.keeper = Keeper::Gathering;
        // Woken earlier or not: what there is is taken.
        shared.committed_bell.wait_for(&mut committed, GATHERING);
    }
    while committed.list.is_empty() && !committed.closed {
        committed.keeper = Keeper::Idle;
        shared.committed_bell.wait(&mut committed);
    }
    committed.keeper = Keeper::Busy;
    std::mem::swap(&mut committed.list, list);
    !list.is_empty()
}

fn apply(shared: &Shared, submitted: Submitted, offset: u32) {
    let Submitted {
        first,
        last,
        time,
        batch,
    } = submitted;
    let bytes = batch.bytes();
    let mut at = 0;
    let mut full_changed = None;
    let mut ended = Vec::new();
    while at < bytes.len() || at == 0 {
        let mut tables = shared.tables.write();
        if at == 0 && !bytes.is_empty() {
            begin_block(
                &mut tables,
                BlockEntry {
                    first,
                    time,
                    offset,
                    len: bytes.len() as u32,
                },
                last,
            );
        }
        let slice_end = at + SLICE_BYTES;
        while at < bytes.len().min(slice_end) {
            let Some(record) = record::first(&bytes[at..]) else {
                at = bytes.len();
                break;
            };
            if let Some(decoded) = record::decode(record) {
                apply_record(
                    &mut tables,
                    first,
                    time.0,
                    shared.node,
                    offset + at as u32,
                    decoded,
                );
            }
            at += record.len();
        }
        ended.append(&mut tables.take_ended());
        if at >= bytes.len() {
            tables.applied = last;
            if tables.rejecting.is_some() {
                let mut full = shared.queues_full.read().clone();
                let changed = super::full::settle(&mut tables, &shared.settings.limits, &mut full);
                full_changed = changed.then_some(full);
            }
            break;
        }
    }
    if let Some(full) = full_changed {
        *shared.queues_full.write() = full;
        shared.wake();
    }
    waited::settle(shared, first, &batch, ended);
    let pending = bytes.len();
    shared.recycle(batch);
    shared.relieve(pending);
    shared.requests.applied(last);
}

/// A block of the open segment is being applied, by the keeper or by recovery.
pub(crate) fn begin_block(tables: &mut Tables, block: BlockEntry, last: Seq) {
    tables.last_time = tables.last_time.max(block.time);
    if let Some(open) = &mut tables.segments.open {
        open.blocks.push(block);
        open.last = open.last.max(last);
        open.end = super::block::span(block.len as usize) + u64::from(block.offset) - BLOCK_HEADER as u64;
        open.last_time = open.last_time.max(block.time);
    }
}

/// Applies one record of a block that begins with `first`.
pub(crate) fn apply_record(
    tables: &mut Tables,
    first: Seq,
    time: u64,
    node: u64,
    offset: u32,
    record: Record<'_>,
) {
    let seq = first.plus(u64::from(record.ordinal));
    match record.body {
        Body::Message(message) => {
            let id = record::message_id(time, node, record.ordinal);
            tables.message(seq, id, offset, record.len as u32, &message);
        }
        Body::Change(change) => tables.change(seq, change),
    }
    tables.applied = tables.applied.max(seq);
}
