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
fn pools_that_are_not_there() {
    let keep = |name: &str| wrong(&format!("[[keep]]\ntopics = [\"t\"]\nin = \"{name}\"\n"));
    for (name, hint) in [
        ("redis.mian", "did you mean \"redis.main\"?"),
        ("other", "did you mean \"postgres.other\"?"),
        ("embeded", "did you mean \"embedded\"?"),
        ("x", "there are redis.main, mysql.main, postgres.other, embedded"),
    ] {
        assert_eq!(
            keep(name),
            [format!(
                "restante.toml:6:6: keep.in: there is no pool \"{name}\"; {hint}"
            )]
        );
    }
    let report = read("[[keep]]\ntopics = [\"t\"]\nin = \"redis.main\"\n");
    assert!(
        report.result.unwrap_err()[0]
            .hint
            .contains("write a section like [backend.redis.main]")
    );
    assert_eq!(
        wrong("[[hook]]\non = \"client.connected\"\ndo = \"on_client_connected\"\npool = \"embedded\"\n"),
        [
            "restante.toml:7:8: hook.pool: the embedded store has no functions and no statements; write [[keep]] instead"
        ]
    );
}

#[test]
fn everything_wrong_with_a_section_is_told_at_its_place() {
    let check = |text: &str, expected: &[&str]| assert_eq!(wrong(text), expected, "{text}");
    check(
        "[[keep]]\n[[keep]]\ntopics = []\nin = \"\"\n",
        &[
            "restante.toml:4:1: keep.in: it is not said where; name a pool, like in = \"redis.main\", or in = \
             \"embedded\"",
            "restante.toml:4:1: keep.topics: there are no topics; say what is to be kept, like topics = [\"t/#\"]",
            "restante.toml:6:10: keep.topics: there are no topics; say what is to be kept, like topics = [\"t/#\"]",
            "restante.toml:7:6: keep.in: it cannot be empty; name a pool, like \"redis.main\"",
        ],
    );
    check(
        "[[keep]]\ntopics = [\"t/#\", \"a/#/b\", \"$share/g/t\", 5]\nin = \"embedded\"\nfirst_subscribe = \"last \
         0\"\nbatch_size = 0\nmod = \"queue\"\nmode = \"queu\"\n",
        &[
            "restante.toml:5:18: keep.topics: \"a/#/b\" is not a topic filter: '#' must stand alone in the last level",
            "restante.toml:5:27: keep.topics: \"$share/g/t\" is a shared subscription; write the topic filter alone",
            "restante.toml:5:41: keep.topics: expected a text in quotes, found an integer",
            "restante.toml:7:19: keep.first_subscribe: 0 is out of range; it takes 1 to 1000000000",
            "restante.toml:8:14: keep.batch_size: 0 is out of range; it takes 1 to 10000",
            "restante.toml:9:1: keep.mod: there is no such setting; did you mean mode?",
            "restante.toml:10:8: keep.mode: \"queu\" is none of \"queue\", \"pubsub\", \"latest\", \"history\"; did you \
             mean \"queue\"?",
        ],
    );
    check(
        "[[keep]]\ntopics = [\"t\"]\nin = \"mysql.main\"\n[keep.sql]\ninsert_messages_sql = \"x\"\nbatch_size = 5\n",
        &[
            "restante.toml:8:1: keep.sql.insert_messages_sql: there is no such setting; did you mean \
             insert_message_sql?",
            "restante.toml:9:1: keep.sql.batch_size: there is no such setting; batch_size stands outside of sql",
        ],
    );
    check(
        "[[hook]]\non = \"message.published\"\ndo = \"on_message_pub\"\npool = \"mysql.main\"\n[[hook]]\norder = -1\n",
        &[
            "restante.toml:5:6: hook.on: there is no event \"message.published\"; did you mean \"message.publish\"?",
            "restante.toml:6:6: hook.do: there is no function \"on_message_pub\"; did you mean \"on_message_publish\"?",
            "restante.toml:8:1: hook.do: it is not said what to do; write one of do, sql and commands",
            "restante.toml:8:1: hook.on: it is not said at which event; write on = \"message.publish\" or another",
            "restante.toml:8:1: hook.pool: it is not said in which pool; write pool = \"mysql.main\" or another",
            "restante.toml:9:9: hook.order: -1 is below 0; it takes 0 to 1000000",
        ],
    );
}

