//! What a kind of backend can do, as data: `check` refuses what is not here in a sentence.

use restante_model::Function;

use crate::messages::{Layout, Mode};

/// What a kind of backend can do.
#[derive(Debug)]
pub struct Capabilities {
    /// The kind's name in the configuration: `redis`, `mysql`, …
    pub kind: &'static str,
    /// Modes of a keep, by layout.
    pub modes: &'static [(Layout, Mode)],
    /// Built-in functions of the EMQ X 4 back ends.
    pub functions: &'static [Function],
    /// The user's own statements.
    pub statements: Option<StatementForm>,
    /// Names of the templates that a keep may replace.
    pub templates: &'static [&'static str],
    /// It has tables, which can be printed, checked and installed.
    pub schema: bool,
}

/// What the user's own statements are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementForm {
    /// `sql = ["…"]`
    Sql,
    /// `commands = ["…"]`
    Commands,
}
