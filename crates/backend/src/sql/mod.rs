//! What the SQL backends have in common, without any I/O: the documented tables as data, how rows are read, whose fault
//! an error is, the six templates of the offline-message plugin.
//!
//! | module | concept |
//! |---|---|
//! | [`cell`] | a value that was read, of whatever type the column is |
//! | [`row`] | a row as a message, a subscription, a read position |
//! | [`page`] | rows of one topic, in order, from a place on |
//! | [`trial`] | which row of a batch is refused (K50) |
//! | [`table`] | a table as it is: columns, widths, what is missing |
//! | [`layout`] | the documented tables |
//! | [`six`] | the six templates of seeds 1 and 2 |
//! | [`civil`] | dates and times of day in UTC |

pub mod cell;
pub mod civil;
pub mod layout;
pub mod page;
pub mod row;
pub mod six;
pub mod table;
pub mod trial;

use crate::trouble::Away;

/// How a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Nothing can be taken now.
    Away(Away),
    /// Something in these rows; which one, by its place in them, if the server said so.
    Rows {
        /// The row's place, from 0.
        at: Option<usize>,
        /// The server's words.
        why: String,
    },
    /// The statement, whatever the row: no such table, no such column, no right to it.
    Statement(String),
}

impl From<Away> for Failed {
    fn from(away: Away) -> Failed {
        Failed::Away(away)
    }
}
