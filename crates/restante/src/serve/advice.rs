//! What somebody can do about a broker that does not start.

use std::io::{self, ErrorKind};

use restante_broker::StartError as BrokerStartError;
use restante_http::StartError as HttpStartError;
use restante_store::contract::StoreError;

use super::ServeError;

/// The end of the sentence that says what went wrong; empty where there is nothing to add.
pub(super) fn advice(error: &ServeError) -> &'static str {
    match error {
        ServeError::Broker(BrokerStartError::Listen { source, .. }) => match source.kind() {
            ErrorKind::AddrInUse => "; stop what listens there, or change mqtt under [listen]",
            ErrorKind::AddrNotAvailable => "; this machine has no such address: change mqtt under [listen]",
            ErrorKind::PermissionDenied => LOW_PORT,
            _ => "",
        },
        ServeError::Http(HttpStartError::Bind { source, .. }) => match source.kind() {
            ErrorKind::AddrInUse => "; stop what listens there, or change http under [listen]",
            ErrorKind::AddrNotAvailable => "; this machine has no such address: change http under [listen]",
            ErrorKind::PermissionDenied => LOW_PORT,
            _ => "",
        },
        ServeError::Store(StoreError::InUse { .. }) => "; stop that process, or give each its own data_dir",
        ServeError::Store(StoreError::NewerFormat { .. }) => {
            "; nothing was changed: start the newer version, or restore the backup made before it"
        }
        ServeError::Store(StoreError::Io { source, .. }) => folder(source),
        _ => "",
    }
}

const LOW_PORT: &str = "; ports below 1024 are for those with CAP_NET_BIND_SERVICE: take a higher one";

fn folder(source: &io::Error) -> &'static str {
    match source.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => "; data_dir must name a folder",
        ErrorKind::PermissionDenied => {
            "; give the folder to the user who runs the broker, or change data_dir"
        }
        ErrorKind::ReadOnlyFilesystem => "; change data_dir to a place that can be written",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; free some space on that disk",
        _ => "",
    }
}
