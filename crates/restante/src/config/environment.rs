//! Settings from environment variables: `RESTANTE__SESSION__MAX_MQUEUE_LEN=5000` stands above the file.

use std::ffi::OsString;

use super::{
    Reading,
    declared::VARIABLE_PREFIX,
    file::echo,
    given::Given,
    nearest::nearest,
    problem::{Origin, Problem},
    settings::settings,
};

/// Reads all variables that begin with [`VARIABLE_PREFIX`]; one that names no setting is a mistake.
pub(super) fn read(variables: impl IntoIterator<Item = (OsString, OsString)>, reading: &mut Reading) {
    let mut ours: Vec<(String, OsString)> = variables
        .into_iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .filter(|(name, _)| name.starts_with(VARIABLE_PREFIX))
        .collect();
    ours.sort();
    for (name, value) in ours {
        let origin = Origin::Environment {
            variable: echo(&name),
        };
        let Some(setting) = settings().find(|setting| setting.variable() == name) else {
            reading.problems.push(unknown(&origin, &name));
            continue;
        };
        match value.to_str() {
            Some(text) => reading.give(setting, origin, &Given::Variable(text)),
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
    let bare = |name: &str| name.trim_start_matches(VARIABLE_PREFIX).to_lowercase();
    let words: Vec<String> = known.iter().map(|name| bare(name)).collect();
    match nearest(&bare(name), words.iter().map(String::as_str)) {
        Some(near) => problem.hint(format!("did you mean {VARIABLE_PREFIX}{}?", near.to_uppercase())),
        None => problem.hint("all names are in: restante config reference"),
    }
}
