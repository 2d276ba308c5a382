use std::{io::IoSlice, sync::Arc};

use restante_model::{SessionId, UnixMicros};

use super::*;
use crate::{batch::Batch, change::Change, folder::FolderDisk, io::Disk};

const SEED: u32 = 5;

struct Laid {
    _folder: tempfile::TempDir,
    file: Arc<dyn DiskFile>,
    /// Where each block begins.
    places: Vec<u64>,
}

/// A file with blocks of three records each; block `i` says that the file was synced up to `durable[i]` blocks.
fn lay(durable: &[usize]) -> Laid {
    let folder = tempfile::tempdir().unwrap();
    let disk = FolderDisk::open(folder.path()).unwrap();
    let file = disk.create("f", 64 << 10).unwrap();
    let mut at = FILE_HEADER as u64;
    let mut places: Vec<u64> = Vec::new();
    for (index, &durable) in durable.iter().enumerate() {
        places.push(at);
        let mut batch = Batch::default();
        for id in 0..3 {
            batch.change(&Change::SessionEnded {
                session: SessionId(id),
            });
        }
        let header = BlockHeader {
            first: Seq(100 + 3 * index as u64),
            time: UnixMicros(1),
            body_len: batch.bytes_len() as u32,
            records: 3,
            ordinals: 3,
            seal: batch.seal(),
            durable_offset: places[durable],
        };
        file.write_at(
            at,
            &[IoSlice::new(&header.encode(SEED)), IoSlice::new(batch.bytes())],
        )
        .unwrap();
        at += header.span();
    }
    Laid {
        _folder: folder,
        file,
        places,
    }
}

/// What a walk sees: `+first` for a good block, `-first` or `-?` for a damaged one; then where it ended.
fn walk(file: &dyn DiskFile, trust: Trust) -> (String, u64, bool) {
    let mut scan = Scan::new(file, SEED, trust).unwrap();
    let mut seen = String::new();
    while let Some(step) = scan.step() {
        match step {
            Step::Block { header, .. } => seen += &format!("+{} ", header.first.0),
            Step::Damaged {
                header: Some(header), ..
            } => seen += &format!("-{} ", header.first.0),
            Step::Damaged { header: None, .. } => seen += "-? ",
        }
    }
    (seen.trim_end().into(), scan.end(), scan.torn())
}

fn spoil(file: &dyn DiskFile, at: u64) {
    let mut byte = [0];
    file.read_at(at, &mut byte).unwrap();
    file.write_at(at, &[IoSlice::new(&[byte[0] ^ 1])]).unwrap();
}

#[test]
fn a_whole_file_is_walked_to_its_end() {
    let laid = lay(&[0, 1, 2]);
    let (seen, end, torn) = walk(&*laid.file, Trust::Tail);
    assert_eq!((seen.as_str(), torn), ("+100 +103 +106", false));
    assert_eq!(end, laid.places[2] + (laid.places[2] - laid.places[1]));
}

#[test]
fn a_hole_that_nothing_proves_durable_is_a_torn_tail() {
    // Blocks 1 to 3 were one commit: each says that the file was synced up to block 1.
    let laid = lay(&[0, 1, 1, 1]);
    spoil(&*laid.file, laid.places[2] + 60);
    assert_eq!(
        walk(&*laid.file, Trust::Tail),
        ("+100 +103".into(), laid.places[2], true)
    );
    spoil(&*laid.file, laid.places[1] + 10);
    assert_eq!(
        walk(&*laid.file, Trust::Tail),
        ("+100".into(), laid.places[1], false)
    );
}

#[test]
fn a_hole_that_a_later_block_proves_durable_is_damage() {
    let laid = lay(&[0, 1, 2, 3]);
    spoil(&*laid.file, laid.places[1] + 60);
    assert_eq!(walk(&*laid.file, Trust::Tail).0, "+100 -103 +106 +109");
    spoil(&*laid.file, laid.places[2] + 10);
    assert_eq!(walk(&*laid.file, Trust::Tail).0, "+100 -103 +109");
    spoil(&*laid.file, laid.places[1] + 10);
    assert_eq!(walk(&*laid.file, Trust::Tail).0, "+100 -? +109");
}

#[test]
fn in_a_sealed_file_a_hole_is_damage_whatever_the_blocks_say() {
    let laid = lay(&[0, 0, 0]);
    spoil(&*laid.file, laid.places[1] + 60);
    // Nor is the end marked.
    assert_eq!(walk(&*laid.file, Trust::Durable).0, "+100 -103 +106 -?");
    let end = laid.places[2] + (laid.places[2] - laid.places[1]);
    let mark = BlockHeader::end_of_file(Seq(109), UnixMicros(1), end).encode(SEED);
    laid.file.write_at(end, &[IoSlice::new(&mark)]).unwrap();
    assert_eq!(walk(&*laid.file, Trust::Durable).0, "+100 -103 +106");
    spoil(&*laid.file, laid.places[2] + 60);
    assert_eq!(walk(&*laid.file, Trust::Durable).0, "+100 -103 -106");
    assert_eq!(walk(&*laid.file, Trust::Tail).0, "+100 -103 -106");
}

#[test]
fn blocks_of_an_older_life_are_no_blocks() {
    let laid = lay(&[0, 1, 2]);
    let mut scan = Scan::new(&*laid.file, SEED + 1, Trust::Durable).unwrap();
    let from = FILE_HEADER as u64;
    assert!(matches!(scan.step(), Some(Step::Damaged { header: None, at, .. }) if at == from));
    assert!(scan.step().is_none());
    let mut scan = Scan::new(&*laid.file, SEED + 1, Trust::Tail).unwrap();
    assert!(scan.step().is_none());
    assert_eq!(scan.end(), from);
}

#[test]
fn any_bytes_are_walked_without_a_panic() {
    use proptest::prelude::*;
    proptest!(ProptestConfig::with_cases(64), |(at in 0u64..2000, bytes: Vec<u8>)| {
        let laid = lay(&[0, 1, 1, 3, 4]);
        laid.file.write_at(at, &[IoSlice::new(&bytes)]).unwrap();
        for trust in [Trust::Tail, Trust::Durable] {
            let (seen, end, _) = walk(&*laid.file, trust);
            prop_assert!(end <= laid.file.len().unwrap());
            prop_assert!(seen.len() < 200);
        }
    });
}
