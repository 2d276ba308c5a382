use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Report {
    Config::read(Some(("restante.toml", text)), [])
}

fn read_with(text: &str, variables: &[(&str, &str)]) -> Report {
    let variables = variables
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Config::read(Some(("restante.toml", text)), variables)
}

#[track_caller]
fn config(text: &str) -> Config {
    read(text).result.unwrap()
}

#[track_caller]
fn problems(report: Report) -> Vec<String> {
    report
        .result
        .unwrap_err()
        .iter()
        .map(Problem::to_string)
        .collect()
}

#[test]
fn nothing_given_is_the_defaults() {
    let config = config("");
    assert_eq!(config.broker(), &Settings::default());
    assert_eq!(config.data_dir(), Path::new("restante-data"));
    assert_eq!(config.store(), StoreKind::Log);
    assert_eq!(config.sync(), SyncPolicy::Always);
    assert_eq!(config.http(), None);
}

/// The names and values of the issue, which are fixed.
#[test]
fn the_fixed_names() {
    let config = config(
        r#"
data_dir = "restante-data"
store = "log"
sync = "always"
[listen]
mqtt = ["127.0.0.1:1883"]
http = "127.0.0.1:18083"
[session]
session_expiry_interval = "7d"
max_session_expiry_interval = "unlimited"
max_mqueue_len = 10000
max_mqueue_bytes = "64MiB"
when_full = "drop-oldest"
message_expiry_interval = "0"
receive_maximum = 100
max_inflight = 100
max_packet_size = "1MiB"
max_keep_alive = "0"
topic_alias_maximum = 32
"#,
    );
    assert_eq!(config.broker(), &Settings::default());
    assert_eq!(config.http(), "127.0.0.1:18083".parse().ok());
}

#[test]
fn values_reach_their_places() {
    let config = config(
        r#"
sync = "interval"
sync_interval = "10ms"
[session]
max_mqueue_len = "unlimited"
when_full = "drop-newest"
message_expiry_interval = "2h"
[limits]
max_connections = 12
[log_store]
segment_bytes = "4MiB"
"#,
    );
    assert_eq!(config.sync_interval(), Duration::from_millis(10));
    assert_eq!(config.broker().session.queue.messages_max, 0);
    assert_eq!(
        config.broker().session.queue.when_full,
        restante_broker::settings::WhenFull::DropNewest
    );
    assert_eq!(config.broker().session.message_expiry, 7200);
    assert_eq!(config.broker().limits.connections_max, 12);
    assert_eq!(config.log_store().segment_bytes, 4 << 20);
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let text = r#"
data_dirr = "x"
store = "disk"
[sesion]
max_mqueue_len = 5
[session]
  max_mqueue_length = 5
receive_maximum = 0
max_inflight = true
sync = "never"
[listen]
mqtt = ["localhost:1883"]
"#;
    assert_eq!(
        problems(read(text)),
        [
            "restante.toml:2:1: data_dirr: there is no such setting; did you mean data_dir?",
            "restante.toml:3:9: store: \"disk\" is none of \"log\", \"memory\"",
            "restante.toml:4:2: sesion: there is no such section; did you mean [session]?",
            "restante.toml:7:3: session.max_mqueue_length: there is no such setting; did you mean max_mqueue_len?",
            "restante.toml:8:19: session.receive_maximum: 0 is out of range; it takes 1 to 65535",
            "restante.toml:9:16: session.max_inflight: expected a number, found true or false",
            "restante.toml:10:1: session.sync: there is no such setting; sync stands at the top of the file, before \
             the first section",
            "restante.toml:12:9: listen.mqtt: \"localhost:1883\" is not an IP address with a port, like \
             127.0.0.1:1883 or [::1]:1883",
        ]
    );
}

#[test]
fn broken_text_has_a_place_and_does_not_hide_the_rest() {
    let found = problems(read("store = \n[session]\nmax_mqueue_le = 1\n"));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("restante.toml:1:"), "{found:?}");
    assert!(
        found[1].starts_with("restante.toml:3:1: session.max_mqueue_le: "),
        "{found:?}"
    );
    let found = problems(read("store = \"log\"\nstore = \"log\"\n"));
    assert!(
        found
            .iter()
            .any(|problem| problem.starts_with("restante.toml:2:1: ")),
        "{found:?}"
    );
}

