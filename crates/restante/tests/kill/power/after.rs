//! What is on a disk after the power has failed.
//!
//! By chance either nothing that was not synced survives, or some of it: then the names are those of the last moment,
//! and of each file's bytes that were not synced every sector survives or not for itself. Subtler cases are those of
//! the store's simulated disk.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::chance::Chance;

/// Bytes that a disk writes wholly or not at all.
const SECTOR: usize = 512;

/// Makes the data folder anew from what was kept of it, and what is kept from the new one: it is all durable.
pub(super) fn make(data: &Path, kept: &Path, chance: &mut Chance) {
    let some_survives = chance.once_in(2);
    let folder = kept.join("folder").exists() || (some_survives && chance.once_in(2));
    let names = match (folder, some_survives) {
        (false, _) => None,
        (true, false) => Some(synced_names(kept)),
        (true, true) => Some(present_names(data)),
    };
    let files: Option<Vec<(String, Vec<u8>)>> = names.map(|names| {
        let files = names.into_iter();
        files
            .map(|(name, inode)| {
                let synced = read(&kept.join("bytes").join(inode.to_string()));
                let bytes = match some_survives {
                    false => synced,
                    true => mixed(synced, &read(&data.join(&name)), chance),
                };
                (name, bytes)
            })
            .collect()
    });
    remove(data);
    remove(kept);
    for kind in ["bytes", "held"] {
        fs::create_dir_all(kept.join(kind)).expect("make a folder for what is kept");
    }
    if let Some(files) = files {
        fs::create_dir(data).expect("make the data folder");
        for (name, bytes) in files {
            fs::write(data.join(name), bytes).expect("write a file that is left");
        }
        keep_all(data, kept).expect("keep what is left");
    }
}

/// Names and inodes as of the last sync of the folder.
fn synced_names(kept: &Path) -> BTreeMap<String, u64> {
    let text = String::from_utf8(read(&kept.join("names"))).expect("names are text");
    text.lines()
        .map(|line| {
            let (inode, name) = line.split_once(' ').expect("a line is an inode and a name");
            (name.to_owned(), inode.parse().expect("inodes are numbers"))
        })
        .collect()
}

/// Names and inodes as the dead broker left them.
fn present_names(data: &Path) -> BTreeMap<String, u64> {
    let entries = fs::read_dir(data).expect("list the data folder");
    entries
        .map(|entry| {
            let entry = entry.expect("list the data folder");
            let inode = entry.metadata().expect("look at a file").ino();
            let name = entry.file_name().into_string();
            (name.expect("the broker's names are text"), inode)
        })
        .collect()
}

/// What was synced, with sectors of what was written since.
fn mixed(synced: Vec<u8>, written: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = synced;
    if bytes.len() != written.len() && chance.once_in(2) {
        bytes.resize(written.len(), 0);
    }
    for (old, new) in bytes.chunks_mut(SECTOR).zip(written.chunks(SECTOR)) {
        let both = old.len().min(new.len());
        if old[..both] != new[..both] && chance.once_in(2) {
            old[..both].copy_from_slice(&new[..both]);
        }
    }
    bytes
}

/// As if all of it had been synced.
fn keep_all(data: &Path, kept: &Path) -> io::Result<()> {
    let mut names = String::new();
    for (name, inode) in present_names(data) {
        let file = data.join(&name);
        fs::hard_link(&file, kept.join("held").join(inode.to_string()))?;
        fs::copy(&file, kept.join("bytes").join(inode.to_string()))?;
        names.push_str(&format!("{inode} {name}\n"));
    }
    fs::write(kept.join("names"), names)?;
    File::create(kept.join("folder")).map(drop)
}

/// A file's bytes; none when it is not there.
fn read(path: &Path) -> Vec<u8> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read.expect("read what is kept"),
    }
}

fn remove(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        done => done.expect("remove a folder"),
    }
}
