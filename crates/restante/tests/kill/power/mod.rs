//! The power goes with the kill: what the broker had not synced vanishes, before it is started again (K12).
//!
//! A small library is preloaded into the broker, which is the program as it is built and shipped. It copies at each
//! sync what that sync makes durable into a folder beside the data (`kept_by_syncs.c` says how), and [`Power::fail`]
//! makes the data folder anew from there. It looks at syncs and at nothing else: whatever else the broker does, and by
//! whichever system call, is not durable.

mod after;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use restante_testkit::{BrokerBuilder, tools};
use tempfile::TempDir;

use crate::chance::Chance;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kill/power/kept_by_syncs.c");

/// What the disk lies about: it reports success and keeps nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Nothing.
    None,
    /// Syncs of segments.
    Segments,
    /// Syncs of folders.
    Folders,
}

/// A disk that loses with the power what was not synced, for one broker.
pub(crate) struct Power {
    folder: TempDir,
    library: PathBuf,
}

impl Power {
    /// `None` when there is no C compiler, which is said aloud (and is a failure with `CI=true`).
    pub(crate) fn new() -> Option<Power> {
        let compiler = tools::program("cc")?;
        let folder = TempDir::new().expect("make a temporary folder");
        let library = folder.path().join("kept_by_syncs.so");
        let output = Command::new(compiler)
            .args([
                "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", "-o",
            ])
            .arg(&library)
            .arg(SOURCE)
            .output()
            .expect("start the C compiler");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{SOURCE} does not compile:\n{said}");
        let power = Power { folder, library };
        for kind in ["bytes", "held"] {
            fs::create_dir_all(power.kept().join(kind)).expect("make a folder for what is kept");
        }
        Some(power)
    }

    /// The broker as it is told to be, on this disk.
    pub(crate) fn supply(&self, broker: BrokerBuilder, lie: Lie) -> BrokerBuilder {
        let path = |path: &Path| path.display().to_string();
        let ignored = match lie {
            Lie::None => "",
            Lie::Segments => "log-",
            Lie::Folders => "folder",
        };
        broker
            .data_in(&self.data())
            .environment("LD_PRELOAD", &path(&self.library))
            .environment("POWER_DATA", &path(&self.data()))
            .environment("POWER_KEPT", &path(&self.kept()))
            .environment("POWER_IGNORED", ignored)
    }

    /// The power fails: the data folder becomes what is left on the disk. The broker must have been killed.
    pub(crate) fn fail(&self, chance: &mut Chance) {
        after::make(&self.data(), &self.kept(), chance);
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn kept(&self) -> PathBuf {
        self.folder.path().join("kept")
    }
}
