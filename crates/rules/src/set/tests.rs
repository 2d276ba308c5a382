use std::time::Duration;

use proptest::prelude::*;
use restante_model::{Filter, Layout};

use super::*;
use crate::{
    keep::{Bounds, FirstSubscribe, Home},
    line::{HookLine, KeepLine, LineIndex, What},
};

const REDIS: PoolIndex = PoolIndex(0);
const MYSQL: PoolIndex = PoolIndex(1);

fn filter(text: &str) -> Filter {
    Filter::parse(text, false).unwrap()
}

fn keep(topics: &[&str], home: Home, mode: Mode) -> KeepLine {
    KeepLine {
        topics: topics.iter().map(|topic| filter(topic)).collect(),
        home,
        layout: Layout::Plugin,
        mode,
        ttl: None,
        first_subscribe: FirstSubscribe::All,
        bounds: Bounds::NONE,
        forgets: true,
        subscriptions: false,
        ack_after: AckAfter::Outbox,
    }
}

fn hook(on: &str, topic: Option<&str>, pool: PoolIndex, what: What) -> HookLine {
    HookLine {
        on: HookPoint::by_name(on).unwrap(),
        topic: topic.map(filter),
        order: 0,
        pool,
        what,
        bounds: Bounds::NONE,
        ttl: None,
        forgets: true,
        ack_after: AckAfter::Outbox,
    }
}

fn function(topic: Option<&str>, pool: PoolIndex, name: &str) -> HookLine {
    let function = Function::by_name(name).unwrap();
    hook(function.points()[0].name(), topic, pool, What::Function(function))
}

/// Hook lines with functions of one pool: topic (empty = none) and name.
fn functions(pool: PoolIndex, lines: &[(&str, &str)]) -> Vec<Line> {
    let topic = |text: &'static str| (!text.is_empty()).then_some(text);
    let line = |&(text, name): &(&str, &str)| {
        let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
        Line::Hook(function(topic(text), pool, name))
    };
    lines.iter().map(line).collect()
}

#[track_caller]
fn built(lines: &[Line]) -> RuleSet {
    RuleSet::build(lines).0.unwrap()
}

#[track_caller]
fn refused(lines: &[Line]) -> Vec<Refusal> {
    RuleSet::build(lines).0.unwrap_err()
}

fn doubts(lines: &[Line]) -> Vec<Doubt> {
    RuleSet::build(lines).1
}

/// The modes of the keeps that a message is owed to.
fn owed_to(set: &RuleSet, topic: &str, qos: QoS) -> Vec<Mode> {
    let rules = set.of_topic(topic);
    let keeps = rules.owed(qos, false, false).filter_map(|owed| match owed {
        Owed::Message { keep, .. } => Some(set.keep(*keep).unwrap().mode),
        _ => None,
    });
    keeps.collect()
}

fn backlog(set: &RuleSet, topic: &str) -> Option<Mode> {
    let backlog = set.of_topic(topic).backlog?;
    Some(set.keep(backlog.keep).unwrap().mode)
}

#[test]
fn k33_a_keep_stores_above_qos_0_and_a_history_all() {
    let set = built(&[
        Line::Keep(keep(&["t/#", "u"], Home::Pool(REDIS), Mode::Queue)),
        Line::Keep(keep(&["h/+"], Home::Embedded, Mode::History)),
    ]);
    assert_eq!(owed_to(&set, "t/1", QoS::AtLeastOnce), [Mode::Queue]);
    assert_eq!(owed_to(&set, "u", QoS::ExactlyOnce), [Mode::Queue]);
    assert_eq!(owed_to(&set, "t/1", QoS::AtMostOnce), []);
    assert_eq!(owed_to(&set, "h/1", QoS::AtMostOnce), [Mode::History]);
    assert_eq!(owed_to(&set, "h/1/2", QoS::AtMostOnce), []);
    assert!(set.of_topic("x").owes_nothing());
}

#[test]
fn k32_a_history_is_no_source_of_backlog_and_the_others_are() {
    for mode in [Mode::Queue, Mode::Pubsub, Mode::Latest] {
        let set = built(&[Line::Keep(keep(&["t/#"], Home::Pool(REDIS), mode))]);
        assert_eq!(backlog(&set, "t/1"), Some(mode));
        assert!(set.of_topic("t/1").backlog.unwrap().acknowledges);
        assert_eq!(backlog(&set, "u"), None);
        assert_eq!(set.backlogs_of("+/1"), [KeepIndex(0)]);
        assert_eq!(set.backlogs_of("u/#"), []);
    }
    let set = built(&[Line::Keep(keep(&["t/#"], Home::Pool(REDIS), Mode::History))]);
    assert_eq!(backlog(&set, "t/1"), None);
    assert_eq!(set.backlogs_of("#"), []);
}

