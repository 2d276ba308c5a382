//! Files as users write them: what is built of them, and what is said about them, with line and column.

mod pools;
mod refusals;
mod seeds;
mod warnings;

use std::{ffi::OsString, sync::Arc};

use restante_backend::trouble::Unfit;
use restante_model::{HookPoint, Mode, QoS};
use restante_rules::{Action, FirstSubscribe, Owed, WhenMore};

use super::*;
use crate::config::{Config, Origin, Problem, Report};

/// Pools of all three kinds, in the lines 1 to 3.
const POOLS: &str = "[backend.redis.main]\n[backend.mysql.main]\n[backend.postgres.other]\n";

fn read(text: &str) -> Report {
    Config::read(Some(("restante.toml", text)), Vec::<(OsString, OsString)>::new())
}

#[track_caller]
fn keeping(text: &str) -> Keeping {
    read(&format!("{POOLS}{text}")).result.unwrap().keeping().clone()
}

/// What is wrong with a text below [`POOLS`], so its first line is line 4.
fn wrong(text: &str) -> Vec<String> {
    let problems = read(&format!("{POOLS}{text}")).result.err().unwrap_or_default();
    problems.iter().map(Problem::to_string).collect()
}

/// The warnings of a text below [`POOLS`].
#[track_caller]
fn warned(text: &str) -> Vec<String> {
    let report = read(&format!("{POOLS}{text}"));
    assert!(report.result.is_ok(), "{report:?}");
    report.warnings.iter().map(Problem::to_string).collect()
}

const ISSUE: &str = r#"
[backend.redis.main]                      # kind, then your pool's name
servers = ["127.0.0.1:6379"]
mode = "single"                           # "sentinel" (needs master_name), "cluster"
database = 0
username = ""                             # Redis ACL
password_file = ""
pool_size = 8
# tls = { ca = "ca.pem", certificate = "", key = "", server_name = "", verify = true }   (present = TLS)
message_key_prefix = "mqtt:msg"
subscription_key_prefix = "mqtt:sub"
message_ttl = "2h"
channel = "mqtt_channel"                  # the inbound command channel (C3); absent = none
channel_out = ""                          # events out, on another channel

[backend.mysql.main]
server = "127.0.0.1:3306"
database = "mqtt"
username = "restante"
password_file = ""

[backend.postgres.main]                   # the same keys as mysql, and
payload_encoding = "reject"               # for text columns: "reject", "base64", "hex"

[[keep]]
topics = ["t/#"]
in = "redis.main"                         # or "embedded"
mode = "queue"                            # "pubsub", "latest", "history"
layout = "plugin"                         # "backends"
subscriptions = true                      # write and restore subscriptions, as the plugin does
init_default_schema = true
batch_size = 100
batch_time = "10ms"
first_subscribe = "all"                   # "from-now", "last 100", "since 2h"
[keep.sql]                                # the six templates; absent = the default
insert_message_sql = "…"

[[hook]]
on = "message.publish"
topic = "sensor/#"
do = "on_message_publish"
pool = "mysql.main"
order = 1
offline_opts = { max_returned_count = 500, time_range = "2h" }
expired_time = "1h"
ack_after = "outbox"
"#;

/// The names and values that the project has promised.
#[test]
fn the_promised_names_are_accepted() {
    let report = read(ISSUE);
    let config = report.result.unwrap();
    let keeping = config.keeping();
    let pools: Vec<String> = keeping.pools.iter().map(Pool::full_name).collect();
    assert_eq!(pools, ["redis.main", "mysql.main", "postgres.main"]);
    let modes: Vec<_> = keeping
        .rules
        .keeps()
        .iter()
        .map(|keep| (keep.home, keep.mode))
        .collect();
    assert_eq!(
        modes,
        [
            (Home::Pool(PoolIndex(0)), Mode::Queue),
            (Home::Pool(PoolIndex(1)), Mode::History)
        ]
    );
    assert_eq!(keeping.keeps.len(), 2);
    // What the sample writes and cannot do is told.
    let warned: Vec<&str> = report.warnings.iter().map(|warning| &*warning.key).collect();
    assert_eq!(
        warned,
        ["keep.ttl", "keep.sql", "hook.offline_opts", "hook.expired_time"]
    );
}

