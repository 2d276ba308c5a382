//! The fuzzers' seeds through the fuzzers' checks, without a fuzzer: so that a target cannot rot between two runs of it.
//!
//! Those of `codec_decode` are held by `restante-codec`.

// Helpers of tests unwrap as tests do; clippy knows only the test functions themselves.
#![allow(clippy::unwrap_used)]

#[path = "../../../../fuzz/checks/config.rs"]
mod config;
#[path = "../../../../fuzz/checks/damage.rs"]
mod damage;
#[path = "../../../../fuzz/checks/filters.rs"]
mod filters;
mod record_seeds;
#[path = "../../../../fuzz/checks/records.rs"]
mod records;

use std::{
    fs,
    path::{Path, PathBuf},
};

#[test]
fn filters_are_read_as_the_standard_says() {
    replay("filters", filters::check);
}

/// All filters and names of up to four letters of these: every way in which separators and wildcards can stand.
#[test]
fn short_filters_are_read_as_the_standard_says() {
    let letters = ["a", "/", "+", "#", "$"];
    let mut texts = vec![String::new()];
    for length in 0..4 {
        let longer: Vec<String> = texts
            .iter()
            .filter(|text| text.len() == length)
            .flat_map(|text| letters.map(|letter| format!("{text}{letter}")))
            .collect();
        texts.extend(longer);
    }
    let names: Vec<&String> = texts.iter().filter(|text| !text.contains(['+', '#'])).collect();
    for filter in &texts {
        for name in &names {
            filters::check(format!("{filter}\n{name}").as_bytes());
            filters::check(format!("$share/{filter}\n{name}").as_bytes());
        }
    }
}

#[test]
fn configurations_are_taken_or_refused_in_sentences() {
    replay("config", config::check);
}

#[test]
fn records_are_read_and_written_again() {
    replay("records", records::check);
}

#[test]
fn a_damaged_store_opens_or_says_why_not() {
    replay("damage", damage::check);
}

/// Every seed cut short at each place, and with each byte changed.
#[test]
fn damaged_records_are_read_without_a_panic() {
    for (_, seed) in record_seeds::all() {
        for at in 0..seed.len() {
            records::check(&seed[..at]);
            let mut other = seed.clone();
            other[at] ^= 0x81;
            records::check(&other);
        }
    }
}

/// Each kind of record is a seed; `RESTANTE_WRITE_SEEDS=1` writes them.
#[test]
fn the_seeds_of_records_are_all_kinds_of_records() {
    let folder = corpus("records");
    if std::env::var_os("RESTANTE_WRITE_SEEDS").is_some() {
        fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in record_seeds::all() {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
    for (name, bytes) in record_seeds::all() {
        let written = fs::read(folder.join(name)).unwrap_or_default();
        assert!(
            written == bytes,
            "fuzz/corpus/records/{name} is old: write it with RESTANTE_WRITE_SEEDS=1"
        );
    }
}

/// A target has a file, an entry, a row in the page, and seeds.
#[test]
fn every_target_is_whole() {
    let fuzz = fuzz();
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let page = fs::read_to_string(fuzz.join("README.md")).unwrap();
    let mut targets = 0;
    for file in fs::read_dir(fuzz.join("fuzz_targets")).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        let target = file.trim_end_matches(".rs");
        assert!(
            manifest.contains(&format!("\npath = \"fuzz_targets/{file}\"\n")),
            "{target} has no entry"
        );
        assert!(
            page.contains(&format!("\n| `{target}` |")),
            "{target} has no row in fuzz/README.md"
        );
        assert!(corpus(target).is_dir(), "{target} has no seeds");
        targets += 1;
    }
    assert_eq!(manifest.matches("[[bin]]").count(), targets);
}

fn replay(target: &str, check: impl Fn(&[u8])) {
    let mut seeds = 0;
    for file in fs::read_dir(corpus(target)).unwrap() {
        let path = file.unwrap().path();
        // A failure shows the last line that was written.
        println!("{}", path.display());
        check(&fs::read(path).unwrap());
        seeds += 1;
    }
    assert!(seeds > 8, "only {seeds} seeds for {target}");
}

fn corpus(target: &str) -> PathBuf {
    fuzz().join("corpus").join(target)
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}
