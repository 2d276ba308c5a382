//! How long the disk takes to sync: no durable figure means anything without it.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Syncs of each size.
const SYNCS: usize = 300;

/// Microseconds of a write and its fdatasync.
#[derive(Clone, Copy, Debug)]
pub(super) struct SyncTime {
    pub(super) median_us: f64,
    pub(super) p99_us: f64,
}

impl fmt::Display for SyncTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.0} us (p99 {:.0})", self.median_us, self.p99_us)
    }
}

/// Appends 4 KiB and 72 KiB blocks to a file in `folder`, syncing each.
pub(super) fn measure(folder: &Path) -> Result<(SyncTime, SyncTime), String> {
    let failed = |error| format!("cannot measure the disk at {}: {error}", folder.display());
    let mut file = tempfile::tempfile_in(folder).map_err(failed)?;
    // Written before, so that a sync has no metadata to write: as in a recycled segment.
    let whole = SYNCS * 72 * 1024;
    file.write_all(&vec![1; whole])
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    let small = series(&file, 4 << 10).map_err(failed)?;
    let batch = series(&file, 72 << 10).map_err(failed)?;
    Ok((small, batch))
}

fn series(file: &File, bytes: usize) -> std::io::Result<SyncTime> {
    use std::os::unix::fs::FileExt;
    let block = vec![2; bytes];
    let mut times: Vec<Duration> = Vec::with_capacity(SYNCS);
    for index in 0..SYNCS {
        let start = Instant::now();
        file.write_all_at(&block, (index * bytes) as u64)?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e6;
    Ok(SyncTime {
        median_us: at(50),
        p99_us: at(99),
    })
}