/// Seed 3's lines for Redis, as printed.
fn redis_of_seed_3() -> Vec<Line> {
    functions(
        REDIS,
        &[
            ("", "on_client_connected"),
            ("", "on_subscribe_lookup"),
            ("", "on_client_disconnected"),
            ("queue/#", "on_message_fetch_for_queue"),
            ("pubsub/#", "on_message_fetch_for_pubsub"),
            ("", "on_retain_lookup"),
            ("#", "on_message_publish"),
            ("#", "on_message_retain"),
            ("#", "on_retain_delete"),
            ("queue/#", "on_message_acked_for_queue"),
            ("pubsub/#", "on_message_acked_for_pubsub"),
        ],
    )
}

#[test]
fn one_line_that_stores_serves_a_queue_a_pubsub_and_a_history() {
    let lines = redis_of_seed_3();
    assert_eq!(doubts(&lines), []);
    let set = built(&lines);
    for (topic, mode, source) in [
        ("queue/1", Mode::Queue, Some(Mode::Queue)),
        ("pubsub/1", Mode::Pubsub, Some(Mode::Pubsub)),
        ("other", Mode::History, None),
    ] {
        assert_eq!(owed_to(&set, topic, QoS::AtLeastOnce), [mode]);
        assert_eq!(owed_to(&set, topic, QoS::AtMostOnce), []);
        assert_eq!(backlog(&set, topic), source);
    }
    let layouts: Vec<_> = set.keeps().iter().map(|keep| (keep.layout, keep.home)).collect();
    assert_eq!(layouts, [(Layout::Backends, Home::Pool(REDIS)); 3]);
    // A filter that meets both has both.
    assert_eq!(set.backlogs_of("#").len(), 2);
    assert_eq!(set.backlogs_of("queue/+").len(), 1);
}

#[test]
fn k33_functions_begin_at_the_newest_message() {
    let set = built(&redis_of_seed_3());
    let first = |mode| {
        let keep = set.keeps().iter().find(|keep| keep.mode == mode).unwrap();
        keep.first_subscribe
    };
    assert_eq!(first(Mode::Pubsub), FirstSubscribe::FromNow);
    assert_eq!(first(Mode::Queue), FirstSubscribe::All);
}

#[test]
fn c10_to_unsubscribe_forgets_the_position_unless_it_is_to_be_kept() {
    let forgets = |set: &RuleSet, filter| {
        set.at(HookPoint::SessionUnsubscribed, Some(filter))
            .any(|rule| matches!(rule.action, Action::Forget { .. }))
    };
    let lines = [
        ("#", "on_message_fetch"),
        ("#", "on_message_acked"),
        ("#", "on_message_publish"),
    ];
    let mut lines = functions(MYSQL, &lines);
    assert!(forgets(&built(&lines), "a/+"));
    let Line::Hook(fetch) = &mut lines[0] else {
        panic!()
    };
    fetch.forgets = false;
    assert!(!forgets(&built(&lines), "a/+"));
    lines.extend(functions(MYSQL, &[("#", "on_acked_delete")]));
    assert!(forgets(&built(&lines), "a/+"));
}

#[test]
fn retained_functions_take_what_has_the_flag() {
    let set = built(&redis_of_seed_3());
    let rules = set.of_topic("a");
    let owed =
        |retain, is_empty| -> Vec<Owed> { rules.owed(QoS::AtMostOnce, retain, is_empty).cloned().collect() };
    assert_eq!(owed(false, false), []);
    assert_eq!(owed(true, false), [Owed::Retained(REDIS)]);
    assert_eq!(owed(true, true), [Owed::NoRetained(REDIS)]);
}

