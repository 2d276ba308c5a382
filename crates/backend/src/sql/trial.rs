//! Which row of a batch is refused (K50): found by what the server says, or by trying halves, and never by the class of
//! an error alone.

use std::{collections::VecDeque, ops::Range};

use crate::trouble::{Done, Refused};

/// The batches that are still to be tried, oldest first, and what was refused so far.
///
/// A batch that fails is tried again around the row that the server named, or in halves; a row that fails alone is
/// refused. Rows keep their order. With `n` rows and `k` bad ones about `k · log2(n)` commands are needed.
#[derive(Debug)]
pub struct Trial {
    left: VecDeque<Range<usize>>,
    done: Vec<Done>,
}

impl Trial {
    /// All rows in one batch.
    pub fn new(rows: usize) -> Trial {
        Trial::of(rows, std::iter::once(0..rows))
    }

    /// Rows in batches that go one after another; rows in none of them are done.
    pub fn of(rows: usize, batches: impl IntoIterator<Item = Range<usize>>) -> Trial {
        Trial {
            left: batches.into_iter().filter(|batch| !batch.is_empty()).collect(),
            done: vec![Ok(()); rows],
        }
    }

    /// The batch to try next; `None` when every row has its answer.
    pub fn batch(&self) -> Option<Range<usize>> {
        self.left.front().cloned()
    }

    /// It went through.
    pub fn passed(&mut self) {
        self.left.pop_front();
    }

    /// It did not, and none of it was done. `at` is the row that the server named, by its place in the batch.
    pub fn failed(&mut self, at: Option<usize>, why: &str) {
        let Some(batch) = self.left.pop_front() else {
            return;
        };
        if batch.len() == 1 {
            return self.refuse(batch, why);
        }
        match at.map(|at| batch.start + at).filter(|row| batch.contains(row)) {
            // Named is not proved: it is tried alone.
            Some(row) => self.put_back([batch.start..row, row..row + 1, row + 1..batch.end]),
            None => {
                let middle = batch.start + batch.len() / 2;
                self.put_back([batch.start..middle, middle..batch.end, 0..0]);
            }
        }
    }

    /// It did not, and no row of it ever will: the fault is the statement's.
    pub fn failed_all(&mut self, why: &str) {
        if let Some(batch) = self.left.pop_front() {
            self.refuse(batch, why);
        }
    }

    /// Refuses a row before it is tried.
    pub fn refuse_beforehand(&mut self, row: usize, why: &str) {
        let Some(place) = self.left.iter().position(|batch| batch.contains(&row)) else {
            return;
        };
        let Some(batch) = self.left.remove(place) else {
            return;
        };
        self.refuse(row..row + 1, why);
        let parts = [batch.start..row, row + 1..batch.end];
        for part in parts.into_iter().rev().filter(|part| !part.is_empty()) {
            self.left.insert(place, part);
        }
    }

    /// One answer for each row.
    pub fn into_done(self) -> Vec<Done> {
        self.done
    }

    fn refuse(&mut self, rows: Range<usize>, why: &str) {
        for done in &mut self.done[rows] {
            *done = Err(Refused { why: why.to_owned() });
        }
    }

    fn put_back(&mut self, parts: [Range<usize>; 3]) {
        for part in parts.into_iter().rev().filter(|part| !part.is_empty()) {
            self.left.push_front(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a server that takes a batch only when no row in it is bad: exactly the bad rows are refused, the
        /// others go through once and in order, and not many more commands are needed than there must be.
        #[test]
        fn k50_the_bad_rows_are_found_and_no_others(
            bad in proptest::collection::vec(any::<bool>(), 1..200),
            names in any::<bool>(),
        ) {
            let mut trial = Trial::new(bad.len());
            let (mut taken, mut commands) = (Vec::new(), 0);
            while let Some(batch) = trial.batch() {
                commands += 1;
                match bad[batch.clone()].iter().position(|bad| *bad) {
                    None => {
                        taken.extend(batch);
                        trial.passed();
                    }
                    Some(at) => trial.failed(names.then_some(at), "bad"),
                }
            }
            let good: Vec<usize> = (0..bad.len()).filter(|row| !bad[*row]).collect();
            prop_assert_eq!(taken, good);
            let refused: Vec<bool> = trial.into_done().iter().map(Result::is_err).collect();
            prop_assert_eq!(&refused, &bad);
            let count = bad.iter().filter(|bad| **bad).count();
            prop_assert!(commands <= 2 + 2 * count * 9, "{} commands for {} bad rows", commands, count);
        }
    }

    #[test]
    fn a_fault_of_the_statement_is_every_rows() {
        let mut trial = Trial::of(4, [0..2, 2..4]);
        trial.refuse_beforehand(2, "too long");
        trial.failed_all("no such table");
        assert_eq!(trial.batch(), Some(3..4));
        trial.passed();
        let done = trial.into_done();
        assert_eq!(
            done.iter().map(Result::is_err).collect::<Vec<_>>(),
            [true, true, true, false]
        );
        assert_eq!(done[2].clone().unwrap_err().why, "too long");
    }
}
