//! A map from ids to values for millions of small values: ids rise, so neighbours share a page; a walk over all of it
//! can stop anywhere and go on later.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// Ids that share a page.
const PAGE: u64 = 64;

/// The map. Costs about one byte per value beside the value and its id while ids are dense.
pub(crate) struct Table<T> {
    pages: HashMap<u64, Vec<(u64, T)>, BuildHasherDefault<IdHasher>>,
    /// The pages that exist, ascending; may name some that do not any more.
    order: Vec<u64>,
    len: usize,
}

/// Spreads ids, which are nearly consecutive, over the buckets.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0 ^ u64::from(byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        // An odd factor with bits everywhere: the low bits choose a bucket, the high ones tell its tenants apart.
        self.0 = id.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(26);
    }
}

/// A map by 64-bit ids that are not handed out by strangers.
pub(crate) type IdMap<T> = HashMap<u64, T, BuildHasherDefault<IdHasher>>;

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table {
            pages: HashMap::default(),
            order: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Table<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, id: u64) -> Option<&T> {
        let page = self.pages.get(&(id / PAGE))?;
        let at = place(page, id).ok()?;
        Some(&page[at].1)
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        let page = self.pages.get_mut(&(id / PAGE))?;
        let at = place(page, id).ok()?;
        Some(&mut page[at].1)
    }

    /// Puts a value in, unless the id is taken. Answers the value that is there now.
    pub(crate) fn get_or_insert_with(&mut self, id: u64, make: impl FnOnce() -> T) -> &mut T {
        let number = id / PAGE;
        let page = self.pages.entry(number).or_default();
        if page.is_empty() {
            match self.order.binary_search(&number) {
                Ok(_) => {}
                Err(at) => self.order.insert(at, number),
            }
        }
        let at = match place(page, id) {
            Ok(at) => at,
            Err(at) => {
                if page.len() == page.capacity() {
                    page.reserve_exact((page.len()).clamp(4, PAGE as usize - page.len()));
                }
                page.insert(at, (id, make()));
                self.len += 1;
                at
            }
        };
        &mut page[at].1
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<T> {
        let page = self.pages.get_mut(&(id / PAGE))?;
        let at = place(page, id).ok()?;
        let (_, value) = page.remove(at);
        self.len -= 1;
        if page.is_empty() {
            self.pages.remove(&(id / PAGE));
            if self.pages.len() * 2 + 64 < self.order.len() {
                let pages = &self.pages;
                self.order.retain(|number| pages.contains_key(number));
            }
        }
        Some(value)
    }

    /// The values with ids from `from` on: one page of them at most, ascending, and where to go on; `None` at the
    /// end.
    pub(crate) fn page_from(&self, from: u64) -> Option<(&[(u64, T)], u64)> {
        let mut at = self.order.partition_point(|&number| number < from / PAGE);
        while let Some(&number) = self.order.get(at) {
            if let Some(page) = self.pages.get(&number) {
                let start = page.partition_point(|&(id, _)| id < from);
                if start < page.len() {
                    return Some((&page[start..], (number + 1) * PAGE));
                }
            }
            at += 1;
        }
        None
    }

    /// Each value, in no order.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = (u64, &mut T)> {
        self.pages.values_mut().flatten().map(|(id, value)| (*id, value))
    }

    /// Each value, in no order.
    pub(crate) fn values(&self) -> impl Iterator<Item = (u64, &T)> {
        self.pages.values().flatten().map(|(id, value)| (*id, value))
    }
}

fn place<T>(page: &[(u64, T)], id: u64) -> Result<usize, usize> {
    // A full page holds each id at its own place: no search.
    let guess = (id % PAGE) as usize;
    if page.get(guess).is_some_and(|&(found, _)| found == id) {
        return Ok(guess);
    }
    page.binary_search_by_key(&id, |&(found, _)| found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((0u64..400, any::<bool>()), 0..300)) {
            let mut table = Table::default();
            let mut model = BTreeMap::new();
            for (step, (id, insert)) in steps.into_iter().enumerate() {
                if insert {
                    let expected = *model.entry(id).or_insert(step);
                    prop_assert_eq!(*table.get_or_insert_with(id, || step), expected);
                } else {
                    prop_assert_eq!(table.remove(id), model.remove(&id));
                }
            }
            prop_assert_eq!(table.len(), model.len());
            let mut walked = Vec::new();
            let mut from = 0;
            while let Some((page, next)) = table.page_from(from) {
                walked.extend(page.iter().copied());
                from = next;
            }
            prop_assert_eq!(walked, model.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn pages_that_went_are_forgotten() {
        let mut table = Table::default();
        for id in 0..100_000 {
            table.get_or_insert_with(id, || ());
        }
        for id in 0..99_999 {
            table.remove(id);
        }
        assert_eq!((table.len(), table.pages.len()), (1, 1));
        assert!(table.order.len() <= 66);
        assert_eq!(table.page_from(0).unwrap().0, [(99_999, ())]);
        assert!(table.page_from(100_000).is_none());
    }
}
