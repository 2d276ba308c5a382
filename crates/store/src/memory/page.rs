//! Reading a page of a backlog: several spans of queues merged by sequence.

use std::{cmp::Reverse, collections::BinaryHeap};

use restante_model::{NotKept, Seq};

use crate::contract::{Entry, Page, ReadRequest};

use super::{queue::Queue, tables::Tables};

/// Spans that have a bit in [`Entry::spans`].
const SPANS_IN_BITS: usize = 64;

impl Tables {
    /// The next page.
    pub(super) fn page(&self, request: &ReadRequest) -> Page {
        let mut merge = Merge::new(self, request);
        let mut page = Page {
            entries: Vec::new(),
            through: request.after,
            end: false,
        };
        let mut bytes = 0;
        while let Some(seq) = merge.next_seq() {
            let body = self.bodies.get(seq);
            bytes += body.map_or(0, |body| body.len());
            let first = page.entries.is_empty();
            if page.entries.len() >= request.messages_max || (!first && bytes > request.bytes_max) {
                return page;
            }
            let mut entry = Entry {
                seq,
                spans: 0,
                spans_beyond: Vec::new(),
                message: body.map(|body| body.stored(seq)).ok_or(NotKept::Damaged),
            };
            merge.take(seq, &mut entry);
            page.through = seq;
            page.entries.push(entry);
        }
        page.through = page.through.max(self.applied);
        page.end = true;
        page
    }
}

/// The spans of a request, each at its next entry that is not skipped.
struct Merge<'a> {
    request: &'a ReadRequest,
    /// By span; none when its queue is gone.
    queues: Vec<Option<&'a Queue>>,
    /// The next sequence of each span that has one, with the span.
    heads: BinaryHeap<Reverse<(Seq, usize)>>,
}

impl<'a> Merge<'a> {
    fn new(tables: &'a Tables, request: &'a ReadRequest) -> Merge<'a> {
        let queues = request.spans.iter().map(|span| tables.queues.get(&span.queue));
        let mut merge = Merge {
            request,
            queues: queues.collect(),
            heads: BinaryHeap::with_capacity(request.spans.len()),
        };
        for span in 0..request.spans.len() {
            merge.seek(span, request.after);
        }
        merge
    }

    fn next_seq(&self) -> Option<Seq> {
        self.heads.peek().map(|head| head.0.0)
    }

    /// Marks the spans that hold this sequence, and moves them on.
    fn take(&mut self, seq: Seq, entry: &mut Entry) {
        while let Some(&Reverse((head, span))) = self.heads.peek()
            && head == seq
        {
            self.heads.pop();
            if span < SPANS_IN_BITS {
                entry.spans |= 1 << span;
            } else {
                entry.spans_beyond.push(span as u32);
            }
            self.seek(span, seq);
        }
    }

    /// Puts a span at its first entry above `after` that is not skipped.
    fn seek(&mut self, span: usize, after: Seq) {
        let bounds = self.request.spans[span];
        let Some(queue) = self.queues[span] else { return };
        let skip = &self.request.skip;
        let mut position = queue.position_after(bounds.from.max(after));
        while let Some(seq) = queue.seq_at(position).filter(|&seq| seq <= bounds.to) {
            let range = skip.partition_point(|range| range.1 < seq);
            match skip.get(range).filter(|range| range.0 <= seq) {
                Some(range) => position = queue.position_after(range.1),
                None => return self.heads.push(Reverse((seq, span))),
            }
        }
    }
}
