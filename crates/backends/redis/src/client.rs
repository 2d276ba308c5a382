//! Finds the servers and gets commands answered: one server, the master that sentinels name, or a cluster.
//!
//! Nothing is sent twice by itself, with one exception: what a cluster's node redirects was not executed, and is sent
//! to where it belongs. Everything else that failed is the caller's to ask again; all that backends write is
//! idempotent by message id.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use redis::{Pipeline, ServerError, Value, aio::PubSub};
use restante_backend::{
    Work,
    trouble::{Asked, Away, Unfit},
};

use crate::{
    cluster::SlotMap,
    command::{Command, Reply, reply, words},
    config::{Config, Deployment},
    fault::is_state,
    node::{Node, Opener},
    tls,
    together::together,
};

/// How often a command may be redirected before the cluster is taken to be in motion, and away.
const REDIRECTS_MAX: usize = 4;

/// Usual ports.
const PORT: u16 = 6_379;
const SENTINEL_PORT: u16 = 26_379;

/// How long a node is given to finish moving a slot.
const PAUSE: Duration = Duration::from_millis(50);

/// The servers of one pool.
pub(crate) struct Client {
    config: Config,
    data: Opener,
    to_sentinels: Opener,
    /// Those of the configuration, to ask sentinels and clusters where the others are.
    seeds: Vec<Arc<Node>>,
    found: Mutex<Option<Servers>>,
    /// Masters of the cluster as they were found last: they are asked when none of the configuration is left.
    known: Mutex<Vec<Arc<Node>>>,
    /// Rises whenever the servers were lost sight of.
    losses: AtomicU64,
}

/// The servers as they were found last.
#[derive(Clone)]
pub(crate) enum Servers {
    /// All commands go to this one.
    One(Arc<Node>),
    /// Each slot has its own.
    Many(Arc<SlotMap>),
}

impl Client {
    /// Reads certificates; connects to nothing.
    pub(crate) fn new(config: Config) -> Result<Client, Unfit> {
        config.check()?;
        let connector = config.tls.as_ref().map(tls::connector).transpose()?;
        let (port, connections) = match config.deployment {
            Deployment::Sentinel => (SENTINEL_PORT, 1),
            _ => (PORT, config.pool_size),
        };
        let seeds = config
            .servers
            .iter()
            .map(|server| Arc::new(Node::new(server, port, connections)));
        Ok(Client {
            seeds: seeds.collect(),
            data: Opener::data(&config, connector.clone()),
            to_sentinels: Opener::sentinels(&config, connector),
            config,
            found: Mutex::new(None),
            known: Mutex::new(Vec::new()),
            losses: AtomicU64::new(0),
        })
    }

    /// What it was configured with.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Whether keys lie on several servers, so that no two commands are done together.
    pub(crate) fn is_cluster(&self) -> bool {
        self.config.deployment == Deployment::Cluster
    }

