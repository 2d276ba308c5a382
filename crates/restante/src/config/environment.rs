//! Settings from environment variables: `RESTANTE__SESSION__MAX_MQUEUE_LEN=5000` stands above the file.

use std::ffi::OsString;

use super::{
    Reading,
    declared::VARIABLE_PREFIX,
    file::echo,
    given::Given,
    keeping,
    nearest::nearest,
    problem::{Origin, Problem},
    settings::{SECTIONS, settings},
};

/// Reads all variables that begin with [`VARIABLE_PREFIX`]; one that names no setting is a mistake. One that looks as if
/// it were meant to be ours is told about.
pub(super) fn read(variables: impl IntoIterator<Item = (OsString, OsString)>, reading: &mut Reading) {
    let (mut ours, mut others): (Vec<(String, OsString)>, Vec<_>) = variables
        .into_iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .partition(|(name, _)| name.starts_with(VARIABLE_PREFIX));
    ours.sort();
    others.sort();
    for (name, _) in others {
        reading.warnings.extend(near_miss(&name));
    }
    for (name, value) in ours {
        let origin = Origin::Environment {
            variable: echo(&name),
        };
        let Some(setting) = settings().find(|setting| setting.variable() == name) else {
            reading.problems.push(unknown(&origin, &name));
            continue;
        };
        match value.to_str() {
            Some(text) => reading.give(setting, |_| origin.clone(), &Given::Variable(text)),
            None => reading.problems.push(Problem::new(
                &origin,
                &setting.key(),
                "the value is not UTF-8 text",
            )),
        }
    }
}

fn unknown(origin: &Origin, name: &str) -> Problem {
    let problem = Problem::new(origin, "", "there is no such setting");
    let known: Vec<String> = settings().map(super::declared::Setting::variable).collect();
    let is_table = |table: &str| {
        let rest = name.strip_prefix(VARIABLE_PREFIX).unwrap_or_default();
        rest.split("__").next() == Some(table.to_uppercase().as_str())
    };
    if keeping::read::NAMES.iter().any(|table| is_table(table)) {
        return problem.hint("pools, keeps and hooks are written in the file only");
    }
    let bare = |name: &str| name.trim_start_matches(VARIABLE_PREFIX).to_lowercase();
    let words: Vec<String> = known.iter().map(|name| bare(name)).collect();
    match nearest(&bare(name), words.iter().map(String::as_str)) {
        Some(near) => problem.hint(format!("did you mean {VARIABLE_PREFIX}{}?", near.to_uppercase())),
        None => problem.hint("all names are in: restante config reference"),
    }
}

/// A variable that sets nothing and was probably meant to: `RESTANTE_SYNC`, `restante__session__when_full`.
fn near_miss(name: &str) -> Option<Problem> {
    let lower = name.to_lowercase();
    let rest = lower.strip_prefix("restante_")?;
    let letters = |word: &str| word.replace(['_', '.', '-'], "");
    let meant = settings()
        .find(|setting| letters(rest) == letters(&setting.key()))
        .or_else(|| settings().find(|setting| letters(rest) == letters(setting.name)));
    let origin = Origin::Environment { variable: echo(name) };
    let problem = Problem::new(&origin, "", "this variable has no effect");
    match meant {
        Some(setting) => Some(problem.hint(format!("did you mean {}?", setting.variable()))),
        None if has_section(rest) => Some(problem.hint(format!(
            "the names begin with {VARIABLE_PREFIX} and are written in capitals"
        ))),
        None => None,
    }
}

/// Whether it has our form: two underscores at the front, or behind the name of a section.
fn has_section(rest: &str) -> bool {
    let section = rest.split("__").next().unwrap_or_default();
    rest.starts_with('_') || (section != rest && SECTIONS.iter().any(|known| known.name == section))
}
