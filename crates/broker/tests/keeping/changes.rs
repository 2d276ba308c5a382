//! Subscriptions, connections and configurations that change while something is on its way.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use restante_broker::keeping::setup::FirstSubscribe;
use restante_model::{Mode, QoS};
use restante_testkit::{Client, Connect, InProcess, Message, Will};

use crate::{
    house::{Plan, log_in},
    shelf::Shelf,
};

fn payloads(messages: &[Message]) -> Vec<String> {
    let text = |message: &Message| String::from_utf8(message.payload.clone()).unwrap();
    messages.iter().map(text).collect()
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn publish(publisher: &mut Client, topic: &str, range: std::ops::Range<u32>) {
    for number in range {
        publisher.publish_acked(topic, number.to_string().as_bytes());
    }
}

#[test]
fn what_waits_behind_a_filter_that_ends_goes_out_to_another_that_stays() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    publish(&mut publisher, "t/1", 0..1);
    assert_eq!(payloads(&client.take_publishes(1)), ["0"]);
    shelf.wait_until("all deleted", |state| state.rows.is_empty());
    publish(&mut publisher, "t/2", 0..1);
    shelf.wait_until("the row", |state| state.rows.len() == 1);
    shelf.holds_fetches.store(true, SeqCst);
    let before = shelf.fetches.load(SeqCst);
    client.subscribe(&[("t/+", QoS::AtLeastOnce)]);
    shelf.wait_for_fetches(before + 1);
    publish(&mut publisher, "t/1", 1..3);
    client.unsubscribe(&["t/+"]);
    assert_eq!(payloads(&client.take_publishes(2)), numbers(1..3));
    shelf.holds_fetches.store(false, SeqCst);
}

#[test]
fn k49_who_unsubscribes_during_a_fetch_holds_nothing() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publish(&mut publisher, "t/1", 0..5);
    shelf.wait_until("all rows", |state| state.rows.len() == 5);
    // Its window is smaller than the page: most of it is ready and has not gone out.
    let mut first = broker.connect(&Connect::v5("a").receive_maximum(1));
    first.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    let held = first.expect_publish();
    assert_eq!(held.payload, b"0");
    let mut second = broker.connect(&Connect::v5("b"));
    second.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    second.expect_nothing();
    first.unsubscribe(&["t/1"]);
    assert_eq!(payloads(&second.take_publishes(4)), numbers(1..5));
}

#[test]
fn a_client_that_takes_its_session_over_during_a_fetch_gets_everything_once() {
    for mode in [Mode::Queue, Mode::Pubsub] {
        let shelf = Arc::new(Shelf::default());
        let broker = Plan::of(mode).start_in_memory(&shelf);
        let mut publisher = broker.connect(&Connect::v5("p"));
        publish(&mut publisher, "t/1", 0..5);
        shelf.wait_until("all rows", |state| state.rows.len() == 5);
        let connect = Connect::v5("c").persistent();
        shelf.holds_fetches.store(true, SeqCst);
        let mut before = broker.connect(&connect);
        before.subscribe(&[("t/1", QoS::ExactlyOnce)]);
        shelf.wait_for_fetches(1);
        let mut client = broker.connect(&connect);
        assert!(client.session_present());
        shelf.wait_for_fetches(2);
        publish(&mut publisher, "t/1", 5..7);
        shelf.holds_fetches.store(false, SeqCst);
        assert_eq!(payloads(&client.take_publishes(7)), numbers(0..7), "{mode:?}");
        client.expect_nothing();
    }
}

#[test]
fn k36_what_was_appended_and_acknowledged_before_a_restart_is_deleted_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Arc::new(Shelf::default());
    let plan = Plan::of(Mode::Queue);
    let mut broker = plan.start(&shelf, |settings| log_in(folder.path(), settings));
    let mut publisher = broker.connect(&Connect::v5("p"));
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    publish(&mut publisher, "t/1", 0..1);
    assert_eq!(payloads(&client.take_publishes(1)), ["0"]);
    shelf.wait_until("all deleted", |state| state.rows.is_empty() && state.next == 1);
    // It is appended, and the broker never hears of it.
    shelf.lose_replies.store(u64::MAX, SeqCst);
    publish(&mut publisher, "t/1", 1..2);
    shelf.wait_until("the row", |state| state.rows.len() == 1);
    assert_eq!(payloads(&client.take_publishes(1)), ["1"]);
    // Behind the acknowledgement.
    client.expect_nothing();
    broker.stop();
    drop(broker);
    shelf.lose_replies.store(0, SeqCst);
    let broker = plan.start(&shelf, |settings| log_in(folder.path(), settings));
    broker.wait_for_outbox(0);
    assert_eq!(shelf.payloads("t/1"), Vec::<String>::new());
}

