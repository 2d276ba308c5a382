//! Subscriptions over time: under which options a message is owed (K14), what becomes of it when the subscription ends
//! (K15), overlapping filters (K13), what can only be decided on the way out (K20).

use restante_codec::packet::AckKind;
use restante_model::{NotKept, QoS, SubscriptionOptions};
use restante_testkit::{Client, Connect, Message, Publish};

use crate::house::{Backing, Chance, House};

on_each_store! {
    k13_overlapping_filters_give_one_copy_at_the_highest_qos_with_all_identifiers
    k13_subscriptions_without_a_queue_are_named_as_of_then
    what_is_sent_again_carries_the_same_identifiers
    k14_a_message_is_owed_under_the_options_of_its_time
    k14_many_changes_while_everything_was_taken_lose_nothing
    k15_what_waited_ends_with_the_subscription_and_what_was_begun_is_completed
    k15_a_new_subscription_begins_at_its_own_commit
    k15_a_queue_without_readers_is_closed
    a_retained_message_never_follows_the_one_that_replaced_it
    retained_messages_are_fetched_as_they_are_taken
    many_retained_messages_come_page_by_page_while_they_change
    retained_messages_stop_with_their_subscription
    k20_what_cannot_be_delivered_blocks_nothing_behind_it
    k16_ten_thousand_absent_sessions_on_one_filter_cost_one_record
}

fn kept() -> Connect {
    Connect::v5("kept").persistent()
}

fn at(qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions {
        qos,
        ..SubscriptionOptions::default()
    }
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(&message.payload).into_owned()
}

fn texts(client: &mut Client, count: usize) -> Vec<String> {
    client.take_publishes(count).iter().map(text).collect()
}

fn k13_overlapping_filters_give_one_copy_at_the_highest_qos_with_all_identifiers(backing: Backing) {
    let house = House::open(backing, |_| {});
    let options = |qos, identifier| SubscriptionOptions {
        identifier: Some(identifier),
        ..at(qos)
    };
    let mut client = house.client(&kept());
    client.subscribe_with(&[("a/b", options(QoS::AtMostOnce, 1))]);
    client.subscribe_with(&[("a/+", options(QoS::ExactlyOnce, 2))]);
    client.subscribe_with(&[("#", options(QoS::AtLeastOnce, 3))]);
    client.disconnect();
    let mut publisher = house.publisher("p");
    publisher.publish_completed("a/b", b"absent");
    let mut client = house.client(&kept());
    let mut got = client.take_publishes(1);
    publisher.publish_completed("a/b", b"present");
    got.extend(client.take_publishes(1));
    client.expect_nothing();
    for (message, payload) in got.iter().zip(["absent", "present"]) {
        assert_eq!((text(message).as_str(), message.qos), (payload, QoS::ExactlyOnce));
        let mut identifiers = message.subscription_ids.clone();
        identifiers.sort_unstable();
        // Also of the one at QoS 0, of which the store's queues know nothing.
        assert_eq!(identifiers, [1, 2, 3]);
    }
}

