//! File headers and block headers, and whether the bytes of a block are exactly what was written.

use restante_model::{Seq, UnixMicros};

use crate::{
    record,
    wire::{u32_at, u64_at},
};

use super::{manifest::FORMAT, names::FileId};

/// Bytes of a file header; blocks begin here.
pub(crate) const FILE_HEADER: usize = 512;

/// Bytes of a block header.
pub(crate) const BLOCK_HEADER: usize = 56;

/// Blocks begin at multiples of this.
pub(crate) const ALIGN: u64 = 8;

/// The first bytes of a block.
pub(crate) const BLOCK_MAGIC: [u8; 4] = *b"RBLK";

/// The most segments one merge replaces.
pub(crate) const SOURCES_MAX: usize = 56;

const SEGMENT_MAGIC: &[u8; 8] = b"RSTSEGM\0";
const STATE_MAGIC: &[u8; 8] = b"RSTSTAT\0";

/// What kind of file blocks stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Segment,
    State,
}

/// The header of a segment or state file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) kind: FileKind,
    pub(crate) id: FileId,
    pub(crate) salt: u64,
    pub(crate) node: u64,
    /// The segments this one replaces; empty when it was written by commits.
    pub(crate) sources: Vec<FileId>,
    /// Bytes of the file when it was begun; 0 where that is not said: in a file that grows, or of an older program.
    pub(crate) len: u64,
    /// A checkpoint up to here was durable when the file was begun, or a later one.
    pub(crate) marked: Seq,
}

/// Why bytes are no file header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoHeader {
    /// Not begun, an old life, or damage.
    Other,
    /// Right, but of a format this program does not know.
    Newer(u32),
}

impl FileHeader {
    pub(crate) fn encode(&self) -> [u8; FILE_HEADER] {
        let mut bytes = [0; FILE_HEADER];
        bytes[..8].copy_from_slice(magic(self.kind));
        bytes[12..16].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.id.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.salt.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.node.to_le_bytes());
        bytes[44..52].copy_from_slice(&self.len.to_le_bytes());
        bytes[52..60].copy_from_slice(&self.marked.0.to_le_bytes());
        let sources = &self.sources[..self.sources.len().min(SOURCES_MAX)];
        bytes[40..44].copy_from_slice(&(sources.len() as u32).to_le_bytes());
        for (place, source) in bytes[64..].chunks_exact_mut(8).zip(sources) {
            place.copy_from_slice(&source.0.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(kind: FileKind, bytes: &[u8; FILE_HEADER]) -> Result<FileHeader, NoHeader> {
        if &bytes[..8] != magic(kind) || u32_at(bytes, 8) != Some(crc32c::crc32c(&bytes[12..])) {
            return Err(NoHeader::Other);
        }
        let format = u32_at(bytes, 12).ok_or(NoHeader::Other)?;
        if format > FORMAT {
            return Err(NoHeader::Newer(format));
        }
        let fields = || {
            let count = u32_at(bytes, 40)? as usize;
            let sources = (0..count.min(SOURCES_MAX)).map(|at| Some(FileId(u64_at(bytes, 64 + 8 * at)?)));
            Some(FileHeader {
                kind,
                id: FileId(u64_at(bytes, 16)?),
                salt: u64_at(bytes, 24)?,
                node: u64_at(bytes, 32)?,
                sources: sources.collect::<Option<_>>()?,
                len: u64_at(bytes, 44)?,
                marked: Seq(u64_at(bytes, 52)?),
            })
        };
        fields().ok_or(NoHeader::Other)
    }

    /// What block headers of this file are seeded with.
    pub(crate) fn seed(&self) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&self.id.0.to_le_bytes()), &self.salt.to_le_bytes())
    }
}

fn magic(kind: FileKind) -> &'static [u8; 8] {
    match kind {
        FileKind::Segment => SEGMENT_MAGIC,
        FileKind::State => STATE_MAGIC,
    }
}

/// The header of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) first: Seq,
    pub(crate) time: UnixMicros,
    pub(crate) body_len: u32,
    pub(crate) records: u32,
    pub(crate) ordinals: u32,
    pub(crate) seal: u32,
    pub(crate) durable_offset: u64,
}

