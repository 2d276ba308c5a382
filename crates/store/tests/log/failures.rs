//! Failing calls: after a failed write or sync nothing is acknowledged any more, and what was is still read.

use restante_model::{QueueId, SessionId};
use restante_store::{
    conformance::driver::plain,
    contract::{Admission, Store, StoreError},
    folder::FolderDisk,
    log::{LogSettings, Sync},
    sim::{Call, Failure, SimDisk},
};

use crate::on_disk::{all, open, open_with, settings, try_open};

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_any_more() {
    fails_for_good(Call::Sync, "cannot sync the log");
}

#[test]
fn after_a_failed_write_nothing_is_acknowledged_any_more() {
    fails_for_good(Call::Write, "cannot write to the log");
}

fn fails_for_good(call: Call, why: &str) {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.publish(&[1], 0..20);
    let durable = store.store.durable();
    // Whoever syncs or writes next; the house may be at work too, and that is no failure of the store.
    disk.fail(Failure {
        times: u64::MAX,
        ..Failure::once(call, disk.calls_of(call) + 1)
    });
    let span = store
        .driver
        .submit(|batch| _ = batch.message(&plain(&[QueueId(1)], b"lost")));
    store.driver.until("the failure is known", || {
        matches!(store.store.admission(), Admission::Failed { .. })
    });
    assert!(matches!(store.store.admission(), Admission::Failed { why: told } if told.contains(why)));
    disk.heal();
    let later = store
        .driver
        .submit(|batch| _ = batch.message(&plain(&[QueueId(1)], b"lost too")));
    assert!(later.first > span.last);
    // Reads go on, also those that would have waited for what is lost now.
    assert_eq!(store.numbers(1), all(0..20));
    let image = store
        .driver
        .answer(|done| store.store.session(SessionId(1), later.last, done));
    assert!(image.is_some());
    assert_eq!(store.store.durable(), durable);
    assert!(!store.store.congested());
    assert!(matches!(store.store.close(), Err(StoreError::Io { .. })));
    drop(store);
    let store = open(&disk);
    let numbers = store.numbers(1);
    assert_eq!(numbers[..20], all(0..20));
}

#[test]
fn the_store_survives_failures_beside_the_log() {
    // Creates, renames, removals and folder syncs fail now and then while segments come and go.
    for (seed, call) in [
        Call::Create,
        Call::Rename,
        Call::Remove,
        Call::SyncFolder,
        Call::SetLen,
    ]
    .into_iter()
    .enumerate()
    {
        let disk = SimDisk::new(seed as u64);
        let store = open(&disk);
        store.subscribe(1);
        let last = store.publish(&[1], 0..200);
        store.acknowledge(1, last);
        let now = disk.calls_of(call);
        for nth in [now + 1, now + 3, now + 4] {
            disk.fail(Failure {
                full: true,
                ..Failure::once(call, nth)
            });
        }
        for hundred in 0..6 {
            let last = store.publish(&[1], 0..200);
            store.store.tick(crate::on_disk::LATER);
            if hundred < 5 {
                store.acknowledge(1, last);
            }
        }
        disk.heal();
        assert!(
            !matches!(store.store.admission(), Admission::Failed { .. }),
            "{call:?}"
        );
        let image = store.driver.image(SessionId(1));
        let owed = |store: &crate::on_disk::Open| {
            store
                .entries(1)
                .iter()
                .filter(|entry| entry.seq > image.cursor.low())
                .count()
        };
        assert_eq!(owed(&store), 200, "{call:?}");
        drop(store);
        assert_eq!(owed(&open(&disk)), 200, "{call:?}");
    }
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = FolderDisk::open(folder.path()).unwrap();
    let store = try_open(std::sync::Arc::new(first), settings()).unwrap();
    let refused = FolderDisk::open(folder.path()).err();
    assert!(matches!(refused, Some(StoreError::InUse { .. })), "{refused:?}");
    drop(store);
    assert!(FolderDisk::open(folder.path()).is_ok());
}

#[test]
fn a_folder_that_was_removed_and_made_again_acknowledges_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let first = FolderDisk::open(&path).unwrap();
    let store = try_open(std::sync::Arc::new(first), settings()).unwrap();
    store.subscribe(1);
    store.publish(&[1], 0..20);
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    store.sweep_until("the failure is known", || {
        matches!(store.store.admission(), Admission::Failed { .. })
    });
    let durable = store.store.durable();
    let there = || std::fs::read_dir(&path).unwrap().count();
    let before = there();
    let span = store
        .driver
        .submit(|batch| _ = batch.message(&plain(&[QueueId(1)], b"lost")));
    assert!(span.last > durable);
    store.driver.tick(crate::on_disk::LATER);
    let closed = store.store.close().unwrap_err().to_string();
    assert!(closed.contains("was removed or replaced"), "{closed}");
    assert_eq!(store.store.durable(), durable);
    assert_eq!(
        there(),
        before,
        "nothing is written into a folder that is not ours"
    );
}

#[test]
fn without_sync_a_power_cut_leaves_a_prefix_and_a_close_leaves_all() {
    for sync in [Sync::Never, Sync::Interval(50), Sync::Interval(0)] {
        for seed in 0..20 {
            let disk = SimDisk::new(seed);
            let store = open_with(&disk, LogSettings { sync, ..settings() });
            store.subscribe(1);
            store.publish(&[1], 0..300);
            let survivor = disk.what_if(seed);
            store.close();
            assert_eq!(open(&disk).numbers(1), all(0..300));
            let numbers = open(&survivor).numbers(1);
            assert_eq!(numbers, all(0..numbers.len() as u64), "{sync:?}");
        }
    }
}

#[test]
fn k12_a_disk_that_ignores_syncs_loses_messages() {
    // The mutation: with the syncs taken out, what was called durable is not there after a power cut.
    let lost = (0..20).any(|seed| {
        let disk = SimDisk::new(seed);
        let store = open_with(
            &disk,
            LogSettings {
                sync: Sync::Never,
                ..settings()
            },
        );
        store.subscribe(1);
        store.publish(&[1], 0..50);
        open(&disk.crash(seed)).numbers(1) != all(0..50)
    });
    assert!(lost, "the simulated disk takes what was not synced");
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let store = open(&disk);
        store.subscribe(1);
        store.publish(&[1], 0..50);
        assert_eq!(open(&disk.crash(seed)).numbers(1), all(0..50));
    }
}
