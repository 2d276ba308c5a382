//! `restante store inspect` and `restante store verify`: a stopped broker's data folder, in plain words.

use std::{
    fmt::Write,
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use restante_model::UnixMillis;
use restante_store::{
    contract::StoreError,
    folder::FolderDisk,
    io::Disk,
    log::{self, Inspection, Verification},
};

use super::output::{Exit, answer, remark};

pub(super) fn inspect(folder: &Path) -> Exit {
    match open(folder).and_then(log::inspect) {
        Ok(seen) => {
            let mut text = inspection(&seen, now());
            list(&mut text, "a start would report", &seen.findings);
            answered(&text, seen.damaged)
        }
        Err(error) => failed("inspect", folder, &error),
    }
}

pub(super) fn verify(folder: &Path) -> Exit {
    match open(folder).and_then(log::verify) {
        Ok(seen) => answered(&verification(&seen, now()), seen.damaged),
        Err(error) => failed("verify", folder, &error),
    }
}

/// Records that are lost are a failure, whoever finds them.
fn answered(text: &str, damaged: u64) -> Exit {
    match (answer(text), damaged) {
        (Exit::Good, 1..) => Exit::Failed,
        (exit, _) => exit,
    }
}

fn open(folder: &Path) -> Result<Arc<dyn Disk>, StoreError> {
    Ok(Arc::new(FolderDisk::open_existing(folder)?))
}

fn failed(what: &str, folder: &Path, error: &StoreError) -> Exit {
    let hint = match error {
        StoreError::InUse { .. } => "; stop the broker first, or look at a copy",
        StoreError::NoStore => "; give the folder that data_dir names",
        _ => "",
    };
    let folder = folder.display();
    remark(format_args!("restante: cannot {what} {folder}: {error}{hint}"));
    Exit::Failed
}

// Writing into a String cannot fail, so the results are dropped.
fn inspection(seen: &Inspection, now: UnixMillis) -> String {
    let mut out = String::new();
    let (connected, away) = (seen.sessions_connected, seen.sessions - seen.sessions_connected);
    let segment_bytes = seen.segments.iter().map(|segment| segment.bytes).sum();
    let _ = writeln!(out, "format          {}, boot epoch {}", seen.format, seen.boots);
    let _ = writeln!(
        out,
        "sessions        {} ({away} away, {connected} were connected)",
        seen.sessions
    );
    let _ = writeln!(out, "subscriptions   {}", seen.subscriptions);
    let _ = writeln!(out, "queues          {}", seen.queues);
    let _ = writeln!(out, "waiting         at most {} messages", seen.entries);
    if let Some(oldest) = seen.oldest {
        let _ = writeln!(out, "oldest          published {} ago", age(oldest, now));
    }
    let _ = writeln!(out, "in flight       {} messages", seen.in_flight);
    let _ = writeln!(
        out,
        "retained        {} messages, {}",
        seen.retained,
        bytes(seen.retained_bytes)
    );
    let _ = writeln!(out, "notes           {}, {}", seen.notes, bytes(seen.note_bytes));
    let _ = writeln!(
        out,
        "segments        {}, {}",
        seen.segments.len(),
        bytes(segment_bytes)
    );
    let _ = writeln!(
        out,
        "state, spares   {}, {}",
        bytes(seen.state_bytes),
        bytes(seen.spare_bytes)
    );
    let last = match seen.last_time {
        UnixMillis(0) => "none".to_owned(),
        then => format!("{} ago", age(then, now)),
    };
    let _ = writeln!(out, "last record     {last}");
    let _ = writeln!(out, "damaged records {}", seen.damaged);
    if !seen.longest.is_empty() {
        let _ = writeln!(out, "\nlongest queues (messages, bytes, subscriptions, filter)");
        for queue in &seen.longest {
            let (size, filter) = (bytes(queue.bytes), queue.filter.escape_debug());
            let _ = writeln!(
                out,
                "  {:>10} {size:>10} {:>7}  {filter}",
                queue.entries, queue.readers
            );
        }
    }
    out
}

fn verification(seen: &Verification, now: UnixMillis) -> String {
    let mut out = inspection(&seen.inspection, now);
    let _ = writeln!(
        out,
        "\nread            {} records, {}",
        seen.records,
        bytes(seen.bytes)
    );
    let (verdict, heading) = match seen.damaged {
        0 if seen.problems.is_empty() => ("every record is right".to_owned(), ""),
        0 => (
            "every record is right; a start mends what is listed here".to_owned(),
            "to mend",
        ),
        count => (
            format!("{count} damaged; the broker starts all the same and leaves them out: they are lost"),
            "damaged, or to mend",
        ),
    };
    let _ = writeln!(out, "{verdict}");
    list(&mut out, heading, &seen.problems);
    out
}

fn list(out: &mut String, heading: &str, lines: &[String]) {
    if !lines.is_empty() {
        let _ = writeln!(out, "\n{heading}");
        for line in lines {
            let _ = writeln!(out, "  {line}");
        }
    }
}

/// Bytes with one digit behind the point.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut value = count as f64;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{count} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// How long ago, in its two largest units.
fn age(then: UnixMillis, now: UnixMillis) -> String {
    let seconds = now.0.saturating_sub(then.0) / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes:02}m"),
        _ => format!("{days}d {hours:02}h"),
    }
}

/// Ages are told by the wall clock; nothing is decided by it.
#[allow(clippy::disallowed_methods)]
fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages_are_for_people() {
        assert_eq!(
            [bytes(0), bytes(1023), bytes(1536), bytes(3 << 30)],
            ["0 B", "1023 B", "1.5 KiB", "3.0 GiB"]
        );
        let ago = |seconds: u64| age(UnixMillis(0), UnixMillis(seconds * 1000));
        assert_eq!(
            [ago(5), ago(125), ago(7_260), ago(90_000)],
            ["5s", "2m 05s", "2h 01m", "1d 01h"]
        );
    }
}
