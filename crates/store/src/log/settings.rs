//! What the log store is told.

use std::{fmt, sync::Arc};

use restante_model::UnixMicros;

use crate::contract::{QueueLimits, WhenFull};

/// When commits are synced, and so what a power cut can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Before they count as durable: nothing acknowledged is lost.
    Always,
    /// At least every so many milliseconds while something is written: a power cut loses at most that; killing the
    /// process loses nothing.
    Interval(u32),
    /// When a segment is sealed and at `close`: a power cut loses what the system had not written by itself.
    Never,
}

/// Settings of a log store.
#[derive(Clone)]
pub struct LogSettings {
    /// Bytes of a segment file. 16 KiB to 2 GiB; default 64 MiB.
    pub segment_bytes: u64,
    /// When commits are synced. Default always.
    pub sync: Sync,
    /// Submitted bytes that are not applied yet, above which [`congested`](crate::contract::Store::congested) is
    /// true. Default 64 MiB.
    pub pending_bytes_max: usize,
    /// Bytes of log after which a checkpoint is written; bounds the replay at start. Default 64 MiB.
    pub checkpoint_bytes: u64,
    /// Bytes the whole store may take; 0 = no limit (default).
    pub store_bytes_max: u64,
    /// Messages are refused while fewer bytes than this are free. Default 256 MiB; at least four segments are used.
    pub free_bytes_min: u64,
    /// Empty segment files kept for reuse. Default 4.
    pub spares_max: usize,
    /// Threads that read pages. 1 to 16; default 2.
    pub readers: usize,
    /// Limits of what one session may be owed.
    pub limits: QueueLimits,
    /// The 48-bit node part of message ids; used when the store is made, and kept by it from then on.
    pub node: u64,
    /// The time now, for message ids and for measuring commits; nothing expires by it.
    pub clock: Arc<dyn Fn() -> UnixMicros + Send + std::marker::Sync>,
}

impl LogSettings {
    /// The defaults, with this clock.
    pub fn new(clock: Arc<dyn Fn() -> UnixMicros + Send + std::marker::Sync>) -> LogSettings {
        LogSettings {
            segment_bytes: 64 << 20,
            sync: Sync::Always,
            pending_bytes_max: 64 << 20,
            checkpoint_bytes: 64 << 20,
            store_bytes_max: 0,
            free_bytes_min: 256 << 20,
            spares_max: 4,
            readers: 2,
            limits: QueueLimits {
                messages_max: 10_000,
                bytes_max: 64 << 20,
                when_full: WhenFull::DropOldest,
            },
            node: 0,
            clock,
        }
    }

    /// The settings with what is out of range moved into it.
    pub(crate) fn in_range(mut self) -> LogSettings {
        self.segment_bytes = self.segment_bytes.clamp(16 << 10, 2 << 30) & !0xFFF;
        self.readers = self.readers.clamp(1, 16);
        self.spares_max = self.spares_max.max(1);
        self
    }
}

impl fmt::Debug for LogSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSettings")
            .field("segment_bytes", &self.segment_bytes)
            .field("sync", &self.sync)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
