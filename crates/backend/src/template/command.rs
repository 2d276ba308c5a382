//! Redis commands with `${placeholders}`: split on single spaces first, filled afterwards, so a value with spaces in it
//! stays one argument (BEHAVIOUR 2.2).
//!
//! A placeholder is a whole argument or part of one, the command's own name never. There are no quotes: what stands
//! between two spaces is an argument as it is.

use crate::{
    statement::{Value, Values},
    template::{nearest, unfit},
    trouble::Unfit,
};

/// Most arguments of one command, its name among them.
pub const ARGUMENTS_MAX: usize = 1_024;

/// A command that was taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandTemplate {
    name: Box<str>,
    arguments: Vec<Vec<Part>>,
}

/// A piece of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Variable(&'static str),
}

impl CommandTemplate {
    /// Takes a command apart. `variables` are those that may stand in it.
    pub fn parse(text: &str, variables: &[&'static str]) -> Result<CommandTemplate, Unfit> {
        let mut words = words(text);
        let name = match words.next() {
            Some((_, name)) if !name.is_empty() => name,
            _ => return Err(unfit(text, 0, "there is no command here")),
        };
        if name.contains("${") {
            return Err(unfit(
                text,
                0,
                "the name of a command cannot come from a message; write the command itself, as in HSET",
            ));
        }
        let mut arguments = Vec::new();
        for (start, word) in words {
            if word.is_empty() {
                return Err(unfit(
                    text,
                    start,
                    "arguments stand apart by exactly one space; here are two, or one at the end",
                ));
            }
            if arguments.len() + 1 == ARGUMENTS_MAX {
                let why = format!("a command has at most {ARGUMENTS_MAX} arguments");
                return Err(unfit(text, start, why));
            }
            arguments.push(parts(text, start, word, variables)?);
        }
        Ok(CommandTemplate {
            name: name.into(),
            arguments,
        })
    }

    /// The command's name as it was written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The arguments with their values: one byte string each, whatever is in it. A variable that the event lacks is
    /// empty.
    pub fn fill(&self, values: &Values) -> Vec<Vec<u8>> {
        let argument = |parts: &Vec<Part>| {
            let mut bytes = Vec::new();
            for part in parts {
                match part {
                    Part::Text(text) => bytes.extend_from_slice(text.as_bytes()),
                    Part::Variable(name) => push(values.get(name), &mut bytes),
                }
            }
            bytes
        };
        self.arguments.iter().map(argument).collect()
    }
}

/// Words that stand in a command as they are, and that are also the names of variables: most likely `${}` was
/// forgotten (C4). The seeds' own examples do so. One complaint for each, to be shown as a warning.
pub fn lint(text: &str, variables: &[&str]) -> Vec<Unfit> {
    let bare = words(text).skip(1).filter(|(_, word)| variables.contains(word));
    bare.map(|(start, word)| {
        let why = format!("{word:?} is the word itself; for the value of the variable write ${{{word}}}");
        unfit(text, start, why)
    })
    .collect()
}

/// The words between single spaces, with the bytes where they begin.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    text.split(' ').map(move |word| {
        let at = start;
        start += word.len() + 1;
        (at, word)
    })
}

/// The parts of one argument that begins at byte `start` of the text.
fn parts(text: &str, start: usize, word: &str, variables: &[&'static str]) -> Result<Vec<Part>, Unfit> {
    let mut parts = Vec::new();
    let mut rest = word;
    while let Some(open) = rest.find("${") {
        let at = start + (word.len() - rest.len()) + open;
        let (before, after) = rest.split_at(open);
        let Some((name, behind)) = after[2..].split_once('}') else {
            return Err(unfit(text, at, "this ${ has no } before the next space"));
        };
        let Some(known) = variables.iter().find(|known| **known == name) else {
            let nearest = match nearest(name, variables) {
                Some(nearest) => format!("; did you mean ${{{nearest}}}?"),
                None => format!("; known are {}", variables.join(", ")),
            };
            return Err(unfit(
                text,
                at,
                format!("there is no variable {name:?} here{nearest}"),
            ));
        };
        if !before.is_empty() {
            parts.push(Part::Text(before.into()));
        }
        parts.push(Part::Variable(known));
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.into()));
    }
    Ok(parts)
}

fn push(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::Int(number) => bytes.extend_from_slice(number.to_string().as_bytes()),
        Value::Bool(true) => bytes.extend_from_slice(b"true"),
        Value::Bool(false) => bytes.extend_from_slice(b"false"),
        Value::Text(text) => bytes.extend_from_slice(text.as_bytes()),
        Value::Bytes(more) => bytes.extend_from_slice(more),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const VARIABLES: &[&str] = &["clientid", "topic", "qos", "payload"];

    fn filled(text: &str) -> Vec<Vec<u8>> {
        let values = Values(vec![
            ("clientid", Value::Text("a b ${topic}".into())),
            ("topic", Value::Text("t'\"/2".into())),
            ("qos", Value::Int(1)),
            ("payload", Value::Bytes(Bytes::from_static(b"\xff\0 "))),
        ]);
        CommandTemplate::parse(text, VARIABLES).unwrap().fill(&values)
    }

    #[test]
    fn a_value_with_spaces_stays_one_argument_and_is_not_filled_again() {
        assert_eq!(
            filled("HSET sub:${clientid} ${topic} ${qos}"),
            [b"sub:a b ${topic}".to_vec(), b"t'\"/2".to_vec(), b"1".to_vec()]
        );
        assert_eq!(filled("RPUSH l ${payload}"), [b"l".to_vec(), b"\xff\0 ".to_vec()]);
        assert_eq!(
            filled("SET ${qos}:${qos}x $y}{"),
            [b"1:1x".to_vec(), b"$y}{".to_vec()]
        );
        assert_eq!(filled("PING"), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn what_the_event_lacks_is_empty() {
        let template = CommandTemplate::parse("SET k ${topic}", VARIABLES).unwrap();
        assert_eq!(template.fill(&Values::default()), [b"k".to_vec(), Vec::new()]);
    }

    #[test]
    fn errors_say_where_and_what_to_write() {
        let at = |text: &str| CommandTemplate::parse(text, VARIABLES).unwrap_err();
        let typo = at("HSET sub:${clientid} ${topci} 1");
        assert_eq!(typo.at, Some((1, 22)));
        assert!(typo.why.contains("did you mean ${topic}?"), "{typo}");
        let far = at("SET a ${whatsoever}");
        assert!(far.why.contains("known are clientid, topic"), "{far}");
        assert_eq!(at("SET a:${topic b").at, Some((1, 7)));
        assert_eq!(at("SET  a").at, Some((1, 5)));
        assert_eq!(at("SET a ").at, Some((1, 7)));
        assert_eq!(at("").at, Some((1, 1)));
        assert_eq!(at("${topic} a").at, Some((1, 1)));
    }

    #[test]
    fn c04_a_bare_word_that_is_a_variables_name_is_a_warning() {
        let lint = lint("HSET sub:${clientid} topic qos", VARIABLES);
        assert_eq!(lint.len(), 2);
        assert_eq!(lint[0].at, Some((1, 22)));
        assert!(lint[0].why.contains("write ${topic}"), "{}", lint[0]);
        assert!(super::lint("HSET topic:x ${topic} ${qos}", VARIABLES).is_empty());
    }
}
