//! The configuration: one file and the environment, read into values that are valid by construction.
//!
//! The way of a value: text → [`given::Given`] (what the user wrote) → checked against the one declared list
//! ([`settings`]) → a draft → [`Config`], whose fields nobody else can set. Nothing stops at the first mistake: a
//! [`Report`] has all of them.

mod broken;
mod declared;
mod draft;
mod environment;
mod file;
mod fit;
mod given;
mod keeping;
mod nearest;
mod number;
mod places;
mod problem;
mod reference;
mod secret;
mod settings;
mod show;

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    ffi::OsString,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use declared::{Setting, Wrong};
pub(crate) use draft::Draft;
pub use draft::{
    AllowAnonymous, LogFormat, LogLevel, LogStoreSettings, MemoryStoreSettings, OnAckDeadline, OutboxFull,
    OutboxSettings, StoreKind, SyncPolicy,
};
#[cfg(test)]
pub(crate) use file::read as read_file;
pub use fit::is_loopback;
use given::Given;
pub use keeping::{Basis, PayloadEncoding, Pool, PoolSettings, RedisMode, RedisSettings, SqlSettings, Tls};
pub(crate) use keeping::{BoundsDraft, HookDraft, KeepDraft, variables};
pub(crate) use nearest::nearest;
pub(crate) use number::duration;
pub use problem::{Origin, Problem};
pub use reference::reference;
use restante_broker::settings::Settings;
pub use secret::Secret;
pub(crate) use secret::read as read_secret;

use crate::keeping::{self as keeps_and_hooks, Keeping};

/// A larger file is not read.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// A configuration in which everything is in its range and fits together.
#[derive(Clone, Debug)]
pub struct Config {
    draft: Draft,
    keeping: Keeping,
    origins: HashMap<String, Origin>,
}

/// What came of reading a configuration.
#[derive(Debug)]
pub struct Report {
    /// The configuration, or everything that is wrong with it, from top to bottom.
    pub result: Result<Config, Vec<Problem>>,
    /// What is allowed but probably not meant. Empty when something is wrong.
    pub warnings: Vec<Problem>,
}

impl Report {
    /// What is not built yet cannot be served.
    fn of_what_is_built(mut self) -> Report {
        if let Ok(config) = &self.result
            && !config.keeping.unbuilt.is_empty()
        {
            self.result = Err(config.keeping.unbuilt.clone());
            self.warnings.clear();
        }
        self
    }
}

