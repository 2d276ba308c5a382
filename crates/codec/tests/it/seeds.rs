//! The fuzzer's seeds are the rows of the table.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use restante_codec::packet::Version;
use restante_codec::table::{Row, rows};

/// Longer rows are long in one field and teach a fuzzer nothing.
const SEED_BYTES_MAX: usize = 400;

/// The first byte chooses the version, as the fuzz target reads it.
fn seed(row: &Row) -> Vec<u8> {
    let choice = match row.version {
        None => 0,
        Some(Version::V31) => 1,
        Some(Version::V311) => 2,
        Some(Version::V5) => 3,
    };
    [&[choice], &row.bytes[..]].concat()
}

fn file_name(row: &Row) -> String {
    let letters = row.name.chars().map(|letter| match letter {
        '#' => "hash".to_owned(),
        '+' => "plus".to_owned(),
        letter if letter.is_ascii_alphanumeric() || letter == '.' => letter.to_ascii_lowercase().to_string(),
        _ => "-".to_owned(),
    });
    letters.collect()
}

#[test]
fn the_corpus_is_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/codec_decode");
    let rows = rows();
    let short = rows.iter().filter(|row| row.bytes.len() <= SEED_BYTES_MAX);
    let expected: BTreeMap<_, _> = short.map(|row| (file_name(row), seed(row))).collect();
    if std::env::var_os("RESTANTE_WRITE_SEEDS").is_some() {
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in &expected {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
    let files = fs::read_dir(&folder).unwrap().map(|file| {
        let path = file.unwrap().path();
        (
            path.file_name().unwrap().to_string_lossy().into_owned(),
            fs::read(&path).unwrap(),
        )
    });
    let found: BTreeMap<_, _> = files.collect();
    assert!(
        found == expected,
        "fuzz/corpus/codec_decode is not the table: write it with RESTANTE_WRITE_SEEDS=1 (see fuzz/README.md)"
    );
}
