//! `[backend.redis.NAME]`.

use super::{
    basis::{basis, host_and_port, put, tls_part, tls_settings},
    pool::{RedisMode, RedisSettings},
    table::Shape,
};
use crate::config::{
    declared::{Setting, Slot},
    number::Unit,
    settings::{index_of, narrow, number, span},
};

/// Servers of one pool: seeds of a cluster, or sentinels.
const SERVERS_MAX: usize = 64;
const DATABASES_MAX: u64 = 65_535;
const SECONDS_MAX: u64 = 36_500 * 86_400;

const MODES: [RedisMode; 3] = [RedisMode::Single, RedisMode::Sentinel, RedisMode::Cluster];

pub(super) const REDIS: Shape<RedisSettings> = Shape {
    title: "[backend.redis.NAME]",
    about: "A Redis server, its sentinels, or a cluster. Keeps and hooks name it `redis.NAME`.",
    settings: &[OWN, &basis(), &tls_settings()],
    parts: &[tls_part()],
};

const OWN: &[Setting<RedisSettings>] = &[
    Setting {
        section: "",
        name: "servers",
        meaning: "The server, the sentinels, or some nodes of the cluster, each as `host:port`.",
        slot: Slot::Texts {
            takes: "1 to 64 hosts with ports",
            max: SERVERS_MAX,
            check: |text| host_and_port(text, "127.0.0.1:6379"),
            get: |draft| draft.servers.clone(),
            set: |draft, servers| draft.servers = servers,
        },
    },
    Setting {
        section: "",
        name: "mode",
        meaning: "How the servers belong together. `sentinel` needs `master_name`.",
        slot: Slot::Choice {
            words: &["single", "sentinel", "cluster"],
            get: |draft| index_of(&MODES, &draft.mode),
            set: |draft, index| draft.mode = MODES[index],
        },
    },
    text(
        "master_name",
        |draft| draft.master_name.clone(),
        |draft, text| put(&mut draft.master_name, text),
        "The primary's name among the sentinels.",
    ),
    text(
        "sentinel_username",
        |draft| draft.sentinel_username.clone(),
        |draft, text| put(&mut draft.sentinel_username, text),
        "The user to log in as at the sentinels; `\"\"` is none.",
    ),
    text(
        "sentinel_password_file",
        |draft| draft.sentinel_password_file.clone(),
        |draft, text| put(&mut draft.sentinel_password_file, text),
        "As `password_file`, for the sentinels.",
    ),
    number(
        "",
        "database",
        span(Unit::Count, 0, DATABASES_MAX),
        |draft| draft.database.into(),
        |draft, number| draft.database = narrow(number),
        "The number of the database. A cluster has only 0.",
    ),
    text(
        "message_key_prefix",
        |draft| draft.message_key_prefix.clone(),
        |draft, text| prefix(&mut draft.message_key_prefix, text),
        "What the keys of messages begin with in the `plugin` layout.",
    ),
    text(
        "subscription_key_prefix",
        |draft| draft.subscription_key_prefix.clone(),
        |draft, text| prefix(&mut draft.subscription_key_prefix, text),
        "What the keys of subscriptions begin with in the `plugin` layout.",
    ),
    number(
        "",
        "message_ttl",
        span(Unit::Seconds, 1, SECONDS_MAX),
        |draft| draft.message_ttl,
        |draft, number| draft.message_ttl = number,
        "How long a message stays, where a keep or a hook does not say.",
    ),
    text(
        "channel",
        |draft| draft.channel.clone(),
        |draft, text| put(&mut draft.channel, text),
        "A channel on which an application tells clients of ours to subscribe and unsubscribe; `\"\"` is none. Not \
         with a cluster.",
    ),
    text(
        "channel_out",
        |draft| draft.channel_out.clone(),
        |draft, text| put(&mut draft.channel_out, text),
        "Another channel, on which we tell what clients subscribe and unsubscribe; `\"\"` is none. Not with a cluster.",
    ),
];

const fn text(
    name: &'static str,
    get: fn(&RedisSettings) -> String,
    set: fn(&mut RedisSettings, &str) -> Result<(), String>,
    meaning: &'static str,
) -> Setting<RedisSettings> {
    Setting {
        section: "",
        name,
        meaning,
        slot: Slot::Text {
            takes: "a text of one line",
            get,
            set,
        },
    }
}

fn prefix(field: &mut String, text: &str) -> Result<(), String> {
    match text {
        "" => Err("it cannot be empty: our keys would lie among those of others".to_owned()),
        text => put(field, text),
    }
}
