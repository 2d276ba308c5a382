//! The disk itself: what it must keep, and that it really loses what it may.

use std::{
    collections::BTreeSet,
    io::{self, IoSlice},
};

use super::*;
use crate::io::{Disk, DiskFile};

const SEEDS: std::ops::Range<u64> = 0..400;

fn write(file: &Arc<dyn DiskFile>, offset: u64, bytes: &[u8]) {
    file.write_at(offset, &[IoSlice::new(bytes)]).unwrap();
}

fn read(disk: &SimDisk, name: &str) -> Option<Vec<u8>> {
    let file = disk.open(name).ok()?;
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(0, &mut bytes).unwrap();
    Some(bytes)
}

/// A disk with one synced file of four sectors of ones.
fn with_file() -> (SimDisk, Arc<dyn DiskFile>) {
    let disk = SimDisk::new(1);
    let file = disk.create("f", 4 * SECTOR_BYTES as u64).unwrap();
    write(&file, 0, &[1; 4 * SECTOR_BYTES]);
    file.sync().unwrap();
    disk.sync_folder().unwrap();
    assert!(disk.is_synced());
    (disk, file)
}

/// All the contents a file may have after a crash.
fn outcomes(disk: &SimDisk, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    SEEDS.map(|seed| read(&disk.what_if(seed), name)).collect()
}

#[test]
fn what_was_synced_survives_every_crash() {
    let (disk, file) = with_file();
    write(&file, 512, &[2; 700]);
    file.sync().unwrap();
    let live = read(&disk, "f");
    assert_eq!(outcomes(&disk, "f"), BTreeSet::from([live]));
}

#[test]
fn k12_what_was_not_synced_is_lost_torn_and_reordered() {
    let (disk, file) = with_file();
    write(&file, 256, &[2; 1024]);
    write(&file, 1300, &[3; 100]);
    assert!(!disk.is_synced());
    let mut seen = BTreeSet::new();
    for content in outcomes(&disk, "f") {
        let content = content.unwrap();
        assert_eq!(content.len(), 4 * SECTOR_BYTES);
        // Each sector's part is there wholly or not at all; the later write may be there without the earlier one.
        let parts = [256..512, 512..1024, 1024..1280, 1300..1400].map(|part| {
            let bytes = &content[part];
            assert!(bytes.iter().all(|&byte| byte == bytes[0]));
            bytes[0] != 1
        });
        assert!(
            content[..256].iter().all(|&byte| byte == 1) && content[1400..].iter().all(|&byte| byte == 1)
        );
        seen.insert(parts);
    }
    assert_eq!(seen.len(), 16, "every combination comes up");
}

#[test]
fn k12_of_two_writes_to_one_sector_any_may_be_the_last() {
    let (disk, file) = with_file();
    write(&file, 0, &[2; 512]);
    write(&file, 0, &[3; 512]);
    let firsts: BTreeSet<u8> = outcomes(&disk, "f")
        .into_iter()
        .map(|content| content.unwrap()[0])
        .collect();
    assert_eq!(firsts, BTreeSet::from([1, 2, 3]));
}

#[test]
fn k12_a_synced_file_without_a_synced_folder_may_be_gone() {
    let (disk, _) = with_file();
    let file = disk.create("new", 512).unwrap();
    write(&file, 0, &[7; 512]);
    file.sync().unwrap();
    assert_eq!(outcomes(&disk, "new"), BTreeSet::from([None, Some(vec![7; 512])]));
    disk.sync_folder().unwrap();
    assert_eq!(outcomes(&disk, "new"), BTreeSet::from([Some(vec![7; 512])]));
}

#[test]
fn k12_a_new_file_may_have_any_length_and_be_empty_of_data() {
    let disk = SimDisk::new(1);
    let file = disk.create("new", 0).unwrap();
    disk.sync_folder().unwrap();
    write(&file, 0, &[7; 1024]);
    let found = outcomes(&disk, "new");
    assert!(found.contains(&Some(vec![])), "the length is lost");
    assert!(found.contains(&Some(vec![0; 1024])), "the data is lost");
    assert!(found.contains(&Some(vec![7; 1024])));
    assert!(!found.contains(&None), "the name was synced");
}

