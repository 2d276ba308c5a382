//! The keys beside the messages: subscriptions, retained messages, who is connected.

use std::sync::Arc;

use redis::{ServerError, Value};
use restante_backend::{
    Work,
    messages::{KeptMessage, Layout},
    tables::{Presence, Retained, Standing, SubscriptionRow, Subscriptions},
    trouble::{Asked, Done},
};
use restante_model::QoS;

use crate::{
    client::{Client, text},
    command::{Command, Reply},
    fault::{away, is_state, is_wrong_type, verdicts},
    hash::{self, pairs, written_id},
    schema::Keys,
};

/// The keys beside the messages of one pool.
pub(crate) struct Tables {
    pub(crate) client: Arc<Client>,
    pub(crate) keys: Arc<Keys>,
}

impl Subscriptions for Tables {
    fn of<'a>(&'a self, client: &'a str) -> Work<'a, Asked<(Vec<SubscriptionRow>, Vec<String>)>> {
        Box::pin(async move {
            let key = self.keys.subscriptions(client);
            let value = match self
                .client
                .ask_one(Command::new("HGETALL", key.as_bytes()))
                .await?
            {
                Ok(value) => value,
                Err(error) if is_wrong_type(&error) => {
                    let sentence =
                        format!("{key:?} holds no subscriptions: it is a key of another type than a hash");
                    return Ok((Vec::new(), vec![sentence]));
                }
                Err(error) => return Err(away(&format!("{key:?} was not read"), &error)),
            };
            let (mut rows, mut unreadable) = (Vec::new(), Vec::new());
            for (filter, qos) in pairs(value).unwrap_or_default() {
                let shown = String::from_utf8_lossy(&filter).into_owned();
                let qos_text = String::from_utf8_lossy(&qos);
                let qos = qos_text.trim().parse().ok().and_then(QoS::from_bits);
                match (String::from_utf8(filter), qos) {
                    (Ok(filter), Some(qos)) => rows.push(SubscriptionRow {
                        client: client.into(),
                        filter: filter.into(),
                        qos,
                    }),
                    (Err(_), _) => unreadable.push(format!("{key:?} has a field {shown:?} that is no text")),
                    (_, None) => unreadable.push(format!(
                        "{key:?} has {shown:?} with the qos {qos_text:?}, which is none of 0, 1 and 2"
                    )),
                }
            }
            Ok((rows, unreadable))
        })
    }

    fn write<'a>(&'a self, rows: &'a [SubscriptionRow]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            let commands = rows.iter().map(|row| {
                let key = self.keys.subscriptions(&row.client);
                Command::new("HSET", key.as_bytes())
                    .arg(row.filter.as_bytes())
                    .arg(&[b'0' + row.qos as u8])
            });
            let replies = self.client.ask(commands.collect()).await?;
            verdicts(plain(replies), |at| {
                let row = &rows[at];
                format!(
                    "the subscription {:?} of client {:?} was not written",
                    row.filter, row.client
                )
            })
        })
    }

    fn remove<'a>(&'a self, whose: &'a [(Box<str>, Box<str>)]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            let commands = whose.iter().map(|(client, filter)| {
                let key = self.keys.subscriptions(client);
                Command::new("HDEL", key.as_bytes()).arg(filter.as_bytes())
            });
            let replies = self.client.ask(commands.collect()).await?;
            verdicts(plain(replies), |at| {
                let (client, filter) = &whose[at];
                format!("the subscription {filter:?} of client {client:?} was not removed")
            })
        })
    }
}

