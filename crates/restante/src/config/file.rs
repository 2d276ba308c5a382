//! Reads the text of the file into a draft, and finds everything that is wrong with it.

use std::{collections::HashSet, ops::Range, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Reading,
    declared::Setting,
    given::Given,
    nearest::nearest,
    problem::{Origin, Problem, one_line},
    settings::{SECTIONS, setting, settings},
};

/// Most characters of a user's word that an error repeats.
const ECHO_CHARS_MAX: usize = 60;

/// Reads `text` into `reading`. `file` is the name for the messages.
pub(super) fn read(file: &Arc<str>, text: &str, reading: &mut Reading) {
    let places = Places::new(file, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut broken_lines = HashSet::new();
    for error in errors {
        let origin = places.origin(&error.span().unwrap_or(text.len()..text.len()));
        if let Origin::File { line, .. } = origin {
            broken_lines.insert(line);
        }
        reading.problems.push(Problem::new(
            &origin,
            "",
            format!("this is not TOML: {}", error.message()),
        ));
    }
    // What the parser made of a broken line is its guess, and not the user's mistake.
    let sound = |span: &Range<usize>| !broken_lines.contains(&places.line_column(span.start).0);
    for (name, value) in table.get_ref() {
        if !sound(&name.span()) && !value.get_ref().is_table() {
            continue;
        }
        let origin = places.origin(&name.span());
        let name = name.get_ref();
        match value.get_ref() {
            DeValue::Table(section) if is_section(name) => {
                for (key, value) in section.iter().filter(|(key, _)| sound(&key.span())) {
                    one(&places, name, key, value, reading);
                }
            }
            DeValue::Table(_) => reading.problems.push(unknown_section(&origin, name)),
            _ if is_section(name) => {
                let problem = Problem::new(&origin, name, "this is a section, not a value");
                reading
                    .problems
                    .push(problem.hint(format!("write [{name}] on a line of its own")));
            }
            _ => match setting("", name) {
                Some(setting) => apply(&places, setting, value, reading),
                None => reading.problems.push(unknown_setting(&origin, "", name)),
            },
        }
    }
}

/// One key of a section.
fn one(
    places: &Places<'_>,
    section: &str,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
    reading: &mut Reading,
) {
    match setting(section, key.get_ref()) {
        Some(setting) => apply(places, setting, value, reading),
        None => reading.problems.push(unknown_setting(
            &places.origin(&key.span()),
            section,
            key.get_ref(),
        )),
    }
}

fn apply(
    places: &Places<'_>,
    setting: &'static Setting,
    value: &Spanned<DeValue<'_>>,
    reading: &mut Reading,
) {
    reading.give(
        setting,
        places.origin(&value.span()),
        &Given::from_toml(value.get_ref()),
    );
}

fn is_section(name: &str) -> bool {
    SECTIONS
        .iter()
        .any(|section| !section.name.is_empty() && section.name == name)
}

fn unknown_section(origin: &Origin, name: &str) -> Problem {
    let problem = Problem::new(origin, &echo(name), "there is no such section");
    if setting("", name).is_some() {
        return problem.hint(format!(
            "{name} is a value; write it before the first section: {name} = …"
        ));
    }
    let names = || {
        SECTIONS
            .iter()
            .map(|section| section.name)
            .filter(|name| !name.is_empty())
    };
    match nearest(name, names()) {
        Some(near) => problem.hint(format!("did you mean [{near}]?")),
        None => problem.hint(format!(
            "the sections are {}",
            names()
                .map(|name| format!("[{name}]"))
                .collect::<Vec<_>>()
                .join(", ")
        )),
    }
}

/// Also for names that came from the environment.
pub(super) fn unknown_setting(origin: &Origin, section: &str, name: &str) -> Problem {
    let key = if section.is_empty() {
        echo(name)
    } else {
        format!("{section}.{}", echo(name))
    };
    let problem = Problem::new(origin, &key, "there is no such setting");
    let here = || settings().filter(|setting| setting.section == section);
    let elsewhere = || settings().filter(|setting| setting.section != section);
    if let Some(other) = elsewhere().find(|setting| setting.name == name) {
        return problem.hint(match other.section {
            "" => format!("{name} stands at the top of the file, before the first section"),
            section => format!("{name} belongs to the section [{section}]"),
        });
    }
    if let Some(near) = nearest(name, here().map(|setting| setting.name)) {
        return problem.hint(format!("did you mean {near}?"));
    }
    match nearest(name, elsewhere().map(|setting| setting.name)) {
        Some(near) => {
            let section = elsewhere()
                .find(|setting| setting.name == near)
                .map_or("", |other| other.section);
            let place = if section.is_empty() {
                "at the top of the file".to_owned()
            } else {
                format!("in [{section}]")
            };
            problem.hint(format!("did you mean {near} {place}?"))
        }
        None => problem.hint("all names are in: restante config reference"),
    }
}

/// A word of the user's, fit to be repeated.
pub(super) fn echo(word: &str) -> String {
    if word.is_empty() {
        "\"\"".to_owned()
    } else {
        one_line(word, ECHO_CHARS_MAX)
    }
}

/// Turns offsets into lines and columns.
struct Places<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(file: &'a Arc<str>, text: &'a str) -> Places<'a> {
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Places {
            file,
            text,
            line_starts,
        }
    }

    fn origin(&self, span: &Range<usize>) -> Origin {
        let (line, column) = self.line_column(span.start);
        Origin::File {
            file: self.file.clone(),
            line,
            column,
        }
    }

    fn line_column(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line.saturating_sub(1)];
        let column = self
            .text
            .get(start..offset)
            .map_or(0, |before| before.chars().count());
        (line, column + 1)
    }
}
