//! One value as the user gave it, in the file or in the environment, before anyone knows what it should be.

use toml::de::DeValue;

/// A value, still in the user's words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Given<'a> {
    /// A string of the file.
    Text(&'a str),
    /// An integer of the file.
    Integer(i64),
    /// True or false.
    Flag(bool),
    /// A list of the file.
    List(Vec<Given<'a>>),
    /// The text of an environment variable: a string, a number or a list parted by commas, as the setting wants.
    Variable(&'a str),
    /// Something that no setting takes, named for the error.
    Other(&'static str),
}

impl<'a> Given<'a> {
    /// A value of the parsed file.
    pub(crate) fn from_toml(value: &'a DeValue<'a>) -> Given<'a> {
        match value {
            DeValue::String(text) => Given::Text(text),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(integer) => Given::Integer(integer),
                Err(_) => Given::Other("an integer beyond 64 bits"),
            },
            DeValue::Array(items) => Given::List(
                items
                    .iter()
                    .map(|item| Given::from_toml(item.get_ref()))
                    .collect(),
            ),
            DeValue::Boolean(flag) => Given::Flag(*flag),
            DeValue::Float(_) => Given::Other("a number with a fraction"),
            DeValue::Datetime(_) => Given::Other("a date"),
            DeValue::Table(_) => Given::Other("a section"),
        }
    }

    /// The text of a setting that is a string.
    pub(crate) fn text(&self) -> Result<&'a str, String> {
        match self {
            Given::Text(text) | Given::Variable(text) => Ok(text),
            other => Err(format!("expected a text in quotes, found {}", other.name())),
        }
    }

    /// What it is, in words.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Given::Text(_) | Given::Variable(_) => "a text",
            Given::Integer(_) => "an integer",
            Given::Flag(_) => "true or false",
            Given::List(_) => "a list",
            Given::Other(name) => name,
        }
    }
}
