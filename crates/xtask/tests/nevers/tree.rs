//! The files of the repository.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// One file: its path from the root, with slashes.
pub(crate) struct File {
    pub(crate) path: String,
}

impl File {
    /// Whether people write it as code.
    pub(crate) fn is_source(&self) -> bool {
        let generated = self.path.starts_with("fuzz/corpus/");
        let code =
            self.path.ends_with(".rs") || self.path.ends_with(".py") || self.path.starts_with("scripts/");
        code && !generated
    }

    /// What is in it, if it is text.
    pub(crate) fn text(&self) -> Option<String> {
        String::from_utf8(fs::read(root().join(&self.path)).unwrap()).ok()
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
}

/// All that git tracks or would track; where there is no git, all that is not built or kept by a run.
pub(crate) fn files() -> Vec<File> {
    let mut paths = tracked().unwrap_or_else(|| {
        let mut found = Vec::new();
        walk(&root(), "", &mut found);
        found
    });
    paths.sort();
    // A file may be deleted and not yet committed so.
    paths.retain(|path| root().join(path).is_file());
    assert!(
        paths.iter().any(|path| path == "Cargo.toml"),
        "the repository is not found"
    );
    paths.into_iter().map(|path| File { path }).collect()
}

fn tracked() -> Option<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let paths: Vec<String> = text.split_terminator('\0').map(str::to_owned).collect();
    (output.status.success() && !paths.is_empty()).then_some(paths)
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{prefix}{name}");
        if entry.file_type().unwrap().is_dir() {
            if ![".git", "target", "restante-data"].contains(&name.as_str()) {
                walk(&entry.path(), &format!("{path}/"), found);
            }
        } else {
            found.push(path);
        }
    }
}
