//! Keys that are not what their names say. Each is a sentence that names it, and the rest goes on.

use restante_backend::{
    Backend as _,
    messages::{Layout, Mode, Place},
    stored_id::{StoredId, base62},
};
use restante_redis::RedisBackend;
use restante_testkit::Redis;

use crate::house::{fetch, message, messages, payloads, single, spec};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_named_and_the_rest_goes_on() {
    let Some(redis) = Redis::start() else { return };
    let messages = messages(single(&redis), Layout::Plugin, Mode::Queue);
    let good = [message("t", 1), message("t", 9)];
    messages.append(&good, None).await.unwrap();
    let bad = |id: &str, fields: &[&str]| {
        let key = format!("mqtt:msg:{id}");
        let mut command = vec!["HSET", &key];
        command.extend_from_slice(fields);
        redis.cli(&command);
        redis.cli(&["ZADD", "mqtt:msg:t", &good[0].arrived.0.to_string(), id]);
    };
    bad("noPayload", &["topic", "t"]);
    bad("badQos", &["topic", "t", "payload", "x", "qos", "7"]);
    bad("badRetain", &["topic", "t", "payload", "x", "retain", "perhaps"]);
    bad("otherTopic", &["topic", "u", "payload", "x"]);
    redis.cli(&["SADD", "mqtt:msg:aSet", "x"]);
    redis.cli(&["ZADD", "mqtt:msg:t", "1", "aSet"]);
    redis.cli(&["ZADD", "mqtt:msg:t", "1", "expired"]);
    // redis-cli cannot give a NUL or a broken text as an argument; Lua can.
    redis.cli(&[
        "EVAL",
        r"return redis.call('ZADD', 'mqtt:msg:t', '1', '\255\254')",
        "0",
    ]);
    redis.cli(&[
        "EVAL",
        r"return redis.call('HSET', 'mqtt:msg:notText', 'payload', 'x', 'from', '\255')",
        "0",
    ]);
    redis.cli(&["ZADD", "mqtt:msg:t", "1", "notText"]);

    let fetched = fetch(&*messages, "t", None).await;
    assert_eq!(payloads(&fetched), ["payload 1", "payload 9"]);
    for named in [
        "noPayload",
        "badQos",
        "badRetain",
        "otherTopic",
        "aSet",
        "notText",
        "\"mqtt:msg:t\" has a member",
    ] {
        assert!(
            fetched.unreadable.iter().any(|sentence| sentence.contains(named)),
            "{named} is not named in {:#?}",
            fetched.unreadable
        );
    }
    assert_eq!(fetched.unreadable.len(), 7, "{:#?}", fetched.unreadable);
    // What has expired is taken out of the index; what cannot be read is left to its owner.
    assert_eq!(redis.cli(&["ZSCORE", "mqtt:msg:t", "expired"]), "");
    assert_eq!(redis.cli(&["ZSCORE", "mqtt:msg:t", "aSet"]), "1");
    // In small pages too, the sentences do not stand in the way.
    let mut after: Option<Place> = None;
    let mut seen = Vec::new();
    loop {
        let page = restante_backend::messages::Fetch {
            topic: "t",
            after: after.as_ref(),
            since: None,
            messages_max: 1,
        };
        let page = messages.fetch(&page).await.unwrap();
        seen.extend(payloads(&page));
        after = page.messages.last().map(|last| last.place.clone()).or(after);
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, ["payload 1", "payload 9"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_called_like_a_message_is_refused_and_destroys_nothing() {
    let Some(redis) = Redis::start() else { return };
    let messages = messages(single(&redis), Layout::Plugin, Mode::Queue);
    let first = message("t", 1);
    let topic = base62::encode(first.id.number().unwrap());
    messages.append(std::slice::from_ref(&first), None).await.unwrap();
    // Its index would be the key of the message.
    let slice = [message("t", 2), message(&topic, 3), message("t", 4)];
    let answers = messages.append(&slice, None).await.unwrap();
    assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
    let why = &answers[1].as_ref().unwrap_err().why;
    assert!(why.contains(&topic) && why.contains("WRONGTYPE"), "{why}");
    assert_eq!(
        payloads(&fetch(&*messages, "t", None).await),
        ["payload 1", "payload 2", "payload 4"]
    );
    let none = fetch(&*messages, &topic, None).await;
    assert!(
        none.messages.is_empty() && none.unreadable[0].contains(&topic),
        "{none:?}"
    );
    // Nothing is left of what was refused.
    let refused = base62::encode(slice[1].id.number().unwrap());
    assert_eq!(redis.cli(&["EXISTS", &format!("mqtt:msg:{refused}")]), "0");

    // The other way round: the message's key is a topic's index already.
    let second = message("t", 5);
    let taken = base62::encode(second.id.number().unwrap());
    messages.append(&[message(&taken, 6)], None).await.unwrap();
    assert!(messages.append(&[second], None).await.unwrap()[0].is_err());
    assert_eq!(payloads(&fetch(&*messages, &taken, None).await), ["payload 6"]);
    assert_eq!(payloads(&fetch(&*messages, "t", None).await).len(), 3);
    // Deleting a message of that name does not take the index.
    let place = Place {
        id: StoredId::parse(&taken),
        row: None,
    };
    assert_eq!(messages.delete(&[("t".into(), place)]).await.unwrap(), [Ok(())]);
    assert_eq!(payloads(&fetch(&*messages, &taken, None).await), ["payload 6"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_other_types_are_sentences() {
    let Some(redis) = Redis::start() else { return };
    redis.cli(&["SET", "mqtt:msg:t", "a string"]);
    redis.cli(&["SADD", "mqtt:sub:c", "t"]);
    redis.cli(&["HSET", "mqtt:sub:d", "good", "1", "bad", "nine"]);
    redis.cli(&["RPUSH", "mqtt:acked:c:t", "x"]);
    redis.cli(&["SET", "mqtt:latest_msg:t", "x"]);
    let backend = RedisBackend::new(single(&redis)).unwrap();
    let messages = backend.messages(&spec(Layout::Backends, Mode::Pubsub)).unwrap();
    let fetched = fetch(&*messages, "t", None).await;
    assert!(fetched.unreadable[0].contains("\"mqtt:msg:t\""), "{fetched:?}");
    assert_eq!(messages.newest("t").await.unwrap(), None);
    assert_eq!(messages.position("c", "t").await.unwrap(), None);
    let answers = messages
        .append(&[message("t", 1), message("u", 2)], None)
        .await
        .unwrap();
    assert!(answers[0].is_err() && answers[1].is_ok(), "{answers:?}");
    let subscriptions = backend.subscriptions(&spec(Layout::Plugin, Mode::Queue)).unwrap();
    assert!(subscriptions.of("c").await.unwrap().1[0].contains("mqtt:sub:c"));
    let (rows, unreadable) = subscriptions.of("d").await.unwrap();
    assert_eq!((rows.len(), unreadable.len()), (1, 1), "{unreadable:?}");
    let latest = backend.messages(&spec(Layout::Backends, Mode::Latest)).unwrap();
    assert!(fetch(&*latest, "t", None).await.unreadable[0].contains("mqtt:latest_msg:t"));
    assert!(
        latest
            .append(&[message("t", 3)], None)
            .await
            .is_ok_and(|answers| answers[0].is_err())
    );
}
