//! Finding the programs that tests start.

use std::path::{Path, PathBuf};

/// The `restante` binary: `RESTANTE_BIN` if set, else beside the test executable in the target folder.
///
/// Cargo builds a package's own binary for its integration tests; a test in another package must see to it that
/// `restante` was built before (`scripts/test` does).
///
/// # Panics
/// When there is none: the sentence says how to build it.
pub fn restante() -> PathBuf {
    locate("RESTANTE_BIN", "restante").unwrap_or_else(|| {
        panic!("no restante binary beside the test executable: run `cargo build -p restante`, or set RESTANTE_BIN")
    })
}

/// The `restante-bench` binary, found as [`restante`] is, by `RESTANTE_BENCH_BIN`.
///
/// # Panics
/// When there is none.
pub fn restante_bench() -> PathBuf {
    locate("RESTANTE_BENCH_BIN", "restante-bench").unwrap_or_else(|| {
        panic!("no restante-bench binary: run `cargo build -p restante-bench`, or set RESTANTE_BENCH_BIN")
    })
}

/// A program on the search path or in the folders where Debian keeps servers.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// The folder into which `scripts/install-test-tools` puts what it builds or downloads: `test-tools` in the target folder.
pub fn tools_folder() -> PathBuf {
    target_folder().join("test-tools")
}

/// The target folder this executable was built into. Cargo marks one that it made itself; on a fresh checkout the tools
/// were there before cargo.
fn target_folder() -> PathBuf {
    let executable = std::env::current_exe().unwrap_or_default();
    executable
        .ancestors()
        .find(|folder| folder.join("test-tools").is_dir() || folder.join("CACHEDIR.TAG").is_file())
        .map_or_else(|| PathBuf::from("target"), Path::to_path_buf)
}

/// By variable, else beside this executable or one folder up (test executables live in `deps`).
fn locate(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Some(PathBuf::from(path));
    }
    let executable = std::env::current_exe().ok()?;
    executable
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}