impl Config {
    /// Reads a text (`file` is its name for messages; none = defaults) and the environment's variables over it.
    pub fn read(
        source: Option<(&str, &str)>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Report {
        let mut reading = Reading::default();
        if let Some((file, text)) = source {
            file::read(&Arc::from(file), text, &mut reading);
        }
        environment::read(variables, &mut reading);
        fit::refuse(&mut reading);
        let keeping = keeps_and_hooks::build(&mut reading);
        reading.finish(keeping)
    }

    /// Reads a file and the process's environment over it.
    ///
    /// # Errors
    /// In the report: also when the file cannot be read at all.
    pub fn load(path: Option<&Path>) -> Report {
        let Some(path) = path else {
            return Config::read(None, std::env::vars_os());
        };
        let file = path.display().to_string();
        match read_text(path) {
            Ok(text) => Config::read(Some((&file, &text)), std::env::vars_os()).of_what_is_built(),
            Err((line, what)) => {
                let origin = Origin::File {
                    file: Arc::from(file),
                    line,
                    column: 1,
                };
                Report {
                    result: Err(vec![Problem::new(&origin, "", what)]),
                    warnings: Vec::new(),
                }
            }
        }
    }

    /// What the broker is told.
    pub fn broker(&self) -> &Settings {
        &self.draft.broker
    }

    /// Whether somebody has chosen `max_connections`, in the file or in the environment.
    pub fn chose_max_connections(&self) -> bool {
        self.origins.contains_key("limits.max_connections")
    }

    /// The folder of the store.
    pub fn data_dir(&self) -> &Path {
        &self.draft.data_dir
    }

    /// Which store.
    pub fn store(&self) -> StoreKind {
        self.draft.store
    }

    /// When what was written is safe.
    pub fn sync(&self) -> SyncPolicy {
        self.draft.sync
    }

    /// Time between syncs for [`SyncPolicy::Interval`]; 1 ms to 1 minute.
    pub fn sync_interval(&self) -> Duration {
        Duration::from_millis(self.draft.sync_interval_millis)
    }

    /// The files of the log.
    pub fn log_store(&self) -> &LogStoreSettings {
        &self.draft.log_store
    }

    /// The bounds of the store in memory.
    pub fn memory_store(&self) -> &MemoryStoreSettings {
        &self.draft.memory_store
    }

    /// What keeps and hooks come to: pools, rules, and how each keep uses its pool.
    pub fn keeping(&self) -> &Keeping {
        &self.keeping
    }

    /// What is owed to databases.
    pub fn outbox(&self) -> &OutboxSettings {
        &self.draft.outbox
    }

    /// Where health and metrics are served.
    pub fn http(&self) -> Option<SocketAddr> {
        self.draft.http
    }

    /// From where clients may come unasked.
    pub fn allow_anonymous(&self) -> AllowAnonymous {
        self.draft.allow_anonymous
    }

    /// How a log line looks.
    pub fn log_format(&self) -> LogFormat {
        self.draft.log_format
    }

    /// Which log lines are written.
    pub fn log_level(&self) -> LogLevel {
        self.draft.log_level
    }
}

/// The text of a file, or a line number and what is wrong.
fn read_text(path: &Path) -> Result<String, (usize, String)> {
    use std::{
        io::{ErrorKind, Read},
        os::unix::fs::FileTypeExt,
    };
    let cannot = |error: std::io::Error| {
        let advice = match error.kind() {
            ErrorKind::NotFound => "; name one that is there",
            ErrorKind::PermissionDenied => "; let the user who runs this read it",
            ErrorKind::IsADirectory => "; name a file in it",
            _ => "",
        };
        (1, format!("cannot read the file: {error}{advice}"))
    };
    // To open a pipe into which nobody writes would be to wait for ever.
    if std::fs::metadata(path).map_err(cannot)?.file_type().is_fifo() {
        return Err((1, "this is a pipe; write it to a file first".to_owned()));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells a large file from one that just fits; a pipe without an end does not hang us.
    let most = u64::try_from(FILE_BYTES_MAX).map_or(u64::MAX, |most| most + 1);
    std::fs::File::open(path)
        .map_err(cannot)?
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err((1, format!("the file is larger than {} MiB", FILE_BYTES_MAX >> 20)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        (line, "the file is not UTF-8 text".to_owned())
    })
}

/// A configuration while it is read: the values so far, where they came from, and what was wrong.
#[derive(Default)]
pub(crate) struct Reading {
    pub(crate) draft: Draft,
    origins: HashMap<String, Origin>,
    /// Where the letters of texts begin, for complaints about something within them.
    letters: HashMap<String, (usize, usize)>,
    wrong: HashSet<String>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl Reading {
    /// Takes one value for one setting. `place` says where it stands, or one item of it.
    fn give(&mut self, setting: &Setting, place: impl Fn(Option<usize>) -> Origin, given: &Given<'_>) {
        let key = setting.key();
        match setting.set(&mut self.draft, given) {
            Ok(()) => {
                self.origins.insert(key, place(None));
            }
            Err(wrong) => {
                let problems = wrong
                    .into_iter()
                    .map(|Wrong { item, what }| Problem::new(&place(item), &key, what));
                self.problems.extend(problems);
                self.wrong.insert(key);
            }
        }
    }

    /// Where the value of a key comes from.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// Where a setting of a table stands; where it is not written, where the table begins.
    pub(crate) fn origin_in(&self, table: &str, name: &str) -> Origin {
        let key = format!("{table}.{name}");
        self.origins
            .get(&key)
            .cloned()
            .unwrap_or_else(|| self.origin(table))
    }

    /// Whether somebody wrote a setting of a table.
    pub(crate) fn is_written(&self, table: &str, name: &str) -> bool {
        self.origins.contains_key(&format!("{table}.{name}"))
    }

    /// Notes where a value stands, and its letters if it is a text.
    fn place_text(&mut self, key: &str, places: &places::Places<'_>, span: &std::ops::Range<usize>) {
        self.origins.insert(key.to_owned(), places.origin(span));
        if let Some(letters) = places.letters(span) {
            self.letters.insert(key.to_owned(), letters);
        }
    }

    /// The place of a line and column (from 1) within a text; where the text begins if that cannot be told.
    pub(crate) fn origin_within(&self, key: &str, at: Option<(u32, u32)>) -> Origin {
        let origin = self.origin(key);
        let (Origin::File { file, .. }, Some(letters), Some((line, column))) =
            (&origin, self.letters.get(key), at)
        else {
            return origin;
        };
        let (line, column) = (line.max(1) as usize, column.max(1) as usize);
        Origin::File {
            file: file.clone(),
            line: letters.0 + line - 1,
            column: match line {
                1 => letters.1 + column - 1,
                _ => column,
            },
        }
    }

    /// Of several settings that do not fit together, the first that somebody wrote.
    fn written<'k>(&self, keys: &[&'k str]) -> &'k str {
        let written = keys.iter().find(|key| self.origin(key) != Origin::Default);
        written.or(keys.first()).copied().unwrap_or_default()
    }

    /// Whether the value given for a key was refused.
    pub(crate) fn is_wrong(&self, key: &str) -> bool {
        self.wrong.contains(key)
    }

    fn finish(mut self, keeping: Keeping) -> Report {
        if self.problems.is_empty() {
            fit::warn(&mut self);
            self.warnings.sort_by_key(Problem::order);
            let config = Config {
                draft: self.draft,
                keeping,
                origins: self.origins,
            };
            Report {
                result: Ok(config),
                warnings: self.warnings,
            }
        } else {
            self.problems.sort_by_key(Problem::order);
            Report {
                result: Err(self.problems),
                warnings: Vec::new(),
            }
        }
    }
}
