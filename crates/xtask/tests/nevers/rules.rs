//! The checks: what each finds in one file, as lines with a sentence.

use restante_model::{NotKept, metric};

use crate::source::Source;

type Found = Vec<(usize, String)>;

/// A check, what it must find, and what it must let pass.
type Proof<'a> = (fn(&Source) -> Found, &'a [&'a str], &'a [&'a str]);

/// Modules of the standard library through which the world is reached.
const WORLD: &[&str] = &["env", "fs", "net", "os", "process", "thread"];

/// Types of clocks, randomness, files and sockets.
const WORLDLY: &[&str] = &[
    "DefaultHasher",
    "File",
    "Instant",
    "OpenOptions",
    "RandomState",
    "SystemTime",
    "TcpStream",
    "UdpSocket",
];

/// Clocks, randomness, files, sockets, threads.
pub(crate) fn outside_world(source: &Source) -> Found {
    let mut found = uses_of_std(source, WORLD);
    found.extend(names(source, WORLDLY));
    found
}

/// The system's files.
pub(crate) fn files(source: &Source) -> Found {
    let mut found = uses_of_std(source, &["fs"]);
    found.extend(names(source, &["OpenOptions", "rustix"]));
    found
}

/// Channels without a bound. Those of the standard library have none unless they say `sync`.
pub(crate) fn unbounded_channels(source: &Source) -> Found {
    let mut found = names(
        source,
        &[
            "unbounded",
            "unbounded_channel",
            "UnboundedSender",
            "UnboundedReceiver",
        ],
    );
    for index in 0..source.tokens.len() {
        // `mpsc::channel()`, `mpsc::channel::<T>()`, and a `channel` that is taken from `std::sync::mpsc`.
        if !source.begins(index, &["mpsc", ":", ":"]) {
            continue;
        }
        let after = index + 3;
        let whose = (index.saturating_sub(12)..index).any(|at| source.text(at) == "std");
        let called_bare = source.text(after) == "channel" && {
            let mut at = after + 1;
            if source.begins(at, &[":", ":", "<"]) {
                while !["(", ";", ""].contains(&source.text(at)) {
                    at += 1;
                }
            }
            source.begins(at, &["(", ")"])
        };
        let taken = whose
            && (after..after + 8)
                .take_while(|&at| source.text(at) != ";")
                .any(|at| source.text(at) == "channel");
        if called_bare || taken {
            found.push((
                source.tokens[index].line,
                "a channel of the standard library without a bound".to_owned(),
            ));
        }
    }
    found
}

/// Threads and tasks that no list of threads and no log line can name.
pub(crate) fn nameless_tasks(source: &Source) -> Found {
    let mut found = Vec::new();
    for module in ["thread", "tokio", "task"] {
        for starts in ["spawn", "spawn_local", "spawn_blocking"] {
            for line in source.lines_of(&[module, ":", ":", starts]) {
                found.push((line, format!("{module}::{starts} gives it no name")));
            }
        }
    }
    found
}

/// Panics in the place of errors.
pub(crate) fn unwraps(source: &Source) -> Found {
    let mut found = Vec::new();
    for method in ["unwrap", "expect", "unwrap_err", "expect_err"] {
        for line in source.lines_of(&[".", method, "("]) {
            found.push((line, format!(".{method}( outside tests")));
        }
    }
    for name in ["todo", "unimplemented"] {
        for line in source.lines_of(&[name, "!"]) {
            found.push((line, format!("{name}! is a panic that waits")));
        }
    }
    found
}

/// Tests that never run.
pub(crate) fn ignored(source: &Source) -> Found {
    let lines = source.lines_of(&["#", "[", "ignore"]);
    lines
        .into_iter()
        .map(|line| (line, "a test that never runs says nothing".to_owned()))
        .collect()
}

/// Reasons and metric names that are spelled once more.
pub(crate) fn words_of_the_model(source: &Source) -> Found {
    let mut found = Vec::new();
    for token in &source.tokens {
        let Some(text) = token
            .text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
        else {
            continue;
        };
        if NotKept::ALL.iter().any(|reason| reason.word() == text) {
            found.push((
                token.line,
                format!("the reason {text:?} is spelled; use restante_model::NotKept"),
            ));
        }
        if metric::ALL.iter().any(|metric| text.contains(metric.name)) {
            found.push((
                token.line,
                format!("a metric is spelled in {text:?}; use restante_model::metric"),
            ));
        }
    }
    found
}

/// Folders of somebody's machine, and addresses that not everybody can reach.
pub(crate) fn machines(text: &str) -> Found {
    // Not spelled whole, or this file would find itself.
    let folders = ["ho_me", "ro_ot", "wo_rk", "wo_rkspace", "Us_ers"]
        .map(|name| format!("/{}/", name.replace('_', "")));
    let public = [
        "127.0.0.1",
        "[::1]",
        "localhost",
        "crates.io",
        "docs.oasis-open.org",
        "docs.rs",
        "example.com",
        "github.com",
        "mosquitto.org",
        "mqtt.org",
        "prometheus.io",
        "pypi.org",
        "rustup.rs",
        "www.apache.org",
    ];
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for folder in &folders {
            let start = line.find(folder.as_str());
            // `target/work/` is a folder of ours.
            if start.is_some_and(|start| {
                !line[..start].ends_with(|c: char| c.is_alphanumeric() || "._-~})".contains(c))
            }) {
                found.push((number + 1, format!("{folder} is a folder of one machine")));
            }
        }
        for scheme in ["http://", "https://"] {
            for rest in line.split(scheme).skip(1) {
                let host = rest
                    .split(|c: char| "/\"'`<> )\\{".contains(c))
                    .next()
                    .unwrap_or_default();
                let host = if host.starts_with('[') {
                    host
                } else {
                    host.split(':').next().unwrap_or_default()
                };
                if !host.is_empty()
                    && !public
                        .iter()
                        .any(|name| host == *name || host.ends_with(&format!(".{name}")))
                {
                    found.push((
                        number + 1,
                        format!("{host} is not among the hosts that everybody can reach"),
                    ));
                }
            }
        }
    }
    found
}

/// Modules of the standard library, alone (`std::fs`) and in a list (`use std::{fs, io}`).
fn uses_of_std(source: &Source, modules: &[&str]) -> Found {
    let mut found = Vec::new();
    for index in 0..source.tokens.len() {
        if !source.begins(index, &["std", ":", ":"]) {
            continue;
        }
        let mut at = index + 3;
        let mut hit = |at: usize| {
            if modules.contains(&source.text(at)) {
                found.push((source.tokens[at].line, format!("std::{}", source.text(at))));
            }
        };
        hit(at);
        if source.text(at) != "{" {
            continue;
        }
        let mut depth = 0;
        loop {
            match source.text(at) {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && ["{", ","].contains(&source.text(at)) {
                hit(at + 1);
            }
            at += 1;
        }
    }
    found
}

fn names(source: &Source, names: &[&str]) -> Found {
    let tokens = source
        .tokens
        .iter()
        .filter(|token| names.contains(&token.text.as_str()));
    tokens.map(|token| (token.line, token.text.clone())).collect()
}

/// Each check finds each of the first, and nothing in the second.
#[test]
fn each_check_finds_what_it_forbids() {
    let checks: [Proof<'_>; 7] = [
        (
            outside_world,
            &[
                "use std::fs;",
                "use std::{io, net::TcpListener};",
                "fn f() { std::thread::yield_now() }",
                "fn f(x: Instant) {}",
            ],
            &[
                "use std::{io, collections::{BTreeMap}};",
                "fn f() { /* std::fs */ \"std::fs\"; }",
            ],
        ),
        (
            files,
            &["use std::fs::read;", "use rustix::fs::fsync;"],
            &["use std::{io, mem};"],
        ),
        (
            unbounded_channels,
            &[
                "use std::sync::mpsc::channel;",
                "use std::{sync::{mpsc::{Receiver, channel}}};",
                "fn f() { mpsc::channel() }",
                "fn f() { mpsc::channel::<Vec<u8>>() }",
                "fn f() { tokio::sync::mpsc::unbounded_channel() }",
            ],
            &[
                "use std::sync::mpsc;",
                "fn f() { mpsc::sync_channel(1); mpsc::channel(8); oneshot::channel() }",
            ],
        ),
        (
            nameless_tasks,
            &["fn f() { std::thread::spawn(g) }", "fn f() { tokio::spawn(g) }"],
            &["fn f() { builder.spawn(g) }"],
        ),
        (
            unwraps,
            &[
                "fn f() { x.unwrap() }",
                "fn f() { x.expect(\"y\") }",
                "fn f() { m! { x.unwrap() } }",
            ],
            &["fn f() { x.unwrap_or(1) }"],
        ),
        (
            ignored,
            &["#[ignore] fn f() {}", "#[ignore = \"slow\"] fn f() {}"],
            &["#[test] fn ignore() {}"],
        ),
        (
            words_of_the_model,
            &[
                "const A: &str = \"queue-full\";",
                "const A: &str = \"restante_ready 1\";",
            ],
            &[
                "const A: &str = \"the queue-full case\";",
                "use restante_model::metric;",
            ],
        ),
    ];
    for (check, bad, good) in checks {
        for text in bad {
            assert!(!check(&Source::read("x", text)).is_empty(), "not found: {text}");
        }
        for text in good {
            assert!(check(&Source::read("x", text)).is_empty(), "found: {text}");
        }
    }
    assert_eq!(
        machines(&format!("a\nsee {}/x/y", "/ho".to_owned() + "me")).len(),
        1
    );
    assert_eq!(
        machines(&format!("get {}a.b/c", "http:".to_owned() + "//")).len(),
        1
    );
    assert!(machines("see /usr/bin and https://docs.rs/x").is_empty());
}
