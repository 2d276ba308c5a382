//! One stream of numbered messages, as it arrives.

use std::ops::Range;

/// Gaps remembered of one stream; beyond that the oldest counts as lost for good (the run has failed anyway).
const GAPS_MAX: usize = 10_000;

/// What a number was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The next one, or one after a gap.
    Fresh,
    /// One that was missing: it came after a later one.
    Late,
    /// One that was here before.
    Again,
    /// One that was never sent.
    Foreign,
}

/// The numbers of one (publisher, session): 0, 1, 2, …
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
    /// Numbers from here on were never sent.
    end: u64,
    next: u64,
    missing: Vec<Range<u64>>,
}

impl Sequence {
    /// A stream of `count` numbers.
    pub(crate) fn of(count: u64) -> Sequence {
        Sequence {
            end: count,
            ..Sequence::default()
        }
    }
    /// Takes one number.
    #[inline]
    pub(crate) fn take(&mut self, number: u64) -> Arrival {
        if number == self.next && number < self.end {
            self.next += 1;
            return Arrival::Fresh;
        }
        self.take_unexpected(number)
    }

    fn take_unexpected(&mut self, number: u64) -> Arrival {
        if number >= self.end {
            return Arrival::Foreign;
        }
        if number > self.next {
            if self.missing.len() == GAPS_MAX {
                self.missing.remove(0);
            }
            self.missing.push(self.next..number);
            self.next = number + 1;
            return Arrival::Fresh;
        }
        let Some(index) = self.missing.iter().position(|gap| gap.contains(&number)) else {
            return Arrival::Again;
        };
        let gap = self.missing.remove(index);
        for rest in [number + 1..gap.end, gap.start..number] {
            if !rest.is_empty() {
                self.missing.insert(index, rest);
            }
        }
        Arrival::Late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_late_ones_and_repeats_are_told_apart() {
        let mut sequence = Sequence::of(7);
        let arrivals = [0, 1, 5, 3, 3, 2, 4, 1, 6, 7].map(|number| sequence.take(number));
        use Arrival::{Again, Foreign, Fresh, Late};
        assert_eq!(
            arrivals,
            [
                Fresh, Fresh, Fresh, Late, Again, Late, Late, Again, Fresh, Foreign
            ]
        );
        assert!(sequence.missing.is_empty());
    }
}
