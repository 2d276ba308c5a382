//! Servers that go, stand still, come back as another, or do not let us in.

use std::time::Duration;

use restante_backend::{
    Backend as _,
    messages::{KeptMessage, Layout, Messages, Mode},
};
use restante_redis::{
    RedisBackend,
    config::{Config, Tls},
};
use restante_testkit::{Redis, RedisCluster, SecuredRedis, SentinelRedis};

use crate::house::{self, fetch, message, messages, payloads, single, spec};

/// How often something is tried before it is taken never to come.
const TRIES: usize = 600;

/// Appends until the server takes it, as an outbox does.
async fn append_until_taken(messages: &dyn Messages, slice: &[KeptMessage]) {
    let mut last = String::new();
    for _ in 0..TRIES {
        match messages.append(slice, None).await {
            Ok(answers) => {
                assert!(answers.iter().all(Result::is_ok), "{answers:?}");
                return;
            }
            Err(away) => last = away.why,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never came back: {last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn k40_a_server_that_was_killed_is_away_and_then_another_incarnation() {
    let Some(mut redis) = Redis::start_with(&[]) else {
        return;
    };
    let backend = RedisBackend::new(single(&redis)).unwrap();
    let messages = backend.messages(&spec(Layout::Plugin, Mode::Queue)).unwrap();
    messages.append(&[message("t", 1)], None).await.unwrap();
    let before = backend.health().await.unwrap();
    assert!(before.warnings.is_empty(), "{:?}", before.warnings);
    let second = [message("t", 2)];
    redis.node().unwrap().kill();
    let away = messages.append(&second, None).await.unwrap_err();
    assert!(away.why.contains(&redis.address().to_string()), "{away}");
    assert!(backend.health().await.is_err());
    redis.node().unwrap().start_again();
    append_until_taken(&*messages, &second).await;
    assert_eq!(
        payloads(&fetch(&*messages, "t", None).await),
        ["payload 1", "payload 2"]
    );
    assert_ne!(before.incarnation, backend.health().await.unwrap().incarnation);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_away_when_the_time_is_up() {
    let Some(mut redis) = Redis::start_with(&[]) else {
        return;
    };
    let config = Config {
        command_timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_millis(200),
        ..single(&redis)
    };
    let messages = messages(config, Layout::Plugin, Mode::Queue);
    messages.append(&[message("t", 1)], None).await.unwrap();
    let second = [message("t", 2)];
    redis.node().unwrap().pause();
    for _ in 0..4 {
        let away = messages.append(&second, None).await.unwrap_err();
        assert!(away.why.contains("within 200ms"), "{away}");
    }
    redis.node().unwrap().resume();
    append_until_taken(&*messages, &second).await;
    assert_eq!(
        payloads(&fetch(&*messages, "t", None).await),
        ["payload 1", "payload 2"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_were_closed_meanwhile_are_replaced() {
    let Some(redis) = Redis::start() else { return };
    let messages = messages(single(&redis), Layout::Plugin, Mode::Queue);
    for number in 1..=4 {
        append_until_taken(&*messages, &[message("t", number)]).await;
        redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
    append_until_taken(&*messages, &[message("t", 5)]).await;
    assert_eq!(fetch(&*messages, "t", None).await.messages.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn k50_a_full_memory_is_the_servers_trouble_and_not_the_rows() {
    let Some(redis) = Redis::start_with(&["--maxmemory", "1"]) else {
        return;
    };
    let messages = messages(single(&redis), Layout::Plugin, Mode::Queue);
    let away = messages.append(&[message("t", 1)], None).await.unwrap_err();
    assert!(away.why.contains("OOM"), "{away}");
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    append_until_taken(&*messages, &[message("t", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn k40_servers_that_can_lose_what_they_acknowledged_are_told() {
    let arguments = [
        "--appendonly",
        "no",
        "--maxmemory",
        "100mb",
        "--maxmemory-policy",
        "allkeys-lru",
    ];
    let Some(redis) = Redis::start_with(&arguments) else {
        return;
    };
    let health = RedisBackend::new(single(&redis)).unwrap().health().await.unwrap();
    let said = health.warnings.join("\n");
    assert!(
        said.contains("appendonly yes") && said.contains("allkeys-lru"),
        "{said}"
    );
    assert!(health.server.starts_with("Redis "), "{}", health.server);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_not_let_in_and_no_secret_is_said() {
    let Some(redis) = SecuredRedis::start() else {
        return;
    };
    let health = async |config: Config| RedisBackend::new(config).unwrap().health().await;
    let good = house::secured(&redis);
    let tls = good.tls.clone().unwrap();
    health(good.clone()).await.unwrap();

    let wrong = health(Config {
        password: "hush-hush".into(),
        ..good.clone()
    })
    .await
    .unwrap_err();
    assert!(
        wrong.why.contains("login was refused") && !wrong.why.contains("hush-hush"),
        "{wrong}"
    );
    let with = |tls: Tls| Config {
        tls: Some(tls),
        ..good.clone()
    };
    // By another name, and by a name that stands in its certificate.
    let named = |name: &str| {
        with(Tls {
            server_name: Some(name.into()),
            ..tls.clone()
        })
    };
    assert!(
        health(named("elsewhere.test"))
            .await
            .unwrap_err()
            .why
            .contains("TLS")
    );
    health(named(SecuredRedis::NAME)).await.unwrap();
    // An authority that did not sign it; nobody asks.
    let unknown = Tls {
        ca: tls.certificate.clone(),
        ..tls.clone()
    };
    assert!(health(with(unknown.clone())).await.is_err());
    health(with(Tls {
        verify: false,
        ..unknown
    }))
    .await
    .unwrap();
    // Without a certificate of our own; without TLS at all.
    let bare = Tls {
        certificate: None,
        key: None,
        ..tls.clone()
    };
    assert!(health(with(bare)).await.is_err());
    assert!(
        health(Config {
            tls: None,
            ..good.clone()
        })
        .await
        .is_err()
    );
    let missing = RedisBackend::new(with(Tls {
        ca: Some("/nowhere/ca.pem".into()),
        ..tls
    }));
    assert!(missing.err().unwrap().why.contains("/nowhere/ca.pem"));
}

#[tokio::test(flavor = "multi_thread")]
async fn k45_a_user_of_few_rights_is_told_what_it_lacks() {
    let Some(redis) = SecuredRedis::start() else {
        return;
    };
    let backend = RedisBackend::new(house::secured(&redis)).unwrap();
    let plugin = spec(Layout::Plugin, Mode::Queue);
    assert_eq!(
        backend.schema().unwrap().check(&plugin).await.unwrap(),
        Vec::<String>::new()
    );
    let messages = backend.messages(&plugin).unwrap();
    messages.append(&[message("t", 1)], None).await.unwrap();
    // It may not list keys, and nothing was refused to it on the way of messages.
    assert!(messages.topics(None, 10).await.unwrap().is_none());
    let elsewhere = RedisBackend::new(Config {
        message_key_prefix: "other".into(),
        ..house::secured(&redis)
    })
    .unwrap();
    let differences = elsewhere.schema().unwrap().check(&plugin).await.unwrap();
    assert!(
        differences[0].contains("other:") && differences[0].contains("NOPERM"),
        "{differences:?}"
    );
    // All rows alike: the user's rights, so nothing is thrown away (K50).
    let messages = elsewhere.messages(&plugin).unwrap();
    assert!(
        messages
            .append(&[message("t", 1)], None)
            .await
            .unwrap_err()
            .why
            .contains("NOPERM")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn k40_the_next_master_is_found_when_sentinels_name_it() {
    let Some(mut redis) = SentinelRedis::start() else {
        return;
    };
    let backend = RedisBackend::new(house::sentinel(&redis)).unwrap();
    let messages = backend.messages(&spec(Layout::Plugin, Mode::Queue)).unwrap();
    let all: Vec<_> = (1..=20).map(|number| message("t", number)).collect();
    append_until_taken(&*messages, &all[..10]).await;
    let before = backend.health().await.unwrap();
    let new = tokio::task::block_in_place(|| redis.fail_over());
    append_until_taken(&*messages, &all[10..]).await;
    let after = backend.health().await.unwrap();
    assert_ne!(before.incarnation, after.incarnation);
    assert!(after.server.contains(&new.to_string()), "{after:?}");
    // What was sent shortly before may be lost, and is sent again.
    append_until_taken(&*messages, &all[..10]).await;
    let expected: Vec<String> = (1..=20).map(|number| format!("payload {number}")).collect();
    assert_eq!(payloads(&fetch(&*messages, "t", None).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn k40_a_replica_of_the_cluster_is_found_when_it_takes_over() {
    let Some(mut redis) = RedisCluster::start() else {
        return;
    };
    let backend = RedisBackend::new(house::cluster(&redis)).unwrap();
    let messages = backend.messages(&spec(Layout::Plugin, Mode::Queue)).unwrap();
    let all: Vec<_> = (1..=40).map(|number| message("t", number)).collect();
    append_until_taken(&*messages, &all[..20]).await;
    let before = backend.health().await.unwrap();
    tokio::task::block_in_place(|| redis.fail_over("mqtt:msg:t"));
    append_until_taken(&*messages, &all[20..]).await;
    append_until_taken(&*messages, &all[..20]).await;
    assert_ne!(before.incarnation, backend.health().await.unwrap().incarnation);
    let expected: Vec<String> = (1..=40).map(|number| format!("payload {number}")).collect();
    assert_eq!(payloads(&fetch(&*messages, "t", None).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_move_are_followed() {
    let Some(redis) = RedisCluster::start() else {
        return;
    };
    let messages = messages(house::cluster(&redis), Layout::Plugin, Mode::Queue);
    append_until_taken(&*messages, &[message("t", 1)]).await;
    // The slot of another topic's index is on its way from its master to the first topic's: keys that are not there
    // any more are asked for at the other (ASK).
    let from = redis.master_of_key("mqtt:msg:moving");
    let slot = redis.slot_of("mqtt:msg:moving").to_string();
    let id = |address| redis.cli_at(address, &["CLUSTER", "MYID"]);
    let is_master = |address| redis.cli_at(address, &["ROLE"]).starts_with("master");
    let to = redis
        .addresses()
        .into_iter()
        .find(|&node| node != from && is_master(node))
        .unwrap();
    redis.cli_at(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
    redis.cli_at(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
    append_until_taken(&*messages, &[message("moving", 2), message("t", 3)]).await;
    assert_eq!(payloads(&fetch(&*messages, "moving", None).await), ["payload 2"]);
    // And then it has moved (MOVED).
    for node in [to, from] {
        redis.cli_at(node, &["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]);
    }
    append_until_taken(&*messages, &[message("moving", 4)]).await;
    assert_eq!(
        payloads(&fetch(&*messages, "moving", None).await),
        ["payload 2", "payload 4"]
    );
    assert_eq!(
        payloads(&fetch(&*messages, "t", None).await),
        ["payload 1", "payload 3"]
    );
}
