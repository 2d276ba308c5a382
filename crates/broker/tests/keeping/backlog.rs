//! What waits in a database comes back: to new clients, to those who return, beside what is live.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use restante_codec::packet::AckKind;
use restante_model::{Mode, QoS};
use restante_testkit::{Client, Connect, Message, inprocess};

use crate::{house::Plan, shelf::Shelf};

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
fn a_fresh_client_gets_what_was_published_before_and_the_next_one_nothing() {
    let shelf = Arc::new(Shelf::default());
    let plan = Plan {
        page: 7,
        ..Plan::of(Mode::Queue)
    };
    let broker = plan.start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publish(&mut publisher, "t/2", 0..40);
    let mut first = broker.connect(&Connect::v5("fresh-1"));
    first.subscribe(&[("t/2", QoS::AtLeastOnce)]);
    assert_eq!(payloads(&first.take_publishes(40)), numbers(0..40));
    first.expect_nothing();
    shelf.wait_until("all deleted", |state| state.rows.is_empty());
    let mut second = broker.connect(&Connect::v5("fresh-2"));
    second.subscribe(&[("t/2", QoS::AtLeastOnce)]);
    second.expect_nothing();
    // And live goes on.
    publish(&mut publisher, "t/2", 40..42);
    assert_eq!(payloads(&first.take_publishes(2)), numbers(40..42));
    assert_eq!(payloads(&second.take_publishes(2)), numbers(40..42));
}

#[test]
fn wildcard_subscriptions_get_their_backlog_too() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    for topic in ["t/3", "t/1", "t/2/x"] {
        publish(&mut publisher, topic, 0..5);
    }
    shelf.wait_until("all rows", |state| state.rows.len() == 15);
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("t/+", QoS::AtLeastOnce)]);
    let got = client.take_publishes(10);
    for topic in ["t/1", "t/3"] {
        let of_topic: Vec<Message> = got
            .iter()
            .filter(|message| message.topic == topic)
            .cloned()
            .collect();
        assert_eq!(payloads(&of_topic), numbers(0..5), "{topic}");
    }
    client.expect_nothing();
}

#[test]
fn k32_a_persistent_session_that_returns_gets_it_once_and_in_order() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    let connect = Connect::v5("c").persistent();
    let mut client = broker.connect(&connect);
    client.subscribe(&[("t/1", QoS::AtLeastOnce), ("own", QoS::AtLeastOnce)]);
    publish(&mut publisher, "t/1", 0..3);
    assert_eq!(payloads(&client.take_publishes(3)), numbers(0..3));
    client.disconnect();
    broker.wait_for_connections(1);
    publish(&mut publisher, "t/1", 3..20);
    publish(&mut publisher, "own", 0..4);
    let mut client = broker.connect(&Connect {
        clean: false,
        ..connect
    });
    assert!(client.session_present());
    let got = client.take_publishes(21);
    let of = |topic: &str| -> Vec<Message> { got.iter().filter(|m| m.topic == topic).cloned().collect() };
    assert_eq!(payloads(&of("t/1")), numbers(3..20));
    assert_eq!(payloads(&of("own")), numbers(0..4));
    client.expect_nothing();
}

#[test]
fn what_was_not_acknowledged_comes_again_and_what_was_does_not() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publish(&mut publisher, "t/1", 0..10);
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    for _ in 0..10 {
        let message = client.expect_publish();
        if message.payload != b"3" && message.payload != b"7" {
            client.ack(AckKind::PubAck, message.packet_id);
        }
    }
    client.expect_nothing();
    client.cut();
    broker.wait_for_connections(1);
    let mut other = broker.connect(&Connect::v5("d"));
    other.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    assert_eq!(payloads(&other.take_publishes(2)), ["3", "7"]);
    other.expect_nothing();
}

#[test]
fn k49_what_one_client_holds_another_does_not_get_until_it_leaves() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publish(&mut publisher, "t/1", 0..5);
    let mut first = broker.connect(&Connect::v5("a"));
    first.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    for _ in 0..5 {
        first.expect_publish();
    }
    let mut second = broker.connect(&Connect::v5("b"));
    second.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    second.expect_nothing();
    first.cut();
    assert_eq!(payloads(&second.take_publishes(5)), numbers(0..5));
    shelf.wait_until("all deleted", |state| state.rows.is_empty());
}