#[test]
fn what_a_kind_cannot_do_is_refused() {
    let check = |text: &str, expected: &[&str]| assert_eq!(wrong(text), expected, "{text}");
    check(
        "[[keep]]\ntopics = [\"t\"]\nin = \"mysql.main\"\nmode = \"latest\"\n",
        &[
            "restante.toml:7:8: keep.mode: mysql cannot do \"latest\" in the layout \"plugin\"; there it can do \
           \"queue\", \"pubsub\", \"history\"",
        ],
    );
    check(
        "[[hook]]\non = \"session.subscribed\"\ndo = \"on_message_fetch_for_queue\"\npool = \"mysql.main\"\n",
        &[
            "restante.toml:6:6: hook.do: mysql has no on_message_fetch_for_queue; there it has on_message_fetch, \
           on_retain_lookup",
        ],
    );
    check(
        "[[hook]]\non = \"client.connected\"\ncommands = [\"SET a b\"]\npool = \"mysql.main\"\n",
        &["restante.toml:6:12: hook.commands: mysql does not take commands; it takes sql = [\"…\"]"],
    );
    check(
        "[[hook]]\non = \"client.connected\"\nsql = [\"a\"]\ncommands = [\"SET a b\"]\npool = \"mysql.main\"\n",
        &["restante.toml:7:12: hook.commands: sql stands there already; make two hooks of it"],
    );
    check(
        "[[hook]]\non = \"message.acked\"\ndo = \"on_message_publish\"\npool = \"mysql.main\"\n[[hook]]\non = \
         \"client.connected\"\ntopic = \"a\"\ndo = \"on_client_connected\"\npool = \"mysql.main\"\n",
        &[
            "restante.toml:5:6: hook.on: on_message_publish has nothing to do at message.acked; it belongs at \
             message.publish",
            "restante.toml:10:9: hook.topic: client.connected has no topic that a filter could be compared with; leave \
             it out",
        ],
    );
}

#[test]
fn c13_k34_two_sources_of_backlog_are_refused_with_both_places() {
    let found = wrong(
        "[[keep]]\ntopics = [\"t/#\"]\nin = \"mysql.main\"\n[[keep]]\nin = \"redis.main\"\ntopics = [\"t/+/x\"]\n",
    );
    assert_eq!(
        found,
        [
            "restante.toml:9:10: keep.topics: with the keep at restante.toml:5:10: some topics would have two sources \
          of backlog, and a client would get their messages twice; take topics that do not overlap, or mode = \
          \"history\" for one of them"
        ]
    );
    let found = wrong(
        "[[hook]]\non = \"session.subscribed\"\ndo = \"on_message_fetch\"\npool = \"postgres.other\"\n[[keep]]\ntopics \
         = [\"t/#\"]\nin = \"mysql.main\"\n",
    );
    assert!(
        found[0]
            .starts_with("restante.toml:9:10: keep.topics: with the hook at restante.toml:5:6: some topics"),
        "{found:?}"
    );
}

#[test]
fn c01_publish_and_store_are_warned_about_with_both_places() {
    let hook = |function: &str| {
        format!(
            "[[hook]]\non = \"message.publish\"\ntopic = \"#\"\ndo = \"{function}\"\npool = \"mysql.main\"\n"
        )
    };
    let text = hook("on_message_publish") + &hook("on_message_store");
    assert_eq!(
        warned(&text),
        [
            "restante.toml:11:9: hook.topic: with the hook at restante.toml:6:9: both store some of the same messages \
          in one pool; each is stored once"
        ]
    );
    let keeping = keeping(&text);
    let rules = keeping.rules.of_topic("a");
    let owed: Vec<_> = rules.owed(QoS::AtMostOnce, false, false).collect();
    assert!(matches!(owed[..], [Owed::Message { .. }]), "{owed:?}");
}