#[test]
fn k12_renames_and_removes_may_be_undone_but_in_the_order_of_their_names() {
    let (disk, file) = with_file();
    disk.rename("f", "g").unwrap();
    disk.rename("g", "h").unwrap();
    let other = disk.create("other", 0).unwrap();
    other.sync().unwrap();
    let mut seen = BTreeSet::new();
    for seed in SEEDS {
        let names: Vec<String> = disk
            .what_if(seed)
            .files()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        seen.insert(names.join(" "));
    }
    let expected = ["f", "f other", "g", "g other", "h", "h other"].map(String::from);
    assert_eq!(seen, BTreeSet::from(expected));
    file.sync().unwrap();
    disk.crash(1);
    assert!(file.sync().is_err(), "a crashed disk is gone");

    let (disk, _) = with_file();
    disk.remove("f").unwrap();
    assert!(disk.open("f").is_err());
    assert_eq!(outcomes(&disk, "f").len(), 2);
    disk.sync_folder().unwrap();
    assert_eq!(outcomes(&disk, "f"), BTreeSet::from([None]));
}

#[test]
fn k12_truncation_may_be_undone() {
    let (disk, file) = with_file();
    file.set_len(100).unwrap();
    let lengths: BTreeSet<usize> = outcomes(&disk, "f")
        .into_iter()
        .map(|content| content.unwrap().len())
        .collect();
    assert_eq!(lengths, BTreeSet::from([100, 2048]));
}

#[test]
fn k12_the_end_of_a_process_loses_nothing_and_syncs_nothing() {
    let (disk, file) = with_file();
    write(&file, 0, &[2; 2048]);
    disk.create("new", 512).unwrap();
    let after = disk.kill();
    assert!(disk.list().is_err(), "the old process is gone");
    assert_eq!(read(&after, "f"), Some(vec![2; 2048]));
    assert!(!after.is_synced());
    assert!(outcomes(&after, "f").len() > 2 && outcomes(&after, "new").contains(&None));
    after.open("f").unwrap().sync().unwrap();
    after.open("new").unwrap().sync().unwrap();
    after.sync_folder().unwrap();
    assert_eq!(outcomes(&after, "f").len() + outcomes(&after, "new").len(), 2);
}

#[test]
fn the_same_seed_gives_the_same_survivors() {
    let (disk, file) = with_file();
    write(&file, 0, &[2; 2048]);
    disk.create("new", 4096).unwrap();
    for seed in SEEDS {
        let (one, two) = (disk.what_if(seed), disk.what_if(seed));
        assert_eq!(one.files(), two.files());
        assert_eq!(read(&one, "f"), read(&two, "f"));
    }
}

#[test]
fn the_power_goes_at_the_call_that_was_named() {
    for at in 1..=6 {
        let disk = SimDisk::new(at);
        disk.power_off_at(at);
        let run = || -> io::Result<()> {
            let file = disk.create("f", 1024)?;
            file.write_at(0, &[IoSlice::new(&[1; 512]), IoSlice::new(&[2; 512])])?;
            file.sync()?;
            disk.sync_folder()?;
            disk.rename("f", "g")?;
            disk.remove("g")
        };
        assert!(run().is_err() && disk.is_off());
        assert_eq!(disk.calls(), at);
        assert!(disk.list().is_err() && disk.free_bytes().is_err());
        let after = disk.crash(3);
        assert!(!after.is_off() && after.list().is_ok());
        if at > 4 {
            let content = read(&after, "f").or_else(|| read(&after, "g"));
            assert!(content.is_none_or(|content| content == [[1; 512], [2; 512]].concat()));
        }
    }
}