/// What is read from the store names the subscriptions at QoS 0 that were there when it was published, and no others.
fn k13_subscriptions_without_a_queue_are_named_as_of_then(backing: Backing) {
    let house = House::open(backing, |_| {});
    let options = |qos, identifier| SubscriptionOptions {
        identifier: Some(identifier),
        ..at(qos)
    };
    let mut publisher = house.publisher("p");
    let mut client = house.client(&kept().receive_maximum(1));
    client.subscribe_with(&[("a/#", options(QoS::AtLeastOnce, 1))]);
    client.subscribe_with(&[("a/+", options(QoS::AtMostOnce, 2))]);
    client.subscribe_with(&[("b", options(QoS::AtMostOnce, 3))]);
    client.subscribe_with(&[("+/b", options(QoS::AtMostOnce, 4))]);
    client.disconnect();
    publisher.publish_acked("a/b", b"one");
    publisher.publish_acked("a/b/c", b"two");
    let mut client = house.client(&kept().receive_maximum(1));
    let first = client.expect_publish();
    // Later than what waits, or not there any more when it comes.
    client.subscribe_with(&[("#", options(QoS::AtMostOnce, 6))]);
    publisher.publish_acked("a/b", b"three");
    client.unsubscribe(&["+/b"]);
    client.ack(AckKind::PubAck, first.packet_id);
    let mut got = vec![first];
    got.extend(client.take_publishes(2));
    let told: Vec<(String, Vec<u32>)> = got
        .iter()
        .map(|message| {
            let mut identifiers = message.subscription_ids.clone();
            identifiers.sort_unstable();
            (text(message), identifiers)
        })
        .collect();
    assert_eq!(told[0], ("one".into(), vec![1, 2, 4]));
    assert_eq!(told[1], ("two".into(), vec![1]));
    assert_eq!((told[2].0.as_str(), got[2].qos), ("three", QoS::AtLeastOnce));
    // From the ring as it was matched, from the store as of now.
    assert!(
        told[2].1 == [1, 2, 4, 6] || told[2].1 == [1, 2, 6],
        "{:?}",
        told[2].1
    );
}

fn what_is_sent_again_carries_the_same_identifiers(backing: Backing) {
    let house = House::open(backing, |_| {});
    let with = |identifier| SubscriptionOptions {
        identifier,
        ..at(QoS::ExactlyOnce)
    };
    let mut client = house.client(&kept());
    for (filter, identifier) in [
        ("a/#", Some(1)),
        ("a/b", Some(2)),
        ("c", None),
        ("$share/g/shared", Some(3)),
    ] {
        client.subscribe_with(&[(filter, with(identifier))]);
    }
    let mut publisher = house.publisher("p");
    publisher.publish_acked("a/b", b"one");
    publisher.publish_completed("a/b", b"two");
    publisher.publish_completed("c", b"three");
    publisher.publish_completed("shared", b"four");
    let identify = |client: &mut Client| {
        let told = (0..4).map(|_| {
            let message = client.expect_publish();
            let mut identifiers = message.subscription_ids.clone();
            identifiers.sort_unstable();
            (text(&message), identifiers)
        });
        told.collect::<Vec<_>>()
    };
    let first = identify(&mut client);
    let expected: [(&str, &[u32]); 4] = [("one", &[1, 2]), ("two", &[1, 2]), ("three", &[]), ("four", &[3])];
    for ((text, identifiers), (expected_text, expected)) in first.iter().zip(expected) {
        assert_eq!((text.as_str(), identifiers.as_slice()), (expected_text, expected));
    }
    client.disconnect();
    let mut client = house.client(&kept());
    assert_eq!(identify(&mut client), first);
}

fn k14_a_message_is_owed_under_the_options_of_its_time(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let mut publish = |text: &str| publisher.publish_completed("t", text.as_bytes());
    // A window that is full, so that everything waits while the options change.
    let mut client = house.client(&kept().receive_maximum(1));
    client.subscribe_with(&[("t", at(QoS::ExactlyOnce)), ("hold", at(QoS::AtLeastOnce))]);
    house.publisher("q").publish_acked("hold", b"hold");
    let hold = client.expect_publish();
    publish("at 2");
    client.subscribe_with(&[(
        "t",
        SubscriptionOptions {
            identifier: Some(7),
            ..at(QoS::AtLeastOnce)
        },
    )]);
    publish("at 1");
    client.disconnect();
    let mut client = house.client(&kept().receive_maximum(1));
    assert_eq!(client.expect_publish().packet_id, hold.packet_id);
    client.ack(AckKind::PubAck, hold.packet_id);
    let got = client.take_publishes(2);
    let told: Vec<_> = got
        .iter()
        .map(|m| (text(m), m.qos, m.subscription_ids.clone()))
        .collect();
    assert_eq!(
        told,
        [
            ("at 2".into(), QoS::ExactlyOnce, vec![]),
            ("at 1".into(), QoS::AtLeastOnce, vec![7])
        ]
    );
    // 1, 0, 1: what came at 0 while absent is not replayed.
    client.subscribe_with(&[("t", at(QoS::AtMostOnce))]);
    client.disconnect();
    publish("at 0");
    let mut client = house.client(&kept());
    client.subscribe_with(&[("t", at(QoS::AtLeastOnce))]);
    client.disconnect();
    publish("at 1 again");
    let mut client = house.client(&kept());
    assert_eq!(texts(&mut client, 1), ["at 1 again"]);
    client.expect_nothing();
}

