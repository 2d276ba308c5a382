//! Pubsub: every client from its own read position.

use std::sync::Arc;

use restante_broker::keeping::setup::FirstSubscribe;
use restante_codec::packet::AckKind;
use restante_model::{Mode, QoS};
use restante_testkit::{Client, Connect, Message};

use crate::{house::Plan, shelf::Shelf};

fn payloads(messages: &[Message]) -> Vec<String> {
    let text = |message: &Message| String::from_utf8(message.payload.clone()).unwrap();
    messages.iter().map(text).collect()
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn publish(publisher: &mut Client, range: std::ops::Range<u32>) {
    for number in range {
        publisher.publish_acked("t/1", number.to_string().as_bytes());
    }
}

#[test]
fn every_client_gets_everything_once_and_nothing_is_deleted() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Pubsub).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publish(&mut publisher, 0..10);
    for name in ["a", "b"] {
        let mut client = broker.connect(&Connect::v5(name));
        client.subscribe(&[("t/1", QoS::AtLeastOnce)]);
        assert_eq!(payloads(&client.take_publishes(10)), numbers(0..10), "{name}");
        client.disconnect();
    }
    broker.wait_for_connections(1);
    publish(&mut publisher, 10..15);
    let mut client = broker.connect(&Connect::v5("a"));
    client.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    assert_eq!(payloads(&client.take_publishes(5)), numbers(10..15));
    client.expect_nothing();
    assert_eq!(shelf.state.lock().rows.len(), 15);
    shelf.wait_until("the mirror", |state| {
        let place = state.positions.get(&("a".into(), "t/1".into()));
        place.is_some_and(|place| place.row == Some(15))
    });
}

#[test]
fn from_now_on_a_client_misses_nothing_once_it_has_subscribed() {
    let shelf = Arc::new(Shelf::default());
    let plan = Plan {
        first: FirstSubscribe::FromNow,
        ..Plan::of(Mode::Pubsub)
    };
    let broker = plan.start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publish(&mut publisher, 0..10);
    shelf.wait_until("the rows", |state| state.rows.len() == 10);
    std::thread::sleep(std::time::Duration::from_millis(5));
    let mut client = broker.connect(&Connect::v5("a"));
    client.subscribe(&[("t/+", QoS::AtLeastOnce)]);
    client.expect_nothing();
    // Its first look must be over before it leaves.
    publish(&mut publisher, 10..11);
    assert_eq!(payloads(&client.take_publishes(1)), numbers(10..11));
    client.disconnect();
    broker.wait_for_connections(1);
    publish(&mut publisher, 11..14);
    publisher.publish_acked("t/new", b"a topic that nobody knew");
    let mut client = broker.connect(&Connect::v5("a"));
    client.subscribe(&[("t/+", QoS::AtLeastOnce)]);
    let got = payloads(&client.take_publishes(4));
    assert_eq!(got[..3], numbers(11..14));
    assert_eq!(got[3], "a topic that nobody knew");
    client.expect_nothing();
}

#[test]
fn what_is_acknowledged_out_of_order_does_not_come_again() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Pubsub).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publish(&mut publisher, 0..6);
    let mut client = broker.connect(&Connect::v5("a"));
    client.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    for _ in 0..6 {
        let message = client.expect_publish();
        if message.payload != b"1" && message.payload != b"4" {
            client.ack(AckKind::PubAck, message.packet_id);
        }
    }
    client.expect_nothing();
    client.cut();
    broker.wait_for_connections(1);
    let mut client = broker.connect(&Connect::v5("a"));
    client.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    assert_eq!(payloads(&client.take_publishes(2)), ["1", "4"]);
    client.expect_nothing();
}

#[test]
fn c10_to_unsubscribe_forgets_the_position() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Pubsub).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publish(&mut publisher, 0..3);
    let mut client = broker.connect(&Connect::v5("a"));
    client.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    assert_eq!(client.take_publishes(3).len(), 3);
    client.unsubscribe(&["t/1"]);
    client.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    assert_eq!(payloads(&client.take_publishes(3)), numbers(0..3));
}

#[test]
fn k51_a_position_in_the_database_alone_is_read() {
    let shelf = Arc::new(Shelf::default());
    let broker = Plan::of(Mode::Pubsub).start_in_memory(&shelf);
    let mut publisher = broker.connect(&Connect::v5("p"));
    publish(&mut publisher, 0..10);
    shelf.wait_until("the rows", |state| state.rows.len() == 10);
    {
        let mut state = shelf.state.lock();
        let (row, message) = state
            .rows
            .iter()
            .nth(6)
            .map(|(row, message)| (*row, message.id.clone()))
            .unwrap();
        let place = restante_backend::messages::Place {
            id: message,
            row: Some(row),
        };
        state.positions.insert(("old".into(), "t/1".into()), place);
    }
    let mut client = broker.connect(&Connect::v5("old"));
    client.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    assert_eq!(payloads(&client.take_publishes(3)), numbers(7..10));
    client.expect_nothing();
}