#[test]
fn k32_what_goes_before_its_session_is_warned_about() {
    let keep = |more: &str| {
        warned(&format!(
            "[[keep]]\ntopics = [\"t\"]\nin = \"redis.main\"\n{more}"
        ))
    };
    assert_eq!(
        keep(""),
        [
            "restante.toml:4:1: keep.ttl: messages stay for 2h and sessions 7d (session_expiry_interval): who is away \
          for longer than messages stay gets nothing"
        ]
    );
    assert_eq!(keep("ttl = \"6d\"").len(), 1);
    assert!(keep("ttl = \"6d\"")[0].starts_with("restante.toml:7:7: keep.ttl: "));
    assert_eq!(keep("ttl = \"7d\""), [""; 0]);
    assert_eq!(keep("mode = \"history\""), [""; 0]);
    let all = keep("ttl = \"7d\"\n[session]\nsession_expiry_interval = \"unlimited\"");
    assert!(all[0].contains("sessions for ever"), "{all:?}");
    // Where nothing expires, nothing goes too early.
    assert_eq!(
        warned("[[keep]]\ntopics = [\"t\"]\nin = \"postgres.other\"\n"),
        [""; 0]
    );
    assert_eq!(warned("[[keep]]\ntopics = [\"t\"]\nin = \"embedded\"\n"), [""; 0]);
    let hook = "[[hook]]\non = \"message.publish\"\ndo = \"on_message_publish\"\npool = \"redis.main\"\nexpired_time = \
                \"1h\"\n";
    assert!(warned(hook)[0].starts_with("restante.toml:8:16: hook.expired_time: messages stay for 1h"));
}

#[test]
fn k41_to_wait_for_the_database_needs_a_deadline() {
    let text = "[[keep]]\ntopics = [\"t\"]\nin = \"mysql.main\"\nack_after = \"backend\"\n";
    assert_eq!(
        wrong(text),
        [
            "restante.toml:7:13: keep.ack_after: a publisher would wait for the database without end; write \
          ack_deadline = \"5s\" in the section [outbox]"
        ]
    );
    keeping(&format!(
        "{text}[outbox]\nack_deadline = \"5s\"\non_ack_deadline = \"refuse\"\n"
    ));
    // A deadline that was refused itself is one mistake, not two.
    assert_eq!(
        wrong(&format!("{text}[outbox]\nack_deadline = \"1d\"\n")).len(),
        1
    );
}

#[test]
fn what_does_nothing_is_warned_about() {
    let keys = |text: &str| -> Vec<String> {
        let report = read(&format!("{POOLS}{text}"));
        assert!(report.result.is_ok(), "{report:?}");
        let mut keys: Vec<_> = report.warnings.into_iter().map(|warning| warning.key).collect();
        keys.sort();
        keys
    };
    let keep = |pool: &str, more: &str| keys(&format!("[[keep]]\ntopics = [\"t\"]\nin = \"{pool}\"\n{more}"));
    assert_eq!(
        keep(
            "mysql.main",
            "ttl = \"1h\"\nfirst_subscribe = \"from-now\"\nlayout = \"backends\"\nmode = \"queue\"\nsql = { \
             insert_message_sql = \"x\" }"
        ),
        ["keep.first_subscribe", "keep.sql", "keep.ttl"]
    );
    assert_eq!(
        keep("mysql.main", "mode = \"history\"\noffline_opts = {}"),
        ["keep.offline_opts"]
    );
    assert_eq!(
        keep(
            "embedded",
            "subscriptions = true\nack_after = \"backend\"\n[outbox]\nack_deadline = 5"
        ),
        ["keep.ack_after", "keep.subscriptions"]
    );
    assert_eq!(
        keys(
            "[[hook]]\non = \"client.connected\"\ndo = \"on_client_connected\"\npool = \"redis.main\"\noffline_opts = \
             {}\non_unsubscribe = \"keep-position\"\nexpired_time = \"1h\"\nack_after = \"backend\"\n[outbox]\n\
             ack_deadline = 5"
        ),
        [
            "hook.ack_after",
            "hook.expired_time",
            "hook.offline_opts",
            "hook.on_unsubscribe"
        ]
    );
}