#[test]
fn every_moment_is_shown_before_its_call() {
    let (disk, file) = with_file();
    let (sender, receiver) = std::sync::mpsc::channel();
    disk.watch(move |moment| {
        let before = read(&moment.what_if(7), "f").unwrap()[0];
        sender.send((moment.call, moment.calls(), before)).unwrap();
    });
    let calls = disk.calls();
    write(&file, 0, &[2; 512]);
    file.sync().unwrap();
    disk.sync_folder().unwrap();
    disk.list().unwrap();
    disk.unwatch();
    write(&file, 0, &[3; 512]);
    let seen: Vec<_> = receiver.iter().map(|(call, at, _)| (call, at - calls)).collect();
    assert_eq!(seen, [(Call::Write, 0), (Call::Sync, 1), (Call::SyncFolder, 2)]);
}

#[test]
fn calls_fail_as_asked_and_a_failed_sync_forgets_what_it_should_have_written() {
    let (disk, file) = with_file();
    disk.fail(Failure::once(Call::Sync, disk.calls_of(Call::Sync) + 1));
    write(&file, 0, &[2; 2048]);
    assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(5));
    file.sync().unwrap();
    assert!(
        outcomes(&disk, "f").len() > 2,
        "a later sync that succeeds promises nothing for it"
    );

    let (disk, file) = with_file();
    let times = 2;
    disk.fail(Failure {
        call: Call::Read,
        nth: 2,
        times,
        full: false,
    });
    let mut byte = [0];
    let results: Vec<bool> = (0..4).map(|_| file.read_at(0, &mut byte).is_ok()).collect();
    assert_eq!(results, [true, false, false, true]);
    disk.fail(Failure {
        call: Call::Write,
        nth: 1,
        times: u64::MAX,
        full: true,
    });
    write_fails(&file, 28);
    disk.heal();
    write_fails_not(&file);
}

fn write_fails(file: &Arc<dyn DiskFile>, code: i32) {
    let error = file.write_at(0, &[IoSlice::new(&[9])]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(code));
}

fn write_fails_not(file: &Arc<dyn DiskFile>) {
    file.write_at(0, &[IoSlice::new(&[9])]).unwrap();
}

#[test]
fn a_full_disk_takes_nothing_more_until_space_is_freed() {
    let (disk, file) = with_file();
    disk.set_capacity(4096);
    assert_eq!((disk.used(), disk.free_bytes().unwrap()), (2048, 2048));
    assert_eq!(disk.create("big", 4096).err().unwrap().raw_os_error(), Some(28));
    assert_eq!(disk.free_bytes().unwrap(), 0, "what was written of it stays");
    write(&file, 0, &[1; 2048]);
    assert!(file.write_at(2000, &[IoSlice::new(&[1; 100])]).is_err());
    assert!(file.set_len(5000).is_err());
    disk.remove("big").unwrap();
    assert_eq!(disk.free_bytes().unwrap(), 2048);
    file.set_len(4096).unwrap();
}

#[test]
fn bits_flip_where_asked() {
    let (disk, _) = with_file();
    assert!(disk.flip("f", 700, 3) && !disk.flip("f", 2048, 0) && !disk.flip("none", 0, 0));
    let content = read(&disk.crash(1), "f").unwrap();
    assert_eq!((content[700], content[699]), (1 ^ 8, 1));
}

#[test]
fn names_are_taken_or_missing_as_on_a_real_disk() {
    let (disk, file) = with_file();
    assert_eq!(
        disk.create("f", 1).err().unwrap().kind(),
        io::ErrorKind::AlreadyExists
    );
    assert_eq!(disk.open("g").err().unwrap().kind(), io::ErrorKind::NotFound);
    assert_eq!(disk.remove("g").unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(disk.rename("g", "h").unwrap_err().kind(), io::ErrorKind::NotFound);
    let mut buf = [0; 10];
    assert_eq!(
        file.read_at(2040, &mut buf).unwrap_err().kind(),
        io::ErrorKind::UnexpectedEof
    );
    disk.create("g", 1).unwrap();
    disk.rename("f", "g").unwrap();
    assert_eq!(disk.files(), [("g".to_owned(), 2048)]);
}
