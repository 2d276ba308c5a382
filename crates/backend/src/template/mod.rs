//! Templates: text with `${placeholders}`. They are found by scanners that know the text's own quotes and comments, and
//! they are always bound as values, never pasted into the text.
//!
//! | module | what is scanned |
//! |---|---|
//! | [`command`] | Redis commands |

pub mod command;

pub mod nearest;
pub mod sql;

use crate::trouble::Unfit;

/// A complaint about a template, at the byte where it is.
pub fn unfit(text: &str, byte: usize, why: impl Into<String>) -> Unfit {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    Unfit {
        why: why.into(),
        at: Some((line as u32, column as u32)),
    }
}

/// Letters that may be changed, left out, added or swapped for a name to be a likely slip of another.
const SLIPS_MAX: usize = 2;

/// The known name that is most like a mistyped one, if one is like it at all.
pub fn nearest<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let distances = known.iter().map(|name| (slips(typed, name), *name));
    let (slips, name) = distances.min()?;
    (slips <= SLIPS_MAX && slips < typed.chars().count()).then_some(name)
}

/// How many single slips (a letter changed, left out, added, or two neighbours swapped) lie between two words.
fn slips(one: &str, two: &str) -> usize {
    let (one, two): (Vec<char>, Vec<char>) = (one.chars().collect(), two.chars().collect());
    let mut rows = vec![(0..=two.len()).collect::<Vec<usize>>()];
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=two.len() {
            let same = usize::from(one[i - 1] != two[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[i - 1][j - 1] + same);
            if i > 1 && j > 1 && one[i - 1] == two[j - 2] && one[i - 2] == two[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[one.len()][two.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_a_likely_slip() {
        let known = ["topic", "payload", "qos"];
        assert_eq!(nearest("topci", &known), Some("topic"));
        assert_eq!(nearest("paylod", &known), Some("payload"));
        assert_eq!(nearest("x", &known), None);
        assert_eq!(nearest("message", &known), None);
    }

    #[test]
    fn a_complaint_knows_its_line_and_column() {
        let unfit = unfit("ab\nc\u{e4}d", 6, "x");
        assert_eq!(unfit.at, Some((2, 3)));
    }
}