#[test]
fn c01_publish_and_store_are_one_row_and_a_doubt() {
    let lines = functions(
        MYSQL,
        &[
            ("#", "on_message_fetch"),
            ("#", "on_message_publish"),
            ("a/#", "on_message_store"),
            ("#", "on_message_acked"),
        ],
    );
    let set = built(&lines);
    assert_eq!(owed_to(&set, "a/1", QoS::AtLeastOnce), [Mode::Pubsub]);
    assert_eq!(owed_to(&set, "a/1", QoS::AtMostOnce), [Mode::Pubsub]);
    assert_eq!(owed_to(&set, "b", QoS::AtMostOnce), []);
    assert_eq!(
        doubts(&lines),
        [Doubt::StoredOnce {
            line: LineIndex(2),
            other: LineIndex(1)
        }]
    );
    // Apart in topics or in pools there is nothing to doubt.
    let mut lines = functions(MYSQL, &[("a", "on_message_publish"), ("b", "on_message_store")]);
    assert_eq!(doubts(&lines), []);
    lines = functions(MYSQL, &[("#", "on_message_publish")]);
    lines.extend(functions(REDIS, &[("#", "on_message_store")]));
    assert_eq!(doubts(&lines), []);
    assert_eq!(owed_to(&built(&lines), "a", QoS::AtLeastOnce), [Mode::History; 2]);
}

#[test]
fn c13_k34_two_sources_of_backlog_are_refused_with_both_lines() {
    let two = |one: KeepLine, other: KeepLine| [Line::Keep(one), Line::Keep(other)];
    let redis = || keep(&["x", "t/#"], Home::Pool(REDIS), Mode::Queue);
    let both = Refusal::TwoBacklogs {
        line: LineIndex(1),
        other: LineIndex(0),
    };
    for other in [
        keep(&["+/1"], Home::Pool(MYSQL), Mode::Queue),
        keep(&["t/1", "t/2"], Home::Embedded, Mode::Pubsub),
        keep(&["#"], Home::Pool(REDIS), Mode::Pubsub),
    ] {
        assert_eq!(refused(&two(redis(), other)), std::slice::from_ref(&both));
    }
    built(&two(redis(), keep(&["u/#"], Home::Pool(MYSQL), Mode::Queue)));
    built(&two(redis(), keep(&["#"], Home::Pool(MYSQL), Mode::History)));
    // Two sections for one source are one source.
    let lines = two(redis(), keep(&["t/1"], Home::Pool(REDIS), Mode::Queue));
    assert_eq!(owed_to(&built(&lines), "t/1", QoS::AtLeastOnce), [Mode::Queue]);
    assert_eq!(doubts(&lines).len(), 2, "stored once and fetched once");
    // Functions are sources like any other.
    let mut lines = vec![Line::Keep(redis())];
    lines.extend(functions(
        MYSQL,
        &[("#", "on_message_fetch"), ("#", "on_message_acked")],
    ));
    assert_eq!(refused(&lines), [both]);
    let lines = functions(
        REDIS,
        &[
            ("a/#", "on_message_fetch_for_queue"),
            ("a/b", "on_message_fetch_for_pubsub"),
        ],
    );
    assert_eq!(refused(&lines).len(), 1);
}

#[test]
fn two_layouts_of_one_table_are_refused() {
    let mut lines = vec![Line::Keep(keep(&["t/#"], Home::Pool(MYSQL), Mode::History))];
    lines.extend(functions(MYSQL, &[("#", "on_message_store")]));
    assert_eq!(
        refused(&lines),
        [Refusal::TwoLayouts {
            line: LineIndex(1),
            other: LineIndex(0)
        }]
    );
}

#[test]
fn c02_subscriptions_are_looked_up_once_and_when_the_session_is_there() {
    let lookup = |on| Line::Hook(hook(on, None, MYSQL, What::Function(Function::SubscribeLookup)));
    let lines = [lookup("client.connected"), lookup("session.created")];
    let set = built(&lines);
    assert_eq!(set.at(HookPoint::SessionCreated, None).count(), 1);
    assert!(!set.listens(HookPoint::ClientConnected));
    assert_eq!(
        doubts(&lines),
        [Doubt::LookedUpOnce {
            line: LineIndex(1),
            other: LineIndex(0)
        }]
    );
    assert_eq!(doubts(&lines[..1]), []);
}

