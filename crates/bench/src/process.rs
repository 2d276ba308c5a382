//! What a process uses, from /proc.

use std::fs;

/// CPU time and memory of one process at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// User and system time of all its threads, ended ones included, in microseconds. Ticks of 10 ms.
    pub(crate) cpu_us: u64,
    /// Resident memory in bytes.
    pub(crate) rss: u64,
    /// The part of it that is no file: heap and stacks.
    pub(crate) rss_anonymous: u64,
}

/// Looks at process `pid`; `None` when there is none, or no /proc.
pub(crate) fn sample(pid: u32) -> Option<Sample> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything; the fields behind it start with the third.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let bytes = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key))?;
        line.split_whitespace()
            .nth(1)?
            .parse::<u64>()
            .ok()
            .map(|kilobytes| kilobytes * 1024)
    };
    Some(Sample {
        cpu_us: ticks * 1_000_000 / per_second,
        rss: bytes("VmRSS:")?,
        rss_anonymous: bytes("RssAnon:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory() {
        let sample = sample(std::process::id()).unwrap();
        assert!(
            sample.rss > 100_000 && sample.rss_anonymous <= sample.rss,
            "{sample:?}"
        );
    }
}