#[test]
fn pools_whose_settings_do_not_fit_together() {
    let redis = |text: &str| {
        let report = read(&format!("[backend.redis.a]\n{text}"));
        let problems = report.result.err().unwrap_or_default();
        problems
            .iter()
            .chain(&report.warnings)
            .map(Problem::to_string)
            .collect::<Vec<_>>()
    };
    let check = |text: &str, expected: &[&str]| assert_eq!(redis(text), expected, "{text}");
    check(
        "mode = \"sentinel\"",
        &[
            "restante.toml:2:8: backend.redis.a.mode: mode = \"sentinel\" needs master_name; name the primary as the \
           sentinels do, like master_name = \"mymaster\"",
        ],
    );
    check(
        "servers = [\"a:1\", \"b:2\"]",
        &[
            "restante.toml:2:11: backend.redis.a.servers: a single server cannot be several; name one, or write mode = \
           \"sentinel\" or \"cluster\"",
        ],
    );
    check(
        "servers = []",
        &[
            "restante.toml:2:11: backend.redis.a.servers: the list is empty; name a server, like \"127.0.0.1:6379\"",
        ],
    );
    check(
        "mode = \"cluster\"\nservers = [\"a:1\", \"[::1]:2\"]\nchannel = \"x\"",
        &["restante.toml:4:11: backend.redis.a.channel: a cluster has no command channel; leave it out"],
    );
    check(
        "mode = \"cluster\"\ndatabase = 2",
        &["restante.toml:3:12: backend.redis.a.database: it has no effect: a cluster has only database 0"],
    );
    check(
        "channel = \"x\"\nchannel_out = \"x\"",
        &[
            "restante.toml:3:15: backend.redis.a.channel_out: it is the channel that we listen to: we would hear \
           ourselves; take another one",
        ],
    );
    check(
        "master_name = \"m\"\nmessage_key_prefix = \"\"",
        &[
            "restante.toml:3:22: backend.redis.a.message_key_prefix: it cannot be empty: our keys would lie among \
           those of others",
        ],
    );
    check(
        "master_name = \"m\"",
        &["restante.toml:2:15: backend.redis.a.master_name: it has no effect without mode = \"sentinel\""],
    );
    check(
        "tls = { certificate = \"c.pem\", verify = false }",
        &[
            "restante.toml:2:1: backend.redis.a.tls: there is a certificate and no key; both belong together; name both \
           or neither",
        ],
    );
    check(
        "tls = { verify = false }",
        &[
            "restante.toml:2:1: backend.redis.a.tls: the server's certificate is not checked: anybody in between can \
           read along",
        ],
    );
    check(
        "tls = true",
        &["restante.toml:2:7: backend.redis.a.tls: expected a table like tls = { … }, found true or false"],
    );
    for (server, what) in [
        ("a", "\"a\" has no port; write it like 127.0.0.1:6379"),
        (
            "::1:5",
            "\"::1:5\" is not a host with a port, like 127.0.0.1:6379",
        ),
        ("a:0", "\"a:0\": \"0\" is not a port; it takes 1 to 65535"),
    ] {
        check(
            &format!("servers = [\"{server}\"]"),
            &[&format!("restante.toml:2:12: backend.redis.a.servers: {what}")],
        );
    }
}

#[test]
fn k48_tls_is_there_or_not() {
    let tls = |text: &str| {
        let config = read(&format!("[backend.mysql.a]\n{text}")).result.unwrap();
        config.keeping().pools[0].basis().tls.clone()
    };
    assert_eq!(tls(""), None);
    assert_eq!(tls("tls = {}"), Some(crate::config::Tls::default()));
    assert_eq!(
        tls("[backend.mysql.a.tls]\nca = \"ca.pem\"").unwrap().ca,
        "ca.pem"
    );
}