    /// How often the servers were lost sight of.
    pub(crate) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Relaxed)
    }

    /// One command, one answer.
    pub(crate) async fn ask_one(&self, command: Command) -> Asked<Reply> {
        let replies = self.ask(vec![command]).await?;
        replies.into_iter().next().ok_or_else(|| Away {
            why: "redis gave no answer to a command".to_owned(),
        })
    }

    /// Commands in one round trip to each server concerned, in this order on each; an answer for each.
    pub(crate) async fn ask(&self, commands: Vec<Command>) -> Asked<Vec<Reply>> {
        let result = match self.servers().await? {
            Servers::One(node) => self.ask_node(&node, commands).await,
            Servers::Many(map) => self.ask_cluster(&map, commands).await,
        };
        if result.is_err() {
            self.lose_sight();
        }
        result
    }

    /// Those that hold the data, in their order.
    pub(crate) async fn masters(&self) -> Asked<Vec<Arc<Node>>> {
        Ok(match self.servers().await? {
            Servers::One(node) => vec![node],
            Servers::Many(map) => map.masters().to_vec(),
        })
    }

    /// Commands at one of the masters.
    pub(crate) async fn ask_master(&self, node: &Node, commands: Vec<Command>) -> Asked<Vec<Reply>> {
        let result = self.ask_node(node, commands).await;
        if result.is_err() {
            self.lose_sight();
        }
        result
    }

    /// A connection to the server that only listens.
    pub(crate) async fn listener(&self) -> Asked<PubSub> {
        let masters = self.masters().await?;
        let Some(master) = masters.first() else {
            return Err(Away {
                why: "redis: there is no server to listen to".to_owned(),
            });
        };
        let opened = self.data.listener(master).await;
        if opened.is_err() {
            self.lose_sight();
        }
        opened
    }

    /// How long an answer may take.
    pub(crate) fn command_timeout(&self) -> Duration {
        self.data.command_timeout()
    }

    async fn ask_node(&self, node: &Node, commands: Vec<Command>) -> Asked<Vec<Reply>> {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command.cmd);
        }
        let values = node.send(&self.data, &pipeline).await?;
        let replies: Vec<Reply> = values.into_iter().map(reply).collect();
        // A master that was replaced says so in its answers; whoever finds the next one is asked again.
        if replies
            .iter()
            .filter_map(|reply| reply.as_ref().err())
            .any(is_state)
        {
            self.lose_sight();
        }
        Ok(replies)
    }

    /// Each command at the node of its slot; what is redirected goes on to where it belongs.
    async fn ask_cluster(&self, map: &SlotMap, commands: Vec<Command>) -> Asked<Vec<Reply>> {
        let mut replies: Vec<Option<Reply>> = commands.iter().map(|_| None).collect();
        let mut waiting: Vec<Sent> = Vec::with_capacity(commands.len());
        for (place, command) in commands.into_iter().enumerate() {
            waiting.push(Sent {
                place,
                node: map.node(command.slot)?,
                asking: false,
                command,
            });
        }
        for _ in 0..=REDIRECTS_MAX {
            let mut redirected = Vec::new();
            for (sent, reply) in self.round(waiting).await? {
                match reply {
                    Err(error) if is_redirect(&error) => redirected.push((sent, error)),
                    reply => replies[sent.place] = Some(reply),
                }
            }
            waiting = Vec::with_capacity(redirected.len());
            if redirected.is_empty() {
                break;
            }
            self.lose_sight();
            for (mut sent, error) in redirected {
                sent.asking = error.code() == "ASK";
                match target(&error) {
                    Some(address) => sent.node = map.at(address, self.config.pool_size),
                    // TRYAGAIN: the same node, a moment later.
                    None => tokio::time::sleep(PAUSE).await,
                }
                waiting.push(sent);
            }
        }
        let replies: Option<Vec<Reply>> = replies.into_iter().collect();
        replies.ok_or_else(|| Away {
            why: format!("redis cluster: a slot is in motion; {REDIRECTS_MAX} redirections were followed"),
        })
    }

    /// One round trip to each node of the list.
    async fn round(&self, waiting: Vec<Sent>) -> Asked<Vec<(Sent, Reply)>> {
        let mut groups: Vec<(Arc<Node>, Vec<Sent>)> = Vec::new();
        for sent in waiting {
            match groups.iter_mut().find(|(node, _)| Arc::ptr_eq(node, &sent.node)) {
                Some((_, group)) => group.push(sent),
                None => groups.push((Arc::clone(&sent.node), vec![sent])),
            }
        }
        let work = groups.iter().map(|(node, group)| {
            let work: Work<'_, _> = Box::pin(async move {
                let mut pipeline = Pipeline::with_capacity(group.len());
                for sent in group {
                    if sent.asking {
                        pipeline.cmd("ASKING");
                    }
                    pipeline.add_command(sent.command.cmd.clone());
                }
                node.send(&self.data, &pipeline).await
            });
            work
        });
        let answers: Asked<Vec<Vec<Value>>> = together(work).await.into_iter().collect();
        let mut all = Vec::new();
        for ((_, group), values) in groups.into_iter().zip(answers?) {
            let mut values = values.into_iter();
            for sent in group {
                if sent.asking {
                    values.next();
                }
                if let Some(value) = values.next() {
                    all.push((sent, reply(value)));
                }
            }
        }
        Ok(all)
    }

    /// The servers, looked for when they are not known.
    pub(crate) async fn servers(&self) -> Asked<Servers> {
        if let Some(found) = self.found.lock().clone() {
            return Ok(found);
        }
        let found = match self.config.deployment {
            Deployment::Single => Servers::One(self.only_seed()?),
            Deployment::Sentinel => Servers::One(self.master().await?),
            Deployment::Cluster => Servers::Many(Arc::new(self.slots().await?)),
        };
        *self.found.lock() = Some(found.clone());
        Ok(found)
    }

    fn only_seed(&self) -> Asked<Arc<Node>> {
        self.seeds.first().cloned().ok_or_else(|| Away {
            why: "redis: no server is configured".to_owned(),
        })
    }

    /// Servers may have changed: whoever comes next looks for them again. A single one keeps its place.
    fn lose_sight(&self) {
        self.losses.fetch_add(1, Ordering::Relaxed);
        if self.config.deployment != Deployment::Single {
            *self.found.lock() = None;
        }
    }

    /// The master that the first sentinel to answer names, if it says of itself that it is one.
    async fn master(&self) -> Asked<Arc<Node>> {
        let mut pipeline = Pipeline::new();
        pipeline
            .cmd("SENTINEL")
            .arg("get-master-addr-by-name")
            .arg(&self.config.master_name);
        let mut last = String::new();
        for sentinel in &self.seeds {
            let named = match sentinel.send(&self.to_sentinels, &pipeline).await {
                Ok(values) => values.into_iter().next().unwrap_or(Value::Nil),
                Err(away) => {
                    last = away.why;
                    continue;
                }
            };
            match address_of(&named) {
                Ok(Some(address)) => {
                    let master = Arc::new(Node::new(&address, PORT, self.config.pool_size));
                    match self.is_master(&master).await {
                        Ok(true) => return Ok(master),
                        Ok(false) => last = format!("{address} is named as the master and says it is none"),
                        Err(away) => last = away.why,
                    }
                }
                Ok(None) => {
                    last = format!(
                        "the sentinel at {} knows no master by the name {:?}",
                        sentinel.address(),
                        self.config.master_name
                    );
                }
                Err(error) => last = format!("the sentinel at {}: {}", sentinel.address(), words(&error)),
            }
        }
        Err(Away {
            why: format!("redis: no master was found: {last}"),
        })
    }

    /// Whether a server says that it is a master. HELLO is what every user may run (K45).
    async fn is_master(&self, node: &Node) -> Asked<bool> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HELLO");
        let values = node.send(&self.data, &pipeline).await?;
        let role = values.first().and_then(|value| field(value, "role"));
        Ok(role.as_deref() == Some("master"))
    }

    /// Which node serves which slot, as the first to answer says. Nodes that are known keep their connections.
    async fn slots(&self) -> Asked<SlotMap> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("CLUSTER").arg("SLOTS");
        let mut last = String::new();
        let known = self.known.lock().clone();
        for seed in self.seeds.iter().chain(&known) {
            let answered = seed.send(&self.data, &pipeline).await;
            match answered.map(|values| values.into_iter().next().map(reply)) {
                Ok(Some(Ok(value))) => match SlotMap::read(&value, seed, &known, self.config.pool_size) {
                    Ok(map) => {
                        *self.known.lock() = map.masters().to_vec();
                        return Ok(map);
                    }
                    Err(why) => last = format!("{}: {why}", seed.address()),
                },
                Ok(Some(Err(error))) => last = format!("{}: {}", seed.address(), words(&error)),
                Ok(None) => {}
                Err(away) => last = away.why,
            }
        }
        Err(Away {
            why: format!("redis: the cluster was not found: {last}"),
        })
    }
}

