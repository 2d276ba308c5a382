//! The hook lines of the EMQ X 4 back ends and the plugin's configuration, as their users have them, written our way.

use super::*;

/// Hooks in one pool: event, topic (empty = none), function.
fn hooks(pool: &str, lines: &[(&str, &str, &str)]) -> String {
    let hook = |&(on, topic, function): &(&str, &str, &str)| {
        let topic = match topic {
            "" => String::new(),
            topic => format!("topic = \"{topic}\"\n"),
        };
        format!("[[hook]]\non = \"{on}\"\n{topic}do = \"{function}\"\npool = \"{pool}\"\n")
    };
    lines.iter().map(hook).collect()
}

const SQL: &[(&str, &str, &str)] = &[
    ("client.connected", "", "on_client_connected"),
    ("client.connected", "", "on_subscribe_lookup"),
    ("client.disconnected", "", "on_client_disconnected"),
    ("session.subscribed", "#", "on_message_fetch"),
    ("session.subscribed", "#", "on_retain_lookup"),
    ("message.publish", "#", "on_message_publish"),
    ("message.publish", "#", "on_message_retain"),
    ("message.publish", "#", "on_retain_delete"),
    ("message.acked", "#", "on_message_acked"),
];

const REDIS: &[(&str, &str, &str)] = &[
    ("client.connected", "", "on_client_connected"),
    ("client.connected", "", "on_subscribe_lookup"),
    ("client.disconnected", "", "on_client_disconnected"),
    ("session.subscribed", "queue/#", "on_message_fetch_for_queue"),
    ("session.subscribed", "pubsub/#", "on_message_fetch_for_pubsub"),
    ("session.subscribed", "", "on_retain_lookup"),
    ("message.publish", "#", "on_message_publish"),
    ("message.publish", "#", "on_message_retain"),
    ("message.publish", "#", "on_retain_delete"),
    ("message.acked", "queue/#", "on_message_acked_for_queue"),
    ("message.acked", "pubsub/#", "on_message_acked_for_pubsub"),
];

#[test]
fn the_lines_of_the_sql_back_ends_are_taken_as_they_are() {
    for pool in ["mysql.main", "postgres.other"] {
        let text = hooks(pool, SQL);
        assert_eq!(warned(&text), [""; 0]);
        let keeping = keeping(&text);
        let rules = &keeping.rules;
        let backlog = rules.of_topic("any/topic").backlog.unwrap();
        assert!(backlog.acknowledges);
        assert_eq!(rules.keeps().len(), 1);
        assert_eq!(rules.keeps()[0].mode, Mode::Pubsub);
        for on in HookPoint::ALL {
            // Nothing is asked for there, and so nothing need be told.
            let expected = on != HookPoint::MessageDelivered;
            assert_eq!(rules.listens(on), expected, "{on:?}");
        }
    }
}

#[test]
fn the_lines_of_redis_are_taken_as_they_are() {
    let text = format!(
        "{}[session]\nsession_expiry_interval = \"2h\"\n",
        hooks("redis.main", REDIS)
    );
    assert_eq!(warned(&text), [""; 0]);
    let keeping = keeping(&text);
    let mode = |topic: &str| {
        let backlog = keeping.rules.of_topic(topic).backlog?;
        Some(keeping.keeps[backlog.keep.0 as usize].spec.mode)
    };
    assert_eq!(mode("queue/1"), Some(Mode::Queue));
    assert_eq!(mode("pubsub/1"), Some(Mode::Pubsub));
    assert_eq!(mode("other"), None);
}

/// The line that is printed as a comment, with the warning that it stores twice.
#[test]
fn c01_the_line_for_qos_0_beside_the_others_stores_once() {
    let mut lines = SQL.to_vec();
    lines.push(("message.publish", "#", "on_message_store"));
    let text = hooks("mysql.main", &lines);
    let warnings = warned(&text);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("each is stored once"), "{warnings:?}");
}

/// C2: in the documents it stands at one event or at the other.
#[test]
fn c02_the_lookup_may_stand_at_either_event_and_happens_once() {
    let at = |events: &[&str]| {
        let lines: Vec<_> = events.iter().map(|on| (*on, "", "on_subscribe_lookup")).collect();
        keeping(&hooks("mysql.main", &lines))
    };
    for events in [
        &["client.connected"][..],
        &["session.created"],
        &["client.connected", "session.created"],
    ] {
        let keeping = at(events);
        assert_eq!(keeping.rules.rules().len(), 1);
        assert_eq!(keeping.rules.at(HookPoint::SessionCreated, None).count(), 1);
    }
}

/// C23, C12: two spellings of an event, and of a function.
#[test]
fn c12_c23_other_spellings_are_taken() {
    let text = "[[hook]]\non = \"message.deliver\"\nsql = \"select 1\"\npool = \"mysql.main\"\n[[hook]]\non = \
                \"client.connected\"\ndo = \"on_subscription_lookup\"\npool = \"mysql.main\"\n";
    let keeping = keeping(text);
    assert!(keeping.rules.listens(HookPoint::MessageDelivered));
    assert!(keeping.rules.listens(HookPoint::SessionCreated));
}

/// The plugin enables one backend; both for the same topics were two sources.
#[test]
fn c13_the_plugin_with_both_backends_enabled_is_refused() {
    let keep = |pool: &str| format!("[[keep]]\ntopics = [\"t/#\"]\nin = \"{pool}\"\n");
    assert_eq!(wrong(&keep("mysql.main")), [""; 0]);
    assert_eq!(wrong(&keep("redis.main")), [""; 0]);
    let both = wrong(&(keep("mysql.main") + &keep("redis.main")));
    assert_eq!(both.len(), 1);
    assert!(both[0].starts_with("restante.toml:8:10: keep.topics: with the keep at restante.toml:5:10: "));
    let history = keep("mysql.main") + &keep("redis.main") + "mode = \"history\"\n";
    assert_eq!(wrong(&history), [""; 0]);
}

/// C16: "set both to 1/0" means a batch of one that waits for nothing.
#[test]
fn c16_batches_are_turned_off_with_1_and_0() {
    let keeping =
        keeping("[[keep]]\ntopics = [\"t\"]\nin = \"mysql.main\"\nbatch_size = 1\nbatch_time = 0\n");
    assert_eq!(
        (keeping.keeps[0].batch_size, keeping.keeps[0].batch_time),
        (1, Duration::ZERO)
    );
}