/// A broken line or list is one mistake, in words that say what to write, and what follows from it is none.
#[test]
fn broken_text_is_told_in_the_words_of_who_wrote_it() {
    let check = |text: &str, expected: &[&str]| assert_eq!(problems(read(text)), expected, "{text}");
    check(
        "store = memory # x\n[session]\nmax_mqueue_bytes = 64MiB\nmax_inflight = 0\n[listen]\nhttp = 127.0.0.1:1\n",
        &[
            "restante.toml:1:9: store: a text must be in quotes; write: store = \"memory\"",
            "restante.toml:3:20: max_mqueue_bytes: a text must be in quotes; write: max_mqueue_bytes = \"64MiB\"",
            "restante.toml:4:16: session.max_inflight: 0 is out of range; it takes 1 to 65535",
            "restante.toml:6:8: http: a text must be in quotes; write: http = \"127.0.0.1:1\"",
        ],
    );
    check(
        "sync = interval\ndata_dir = “here”\n",
        &[
            "restante.toml:1:8: sync: a text must be in quotes; write: sync = \"interval\"",
            "restante.toml:2:12: data_dir: a text must be in quotes; write: data_dir = \"here\"",
        ],
    );
    check(
        "store = \"log\"\nstore = \"log\"\n[session]\nmax_inflight = 1\n[listen]\n[session]\nmax_inflight = 2\n",
        &[
            "restante.toml:2:1: store is there already, in line 1; leave one of them out",
            "restante.toml:6:2: the section [session] is there already, in line 3; put both together",
            "restante.toml:7:1: max_inflight is there already, in line 4; leave one of them out",
        ],
    );
    check(
        "session.max_inflight = 1\n[session]\n",
        &["restante.toml:2:2: the section [session] is there already, in line 1; put both together"],
    );
    check(
        "[session\nmax_inflight = 0\n[listen]\nhttp = 5\n",
        &[
            "restante.toml:1:9: this is not TOML: unclosed table, expected `]`",
            "restante.toml:2:16: session.max_inflight: 0 is out of range; it takes 1 to 65535",
            "restante.toml:4:8: listen.http: expected a text in quotes, found an integer",
        ],
    );
    let unclosed = "[listen]\nmqtt = [\"127.0.0.1:1\"\n[session]\nmax_inflight = 0\n";
    assert_eq!(problems(read(unclosed)).len(), 1, "{:?}", read(unclosed));
    assert_eq!(problems(read(&format!("x = {}", "[".repeat(200_000)))).len(), 1);
}

#[test]
fn the_keys_of_a_misspelt_section_are_looked_at_too() {
    let text = "[sesion]\nmax_mqueue_len = \"lots\"\nmax_inflght = 1\nmax_inflight = 5\n[tls]\ncert = 1\n";
    let found = problems(read(text));
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(
        found[..3],
        [
            "restante.toml:1:2: sesion: there is no such section; did you mean [session]?",
            "restante.toml:2:18: session.max_mqueue_len: expected a number, found \"lots\"",
            "restante.toml:3:1: session.max_inflght: there is no such setting; did you mean max_inflight?",
        ]
    );
    assert!(found[3].starts_with("restante.toml:5:2: tls: "), "{found:?}");
}

#[test]
fn every_bad_address_of_a_list_has_its_own_place() {
    let text = "[listen]\nmqtt = [\"127.0.0.1:1883\", \"127.0.0.1:99999\",\n  \"::1\", 5, \"[::1]:x\", \"here:1\"]\n";
    assert_eq!(
        problems(read(text)),
        [
            "restante.toml:2:27: listen.mqtt: \"127.0.0.1:99999\": the port 99999 is out of range; it takes 0 to 65535",
            "restante.toml:3:3: listen.mqtt: \"::1\" has no port; write \"[::1]:1883\"",
            "restante.toml:3:10: listen.mqtt: expected a text in quotes, found an integer",
            "restante.toml:3:13: listen.mqtt: \"[::1]:x\": \"x\" is not a port; it takes 0 to 65535",
            "restante.toml:3:24: listen.mqtt: \"here:1\" is not an IP address with a port, like 127.0.0.1:1 or [::1]:1",
        ]
    );
}

