//! A configuration file, and after each NUL an environment variable (`SESSION__MAX_MQUEUE_LEN=5`, without its
//! prefix): refused with sentences, or taken; and what is taken and shown is taken again and shown the same.

use std::ffi::OsString;

use restante::config::Config;

pub(crate) fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut parts = text.split('\0');
    let file = parts.next().unwrap_or_default();
    let variables = parts
        .filter_map(|part| part.split_once('='))
        .map(|(name, value)| {
            let name = OsString::from(format!("RESTANTE__{name}"));
            (name, OsString::from(value))
        });
    let report = Config::read(Some(("restante.toml", file)), variables);
    for warning in &report.warnings {
        is_a_line(&warning.to_string());
    }
    match report.result {
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a word");
            assert!(report.warnings.is_empty());
            for problem in problems {
                is_a_line(&problem.to_string());
            }
        }
        Ok(config) => {
            let shown = config.show();
            let again = Config::read(Some(("restante.toml", &shown)), []).result;
            let again =
                again.unwrap_or_else(|problems| panic!("shown and not taken: {problems:?} in\n{shown}"));
            assert_eq!(values(&again.show()), values(&shown));
        }
    }
}

fn is_a_line(sentence: &str) {
    assert!(!sentence.is_empty() && sentence.len() < 10_000);
    assert!(!sentence.contains(char::is_control), "{sentence:?}");
}

/// The lines without the remark that says where each value comes from.
fn values(shown: &str) -> Vec<&str> {
    shown
        .lines()
        .map(|line| {
            line.rsplit_once(" # ")
                .map_or(line, |(value, _)| value.trim_end())
        })
        .collect()
}
