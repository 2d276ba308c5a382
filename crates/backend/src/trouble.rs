//! What went wrong, and whose fault it is (K50).
//!
//! Two kinds, and only two: the backend cannot take anything now ([`Away`]: everything of the slice is asked again
//! later), or it refuses one thing for good while it takes others ([`Refused`]: that thing goes to the dead letters).
//! Which of them an error is, is found by trial and not by its class: what a single row reproduces on a healthy
//! connection while its neighbours pass is the row's.

/// The backend cannot take or answer anything now. Nothing is known of what was on its way: it may have been done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Away {
    /// A sentence for the log: what was tried, where, and the server's words. No secrets.
    pub why: String,
}

/// The backend refuses one thing for good: a row, a key, a statement with these values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refused {
    /// A sentence for the dead letter, with the server's own words.
    pub why: String,
}

/// The configuration asks for what cannot be: a capability the backend lacks, a template that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unfit {
    /// What is wrong and what to write instead.
    pub why: String,
    /// Where in the text that was given, if it is about a text: line and column, from 1.
    pub at: Option<(u32, u32)>,
}

/// The answer to a slice: away as a whole, or an answer for each.
pub type Asked<T> = Result<T, Away>;

/// What became of one thing of a slice.
pub type Done = Result<(), Refused>;