#[test]
fn what_looks_like_a_variable_of_ours_is_told() {
    let variables = [
        ("RESTANTE_SYNC", "always"),
        ("RESTANTE_MAX_CONNECTIONS", "5"),
        ("RESTANTE_SESSION__COLOUR", "5"),
        ("restante__session__when_full", "drop-newest"),
        ("RESTANTE_BIN", "not ours"),
        ("RESTANTE_SERVICE_HOST", "not ours"),
    ];
    let report = read_with("", &variables);
    assert_eq!(report.result.unwrap().sync(), SyncPolicy::Always);
    let warnings: Vec<String> = report.warnings.iter().map(Problem::to_string).collect();
    let nothing = "this variable has no effect";
    let form = "the names begin with RESTANTE__ and are written in capitals";
    assert_eq!(
        warnings,
        [
            format!("RESTANTE_MAX_CONNECTIONS: {nothing}; did you mean RESTANTE__LIMITS__MAX_CONNECTIONS?"),
            format!("RESTANTE_SESSION__COLOUR: {nothing}; {form}"),
            format!("RESTANTE_SYNC: {nothing}; did you mean RESTANTE__SYNC?"),
            format!("restante__session__when_full: {nothing}; did you mean RESTANTE__SESSION__WHEN_FULL?"),
        ]
    );
}

#[test]
fn a_name_in_the_wrong_place_is_sent_to_the_right_one() {
    let hint = |text: &str| read(text).result.unwrap_err()[0].hint.clone();
    assert_eq!(
        hint("when_full = \"drop-oldest\""),
        "when_full belongs to the section [session]"
    );
    assert_eq!(hint("session = 5"), "write [session] on a line of its own");
    assert_eq!(
        hint("[store]\npath = \"x\""),
        "store is a value; write it before the first section: store = …"
    );
    assert_eq!(
        hint("[session]\nmax_retaned = 1"),
        "did you mean max_retained in [limits]?"
    );
    assert!(hint("[tls]\ncert = \"x\"").starts_with("the sections are [listen], [session]"));
    assert!(hint("[session]\ncolour = 1").contains("restante config reference"));
}

#[test]
fn the_environment_stands_above_the_file() {
    let text = "[session]\nmax_mqueue_len = 5\n";
    let variables = [
        ("RESTANTE__SESSION__MAX_MQUEUE_LEN", "7"),
        ("RESTANTE__DATA_DIR", "/srv/waiting"),
        ("RESTANTE__LISTEN__MQTT", "127.0.0.1:1, [::1]:2"),
        ("RESTANTE_OTHER", "not ours"),
        ("HOME", "not ours either"),
    ];
    let config = read_with(text, &variables).result.unwrap();
    assert_eq!(config.broker().session.queue.messages_max, 7);
    assert_eq!(config.data_dir(), Path::new("/srv/waiting"));
    assert_eq!(config.broker().mqtt.len(), 2);
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    let variables = [
        ("RESTANTE__SESSION__MAX_MQUEUE_LENGTH", "7"),
        ("RESTANTE__SESSION__RECEIVE_MAXIMUM", "many"),
        ("RESTANTE__session__receive_maximum", "3"),
    ];
    assert_eq!(
        problems(read_with("", &variables)),
        [
            "RESTANTE__SESSION__MAX_MQUEUE_LENGTH: there is no such setting; did you mean \
             RESTANTE__SESSION__MAX_MQUEUE_LEN?",
            "RESTANTE__SESSION__RECEIVE_MAXIMUM: session.receive_maximum: expected a number, found \"many\"",
            "RESTANTE__session__receive_maximum: there is no such setting; did you mean \
             RESTANTE__SESSION__RECEIVE_MAXIMUM?",
        ]
    );
}