#[test]
fn from_now_on_nothing_is_missed_by_a_client_that_does_not_read() {
    let shelf = Arc::new(Shelf::default());
    let plan = Plan {
        first: FirstSubscribe::FromNow,
        ..Plan::of(Mode::Pubsub)
    };
    let broker = plan.start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    let mut client = broker.connect(&Connect::v5("c").receive_maximum(2));
    client.subscribe(&[("t/+", QoS::AtLeastOnce)]);
    // More than is held for a connection.
    publish(&mut publisher, "t/1", 0..3_000);
    assert_eq!(payloads(&client.take_publishes(3_000)), numbers(0..3_000));
}

#[test]
fn from_now_on_counts_from_the_subscription_although_the_database_is_away() {
    let shelf = Arc::new(Shelf::default());
    shelf.away.store(true, SeqCst);
    let plan = Plan {
        first: FirstSubscribe::FromNow,
        ..Plan::of(Mode::Pubsub)
    };
    let broker = plan.start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    let connect = Connect::v5("c").persistent();
    let mut client = broker.connect(&connect);
    client.subscribe(&[("t/1", QoS::AtLeastOnce), ("t/2", QoS::AtLeastOnce)]);
    publish(&mut publisher, "t/1", 0..3);
    publish(&mut publisher, "t/2", 3..6);
    client.disconnect();
    broker.wait_for_connections(1);
    shelf.away.store(false, SeqCst);
    shelf.wait_until("all rows", |state| state.rows.len() == 6);
    let mut client = broker.connect(&connect);
    let mut got = payloads(&client.take_publishes(6));
    got.sort();
    assert_eq!(got, numbers(0..6));
}

#[test]
fn c22_live_messages_at_qos_0_wait_behind_the_backlog_too() {
    for mode in [Mode::Queue, Mode::Pubsub] {
        let shelf = Arc::new(Shelf::default());
        let broker = Plan::of(mode).start_in_memory(&shelf);
        let mut publisher = broker.connect(&Connect::v5("p"));
        publish(&mut publisher, "t/1", 0..3);
        shelf.wait_until("all rows", |state| state.rows.len() == 3);
        shelf.away.store(true, SeqCst);
        let mut client = broker.connect(&Connect::v5("c"));
        client.subscribe(&[("t/1", QoS::AtMostOnce)]);
        publish(&mut publisher, "t/1", 3..6);
        shelf.away.store(false, SeqCst);
        assert_eq!(payloads(&client.take_publishes(6)), numbers(0..6), "{mode:?}");
        client.expect_nothing();
    }
}

#[test]
fn what_a_client_reads_for_its_group_says_nothing_of_its_own_position() {
    let shelf = Arc::new(Shelf::default());
    let plan = Plan {
        subscriptions: true,
        ..Plan::of(Mode::Pubsub)
    };
    let broker = plan.start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publish(&mut publisher, "t/1", 0..2);
    shelf.wait_until("the rows", |state| state.rows.len() == 2);
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("$share/g/t/1", QoS::AtLeastOnce)]);
    publish(&mut publisher, "t/1", 2..4);
    assert_eq!(
        payloads(&client.take_publishes(2)),
        numbers(2..4),
        "no backlog for a group"
    );
    client.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    assert_eq!(payloads(&client.take_publishes(4)), numbers(0..4));
    // And to leave the group is no word on what is its own.
    client.unsubscribe(&["$share/g/t/1"]);
    client.disconnect();
    broker.wait_for_connections(1);
    publish(&mut publisher, "t/1", 4..5);
    let mut client = broker.connect(&Connect::v5("c"));
    assert_eq!(payloads(&client.take_publishes(1)), ["4"]);
}

#[test]
fn a_queue_loses_what_a_group_has_acknowledged() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    let mut member = broker.connect(&Connect::v5("member"));
    member.subscribe(&[("$share/g/t/1", QoS::AtLeastOnce)]);
    publish(&mut publisher, "t/1", 0..3);
    assert_eq!(payloads(&member.take_publishes(3)), numbers(0..3));
    broker.wait_for_outbox(0);
    shelf.wait_until("all deleted", |state| state.rows.is_empty());
}

