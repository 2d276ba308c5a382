//! The top of the file, `[listen]` and `[log]`.

use std::path::PathBuf;

use super::{index_of, number, span, widen};
use crate::config::{
    declared::{Setting, Slot},
    draft::{AllowAnonymous, LogFormat, LogLevel, StoreKind, SyncPolicy},
    number::Unit,
};

const STORES: [StoreKind; 2] = [StoreKind::Log, StoreKind::Memory];
const SYNCS: [SyncPolicy; 3] = [SyncPolicy::Always, SyncPolicy::Interval, SyncPolicy::Never];
const ANONYMOUS: [AllowAnonymous; 2] = [AllowAnonymous::Loopback, AllowAnonymous::Everywhere];
const FORMATS: [LogFormat; 2] = [LogFormat::Text, LogFormat::Json];
const LEVELS: [LogLevel; 5] = [
    LogLevel::Error,
    LogLevel::Warn,
    LogLevel::Info,
    LogLevel::Debug,
    LogLevel::Trace,
];

pub(super) const TOP: &[Setting] = &[
    Setting {
        section: "",
        name: "data_dir",
        meaning: "The folder of the store; made when it is missing. A relative path starts at the working \
                  directory. One process at a time.",
        slot: Slot::Path {
            get: |draft| draft.data_dir.display().to_string(),
            set: |draft, path| draft.data_dir = PathBuf::from(path),
        },
    },
    Setting {
        section: "",
        name: "store",
        meaning: "`log` keeps messages on disk. `memory` keeps them in memory only: a restart loses everything.",
        slot: Slot::Choice {
            words: &["log", "memory"],
            get: |draft| index_of(&STORES, &draft.store),
            set: |draft, index| draft.store = STORES[index],
        },
    },
    Setting {
        section: "",
        name: "sync",
        meaning: "When acknowledged messages are safe from a power cut. `always`: before the acknowledgement; \
                  nothing is lost. `interval`: every `sync_interval`; a power cut loses at most what was \
                  acknowledged since. `never`: when the system likes; a power cut may lose the last half minute or \
                  more. A killed process loses nothing with any of them.",
        slot: Slot::Choice {
            words: &["always", "interval", "never"],
            get: |draft| index_of(&SYNCS, &draft.sync),
            set: |draft, index| draft.sync = SYNCS[index],
        },
    },
    number(
        "",
        "sync_interval",
        span(Unit::Milliseconds, 1, 60_000),
        |draft| draft.sync_interval_millis,
        |draft, number| draft.sync_interval_millis = number,
        "The time between two syncs with `sync = \"interval\"`.",
    ),
    number(
        "",
        "threads",
        span(Unit::Count, 0, 64),
        |draft| widen(draft.broker.threads),
        |draft, number| draft.broker.threads = super::narrow(number),
        "Threads that serve connections, each with connections of its own; 0 is one per core, but for one core that is left to the store.",
    ),
];

pub(super) const LISTEN: &[Setting] = &[
    Setting {
        section: "listen",
        name: "mqtt",
        meaning: "Where MQTT clients connect over TCP. Port 0 takes any free port and says which.",
        slot: Slot::Addresses {
            get: |draft| draft.broker.mqtt.clone(),
            set: |draft, addresses| draft.broker.mqtt = addresses,
        },
    },
    Setting {
        section: "listen",
        name: "http",
        meaning: "Where `/livez`, `/readyz` and `/metrics` are served; `127.0.0.1:18083` is a good place.",
        slot: Slot::Address {
            get: |draft| draft.http,
            set: |draft, address| draft.http = address,
        },
    },
    Setting {
        section: "listen",
        name: "allow_anonymous",
        meaning: "From where clients may come without saying who they are. `loopback`: from this machine only, and \
                  a listener that others can reach is refused. `everywhere`: from anywhere. User names and passwords \
                  are accepted and not looked at.",
        slot: Slot::Choice {
            words: &["loopback", "everywhere"],
            get: |draft| index_of(&ANONYMOUS, &draft.allow_anonymous),
            set: |draft, index| draft.allow_anonymous = ANONYMOUS[index],
        },
    },
];

pub(super) const LOG: &[Setting] = &[
    Setting {
        section: "log",
        name: "format",
        meaning: "Lines for people or JSON objects for machines, with the same fields.",
        slot: Slot::Choice {
            words: &["text", "json"],
            get: |draft| index_of(&FORMATS, &draft.log_format),
            set: |draft, index| draft.log_format = FORMATS[index],
        },
    },
    Setting {
        section: "log",
        name: "level",
        meaning: "The least grave lines that are written.",
        slot: Slot::Choice {
            words: &["error", "warn", "info", "debug", "trace"],
            get: |draft| index_of(&LEVELS, &draft.log_level),
            set: |draft, index| draft.log_level = LEVELS[index],
        },
    },
];
