//! Databases under test. Another one is another row.

use std::net::SocketAddr;

use restante_testkit::Redis;

/// How each is started; `None` where it is not installed.
pub(crate) const SERVERS: [fn() -> Option<Server>; 1] = [Server::redis];

/// A private database that can be killed and comes back on its folder.
#[derive(Debug)]
pub(crate) enum Server {
    Redis(Redis),
}

impl Server {
    pub(crate) fn redis() -> Option<Server> {
        Redis::start_with(&[]).map(Server::Redis)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Server::Redis(redis) => redis.address(),
        }
    }

    /// The broker's configuration, with the database behind `address`.
    pub(crate) fn sections(&self, address: SocketAddr) -> String {
        let (pool, name) = match self {
            Server::Redis(_) => (
                format!("[backend.redis.main]\nservers = [\"{address}\"]\nmessage_ttl = \"10d\"\n"),
                "redis.main",
            ),
        };
        format!(
            "{pool}connect_timeout = \"1s\"\ncommand_timeout = \"1s\"\n\n\
             [[keep]]\ntopics = [\"many/#\", \"one/#\"]\nin = \"{name}\"\nmode = \"queue\"\n\n\
             [[keep]]\ntopics = [\"pubsub/#\"]\nin = \"{name}\"\nlayout = \"backends\"\nmode = \"pubsub\"\n\
             first_subscribe = \"all\"\n\n[outbox]\nconfirm_window = \"500ms\"\n"
        )
    }

    pub(crate) fn kill(&mut self) {
        match self {
            Server::Redis(redis) => {
                if let Some(node) = redis.node() {
                    node.kill();
                }
            }
        }
    }

    pub(crate) fn start_again(&mut self) {
        match self {
            Server::Redis(redis) => {
                if let Some(node) = redis.node() {
                    node.start_again();
                }
            }
        }
    }

    /// Forgets everything.
    pub(crate) fn forget(&self) {
        match self {
            Server::Redis(redis) => _ = redis.cli(&["FLUSHALL"]),
        }
    }

    /// How many messages stand in a topic's backlog, as the database's own client counts them.
    pub(crate) fn waiting(&self, topic: &str) -> u64 {
        match self {
            Server::Redis(redis) => {
                let said = redis.cli(&["ZCARD", &format!("mqtt:msg:{topic}")]);
                said.trim().parse().unwrap_or(u64::MAX)
            }
        }
    }
}