#[test]
fn live_messages_wait_behind_the_backlog_and_none_comes_twice() {
    let shelf = Arc::new(Shelf::default());
    let plan = Plan {
        page: 3,
        ..Plan::of(Mode::Queue)
    };
    let broker = plan.start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publish(&mut publisher, "t/1", 0..30);
    shelf.wait_until("all rows", |state| state.rows.len() == 30);
    shelf.away.store(true, SeqCst);
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("t/1", QoS::AtLeastOnce), ("u", QoS::AtLeastOnce)]);
    publish(&mut publisher, "t/1", 30..60);
    publish(&mut publisher, "u", 0..1);
    // Other topics go on while the database is away.
    assert_eq!(client.take_publishes(1)[0].topic, "u");
    shelf.away.store(false, SeqCst);
    publish(&mut publisher, "t/1", 60..70);
    assert_eq!(payloads(&client.take_publishes(70)), numbers(0..70));
    client.expect_nothing();
    shelf.wait_until("all deleted", |state| state.rows.is_empty());
}

#[test]
fn a_client_that_does_not_read_gets_everything_later() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    let mut client = broker.connect(&Connect::v5("c").receive_maximum(2));
    client.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    publish(&mut publisher, "t/1", 0..3_000);
    assert_eq!(payloads(&client.take_publishes(3_000)), numbers(0..3_000));
    client.expect_nothing();
    shelf.wait_until("all deleted", |state| state.rows.is_empty());
}

#[test]
fn c22_subscribers_at_qos_0_see_no_repeats() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publish(&mut publisher, "t/1", 0..3);
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("t/1", QoS::AtMostOnce)]);
    for number in 0..3 {
        assert_eq!(client.expect_publish().payload, number.to_string().as_bytes());
    }
    publish(&mut publisher, "t/1", 3..5);
    for number in 3..5 {
        assert_eq!(client.expect_publish().payload, number.to_string().as_bytes());
    }
    shelf.wait_until("all deleted", |state| state.rows.is_empty());
    client.unsubscribe(&["t/1"]);
    client.subscribe(&[("t/1", QoS::AtMostOnce)]);
    client.expect_nothing();
}

#[test]
fn k46_qos_2_is_exactly_once_while_the_database_is_away() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Queue).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    for number in 0..4 {
        publisher.publish_completed("t/1", number.to_string().as_bytes());
    }
    let connect = Connect::v5("c").persistent();
    let mut client = broker.connect(&connect);
    client.subscribe(&[("t/1", QoS::ExactlyOnce)]);
    let mut ids = Vec::new();
    for number in 0..4 {
        let message = client.expect_publish();
        assert_eq!(message.payload, number.to_string().as_bytes());
        ids.push(message.packet_id);
    }
    // The first is received for sure, the second released, the others are open.
    client.ack(AckKind::PubRec, ids[0]);
    client.expect_ack(AckKind::PubRel, ids[0]);
    client.ack(AckKind::PubComp, ids[0]);
    client.ack(AckKind::PubRec, ids[1]);
    client.expect_ack(AckKind::PubRel, ids[1]);
    client.cut();
    broker.wait_for_connections(1);
    shelf.away.store(true, SeqCst);
    let mut client = broker.connect(&Connect {
        clean: false,
        ..connect
    });
    client.expect_ack(AckKind::PubRel, ids[1]);
    client.ack(AckKind::PubComp, ids[1]);
    let again = [client.expect_publish(), client.expect_publish()];
    for (at, again) in again.iter().enumerate() {
        assert_eq!((again.packet_id, again.dup), (ids[at + 2], true));
        assert_eq!(again.payload, (at + 2).to_string().as_bytes());
        client.ack(AckKind::PubRec, again.packet_id);
        client.expect_ack(AckKind::PubRel, again.packet_id);
        client.ack(AckKind::PubComp, again.packet_id);
    }
    shelf.away.store(false, SeqCst);
    shelf.wait_until("all deleted", |state| state.rows.is_empty());
    client.expect_nothing();
}

#[test]
fn a_database_that_is_away_holds_up_nothing_of_another() {
    let shelves = [Arc::new(Shelf::default()), Arc::new(Shelf::default())];
    let broker = Plan::of(Mode::Queue).start_with(&shelves, inprocess::memory);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publish(&mut publisher, "t/1", 0..5);
    publish(&mut publisher, "u/1", 0..5);
    shelves[0].away.store(true, SeqCst);
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("t/1", QoS::AtLeastOnce), ("u/1", QoS::AtLeastOnce)]);
    publish(&mut publisher, "t/1", 5..8);
    publish(&mut publisher, "u/1", 5..8);
    assert_eq!(payloads(&client.take_publishes(8)), numbers(0..8));
    shelves[0].away.store(false, SeqCst);
    let rest = client.take_publishes(8);
    assert!(rest.iter().all(|message| message.topic == "t/1"));
    assert_eq!(payloads(&rest), numbers(0..8));
}
