//! The bodies of messages whose places are known. All bodies of a page are read into one piece of memory, neighbours
//! with one call, and the messages are slices of it: nothing is allocated per message.

use bytes::{Bytes, BytesMut};
use restante_model::{MessageId, NotKept, Seq};

use crate::{
    contract::Entry,
    image::StoredMessage,
    parts::Parts,
    record::{self, Body, MessageRecord},
};

use super::{
    index::{BlockEntry, IndexEntry},
    rescue,
    segment::SegmentFile,
    shared::Shared,
    walk::Place,
    warm::Looked,
};

/// Bytes between two messages that are read along rather than skipped: copying them costs about what one more call
/// does.
const GAP_MAX: u32 = 2048;

/// Blocks of the open segment that are looked up at once.
const BLOCKS_AT_ONCE: usize = 128;

/// A message that goes into a page.
pub(crate) struct Picked {
    pub(crate) entry: IndexEntry,
    /// Which of the places.
    pub(crate) place: u32,
    pub(crate) spans: u64,
    pub(crate) spans_beyond: Vec<u32>,
}

/// Reads the messages, in their order.
pub(crate) fn fetch(shared: &Shared, picked: Vec<Picked>, places: &[Place]) -> Vec<Entry> {
    let pieces = pieces(&picked);
    let total = pieces
        .iter()
        .map(|piece| (piece.end - piece.start) as usize)
        .sum();
    let mut bytes = shared.page_memory.take(total);
    let mut looked = Looked::default();
    for piece in &pieces {
        let end = bytes.len() + (piece.end - piece.start) as usize;
        if let Some(place) = places.get(piece.place as usize) {
            read_piece(shared, &mut looked, place, piece, &mut bytes);
        }
        // What could not be read is zeros, which are no record.
        bytes.resize(end, 0);
    }
    let bytes = shared.page_memory.lend(bytes);
    let mut entries = Vec::with_capacity(picked.len());
    let mut blocks = Blocks::default();
    let (mut picked, mut at, mut damaged) = (picked.into_iter(), 0, 0);
    for piece in &pieces {
        for one in picked.by_ref().take(piece.picked) {
            let from = at + (one.entry.offset - piece.start) as usize;
            let message = bytes
                .get(from..from + one.entry.len as usize)
                .zip(places.get(one.place as usize))
                .and_then(|(record, place)| decode(shared, &one.entry, place, &mut blocks, &bytes, record))
                // One bad sector makes a whole piece unreadable, or what was kept of it is wrong: perhaps the disk
                // still has this one.
                .or_else(|| read_one(shared, &one, places));
            damaged += u64::from(message.is_none());
            entries.push(Entry {
                seq: one.entry.seq,
                spans: one.spans,
                spans_beyond: one.spans_beyond,
                message: message.ok_or(NotKept::Damaged),
            });
        }
        at += (piece.end - piece.start) as usize;
    }
    shared.counters.damaged(damaged);
    entries
}

/// Appends the bytes of a piece, or fewer where the disk refuses.
fn read_piece(shared: &Shared, looked: &mut Looked, place: &Place, piece: &Piece, bytes: &mut BytesMut) {
    let (file, len) = (place.file(), (piece.end - piece.start) as usize);
    // The open segment is still written to.
    if matches!(place, Place::Sealed(_))
        && let Some(kept) = shared.warm.look(looked, file, piece.start, len)
    {
        bytes.extend_from_slice(kept);
        return;
    }
    let at = bytes.len();
    bytes.resize(at + len, 0);
    if file
        .file
        .read_at(u64::from(piece.start), &mut bytes[at..])
        .is_err()
    {
        bytes.truncate(at);
    }
}

/// Bytes of a segment that are read with one call.
struct Piece {
    place: u32,
    start: u32,
    end: u32,
    /// How many messages are in it.
    picked: usize,
}

fn pieces(picked: &[Picked]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for one in picked {
        let (start, end) = (one.entry.offset, one.entry.offset.saturating_add(one.entry.len));
        if let Some(last) = pieces.last_mut()
            && last.place == one.place
            && start >= last.end
            && start - last.end <= GAP_MAX
        {
            last.end = end;
            last.picked += 1;
            continue;
        }
        pieces.push(Piece {
            place: one.place,
            start,
            end,
            picked: 1,
        });
    }
    pieces
}