fn k14_many_changes_while_everything_was_taken_lose_nothing(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let mut client = house.client(&kept());
    for round in 0..40u32 {
        let qos = if round % 2 == 0 {
            QoS::AtMostOnce
        } else {
            QoS::AtLeastOnce
        };
        client.subscribe_with(&[(
            "t",
            SubscriptionOptions {
                identifier: Some(round + 1),
                ..at(qos)
            },
        )]);
        publisher.publish_acked("t", round.to_string().as_bytes());
        let message = client.take_publishes(1).remove(0);
        assert_eq!((message.qos, message.subscription_ids), (qos, vec![round + 1]));
    }
    client.disconnect();
    publisher.publish_acked("t", b"absent");
    let mut client = house.client(&kept());
    let message = client.take_publishes(1).remove(0);
    assert_eq!(
        (message.qos, message.subscription_ids),
        (QoS::AtLeastOnce, vec![40])
    );
    client.expect_nothing();
}

fn k15_what_waited_ends_with_the_subscription_and_what_was_begun_is_completed(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let connect = kept().receive_maximum(2);
    let mut client = house.client(&connect);
    client.subscribe_with(&[("t", at(QoS::ExactlyOnce))]);
    client.disconnect();
    for number in 0..10 {
        publisher.publish_completed("t", number.to_string().as_bytes());
    }
    let mut client = house.client(&connect);
    let begun: Vec<_> = (0..2).map(|_| client.expect_publish()).collect();
    client.unsubscribe(&["t"]);
    client.disconnect();
    // The queue is gone, and what was begun is still there to be completed [MQTT-3.10.4-3].
    house.until("the queue to be closed", |house| {
        house.store_figures().queues == 0
    });
    let mut client = house.client(&connect);
    for (message, number) in client.take_publishes(2).iter().zip(0..) {
        assert_eq!((message.dup, message.packet_id), (true, begun[number].packet_id));
        assert_eq!(text(message), number.to_string());
    }
    client.expect_nothing();
}

fn k15_a_new_subscription_begins_at_its_own_commit(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let mut other = house.client(&Connect::v5("other").persistent());
    other.subscribe_with(&[("t", at(QoS::AtLeastOnce))]);
    publisher.publish_acked("t", b"before");
    let mut client = house.client(&kept());
    client.subscribe_with(&[("t", at(QoS::AtLeastOnce))]);
    client.expect_nothing();
    client.unsubscribe(&["t"]);
    publisher.publish_acked("t", b"between");
    client.subscribe_with(&[("t", at(QoS::AtLeastOnce))]);
    publisher.publish_acked("t", b"after");
    assert_eq!(texts(&mut client, 1), ["after"]);
    client.expect_nothing();
    assert_eq!(texts(&mut other, 3), ["before", "between", "after"]);
}

fn k15_a_queue_without_readers_is_closed(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let mut client = house.client(&kept());
    client.subscribe_with(&[("t", at(QoS::AtLeastOnce)), ("$share/g/t", at(QoS::AtLeastOnce))]);
    client.unsubscribe(&["t", "$share/g/t"]);
    house.until("no queue", |house| house.store_figures().queues == 0);
    publisher.publish_acked("t", b"nobody");
    assert_eq!(house.store_figures().entries, 0);
}

