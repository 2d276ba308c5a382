//! What the tests here share: settings for a server, messages.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use restante_backend::{
    Backend as _,
    messages::{Fetch, Fetched, KeepSpec, KeptMessage, Layout, Messages, Mode, Place},
    stored_id::StoredId,
};
use restante_model::{MessageId, QoS, UnixMillis};
use restante_redis::{
    RedisBackend,
    config::{Config, Deployment, Tls},
};
use restante_testkit::{Redis, RedisCluster, SecuredRedis, SentinelRedis};

pub(crate) fn single(redis: &Redis) -> Config {
    Config {
        servers: vec![redis.address().to_string()],
        database: redis.database(),
        pool_size: 2,
        ..Config::default()
    }
}

pub(crate) fn secured(redis: &SecuredRedis) -> Config {
    let (certificate, key) = redis.client();
    Config {
        servers: vec![redis.address().to_string()],
        username: SecuredRedis::USER.to_owned(),
        password: SecuredRedis::PASSWORD.to_owned(),
        tls: Some(Tls {
            ca: Some(redis.ca()),
            certificate: Some(certificate),
            key: Some(key),
            ..Tls::default()
        }),
        ..Config::default()
    }
}

pub(crate) fn sentinel(redis: &SentinelRedis) -> Config {
    Config {
        servers: redis.sentinels().iter().map(ToString::to_string).collect(),
        deployment: Deployment::Sentinel,
        master_name: SentinelRedis::MASTER_NAME.to_owned(),
        command_timeout: Duration::from_secs(2),
        ..Config::default()
    }
}

pub(crate) fn cluster(redis: &RedisCluster) -> Config {
    Config {
        servers: redis.addresses().iter().map(ToString::to_string).collect(),
        deployment: Deployment::Cluster,
        command_timeout: Duration::from_secs(2),
        ..Config::default()
    }
}

pub(crate) fn spec(layout: Layout, mode: Mode) -> KeepSpec {
    KeepSpec {
        layout,
        mode,
        ttl: None,
        templates: BTreeMap::new(),
    }
}

pub(crate) fn messages(config: Config, layout: Layout, mode: Mode) -> Arc<dyn Messages> {
    RedisBackend::new(config)
        .unwrap()
        .messages(&spec(layout, mode))
        .unwrap()
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

/// The n-th message of a topic, a few seconds ago.
pub(crate) fn message(topic: &str, number: u64) -> KeptMessage {
    let micros = now() / 1_000_000 * 1_000_000 - 60_000_000 + number * 1_000;
    let id = MessageId::new(micros, 7, number as u16);
    KeptMessage {
        id: StoredId::ours(id, id.to_string()),
        topic: topic.into(),
        sender: "p1".into(),
        qos: QoS::AtLeastOnce,
        retain: false,
        payload: format!("payload {number}").into(),
        arrived: UnixMillis(micros / 1000),
    }
}

pub(crate) async fn fetch(messages: &dyn Messages, topic: &str, after: Option<&Place>) -> Fetched {
    let fetch = Fetch {
        topic,
        after,
        since: None,
        messages_max: 1_000,
    };
    messages.fetch(&fetch).await.unwrap()
}

/// Payloads, as texts.
pub(crate) fn payloads(fetched: &Fetched) -> Vec<String> {
    let payload = |payload: &[u8]| String::from_utf8_lossy(payload).into_owned();
    fetched
        .messages
        .iter()
        .map(|found| payload(&found.message.payload))
        .collect()
}