#[test]
fn a_listener_that_others_reach_is_refused_unless_allowed_in_so_many_words() {
    for address in [
        "0.0.0.0:1883",
        "192.0.2.1:1883",
        "[::]:1883",
        "[2001:db8::1]:1883",
    ] {
        let found = problems(read(&format!("[listen]\nmqtt = [\"{address}\"]")));
        assert_eq!(
            found,
            [format!(
                "restante.toml:2:8: listen.mqtt: other machines can reach {address}, and nobody is asked who they \
                 are; to allow that, add this line to the section [listen]: allow_anonymous = \"everywhere\""
            )]
        );
        let report = read(&format!(
            "[listen]\nmqtt = [\"{address}\"]\nallow_anonymous = \"everywhere\""
        ));
        assert!(report.result.is_ok());
        assert!(report.warnings[0].what.contains("anybody"));
    }
    for address in [
        "127.0.0.1:1883",
        "127.8.8.8:1883",
        "[::1]:1883",
        "[::ffff:127.0.0.1]:1883",
    ] {
        assert!(
            read(&format!("[listen]\nmqtt = [\"{address}\"]")).result.is_ok(),
            "{address}"
        );
    }
    let found = problems(read("[listen]\nhttp = \"0.0.0.0:18083\""));
    assert!(
        found[0].contains("listen.http: other machines can reach 0.0.0.0:18083"),
        "{found:?}"
    );
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let found = problems(read("[listen]\nhttp = \"127.0.0.1:1883\""));
    assert_eq!(
        found,
        ["restante.toml:2:8: listen.http: 127.0.0.1:1883 already serves MQTT"]
    );
    // At the setting that was written, not at the default that it does not fit.
    let found = problems(read("[session]\nmax_packet_size = \"256MiB\""));
    assert_eq!(
        found,
        [
            "restante.toml:2:19: session.max_packet_size: a segment must hold two packets of session.max_packet_size; \
          make segment_bytes at least 512MiB or max_packet_size smaller"
        ]
    );
    assert!(
        read("store = \"memory\"\n[session]\nmax_packet_size = \"256MiB\"")
            .result
            .is_ok()
    );
    // A store that could never be taken from again once it was full.
    let store = |max: &str, segment: &str| {
        read(&format!(
            "[log_store]\nmax_store_bytes = \"{max}\"\nsegment_bytes = \"{segment}\""
        ))
    };
    let found = problems(store("319MiB", "64MiB"));
    assert_eq!(
        found,
        [
            "restante.toml:2:19: log_store.max_store_bytes: 319MiB cannot hold 4 segments of 64MiB and 64MiB of state; \
          make max_store_bytes at least 320MiB or segment_bytes smaller"
        ]
    );
    for (max, segment) in [("320MiB", "64MiB"), ("72MiB", "2MiB"), ("unlimited", "1GiB")] {
        assert!(store(max, segment).result.is_ok(), "{max} {segment}");
    }
    assert!(store("71MiB", "2MiB").result.is_err());
    let found = problems(read("[listen]\nmqtt = []"));
    assert!(found[0].contains("nobody could connect"), "{found:?}");
    let found = problems(read("[listen]\nmqtt = [\"127.0.0.1:1\", \"127.0.0.1:1\"]"));
    assert!(found[0].contains("listed twice"), "{found:?}");
}

#[test]
fn traps_are_warned_about_and_the_defaults_are_none() {
    assert_eq!(read("").warnings, []);
    let warned = |text: &str| -> Vec<String> {
        let report = read(text);
        assert!(report.result.is_ok(), "{report:?}");
        report.warnings.into_iter().map(|warning| warning.key).collect()
    };
    assert_eq!(warned("store = \"memory\""), ["store"]);
    assert_eq!(warned("sync = \"interval\""), ["sync"]);
    assert_eq!(warned("sync = \"never\""), ["sync"]);
    assert_eq!(warned("data_dir = \"/tmp/x\""), ["data_dir"]);
    assert_eq!(
        warned("[session]\nmax_mqueue_len = 0\nmax_mqueue_bytes = \"unlimited\""),
        ["session.max_mqueue_len"]
    );
    assert_eq!(warned("[session]\nmax_mqueue_len = 0"), [""; 0]);
    assert_eq!(
        warned("[session]\nwhen_full = \"reject-publisher\""),
        ["session.when_full"]
    );
    assert_eq!(
        warned("[session]\nsession_expiry_interval = 0\nmax_session_expiry_interval = \"0\""),
        [
            "session.session_expiry_interval",
            "session.max_session_expiry_interval"
        ]
    );
    assert_eq!(
        warned("[session]\nmax_inflight_limit = 10"),
        ["session.max_inflight_limit"]
    );
    assert_eq!(warned("sync_interval = \"5ms\""), ["sync_interval"]);
    assert_eq!(
        warned("store = \"memory\"\n[log_store]\nsegment_bytes = \"32MiB\""),
        ["store", "log_store.segment_bytes"]
    );
    assert_eq!(
        warned("[memory_store]\nmax_pending_bytes = \"2MiB\""),
        ["memory_store.max_pending_bytes"]
    );
}

