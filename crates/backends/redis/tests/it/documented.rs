//! Keys as the documentation shows them, made with redis-cli, are read; what we write is found with the documentation's
//! own commands (K55).

use restante_backend::{
    Backend as _,
    messages::{Layout, Mark, Mode, Place},
    stored_id::{StoredId, base62, chunk62},
    tables::{Standing, SubscriptionRow},
};
use restante_model::{MessageId, QoS, UnixMillis};
use restante_redis::RedisBackend;
use restante_testkit::Redis;

use crate::house::{fetch, message, messages, now, payloads, single, spec};

#[tokio::test(flavor = "multi_thread")]
async fn k55_messages_of_the_plugin_are_read_in_order_of_their_ids() {
    let Some(redis) = Redis::start() else { return };
    // As the plugin writes them: chunk62 ids, whose texts do not sort like time, of one score.
    let ids: Vec<String> = (0..6)
        .map(|number| {
            chunk62::encode(MessageId::new(
                1_780_000_000_010_000 + number * 1_000,
                0x1234_5678_9ABC,
                0,
            ))
        })
        .collect();
    assert!(!ids.is_sorted(), "these samples would be in order by chance");
    for (number, id) in ids.iter().enumerate().rev() {
        let (key, payload) = (format!("mqtt:msg:{id}"), format!("hello-from-offline{number}"));
        redis.cli(&[
            "HMSET",
            &key,
            "id",
            id,
            "from",
            "mqttx_1",
            "qos",
            "1",
            "topic",
            "t/2",
            "payload",
            &payload,
            "ts",
            "1780000000010",
            "retain",
            "false",
        ]);
        redis.cli(&["EXPIRE", &key, "7200"]);
        redis.cli(&["ZADD", "mqtt:msg:t/2", "1780000000016.0", id]);
    }
    let messages = messages(single(&redis), Layout::Plugin, Mode::Queue);
    let fetched = fetch(&*messages, "t/2", None).await;
    let expected: Vec<String> = (0..6)
        .map(|number| format!("hello-from-offline{number}"))
        .collect();
    assert_eq!(payloads(&fetched), expected);
    let first = &fetched.messages[0].message;
    assert_eq!(
        (&*first.sender, first.qos, first.retain),
        ("mqttx_1", QoS::AtLeastOnce, false)
    );
    assert_eq!(first.arrived, UnixMillis(1_780_000_000_010));

    // One page after the other, and gone when they are acknowledged.
    let after = fetch(&*messages, "t/2", Some(&fetched.messages[2].place)).await;
    assert_eq!(payloads(&after), expected[3..]);
    let gone: Vec<(Box<str>, Place)> = fetched
        .messages
        .into_iter()
        .map(|found| ("t/2".into(), found.place))
        .collect();
    assert!(messages.delete(&gone).await.unwrap().iter().all(Result::is_ok));
    assert_eq!(redis.cli(&["KEYS", "*"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn k55_messages_of_the_back_end_are_read_and_our_trimming_spares_them() {
    let Some(redis) = Redis::start() else { return };
    // Score 1, as documented, in both kinds of base62; times in seconds.
    let early = chunk62::encode(MessageId::new(now() - 90_000_000, 3, 1));
    let late = base62::encode(MessageId::new(now() - 80_000_000, 3, 1));
    for (id, payload) in [(&late, "late"), (&early, "early")] {
        let key = format!("mqtt:msg:{id}");
        redis.cli(&[
            "HMSET",
            &key,
            "id",
            id,
            "from",
            "test",
            "qos",
            "2",
            "topic",
            "queue/1",
            "retain",
            "false",
            "payload",
            payload,
            "ts",
            "1481690659",
        ]);
        redis.cli(&["ZADD", "mqtt:msg:queue/1", "1", id]);
    }
    let messages = messages(single(&redis), Layout::Backends, Mode::Pubsub);
    let ours = message("queue/1", 1);
    assert_eq!(messages.append(&[ours], None).await.unwrap(), [Ok(None)]);
    let fetched = fetch(&*messages, "queue/1", None).await;
    assert_eq!(payloads(&fetched), ["early", "late", "payload 1"]);
    assert_eq!(fetched.messages[0].message.arrived, UnixMillis(1_481_690_659_000));

    // The position that the back end wrote, whose message has expired, hides nothing that came later.
    redis.cli(&["SET", "mqtt:acked:c1:queue/1", &early]);
    redis.cli(&["DEL", &format!("mqtt:msg:{early}")]);
    redis.cli(&["ZREM", "mqtt:msg:queue/1", &early]);
    let position = messages.position("c1", "queue/1").await.unwrap().unwrap();
    assert_eq!(
        payloads(&fetch(&*messages, "queue/1", Some(&position)).await),
        ["late", "payload 1"]
    );
    // One that means nothing hides nothing at all (K51).
    let opaque = Place {
        id: StoredId::parse("6P9NLcJ65VXBbC22sYb4"),
        row: None,
    };
    assert_eq!(
        payloads(&fetch(&*messages, "queue/1", Some(&opaque)).await).len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn k55_the_documented_retained_message_and_subscriptions_are_read() {
    let Some(redis) = Redis::start() else { return };
    redis.cli(&[
        "HMSET",
        "mqtt:retain:topic",
        "id",
        "6P9NLcJ65VXBbC22sYb4",
        "from",
        "test",
        "qos",
        "1",
        "topic",
        "topic",
        "retain",
        "true",
        "payload",
        "Hello world!",
        "ts",
        "1481690659",
    ]);
    redis.cli(&["HSET", "mqtt:sub:test", "topic1", "1"]);
    redis.cli(&["HSET", "mqtt:sub:test", "topic2", "2"]);
    let backend = RedisBackend::new(single(&redis)).unwrap();
    let found = backend
        .retained()
        .unwrap()
        .lookup("topic")
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(&found.payload[..], b"Hello world!");
    assert!(found.retain && found.id.number().is_none());
    assert_eq!(found.arrived, UnixMillis(1_481_690_659_000));
    let subscriptions = backend
        .subscriptions(&spec(Layout::Backends, Mode::Queue))
        .unwrap();
    let (mut rows, unreadable) = subscriptions.of("test").await.unwrap();
    rows.sort_by(|one, two| one.filter.cmp(&two.filter));
    let pairs: Vec<_> = rows.iter().map(|row| (&*row.filter, row.qos)).collect();
    assert_eq!(
        pairs,
        [("topic1", QoS::AtLeastOnce), ("topic2", QoS::ExactlyOnce)]
    );
    assert!(unreadable.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn c07_a_retained_message_of_which_only_the_id_is_kept() {
    let Some(redis) = Redis::start() else { return };
    let id = "2PguFrHsrzEvIIBdctmb";
    redis.cli(&["SET", "mqtt:retain:a/b", id]);
    redis.cli(&[
        "HMSET",
        &format!("mqtt:msg:{id}"),
        "id",
        id,
        "from",
        "test",
        "qos",
        "1",
        "topic",
        "a/b",
        "retain",
        "1",
        "payload",
        "kept elsewhere",
        "ts",
        "1487063233",
    ]);
    let backend = RedisBackend::new(single(&redis)).unwrap();
    let retained = backend.retained().unwrap();
    let found = retained.lookup("a/b").await.unwrap().unwrap().unwrap();
    assert_eq!(&found.payload[..], b"kept elsewhere");
    // What we write is the documented hash, in its place.
    let mut ours = message("a/b", 1);
    ours.retain = true;
    assert_eq!(retained.set(&[ours]).await.unwrap(), [Ok(())]);
    assert_eq!(redis.cli(&["TYPE", "mqtt:retain:a/b"]), "hash");
    assert_eq!(redis.cli(&["HGET", "mqtt:retain:a/b", "retain"]), "true");
    // A key that is neither is not ours to delete.
    redis.cli(&["SADD", "mqtt:retain:odd", "x"]);
    assert!(
        retained
            .set(&[message("odd", 2)])
            .await
            .is_ok_and(|done| done[0].is_err())
    );
    assert_eq!(redis.cli(&["TYPE", "mqtt:retain:odd"]), "set");
    assert!(
        retained
            .lookup("odd")
            .await
            .unwrap()
            .unwrap_err()
            .contains("mqtt:retain:odd")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c05_c08_times_and_flags_in_all_their_forms() {
    let Some(redis) = Redis::start() else { return };
    let forms = [
        ("1481690659", "1"),
        ("1481690659000", "true"),
        ("1481690659000000", "0"),
        ("undefined", "FALSE"),
    ];
    for (number, (ts, retain)) in forms.iter().enumerate() {
        let id = base62::encode(MessageId::new(1_481_690_659_000_000 + number as u64, 1, 1));
        redis.cli(&[
            "HSET",
            &format!("mqtt:msg:{id}"),
            "payload",
            "x",
            "topic",
            "t",
            "ts",
            ts,
            "retain",
            retain,
        ]);
        redis.cli(&["ZADD", "mqtt:msg:t", "1481690659000", &id]);
    }
    let messages = messages(single(&redis), Layout::Plugin, Mode::Queue);
    let fetched = fetch(&*messages, "t", None).await;
    assert_eq!(fetched.unreadable, Vec::<String>::new());
    let read: Vec<_> = fetched
        .messages
        .iter()
        .map(|found| (found.message.arrived.0, found.message.retain))
        .collect();
    let time = 1_481_690_659_000;
    assert_eq!(read, [(time, true), (time, true), (time, false), (time, false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn k55_what_we_write_is_found_with_the_plugins_own_commands() {
    let Some(redis) = Redis::start() else { return };
    let backend = RedisBackend::new(single(&redis)).unwrap();
    let spec = spec(Layout::Plugin, Mode::Queue);
    let messages = backend.messages(&spec).unwrap();
    let (one, two) = (message("t/2", 1), message("t/2", 2));
    let id = |message: &restante_backend::messages::KeptMessage| base62::encode(message.id.number().unwrap());
    messages.append(&[one.clone(), two.clone()], None).await.unwrap();
    let ts = one.arrived.0.to_string();
    let key = format!("mqtt:msg:{}", id(&one));
    let fields = [
        "id",
        &id(&one),
        "from",
        "p1",
        "qos",
        "1",
        "topic",
        "t/2",
        "payload",
        "payload 1",
        "ts",
        &ts,
        "retain",
        "false",
    ];
    assert_eq!(redis.cli(&["HGETALL", &key]), fields.join("\n"));
    let ttl: u64 = redis.cli(&["TTL", &key]).parse().unwrap();
    assert!((7_000..=7_200).contains(&ttl), "{ttl}");
    assert_eq!(
        redis.cli(&["ZRANGE", "mqtt:msg:t/2", "0", "-1", "WITHSCORES"]),
        [&id(&one), &ts, &id(&two), &two.arrived.0.to_string()]
            .map(String::as_str)
            .join("\n")
    );
    let subscriptions = backend.subscriptions(&spec).unwrap();
    let row = SubscriptionRow {
        client: "c1".into(),
        filter: "t/2".into(),
        qos: QoS::AtLeastOnce,
    };
    subscriptions.write(&[row]).await.unwrap();
    assert_eq!(redis.cli(&["HGETALL", "mqtt:sub:c1"]), "t/2\n1");
}

#[tokio::test(flavor = "multi_thread")]
async fn k55_what_we_write_is_found_with_the_back_ends_own_commands() {
    let Some(redis) = Redis::start() else { return };
    let backend = RedisBackend::new(single(&redis)).unwrap();
    let presence = backend.presence().unwrap();
    let standing = |online, seconds: u64| Standing {
        client: "test".into(),
        online,
        since: UnixMillis(seconds * 1000),
    };
    presence
        .record("n1", &[standing(true, 1_481_685_802)])
        .await
        .unwrap();
    assert_eq!(
        redis.cli(&["HGETALL", "mqtt:client:test"]),
        "state\n1\nonline_at\n1481685802\noffline_at\nundefined"
    );
    assert_eq!(redis.cli(&["HGETALL", "mqtt:node:n1"]), "test\n1481685802");
    presence
        .record("n1", &[standing(false, 1_481_685_924)])
        .await
        .unwrap();
    assert_eq!(
        redis.cli(&["HGETALL", "mqtt:client:test"]),
        "state\n0\nonline_at\n1481685802\noffline_at\n1481685924"
    );
    assert_eq!(redis.cli(&["HGETALL", "mqtt:node:n1"]), "");

    let messages = backend.messages(&spec(Layout::Backends, Mode::Pubsub)).unwrap();
    let one = message("pubsub/1", 1);
    messages.append(std::slice::from_ref(&one), None).await.unwrap();
    let id = base62::encode(one.id.number().unwrap());
    assert_eq!(
        redis.cli(&["HGET", &format!("mqtt:msg:{id}"), "ts"]),
        (one.arrived.0 / 1000).to_string()
    );
    let mark = Mark {
        client: "test".into(),
        topic: "pubsub/1".into(),
        place: Place {
            id: one.id,
            row: None,
        },
    };
    messages.acknowledge(&[mark]).await.unwrap();
    assert_eq!(redis.cli(&["GET", "mqtt:acked:test:pubsub/1"]), id);
    messages
        .forget(&[("test".into(), "pubsub/1".into())])
        .await
        .unwrap();
    assert_eq!(redis.cli(&["GET", "mqtt:acked:test:pubsub/1"]), "");

    let latest = backend.messages(&spec(Layout::Backends, Mode::Latest)).unwrap();
    latest
        .append(&[message("l", 1), message("l", 2)], None)
        .await
        .unwrap();
    assert_eq!(redis.cli(&["HGET", "mqtt:latest_msg:l", "payload"]), "payload 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn c04_the_seeds_own_commands_run_and_a_bare_word_is_a_word() {
    use std::sync::Arc;

    use restante_backend::statement::{Execution, Value, Values};

    let Some(redis) = Redis::start() else { return };
    let backend = RedisBackend::new(single(&redis)).unwrap();
    let statements = backend.statements().unwrap();
    let variables = restante_model::HookPoint::SessionSubscribed.variables();
    let values = Arc::new(Values(vec![
        ("clientid", Value::Text("c 1".into())),
        ("topic", Value::Text("a b/${qos}".into())),
        ("qos", Value::Int(1)),
    ]));
    let run = [
        "HSET sub:${clientid} topic qos",
        "HSET real:${clientid} ${topic} ${qos}",
    ]
    .map(|text| Execution {
        statement: statements.prepare(text, variables).unwrap(),
        values: Arc::clone(&values),
    });
    assert_eq!(statements.run(&run).await.unwrap(), [Ok(()), Ok(())]);
    assert_eq!(redis.cli(&["HGETALL", "sub:c 1"]), "topic\nqos");
    assert_eq!(redis.cli(&["HGETALL", "real:c 1"]), "a b/${qos}\n1");
    let refused = statements.prepare("SUBSCRIBE ${topic}", variables).unwrap_err();
    assert!(refused.why.contains("SUBSCRIBE"), "{refused}");
}
