//! Private Redis servers: one alone, one behind TLS with users, one watched by sentinels, a cluster.
//!
//! Each has its own folder and free ports, writes every command to its file before it answers (`appendfsync always`),
//! is ready when it is handed out, and is gone when dropped. Tests look into them with `redis-cli`, so that never our
//! reader alone judges our writer (K55).

mod cluster;
mod node;
pub(crate) mod secured;
mod sentinel;

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub use cluster::RedisCluster;
pub use node::RedisNode;
pub use secured::SecuredRedis;
pub use sentinel::SentinelRedis;

use crate::tools;

/// Names a server that is there already, `host:port`, for the tests of a single one. They use its database
/// [`FOREIGN_DATABASE`] and empty it.
pub const SERVER_VARIABLE: &str = "RESTANTE_TEST_REDIS";

/// The database used in a server that is not ours.
pub const FOREIGN_DATABASE: u32 = 15;

/// One at a time uses the server that is not ours.
static FOREIGN: Mutex<()> = Mutex::new(());

/// A single Redis.
#[derive(Debug)]
pub struct Redis {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Ours(RedisNode),
    Foreign {
        address: SocketAddr,
        _turn: MutexGuard<'static, ()>,
    },
}

impl Redis {
    /// Starts one, or takes the one that `RESTANTE_TEST_REDIS` names. `None` when it is not installed, which is said.
    ///
    /// # Panics
    /// When it is installed and does not come up; when it is not and `CI=true`.
    pub fn start() -> Option<Redis> {
        if let Ok(name) = std::env::var(SERVER_VARIABLE) {
            return Some(Redis::foreign(&name));
        }
        Redis::start_with(&[])
    }

    /// Starts one with further arguments (`--maxmemory`, `1mb`), never the one that is there already.
    ///
    /// # Panics
    /// As [`Redis::start`].
    pub fn start_with(arguments: &[&str]) -> Option<Redis> {
        let programs = programs()?;
        Some(Redis {
            kind: Kind::Ours(RedisNode::start(&programs, arguments, &[])),
        })
    }

    fn foreign(name: &str) -> Redis {
        let address = name
            .to_socket_addrs()
            .ok()
            .and_then(|mut addresses| addresses.next())
            .unwrap_or_else(|| panic!("{SERVER_VARIABLE}={name} is no host:port"));
        let redis = Redis {
            kind: Kind::Foreign {
                address,
                _turn: FOREIGN.lock().unwrap_or_else(PoisonError::into_inner),
            },
        };
        redis.cli(&["FLUSHDB"]);
        redis
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match &self.kind {
            Kind::Ours(node) => node.address(),
            Kind::Foreign { address, .. } => *address,
        }
    }

    /// The database to use.
    pub fn database(&self) -> u32 {
        match &self.kind {
            Kind::Ours(_) => 0,
            Kind::Foreign { .. } => FOREIGN_DATABASE,
        }
    }

    /// What `redis-cli` prints for a command, without the last line break.
    ///
    /// # Panics
    /// When it cannot reach the server.
    pub fn cli(&self, command: &[&str]) -> String {
        let database = self.database().to_string();
        let mut arguments = vec!["-n", database.as_str()];
        arguments.extend_from_slice(command);
        node::cli(self.address(), &arguments)
    }

    /// The process, for tests that stop it. `None` for a server that is not ours.
    pub fn node(&mut self) -> Option<&mut RedisNode> {
        match &mut self.kind {
            Kind::Ours(node) => Some(node),
            Kind::Foreign { .. } => None,
        }
    }
}

/// The programs that all of these need.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) server: PathBuf,
}

pub(crate) fn programs() -> Option<Programs> {
    tools::program("redis-cli")?;
    Some(Programs {
        server: tools::program("redis-server")?,
    })
}
