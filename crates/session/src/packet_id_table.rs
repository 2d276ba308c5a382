//! A small map from packet ids to places, that costs what it holds: 8 to 16 bytes per id in use, and nothing while
//! empty. (An array over all 65,535 ids would cost 128 KiB per connection.)
//!
//! Open addressing with linear probing. Eight consecutive ids, the usual case, lie side by side: whoever takes or ends
//! many deliveries in a row finds them in memory that is near. Such rows are scattered by a multiplicative hash, so that
//! they hardly ever meet; ids are 16 bits, so the table never has more than 65,536 places, and at that size no two ids
//! meet at all.

/// Smallest size of a table that holds anything. A power of two.
const PLACES_MIN: usize = 16;
/// One place for each 16-bit number.
const PLACES_MAX: usize = 1 << 16;
/// Consecutive ids side by side, as a power of two. A removal looks at those behind it, so rows are not longer.
const ROW_BITS: u32 = 3;
/// Rows of ids there are.
const ROWS_MAX: usize = PLACES_MAX >> ROW_BITS;

/// Map from packet id (never 0) to a 16-bit value.
#[derive(Debug, Default)]
pub(crate) struct PacketIdTable {
    /// Empty, or a power of two in size. Id 0 is a free place.
    places: Vec<(u16, u16)>,
    used: usize,
}

impl PacketIdTable {
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    pub(crate) fn get(&self, id: u16) -> Option<u16> {
        let at = self.find(id)?;
        Some(self.places[at].1)
    }

    pub(crate) fn contains(&self, id: u16) -> bool {
        self.find(id).is_some()
    }

    /// Puts an id in; false (and no change) when it is there already or is 0.
    pub(crate) fn insert(&mut self, id: u16, value: u16) -> bool {
        if id == 0 || self.contains(id) {
            return false;
        }
        if self.used * 2 >= self.places.len() && self.places.len() < PLACES_MAX {
            self.grow();
        }
        self.put(id, value);
        self.used += 1;
        true
    }

    pub(crate) fn remove(&mut self, id: u16) -> Option<u16> {
        let mut hole = self.find(id)?;
        let value = self.places[hole].1;
        let mask = self.places.len() - 1;
        // Close the gap: move up whoever was pushed past it, so that no search stops short.
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let (moving, _) = self.places[at];
            if moving == 0 || at == hole {
                break;
            }
            let home = self.home(moving);
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.places[hole] = self.places[at];
                hole = at;
            }
        }
        self.places[hole] = (0, 0);
        self.used -= 1;
        Some(value)
    }

    fn find(&self, id: u16) -> Option<usize> {
        if self.used == 0 || id == 0 {
            return None;
        }
        let mask = self.places.len() - 1;
        let mut at = self.home(id);
        for _ in 0..self.places.len() {
            match self.places[at].0 {
                found if found == id => return Some(at),
                0 => return None,
                _ => at = (at + 1) & mask,
            }
        }
        None
    }

    /// There is a free place: the table is at most half full, or has a place for every id.
    fn put(&mut self, id: u16, value: u16) {
        let mask = self.places.len() - 1;
        let mut at = self.home(id);
        while self.places[at].0 != 0 {
            at = (at + 1) & mask;
        }
        self.places[at] = (id, value);
    }

    fn grow(&mut self) {
        let size = (self.places.len() * 2).max(PLACES_MIN);
        let old = std::mem::replace(&mut self.places, vec![(0, 0); size]);
        for (id, value) in old {
            if id != 0 {
                self.put(id, value);
            }
        }
    }

    /// For the row the high bits of the product with an odd number near 8,192 / golden ratio, in the row the low bits of
    /// the id; a bijection at full size.
    fn home(&self, id: u16) -> usize {
        let row_bits = self.places.len().trailing_zeros() - ROW_BITS;
        let row = usize::from(id >> ROW_BITS) * 5_063 % ROWS_MAX;
        let row = row >> (ROWS_MAX.trailing_zeros() - row_bits);
        (row << ROW_BITS) | (usize::from(id) & ((1 << ROW_BITS) - 1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_map(steps in prop::collection::vec((any::<bool>(), 0..200u16), 1..400), spread in 1..400u16) {
            let mut table = PacketIdTable::default();
            let mut naive = BTreeMap::new();
            for (value, (insert, id)) in steps.into_iter().enumerate() {
                let id = id.wrapping_mul(spread);
                if insert {
                    let fits = id != 0 && !naive.contains_key(&id);
                    prop_assert_eq!(table.insert(id, value as u16), fits);
                    if fits {
                        naive.insert(id, value as u16);
                    }
                } else {
                    prop_assert_eq!(table.remove(id), naive.remove(&id));
                }
                prop_assert_eq!(table.len(), naive.len());
                prop_assert_eq!(table.get(id), naive.get(&id).copied());
            }
            for id in 0..=u16::MAX {
                prop_assert_eq!(table.get(id), naive.get(&id).copied());
            }
        }
    }

    #[test]
    fn holds_every_id_and_no_more_places_than_there_are_ids() {
        let mut table = PacketIdTable::default();
        for id in 1..=u16::MAX {
            assert!(table.insert(id, !id));
        }
        assert_eq!((table.len(), table.places.len()), (65_535, PLACES_MAX));
        assert!(!table.insert(7, 0));
        assert_eq!(table.get(7), Some(!7));
        for id in (1..=u16::MAX).rev() {
            assert_eq!(table.remove(id), Some(!id));
        }
        assert_eq!(table.len(), 0);
    }
}