fn read_one(shared: &Shared, picked: &Picked, places: &[Place]) -> Option<StoredMessage> {
    let place = places.get(picked.place as usize)?;
    let bytes = read(place.file(), picked.entry.offset, picked.entry.len)?;
    decode(
        shared,
        &picked.entry,
        place,
        &mut Blocks::default(),
        &bytes,
        &bytes,
    )
}

pub(crate) fn read(file: &SegmentFile, start: u32, len: u32) -> Option<Bytes> {
    if u64::from(start) + u64::from(len) > file.len {
        return None;
    }
    let mut bytes = vec![0; len as usize];
    file.file.read_at(u64::from(start), &mut bytes).ok()?;
    Some(Bytes::from(bytes))
}

/// The message, if the record is right and is the one that the index means.
fn decode(
    shared: &Shared,
    entry: &IndexEntry,
    place: &Place,
    blocks: &mut Blocks,
    bytes: &Bytes,
    record: &[u8],
) -> Option<StoredMessage> {
    record::verify(record)?;
    let decoded = record::decode(record)?;
    let Body::Message(message) = &decoded.body else {
        return None;
    };
    let id = match decoded.moved {
        Some(moved) => (moved.seq == entry.seq).then_some(moved.id)?,
        None => {
            let block = blocks.find(shared, place, entry)?;
            if block.first.plus(u64::from(decoded.ordinal)) != entry.seq {
                return None;
            }
            record::message_id(block.time.0, place.file().node, decoded.ordinal)
        }
    };
    Some(stored(entry.seq, id, message, record, bytes))
}

/// Blocks that were looked up, for the messages that follow.
#[derive(Default)]
struct Blocks {
    key: Option<u32>,
    /// Ascending.
    list: Vec<BlockEntry>,
}

impl Blocks {
    /// The block a record stands in.
    fn find(&mut self, shared: &Shared, place: &Place, entry: &IndexEntry) -> Option<BlockEntry> {
        if self.key != Some(place.key()) || self.look(entry).is_none() {
            self.key = Some(place.key());
            self.list = around(shared, place, entry.seq)?;
        }
        self.look(entry)
    }

    fn look(&self, entry: &IndexEntry) -> Option<BlockEntry> {
        let after = self.list.partition_point(|block| block.offset <= entry.offset);
        let block = *self.list.get(after.checked_sub(1)?)?;
        (entry.offset - block.offset < block.len).then_some(block)
    }
}

fn around(shared: &Shared, place: &Place, seq: Seq) -> Option<Vec<BlockEntry>> {
    let sealed = match place {
        Place::Sealed(sealed) => sealed.clone(),
        Place::Open(file) => {
            let tables = shared.tables.read();
            match &tables.segments.open {
                Some(open) if open.file.key == file.key => {
                    return Some(open.blocks_from(seq, BLOCKS_AT_ONCE).to_vec());
                }
                // Sealed since the view was taken; or even merged with others, and then only the file itself knows.
                _ => match tables.segments.get(file.key) {
                    Some(sealed) if sealed.file.id == file.id => sealed.clone(),
                    _ => return Some(rescue::blocks(file)),
                },
            }
        }
    };
    Some(sealed.blocks_around(seq))
}

/// A message whose parts are a slice of the bytes it was decoded from.
fn stored(
    seq: Seq,
    id: MessageId,
    message: &MessageRecord<'_>,
    record: &[u8],
    bytes: &Bytes,
) -> StoredMessage {
    StoredMessage {
        seq,
        id,
        qos: message.qos,
        retain: message.retain,
        deadline: message.deadline,
        parts: Parts::of_record(message, record, bytes),
    }
}

/// Reads a message by its sequence alone, out of the block that holds it.
pub(crate) fn by_seq(file: &SegmentFile, block: BlockEntry, seq: Seq) -> Option<StoredMessage> {
    let bytes = read(file, block.offset, block.len)?;
    let mut rest = &bytes[..];
    while let Some(found) = record::first(rest) {
        rest = &rest[found.len()..];
        let Some(decoded) = record::decode(found) else {
            continue;
        };
        let (here, id) = match decoded.moved {
            Some(moved) => (moved.seq, moved.id),
            None => (
                block.first.plus(u64::from(decoded.ordinal)),
                record::message_id(block.time.0, file.node, decoded.ordinal),
            ),
        };
        if here != seq {
            continue;
        }
        record::verify(found)?;
        // A copy, so that one message does not keep its whole block in memory.
        let own = Bytes::copy_from_slice(found);
        return match record::decode(&own)?.body {
            Body::Message(message) => Some(stored(seq, id, &message, &own, &own)),
            Body::Change(_) => None,
        };
    }
    None
}