#[test]
fn show_gives_values_and_origins_and_reads_back() {
    let text = "data_dir = \"a \\\"b\\\" \\\\ c\"\n[session]\nmax_mqueue_len = 5\n";
    let config = read_with(text, &[("RESTANTE__SESSION__WHEN_FULL", "drop-newest")])
        .result
        .unwrap();
    let shown = config.show();
    let line = |name: &str| {
        let line = shown.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("max_mqueue_len"), "max_mqueue_len = 5 # restante.toml:3");
    assert_eq!(
        line("when_full"),
        "when_full = \"drop-newest\" # RESTANTE__SESSION__WHEN_FULL"
    );
    assert_eq!(line("max_mqueue_bytes"), "max_mqueue_bytes = \"64MiB\" # default");
    let again = Config::read(Some(("shown", &shown)), []).result.unwrap();
    assert_eq!(again.draft, config.draft);
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("restante.toml");
    let found = problems(Config::load(Some(&path)));
    assert!(found[0].contains("cannot read the file"), "{found:?}");
    std::fs::write(&path, b"# first\nstore = \"\xff\"").unwrap();
    let found = problems(Config::load(Some(&path)));
    assert!(
        found[0].ends_with(":2:1: the file is not UTF-8 text"),
        "{found:?}"
    );
    std::fs::write(&path, vec![b'#'; FILE_BYTES_MAX + 1]).unwrap();
    let found = problems(Config::load(Some(&path)));
    assert!(found[0].ends_with("the file is larger than 1 MiB"), "{found:?}");
    let found = problems(Config::load(Some(folder.path())));
    assert!(found[0].contains("cannot read the file"), "{found:?}");
    // Nobody writes into it: to open it would be to wait for ever.
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let found = problems(Config::load(Some(&pipe)));
    assert!(
        found[0].ends_with("this is a pipe; write it to a file first"),
        "{found:?}"
    );
}

/// A line of something that looks like a configuration.
fn line() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "data_dir",
        "store",
        "[session]",
        "[listen]",
        "[limits]",
        "[backend.redis.a]",
        "[backend.x]",
        "[[keep]]",
        "[keep.sql]",
        "[[hook]]",
        "keep",
        "[[",
        "topics = [\"t/#\"]",
        "in = \"embedded\"",
        "in = \"redis.a\"",
        "tls = {}",
        "on = \"client.connected\"",
        "sql = [\"x\"]",
        "do = \"on_client_connected\"",
        "pool = \"redis.a\"",
        "mqtt",
        "max_mqueue_len",
        "=",
        "\"7d\"",
        "[",
        "]",
        "\"",
        "{",
        "}",
        ".",
        "5",
        "-1",
        "\"64MiB\"",
        "0x7f",
        "1e400",
        "#",
        "'''",
        "\\u0000",
        "1979-05-27",
        "true",
        ",",
    ]);
    prop::collection::vec(words, 0..8).prop_map(|words| words.join(" "))
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    for open in ["[", "{a=", "a."] {
        assert!(read(&format!("x = {}", open.repeat(50_000))).result.is_err());
        assert!(read(&open.repeat(50_000)).result.is_err());
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![
        any::<String>(),
        prop::collection::vec(line(), 0..12).prop_map(|lines| lines.join("\n")),
    ], variable in "[A-Z_]{0,30}", value in any::<String>()) {
        let variable = format!("RESTANTE__{variable}");
        let report = read_with(&text, &[(&variable, &value), ("RESTANTE__SESSION__MAX_MQUEUE_LEN", &value)]);
        match report.result {
            Ok(config) => {
                let again = Config::read(Some(("shown", &config.show())), []);
                prop_assert_eq!(again.result.unwrap().draft, config.draft);
            }
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(!problem.to_string().contains(char::is_control), "{}", problem);
                }
            }
        }
    }
}