#[test]
fn a_shared_subscription_is_not_made_again_as_one_of_the_clients_own() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let mut member = broker.connect(&Connect::v5("member"));
    member.subscribe(&[("$share/g/t/1", QoS::AtLeastOnce), ("t/2", QoS::AtLeastOnce)]);
    shelf.wait_until("the row", |state| !state.subscriptions.is_empty());
    let filters = |state: &crate::shelf::State| -> Vec<String> {
        let rows = state.subscriptions.values();
        rows.map(|row| row.filter.to_string()).collect()
    };
    assert_eq!(filters(&shelf.state.lock()), ["t/2"]);
    member.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    shelf.wait_until("both rows", |state| state.subscriptions.len() == 2);
    member.unsubscribe(&["$share/g/t/1"]);
    broker.wait_for_outbox(0);
    assert_eq!(filters(&shelf.state.lock()), ["t/1", "t/2"]);
}

#[test]
fn a_will_waits_like_any_other_message() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let will = Will {
        qos: QoS::AtLeastOnce,
        ..Will::new("t/will", b"gone")
    };
    broker.connect(&Connect::v5("p").will(will)).cut();
    shelf.wait_until("the will", |state| state.rows.len() == 1);
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("t/+", QoS::AtLeastOnce)]);
    assert_eq!(payloads(&client.take_publishes(1)), ["gone"]);
    shelf.wait_until("all deleted", |state| state.rows.is_empty());
}

/// What a session's own queue holds from before its topic was kept comes too, and comes again when it is not
/// acknowledged.
#[test]
fn what_waited_in_a_session_before_its_topic_was_kept_still_comes() {
    for mode in [Mode::Queue, Mode::Pubsub] {
        let folder = tempfile::tempdir().unwrap();
        let connect = Connect::v5("c").persistent();
        {
            let mut broker = InProcess::on(|settings| log_in(folder.path(), settings), |_| {});
            let mut client = broker.connect(&connect);
            client.subscribe(&[("t/1", QoS::AtLeastOnce)]);
            client.disconnect();
            let mut publisher = broker.connect(&Connect::v5("p"));
            publish(&mut publisher, "t/1", 0..3);
            broker.stop();
        }
        let shelf = Arc::new(Shelf::default());
        let broker = Plan::of(mode).start(&shelf, |settings| log_in(folder.path(), settings));
        let mut publisher = broker.connect(&Connect::v5("p"));
        publish(&mut publisher, "t/1", 3..6);
        shelf.wait_until("all rows", |state| state.rows.len() == 3);
        let sorted = |mut got: Vec<String>| {
            got.sort();
            got
        };
        for _ in 0..2 {
            let mut client = broker.connect(&connect);
            let got: Vec<Message> = (0..6).map(|_| client.expect_publish()).collect();
            assert_eq!(sorted(payloads(&got)), numbers(0..6), "{mode:?}");
            client.cut();
            broker.wait_for_connections(1);
        }
        let mut client = broker.connect(&connect);
        assert_eq!(
            sorted(payloads(&client.take_publishes(6))),
            numbers(0..6),
            "{mode:?}"
        );
        client.disconnect();
        broker.wait_for_connections(1);
        let mut client = broker.connect(&connect);
        publish(&mut publisher, "t/1", 6..7);
        assert_eq!(payloads(&client.take_publishes(1)), ["6"], "{mode:?}");
    }
}

/// The pipelines of one append are on their way at once: a page may show the third and not the second.
#[test]
fn a_page_that_is_read_during_an_append_loses_nothing_and_keeps_the_order() {
    for mode in [Mode::Queue, Mode::Pubsub] {
        let shelf = Arc::new(Shelf::default());
        let broker = Plan::of(mode).start_in_memory(&shelf);
        let mut publisher = broker.connect(&Connect::v5("p"));
        publish(&mut publisher, "t/1", 0..3);
        shelf.wait_until("the rows", |state| state.rows.len() == 3);
        shelf.away_for_fetches.store(true, SeqCst);
        let mut client = broker.connect(&Connect::v5("c"));
        client.subscribe(&[("t/1", QoS::AtLeastOnce)]);
        publish(&mut publisher, "t/1", 3..6);
        shelf.wait_until("all rows", |state| state.rows.len() == 6);
        shelf.unseen.store(5, SeqCst);
        shelf.away_for_fetches.store(false, SeqCst);
        assert_eq!(payloads(&client.take_publishes(6)), numbers(0..6), "{mode:?}");
        client.expect_nothing();
    }
}
