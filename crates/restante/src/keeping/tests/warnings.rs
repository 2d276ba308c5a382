use super::*;

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
        keep(
            "mysql.main",
            "mode = \"history\"\noffline_opts = {}\non_unsubscribe = \"keep-position\""
        ),
        ["keep.offline_opts", "keep.on_unsubscribe"]
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
