//! A cluster of three masters with a replica each.

use std::{net::SocketAddr, time::Instant};

use super::{
    RedisNode,
    node::{self, ASKED_EVERY, START_LIMIT},
    programs,
};
use crate::ports;

/// How many nodes.
const NODES: usize = 6;

/// Ports tried before giving up.
const PORTS_TRIED: usize = 30;

/// A node is taken for dead after this silence.
const NODE_TIMEOUT_MS: &str = "2000";

/// Six nodes; gone at drop.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisNode>,
}

impl RedisCluster {
    /// Starts them; `None` when Redis is not installed, which is said.
    ///
    /// # Panics
    /// When it is installed and does not come up; when it is not and `CI=true`.
    pub fn start() -> Option<RedisCluster> {
        let programs = programs()?;
        let mut nodes = Vec::new();
        for _ in 0..PORTS_TRIED {
            let (port, bus) = (ports::recently_free(), ports::recently_free());
            let arguments = [
                "--port",
                &port.to_string(),
                "--cluster-port",
                &bus.to_string(),
                "--cluster-enabled",
                "yes",
                "--cluster-config-file",
                "nodes.conf",
                "--cluster-node-timeout",
                NODE_TIMEOUT_MS,
            ]
            .map(str::to_owned);
            nodes.extend(RedisNode::try_start(&programs, port, arguments.to_vec(), &[]));
            if nodes.len() == NODES {
                break;
            }
        }
        assert_eq!(nodes.len(), NODES, "six nodes came up on {PORTS_TRIED} ports");
        let cluster = RedisCluster { nodes };
        cluster.join();
        Some(cluster)
    }

    /// Where the nodes listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(RedisNode::address).collect()
    }

    /// What `redis-cli` prints for a command; it follows redirections.
    pub fn cli(&self, command: &[&str]) -> String {
        let mut arguments = vec!["-c"];
        arguments.extend_from_slice(command);
        // Any node that lives will do.
        let answers = self
            .nodes
            .iter()
            .find_map(|node| node::try_cli(node.address(), &arguments));
        answers.unwrap_or_else(|| panic!("no node of the cluster answers {command:?}"))
    }

    /// What `redis-cli` prints for a command at one node.
    ///
    /// # Panics
    /// When there is no such node, or it does not answer.
    pub fn cli_at(&self, address: SocketAddr, command: &[&str]) -> String {
        let node = self.nodes.iter().find(|node| node.address() == address);
        node.expect("one of the six nodes").cli(command)
    }

    /// The master that holds a key.
    ///
    /// # Panics
    /// When there is none.
    pub fn master_of_key(&self, key: &str) -> SocketAddr {
        let slot = self.slot_of(key);
        self.master_of(slot).expect("every slot has a master")
    }

    /// The slot of a key.
    pub fn slot_of(&self, key: &str) -> u16 {
        self.cli(&["CLUSTER", "KEYSLOT", key])
            .parse()
            .expect("a slot is a number")
    }

    /// Deletes everything on every master.
    pub fn empty(&self) {
        for node in &self.nodes {
            // A replica refuses, and follows its master.
            node::try_cli(node.address(), &["FLUSHALL"]);
        }
    }

    /// Kills the master that holds a key, and waits until its replica has taken over. Gives back where it was.
    ///
    /// # Panics
    /// When no replica takes over.
    pub fn fail_over(&mut self, key: &str) -> SocketAddr {
        let slot = self
            .cli(&["CLUSTER", "KEYSLOT", key])
            .parse()
            .expect("a slot is a number");
        let old = self.master_of(slot).expect("every slot has a master");
        Self::wait_for_replica(old);
        let dead = self.nodes.iter_mut().find(|node| node.address() == old);
        dead.expect("one of the six nodes").kill();
        let deadline = Instant::now() + START_LIMIT;
        while !self.all_are_well() || self.master_of(slot).is_none_or(|master| master == old) {
            assert!(Instant::now() < deadline, "no replica took over from {old}");
            std::thread::sleep(ASKED_EVERY);
        }
        old
    }

    /// Waits until a replica has what its master has now.
    fn wait_for_replica(master: SocketAddr) {
        let offset = |line: usize| {
            let role = node::cli(master, &["ROLE"]);
            role.lines()
                .nth(line)
                .and_then(|line| line.trim().parse::<u64>().ok())
        };
        let (now, deadline) = (offset(1), Instant::now() + START_LIMIT);
        while offset(4).is_none() || offset(4) < now {
            assert!(Instant::now() < deadline, "no replica follows {master}");
            std::thread::sleep(ASKED_EVERY);
        }
    }

    fn join(&self) {
        let addresses: Vec<String> = self.addresses().iter().map(ToString::to_string).collect();
        let mut arguments = vec!["--cluster", "create"];
        arguments.extend(addresses.iter().map(String::as_str));
        arguments.extend_from_slice(&["--cluster-replicas", "1", "--cluster-yes"]);
        node::cli(self.nodes[0].address(), &arguments);
        let deadline = Instant::now() + START_LIMIT;
        while !self.all_are_well() || !self.all_replicas_follow() {
            assert!(Instant::now() < deadline, "the cluster did not come together");
            std::thread::sleep(ASKED_EVERY);
        }
    }

    /// Whether every node that lives says that all slots are served.
    fn all_are_well(&self) -> bool {
        self.nodes.iter().all(|node| {
            let said = node::try_cli(node.address(), &["CLUSTER", "INFO"]);
            said.is_none_or(|said| said.contains("cluster_state:ok"))
        })
    }

    fn all_replicas_follow(&self) -> bool {
        self.nodes.iter().all(|node| {
            let said = node.cli(&["INFO", "replication"]);
            said.contains("role:master") && said.contains("state=online")
                || said.contains("master_link_status:up")
        })
    }

    /// Who serves a slot, as the first node that lives says.
    fn master_of(&self, slot: u16) -> Option<SocketAddr> {
        let said = self.cli(&["CLUSTER", "NODES"]);
        said.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let holds = fields.iter().skip(8).any(|range| {
                let (from, to) = range.split_once('-').unwrap_or((range, range));
                matches!((from.parse::<u16>(), to.parse::<u16>()), (Ok(from), Ok(to)) if (from..=to).contains(&slot))
            });
            let address = fields.get(1)?.split('@').next()?;
            (holds && fields[2].contains("master") && !fields[2].contains("fail"))
                .then(|| address.parse().ok())
                .flatten()
        })
    }
}
