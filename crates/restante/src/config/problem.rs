//! What is wrong with a configuration, and where.

use std::{fmt, sync::Arc};

/// Most characters of the sentence that says what is wrong.
const WHAT_CHARS_MAX: usize = 500;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave it.
    Default,
    /// A place in the file. Lines and columns count from 1, columns in characters.
    File {
        /// The file as the user named it.
        file: Arc<str>,
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Origin::Environment { variable } => f.write_str(variable),
        }
    }
}

/// One thing that is wrong or, as a warning, unwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// The setting (`session.max_mqueue_len`) or section, or empty where the text itself is broken.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl Problem {
    /// `what` may repeat the user's words: control characters are replaced and the length is bounded, so that a
    /// problem is one line.
    pub(crate) fn new(origin: &Origin, key: &str, what: impl AsRef<str>) -> Problem {
        Problem {
            origin: origin.clone(),
            key: key.to_owned(),
            what: one_line(what.as_ref(), WHAT_CHARS_MAX),
            hint: String::new(),
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = hint.into();
        self
    }

    /// Sorts by place: the file from top to bottom, then the environment by name.
    pub(crate) fn order(&self) -> (u8, usize, usize, String) {
        match &self.origin {
            Origin::File { line, column, .. } => (0, *line, *column, self.key.clone()),
            Origin::Environment { variable } => (1, 0, 0, variable.clone()),
            Origin::Default => (2, 0, 0, self.key.clone()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)?;
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

/// The text without control characters, cut where it is longer than `chars_max`.
pub(super) fn one_line(text: &str, chars_max: usize) -> String {
    let mut line: String = text
        .chars()
        .take(chars_max)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    if text.chars().nth(chars_max).is_some() {
        line.push('…');
    }
    line
}
