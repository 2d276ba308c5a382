//! The values in force, as a TOML file that would have the same effect, each with where it comes from.

use std::fmt::Write;

use super::{
    Config, PoolSettings,
    keeping::{self, table::Shape},
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
                let _ = writeln!(
                    out,
                    "{line:REMARK_COLUMN$} # {}",
                    self.origin_words(&setting.key())
                );
            }
        }
        for pool in &self.draft.pools {
            let key = format!("backend.{}", pool.full_name());
            let _ = write!(out, "\n[{key}]\n");
            match &pool.settings {
                PoolSettings::Redis(draft) => self.table(keeping::REDIS, draft, &key, &mut out),
                PoolSettings::Mysql(draft) => self.table(keeping::MYSQL, draft, &key, &mut out),
                PoolSettings::Postgres(draft) => self.table(keeping::POSTGRES, draft, &key, &mut out),
            }
        }
        for (index, keep) in self.draft.keeps.iter().enumerate() {
            out.push_str("\n[[keep]]\n");
            self.table(keeping::KEEP, keep, &format!("keep[{index}]"), &mut out);
        }
        for (index, hook) in self.draft.hooks.iter().enumerate() {
            out.push_str("\n[[hook]]\n");
            self.table(keeping::HOOK, hook, &format!("hook[{index}]"), &mut out);
        }
        out
    }

    /// A pool, a keep or a hook; the tables within it each on a line of its own.
    fn table<D>(&self, shape: &Shape<D>, draft: &D, key: &str, out: &mut String) {
        for setting in shape.of_part("") {
            let line = format!("{} = {}", setting.name, setting.show(draft));
            let origin = self.origin_words(&format!("{key}.{}", setting.name));
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{line:REMARK_COLUMN$} # {origin}");
        }
        for part in shape.parts.iter().filter(|part| (part.is_there)(draft)) {
            let settings: Vec<String> = shape
                .of_part(part.name)
                .map(|setting| format!("{} = {}", setting.name, setting.show(draft)))
                .collect();
            let line = format!("{} = {{ {} }}", part.name, settings.join(", "));
            let origin = self.origin_words(&format!("{key}.{}", part.name));
            let _ = writeln!(out, "{line:REMARK_COLUMN$} # {origin}");
        }
    }

    fn origin_words(&self, key: &str) -> String {
        match self.origins.get(key) {
            Some(Origin::File { file, line, .. }) => {
                format!("{}:{line}", file.replace(char::is_control, "?"))
            }
            Some(Origin::Environment { variable }) => variable.clone(),
            Some(Origin::Default) | None => "default".to_owned(),
        }
    }
}
