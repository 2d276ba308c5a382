//! Many connections need many open files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::BenchError;

/// Files the tool needs beside its connections.
const BESIDE: u64 = 64;

/// Raises this process's limit of open files as far as `connections` need and the system allows.
pub(crate) fn allow(connections: u64) -> Result<(), BenchError> {
    let needed = connections + BESIDE;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(limit.maximum.map_or(needed, |maximum| maximum.min(needed))),
        maximum: limit.maximum,
    };
    let allowed = setrlimit(Resource::Nofile, raised).is_ok();
    if allowed && raised.current >= Some(needed) {
        return Ok(());
    }
    Err(BenchError::Arguments(format!(
        "{connections} connections at once need {needed} open files, the limit is {:?}: raise it (ulimit -n) or use \
         fewer connections",
        limit.maximum.or(limit.current)
    )))
}
