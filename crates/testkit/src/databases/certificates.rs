//! Certificates for a server that runs as a user without rights.

use std::path::PathBuf;

use tempfile::TempDir;

use super::unprivileged;
use crate::{redis::secured::make_certificates, tools};

/// An authority, and a server's certificate for 127.0.0.1 and `redis.test`, in files that the server may read.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes them. `None` when openssl is not installed, which is said; return then.
    ///
    /// # Panics
    /// When they cannot be made.
    pub fn make() -> Option<Certificates> {
        let openssl = tools::program("openssl")?;
        let folder = unprivileged::folder();
        make_certificates(&openssl, folder.path());
        unprivileged::give(folder.path());
        Some(Certificates { folder })
    }

    /// The authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The server's certificate and its key.
    pub fn server(&self) -> (PathBuf, PathBuf) {
        let file = |name| self.folder.path().join(name);
        (file("server.pem"), file("server.key"))
    }
}
