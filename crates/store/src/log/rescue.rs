//! When an index cannot be read: looking for its entries in the segment itself. Slow, and rare.

use restante_model::QueueId;

use crate::record::Body;

use super::{
    block::BLOCK_HEADER,
    index::{BlockEntry, IndexEntry},
    scan::{Scan, Step, Trust, records},
    segment::SegmentFile,
};

/// The entries of one queue in a segment, ascending.
pub(crate) fn entries(segment: &SegmentFile, queue: QueueId) -> Vec<IndexEntry> {
    let mut found = Vec::new();
    each_block(segment, |block, header, body| {
        for (at, record) in records(header, body).0 {
            if let Body::Message(message) = &record.body
                && message.queues.clone().any(|id| id == queue)
            {
                let seq = record
                    .moved
                    .map_or(block.first.plus(record.ordinal.into()), |moved| moved.seq);
                let (offset, len) = (block.offset + at as u32, record.len as u32);
                found.push(IndexEntry { seq, offset, len });
            }
        }
    });
    found
}

/// The blocks of a segment, ascending.
pub(crate) fn blocks(segment: &SegmentFile) -> Vec<BlockEntry> {
    let mut found = Vec::new();
    each_block(segment, |block, _, _| found.push(block));
    found
}

fn each_block(segment: &SegmentFile, mut each: impl FnMut(BlockEntry, &super::block::BlockHeader, &[u8])) {
    let Ok(mut scan) = Scan::new(&*segment.file, segment.seed, Trust::Durable) else {
        return;
    };
    while let Some(step) = scan.step() {
        let (header, at, body) = match step {
            Step::Block { header, at, body } => (header, at, body),
            Step::Damaged {
                header: Some(header),
                at,
                body,
                ..
            } => (header, at, body),
            Step::Damaged { header: None, .. } => continue,
        };
        let block = BlockEntry {
            first: header.first,
            time: header.time,
            offset: (at + BLOCK_HEADER as u64) as u32,
            len: body.len() as u32,
        };
        each(block, &header, body);
    }
}
