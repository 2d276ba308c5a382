//! Things wanted by name, each once, in the order they were asked for. Asking anew changes what is wanted, not its turn.

use std::collections::{HashMap, VecDeque};

/// Names that are not wanted any more may stand in the order up to this number beyond those that are.
const STALE_MAX: usize = 64;

/// The wishes of one connection. Each call costs the same, however many there are.
pub(super) struct Wishes<T> {
    by_name: HashMap<Box<str>, T>,
    order: VecDeque<Box<str>>,
}

impl<T> Default for Wishes<T> {
    fn default() -> Wishes<T> {
        Wishes {
            by_name: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<T> Wishes<T> {
    pub(super) fn insert(&mut self, name: &str, wish: T) {
        if self.by_name.insert(name.into(), wish).is_none() {
            self.order.push_back(name.into());
        }
        if self.order.len() > 2 * self.by_name.len() + STALE_MAX {
            // A name that was taken back and asked for again may stand there twice: its earlier place counts.
            let mut seen = std::collections::HashSet::new();
            let by_name = &self.by_name;
            self.order
                .retain(|name| by_name.contains_key(name) && seen.insert(name.clone()));
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        while let Some(name) = self.order.pop_front() {
            if let Some(wish) = self.by_name.remove(&name) {
                return Some(wish);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_in_the_order_of_asking() {
        let mut wishes = Wishes::default();
        for (name, wish) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            wishes.insert(name, wish);
        }
        wishes.remove("b");
        assert!(wishes.contains("a") && !wishes.contains("b"));
        assert_eq!(
            (wishes.pop(), wishes.pop(), wishes.pop()),
            (Some(3), Some(4), None)
        );
        assert!(wishes.is_empty());
    }

    #[test]
    fn taking_back_and_asking_again_costs_no_memory() {
        let mut wishes = Wishes::default();
        wishes.insert("first", 0);
        for _ in 0..10_000 {
            wishes.insert("again", 1);
            wishes.remove("again");
        }
        assert!(wishes.order.len() <= 2 + 2 * STALE_MAX);
        assert_eq!((wishes.pop(), wishes.pop()), (Some(0), None));
    }
}
