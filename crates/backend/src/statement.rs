//! The user's own statements: SQL or commands with `${placeholders}`, and the values they bind.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    contract::Work,
    trouble::{Asked, Done, Unfit},
};

/// What a variable holds at one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing: the event has no such thing.
    Null,
    /// A whole number.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// A text.
    Text(Box<str>),
    /// Bytes that may be no text (a payload).
    Bytes(Bytes),
}

/// The values of one event by the names of their variables, in no order. Few: looked through one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(pub Vec<(&'static str, Value)>);

impl Values {
    /// The value of a variable; [`Value::Null`] when the event has none of this name.
    pub fn get(&self, name: &str) -> &Value {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map_or(&Value::Null, |(_, value)| value)
    }
}

/// A statement that was prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatementId(pub u32);

/// A statement to be run once.
#[derive(Clone, Debug)]
pub struct Execution {
    /// Which.
    pub statement: StatementId,
    /// With which values.
    pub values: Arc<Values>,
}

/// The user's statements in one pool. They are run at least once: after a lost reply, again.
pub trait Statements: Send + Sync {
    /// Takes a statement; its variables must be among `variables`. Does no I/O.
    fn prepare(&self, text: &str, variables: &[&'static str]) -> Result<StatementId, Unfit>;

    /// Runs statements, in this order. One answer for each.
    fn run<'a>(&'a self, executions: &'a [Execution]) -> Work<'a, Asked<Vec<Done>>>;
}
