//! EMQ X 4's Redis back end: its default hooks line by line, and what `redis-cli` shows then.

use std::time::Duration;

use restante_codec::packet::AckKind;
use restante_model::QoS;
use restante_testkit::{Broker, Connect, Ended, Publish, Received, Redis};

use crate::{broker, payloads, server::hash, wait_for};

/// Its default hooks, `hook.POINT.NUMBER` each.
const HOOKS: &[(&str, &str, &str)] = &[
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

fn start(redis: &Redis, more: &str) -> Broker {
    let mut sections = format!("[backend.redis.pool1]\nservers = [\"{}\"]\n", redis.address());
    for (order, (point, topic, function)) in (1..).zip(HOOKS) {
        sections += &format!("\n[[hook]]\non = \"{point}\"\n");
        if !topic.is_empty() {
            sections += &format!("topic = \"{topic}\"\n");
        }
        sections += &format!("do = \"{function}\"\npool = \"redis.pool1\"\norder = {order}\n");
    }
    broker(&(sections + more)).start()
}

fn field(fields: &[(String, String)], name: &str) -> String {
    let found = fields.iter().find(|(field, _)| field == name);
    found.map_or_else(String::new, |(_, value)| value.clone())
}

#[test]
fn a_client_goes_online_and_offline() {
    let Some(redis) = Redis::start_with(&[]) else {
        return;
    };
    let broker = start(&redis, "");
    let client = broker.connect(&Connect::v5("test"));
    let state = || field(&hash(&redis, "mqtt:client:test"), "state");
    wait_for("1".to_owned(), state);
    let online = hash(&redis, "mqtt:client:test");
    let names: Vec<&str> = online.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["state", "online_at", "offline_at"]);
    assert!(field(&online, "online_at").parse::<u64>().unwrap() > 1_481_685_802);
    assert_eq!(field(&online, "offline_at"), "undefined");
    client.disconnect();
    wait_for("0".to_owned(), state);
    let offline = hash(&redis, "mqtt:client:test");
    assert_eq!(field(&offline, "online_at"), field(&online, "online_at"));
    assert!(
        field(&offline, "offline_at").parse::<u64>().is_ok(),
        "{offline:?}"
    );
}

/// Whoever was connected when the broker was killed, and has not come back, is not online.
#[test]
fn a_client_that_does_not_come_back_after_a_kill_is_offline() {
    let Some(redis) = Redis::start_with(&[]) else {
        return;
    };
    let mut broker = start(&redis, "");
    let _gone = broker.connect(&Connect::v5("test"));
    let state = || field(&hash(&redis, "mqtt:client:test"), "state");
    wait_for("1".to_owned(), state);
    broker.restart_killed();
    wait_for("0".to_owned(), state);
}

