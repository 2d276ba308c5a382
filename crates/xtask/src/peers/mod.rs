//! Restante beside other brokers, in one run: every row of the table for every broker, round after round, so that
//! what else the machine does falls on all of them.

mod brokers;
mod probe;
mod rows;
mod table;
mod tool;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use brokers::Peer;
use table::Table;

/// Rounds without an argument.
const ROUNDS: u32 = 3;
/// The most rounds: a bound, each takes minutes.
const ROUNDS_MAX: u32 = 50;

/// What was asked for.
struct Options {
    rounds: u32,
    /// Messages and sessions in percent of the full figures.
    scale: u64,
    only: Option<String>,
    build: bool,
}

/// `cargo xtask bench-peers`
pub(crate) fn command(words: &[&str]) -> Result<(), String> {
    let options = parse(words)?;
    if options.build {
        build()?;
    }
    let folder = work_folder()?;
    let present: Vec<Peer> = Peer::ALL.into_iter().filter(|peer| peer.is_installed()).collect();
    for peer in Peer::ALL {
        if !present.contains(&peer) {
            eprintln!("bench-peers: without {}: {}", peer.name(), peer.how_to_install());
        }
    }
    let rows: Vec<rows::Row> = rows::all(options.scale)
        .into_iter()
        .filter(|row| {
            options
                .only
                .as_ref()
                .is_none_or(|word| row.name.contains(word.as_str()))
        })
        .collect();
    let mut table = Table::default();
    for round in 1..=options.rounds {
        let (sync_small, sync_batch) = probe::measure(&folder)?;
        eprintln!(
            "bench-peers: round {round} of {}: fdatasync of 4 KiB {sync_small}, of 72 KiB {sync_batch}",
            options.rounds
        );
        table.disk.push(sync_small);
        for row in &rows {
            for &peer in &present {
                eprintln!("bench-peers: {}, {}", row.name, peer.name());
                match (row.measure)(peer, &folder, row.scale) {
                    Ok(figures) => table.add(&row.name, peer, figures),
                    Err(sentence) => {
                        eprintln!("bench-peers: {}, {}: FAILED: {sentence}", row.name, peer.name());
                        table.fail(&row.name, peer, sentence);
                    }
                }
            }
        }
    }
    let text = table.markdown(&present, options.rounds, options.scale);
    let path = target_folder().join("bench-peers.md");
    fs::write(&path, &text)
        .map_err(|error| format!("bench-peers: cannot write {}: {error}", path.display()))?;
    println!("{text}");
    eprintln!("bench-peers: written to {}", path.display());
    // What the folder held was measured; a failure to remove it does not change that.
    let _ = fs::remove_dir_all(&folder);
    Ok(())
}

/// `cargo xtask disk`
pub(crate) fn disk() -> Result<(), String> {
    let folder = work_folder()?;
    let (small, batch) = probe::measure(&folder)?;
    println!("fdatasync after 4 KiB: {small}");
    println!("fdatasync after 72 KiB, 256 messages of 256 bytes: {batch}");
    Ok(())
}

fn parse(words: &[&str]) -> Result<Options, String> {
    let mut options = Options {
        rounds: ROUNDS,
        scale: 100,
        only: None,
        build: true,
    };
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let mut value = || {
            rest.next()
                .ok_or_else(|| format!("bench-peers: {word} needs a value"))
        };
        match *word {
            "--rounds" => options.rounds = number(value()?, u64::from(ROUNDS_MAX))? as u32,
            "--scale" => options.scale = number(value()?, 1_000)?,
            "--only" => options.only = Some((*value()?).to_owned()),
            "--no-build" => options.build = false,
            _ => return Err(format!("bench-peers: unknown option {word:?}")),
        }
    }
    Ok(options)
}

fn number(text: &str, most: u64) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("bench-peers: {text:?} is not a number from 1 to {most}")),
    }
}

fn build() -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--package",
            "restante",
            "--package",
            "restante-bench",
        ])
        .status()
        .map_err(|error| format!("bench-peers: cannot start cargo: {error}"))?;
    if built.success() {
        Ok(())
    } else {
        Err("bench-peers: the release build failed".to_owned())
    }
}

/// Where cargo builds.
fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    )
}

/// For the stores that are measured: on the disk that holds the target folder, not in a file system in memory.
fn work_folder() -> Result<PathBuf, String> {
    let folder = target_folder().join("bench-peers");
    let made = fs::create_dir_all(&folder).and_then(|()| folder.canonicalize());
    made.map_err(|error| format!("bench-peers: cannot make {}: {error}", folder.display()))
}
