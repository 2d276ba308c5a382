//! The values in force, as a TOML file that would have the same effect, each with where it comes from.

use std::fmt::Write;

use super::{
    Config,
    declared::Setting,
    problem::Origin,
    settings::{SECTIONS, settings},
};

/// Column at which the remarks begin, where the values leave room.
const REMARK_COLUMN: usize = 48;

impl Config {
    /// All settings with their values and origins.
    pub fn show(&self) -> String {
        let mut out = String::new();
        for section in SECTIONS {
            if !section.name.is_empty() {
                // Writing to a string cannot fail.
                let _ = write!(out, "\n[{}]\n", section.name);
            }
            for setting in settings().filter(|setting| setting.section == section.name) {
                let line = format!("{} = {}", setting.name, setting.show(&self.draft));
                let _ = writeln!(out, "{line:REMARK_COLUMN$} # {}", self.origin_words(setting));
            }
        }
        out
    }

    fn origin_words(&self, setting: &Setting) -> String {
        match self.origins.get(&setting.key()) {
            Some(Origin::File { file, line, .. }) => {
                format!("{}:{line}", file.replace(char::is_control, "?"))
            }
            Some(Origin::Environment { variable }) => variable.clone(),
            Some(Origin::Default) | None => "default".to_owned(),
        }
    }
}
