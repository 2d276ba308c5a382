//! Pieces of sealed segments that several readers want at about the same time. When many sessions take their backlogs at
//! once, the messages of each lie far apart, but those of all together lie side by side: what one reads with a call of
//! its own for each message, the others find here.
//!
//! A piece is kept when it is wanted a second time within [`REMEMBERED`] pieces; so a session that returns alone, or
//! thousands that return at random, read what they need and no more. And where the pieces that were kept have not paid,
//! no more are kept for a while: each costs [`PRICE`], and each message found in one earns 1.

use std::collections::{HashMap, VecDeque};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use super::{names::FileId, segment::SegmentFile};

/// Bytes of a piece; pieces begin at multiples of it.
const PIECE: u32 = 256 << 10;
/// More than this at once is read by its reader alone: it does not pay to read what lies around it too.
const READ_ALONE: usize = 16 << 10;
/// Pieces that are kept at most: 64 MiB, and one more for each reader that is reading one. The oldest goes first.
const KEPT_MAX: usize = 256;
/// Pieces that were wanted last and are not kept. About as many as are kept: a piece that is wanted again only after
/// more than that would be gone when its third reader came.
const REMEMBERED: usize = 512;

/// What reading a piece costs, in messages read alone.
const PRICE: u32 = 16;
/// What each [`Warm::cool`] gives at least, for a new try.
const CREDIT_MIN: u32 = 64 * PRICE;
/// What can be saved up.
const CREDIT_MAX: u32 = 4096 * PRICE;

/// The pieces that are kept.
#[derive(Default)]
pub(crate) struct Warm {
    state: Mutex<State>,
}

/// A piece by the file it is in and its number there.
type Name = (FileId, u32);

struct State {
    kept: HashMap<Name, Kept>,
    /// Oldest first.
    order: VecDeque<Name>,
    /// Oldest first.
    wanted: VecDeque<Name>,
    /// Rises with each [`Warm::cool`].
    round: u32,
    /// What has been earned and not spent.
    credit: u32,
}

struct Kept {
    bytes: Bytes,
    /// When it was wanted last.
    round: u32,
}

/// What a reader remembers between two looks: messages that follow each other often lie in the same piece.
#[derive(Default)]
pub(crate) struct Looked {
    /// Messages found, and not counted yet.
    found: u32,
    last: Option<(Name, Option<Bytes>)>,
}

impl Warm {
    /// These bytes of a sealed segment, if they are kept, or are to be kept from now on. `None` means: read them yourself;
    /// the reason may be that the disk refused.
    pub(crate) fn look<'l>(
        &self,
        looked: &'l mut Looked,
        file: &SegmentFile,
        at: u32,
        len: usize,
    ) -> Option<&'l [u8]> {
        let (number, from) = (at / PIECE, (at % PIECE) as usize);
        if len > READ_ALONE || from + len > PIECE as usize {
            return None;
        }
        let name = (file.id, number);
        if !matches!(&looked.last, Some((known, _)) if *known == name) {
            let found = std::mem::take(&mut looked.found);
            looked.last = Some((name, self.piece(file, name, found)));
        }
        let Looked { found, last } = looked;
        let bytes = last.as_ref()?.1.as_ref()?.get(from..from + len)?;
        *found += 1;
        Some(bytes)
    }

    fn piece(&self, file: &SegmentFile, name: Name, found: u32) -> Option<Bytes> {
        let spare = {
            let mut state = self.state.lock();
            state.credit = state.credit.saturating_add(found).min(CREDIT_MAX);
            let round = state.round;
            if let Some(kept) = state.kept.get_mut(&name) {
                kept.round = round;
                return Some(kept.bytes.clone());
            }
            let Some(known) = state.wanted.iter().position(|&wanted| wanted == name) else {
                if state.wanted.len() >= REMEMBERED {
                    state.wanted.pop_front();
                }
                state.wanted.push_back(name);
                return None;
            };
            state.credit = state.credit.checked_sub(PRICE)?;
            state.wanted.remove(known);
            state.room()
        };
        // Without the lock. Should two readers do this at once, one of them has read in vain.
        let start = u64::from(name.1) * u64::from(PIECE);
        let len = file.len.checked_sub(start)?.min(u64::from(PIECE)) as usize;
        let mut bytes = spare.unwrap_or_default();
        bytes.resize(len, 0);
        file.file.read_at(start, &mut bytes).ok()?;
        let bytes = bytes.freeze();
        self.state.lock().keep(name, bytes.clone());
        Some(bytes)
    }

    /// Lets go what was not wanted since the last call.
    pub(crate) fn cool(&self) {
        let mut state = self.state.lock();
        let State {
            kept,
            order,
            wanted,
            round,
            credit,
        } = &mut *state;
        *credit = (*credit).max(CREDIT_MIN);
        kept.retain(|_, piece| piece.round == *round);
        order.retain(|name| kept.contains_key(name));
        if kept.is_empty() {
            wanted.clear();
            // Nothing is left behind by a broker that has handed everything over.
            kept.shrink_to_fit();
        }
        *round = round.wrapping_add(1);
    }
}

impl Default for State {
    fn default() -> State {
        State {
            kept: HashMap::new(),
            order: VecDeque::new(),
            wanted: VecDeque::new(),
            round: 0,
            credit: CREDIT_MIN,
        }
    }
}

