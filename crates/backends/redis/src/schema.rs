//! The keys: what they are called and what is in them.

use std::sync::Arc;

use restante_backend::{
    Work,
    messages::{KeepSpec, Layout, Mode},
    tables::Schema,
    trouble::Asked,
};

use crate::{
    client::Client,
    command::{Command, words},
    config::Config,
};

/// What keys begin with.
#[derive(Debug)]
pub(crate) struct Keys {
    message: Box<str>,
    subscription: Box<str>,
}

impl Keys {
    pub(crate) fn new(config: &Config) -> Keys {
        Keys {
            message: config.message_key_prefix.as_str().into(),
            subscription: config.subscription_key_prefix.as_str().into(),
        }
    }

    /// Hash: one message.
    pub(crate) fn message(&self, id: &str) -> String {
        format!("{}:{id}", self.message)
    }

    /// Sorted set: the ids of a topic's messages, by time in milliseconds.
    pub(crate) fn index(&self, topic: &str) -> String {
        format!("{}:{topic}", self.message)
    }

    /// Hash: filters and QoS.
    pub(crate) fn subscriptions(&self, client: &str) -> String {
        format!("{}:{client}", self.subscription)
    }

    /// Hash: the newest message of a topic.
    pub(crate) fn latest(&self, topic: &str) -> String {
        format!("{LATEST}{topic}")
    }

    /// What the keys that hold the topics of a mode begin with.
    pub(crate) fn topics(&self, mode: Mode) -> String {
        match mode {
            Mode::Latest => LATEST.to_owned(),
            _ => self.index(""),
        }
    }

    /// String: the id up to which a client has acknowledged.
    pub(crate) fn position(&self, client: &str, topic: &str) -> String {
        format!("mqtt:acked:{client}:{topic}")
    }

    /// Hash, or a string with an id: the retained message of a topic.
    pub(crate) fn retained(&self, topic: &str) -> String {
        format!("mqtt:retain:{topic}")
    }

    /// Hash: how a client stands.
    pub(crate) fn client(&self, client: &str) -> String {
        format!("mqtt:client:{client}")
    }

    /// Hash: who is connected to a node, and since when.
    pub(crate) fn node(&self, node: &str) -> String {
        format!("mqtt:node:{node}")
    }
}

const LATEST: &str = "mqtt:latest_msg:";

/// The commands that seed 1 asks rights for.
const PLUGIN_COMMANDS: &str = "+hset +hdel +hgetall +hmset +del +expire +zadd +zrange +zremrangebyscore +zrem +auth +hello +select +ping";

/// Those that the back ends' keys need beside them.
const BACKENDS_COMMANDS: &str = "+hmget +hkeys +get +set +scan +info";

/// The keys as a page for people, and a trial of the user's rights.
pub(crate) struct KeySchema {
    pub(crate) client: Arc<Client>,
    pub(crate) keys: Arc<Keys>,
}

impl Schema for KeySchema {
    fn print(&self, spec: &KeepSpec) -> String {
        let keys = &self.keys;
        let mut rows = vec![
            (
                keys.message("{msgid}"),
                "hash",
                "id, from, qos, topic, payload, ts, retain; expires",
            ),
            (
                keys.index("{topic}"),
                "sorted set",
                "ids, by time in milliseconds",
            ),
            (keys.subscriptions("{clientid}"), "hash", "topic filter -> qos"),
        ];
        let mut rights = PLUGIN_COMMANDS.to_owned();
        let mut patterns = vec![keys.message("*"), keys.subscriptions("*")];
        if spec.layout == Layout::Backends {
            rows.extend([
                (keys.latest("{topic}"), "hash", "the newest message; expires"),
                (
                    keys.position("{clientid}", "{topic}"),
                    "string",
                    "id up to which was acknowledged",
                ),
                (keys.retained("{topic}"), "hash", "the retained message"),
                (keys.client("{clientid}"), "hash", "state, online_at, offline_at"),
                (keys.node("{node}"), "hash", "client id -> connected since"),
            ]);
            rights = format!("{rights} {BACKENDS_COMMANDS}");
            patterns.extend([
                keys.latest("*"),
                "mqtt:acked:*".into(),
                keys.retained("*"),
                keys.client("*"),
                keys.node("*"),
            ]);
        }
        let mut page = String::from("# Keys are made on demand; there is nothing to install.\n");
        for (key, kind, content) in rows {
            page.push_str(&format!("# {key:<32} {kind:<11} {content}\n"));
        }
        let patterns: Vec<String> = patterns.iter().map(|pattern| format!("~{pattern}")).collect();
        page.push_str("# A user who may do what is needed and no more:\n");
        page.push_str(&format!(
            "ACL SETUSER restante on >PASSWORD resetkeys {} -@all {rights}\n",
            patterns.join(" ")
        ));
        page
    }

    fn check<'a>(&'a self, _: &'a KeepSpec) -> Work<'a, Asked<Vec<String>>> {
        Box::pin(async move {
            // Reads only, of names that no message and no client has: an id has no space.
            let nobody = "restante checks its rights";
            let (message, subscription) = (self.keys.message(nobody), self.keys.subscriptions(nobody));
            let trials = [
                ("HGETALL", &message, vec![]),
                ("ZRANGE", &message, vec!["0", "0"]),
                ("HGETALL", &subscription, vec![]),
            ];
            let commands = trials.iter().map(|(name, key, arguments)| {
                Command::new(name, key.as_bytes()).args(arguments.iter().copied())
            });
            let replies = self.client.ask(commands.collect()).await?;
            let failed = trials.iter().zip(replies).filter_map(|((name, key, _), reply)| {
                let error = reply.err()?;
                Some(format!("{name} {key:?} is refused: {}", words(&error)))
            });
            Ok(failed.collect())
        })
    }

    fn install<'a>(&'a self, _: &'a KeepSpec) -> Work<'a, Asked<()>> {
        Box::pin(async { Ok(()) })
    }
}
