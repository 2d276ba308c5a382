//! Turns offsets in the file's text into lines and columns.

use std::{ops::Range, sync::Arc};

use super::problem::Origin;

/// The lines of one text.
pub(super) struct Places<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Places<'a> {
    pub(super) fn new(file: &'a Arc<str>, text: &'a str) -> Places<'a> {
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Places {
            file,
            text,
            line_starts,
        }
    }

    /// Where a span begins.
    pub(super) fn origin(&self, span: &Range<usize>) -> Origin {
        let (line, column) = self.line_column(span.start);
        Origin::File {
            file: self.file.clone(),
            line,
            column,
        }
    }

    /// Where the letters of a text begin, if each of them stands there as it is meant: line and column.
    pub(super) fn letters(&self, span: &Range<usize>) -> Option<(usize, usize)> {
        let raw = self.text.get(span.clone())?;
        let quote = [r#"""""#, "'''", r#"""#, "'"]
            .into_iter()
            .find(|quote| raw.starts_with(quote))?;
        if raw.contains('\\') && quote.starts_with('"') {
            return None;
        }
        let inner = &raw[quote.len()..];
        // A line end right behind three quotes does not belong to the text.
        let skipped = match quote.len() {
            3 if inner.starts_with("\r\n") => 2,
            3 if inner.starts_with('\n') => 1,
            _ => 0,
        };
        Some(self.line_column(span.start + quote.len() + skipped))
    }

    /// The line of an offset, counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// The text of a line, without its end.
    pub(super) fn text_of(&self, line: usize) -> &'a str {
        let start = self.start(line);
        let rest = self.text.get(start..).unwrap_or_default();
        rest.lines().next().unwrap_or_default()
    }

    /// Where a line begins.
    pub(super) fn start(&self, line: usize) -> usize {
        let index = line.saturating_sub(1).min(self.line_starts.len() - 1);
        self.line_starts[index]
    }

    fn line_column(&self, offset: usize) -> (usize, usize) {
        let line = self.line(offset);
        let before = self.text.get(self.start(line)..offset);
        (line, before.map_or(0, |before| before.chars().count()) + 1)
    }
}