#[test]
fn each_time_to_stay_is_a_keep_and_a_topic_has_one() {
    let mut short = function(Some("s/#"), REDIS, "on_message_publish");
    short.ttl = Some(Duration::from_secs(60));
    let mut lines = vec![Line::Hook(short)];
    lines.extend(functions(
        REDIS,
        &[
            ("t/#", "on_message_publish"),
            ("#", "on_message_fetch_for_queue"),
            ("#", "on_message_acked_for_queue"),
        ],
    ));
    let set = built(&lines);
    let ttl = |topic: &str| {
        let rules = set.of_topic(topic);
        let keep = rules.backlog.unwrap();
        assert!(keep.acknowledges);
        for owed in rules.owed(QoS::AtLeastOnce, false, false) {
            assert!(matches!(owed, Owed::Message { keep: owed, .. } if *owed == keep.keep));
        }
        set.keep(keep.keep).unwrap().ttl
    };
    assert_eq!(ttl("s/1"), Some(Duration::from_secs(60)));
    assert_eq!(ttl("t/1"), None);
    assert_eq!(set.backlogs_of("s/#").len(), 2);
    assert_eq!(set.keeps().len(), 2);
}

#[test]
fn the_newest_has_a_key_of_its_own() {
    let lines = functions(
        REDIS,
        &[
            ("#", "on_message_publish"),
            ("l/#", "on_message_store_keep_latest"),
            ("l/#", "on_message_fetch_for_keep_latest"),
            ("l/#", "on_message_acked_for_keep_latest"),
        ],
    );
    assert_eq!(doubts(&lines), []);
    let set = built(&lines);
    assert_eq!(
        owed_to(&set, "l/1", QoS::AtLeastOnce),
        [Mode::History, Mode::Latest]
    );
    assert_eq!(backlog(&set, "l/1"), Some(Mode::Latest));
}