#[test]
fn what_is_built_is_what_was_written() {
    let keeping = keeping(
        r#"[[keep]]
topics = ["t/#", "u"]
in = "mysql.main"
mode = "pubsub"
first_subscribe = "last 100"
batch_size = 1
batch_time = 0
offline_opts = { max_returned_count = 20, when_more = "newest" }
[keep.sql]
select_message_sql = "select * from m where topic = ${topic} order by id"
[[hook]]
on = "message.deliver"
topic = "a"
sql = ["insert into d values (${msgid})", "delete from x"]
pool = "postgres.other"
[[keep]]
topics = "s"
in = "embedded"
layout = "backends"
ttl = "1d"
[outbox]
ack_deadline = "5s"
"#,
    );
    let first = &keeping.rules.keeps()[0];
    assert_eq!(first.first_subscribe, FirstSubscribe::Last(100));
    assert_eq!(first.bounds.returned_max, Some(20));
    assert_eq!(first.bounds.when_more, WhenMore::Newest);
    let plan = &keeping.keeps[0];
    assert_eq!((plan.batch_size, plan.batch_time), (1, Duration::ZERO));
    assert!(plan.init_schema);
    assert_eq!(plan.spec.mode, Mode::Pubsub);
    assert_eq!(
        plan.spec.templates.keys().collect::<Vec<_>>(),
        ["select_message_sql"]
    );
    let second = &keeping.rules.keeps()[1];
    assert_eq!((second.home, second.mode), (Home::Embedded, Mode::Pubsub));
    assert_eq!(second.first_subscribe, FirstSubscribe::FromNow);
    assert_eq!(second.ttl, Some(Duration::from_secs(86_400)));
    assert!(!keeping.keeps[1].init_schema);
    let rule = keeping
        .rules
        .at(HookPoint::MessageDelivered, Some("a"))
        .next()
        .unwrap();
    assert_eq!(
        rule.action,
        Action::Statements {
            pool: PoolIndex(2),
            numbers: [0, 1].into()
        }
    );
    assert_eq!(keeping.statements[1].text, "delete from x");
    assert_eq!(keeping.statements[0].variables, ["msgid", "topic", "clientid"]);
}

/// K33: what a keep is when nothing is said about it, by layout.
#[test]
fn k33_what_is_not_said_is_chosen_by_the_layout() {
    let keep = |layout: &str| {
        let keeping = keeping(&format!(
            "[[keep]]\ntopics = [\"t\"]\nin = \"mysql.main\"\nlayout = \"{layout}\"\n"
        ));
        let subscriptions = keeping.rules.listens(HookPoint::SessionCreated);
        let keep = &keeping.rules.keeps()[0];
        (
            keep.mode,
            keep.first_subscribe,
            subscriptions,
            keeping.keeps[0].init_schema,
        )
    };
    assert_eq!(keep("plugin"), (Mode::Queue, FirstSubscribe::All, true, true));
    assert_eq!(
        keep("backends"),
        (Mode::Pubsub, FirstSubscribe::FromNow, false, false)
    );
}

/// Seed 3's limits for all hooks of a pool, and those of one hook.
#[test]
fn k47_a_hook_without_bounds_has_those_of_its_pool() {
    let text = |options: &str| {
        format!(
            "[backend.mysql.main]\nmax_returned_count = 500\ntime_range = \"2h\"\n[[hook]]\non = \
             \"session.subscribed\"\ndo = \"on_message_fetch\"\npool = \"mysql.main\"\n{options}"
        )
    };
    let bounds = |options: &str| {
        let config = read(&text(options)).result.unwrap();
        config.keeping().rules.keeps()[0].bounds
    };
    assert_eq!(bounds("").returned_max, Some(500));
    assert_eq!(bounds("").time_range, Some(Duration::from_secs(7_200)));
    let own = bounds("offline_opts = { max_returned_count = 7 }");
    assert_eq!(
        (own.returned_max, own.time_range),
        (Some(7), Some(Duration::from_secs(7_200)))
    );
    assert_eq!(own.when_more, WhenMore::Page);
}

#[test]
fn the_file_shows_what_was_read_and_reads_back() {
    let config = read(ISSUE).result.unwrap();
    let shown = config.show();
    let values = |shown: &str| -> Vec<String> {
        let value = |line: &str| line.split(" # ").next().unwrap_or_default().trim().to_owned();
        shown.lines().map(value).collect()
    };
    assert_eq!(values(&read(&shown).result.unwrap().show()), values(&shown));
    assert!(
        shown.contains("[backend.redis.main]") && shown.contains("[[keep]]") && shown.contains("[[hook]]")
    );
    let line = |start: &str| {
        let line = shown.lines().find(|line| line.starts_with(start)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("message_ttl"), "message_ttl = \"2h\" # restante.toml:12");
    assert_eq!(
        line("first_subscribe"),
        "first_subscribe = \"all\" # restante.toml:34"
    );
    assert_eq!(line("on_unsubscribe"), "on_unsubscribe = \"forget\" # default");
}
