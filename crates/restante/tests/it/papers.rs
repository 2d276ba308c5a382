//! What is written about the program is what the program does.

use std::{collections::HashSet, fs, path::PathBuf};

use restante::config::{self, Config};
use restante_model::NotKept;

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_reference_is_up_to_date() {
    assert!(
        read("docs/configuration.md") == config::reference(),
        "out of date; write it again: cargo run -p restante -- config reference > docs/configuration.md"
    );
}

/// `limits.max_sessions` and the like: settings as users know them, and no names of fields.
#[test]
fn the_pages_name_only_settings_that_are() {
    let mut known = HashSet::new();
    let mut sections = HashSet::new();
    let mut section = String::new();
    for line in Config::read(None, []).result.unwrap().show().lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
            sections.insert(section.clone());
        } else if let Some((name, _)) = line.split_once(" = ") {
            known.insert(format!("{section}.{name}"));
        }
    }
    let mut named = 0;
    for page in [
        "README.md",
        "docs/operations.md",
        "docs/design/broker.md",
        "docs/design/store.md",
        "docs/design/corners.md",
    ] {
        for word in read(page).split('`').skip(1).step_by(2) {
            let parts = word
                .split_once('.')
                .filter(|(section, _)| sections.contains(*section));
            if parts.is_some_and(|(_, name)| name != "rs") {
                assert!(known.contains(word), "{page}: {word}");
                named += 1;
            }
        }
    }
    assert!(named > 5, "the search finds nothing: {named}");
}

#[test]
fn the_sample_is_short_and_has_the_defaults() {
    let sample = read("restante.toml");
    assert!(sample.lines().count() <= 40);
    let report = Config::read(Some(("restante.toml", &sample)), []);
    assert_eq!(report.warnings, []);
    let values = |shown: String| -> Vec<String> {
        shown
            .lines()
            .map(|line| line.split(" # ").next().unwrap().trim().to_owned())
            .collect()
    };
    let defaults = Config::read(None, []).result.unwrap();
    assert_eq!(values(report.result.unwrap().show()), values(defaults.show()));
}

/// Each setting of the sample stands in it with a value, so the sample cannot keep a name that is gone; the names
/// that the project has promised are there.
#[test]
fn the_sample_has_the_promised_names() {
    let sample = read("restante.toml");
    let names: HashSet<&str> = sample
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        .collect();
    for name in [
        "data_dir",
        "store",
        "sync",
        "mqtt",
        "session_expiry_interval",
        "max_session_expiry_interval",
        "max_mqueue_len",
        "max_mqueue_bytes",
        "when_full",
        "message_expiry_interval",
        "receive_maximum",
        "max_inflight",
        "max_packet_size",
        "max_keep_alive",
        "topic_alias_maximum",
    ] {
        assert!(names.contains(name), "{name}");
    }
}

#[test]
fn operations_lists_every_metric_and_only_those() {
    let page = read("docs/operations.md");
    let listed: HashSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `restante_"))
        .filter_map(|line| line.split('`').next())
        .map(|name| name.split('{').next().unwrap())
        .collect();
    let declared: HashSet<&str> = restante_model::metric::ALL
        .iter()
        .map(|metric| metric.name.strip_prefix("restante_").unwrap())
        .collect();
    let missing: Vec<_> = declared.difference(&listed).collect();
    let unknown: Vec<_> = listed.difference(&declared).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "missing: {missing:?}; unknown: {unknown:?}"
    );
}

/// A reason that nothing counts would be a series that is always zero, and a promise.
#[test]
fn operations_names_every_reason_and_each_is_counted_somewhere() {
    let page = read("docs/operations.md");
    let list = page
        .split("The reasons are the words of the log, too:")
        .nth(1)
        .unwrap();
    let listed: HashSet<&str> = list
        .split(".\n\n")
        .next()
        .unwrap()
        .split('`')
        .skip(1)
        .step_by(2)
        .collect();
    let reasons = NotKept::ALL
        .iter()
        .filter(|reason| **reason != NotKept::Acknowledged);
    let known: HashSet<&str> = reasons.clone().map(|reason| reason.word()).collect();
    assert_eq!(listed, known);
    let sources: String = sources()
        .into_iter()
        .filter(|path| {
            path.ancestors()
                .any(|folder| folder.ends_with("broker/src") || folder.ends_with("session/src"))
        })
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for reason in reasons {
        assert!(
            sources.contains(&format!("NotKept::{reason:?}")),
            "{reason:?} is never counted"
        );
    }
}

/// Every `code = "word"` of a log line in the sources is explained in the page, and every explained one exists.
#[test]
fn operations_lists_every_log_code_and_only_those() {
    let mut written = HashSet::new();
    for path in sources() {
        codes(&fs::read_to_string(path).unwrap(), &mut written);
    }
    // These are chosen at run time and are no literals behind `code =`.
    written.extend(
        [
            "start-failed",
            "stop-failed",
            NotKept::SessionExpired.word(),
            NotKept::SessionCleared.word(),
            restante::logging::throttle::REPEATED,
        ]
        .map(str::to_owned),
    );
    let page = read("docs/operations.md");
    let section = page.split("## Log codes").nth(1).unwrap();
    let explained: HashSet<String> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" |").next())
        .flat_map(|codes| codes.split("`, `"))
        .map(|code| code.trim_end_matches('`').to_owned())
        .collect();
    let missing: Vec<_> = written.difference(&explained).collect();
    let unknown: Vec<_> = explained.difference(&written).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "missing: {missing:?}; unknown: {unknown:?}"
    );
}

/// The literal codes of a source, its tests left out.
fn codes(source: &str, found: &mut HashSet<String>) {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    for rest in source.split("code = \"").skip(1) {
        found.insert(rest.split('"').next().unwrap().to_owned());
    }
}

/// All sources of the crates, tests in folders of their own left out.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}
