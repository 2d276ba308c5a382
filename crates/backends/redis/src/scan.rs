//! Which topics have messages: the one scan at the first attach (K38).

use redis::Value;
use restante_backend::{
    messages::{Mode, TopicPage},
    trouble::Asked,
};

use crate::{client::text, command::Command, fault::away, kept::Kept};

impl Kept {
    /// A page of topics: of each master in turn. `None` when the user may not scan (K45).
    ///
    /// Pages are what the server's own cursor makes of them: some hold a few more than `max`, and while the cluster
    /// changes a topic may come twice.
    pub(crate) async fn scan(&self, after: Option<&str>, max: usize) -> Asked<Option<TopicPage>> {
        let masters = self.client.masters().await?;
        let (address, mut cursor) = match after.and_then(|after| after.rsplit_once(' ')) {
            Some((address, cursor)) => (address, cursor.to_owned()),
            None => ("", "0".to_owned()),
        };
        let mut at = masters
            .iter()
            .position(|node| node.address() == address)
            .unwrap_or(0);
        let prefix = self.keys.topics(self.mode);
        let pattern = format!("{}*", escaped(&prefix));
        let kind = match self.mode {
            Mode::Latest => "hash",
            Mode::Queue | Mode::Pubsub | Mode::History => "zset",
        };
        let count = max.max(1).to_string();
        let mut page = TopicPage::default();
        while let Some(node) = masters.get(at) {
            let command = Command::keyless("SCAN").args([
                cursor.as_str(),
                "MATCH",
                &pattern,
                "COUNT",
                &count,
                "TYPE",
                kind,
            ]);
            let reply = self
                .client
                .ask_master(node, vec![command])
                .await?
                .into_iter()
                .next();
            let (next, keys) = match reply {
                Some(Ok(value)) => cursor_and_keys(&value),
                Some(Err(error)) if error.code() == "NOPERM" => return Ok(None),
                Some(Err(error)) => return Err(away("the keys were not listed", &error)),
                None => (None, Vec::new()),
            };
            let topics = keys.iter().filter_map(|key| key.strip_prefix(&prefix));
            page.topics.extend(topics.map(str::to_owned));
            match next {
                Some(next) => cursor = next,
                None => {
                    at += 1;
                    cursor = "0".to_owned();
                }
            }
            if page.topics.len() >= max {
                page.after = masters.get(at).map(|node| format!("{} {cursor}", node.address()));
                break;
            }
        }
        Ok(Some(page))
    }
}

/// The next cursor, unless this was the last page, and the keys that are texts: a topic is one.
fn cursor_and_keys(value: &Value) -> (Option<String>, Vec<String>) {
    let Value::Array(parts) = value else {
        return (None, Vec::new());
    };
    let cursor = parts.first().and_then(text).filter(|cursor| cursor != "0");
    let keys = match parts.get(1) {
        Some(Value::Array(keys)) => keys.iter().filter_map(text).collect(),
        _ => Vec::new(),
    };
    (cursor, keys)
}

/// A text in which nothing has a meaning for MATCH.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
