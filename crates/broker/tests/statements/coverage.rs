//! Holds `coverage.txt` to the statements there are and to the tests there are.

use std::collections::BTreeSet;
use std::path::Path;

const COVERAGE: &str = include_str!("coverage.txt");

/// Sections of MQTT 5.0 with the number of their last statement. There is no 2.2.1-1.
const STATEMENTS_5: &[(&str, u32)] = &[
    ("1.5.4", 3),
    ("1.5.5", 1),
    ("1.5.7", 1),
    ("2.1.3", 1),
    ("2.2.1", 6),
    ("2.2.2", 1),
    ("3.1.0", 2),
    ("3.1.2", 30),
    ("3.1.3", 12),
    ("3.1.4", 6),
    ("3.2.0", 2),
    ("3.2.2", 22),
    ("3.3.1", 13),
    ("3.3.2", 20),
    ("3.3.4", 10),
    ("3.4.2", 3),
    ("3.5.2", 3),
    ("3.6.1", 1),
    ("3.6.2", 3),
    ("3.7.2", 3),
    ("3.8.1", 1),
    ("3.8.3", 5),
    ("3.8.4", 8),
    ("3.9.2", 2),
    ("3.9.3", 2),
    ("3.10.1", 1),
    ("3.10.3", 2),
    ("3.10.4", 6),
    ("3.11.2", 2),
    ("3.11.3", 2),
    ("3.12.4", 1),
    ("3.14.0", 1),
    ("3.14.1", 1),
    ("3.14.2", 4),
    ("3.14.4", 3),
    ("3.15.1", 1),
    ("3.15.2", 3),
    ("4.1.0", 2),
    ("4.2.0", 1),
    ("4.3.1", 1),
    ("4.3.2", 5),
    ("4.3.3", 13),
    ("4.4.0", 2),
    ("4.5.0", 2),
    ("4.6.0", 6),
    ("4.7.0", 1),
    ("4.7.1", 2),
    ("4.7.2", 1),
    ("4.7.3", 4),
    ("4.8.2", 6),
    ("4.9.0", 3),
    ("4.12.0", 7),
    ("4.12.1", 2),
    ("4.13.1", 1),
    ("4.13.2", 1),
    ("6.0.0", 4),
    ("7.0.0", 2),
    ("7.1.1", 1),
    ("7.1.2", 1),
];

/// The same of MQTT 3.1.1.
const STATEMENTS_311: &[(&str, u32)] = &[
    ("1.5.3", 3),
    ("2.2.2", 2),
    ("2.3.1", 7),
    ("3.1.0", 2),
    ("3.1.2", 24),
    ("3.1.3", 11),
    ("3.1.4", 5),
    ("3.2.0", 1),
    ("3.2.2", 6),
    ("3.3.1", 12),
    ("3.3.2", 3),
    ("3.3.4", 1),
    ("3.3.5", 2),
    ("3.6.1", 1),
    ("3.8.1", 1),
    ("3.8.3", 4),
    ("3.8.4", 6),
    ("3.9.3", 2),
    ("3.10.1", 1),
    ("3.10.3", 2),
    ("3.10.4", 6),
    ("3.12.4", 1),
    ("3.14.1", 1),
    ("3.14.4", 3),
    ("4.1.0", 2),
    ("4.3.1", 1),
    ("4.3.2", 2),
    ("4.3.3", 2),
    ("4.4.0", 1),
    ("4.5.0", 2),
    ("4.6.0", 6),
    ("4.7.1", 3),
    ("4.7.2", 1),
    ("4.7.3", 4),
    ("4.8.0", 2),
    ("6.0.0", 4),
    ("7.0.0", 2),
    ("7.1.1", 1),
    ("7.1.2", 1),
];

/// The lines: version and statement, and what stands behind them.
fn lines() -> impl Iterator<Item = (String, &'static str)> {
    let lines = COVERAGE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let mut parts = line.splitn(3, ' ');
        let mut part = || parts.next().unwrap_or_else(|| panic!("cut short: {line}"));
        (format!("{} {}", part(), part()), part())
    })
}

/// All tests of this folder, as `module::name`.
fn tests() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/statements");
    let mut tests = BTreeSet::new();
    for file in std::fs::read_dir(folder).expect("the folder of this test") {
        let path = file.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("text");
        for after in text.split("\n#[test]\nfn ").skip(1) {
            let name = after.split('(').next().expect("a name");
            tests.insert(format!("{module}::{name}"));
        }
    }
    tests
}

#[test]
fn every_statement_stands_in_the_list_once() {
    let expected: BTreeSet<String> = [("5.0", STATEMENTS_5), ("3.1.1", STATEMENTS_311)]
        .into_iter()
        .flat_map(|(version, sections)| {
            sections.iter().flat_map(move |&(section, last)| {
                (1..=last).map(move |number| format!("{version} MQTT-{section}-{number}"))
            })
        })
        .filter(|statement| statement != "5.0 MQTT-2.2.1-1")
        .collect();
    let listed: Vec<String> = lines().map(|(statement, _)| statement).collect();
    let found: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(found.len(), listed.len(), "a statement stands twice");
    let missing: Vec<_> = expected.difference(&found).collect();
    let unknown: Vec<_> = found.difference(&expected).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "missing {missing:?}, unknown {unknown:?}"
    );
}

#[test]
fn every_statement_has_tests_that_exist_or_a_reason() {
    let tests = tests();
    assert!(tests.len() > 200, "{}", tests.len());
    let mut reasons = 0;
    for (statement, behind) in lines() {
        if let Some(reason) = behind.strip_prefix("- ") {
            assert!(!reason.is_empty(), "{statement}");
            reasons += 1;
            continue;
        }
        for test in behind.split(' ') {
            assert!(tests.contains(test), "{statement}: there is no test {test}");
        }
    }
    assert!(reasons < 60, "{reasons} statements are said not to concern us");
}
