//! Stores as they were written in each format version, opened by the program of today (K57).
//!
//! `version_N` holds the files of a store that was killed while it wrote, `version_N.txt` what was in it, written down by
//! the program that made it before it was killed. A format that was released stays readable: neither is ever changed.
//! `CONTRIBUTING.md` says how to add the next.

// Helpers of tests unwrap as tests do; clippy knows only the test functions themselves.
#![allow(clippy::unwrap_used)]

mod content;
mod files;
mod recipe;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use restante_store::{
    folder::FolderDisk,
    log::{inspect, verify},
};
use tempfile::TempDir;

use files::Kinds;

/// With this in the environment the recipe's store becomes the fixture of the newest format, which must have none.
const ADD: &str = "RESTANTE_ADD_FORMAT";

/// Where the fixtures are.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats")
}

fn fixture(version: u32) -> (PathBuf, PathBuf) {
    let folder = fixtures().join(format!("version_{version}"));
    let text = folder.with_extension("txt");
    (folder, text)
}

/// The version that the program of today writes.
fn newest() -> u32 {
    let folder = TempDir::new().unwrap();
    drop(content::open(folder.path()));
    files::format_of(folder.path())
}

fn versions() -> Vec<u32> {
    let entries = fs::read_dir(fixtures()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut versions: Vec<u32> = names
        .filter_map(|name| name.strip_prefix("version_")?.parse().ok())
        .collect();
    versions.sort_unstable();
    versions
}

/// A copy, because opening a store changes it.
fn copy(from: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

/// The folder is as whole as it was left, and opens with all that was in it, again and again.
fn assert_opens(folder: &Path, expected: &str) {
    let disk = copy(folder);
    let disk = FolderDisk::open(disk.path()).unwrap();
    let verified = verify(Arc::new(disk)).unwrap();
    let others: Vec<_> = verified.problems.iter().filter(|found| !is_torn(found)).collect();
    assert_eq!((verified.damaged, others), (0, Vec::new()));
    let disk = copy(folder);
    for start in 1..=2 {
        let store = content::open(disk.path());
        let found = content::describe(&store);
        assert_same(&found, expected, &format!("start {start}"));
        let torn = store.findings.iter().any(|finding| is_torn(finding));
        assert_eq!(torn, start == 1, "start {start}: {:?}", store.findings);
        store.close();
    }
    // What is derived is made again.
    let disk = copy(folder);
    for name in files::names(disk.path())
        .iter()
        .filter(|name| name.ends_with(".idx"))
    {
        // Without its index a merged segment is one that was not finished.
        if !files::is_merged(disk.path(), name) {
            fs::remove_file(disk.path().join(name)).unwrap();
        }
    }
    let store = content::open(disk.path());
    assert_same(&content::describe(&store), expected, "without indexes");
}

/// Whether a finding says that the last commit was torn.
fn is_torn(finding: &str) -> bool {
    finding.starts_with("the last commit before the stop was not finished")
}

fn assert_same(found: &str, expected: &str, when: &str) {
    let mut lines = found.lines().zip(expected.lines());
    if let Some((found, expected)) = lines.find(|(found, expected)| found != expected) {
        panic!("{when}:\n   found {found}\nexpected {expected}");
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{when}");
}

#[test]
fn k57_every_format_version_opens_with_all_that_was_in_it() {
    let versions = versions();
    assert!(versions.contains(&1), "{versions:?}");
    for version in versions {
        let (folder, text) = fixture(version);
        assert_eq!(files::format_of(&folder), version);
        assert_opens(&folder, &fs::read_to_string(text).unwrap());
    }
}

#[test]
fn k57_the_newest_format_has_a_fixture_with_every_kind_of_thing() {
    let version = newest();
    let (folder, _) = fixture(version);
    assert!(
        folder.is_dir(),
        "there is no fixture of format {version}: {ADD}=1 cargo test -p restante-store --test formats makes it"
    );
    Kinds::of(&folder).assert_all();
    let disk = copy(&folder);
    let found = inspect(Arc::new(FolderDisk::open(disk.path()).unwrap())).unwrap();
    assert_eq!((found.format, found.boots, found.damaged), (version, 3, 0));
}

/// The recipe works on the format of today, so that it will when a fixture of it is asked for.
#[test]
fn k57_the_recipe_makes_a_store_with_every_kind_of_thing() {
    let made = TempDir::new().unwrap();
    let text = recipe::make(made.path());
    Kinds::of(made.path()).assert_all();
    assert_opens(made.path(), &text);
    if std::env::var_os(ADD).is_none() {
        return;
    }
    let (folder, expected) = fixture(files::format_of(made.path()));
    assert!(
        !folder.exists(),
        "{} is there: what was released is never changed",
        folder.display()
    );
    fs::create_dir(&folder).unwrap();
    for name in files::names(made.path()) {
        fs::copy(made.path().join(&name), folder.join(&name)).unwrap();
    }
    fs::write(expected, text).unwrap();
}
