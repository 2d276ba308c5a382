//! What is owed gets there: in order, once, however the database behaves.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use restante_broker::keeping::setup::{OutboxLimits, WhenFull};
use restante_codec::packet::AckKind;
use restante_model::{Mode, QoS};
use restante_testkit::{Connect, Publish, inprocess};

use crate::{house::Plan, shelf::Shelf};

#[test]
fn k33_every_publish_above_qos_0_is_stored_in_order() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publisher.publish(&Publish::qos0("t/1", b"never"));
    for number in 0..200 {
        publisher.publish_acked("t/1", format!("{number}").as_bytes());
    }
    publisher.publish_acked("other", b"not kept");
    shelf.wait_until("all rows", |state| state.rows.len() == 200);
    let expected: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    assert_eq!(shelf.payloads("t/1"), expected);
}

#[test]
fn publishing_goes_on_while_the_database_is_away_and_all_arrives_in_order_when_it_is_back() {
    let shelf = Arc::new(Shelf::default());
    shelf.away.store(true, SeqCst);
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    for number in 0..1_500 {
        publisher.publish_acked("t/1", format!("{number}").as_bytes());
    }
    assert!(shelf.state.lock().rows.is_empty());
    shelf.away.store(false, SeqCst);
    shelf.wait_until("all rows", |state| state.rows.len() == 1_500);
    let expected: Vec<String> = (0..1_500).map(|number| number.to_string()).collect();
    assert_eq!(shelf.payloads("t/1"), expected);
}

#[test]
fn k36_a_lost_reply_doubles_nothing() {
    let shelf = Arc::new(Shelf::default());
    shelf.lose_replies.store(3, SeqCst);
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    for number in 0..20 {
        publisher.publish_acked("t/1", format!("{number}").as_bytes());
    }
    shelf.wait_until("all rows", |state| state.rows.len() == 20);
    publisher.publish_acked("t/1", b"last");
    shelf.wait_until("the last", |state| state.rows.len() == 21);
    assert!(shelf.appends.load(SeqCst) > 4);
}

#[test]
fn k36_what_was_owed_before_a_restart_is_owed_after_it() {
    let shelf = Arc::new(Shelf::default());
    shelf.away.store(true, SeqCst);
    let folder = tempfile::TempDir::new().unwrap();
    let plan = Plan::of(Mode::Queue);
    let mut broker = plan.start(&shelf, |settings| crate::house::log_in(folder.path(), settings));
    let mut publisher = broker.connect(&Connect::v5("p"));
    for number in 0..50 {
        publisher.publish_acked("t/1", format!("{number}").as_bytes());
    }
    broker.stop();
    drop(broker);
    shelf.away.store(false, SeqCst);
    // The first append after the start is done, and its reply is lost.
    shelf.lose_replies.store(1, SeqCst);
    let _broker = plan.start(&shelf, |settings| crate::house::log_in(folder.path(), settings));
    shelf.wait_until("all rows", |state| state.rows.len() == 50);
    let expected: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    assert_eq!(shelf.payloads("t/1"), expected);
}

#[test]
fn k50_what_the_database_refuses_holds_nothing_up() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publisher.publish_acked("t/1", b"a");
    publisher.publish_acked("t/refused", b"b");
    publisher.publish_acked("t/1", b"c");
    shelf.wait_until("the others", |state| state.rows.len() == 2);
    assert_eq!(shelf.payloads("t/1"), ["a", "c"]);
    let pools = broker.pools();
    assert_eq!(pools[0].dead, 1);
}

#[test]
fn k42_a_full_outbox_refuses_publishers_and_takes_them_again_when_it_has_room() {
    let shelf = Arc::new(Shelf::default());
    shelf.away.store(true, SeqCst);
    let plan = Plan {
        limits: OutboxLimits {
            messages_max: 10,
            bytes_max: 0,
            age_max: None,
            confirm_window: std::time::Duration::ZERO,
            when_full: WhenFull::RejectPublisher,
            dead_letters_max: 10,
        },
        ..Plan::of(Mode::Queue)
    };
    let broker = plan.start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    for number in 0..10 {
        publisher.publish_acked("t/1", format!("{number}").as_bytes());
    }
    publisher.publish(&Publish::qos1(99, "t/1", b"too much"));
    assert_eq!(publisher.expect_ack(AckKind::PubAck, 99), 0x97);
    publisher.publish_acked("other", b"what is not owed goes on");
    shelf.away.store(false, SeqCst);
    shelf.wait_until("the ten", |state| state.rows.len() == 10);
    broker.wait_for_outbox(0);
    publisher.publish_acked("t/1", b"10");
    shelf.wait_until("one more", |state| state.rows.len() == 11);
}