impl BlockHeader {
    pub(crate) fn encode(&self, seed: u32) -> [u8; BLOCK_HEADER] {
        let mut bytes = [0; BLOCK_HEADER];
        bytes[..4].copy_from_slice(&BLOCK_MAGIC);
        bytes[8..16].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.time.0.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.body_len.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.records.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.ordinals.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.seal.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.durable_offset.to_le_bytes());
        let crc = crc32c::crc32c_append(seed, &bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(seed: u32, bytes: &[u8]) -> Option<BlockHeader> {
        let bytes = bytes.get(..BLOCK_HEADER)?;
        if bytes[..4] != BLOCK_MAGIC || u32_at(bytes, 4)? != crc32c::crc32c_append(seed, &bytes[8..]) {
            return None;
        }
        Some(BlockHeader {
            first: Seq(u64_at(bytes, 8)?),
            time: UnixMicros(u64_at(bytes, 16)?),
            body_len: u32_at(bytes, 24)?,
            records: u32_at(bytes, 28)?,
            ordinals: u32_at(bytes, 32)?,
            seal: u32_at(bytes, 36)?,
            durable_offset: u64_at(bytes, 40)?,
        })
    }

    /// The header of a block without records: nothing is behind it, and all before it had been durable.
    pub(crate) fn end_of_file(first: Seq, time: UnixMicros, at: u64) -> BlockHeader {
        BlockHeader {
            first,
            time,
            body_len: 0,
            records: 0,
            ordinals: 0,
            seal: 0,
            durable_offset: at,
        }
    }

    /// Whether nothing is behind it.
    pub(crate) fn is_end(&self) -> bool {
        self.records == 0 && self.body_len == 0
    }

    /// Bytes of the block in the file, up to where the next one begins.
    pub(crate) fn span(&self) -> u64 {
        span(self.body_len as usize)
    }

    /// The sequence behind the last of this block.
    pub(crate) fn end(&self) -> Seq {
        Seq(self.first.0.saturating_add(u64::from(self.ordinals)))
    }

    /// Whether a body is exactly what was written under this header.
    pub(crate) fn seals(&self, body: &[u8]) -> bool {
        let mut rest = body;
        let (mut seal, mut records) = (0, 0);
        while !rest.is_empty() {
            let Some(record) = record::first(rest) else {
                return false;
            };
            let Some(crc) = record::verify(record) else {
                return false;
            };
            seal = record::fold(seal, crc);
            records += 1;
            rest = &rest[record.len()..];
        }
        (seal, records) == (self.seal, self.records)
    }
}

/// Bytes that a block with a body of this length takes in a file.
pub(crate) fn span(body_len: usize) -> u64 {
    ((BLOCK_HEADER + body_len) as u64).next_multiple_of(ALIGN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{batch::Batch, change::Change};
    use restante_model::SessionId;

    #[test]
    fn headers_come_back() {
        let header = FileHeader {
            kind: FileKind::State,
            id: FileId::new(3, 4),
            salt: 99,
            node: 5,
            sources: vec![FileId::new(1, 1), FileId::new(1, 2)],
            len: 1 << 20,
            marked: Seq(77),
        };
        let mut bytes = header.encode();
        assert_eq!(FileHeader::decode(FileKind::State, &bytes), Ok(header));
        assert_eq!(
            FileHeader::decode(FileKind::Segment, &bytes),
            Err(NoHeader::Other)
        );
        bytes[12] = 9;
        let crc = crc32c::crc32c(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(
            FileHeader::decode(FileKind::State, &bytes),
            Err(NoHeader::Newer(9))
        );
    }

    #[test]
    fn a_block_of_another_file_or_another_body_does_not_pass() {
        let mut batch = Batch::default();
        batch.change(&Change::SessionEnded {
            session: SessionId(1),
        });
        batch.change(&Change::SessionEnded {
            session: SessionId(2),
        });
        let header = BlockHeader {
            first: Seq(7),
            time: UnixMicros(8),
            body_len: batch.bytes_len() as u32,
            records: 2,
            ordinals: 2,
            seal: batch.seal(),
            durable_offset: 512,
        };
        let bytes = header.encode(1);
        assert_eq!(BlockHeader::decode(1, &bytes), Some(header));
        assert_eq!(BlockHeader::decode(2, &bytes), None);
        assert!(header.seals(batch.bytes()));
        let half = batch.bytes_len() / 2;
        assert!(!header.seals(&batch.bytes()[..half]));
        let swapped = [&batch.bytes()[half..], &batch.bytes()[..half]].concat();
        assert!(!header.seals(&swapped));
        assert_eq!((header.span() % ALIGN, header.end()), (0, Seq(9)));
    }
}
