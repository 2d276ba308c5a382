//! The suite that every backend passes, on each kind of deployment.

use std::sync::Arc;

use restante_backend::{
    Backend, Work,
    capability::Capabilities,
    conformance::{self, Ground, Samples},
    contract::Health,
    messages::{KeepSpec, Layout, Messages, Mode},
    statement::Statements,
    tables::{Presence, Retained, Schema, Subscriptions},
    trouble::{Asked, Unfit},
};
use restante_redis::{RedisBackend, config::Config};
use restante_testkit::{Redis, RedisCluster, SecuredRedis, SentinelRedis};

use crate::house;

/// A server, and how it is emptied.
struct Server<C: Fn() + Send + Sync> {
    config: Config,
    empty: C,
    /// Its user may do only what the plugin's documentation asks for.
    restricted: bool,
}

impl<C: Fn() + Send + Sync> Ground for Server<C> {
    fn fresh(&self) -> Work<'_, Arc<dyn Backend>> {
        Box::pin(async {
            (self.empty)();
            let backend = RedisBackend::new(self.config.clone()).unwrap();
            if self.restricted {
                Arc::new(PluginOnly(backend)) as Arc<dyn Backend>
            } else {
                Arc::new(backend)
            }
        })
    }

    fn statements(&self) -> Option<Samples> {
        Some(Samples {
            good: "HSET last:${clientid} topic ${topic} payload ${payload}",
            refused: "HSET odd:${clientid} ${topic}",
            unknown: ("SET a:${clientid} ${payloda}", (1, 19)),
        })
    }
}

/// What a user can do who has the rights of seed 1 and no more.
struct PluginOnly(RedisBackend);

static PLUGIN_ONLY: Capabilities = Capabilities {
    kind: "redis",
    modes: &[
        (Layout::Plugin, Mode::Queue),
        (Layout::Plugin, Mode::Pubsub),
        (Layout::Plugin, Mode::History),
    ],
    functions: &[],
    statements: None,
    templates: &[],
    schema: true,
};

impl Backend for PluginOnly {
    fn capabilities(&self) -> &'static Capabilities {
        &PLUGIN_ONLY
    }
    fn health(&self) -> Work<'_, Asked<Health>> {
        self.0.health()
    }
    fn messages(&self, spec: &KeepSpec) -> Result<Arc<dyn Messages>, Unfit> {
        self.0.messages(spec)
    }
    fn subscriptions(&self, spec: &KeepSpec) -> Result<Arc<dyn Subscriptions>, Unfit> {
        self.0.subscriptions(spec)
    }
    fn retained(&self) -> Option<Arc<dyn Retained>> {
        None
    }
    fn presence(&self) -> Option<Arc<dyn Presence>> {
        None
    }
    fn statements(&self) -> Option<Arc<dyn Statements>> {
        None
    }
    fn schema(&self) -> Option<Arc<dyn Schema>> {
        self.0.schema()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_single() {
    let Some(redis) = Redis::start() else { return };
    let server = Server {
        config: house::single(&redis),
        empty: || drop(redis.cli(&["FLUSHDB"])),
        restricted: false,
    };
    conformance::run(&server).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread")]
async fn k45_redis_with_tls_and_a_user_of_few_rights() {
    let Some(redis) = SecuredRedis::start() else {
        return;
    };
    let server = Server {
        config: house::secured(&redis),
        empty: || drop(redis.cli(&["FLUSHDB"])),
        restricted: true,
    };
    conformance::run(&server).await.assert_passed();
    let refused: Vec<String> = redis
        .cli(&["ACL", "LOG"])
        .lines()
        .filter(|line| line.contains("username"))
        .map(str::to_owned)
        .collect();
    println!("{} refusals were logged", refused.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_behind_sentinels() {
    let Some(redis) = SentinelRedis::start() else {
        return;
    };
    let redis = std::sync::Mutex::new(redis);
    let config = house::sentinel(&redis.lock().unwrap());
    let server = Server {
        config,
        empty: || {
            let mut redis = redis.lock().unwrap();
            let master = redis.master();
            redis.node(master).cli(&["FLUSHALL"]);
        },
        restricted: false,
    };
    conformance::run(&server).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_cluster() {
    let Some(redis) = RedisCluster::start() else {
        return;
    };
    let server = Server {
        config: house::cluster(&redis),
        empty: || redis.empty(),
        restricted: false,
    };
    conformance::run(&server).await.assert_passed();
}
