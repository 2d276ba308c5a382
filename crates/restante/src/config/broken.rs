//! A text that is not TOML: what the parser says, in words that tell what to write.

use std::{borrow::Cow, collections::HashSet, ops::Range};

use toml::de::{DeTable, DeValue, Error};

use super::{
    declared::quoted,
    places::Places,
    problem::{Problem, one_line},
};

/// Whether the parser complains about a section header without an end.
pub(super) fn is_unclosed_header(error: &Error) -> bool {
    let message = error.message();
    message.starts_with("unclosed table") || message.starts_with("unclosed array table")
}

/// Most characters of a user's value that a hint repeats.
const VALUE_CHARS_MAX: usize = 60;

/// What was found wrong with the text itself.
#[derive(Default)]
pub(super) struct Broken {
    pub(super) problems: Vec<Problem>,
    lines: HashSet<usize>,
}

impl Broken {
    /// Whether the parser understood all of it. What it made of a broken line is its guess, and not the user's mistake.
    pub(super) fn is_sound(&self, places: &Places<'_>, span: &Range<usize>) -> bool {
        let lines = places.line(span.start)..=places.line(span.end.saturating_sub(1).max(span.start));
        !self.lines.iter().any(|line| lines.contains(line))
    }
}

/// Closes the section headers that were left open (`[session`), so that what stands below them is read as it was
/// meant. Only ends of lines move.
pub(super) fn close_headers<'a>(text: &'a str, places: &Places<'_>, errors: &[Error]) -> Cow<'a, str> {
    let mut open: Vec<usize> = errors
        .iter()
        .filter(|error| is_unclosed_header(error))
        .map(|error| places.line(start(error, text)))
        .collect();
    open.dedup();
    if open.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut closed = String::with_capacity(text.len() + open.len());
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let header = line.trim_end();
        let is_open = open.contains(&(index + 1)) && !header.contains(['#', ']']);
        if is_open {
            closed.push_str(header);
            closed.push_str(if header.trim_start().starts_with("[[") {
                "]]"
            } else {
                "]"
            });
            closed.push_str(&line[header.len()..]);
        } else {
            closed.push_str(line);
        }
    }
    Cow::Owned(closed)
}

/// One problem for each broken line or list: what follows from the first mistake is none of its own.
pub(super) fn describe(
    text: &str,
    places: &Places<'_>,
    errors: impl IntoIterator<Item = Error>,
    table: &DeTable<'_>,
) -> Broken {
    let mut broken = Broken::default();
    let mut errors: Vec<Error> = errors.into_iter().collect();
    errors.sort_by_key(|error| start(error, text));
    let lists = lists(table);
    let mut told_lists = HashSet::new();
    for error in errors {
        let at = start(&error, text);
        let list = lists.iter().position(|list| list.contains(&at));
        let first_of_list = list.is_none_or(|list| told_lists.insert(list));
        if broken.lines.insert(places.line(at)) && first_of_list {
            broken.problems.push(one(places, &error, at, table));
        }
    }
    broken
}

fn start(error: &Error, text: &str) -> usize {
    error.span().map_or(text.len(), |span| span.start)
}

/// The places of all values that are lists: an unclosed one swallows the lines below it.
fn lists(table: &DeTable<'_>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for value in table.values() {
        match value.get_ref() {
            DeValue::Array(_) => found.push(value.span()),
            DeValue::Table(section) => {
                let lists = section.values().filter(|value| value.get_ref().is_array());
                found.extend(lists.map(toml::Spanned::span));
            }
            _ => {}
        }
    }
    found
}

fn one(places: &Places<'_>, error: &Error, at: usize, table: &DeTable<'_>) -> Problem {
    let origin = places.origin(&(at..at));
    let line = places.text_of(places.line(at));
    if error.message().starts_with("duplicate key") {
        return match line.trim_start().starts_with('[') {
            true => {
                let name = section_name(line);
                let what = format!(
                    "the section [{name}] is there already{}",
                    first_of_section(places, at, &name)
                );
                Problem::new(&origin, "", what).hint("put both together")
            }
            false => {
                let name = line.split(['=', '.']).next().unwrap_or_default().trim();
                let first = first(places, table, &section_of(places, places.line(at)), name);
                Problem::new(
                    &origin,
                    "",
                    format!("{} is there already{first}", one_line(name, VALUE_CHARS_MAX)),
                )
                .hint("leave one of them out")
            }
        };
    }
    if let Some((name, value)) = unquoted(line) {
        let behind_name = line.find('=').map_or(0, |equals| equals + 1);
        let spaces = line[behind_name..].len() - line[behind_name..].trim_start().len();
        let at = places.start(places.line(at)) + behind_name + spaces;
        return Problem::new(&places.origin(&(at..at)), name, "a text must be in quotes").hint(format!(
            "write: {name} = {}",
            quoted(&one_line(value, VALUE_CHARS_MAX))
        ));
    }
    Problem::new(&origin, "", format!("this is not TOML: {}", error.message()))
}

/// Where a name stands for the first time.
fn first(places: &Places<'_>, table: &DeTable<'_>, section: &str, name: &str) -> String {
    let key_in = |table: &DeTable<'_>, name: &str| {
        let mut keys = table.keys();
        keys.find(|key| key.get_ref() == name).map(toml::Spanned::span)
    };
    let span = match section {
        "" => key_in(table, name),
        section => table
            .iter()
            .find(|(key, _)| key.get_ref() == section)
            .and_then(|(_, value)| key_in(value.get_ref().as_table()?, name)),
    };
    span.map_or_else(String::new, |span| in_line(places.line(span.start)))
}

/// The parser forgets where a section began when it begins again.
fn first_of_section(places: &Places<'_>, at: usize, name: &str) -> String {
    let begins = |line: &usize| {
        let text = places.text_of(*line).trim_start();
        let dotted = |rest: &str| rest.trim_start().starts_with(['.', '=']);
        match text.starts_with('[') {
            true => section_name(text) == name,
            false => text.strip_prefix(name).is_some_and(dotted),
        }
    };
    (1..places.line(at))
        .find(begins)
        .map_or_else(String::new, in_line)
}

fn in_line(line: usize) -> String {
    format!(", in line {line}")
}

/// The section in which a line stands; empty above the first one.
fn section_of(places: &Places<'_>, line: usize) -> String {
    (1..line)
        .rev()
        .map(|above| places.text_of(above))
        .find(|text| text.trim_start().starts_with('['))
        .map(section_name)
        .unwrap_or_default()
}

fn section_name(line: &str) -> String {
    let inner = line.trim().trim_start_matches('[').split([']', '#']).next();
    one_line(inner.unwrap_or_default().trim(), VALUE_CHARS_MAX)
}

/// `name = value` where the value is a word, a path, an address or a number with a unit, and lacks its quotes.
fn unquoted(line: &str) -> Option<(&str, &str)> {
    const CURLED: [char; 7] = ['“', '”', '„', '‘', '’', '«', '»'];
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    };
    let value = value.split(" #").next().unwrap_or_default().trim();
    let bare = value.trim_matches(CURLED);
    let is_text = bare.contains(|c: char| c.is_alphabetic() || matches!(c, '/' | ':'));
    let is_other = bare.contains(['"', '\'', '[', ']', '{', '}']);
    (is_name(name) && is_text && !is_other && DeValue::parse(value).is_err()).then_some((name, bare))
}
