//! The keeper: applies what was committed to the tables, in order, and lets go what waited for it.

use std::sync::Arc;

use restante_model::Seq;

use crate::record::{self, Body, Record};

use super::{
    block::BLOCK_HEADER,
    index::BlockEntry,
    shared::{Committed, Shared, Submitted},
    tables::Tables,
    waited,
};

/// Bytes of records applied under one lock.
const SLICE_BYTES: usize = 256 << 10;

/// Runs until the committer has ended and everything it committed is applied.
pub(crate) fn run(shared: &Arc<Shared>) {
    let mut list = std::collections::VecDeque::new();
    loop {
        {
            let mut committed = shared.committed.lock();
            while committed.list.is_empty() && !committed.closed {
                shared.committed_bell.wait(&mut committed);
            }
            if committed.list.is_empty() {
                break;
            }
            std::mem::swap(&mut committed.list, &mut list);
        }
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
