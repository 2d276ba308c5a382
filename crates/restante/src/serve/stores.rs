//! The store that the configuration names.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use restante_model::UnixMicros;
use restante_store::{
    contract::{Recovered, Store, StoreError},
    folder::FolderDisk,
    log::{LogSettings, LogStore, Sync as SyncMode},
    memory::{MemorySettings, MemoryStore},
};

use crate::config::{Config, StoreKind, SyncPolicy};

/// An open store, and what it tells about itself once.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    pub(super) recovered: Box<dyn Recovered>,
}

/// Opens it and waits until it is recovered.
pub(super) fn open(config: &Config) -> Result<Opened, StoreError> {
    match config.store() {
        StoreKind::Memory => {
            let (store, recovered) = MemoryStore::open(memory_settings(config))?;
            Ok(Opened {
                store,
                recovered: Box::new(recovered),
            })
        }
        StoreKind::Log => {
            let disk = FolderDisk::open(config.data_dir())?;
            let settings = log_settings(config);
            let now = (settings.clock)().millis();
            let (store, recovered) = LogStore::open(Arc::new(disk), settings, now)?;
            Ok(Opened {
                store: Arc::new(store),
                recovered: Box::new(recovered),
            })
        }
    }
}

fn log_settings(config: &Config) -> LogSettings {
    let bounds = config.log_store();
    LogSettings {
        segment_bytes: bounds.segment_bytes,
        sync: match config.sync() {
            SyncPolicy::Always => SyncMode::Always,
            SyncPolicy::Interval => {
                SyncMode::Interval(u32::try_from(config.sync_interval().as_millis()).unwrap_or(u32::MAX))
            }
            SyncPolicy::Never => SyncMode::Never,
        },
        pending_bytes_max: usize::try_from(bounds.pending_bytes_max).unwrap_or(usize::MAX),
        checkpoint_bytes: bounds.checkpoint_bytes,
        store_bytes_max: bounds.store_bytes_max,
        free_bytes_min: bounds.free_bytes_min,
        limits: config.broker().session.queue,
        node: node(),
        ..LogSettings::new(clock())
    }
}

fn memory_settings(config: &Config) -> MemorySettings {
    let bounds = config.memory_store();
    MemorySettings {
        bytes_max: usize::try_from(bounds.store_bytes_max).unwrap_or(usize::MAX),
        pending_bytes_max: usize::try_from(bounds.pending_bytes_max).unwrap_or(usize::MAX),
        limits: config.broker().session.queue,
        clock: clock(),
        node: node(),
    }
}

/// For the time part of message ids, which also survives steps of the system's clock: wall time at the start plus
/// monotonic time since.
#[allow(clippy::disallowed_methods)]
fn clock() -> Arc<dyn Fn() -> UnixMicros + Send + Sync> {
    let micros = |duration: std::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let wall = micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    let started = Instant::now();
    Arc::new(move || UnixMicros(wall.saturating_add(micros(started.elapsed()))))
}

/// The node part of message ids: 48 bits that hardly any other broker has. Drawn anew for a new store; one that is
/// there keeps its own.
fn node() -> u64 {
    RandomState::new().hash_one("restante") & 0xFFFF_FFFF_FFFF
}
