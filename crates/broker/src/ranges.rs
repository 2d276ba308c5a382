//! Lists of inclusive ranges of sequences, ascending, neither touching nor overlapping.

use restante_model::Seq;

/// Appends a range, which begins behind where the last one begins. It may be empty, or touch the last one.
pub(crate) fn push(ranges: &mut Vec<(Seq, Seq)>, first: Seq, last: Seq) {
    if first > last {
        return;
    }
    match ranges.last_mut() {
        Some(range) if range.1.0.saturating_add(1) >= first.0 => range.1 = range.1.max(last),
        _ => ranges.push((first, last)),
    }
}

/// Two lists as one. In each, ranges may touch.
pub(crate) fn merge(one: &[(Seq, Seq)], other: &[(Seq, Seq)]) -> Vec<(Seq, Seq)> {
    let mut all: Vec<(Seq, Seq)> = one.iter().chain(other).copied().collect();
    all.sort_unstable();
    let mut merged = Vec::with_capacity(all.len());
    for (first, last) in all {
        push(&mut merged, first, last);
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_touches_or_overlaps_is_one_range() {
        let ranges = |of: &[(u64, u64)]| -> Vec<(Seq, Seq)> {
            of.iter().map(|&(first, last)| (Seq(first), Seq(last))).collect()
        };
        let merged = merge(
            &ranges(&[(2, 3), (9, 9), (20, 30)]),
            &ranges(&[(4, 6), (8, 8), (22, 23)]),
        );
        assert_eq!(merged, ranges(&[(2, 6), (8, 9), (20, 30)]));
        let mut list = Vec::new();
        push(&mut list, Seq(5), Seq(4));
        assert!(list.is_empty());
    }
}