impl Retained for Tables {
    fn set<'a>(&'a self, messages: &'a [KeptMessage]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            let command = |message: &KeptMessage| {
                let key = self.keys.retained(&message.topic);
                let command = Command::new("HSET", key.as_bytes());
                hash::write(command, &written_id(&message.id), message, Layout::Backends)
            };
            let replies = self.client.ask(messages.iter().map(command).collect()).await?;
            let mut rows = plain(replies);
            for (message, row) in messages.iter().zip(&mut rows) {
                if row.as_ref().is_err_and(is_wrong_type) {
                    *row = self.replace_id(message, command(message)).await?;
                }
            }
            verdicts(rows, |at| {
                format!("the retained message of {:?} was not written", messages[at].topic)
            })
        })
    }

    fn clear<'a>(&'a self, topics: &'a [Box<str>]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            let commands = topics
                .iter()
                .map(|topic| Command::new("DEL", self.keys.retained(topic).as_bytes()));
            let replies = self.client.ask(commands.collect()).await?;
            verdicts(plain(replies), |at| {
                format!("the retained message of {:?} was not cleared", topics[at])
            })
        })
    }

    fn lookup<'a>(&'a self, topic: &'a str) -> Work<'a, Asked<Result<Option<KeptMessage>, String>>> {
        Box::pin(async move {
            let mut key = self.keys.retained(topic);
            let mut reply = self
                .client
                .ask_one(Command::new("HGETALL", key.as_bytes()))
                .await?;
            // Newer back ends keep only the id there, and the message under its own key (C7).
            if reply.as_ref().is_err_and(is_wrong_type) {
                match self.client.ask_one(Command::new("GET", key.as_bytes())).await? {
                    Ok(id) => {
                        let Some(id) = text(&id) else { return Ok(Ok(None)) };
                        key = self.keys.message(&id);
                        reply = self
                            .client
                            .ask_one(Command::new("HGETALL", key.as_bytes()))
                            .await?;
                    }
                    Err(error) if is_wrong_type(&error) => {}
                    Err(error) => return Err(away(&format!("{key:?} was not read"), &error)),
                }
            }
            match reply {
                Err(error) if is_state(&error) => Err(away(&format!("{key:?} was not read"), &error)),
                reply => Ok(hash::read(&key, None, topic, reply)),
            }
        })
    }
}

impl Tables {
    /// Writes a hash where an id stood. What is neither is not ours to delete.
    async fn replace_id(&self, message: &KeptMessage, command: Command) -> Asked<Result<(), ServerError>> {
        let key = self.keys.retained(&message.topic);
        if let Err(error) = self.client.ask_one(Command::new("GET", key.as_bytes())).await? {
            return Ok(Err(error));
        }
        let replies = self
            .client
            .ask(vec![Command::new("DEL", key.as_bytes()), command])
            .await?;
        Ok(replies.into_iter().try_for_each(|reply| reply.map(drop)))
    }
}

impl Presence for Tables {
    fn record<'a>(&'a self, node: &'a str, standings: &'a [Standing]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            let members = self.keys.node(node);
            let mut commands = Vec::with_capacity(2 * standings.len());
            for standing in standings {
                let key = self.keys.client(&standing.client);
                let since = (standing.since.0 / 1000).to_string();
                let hash = Command::new("HSET", key.as_bytes());
                if standing.online {
                    commands.push(hash.args(["state", "1", "online_at", &since, "offline_at", "undefined"]));
                    let member = Command::new("HSET", members.as_bytes()).arg(standing.client.as_bytes());
                    commands.push(member.arg(since.as_bytes()));
                } else {
                    commands.push(hash.args(["state", "0", "offline_at", &since]));
                    commands.push(Command::new("HDEL", members.as_bytes()).arg(standing.client.as_bytes()));
                }
            }
            let mut replies = self.client.ask(commands).await?.into_iter();
            let rows = standings.iter().map(|_| {
                let (one, two) = (replies.next(), replies.next());
                [one, two]
                    .into_iter()
                    .flatten()
                    .try_for_each(|reply| reply.map(drop))
            });
            verdicts(rows.collect(), |at| {
                format!("how client {:?} stands was not written", standings[at].client)
            })
        })
    }

    fn online<'a>(
        &'a self,
        node: &'a str,
        after: Option<&'a str>,
        max: usize,
    ) -> Work<'a, Asked<Vec<Box<str>>>> {
        Box::pin(async move {
            let key = self.keys.node(node);
            let clients = match self.client.ask_one(Command::new("HKEYS", key.as_bytes())).await? {
                Ok(Value::Array(clients)) => clients,
                Ok(_) => Vec::new(),
                Err(error) if is_wrong_type(&error) => Vec::new(),
                Err(error) => return Err(away(&format!("{key:?} was not read"), &error)),
            };
            let behind = |client: &String| after.is_none_or(|after| client.as_str() > after);
            let mut page: Vec<String> = clients.iter().filter_map(text).filter(behind).collect();
            page.sort_unstable();
            page.truncate(max);
            Ok(page.into_iter().map(Into::into).collect())
        })
    }
}

fn plain(replies: Vec<Reply>) -> Vec<Result<(), ServerError>> {
    replies.into_iter().map(|reply| reply.map(drop)).collect()
}
