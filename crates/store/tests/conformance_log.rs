//! The log store under the conformance suite: in a folder with segments of the usual kind, and on a simulated disk with
//! segments so small that everything is sealed, indexed and recycled all the time.

use std::sync::Arc;

use restante_model::UnixMillis;
use restante_store::{
    conformance::{
        OpenSettings, Opened, Place,
        broken::{Fault, noticed_by},
        histories,
    },
    contract::WhenFull,
    folder::FolderDisk,
    io::Disk,
    log::{LogSettings, LogStore},
    sim::SimDisk,
    store_suite,
};

/// A folder that goes when the test is over.
struct InFolder(tempfile::TempDir);

impl InFolder {
    fn new() -> InFolder {
        InFolder(tempfile::tempdir().expect("a temporary folder"))
    }
}

/// A simulated disk.
struct OnSim(SimDisk);

fn log_settings(settings: OpenSettings, segment_bytes: u64) -> LogSettings {
    LogSettings {
        segment_bytes,
        checkpoint_bytes: 2 * segment_bytes,
        pending_bytes_max: 8 << 20,
        free_bytes_min: 0,
        limits: settings.limits,
        node: settings.node,
        ..LogSettings::new(settings.clock.reader())
    }
}

fn open(disk: Arc<dyn Disk>, settings: LogSettings) -> Opened {
    let (store, recovered) = LogStore::open(disk, settings, UnixMillis(0)).expect("the log store opens");
    Opened {
        store: Arc::new(store),
        recovered: Box::new(recovered),
    }
}

impl Place for InFolder {
    fn open(&self, settings: OpenSettings) -> Opened {
        let disk = FolderDisk::open(self.0.path()).expect("the folder is free");
        open(Arc::new(disk), log_settings(settings, 1 << 20))
    }

    fn persists(&self) -> bool {
        true
    }
}

impl Place for OnSim {
    fn open(&self, settings: OpenSettings) -> Opened {
        open(Arc::new(self.0.clone()), log_settings(settings, 64 << 10))
    }

    fn persists(&self) -> bool {
        true
    }
}

store_suite!(in_a_folder, InFolder::new());
store_suite!(on_a_simulated_disk, OnSim(SimDisk::new(1)));

#[test]
fn many_random_histories_agree_with_a_naive_model() {
    for seed in 1..=40 {
        let place = OnSim(SimDisk::new(seed));
        histories::run(&place, &OpenSettings::unlimited(), seed, 120);
    }
}

#[test]
fn many_random_histories_agree_under_limits() {
    for seed in 1..=40 {
        let place = OnSim(SimDisk::new(seed));
        let settings = OpenSettings::limited(3 + seed % 5, 0, WhenFull::DropOldest);
        histories::run(&place, &settings, seed, 120);
    }
}

#[test]
fn k54_the_suite_notices_what_is_wrong_with_a_log_too() {
    let faults = [
        Fault::AcknowledgementDropped,
        Fault::EntriesSwapped,
        Fault::EntryDoubled,
        Fault::ReceiptLost,
    ];
    for fault in faults {
        let noticed = noticed_by(fault, || OnSim(SimDisk::new(1)));
        assert!(noticed.is_some(), "{fault:?} goes unnoticed");
    }
}
