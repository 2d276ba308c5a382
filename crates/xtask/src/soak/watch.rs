//! What creeps: resident memory and the data folder.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use restante_testkit::Broker;

use super::field::Field;

/// How often it looks, and how many looks make a printed line.
const LOOK: Duration = Duration::from_secs(5);
const LOOKS_PER_LINE: u64 = 6;

/// The first part of a life in which memory may settle: caches, rings and the allocator's arenas fill.
const SETTLING: f64 = 0.4;

/// What resident memory may rise by after that within a life, and from the first life to the last.
const GROWTH_MAX: u64 = 48 << 20;

/// What the folder may hold while subscribers fall behind by half a minute, and when all is handed over.
const FOLDER_MAX: u64 = 4 << 30;
const FOLDER_AT_END_MAX: u64 = 1 << 30;

/// How long space may take to come back.
const TRIM_LIMIT: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct Watch {
    /// The highest of each life after it settled.
    lives: Vec<u64>,
    looks: u64,
}

impl Watch {
    /// Looks at one life of the process until then.
    pub(crate) fn live(&mut self, broker: &Broker, field: &Field, until: Instant) {
        let begun = Instant::now();
        let settled = begun + until.saturating_duration_since(begun).mul_f64(SETTLING);
        let (mut early, mut late) = (0, 0);
        while Instant::now() < until {
            thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
            let Some(resident) = broker.id().and_then(resident) else {
                return field.find("the broker is not there; who has ended it?".to_owned());
            };
            let seen = if Instant::now() < settled {
                &mut early
            } else {
                &mut late
            };
            *seen = resident.max(*seen);
            let folder = folder_bytes(broker.data());
            if folder > FOLDER_MAX {
                field.find(format!("the data folder has {} MiB", folder >> 20));
            }
            self.looks += 1;
            if self.looks.is_multiple_of(LOOKS_PER_LINE) {
                println!(
                    "resident {} MiB, folder {} MiB, {}",
                    resident >> 20,
                    folder >> 20,
                    field.totals()
                );
            }
        }
        if early > 0 && late > early + GROWTH_MAX {
            field.find(format!(
                "resident memory rose from {} to {} MiB in one life",
                early >> 20,
                late >> 20
            ));
        }
        self.lives.push(late);
    }

    /// Looks at the lives beside one another, and whether space has come back.
    pub(crate) fn judge(&self, broker: &Broker, field: &Field) {
        let lives: Vec<u64> = self.lives.iter().map(|bytes| bytes >> 20).collect();
        println!("resident MiB, life by life: {lives:?}");
        if let (Some(first), Some(last)) = (self.lives.first(), self.lives.last())
            && *last > first + GROWTH_MAX
        {
            field.find("resident memory rises from life to life".to_owned());
        }
        let deadline = Instant::now() + TRIM_LIMIT;
        let mut folder = folder_bytes(broker.data());
        while folder > FOLDER_AT_END_MAX && Instant::now() < deadline {
            thread::sleep(LOOK);
            folder = folder_bytes(broker.data());
        }
        println!("the data folder has {} MiB in the end", folder >> 20);
        if folder > FOLDER_AT_END_MAX {
            field.find("the space of what was handed over does not come back".to_owned());
        }
    }
}

/// Bytes of memory that a process has in RAM.
fn resident(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes << 10)
}

/// Bytes on the disk, folders below it included. A file that goes meanwhile has none.
fn folder_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries.flatten().filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        Some(if metadata.is_dir() {
            folder_bytes(&entry.path())
        } else {
            metadata.blocks() * 512
        })
    });
    sizes.sum()
}