impl State {
    /// Makes room for one more; answers the memory of the one that went, if nobody reads it.
    fn room(&mut self) -> Option<BytesMut> {
        let mut spare = None;
        while self.order.len() >= KEPT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            let gone = self.kept.remove(&oldest);
            spare = gone.and_then(|piece| piece.bytes.try_into_mut().ok());
        }
        spare
    }

    fn keep(&mut self, name: Name, bytes: Bytes) {
        let round = self.round;
        if self.kept.insert(name, Kept { bytes, round }).is_some() {
            return;
        }
        self.order.push_back(name);
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::{folder::FolderDisk, io::Disk};

    /// A segment of so many pieces and a half, in which each byte tells its place.
    fn segment(pieces: u32) -> (TempDir, SegmentFile) {
        let folder = tempfile::tempdir().unwrap();
        let disk = FolderDisk::open(folder.path()).unwrap();
        let len = u64::from(pieces * PIECE + PIECE / 2);
        let file = disk.create("a", len).unwrap();
        let bytes: Vec<u8> = (0..len).map(byte).collect();
        file.write_at(0, &[std::io::IoSlice::new(&bytes)]).unwrap();
        let segment = SegmentFile {
            key: 1,
            id: FileId::new(1, 1),
            seed: 0,
            node: 0,
            file,
            len,
        };
        (folder, segment)
    }

    fn byte(at: u64) -> u8 {
        (at % 251) as u8
    }

    /// Looks as a page of its own does.
    fn look(warm: &Warm, file: &SegmentFile, at: u32, len: usize) -> bool {
        let mut looked = Looked::default();
        let found = warm.look(&mut looked, file, at, len);
        if let Some(found) = found {
            let expected: Vec<u8> = (u64::from(at)..).take(len).map(byte).collect();
            assert_eq!(found, expected);
        }
        found.is_some()
    }

    #[test]
    fn a_piece_is_kept_when_it_is_wanted_again() {
        let (_folder, file) = segment(2);
        let warm = Warm::default();
        assert!(!look(&warm, &file, 100, 300));
        assert!(!look(&warm, &file, PIECE + 100, 300));
        assert!(look(&warm, &file, 5000, 300));
        assert!(look(&warm, &file, 0, READ_ALONE));
        // The half at the end, up to its last byte.
        assert!(!look(&warm, &file, 2 * PIECE, 1));
        assert!(look(&warm, &file, 2 * PIECE + PIECE / 2 - 7, 7));
        assert!(!look(&warm, &file, 2 * PIECE + PIECE / 2 - 7, 8));
    }

    #[test]
    fn what_is_long_or_in_two_pieces_is_read_alone() {
        let (_folder, file) = segment(1);
        let warm = Warm::default();
        for _ in 0..3 {
            assert!(!look(&warm, &file, PIECE - 10, 20));
            assert!(!look(&warm, &file, 0, READ_ALONE + 1));
        }
        assert!(warm.state.lock().wanted.is_empty());
    }

    #[test]
    fn what_nobody_wants_any_more_goes() {
        let (_folder, file) = segment(1);
        let warm = Warm::default();
        look(&warm, &file, 0, 1);
        assert!(look(&warm, &file, 0, 1));
        warm.cool();
        assert!(look(&warm, &file, 0, 1), "it was wanted since the call before");
        warm.cool();
        warm.cool();
        assert!(!look(&warm, &file, 0, 1));
    }

    #[test]
    fn no_more_is_kept_than_the_maximum() {
        let (_folder, file) = segment(KEPT_MAX as u32 + 10);
        let warm = Warm::default();
        warm.state.lock().credit = CREDIT_MAX;
        for number in 0..KEPT_MAX as u32 + 10 {
            look(&warm, &file, number * PIECE, 1);
            assert!(look(&warm, &file, number * PIECE, 1));
        }
        let state = warm.state.lock();
        assert_eq!((state.kept.len(), state.order.len()), (KEPT_MAX, KEPT_MAX));
        assert!(!state.kept.contains_key(&(file.id, 9)));
        assert!(state.kept.contains_key(&(file.id, 10)));
    }

    #[test]
    fn what_does_not_pay_is_given_up_and_tried_again_later() {
        let (_folder, file) = segment(CREDIT_MIN / PRICE + 2);
        let warm = Warm::default();
        let keep = |number: u32| {
            look(&warm, &file, number * PIECE, 1);
            look(&warm, &file, number * PIECE, 1)
        };
        let tried = (0..).take_while(|&number| keep(number)).count();
        assert_eq!(tried as u32, CREDIT_MIN / PRICE);
        warm.cool();
        assert!(keep(tried as u32));
    }

    #[test]
    fn what_is_found_pays_for_more() {
        let (_folder, file) = segment(3);
        let warm = Warm::default();
        look(&warm, &file, 0, 1);
        warm.state.lock().credit = PRICE;
        let mut looked = Looked::default();
        for at in 0..PRICE {
            assert!(warm.look(&mut looked, &file, at, 1).is_some());
        }
        assert_eq!(warm.state.lock().credit, 0);
        // The next piece counts what was found in the last.
        look(&warm, &file, PIECE, 1);
        assert!(warm.look(&mut looked, &file, PIECE, 1).is_some());
    }

    #[test]
    fn what_the_disk_refuses_is_not_kept() {
        let (_folder, mut file) = segment(1);
        // The file is shorter than it says.
        file.len += u64::from(2 * PIECE);
        let warm = Warm::default();
        for _ in 0..3 {
            assert!(!look(&warm, &file, 3 * PIECE - PIECE / 2, 1));
        }
        assert!(warm.state.lock().kept.is_empty());
    }
}