/// A command on its way through a cluster.
struct Sent {
    /// Where its answer belongs.
    place: usize,
    command: Command,
    node: Arc<Node>,
    /// The slot is on its way to that node, which answers only when it is told so.
    asking: bool,
}

fn is_redirect(error: &ServerError) -> bool {
    matches!(error.code(), "MOVED" | "ASK" | "TRYAGAIN")
}

/// Where a redirection points: `MOVED 3999 127.0.0.1:6381`.
fn target(error: &ServerError) -> Option<&str> {
    let words = error.details()?;
    matches!(error.code(), "MOVED" | "ASK").then(|| words.rsplit(' ').next())?
}

/// Host and port as sentinels give them; `None` when they know no such master.
fn address_of(value: &Value) -> Result<Option<String>, ServerError> {
    match value {
        Value::ServerError(error) => Err(error.clone()),
        Value::Array(parts) => {
            let parts: Vec<String> = parts.iter().filter_map(text).collect();
            let [host, port] = parts.as_slice() else {
                return Ok(None);
            };
            let host = if host.contains(':') {
                format!("[{host}]")
            } else {
                host.clone()
            };
            Ok(Some(format!("{host}:{port}")))
        }
        _ => Ok(None),
    }
}

/// The value of a name in a list of names and values, or in a map.
pub(crate) fn field(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Array(items) => {
            let pair = items
                .chunks(2)
                .find(|pair| text(&pair[0]).as_deref() == Some(name))?;
            text(pair.get(1)?)
        }
        Value::Map(pairs) => {
            let (_, value) = pairs.iter().find(|(key, _)| text(key).as_deref() == Some(name))?;
            text(value)
        }
        _ => None,
    }
}

/// A value as text, if it is one.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        Value::VerbatimString { text, .. } => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Okay => Some("OK".to_owned()),
        _ => None,
    }
}
