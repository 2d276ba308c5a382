//! Reads the text of the file into a draft, and finds everything that is wrong with it.

use std::{borrow::Cow, ops::Range, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Reading, broken,
    declared::Setting,
    given::Given,
    keeping,
    nearest::nearest,
    places::Places,
    problem::{Origin, Problem, one_line},
    settings::{SECTIONS, setting, settings},
};

/// Most characters of a user's word that an error repeats.
const ECHO_CHARS_MAX: usize = 60;

/// Reads `text` into `reading`. `file` is the name for the messages.
pub(crate) fn read(file: &Arc<str>, text: &str, reading: &mut Reading) {
    let places = Places::new(file, text);
    let (_, mut errors) = DeTable::parse_recoverable(text);
    let text = broken::close_headers(text, &places, &errors);
    let places = Places::new(file, &text);
    let (table, more) = DeTable::parse_recoverable(&text);
    if let Cow::Owned(_) = text {
        errors.retain(broken::is_unclosed_header);
        errors.extend(more);
    }
    let table = table.get_ref();
    let broken = broken::describe(&text, &places, errors, table);
    let sound = |span: &Range<usize>| broken.is_sound(&places, span);
    for (name, value) in table {
        let origin = places.origin(&name.span());
        let is_guess = !(sound(&name.span()) && sound(&value.span()));
        let holds_tables = value.get_ref().is_table() || value.get_ref().is_array();
        if is_guess
            && !(holds_tables && keeping::read::NAMES.contains(&&**name.get_ref())
                || value.get_ref().is_table())
        {
            continue;
        }
        let name = name.get_ref();
        match value.get_ref() {
            _ if keeping::read::NAMES.contains(&&**name) => {
                keeping::read::read(&places, &|span| sound(span), name, &origin, value, reading);
            }
            DeValue::Table(section) => {
                let known = if is_section(name) {
                    Some(&**name)
                } else {
                    reading.problems.push(unknown_section(&origin, name));
                    // Its keys are looked at as what they were probably meant to be.
                    nearest(name, section_names())
                };
                let Some(known) = known else { continue };
                let keys = section.iter();
                for (key, value) in keys.filter(|(key, value)| sound(&key.span()) && sound(&value.span())) {
                    one(&places, known, key, value, reading);
                }
            }
            _ if is_section(name) => {
                let problem = Problem::new(&origin, name, "this is a section, not a value");
                reading
                    .problems
                    .push(problem.hint(format!("write [{name}] on a line of its own")));
            }
            DeValue::Array(items)
                if setting("", name).is_none() && items.iter().any(|item| item.get_ref().is_table()) =>
            {
                reading.problems.push(unknown_section(&origin, name));
            }
            _ => match setting("", name) {
                Some(setting) => apply(&places, setting, value, reading),
                None => reading.problems.push(unknown_setting(&origin, "", name)),
            },
        }
    }
    reading.problems.extend(broken.problems);
}

/// One key of a section.
fn one(
    places: &Places<'_>,
    section: &str,
    key: &Spanned<Cow<'_, str>>,
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
    let item = |index: usize| value.get_ref().as_array()?.get(index);
    let place = |index: Option<usize>| match index.and_then(item) {
        Some(item) => places.origin(&item.span()),
        None => places.origin(&value.span()),
    };
    reading.give(setting, place, &Given::from_toml(value.get_ref()));
}

fn section_names() -> impl Iterator<Item = &'static str> {
    SECTIONS
        .iter()
        .map(|section| section.name)
        .filter(|name| !name.is_empty())
}

fn is_section(name: &str) -> bool {
    section_names().any(|section| section == name)
}

fn unknown_section(origin: &Origin, name: &str) -> Problem {
    let problem = Problem::new(origin, &echo(name), "there is no such section");
    if setting("", name).is_some() {
        return problem.hint(format!(
            "{name} is a value; write it before the first section: {name} = …"
        ));
    }
    match nearest(name, section_names().chain(keeping::read::NAMES)) {
        Some(near @ ("keep" | "hook")) => problem.hint(format!("did you mean [[{near}]]?")),
        Some("backend") => problem.hint("did you mean a pool, like [backend.redis.main]?"),
        Some(near) => problem.hint(format!("did you mean [{near}]?")),
        None => problem.hint(format!(
            "the sections are {}",
            section_names()
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
