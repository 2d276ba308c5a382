//! What a power cut leaves.
//!
//! Every crash draws how kind it is: everything or nothing that was not synced survives, or each sector for itself.
//! Of several writes to one sector that were not synced any may be the last one that survived. A file's length is
//! one more thing that survives or not. Changes of names survive each for itself too, except that one that touches
//! the same names as an earlier one does not survive without it.

use std::collections::{BTreeMap, BTreeSet};

use crate::conformance::random::Random;

use super::{
    SECTOR_BYTES, State,
    inode::{Inode, Operation},
};

/// A create (set), a removal (unset) or a rename (both, at once).
#[derive(Clone)]
pub(super) struct FolderChange {
    pub(super) unset: Option<String>,
    pub(super) set: Option<(String, usize)>,
}

impl FolderChange {
    fn names(&self) -> impl Iterator<Item = &str> {
        let set = self.set.as_ref().map(|(name, _)| name.as_str());
        self.unset.as_deref().into_iter().chain(set)
    }
}

/// How much survives of what was not synced.
#[derive(Clone, Copy)]
enum Kindness {
    Nothing,
    Everything,
    /// Each thing for itself: so many in eight.
    Eighths(u64),
}

impl Kindness {
    fn draw(random: &mut Random) -> Kindness {
        match random.within(0..8) {
            0 => Kindness::Nothing,
            1 => Kindness::Everything,
            2 => Kindness::Eighths(1),
            3 => Kindness::Eighths(7),
            _ => Kindness::Eighths(4),
        }
    }

    fn spares(self, random: &mut Random) -> bool {
        match self {
            Kindness::Nothing => false,
            Kindness::Everything => true,
            Kindness::Eighths(eighths) => random.within(0..8) < eighths,
        }
    }
}

/// The names and files after a power cut.
pub(super) fn survivors(state: &State, seed: u64) -> (BTreeMap<String, usize>, Vec<Inode>) {
    let mut random = Random::new(seed);
    let kindness = Kindness::draw(&mut random);
    let mut names = surviving_names(state, kindness, &mut random);
    let kindness = Kindness::draw(&mut random);
    let mut inodes = Vec::new();
    for number in names.values_mut() {
        let content = surviving_content(&state.inodes[*number], kindness, &mut random);
        *number = inodes.len();
        inodes.push(Inode::durable(content));
    }
    (names, inodes)
}

fn surviving_names(state: &State, kindness: Kindness, random: &mut Random) -> BTreeMap<String, usize> {
    let mut names = state.names_durable.clone();
    let mut lost: BTreeSet<&str> = BTreeSet::new();
    for change in &state.folder {
        if change.names().any(|name| lost.contains(name)) || !kindness.spares(random) {
            lost.extend(change.names());
            continue;
        }
        if let Some(name) = &change.unset {
            names.remove(name);
        }
        if let Some((name, number)) = &change.set {
            names.insert(name.clone(), *number);
        }
    }
    names
}

fn surviving_content(inode: &Inode, kindness: Kindness, random: &mut Random) -> Vec<u8> {
    let mut content = inode.durable.clone();
    for pending in &inode.pending {
        match &pending.operation {
            Operation::SetLen(len) if kindness.spares(random) => content.resize(*len, 0),
            Operation::SetLen(_) => {}
            Operation::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if end > content.len() && kindness.spares(random) {
                    content.resize(end, 0);
                }
                for (at, piece) in sectors(*offset, bytes) {
                    if kindness.spares(random) {
                        let end = (at + piece.len()).min(content.len());
                        let start = at.min(end);
                        content[start..end].copy_from_slice(&piece[..end - start]);
                    }
                }
            }
        }
    }
    content
}

/// The parts of a write that lie in one sector each.
fn sectors(offset: usize, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let first = (SECTOR_BYTES - offset % SECTOR_BYTES).min(bytes.len());
    let (head, rest) = bytes.split_at(first);
    let rest = rest.chunks(SECTOR_BYTES).enumerate();
    let rest = rest.map(move |(index, piece)| (offset + first + index * SECTOR_BYTES, piece));
    std::iter::once((offset, head)).chain(rest)
}