/// Whatever changes before, at and behind the place where the client is: of each topic it has the latest in the end, never
/// an older one behind a newer one, and nothing of what stayed as it was is missing or comes twice.
fn many_retained_messages_come_page_by_page_while_they_change(backing: Backing) {
    const TOPICS: usize = 700;
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let mut retain = |topic: usize, payload: &[u8]| {
        let id = publisher.fresh_id();
        publisher.publish(&Publish::qos1(id, &format!("t/{topic:03}"), payload).retain());
        publisher.expect_ack(AckKind::PubAck, id);
    };
    for topic in 0..TOPICS {
        retain(topic, b"0");
    }
    let mut client = house.client(&Connect::v5("s").receive_maximum(20));
    client.subscribe(&[("t/#", QoS::AtLeastOnce)]);
    let mut latest: Vec<u32> = vec![0; TOPICS];
    let mut seen: Vec<Vec<u32>> = vec![Vec::new(); TOPICS];
    let mut chance = Chance::new(7);
    let mut changes = 0;
    for round in 1.. {
        // Before any page has come, and then between pages.
        for _ in 0..if round <= 30 { 4 } else { 0 } {
            let topic = chance.below(TOPICS as u64) as usize;
            changes += 1;
            latest[topic] = changes;
            retain(topic, changes.to_string().as_bytes());
        }
        client.send(&restante_codec::client::PINGREQ).expect("open");
        loop {
            match client.expect() {
                restante_testkit::Received::Publish(message) => {
                    client.ack(AckKind::PubAck, message.packet_id);
                    let topic: usize = message.topic[2..].parse().expect("a number");
                    seen[topic].push(text(&message).parse().expect("a number"));
                }
                restante_testkit::Received::PingResp => break,
                other => panic!("{other:?}"),
            }
        }
        let is_complete = |(topic, seen): (usize, &Vec<u32>)| seen.last() == Some(&latest[topic]);
        if round > 30 && seen.iter().enumerate().all(is_complete) {
            break;
        }
        assert!(round < 100_000, "{} lookups", house.store.lookups());
    }
    client.expect_nothing();
    for (topic, seen) in seen.iter().enumerate() {
        assert!(
            seen.windows(2).all(|pair| pair[0] < pair[1]),
            "t/{topic}: {seen:?}"
        );
    }
    assert!(
        (3..20).contains(&house.store.lookups()),
        "{}",
        house.store.lookups()
    );
}

fn retained_messages_stop_with_their_subscription(backing: Backing) {
    const TOPICS: usize = 600;
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    for topic in 0..TOPICS {
        let id = publisher.fresh_id();
        publisher.publish(&Publish::qos1(id, &format!("t/{topic}"), b"x").retain());
        publisher.expect_ack(AckKind::PubAck, id);
    }
    let mut client = house.client(&kept().receive_maximum(3));
    client.subscribe(&[("t/#", QoS::AtLeastOnce)]);
    let begun: Vec<Message> = (0..3).map(|_| client.expect_publish()).collect();
    client.unsubscribe(&["t/#"]);
    for message in begun {
        client.ack(AckKind::PubAck, message.packet_id);
    }
    client.expect_nothing();
    assert_eq!(house.store.lookups(), 1);
    // And begin anew with a new one.
    client.subscribe(&[("t/#", QoS::AtLeastOnce)]);
    assert_eq!(client.take_publishes(TOPICS).len(), TOPICS);
    client.expect_nothing();
}

fn k20_what_cannot_be_delivered_blocks_nothing_behind_it(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut connect = kept();
    connect.maximum_packet_size = Some(200);
    let mut client = house.client(&connect);
    let no_local = SubscriptionOptions {
        no_local: true,
        ..at(QoS::AtLeastOnce)
    };
    client.subscribe_with(&[("t", no_local)]);
    client.publish(&Publish::qos1(1, "t", b"my own, live"));
    client.expect_ack(AckKind::PubAck, 1);
    client.disconnect();
    let mut publisher = house.publisher("p");
    publisher.publish_acked("t", &[b'x'; 500]);
    publisher.publish_acked("t", b"small");
    let mut client = house.client(&connect);
    assert_eq!(texts(&mut client, 1), ["small"]);
    client.expect_nothing();
    house.until_not_kept(NotKept::TooLargeForClient, 1);
    house.until_not_kept(NotKept::NoLocal, 1);
    client.disconnect();
    house.client(&connect).expect_nothing();
}

