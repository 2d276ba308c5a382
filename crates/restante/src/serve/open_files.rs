//! The system's limit of open files: raised as far as it goes, and told when that is not far enough.
//!
//! Every connection is an open file. Many systems start a process with room for 1,024 and allow it to ask for more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that are no connections: segments, indexes, listeners, HTTP.
const OTHERS: u64 = 1_024;

/// Raises the limit; `connections_max` is what the configuration allows.
pub(super) fn raise(connections_max: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(code = "open-files", %error, "cannot raise the limit of open files");
    }
    let Some(files) = getrlimit(Resource::Nofile).current else {
        return;
    };
    if !enough(files, connections_max) {
        tracing::warn!(
            code = "open-files",
            files,
            connections_max,
            "the system allows fewer open files than max_connections needs: raise it (ulimit -n), or lower that"
        );
    }
}

fn enough(files: u64, connections_max: usize) -> bool {
    u64::try_from(connections_max).is_ok_and(|connections| connections.saturating_add(OTHERS) <= files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_needs_a_file_and_others_do_too() {
        assert!(enough(2_024, 1_000));
        assert!(!enough(2_023, 1_000));
        assert!(!enough(u64::MAX - 1, usize::MAX));
    }
}
