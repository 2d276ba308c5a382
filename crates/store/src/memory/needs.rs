//! Which parts of a queue its readers still need, as the sweep collects them reader by reader.

use restante_model::Seq;

/// Spans `from < seq <= to`, ascending, apart from one another.
#[derive(Default)]
pub(super) struct Needs {
    spans: Vec<(Seq, Seq)>,
    /// Whether any reader was asked: a queue of which the store knows no reader is left alone until it is closed.
    asked: bool,
}

impl Needs {
    /// A reader exists, whether or not it needs anything.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// A reader needs `from < seq <= to`.
    pub(super) fn add(&mut self, from: Seq, to: Seq) {
        self.asked = true;
        if from >= to {
            return;
        }
        let first = self.spans.partition_point(|span| span.1 < from);
        let end = self.spans.partition_point(|span| span.0 <= to);
        if first == end {
            self.spans.insert(first, (from, to));
            return;
        }
        let from = from.min(self.spans[first].0);
        let to = to.max(self.spans[end - 1].1);
        self.spans.splice(first..end, [(from, to)]);
    }

    /// Whether any reader was asked.
    pub(super) fn asked(&self) -> bool {
        self.asked
    }

    /// Nothing up to here is needed.
    pub(super) fn lowest(&self) -> Seq {
        self.spans.first().map_or(Seq::MAX, |span| span.0)
    }

    /// Whether everything above [`Needs::lowest`] is needed: the common case.
    pub(super) fn is_one_tail(&self) -> bool {
        match self.spans.as_slice() {
            [] => true,
            [(_, to)] => *to == Seq::MAX,
            _ => false,
        }
    }

    /// Whether a reader needs this one.
    pub(super) fn contains(&self, seq: Seq) -> bool {
        let after = self.spans.partition_point(|span| span.0 < seq);
        after > 0 && seq <= self.spans[after - 1].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(spans: &[(u64, u64)]) -> Needs {
        let mut needs = Needs::default();
        for &(from, to) in spans {
            needs.add(Seq(from), Seq(to));
        }
        needs
    }

    #[test]
    fn spans_melt_together() {
        let needs = needs(&[(10, 20), (40, 50), (30, 35), (20, 30)]);
        assert_eq!(needs.spans, [(Seq(10), Seq(35)), (Seq(40), Seq(50))]);
        assert!(!needs.contains(Seq(10)) && needs.contains(Seq(11)) && needs.contains(Seq(35)));
        assert!(!needs.contains(Seq(36)) && !needs.contains(Seq(40)) && needs.contains(Seq(50)));
        assert_eq!(needs.lowest(), Seq(10));
        assert!(!needs.is_one_tail());
    }

    #[test]
    fn the_slowest_reader_rules() {
        let mut needs = needs(&[(10, 12), (14, 16), (20, u64::MAX)]);
        needs.add(Seq(3), Seq::MAX);
        assert_eq!(needs.spans, [(Seq(3), Seq::MAX)]);
        assert!(needs.is_one_tail());
    }

    #[test]
    fn a_reader_that_needs_nothing_was_asked() {
        let mut needs = Needs::default();
        assert!(!needs.asked());
        needs.ask();
        assert!(needs.asked() && needs.lowest() == Seq::MAX && !needs.contains(Seq(1)));
    }
}