#[test]
fn kinds_and_names_of_pools() {
    let wrong = |text: &str| {
        let problems = read(text).result.unwrap_err();
        problems.iter().map(Problem::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        wrong("[backend.rediss.a]\n[backend.mysql.\"a b\"]\n[backend.pgsql.a]\n[backend.mongo.a]\n"),
        [
            "restante.toml:1:10: backend.rediss: there is no such kind of backend; did you mean redis?",
            "restante.toml:2:16: backend.mysql.a b: a pool's name has 1 to 64 letters, digits, '-' and '_'",
            "restante.toml:3:10: backend.pgsql: there is no such kind of backend; did you mean postgres?",
            "restante.toml:4:10: backend.mongo: there is no such kind of backend; there are redis, mysql, postgres",
        ]
    );
    for (text, place) in [
        (
            "[backend]\nredis = 5",
            "restante.toml:2:1: backend.redis: expected a pool, found an integer",
        ),
        (
            "backend = 5",
            "restante.toml:1:1: backend: expected a pool, found an integer",
        ),
        (
            "[backend.redis]\nservers = []",
            "restante.toml:2:1: backend.redis.servers: expected a pool, found a list",
        ),
        (
            "[keep]\nin = \"embedded\"",
            "restante.toml:1:1: keep: there may be more than one of these; write [[keep]]",
        ),
        (
            "hook = [1]",
            "restante.toml:1:8: hook: there may be more than one of these; write [[hook]]",
        ),
        (
            "[[kep]]",
            "restante.toml:1:3: kep: there is no such section; did you mean [[keep]]?",
        ),
    ] {
        assert!(wrong(text)[0].starts_with(place), "{text}: {:?}", wrong(text));
    }
}

#[test]
fn passwords_are_read_and_never_shown() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    let text = format!(
        "[backend.redis.a]\nmode = \"sentinel\"\nmaster_name = \"m\"\npassword_file = {0:?}\nsentinel_password_file = \
         {0:?}\n",
        path.display().to_string()
    );
    let problems = read(&text).result.unwrap_err();
    assert_eq!(problems.len(), 2);
    assert!(
        problems[0]
            .to_string()
            .starts_with("restante.toml:4:17: backend.redis.a.password_file: cannot read "),
        "{problems:?}"
    );
    std::fs::write(&path, "hush hush\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let report = read(&text);
    assert_eq!(report.warnings.len(), 2);
    assert!(report.warnings[0].what.contains("others may read"));
    let config = report.result.unwrap();
    assert_eq!(config.keeping().pools[0].basis().password.reveal(), "hush hush");
    assert!(!config.show().contains("hush") && !format!("{config:?}").contains("hush"));
}

/// What a reader of statements complains about is told at the line and column within the file.
#[test]
fn c04_complaints_about_texts_stand_where_the_letters_are() {
    /// Complains about the last letter; the second line of it if there are two.
    fn read_text(text: &str, _: &[&'static str]) -> Result<Vec<Unfit>, Unfit> {
        let line = text.lines().count();
        let column = text.lines().last().unwrap_or_default().chars().count();
        Ok(vec![Unfit {
            why: "here".to_owned(),
            at: Some((line as u32, column as u32)),
        }])
    }
    let place = |value: &str| {
        let text = format!("[[hook]]\non = \"client.connected\"\npool = \"mysql.main\"\nsql = [{value}]\n");
        let mut reading = Reading::default();
        crate::config::read_file(
            &Arc::from("x"),
            &format!("[backend.mysql.main]\n{text}"),
            &mut reading,
        );
        let mut complaints = Complaints::default();
        let statement = reading.draft.hooks[0].sql[0].clone();
        texts::one_for_test(&reading, "hook[0].sql[0]", &statement, read_text, &mut complaints);
        complaints.reach(&mut reading);
        match &reading.warnings[0].origin {
            Origin::File { line, column, .. } => (*line, *column),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(place("\"select\""), (5, 14));
    assert_eq!(place("  'select'"), (5, 16));
    assert_eq!(place("\"\"\"\nselect\n  1\"\"\""), (7, 3));
    assert_eq!(place("'''select\n  1'''"), (6, 3));
    // With escapes no letter stands where it was counted: the text's own place is told.
    assert_eq!(place("\"sel\\u0065ct\""), (5, 8));
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
