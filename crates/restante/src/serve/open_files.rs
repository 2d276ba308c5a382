//! The system's limit of open files: raised as far as it goes, and told when that is not far enough.
//!
//! Every connection is an open file. Many systems start a process with room for 1,024 and allow it to ask for more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that are no connections: segments, indexes, listeners, HTTP. Where there is little, half of it.
const OTHERS: u64 = 1_024;

/// Raises the limit as far as it goes, and answers how many connections there is room for: `max` at most. More would take
/// the files that the store needs. `chosen` says that somebody asked for so many.
pub(super) fn make_room(max: usize, chosen: bool) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(code = "open-files", %error, "cannot raise the limit of open files");
    }
    let Some(files) = getrlimit(Resource::Nofile).current else {
        return max;
    };
    let room = room(files, max);
    if room < max && chosen {
        tracing::warn!(
            code = "open-files",
            files,
            max_connections = max,
            room,
            "the system allows fewer open files than max_connections needs, so fewer connections are taken: raise the \
             limit (ulimit -n, LimitNOFILE), or lower max_connections"
        );
    } else if room < max {
        tracing::info!(
            code = "open-files",
            files,
            room,
            "so many connections are taken, for so many open files are allowed"
        );
    }
    room
}

fn room(files: u64, max: usize) -> usize {
    let room = files - OTHERS.min(files / 2);
    usize::try_from(room).map_or(max, |room| room.min(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_needs_a_file_and_others_do_too() {
        assert_eq!(room(2_024, 1_000), 1_000);
        assert_eq!(room(3_000, 2_000), 1_976);
        assert_eq!(room(1_024, 100_000), 512);
        assert_eq!(room(u64::MAX, 100_000), 100_000);
    }
}