/// Counted, not timed: whatever is written for a publish does not grow with those who are absent, and nothing is read.
fn k16_ten_thousand_absent_sessions_on_one_filter_cost_one_record(backing: Backing) {
    const SESSIONS: usize = 10_000;
    let cost = |house: &House| {
        let mut publisher = house.publisher("p");
        let (records, bytes) = house.store.submitted();
        let reads = house.store.reads();
        for _ in 0..100 {
            publisher.publish_acked("site/1/door", b"open");
        }
        let (records_after, bytes_after) = house.store.submitted();
        assert_eq!(house.store.reads(), reads);
        (records_after - records, bytes_after - bytes)
    };
    let house = House::open(backing, |_| {});
    let mut first = house.client(&kept());
    first.subscribe_with(&[("site/#", at(QoS::AtLeastOnce))]);
    first.disconnect();
    let with_one = cost(&house);
    let address = house.address;
    std::thread::scope(|scope| {
        for part in 0..8 {
            scope.spawn(move || {
                for number in 0..SESSIONS / 8 {
                    let connect = Connect::v311(&format!("c{part}-{number}")).persistent();
                    let mut client = Client::connect(address, &connect);
                    client.subscribe_with(&[("site/#", at(QoS::AtLeastOnce))]);
                    client.cut();
                }
            });
        }
    });
    house.until("all to be absent", |house| {
        house.figures().sessions_absent == SESSIONS as u64 + 1
    });
    assert_eq!(cost(&house), with_one);
    assert_eq!(house.store_figures().queues, 1);
    // And each of them is owed what came since.
    assert_eq!(
        texts(&mut house.client(&Connect::v311("c3-77").persistent()), 100).len(),
        100
    );
}

fn a_retained_message_never_follows_the_one_that_replaced_it(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let mut retain = |topic: &str, payload: &[u8]| {
        let id = publisher.fresh_id();
        publisher.publish(&Publish::qos1(id, topic, payload).retain());
        publisher.expect_ack(AckKind::PubAck, id);
    };
    retain("t/1", b"old");
    retain("t/2", b"other");
    let mut client = house.client(&Connect::v5("s"));
    house.store.hold_retained();
    client.subscribe(&[("t/+", QoS::AtLeastOnce)]);
    house.until("the store to be asked", |house| house.store.lookups() == 1);
    retain("t/1", b"new");
    let live = client.take_publishes(1).remove(0);
    assert_eq!((text(&live).as_str(), live.retain), ("new", false));
    house.store.let_retained_go();
    let other = client.take_publishes(1).remove(0);
    assert_eq!((text(&other).as_str(), other.retain), ("other", true));
    client.expect_nothing();
    // Asked again, it is the new one.
    client.subscribe(&[("t/1", QoS::AtLeastOnce)]);
    assert_eq!(texts(&mut client, 1), ["new"]);
}

fn retained_messages_are_fetched_as_they_are_taken(backing: Backing) {
    const TOPICS: usize = 50;
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    for topic in 0..TOPICS {
        let id = publisher.fresh_id();
        publisher.publish(&Publish::qos1(id, &format!("t/{topic}"), b"x").retain());
        publisher.expect_ack(AckKind::PubAck, id);
    }
    let mut client = house.client(&Connect::v5("s").receive_maximum(5));
    // The same again and again, and nothing is taken.
    for _ in 0..20 {
        crate::house::send_subscribe(&mut client, "t/#", QoS::AtLeastOnce);
    }
    let mut subscribed = 0;
    let mut begun = Vec::new();
    while subscribed < 20 || begun.len() < 5 {
        match client.expect() {
            restante_testkit::Received::SubAck(..) => subscribed += 1,
            restante_testkit::Received::Publish(message) => begun.push(message),
            other => panic!("{other:?}"),
        }
    }
    client.expect_nothing();
    assert_eq!(house.store.lookups(), 1);
    for message in begun {
        client.ack(AckKind::PubAck, message.packet_id);
    }
    // Whole once more at least, for the wishes that came after the first was looked up.
    client.take_publishes(TOPICS - 5 + TOPICS);
    assert!((2..=20).contains(&house.store.lookups()));
}
