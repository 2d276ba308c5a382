//! What must not be: the lines of `ARCHITECTURE.md` that a machine can check, one test each.
//!
//! A check reads the tracked files and `cargo metadata`; nothing is compiled for it. An exception stands here by name,
//! with its reason. `packages` knows the crates, `tree` the files, `source` reads Rust as tokens, and `rules` are the
//! checks themselves with the proof that each finds what it forbids.

// Helpers of tests unwrap as tests do; clippy knows only the test functions themselves.
#![allow(clippy::unwrap_used)]

mod packages;
mod rules;
mod source;
mod tree;

use packages::Package;
use source::Source;

/// The crates by floor; a crate may use those below it. Crates for development stand on no floor.
const FLOORS: &[(&str, u8)] = &[
    ("restante-model", 0),
    ("restante-codec", 0),
    ("restante-session", 1),
    ("restante-rules", 1),
    ("restante-store", 2),
    ("restante-backend", 2),
    ("restante-redis", 3),
    ("restante-broker", 3),
    ("restante-mysql", 3),
    ("restante-postgres", 3),
    ("restante-http", 4),
    ("restante", 5),
];

/// All that the lowest floors may use beside one another: no runtime, no serialisation, no clock, no randomness.
const USED_BY_LOW_FLOORS: &[(&str, &[&str])] = &[
    ("restante-model", &[]),
    ("restante-codec", &["restante-model", "thiserror"]),
    (
        "restante-session",
        &["restante-model", "restante-codec", "thiserror"],
    ),
    ("restante-rules", &["restante-model", "thiserror"]),
    (
        "restante-store",
        &[
            "restante-model",
            "bytes",
            "crc32c",
            "hashbrown",
            "parking_lot",
            "rustix",
            "thiserror",
        ],
    ),
];

/// What the broker must not know: databases, HTTP, the shape of a configuration file.
const UNKNOWN_TO_BROKER: &[&str] = &[
    "axum",
    "bb8",
    "clap",
    "cdrs-tokio",
    "fred",
    "h2",
    "hyper",
    "hyper-util",
    "mongodb",
    "mysql_async",
    "redis",
    "reqwest",
    "scylla",
    "serde",
    "serde_json",
    "serde_yaml",
    "sqlx",
    "tokio-postgres",
    "toml",
    "tower",
    "ureq",
];

/// Crates that never run in a user's process: their panics are sentences for us.
const FOR_DEVELOPMENT: &[&str] = &["crates/testkit/", "crates/xtask/", "fuzz/"];

/// A source file may be this long; a good one is 100 to 300.
const LINES_MAX: usize = 800;

/// Files that may be longer, and why.
const LONGER: &[(&str, &str)] = &[];

/// Names that say nothing about what is in the file.
const EMPTY_NAMES: &[&str] = &[
    "common", "helper", "helpers", "misc", "type", "types", "util", "utils",
];

/// Where a task or a thread may be started without a name of its own, and why.
const STARTS_TASKS: &[(&str, &str)] = &[
    (
        "crates/broker/src/reactor.rs",
        "the one place where a runtime starts its tasks",
    ),
    (
        "crates/broker/src/keeping/keeper.rs",
        "the one place where the keeper starts its tasks",
    ),
    (
        "crates/backends/redis/src/node.rs",
        "the driver's half of a connection, which ends with it",
    ),
];

/// The only files of the store that know the system's files: the disk behind `store::io`.
const KNOWS_FILES: &[&str] = &["crates/store/src/io.rs", "crates/store/src/folder.rs"];

#[test]
fn a_crate_uses_only_lower_floors() {
    let floor = |name: &str| {
        FLOORS
            .iter()
            .find(|(listed, _)| *listed == name)
            .map(|(_, floor)| *floor)
    };
    let mut found = Vec::new();
    for package in packages::all() {
        let Some(own) = floor(&package.name) else { continue };
        for used in &package.uses {
            let ours = used == "restante" || used.starts_with("restante-");
            // The codec stands beside the model and speaks its words.
            let lower = floor(used).is_some_and(|other| other < own || used == "restante-model");
            // The load tool is a command of the binary; it knows brokers by their address only.
            let load_tool = package.name == "restante" && used == "restante-bench";
            if ours && !lower && !load_tool {
                found.push(format!(
                    "{} uses {used}, which is not on a lower floor",
                    package.name
                ));
            }
        }
    }
    none(&found);
}

#[test]
fn every_crate_has_its_floor() {
    for package in packages::all() {
        let development = ["restante-testkit", "restante-bench", "xtask"].contains(&package.name.as_str());
        let floor = FLOORS.iter().any(|(name, _)| *name == package.name);
        assert!(
            development ^ floor,
            "{} stands on no floor of this test",
            package.name
        );
    }
    for (name, _) in FLOORS.iter().chain(&[("restante-testkit", 0)]) {
        assert!(
            packages::all().iter().any(|package| package.name == *name),
            "there is no crate {name}"
        );
    }
}

#[test]
fn low_floors_use_nothing_but_what_is_listed() {
    let mut found = Vec::new();
    for (name, allowed) in USED_BY_LOW_FLOORS {
        for used in &package(name).uses {
            if !allowed.contains(&used.as_str()) {
                found.push(format!("{name} uses {used}, which is not among {allowed:?}"));
            }
        }
    }
    none(&found);
}

#[test]
fn low_floors_know_no_clock_no_randomness_no_file_no_socket() {
    let pure = [
        "crates/model/src/",
        "crates/codec/src/",
        "crates/session/src/",
        "crates/rules/src/",
    ];
    check(|path| under(path, &pure), rules::outside_world);
}

