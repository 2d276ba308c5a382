//! Opening the log store on a simulated disk, with everything small, so that a short run meets every kind of file.

use std::{sync::Arc, time::Duration};

use restante_model::{QueueId, Seq, UnixMicros};
use restante_store::{
    conformance::{Clock, driver::Driver},
    contract::{QueueLimits, Recovered, Store, WhenFull},
    io::Disk,
    log::{LogSettings, LogStore, Sync},
};

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The node of all stores here.
pub(crate) const NODE: u64 = 0x00C0_FFEE;

/// A store that was opened, and what it said.
pub(crate) struct Opened {
    pub(crate) driver: Driver,
    pub(crate) store: Arc<LogStore>,
    pub(crate) queues: Vec<(QueueId, String)>,
    pub(crate) recovered: Box<dyn Recovered>,
}

/// Small segments, frequent checkpoints.
pub(crate) fn settings(clock: &Clock) -> LogSettings {
    LogSettings {
        segment_bytes: 16 << 10,
        sync: Sync::Always,
        checkpoint_bytes: 6 << 10,
        free_bytes_min: 0,
        spares_max: 1,
        readers: 1,
        limits: QueueLimits {
            messages_max: 0,
            bytes_max: 0,
            when_full: WhenFull::DropOldest,
        },
        node: NODE,
        ..LogSettings::new(clock.reader())
    }
}

/// Opens the store of a disk.
pub(crate) fn open(disk: Arc<dyn Disk>, settings: LogSettings) -> Result<Opened, String> {
    let now = (settings.clock)().millis();
    let opened = LogStore::open(disk, settings, now).map_err(|error| format!("cannot open: {error}"))?;
    let (store, recovered) = (Arc::new(opened.0), opened.1);
    let mut recovered: Box<dyn Recovered> = Box::new(recovered);
    let mut queues = Vec::new();
    recovered.queues(&mut |queue, filter| queues.push((queue, filter.to_owned())));
    queues.sort();
    Ok(Opened {
        driver: Driver::new(store.clone(), PATIENCE),
        store,
        queues,
        recovered,
    })
}

/// Waits until a sequence is durable or the store has failed.
pub(crate) fn settle(driver: &Driver, seq: Seq) {
    driver.until("a batch is durable or the store has failed", || {
        driver.store().durable() >= seq || has_failed(driver.store())
    });
}

/// Whether the store says that it has failed.
pub(crate) fn has_failed(store: &dyn Store) -> bool {
    matches!(
        store.admission(),
        restante_store::contract::Admission::Failed { .. }
    )
}

/// A clock that a run moves on by itself.
pub(crate) fn pass(clock: &Clock, micros: u64) {
    clock.set(UnixMicros(clock.now().0 + micros));
}
