//! The reference of all settings, as Markdown, from the one list.

use std::fmt::Write;

use super::{
    HookDraft, KeepDraft, RedisSettings, SqlSettings,
    declared::Setting,
    draft::Draft,
    keeping::{self, table::Shape},
    settings::{SECTIONS, settings},
};

const HEAD: &str = "\
# Configuration

One TOML file; every setting is optional. `restante serve` reads `restante.toml` in the working directory if there is
one, or the file named by `--config`. This page is written by `restante config reference`.

- **Check** a file with `restante check FILE` (or `--config FILE`): it finds all mistakes, with line and column, and warns about traps.
- **See** what is in force, and where each value comes from, with `restante config show FILE` (or `--config FILE`).
- **Override** a setting with an environment variable: `RESTANTE__` and the key in capitals, with two underscores for
  the dot; lists are parted by commas. `RESTANTE__SESSION__MAX_MQUEUE_LEN=5000` stands above the file. A variable that
  names no setting is refused, and one that only resembles them (`RESTANTE_SYNC`) is warned about. Pools
  (`[backend.KIND.NAME]`), `[[keep]]` and `[[hook]]` are written in the file only.
- **Durations** are text with a unit, `\"7d\"`, `\"2h\"`, `\"1h30m\"`, `\"10ms\"` (w, d, h, m, s, ms), or whole seconds.
  **Sizes** are text with a unit, `\"64MiB\"` (B, KiB, MiB, GiB, TiB), or bytes.
- **Reload**: all settings are read at the start; a change needs a restart.
";

/// The whole page.
pub fn reference() -> String {
    let defaults = Draft::default();
    let mut page = HEAD.to_owned();
    for section in SECTIONS {
        let title = if section.name.is_empty() {
            "Top of the file".to_owned()
        } else {
            format!("`[{}]`", section.name)
        };
        // Writing to a string cannot fail.
        let _ = write!(page, "\n## {title}\n\n{}\n\n", section.about);
        let section = settings().filter(|setting| setting.section == section.name);
        rows(section, &defaults, &mut page);
    }
    table(keeping::REDIS, &RedisSettings::default(), &mut page);
    table(keeping::MYSQL, &SqlSettings::mysql(), &mut page);
    table(keeping::POSTGRES, &SqlSettings::postgres(), &mut page);
    table(keeping::KEEP, &KeepDraft::default(), &mut page);
    table(keeping::HOOK, &HookDraft::default(), &mut page);
    page
}

/// A table that may stand there more than once, and the tables within it.
fn table<D>(shape: &Shape<D>, defaults: &D, page: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(page, "\n## `{}`\n\n{}\n\n", shape.title, shape.about);
    rows(shape.of_part(""), defaults, page);
    for part in shape.parts {
        let _ = write!(
            page,
            "\n### `{}` in `{}`\n\n{}\n\n",
            part.name, shape.title, part.about
        );
        rows(shape.of_part(part.name), defaults, page);
    }
}

fn rows<D: 'static>(settings: impl Iterator<Item = &'static Setting<D>>, defaults: &D, page: &mut String) {
    page.push_str("| Setting | Kind | Default | Takes | Meaning | Reload |\n|---|---|---|---|---|---|\n");
    for setting in settings {
        page.push_str(&row(setting, defaults));
    }
}

fn row<D>(setting: &Setting<D>, defaults: &D) -> String {
    let default = match setting.is_chosen(defaults) {
        true => format!("`{}`", setting.show(defaults)),
        false => "by `layout`".to_owned(),
    };
    format!(
        "| `{}` | {} | {default} | {} | {} | restart |\n",
        setting.name,
        setting.kind(),
        setting.takes(),
        setting.meaning
    )
}