#[test]
fn the_store_reaches_files_only_through_its_disk() {
    check(
        |path| under(path, &["crates/store/src/"]) && !KNOWS_FILES.contains(&path),
        rules::files,
    );
}

#[test]
fn the_broker_knows_no_database_no_http_no_configuration_file() {
    let broker = package("restante-broker");
    let known: Vec<_> = broker
        .uses
        .iter()
        .filter(|used| UNKNOWN_TO_BROKER.contains(&used.as_str()))
        .collect();
    assert!(known.is_empty(), "restante-broker uses {known:?}");
}

#[test]
fn no_channel_is_unbounded() {
    check(in_production, rules::unbounded_channels);
}

#[test]
fn no_task_is_started_without_a_name() {
    check(
        |path| in_production(path) && !STARTS_TASKS.iter().any(|(file, _)| *file == path),
        rules::nameless_tasks,
    );
}

#[test]
fn nothing_unwraps_outside_tests() {
    check(in_production, rules::unwraps);
}

#[test]
fn no_test_is_ignored() {
    let found: Vec<_> = sources(|_| true)
        .iter()
        .flat_map(|(path, source)| at(path, &rules::ignored(source)))
        .collect();
    none(&found);
}

#[test]
fn only_the_model_spells_a_reason_or_a_metric() {
    check(
        // The load tool reports on any broker, in words of its own.
        |path| in_production(path) && !under(path, &["crates/model/", "crates/bench/"]),
        rules::words_of_the_model,
    );
}

#[test]
fn no_source_file_is_long() {
    let mut found = Vec::new();
    for file in tree::files().iter().filter(|file| file.is_source()) {
        let lines = file.text().map_or(0, |text| text.lines().count());
        let listed = LONGER.iter().any(|(path, _)| *path == file.path);
        if lines > LINES_MAX && !listed {
            found.push(format!(
                "{}: {lines} lines, more than {LINES_MAX}: part it by concept",
                file.path
            ));
        }
        if lines <= LINES_MAX && listed {
            found.push(format!(
                "{}: need not be among the longer files any more",
                file.path
            ));
        }
    }
    none(&found);
}

#[test]
fn no_file_has_an_empty_name() {
    let mut found = Vec::new();
    for file in tree::files().iter().filter(|file| file.is_source()) {
        let mut parts = file.path.split(['/', '.']);
        if let Some(name) = parts.find(|part| EMPTY_NAMES.contains(part)) {
            found.push(format!("{}: {name:?} does not say what is in it", file.path));
        }
    }
    none(&found);
}

#[test]
fn no_tracked_file_names_a_machine() {
    let found: Vec<_> = tree::files()
        .iter()
        .filter_map(|file| Some((file, file.text()?)))
        .flat_map(|(file, text)| at(&file.path, &rules::machines(&text)))
        .collect();
    none(&found);
}

/// The page and this file say the same: each ticked line names its tests, and each test is named.
#[test]
fn the_page_names_every_check() {
    let page = tree::read("ARCHITECTURE.md");
    let this = tree::read("crates/xtask/tests/nevers/main.rs");
    let tests: Vec<&str> = this
        .split("#[test]\nfn ")
        .skip(1)
        .filter_map(|rest| rest.split_once('('))
        .map(|(name, _)| name)
        .collect();
    assert!(tests.len() > 10);
    for test in &tests {
        assert!(
            page.contains(&format!("`{test}`")),
            "ARCHITECTURE.md does not name `{test}`"
        );
    }
    let section = page
        .split("## What must not be")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let lines: Vec<&str> = section.split("\n- ").skip(1).collect();
    assert!(lines.len() > 5);
    for line in lines {
        let named = tests.iter().any(|test| line.contains(&format!("`{test}`")));
        assert_eq!(
            line.starts_with('✓'),
            named,
            "a tick and the names of tests go together: {line}"
        );
    }
}

fn package(name: &str) -> Package {
    let found = packages::all().into_iter().find(|package| package.name == name);
    found.unwrap_or_else(|| panic!("there is no crate {name}"))
}

fn under(path: &str, folders: &[&str]) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

/// Sources whose code may run in a user's process.
fn in_production(path: &str) -> bool {
    path.starts_with("crates/") && path.contains("/src/") && !under(path, FOR_DEVELOPMENT)
}

fn sources(wanted: impl Fn(&str) -> bool) -> Vec<(String, Source)> {
    let rust = tree::files()
        .into_iter()
        .filter(|file| file.path.ends_with(".rs") && wanted(&file.path));
    rust.map(|file| {
        let source = Source::read(&file.path, &file.text().unwrap());
        (file.path, source)
    })
    .collect()
}

/// Holds the code outside tests of the wanted files to a rule.
fn check(wanted: impl Fn(&str) -> bool, rule: impl Fn(&Source) -> Vec<(usize, String)>) {
    let all = sources(wanted);
    assert!(all.len() > 3, "the files that this rule is for are not found");
    let tests = source::files_of_tests(&all);
    let found: Vec<_> = all
        .iter()
        .filter(|(path, _)| !tests.iter().any(|test| test.holds(path)))
        .flat_map(|(path, source)| at(path, &rule(&source.without_tests())))
        .collect();
    none(&found);
}

fn at(path: &str, found: &[(usize, String)]) -> Vec<String> {
    found
        .iter()
        .map(|(line, what)| format!("{path}:{line}: {what}"))
        .collect()
}

fn none(found: &[String]) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}