#[test]
fn rules_go_by_order_then_as_they_were_written() {
    let statement = |order, number: u32| {
        let mut line = hook(
            "message.publish",
            Some("a/#"),
            MYSQL,
            What::Statements([number].into()),
        );
        line.order = order;
        Line::Hook(line)
    };
    let set = built(&[statement(2, 0), statement(1, 1), statement(1, 2)]);
    let numbers: Vec<u32> = set
        .of_topic("a/b")
        .owed(QoS::AtMostOnce, false, false)
        .map(|owed| match owed {
            Owed::Statements { numbers, .. } => numbers[0],
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(numbers, [1, 2, 0]);
}

#[test]
fn a_hook_without_a_topic_hears_system_topics_and_one_with_a_wildcard_does_not() {
    let set = built(&[
        Line::Hook(hook("message.publish", None, MYSQL, What::Statements([0].into()))),
        Line::Hook(hook(
            "message.publish",
            Some("#"),
            MYSQL,
            What::Statements([1].into()),
        )),
    ]);
    assert_eq!(set.at(HookPoint::MessagePublish, Some("$SYS/a")).count(), 1);
    assert_eq!(set.at(HookPoint::MessagePublish, Some("a")).count(), 2);
    assert!(!set.listens(HookPoint::MessageAcked));
}

#[test]
fn subscriptions_are_written_for_the_topics_of_the_keep() {
    let mut line = keep(&["t/#"], Home::Pool(REDIS), Mode::Queue);
    line.subscriptions = true;
    let set = built(&[Line::Keep(line)]);
    let writes = |filter| {
        set.at(HookPoint::SessionSubscribed, Some(filter))
            .any(|rule| matches!(rule.action, Action::WriteSubscription { .. }))
    };
    assert!(writes("t/1") && writes("+/1") && !writes("u"));
    assert_eq!(set.at(HookPoint::SessionCreated, None).count(), 1);
}

#[test]
fn what_has_no_place_is_refused() {
    let misplaced = hook(
        "message.acked",
        None,
        MYSQL,
        What::Function(Function::MessagePublish),
    );
    let no_topic = hook("client.connected", Some("#"), MYSQL, What::Statements([0].into()));
    let found = refused(&[Line::Hook(misplaced), Line::Hook(no_topic)]);
    assert_eq!(
        found.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "on_message_publish has nothing to do at message.acked; it belongs at message.publish",
            "client.connected has no topic that a filter could be compared with; leave it out",
        ]
    );
}

#[test]
fn half_of_a_pair_is_doubted() {
    let fetch = functions(MYSQL, &[("#", "on_message_fetch")]);
    assert_eq!(doubts(&fetch), [Doubt::NeverAcknowledged { line: LineIndex(0) }]);
    assert!(!built(&fetch).of_topic("a").backlog.unwrap().acknowledges);
    let ack = functions(MYSQL, &[("#", "on_message_acked")]);
    assert_eq!(doubts(&ack), [Doubt::NeverFetched { line: LineIndex(0) }]);
}

#[test]
fn retained_messages_are_looked_up_for_exactly_one_topic() {
    let set = built(&functions(MYSQL, &[("a/#", "on_retain_lookup")]));
    let looks_up = |filter| set.at(HookPoint::SessionSubscribed, Some(filter)).count() == 1;
    assert!(looks_up("a/b") && !looks_up("a/+") && !looks_up("a/#") && !looks_up("b"));
}

const LEVELS: [&str; 3] = ["a", "b", "$x"];

fn topics() -> Vec<String> {
    let pairs = LEVELS
        .iter()
        .flat_map(|one| LEVELS.iter().map(move |two| format!("{one}/{two}")));
    LEVELS.iter().map(|one| (*one).to_owned()).chain(pairs).collect()
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let level = prop::sample::select(vec!["a", "b", "$x", "+", "#"]);
    prop::collection::vec(level, 1..3)
        .prop_filter_map("no filter", |levels| Filter::parse(&levels.join("/"), false).ok())
}

/// A keep, or a hook with any function that keeps messages, in one of two pools.
fn any_line() -> impl Strategy<Value = Line> {
    let mode = prop::sample::select(Mode::ALL.to_vec());
    let home = prop::sample::select(vec![Home::Embedded, Home::Pool(REDIS), Home::Pool(MYSQL)]);
    let function = prop::sample::select(vec![
        Function::MessagePublish,
        Function::MessageStore,
        Function::MessageStoreKeepLatest,
        Function::MessageFetch,
        Function::MessageFetchForQueue,
        Function::MessageFetchForKeepLatest,
        Function::MessageAcked,
        Function::MessageAckedForQueue,
        Function::MessageAckedForKeepLatest,
        Function::AckedDelete,
    ]);
    let pool = prop::sample::select(vec![REDIS, MYSQL]);
    let ttl = prop::sample::select(vec![None, Some(Duration::from_secs(60))]);
    prop_oneof![
        (prop::collection::vec(any_filter(), 1..3), home, mode).prop_map(|(topics, home, mode)| {
            Line::Keep(KeepLine {
                topics,
                ..keep(&[], home, mode)
            })
        }),
        (prop::option::of(any_filter()), pool, function, 0..3_u32, ttl).prop_map(
            |(topic, pool, called, order, ttl)| {
                Line::Hook(HookLine {
                    topic,
                    order,
                    ttl,
                    ..function_line(pool, called)
                })
            }
        ),
    ]
}

fn function_line(pool: PoolIndex, called: Function) -> HookLine {
    hook(called.points()[0].name(), None, pool, What::Function(called))
}

proptest! {
    /// Whatever is written: what is accepted gives every topic one source of backlog, which every subscription that
    /// matches the topic finds; and one row in each place.
    #[test]
    fn k34_every_topic_has_one_source_and_every_subscription_finds_it(
        lines in prop::collection::vec(any_line(), 0..6),
        filters in prop::collection::vec(any_filter(), 1..4),
    ) {
        let Ok(set) = RuleSet::build(&lines).0 else { return Ok(()) };
        for topic in topics() {
            let rules = set.of_topic(&topic);
            if let Some(backlog) = rules.backlog {
                prop_assert!(set.keep(backlog.keep).unwrap().mode != Mode::History);
                for filter in filters.iter().filter(|filter| filter.matches(&topic)) {
                    prop_assert!(set.backlogs_of(filter.as_str()).contains(&backlog.keep), "{topic}");
                }
            }
            let keeps = |qos| -> Vec<KeepIndex> {
                rules
                    .owed(qos, false, false)
                    .filter_map(|owed| match owed {
                        Owed::Message { keep, .. } => Some(*keep),
                        _ => None,
                    })
                    .collect()
            };
            let owed = keeps(QoS::AtLeastOnce);
            prop_assert!(keeps(QoS::AtMostOnce).iter().all(|keep| owed.contains(keep)));
            for (at, one) in owed.iter().enumerate() {
                for other in &owed[..at] {
                    let [one, other] = [one, other].map(|keep| set.keep(*keep).unwrap());
                    prop_assert!(!one.shares_rows(other), "{topic}: {one:?} {other:?}");
                }
            }
            // What is stored where the topic is fetched from is what is fetched.
            if let Some(backlog) = rules.backlog {
                let source = set.keep(backlog.keep).unwrap();
                for keep in &owed {
                    let keep = set.keep(*keep).unwrap();
                    if keep.shares_rows(source) {
                        prop_assert_eq!(keep, source);
                    }
                }
            }
        }
    }
}
