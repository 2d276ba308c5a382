//! Statements and templates, read as the backend will read them.

use restante_model::Layout;
use restante_rules::{Home, Line, LineIndex, What};

use super::{
    complaints::Complaints,
    lines::{Lines, Section},
};
use crate::{
    backends::{self, ReadText},
    config::{Pool, Reading, variables},
};

/// One text to read.
struct Text<'a> {
    /// By which the reading knows it.
    at: String,
    /// By which the user knows it.
    shown: String,
    text: &'a str,
    variables: &'static [&'static str],
}

/// Reads all texts of the sound lines for which the kind of their pool has a reader.
pub(super) fn check(reading: &Reading, lines: &Lines, complaints: &mut Complaints) {
    for (index, line) in (0..).map(LineIndex).zip(lines.lines()) {
        let (Some(section), Some(pool)) = (lines.section(index), pool(reading, line)) else {
            continue;
        };
        let read = backends::kind(pool.kind).and_then(|kind| kind.read_text);
        if let Some(read) = read {
            for text in texts(reading, section, line) {
                one(reading, &text, read, complaints);
            }
        }
    }
}

fn pool<'a>(reading: &'a Reading, line: &Line) -> Option<&'a Pool> {
    let index = match line {
        Line::Keep(keep) => match keep.home {
            Home::Pool(pool) if keep.layout == Layout::Plugin => pool,
            _ => return None,
        },
        Line::Hook(hook) => hook.pool,
    };
    reading.draft.pools.get(index.0 as usize)
}

fn texts<'a>(reading: &'a Reading, section: Section, line: &Line) -> Vec<Text<'a>> {
    let table = section.table();
    match (section, line) {
        (Section::Keep(index), _) => {
            let templates = reading
                .draft
                .keeps
                .get(index)
                .into_iter()
                .flat_map(|keep| &keep.templates);
            let text = |(name, text): (&String, &'a String)| Text {
                at: format!("{table}.sql.{name}"),
                shown: format!("keep.sql.{name}"),
                text,
                variables: variables(name),
            };
            templates.map(text).collect()
        }
        (Section::Hook(index), Line::Hook(hook)) if matches!(hook.what, What::Statements(_)) => {
            let Some(draft) = reading.draft.hooks.get(index) else {
                return Vec::new();
            };
            let (name, list) = match draft.sql.is_empty() {
                true => ("commands", &draft.commands),
                false => ("sql", &draft.sql),
            };
            let text = |(number, text): (usize, &'a String)| Text {
                at: match reading.is_written(&table, &format!("{name}[{number}]")) {
                    true => format!("{table}.{name}[{number}]"),
                    false => format!("{table}.{name}"),
                },
                shown: format!("hook.{name}"),
                text,
                variables: hook.on.variables(),
            };
            list.iter().enumerate().map(text).collect()
        }
        (Section::Hook(_), _) => Vec::new(),
    }
}

fn one(reading: &Reading, text: &Text<'_>, read: ReadText, complaints: &mut Complaints) {
    match read(text.text, text.variables) {
        Ok(doubts) => {
            for doubt in doubts {
                complaints.warning(&reading.origin_within(&text.at, doubt.at), &text.shown, doubt.why);
            }
        }
        Err(unfit) => {
            complaints.problem(
                &reading.origin_within(&text.at, unfit.at),
                &text.shown,
                unfit.why,
                "",
            );
        }
    }
}

#[cfg(test)]
pub(super) fn one_for_test(
    reading: &Reading,
    at: &str,
    text: &str,
    read: ReadText,
    complaints: &mut Complaints,
) {
    let text = Text {
        at: at.to_owned(),
        shown: "text".to_owned(),
        text,
        variables: &["topic"],
    };
    one(reading, &text, read, complaints);
}
