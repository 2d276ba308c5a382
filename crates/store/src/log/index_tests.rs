use std::io::IoSlice;

use super::*;
use crate::{folder::FolderDisk, io::Disk};

const SUMMARY: Summary = Summary {
    id: FileId(9),
    end: 4000,
    first: Seq(1),
    last: Seq(2000),
    deadline: UnixMillis(5),
    last_time: UnixMicros(6),
};

fn entry(seq: u64) -> IndexEntry {
    IndexEntry {
        seq: Seq(seq),
        offset: seq as u32 * 3,
        len: 100,
    }
}

fn sample() -> (Index, Arc<Vec<u8>>) {
    let mut builder = IndexBuilder::new();
    assert_eq!(builder.queue(QueueId(1), std::iter::empty()), None);
    let run = builder.queue(QueueId(2), (1..=700).map(entry)).unwrap();
    assert_eq!(
        (run.at, run.count, run.first, run.last),
        (0, 700, Seq(1), Seq(700))
    );
    assert_eq!(builder.queue(QueueId(5), (3..=4).map(entry)).unwrap().at, 700);
    for at in 0..300 {
        builder.block(BlockEntry {
            first: Seq(10 + at * 5),
            time: UnixMicros(at),
            offset: at as u32,
            len: 1,
        });
    }
    builder.finish(&SUMMARY)
}

fn check(index: &Index) {
    let mut out = Vec::new();
    index.read_entries(250, 20, &mut out).unwrap();
    assert_eq!(out, (251..=270).map(entry).collect::<Vec<_>>());
    out.clear();
    index.read_entries(700, 2, &mut out).unwrap();
    assert_eq!(out, [entry(3), entry(4)]);
    assert_eq!(index.read_entries(701, 2, &mut out), Err(BadIndex));
    let block = |seq| {
        let blocks = index.blocks_around(Seq(seq)).unwrap();
        blocks
            .iter()
            .rev()
            .map(|block| block.first.0)
            .find(|&first| first <= seq)
    };
    let runs = index.runs().unwrap();
    assert_eq!(
        runs.iter()
            .map(|run| (run.queue.0, run.count))
            .collect::<Vec<_>>(),
        [(2, 700), (5, 2)]
    );
    assert_eq!(block(9), None);
    assert_eq!([block(10), block(14), block(15)], [Some(10), Some(10), Some(15)]);
    assert_eq!([block(10 + 128 * 5), block(9 + 128 * 5)], [Some(650), Some(645)]);
    assert_eq!(block(u64::MAX), Some(10 + 299 * 5));
}

#[test]
fn memory_and_file_are_read_the_same_way() {
    let (index, bytes) = sample();
    check(&index);
    let folder = tempfile::tempdir().unwrap();
    let disk = FolderDisk::open(folder.path()).unwrap();
    let file = disk.create("i", 0).unwrap();
    file.write_at(0, &[IoSlice::new(&bytes)]).unwrap();
    check(&index.in_file(file.clone()));
    let (summary, runs, index) = Index::open(file).unwrap();
    assert_eq!(summary, SUMMARY);
    let queues: Vec<_> = runs
        .iter()
        .map(|run| (run.queue.0, run.count, run.bytes))
        .collect();
    assert_eq!(queues, [(2, 700, 70_000), (5, 2, 200)]);
    check(&index);
}

#[test]
fn damage_is_seen_wherever_it_is() {
    let (_, bytes) = sample();
    let folder = tempfile::tempdir().unwrap();
    let disk = FolderDisk::open(folder.path()).unwrap();
    let file = disk.create("i", 0).unwrap();
    for at in [
        9,
        20,
        60,
        HEADER + 3,
        HEADER + 2 * RUN + 1,
        bytes.len() - 1,
        bytes.len() - 300 * BLOCK - 1,
    ] {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 1;
        file.write_at(0, &[IoSlice::new(&damaged)]).unwrap();
        let seen = match Index::open(file.clone()) {
            Err(BadIndex) => true,
            Ok((_, _, index)) => {
                let entries = index.read_entries(0, 702, &mut Vec::new());
                entries.is_err() || index.blocks_around(Seq(u64::MAX)).is_err()
            }
        };
        assert!(seen, "a changed bit at {at} was not noticed");
    }
    file.set_len(bytes.len() as u64 - 1).unwrap();
    assert!(Index::open(file).is_err());
}
