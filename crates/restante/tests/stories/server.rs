//! Databases that the plugin keeps messages in, each with its own way to be asked. Another one is another row.

use restante_testkit::Redis;

/// How each is started; `None` where it is not installed.
pub(crate) const SERVERS: [fn() -> Option<Server>; 1] = [Server::redis];

/// A private database.
pub(crate) enum Server {
    Redis(Redis),
}

impl Server {
    fn redis() -> Option<Server> {
        Redis::start_with(&[]).map(Server::Redis)
    }

    /// Its pool, and the name of it.
    pub(crate) fn pool(&self) -> (String, &'static str) {
        match self {
            Server::Redis(redis) => (
                format!("[backend.redis.main]\nservers = [\"{}\"]\n", redis.address()),
                "redis.main",
            ),
        }
    }

    /// What the plugin's documentation configures: these topics, everything else as it comes.
    pub(crate) fn keeping(&self, topics: &str) -> String {
        let (pool, name) = self.pool();
        format!("{pool}\n[[keep]]\ntopics = [{topics}]\nin = \"{name}\"\n")
    }

    /// What waits in a topic: each message's topic, payload, QoS and sender, in order.
    pub(crate) fn messages(&self, topic: &str) -> Vec<[String; 4]> {
        match self {
            Server::Redis(redis) => {
                let ids = redis.cli(&["ZRANGE", &format!("mqtt:msg:{topic}"), "0", "-1"]);
                let ids = ids.lines().filter(|id| !id.is_empty());
                let hashes = ids.map(|id| (id, hash(redis, &format!("mqtt:msg:{id}"))));
                // It may be deleted between the two questions.
                let there = hashes.filter(|(_, fields)| !fields.is_empty());
                there
                    .map(|(id, fields)| {
                        let field = |name: &str| {
                            let found = fields.iter().find(|(field, _)| field == name);
                            found
                                .unwrap_or_else(|| panic!("no {name} in {fields:?}"))
                                .1
                                .clone()
                        };
                        assert_eq!(field("id"), id);
                        assert!(field("ts").parse::<u64>().is_ok(), "{fields:?}");
                        assert_eq!(field("retain"), "false");
                        [field("topic"), field("payload"), field("qos"), field("from")]
                    })
                    .collect()
            }
        }
    }

    /// The subscriptions that stand there for a client: filter and QoS, sorted.
    pub(crate) fn subscriptions(&self, client: &str) -> Vec<(String, String)> {
        match self {
            Server::Redis(redis) => {
                let mut found = hash(redis, &format!("mqtt:sub:{client}"));
                found.sort();
                found
            }
        }
    }

    /// A message as the plugin has written it, by the database's own client.
    pub(crate) fn put(&self, topic: &str, payload: &str) {
        match self {
            Server::Redis(redis) => {
                // An id of theirs, with its time.
                let (id, millis) = ("6P9NLcJ65VXBbC22sYb4", "1481690659000");
                let key = format!("mqtt:msg:{id}");
                redis.cli(&[
                    "HMSET", &key, "id", id, "from", "another", "qos", "1", "topic", topic, "payload",
                    payload, "ts", millis, "retain", "false",
                ]);
                redis.cli(&["ZADD", &format!("mqtt:msg:{topic}"), "1", id]);
            }
        }
    }
}

/// The fields of a hash.
pub(crate) fn hash(redis: &Redis, key: &str) -> Vec<(String, String)> {
    let said = redis.cli(&["HGETALL", key]);
    let lines: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
    let pairs = lines.chunks_exact(2);
    pairs
        .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
        .collect()
}
