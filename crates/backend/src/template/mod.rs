//! Templates: text with `${placeholders}`. They are found by scanners that know the text's own quotes and comments, and
//! they are always bound as values, never pasted into the text.

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
