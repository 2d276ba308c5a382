//! Walking the blocks of a file that nobody vouches for, and deciding what was torn and what was damaged.

use std::io;

use restante_model::Seq;

use crate::{
    io::DiskFile,
    record::{self, Record},
};

use super::{
    block::{ALIGN, BLOCK_HEADER, BLOCK_MAGIC, BlockHeader, FILE_HEADER},
    window::Window,
};

/// Bytes searched at once for the next block behind a bad one.
const SEARCH: usize = 256 << 10;

/// What is known about a file before it is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// All that was written had been synced: what is bad is damage.
    Durable,
    /// The last commits may be torn.
    Tail,
}

/// One step of a walk.
pub(crate) enum Step<'a> {
    /// A block as it was written.
    Block {
        header: BlockHeader,
        /// Where its header stands.
        at: u64,
        body: &'a [u8],
    },
    /// A region that had been durable and is not what was written.
    Damaged {
        /// The header of its first block, if that can be read.
        header: Option<BlockHeader>,
        at: u64,
        /// Where the next good header stands.
        to: u64,
        /// What there is of the body; empty without a header.
        body: &'a [u8],
    },
}

/// A walk from the first block on.
pub(crate) struct Scan<'f> {
    window: Window<'f>,
    seed: u32,
    trust: Trust,
    at: u64,
    /// The next block's first sequence is at least this.
    expected: Seq,
    vouched: u64,
    torn: bool,
    ended: bool,
    done: bool,
}

impl<'f> Scan<'f> {
    pub(crate) fn new(file: &'f dyn DiskFile, seed: u32, trust: Trust) -> io::Result<Scan<'f>> {
        Ok(Scan {
            window: Window::new(file)?,
            seed,
            trust,
            at: FILE_HEADER as u64,
            expected: Seq::ZERO,
            vouched: 0,
            torn: false,
            ended: false,
            done: false,
        })
    }

    /// Where the data ends, once [`Scan::step`] has answered `None`.
    pub(crate) fn end(&self) -> u64 {
        self.at
    }

    /// Up to where some block of the file says that it had been synced. What is behind may only be in the system's
    /// memory: a failed sync leaves it there, marked as written.
    pub(crate) fn vouched(&self) -> u64 {
        self.vouched.min(self.at)
    }

    /// Whether a block was begun at the end and not finished.
    pub(crate) fn torn(&self) -> bool {
        self.torn
    }

    /// Whether the end was marked.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// The sequence that the next block would have at least.
    pub(crate) fn expected(&self) -> Seq {
        self.expected
    }

    /// The next block or damaged region.
    pub(crate) fn step(&mut self) -> Option<Step<'_>> {
        if self.done {
            return None;
        }
        let at = self.at;
        let header = self.header(at);
        let body_at = at + BLOCK_HEADER as u64;
        if let Some(header) = header {
            if header.is_end() {
                (self.done, self.ended) = (true, true);
                self.vouched = self.vouched.max(header.durable_offset);
                return None;
            }
            let len = header.body_len as usize;
            let body = self.window.get(body_at, len);
            if body.len() == len && header.seals(body) {
                self.at += header.span();
                self.expected = header.end();
                self.vouched = self.vouched.max(header.durable_offset);
                let body = self.window.get(body_at, len);
                return Some(Step::Block { header, at, body });
            }
        }
        let to = match self.next_good(at, header.as_ref()) {
            Some(to) => {
                self.at = to;
                to
            }
            None => {
                self.done = true;
                self.torn = header.is_some();
                if self.trust == Trust::Tail {
                    return None;
                }
                // All was durable, the mark at the end too: so the end is damaged.
                self.window.len()
            }
        };
        let Some(header) = header else {
            return Some(Step::Damaged {
                header: None,
                at,
                to,
                body: &[],
            });
        };
        self.expected = header.end();
        let len = to.saturating_sub(body_at).min(u64::from(header.body_len)) as usize;
        let body = self.window.get(body_at, len);
        Some(Step::Damaged {
            header: Some(header),
            at,
            to,
            body,
        })
    }

    fn header(&mut self, at: u64) -> Option<BlockHeader> {
        let bytes = self.window.get(at, BLOCK_HEADER);
        BlockHeader::decode(self.seed, bytes).filter(|header| header.first >= self.expected)
    }

    /// Where the next header behind a bad block stands, if it proves that the bad block had been durable.
    fn next_good(&mut self, bad: u64, header: Option<&BlockHeader>) -> Option<u64> {
        let expected = header.map_or(self.expected, BlockHeader::end);
        // Where the bad block's own header is right, the next block cannot begin within its body.
        let mut at = bad + header.map_or(ALIGN, BlockHeader::span);
        let mut nearest = None;
        while at + BLOCK_HEADER as u64 <= self.window.len() {
            let piece = self.window.get(at, SEARCH);
            let searched = piece.len() as u64;
            let mut found = Vec::new();
            for (index, place) in piece.chunks(ALIGN as usize).enumerate() {
                if place.starts_with(&BLOCK_MAGIC) {
                    found.push(at + index as u64 * ALIGN);
                }
            }
            for place in found {
                let bytes = self.window.get(place, BLOCK_HEADER);
                let Some(later) =
                    BlockHeader::decode(self.seed, bytes).filter(|later| later.first >= expected)
                else {
                    continue;
                };
                let nearest = *nearest.get_or_insert(place);
                if self.trust == Trust::Durable || later.durable_offset > bad {
                    return Some(nearest);
                }
            }
            at += searched.max(1).next_multiple_of(ALIGN);
        }
        None
    }
}

/// The records of a block, each with its place in the body, and how many could not be read. In a block that is not
/// what was written, those are taken that are right by themselves.
pub(crate) fn records<'a>(header: &BlockHeader, body: &'a [u8]) -> (Vec<(usize, Record<'a>)>, u64) {
    let mut good = Vec::with_capacity(header.records.min(1 << 16) as usize);
    let mut next = 0;
    let mut rest = record::Records::new(body);
    loop {
        let at = rest.at();
        match rest.next() {
            None => break,
            Some(Ok(record)) if record.moved.is_some() => good.push((at, record)),
            Some(Ok(record)) if record.ordinal >= next && record.ordinal < header.ordinals => {
                next = record.ordinal + 1;
                good.push((at, record));
            }
            Some(_) => {}
        }
    }
    let lost = u64::from(header.records).saturating_sub(good.len() as u64);
    (good, lost)
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