#[test]
fn subscriptions_that_stand_there_are_made_by_the_broker() {
    let Some(redis) = Redis::start_with(&[]) else {
        return;
    };
    let broker = start(&redis, "");
    redis.cli(&["HSET", "mqtt:sub:test", "topic1", "1"]);
    redis.cli(&["HSET", "mqtt:sub:test", "topic2", "2"]);
    let mut client = broker.connect(&Connect::v311("test"));
    let mut publisher = broker.connect(&Connect::v311("publisher"));
    // They are made behind its CONNACK.
    let first = loop {
        publisher.publish_completed("topic1", b"one");
        match client.receive(Duration::from_millis(200)) {
            Ok(Received::Publish(message)) => break message,
            Err(Ended::Silent) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((first.topic.as_str(), first.qos), ("topic1", QoS::AtLeastOnce));
    client.ack(AckKind::PubAck, first.packet_id);
    publisher.publish_completed("topic2", b"two");
    let got = client.take_publishes(1);
    assert_eq!((got[0].topic.as_str(), got[0].qos), ("topic2", QoS::ExactlyOnce));
}

#[test]
fn what_is_queued_comes_to_one_and_is_gone() {
    let Some(redis) = Redis::start_with(&[]) else {
        return;
    };
    let broker = start(&redis, "");
    let mut publisher = broker.connect(&Connect::v311("publisher"));
    for number in ["1", "2", "3"] {
        publisher.publish_acked("queue/a", number.as_bytes());
    }
    let waiting = || redis.cli(&["ZCARD", "mqtt:msg:queue/a"]);
    wait_for("3".to_owned(), waiting);
    let id = redis.cli(&["ZRANGE", "mqtt:msg:queue/a", "0", "0"]);
    let message = hash(&redis, &format!("mqtt:msg:{id}"));
    assert_eq!(field(&message, "id"), id);
    assert_eq!(field(&message, "from"), "publisher");
    assert_eq!(field(&message, "topic"), "queue/a");
    assert_eq!(field(&message, "payload"), "1");
    assert_eq!(field(&message, "ts").len(), "1481690659".len(), "seconds");
    let mut client = broker.connect(&Connect::v311("one"));
    client.subscribe(&[("queue/+", QoS::AtLeastOnce)]);
    assert_eq!(payloads(&client.take_publishes(3)), ["1", "2", "3"]);
    wait_for("0".to_owned(), waiting);
    assert_eq!(redis.cli(&["EXISTS", &format!("mqtt:msg:{id}")]), "0");
    client.disconnect();
    let mut other = broker.connect(&Connect::v311("other"));
    other.subscribe(&[("queue/a", QoS::AtLeastOnce)]);
    publisher.publish_acked("queue/a", b"live");
    assert_eq!(payloads(&other.take_publishes(1)), ["live"]);
}

#[test]
fn each_reads_what_was_published_since_it_came_from_where_it_was() {
    let Some(redis) = Redis::start_with(&[]) else {
        return;
    };
    let mut broker = start(&redis, "");
    let mut publisher = broker.connect(&Connect::v311("publisher"));
    publisher.publish_acked("pubsub/a", b"before anybody");
    wait_for("1".to_owned(), || redis.cli(&["ZCARD", "mqtt:msg:pubsub/a"]));
    for name in ["one", "two"] {
        // The layout knows times in seconds: what was published in the second of the first subscription is owed.
        std::thread::sleep(Duration::from_millis(1_100));
        let mut client = broker.connect(&Connect::v311(name));
        client.subscribe(&[("pubsub/a", QoS::AtLeastOnce)]);
        publisher.publish_acked("pubsub/a", name.as_bytes());
        let last = client.take_publishes(1);
        assert_eq!(payloads(&last), [name]);
        client.disconnect();
    }
    wait_for(true, || {
        !redis.cli(&["GET", "mqtt:acked:two:pubsub/a"]).is_empty()
    });
    publisher.publish_acked("pubsub/a", b"while nobody was there");
    broker.restart_killed();
    let came = |name: &str, count| {
        let mut client = broker.connect(&Connect::v311(name));
        client.subscribe(&[("pubsub/a", QoS::AtLeastOnce)]);
        payloads(&client.take_publishes(count))
    };
    assert_eq!(came("two", 1), ["while nobody was there"]);
    assert_eq!(came("one", 2), ["two", "while nobody was there"]);
    let newest = redis.cli(&["ZRANGE", "mqtt:msg:pubsub/a", "-1", "-1"]);
    wait_for(newest, || redis.cli(&["GET", "mqtt:acked:one:pubsub/a"]));
    assert_eq!(redis.cli(&["ZCARD", "mqtt:msg:pubsub/a"]), "4");
}

#[test]
fn a_retained_message_stands_there_as_documented_until_it_is_deleted() {
    let Some(redis) = Redis::start_with(&[]) else {
        return;
    };
    let broker = start(&redis, "");
    let mut publisher = broker.connect(&Connect::v311("test"));
    publisher.publish(&Publish::qos1(7, "topic", b"Hello world!").retain());
    let names = || -> Vec<String> {
        let fields = hash(&redis, "mqtt:retain:topic");
        let mut names: Vec<String> = fields.into_iter().map(|(name, _)| name).collect();
        names.sort();
        names
    };
    let documented = ["from", "id", "payload", "qos", "retain", "topic", "ts"];
    wait_for(documented.map(str::to_owned).to_vec(), names);
    let fields = hash(&redis, "mqtt:retain:topic");
    assert_eq!(field(&fields, "from"), "test");
    assert_eq!(field(&fields, "qos"), "1");
    assert_eq!(field(&fields, "retain"), "true");
    assert_eq!(field(&fields, "payload"), "Hello world!");
    publisher.publish(&Publish::qos1(8, "topic", b"").retain());
    wait_for("0".to_owned(), || redis.cli(&["EXISTS", "mqtt:retain:topic"]));
}

#[test]
fn the_users_own_commands_are_run() {
    let Some(redis) = Redis::start_with(&[]) else {
        return;
    };
    let own = |on: &str, command: &str| {
        format!("\n[[hook]]\non = \"{on}\"\npool = \"redis.pool1\"\ncommands = [{command}]\n")
    };
    let more = [
        own("client.connected", "\"SET conn:${clientid} ${clientid}\""),
        own("session.subscribed", "\"HSET sub:${clientid} ${topic} ${qos}\""),
        own("session.unsubscribed", "\"SET unsub:${clientid} ${topic}\""),
        own(
            "message.publish",
            "\"HSET last:${clientid} topic ${topic}\", \"RPUSH pub:${topic} ${payload}\"",
        ),
        own("message.acked", "\"HSET ack:${clientid} ${topic} ${msgid}\""),
        own(
            "message.delivered",
            "\"HSET delivered:${clientid} ${topic} ${msgid}\"",
        ),
        own("client.disconnected", "\"SET disconn:${clientid} ${clientid}\""),
    ];
    let broker = start(&redis, &more.concat());
    let mut client = broker.connect(&Connect::v311("c"));
    client.subscribe(&[("queue/a b", QoS::AtLeastOnce)]);
    let mut publisher = broker.connect(&Connect::v311("p"));
    publisher.publish_acked("queue/a b", b"two words; SET x y");
    assert_eq!(payloads(&client.take_publishes(1)), ["two words; SET x y"]);
    client.unsubscribe(&["queue/a b"]);
    client.disconnect();
    wait_for("c".to_owned(), || redis.cli(&["GET", "disconn:c"]));
    assert_eq!(redis.cli(&["GET", "conn:c"]), "c");
    assert_eq!(redis.cli(&["HGET", "sub:c", "queue/a b"]), "1");
    assert_eq!(redis.cli(&["HGET", "last:p", "topic"]), "queue/a b");
    assert_eq!(
        redis.cli(&["LRANGE", "pub:queue/a b", "0", "-1"]),
        "two words; SET x y"
    );
    assert_eq!(redis.cli(&["GET", "unsub:c"]), "queue/a b");
    let acked = redis.cli(&["HGET", "ack:c", "queue/a b"]);
    assert!(!acked.is_empty());
    assert_eq!(redis.cli(&["HGET", "delivered:c", "queue/a b"]), acked);
    assert_eq!(redis.cli(&["EXISTS", "x"]), "0");
}