#[test]
fn presence_is_written_and_put_right_after_a_start() {
    let shelf = Arc::new(Shelf::default());
    let plan = Plan {
        presence: true,
        ..Plan::of(Mode::Queue)
    };
    shelf.state.lock().standings.insert(
        "ghost".into(),
        restante_backend::tables::Standing {
            client: "ghost".into(),
            online: true,
            since: restante_model::UnixMillis(1),
        },
    );
    let broker = plan.start_in_memory(&shelf);
    let online =
        |name: &'static str| move |state: &crate::shelf::State| state.standings.get(name).map(|s| s.online);
    let is = |name, expected| move |state: &crate::shelf::State| online(name)(state) == Some(expected);
    shelf.wait_until("the ghost to be gone", is("ghost", false));
    let client = broker.connect(&Connect::v5("c"));
    shelf.wait_until("the client to be here", is("c", true));
    client.disconnect();
    shelf.wait_until("the client to be gone", is("c", false));
}

#[test]
fn subscriptions_are_written_removed_and_made_again() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let mut client = broker.connect(&Connect::v311("c"));
    client.subscribe(&[
        ("t/1", QoS::AtLeastOnce),
        ("t/2", QoS::AtLeastOnce),
        ("other", QoS::AtLeastOnce),
    ]);
    shelf.wait_until("both rows", |state| state.subscriptions.len() == 2);
    client.unsubscribe(&["t/2"]);
    shelf.wait_until("one row", |state| state.subscriptions.len() == 1);
    client.disconnect();
    broker.wait_for_connections(0);
    // A clean session: only the database remembers.
    let mut client = broker.connect(&Connect::v311("c"));
    let mut publisher = broker.connect(&Connect::v5("p"));
    publisher.publish_acked("t/1", b"for c");
    publisher.publish_acked("other", b"not for c");
    assert_eq!(client.expect_publish().payload, b"for c");
    client.expect_nothing();
}

#[test]
fn insert_and_delete_that_meet_in_the_outbox_never_reach_the_database() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Queue).start(&shelf, inprocess::memory);
    let mut subscriber = broker.connect(&Connect::v5("s"));
    subscriber.subscribe(&[("t/#", QoS::AtLeastOnce)]);
    let mut publisher = broker.connect(&Connect::v5("p"));
    // What is live while the database is away must not wait for a backlog.
    publisher.publish_acked("t/1", b"first");
    assert_eq!(subscriber.take_publishes(1)[0].payload, b"first");
    shelf.wait_until("the first to be gone", |state| state.rows.is_empty());
    broker.wait_for_outbox(0);
    shelf.away.store(true, SeqCst);
    for number in 0..50 {
        publisher.publish_acked("t/1", format!("{number}").as_bytes());
        let message = subscriber.expect_publish();
        subscriber.ack(AckKind::PubAck, message.packet_id);
    }
    subscriber.expect_nothing();
    shelf.away.store(false, SeqCst);
    broker.wait_for_outbox(0);
    assert_eq!(shelf.state.lock().rows.len(), 0);
    assert!(broker.pools()[0].cancelled > 0);
}

#[test]
fn k42_the_oldest_go_to_the_dead_letters_when_that_is_the_policy() {
    let shelf = Arc::new(Shelf::default());
    shelf.away.store(true, SeqCst);
    let plan = Plan {
        limits: OutboxLimits {
            messages_max: 1_000,
            bytes_max: 0,
            age_max: None,
            confirm_window: std::time::Duration::ZERO,
            when_full: WhenFull::DeadLetterOldest,
            dead_letters_max: 100,
        },
        ..Plan::of(Mode::Queue)
    };
    let broker = plan.start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    for number in 0..3_000 {
        publisher.publish_acked("t/1", format!("{number}").as_bytes());
    }
    broker.wait_until_pool("the bound", |pool| pool.records < 1_000 && pool.dead >= 2_000);
    shelf.away.store(false, SeqCst);
    broker.wait_for_outbox(0);
    let kept = shelf.payloads("t/1");
    assert_eq!(
        kept.last().map(String::as_str),
        Some("2999"),
        "the newest are kept"
    );
    let first: usize = kept[0].parse().unwrap();
    let expected: Vec<String> = (first..3_000).map(|number| number.to_string()).collect();
    assert_eq!(kept, expected, "in order, without a gap");
    let pool = &broker.pools()[0];
    assert_eq!(pool.dead as usize, first);
    let expected = first as u64 - 100;
    broker.wait_until_pool("letters to go", |pool| pool.letters_dropped == expected);
}

#[test]
fn k42_what_has_waited_too_long_is_given_up_only_while_the_database_is_away() {
    let shelf = Arc::new(Shelf::default());
    shelf.away.store(true, SeqCst);
    let plan = Plan {
        limits: OutboxLimits {
            age_max: Some(std::time::Duration::from_millis(300)),
            ..Plan::of(Mode::Queue).limits
        },
        ..Plan::of(Mode::Queue)
    };
    let broker = plan.start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    for number in 0..5 {
        publisher.publish_acked("t/1", format!("{number}").as_bytes());
    }
    broker.wait_until_pool("the end of patience", |pool| pool.dead == 5 && pool.records == 0);
    shelf.away.store(false, SeqCst);
    publisher.publish_acked("t/1", b"fresh");
    shelf.wait_until("the fresh one", |state| state.rows.len() == 1);
}
