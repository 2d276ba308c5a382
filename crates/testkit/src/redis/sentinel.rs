//! A master, a replica, and three sentinels that watch them.

use std::{fs, net::SocketAddr, process::Command, time::Instant};

use tempfile::TempDir;

use super::{
    RedisNode,
    node::{self, ASKED_EVERY, START_LIMIT},
    programs,
};
use crate::{ports, process::Process};

/// How many sentinels.
const SENTINELS: usize = 3;

/// A master is down after a second of silence.
const DOWN_AFTER_MS: u32 = 1_000;

/// A master with a replica, and three sentinels; gone at drop.
#[derive(Debug)]
pub struct SentinelRedis {
    sentinels: Vec<(Process, SocketAddr)>,
    nodes: Vec<RedisNode>,
    _folder: TempDir,
}

impl SentinelRedis {
    /// The name that the sentinels know the master by.
    pub const MASTER_NAME: &'static str = "mymaster";

    /// Starts them; `None` when Redis is not installed, which is said.
    ///
    /// # Panics
    /// When it is installed and does not come up; when it is not and `CI=true`.
    pub fn start() -> Option<SentinelRedis> {
        let programs = programs()?;
        let master = RedisNode::start(&programs, &[], &[]);
        let port = master.address().port().to_string();
        let replica = RedisNode::start(&programs, &["--replicaof", "127.0.0.1", &port], &[]);
        let folder = TempDir::new().expect("make a temporary folder");
        let sentinels = (0..SENTINELS)
            .map(|number| {
                let own = ports::recently_free();
                let config = folder.path().join(format!("sentinel{number}.conf"));
                let name = SentinelRedis::MASTER_NAME;
                let text = format!(
                    "port {own}\nbind 127.0.0.1\ndir {}\n\
                     sentinel monitor {name} 127.0.0.1 {port} 2\n\
                     sentinel down-after-milliseconds {name} {DOWN_AFTER_MS}\n\
                     sentinel failover-timeout {name} 4000\n",
                    folder.path().display()
                );
                fs::write(&config, text).expect("write a sentinel's configuration");
                let mut command = Command::new(&programs.server);
                let process = Process::start("redis-sentinel", command.arg(&config).arg("--sentinel"));
                (process, SocketAddr::from(([127, 0, 0, 1], own)))
            })
            .collect();
        let redis = SentinelRedis {
            sentinels,
            nodes: vec![master, replica],
            _folder: folder,
        };
        redis.wait_until_all_know_each_other();
        Some(redis)
    }

    /// Where the sentinels listen.
    pub fn sentinels(&self) -> Vec<SocketAddr> {
        self.sentinels.iter().map(|(_, address)| *address).collect()
    }

    /// Where the master is that the sentinels name.
    pub fn master(&self) -> SocketAddr {
        let said = node::cli(
            self.sentinels[0].1,
            &["SENTINEL", "get-master-addr-by-name", SentinelRedis::MASTER_NAME],
        );
        said.replace('\n', ":")
            .parse()
            .expect("sentinels name an address")
    }

    /// The node at an address.
    ///
    /// # Panics
    /// When there is none.
    pub fn node(&mut self, address: SocketAddr) -> &mut RedisNode {
        self.nodes
            .iter_mut()
            .find(|node| node.address() == address)
            .expect("one of the two nodes")
    }

    /// Kills the master, and waits until the sentinels name the other.
    ///
    /// # Panics
    /// When they do not.
    pub fn fail_over(&mut self) -> SocketAddr {
        let old = self.master();
        self.node(old).kill();
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let new = self.master();
            if new != old && node::cli(new, &["ROLE"]).starts_with("master") {
                return new;
            }
            assert!(
                Instant::now() < deadline,
                "the sentinels did not name another master"
            );
            std::thread::sleep(ASKED_EVERY);
        }
    }

    fn wait_until_all_know_each_other(&self) {
        let deadline = Instant::now() + START_LIMIT;
        for (process, address) in &self.sentinels {
            let knows = || {
                let arguments = ["SENTINEL", "MASTER", SentinelRedis::MASTER_NAME];
                let said = node::try_cli(*address, &arguments).unwrap_or_default();
                let lines: Vec<&str> = said.lines().collect();
                let value = |name: &str| {
                    lines
                        .iter()
                        .position(|line| *line == name)
                        .map(|at| lines[at + 1])
                };
                value("num-other-sentinels") == Some("2")
                    && value("num-slaves") == Some("1")
                    && value("flags") == Some("master")
            };
            while !knows() {
                assert!(
                    Instant::now() < deadline,
                    "the sentinels did not find each other:\n{}",
                    process.output()
                );
                std::thread::sleep(ASKED_EVERY);
            }
        }
        let master = &self.nodes[0];
        while !master.cli(&["INFO", "replication"]).contains("state=online") {
            assert!(Instant::now() < deadline, "the replica did not come up");
            std::thread::sleep(ASKED_EVERY);
        }
    }
}
