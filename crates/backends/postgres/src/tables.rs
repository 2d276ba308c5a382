//! The documented tables beside the messages: retained messages, who is connected, subscriptions.

use std::sync::Arc;

use bytes::Bytes;
use restante_backend::{
    Work,
    messages::KeptMessage,
    sql::{
        civil::Civil,
        layout::{CLIENTS, Documented, RETAINED, SUBSCRIPTIONS},
        row::Row,
        six::{self, Six},
        table::{Kind, Table},
    },
    statement::Value,
    tables::{Presence, Retained, Standing, SubscriptionRow, Subscriptions},
    trouble::{Asked, Done},
};
use restante_model::UnixMillis;

use crate::{
    client::Client,
    keep::values,
    payload,
    read::answered,
    schema::table,
    statements::run_template,
    values::{Bound, number, text},
    write::{self, Step, each},
};

/// Writes rows by their key columns, which come first: those that are there are changed, the others made. Not by an
/// insert that finds its row: that uses up a number of the `id` column each time, and there are two thousand million.
pub(crate) async fn upsert(
    client: &Client,
    table: &Table,
    keys: usize,
    columns: &[&str],
    rows: Vec<Vec<Bound>>,
    refused: &[(usize, String)],
) -> Asked<Vec<Done>> {
    let numbered = || {
        columns
            .iter()
            .enumerate()
            .map(|(place, column)| (place + 1, *column))
    };
    let found: Vec<String> = numbered()
        .take(keys)
        .map(|(n, key)| format!("{key} = ${n}"))
        .collect();
    let sets: Vec<String> = numbered()
        .skip(keys)
        .map(|(n, column)| format!("{column} = ${n}"))
        .collect();
    // A parameter in a SELECT is a text unless it is said what it is.
    let of_type = |column: &str| {
        table
            .column(column)
            .map_or("text", |column| column.type_name.as_str())
    };
    let given: Vec<String> = numbered()
        .map(|(n, column)| format!("${n}::{}", of_type(column)))
        .collect();
    let name = &table.name;
    let found = found.join(" AND ");
    let update = format!("UPDATE {name} SET {} WHERE {found}", sets.join(", "));
    let insert = format!(
        "INSERT INTO {name} ({}) SELECT {} WHERE NOT EXISTS (SELECT 1 FROM {name} WHERE {found}) \
         ON CONFLICT DO NOTHING",
        columns.join(", "),
        given.join(", "),
    );
    let steps = [
        Step {
            sql: &update,
            rows: rows.clone(),
            for_missing: false,
        },
        Step {
            sql: &insert,
            rows,
            for_missing: true,
        },
    ];
    write::all(client, &steps, refused).await
}

async fn look_at(client: &Client, documented: &Documented) -> Asked<Arc<Table>> {
    let lease = client.lease().await?;
    let table = answered(client, table(client, &lease, documented).await)?;
    lease.release();
    Ok(table)
}

/// A time for a column of either type (C5).
fn time_for(table: &Table, column: &str, at: UnixMillis) -> Bound {
    match table.kind(column) {
        Kind::Integer => number(at.0 / 1000),
        _ => Bound::Text(Civil::of(at).to_string()),
    }
}

/// `mqtt_retain`.
pub(crate) struct RetainedTable {
    client: Arc<Client>,
}

impl RetainedTable {
    pub(crate) fn new(client: &Arc<Client>) -> RetainedTable {
        RetainedTable {
            client: Arc::clone(client),
        }
    }

    async fn set_all(&self, messages: &[KeptMessage]) -> Asked<Vec<Done>> {
        let table = look_at(&self.client, &RETAINED).await?;
        let all = ["topic", "msgid", "sender", "qos", "payload", "arrived"];
        let columns: Vec<&str> = all
            .into_iter()
            .filter(|name| *name != "sender" || table.has("sender"))
            .collect();
        let (mut rows, mut refused) = (Vec::new(), Vec::new());
        for (place, message) in messages.iter().enumerate() {
            rows.push(
                values(&table, message, &columns, self.client.encoding).unwrap_or_else(|why| {
                    refused.push((place, why));
                    vec![Bound::Null; columns.len()]
                }),
            );
        }
        upsert(&self.client, &table, 1, &columns, rows, &refused).await
    }

    async fn clear_all(&self, topics: &[Box<str>]) -> Asked<Vec<Done>> {
        let sql = "DELETE FROM mqtt_retain WHERE topic = $1";
        let rows = topics.iter().map(|topic| vec![text(topic)]).collect();
        each(&self.client, sql, rows).await
    }

    async fn look_up(&self, topic: &str) -> Asked<Result<Option<KeptMessage>, String>> {
        let lease = self.client.lease().await?;
        let table = answered(&self.client, table(&self.client, &lease, &RETAINED).await)?;
        let rows = lease
            .rows("SELECT * FROM mqtt_retain WHERE topic = $1", &[text(topic)])
            .await;
        let rows = answered(&self.client, rows)?;
        lease.release();
        let encoding = self.client.encoding;
        let is_text = table.kind("payload") == Kind::Text;
        let decode = |stored: Bytes| {
            if is_text {
                payload::decode(stored, encoding)
            } else {
                stored
            }
        };
        // A column that folds case (citext) answers for another topic.
        let is_it = |row: &&Row| {
            row.cell("topic")
                .text()
                .is_ok_and(|found| found.as_deref() == Some(topic))
        };
        let Some(row) = rows.iter().find(is_it) else {
            return Ok(Ok(None));
        };
        Ok(row.message("mqtt_retain", topic, &decode).map(|found| {
            Some(KeptMessage {
                retain: true,
                ..found.message
            })
        }))
    }
}

impl Retained for RetainedTable {
    fn set<'a>(&'a self, messages: &'a [KeptMessage]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(self.set_all(messages))
    }

    fn clear<'a>(&'a self, topics: &'a [Box<str>]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(self.clear_all(topics))
    }

    fn lookup<'a>(&'a self, topic: &'a str) -> Work<'a, Asked<Result<Option<KeptMessage>, String>>> {
        Box::pin(self.look_up(topic))
    }
}

/// `mqtt_client`.
pub(crate) struct ClientTable {
    client: Arc<Client>,
}

impl ClientTable {
    pub(crate) fn new(client: &Arc<Client>) -> ClientTable {
        ClientTable {
            client: Arc::clone(client),
        }
    }

    async fn record_all(&self, node: &str, standings: &[Standing]) -> Asked<Vec<Done>> {
        let table = look_at(&self.client, &CLIENTS).await?;
        let mut answers = vec![Ok(()); standings.len()];
        for online in [true, false] {
            let chosen: Vec<usize> = (0..standings.len())
                .filter(|place| standings[*place].online == online)
                .collect();
            // Who has gone keeps the time of coming.
            let all: &[&str] = match online {
                true => &["clientid", "state", "node", "online_at", "offline_at"],
                false => &["clientid", "state", "node", "offline_at"],
            };
            let columns: Vec<&str> = all
                .iter()
                .copied()
                .filter(|name| *name != "node" || table.has("node"))
                .collect();
            let mut refused = Vec::new();
            let mut rows = Vec::new();
            for (row, place) in chosen.iter().enumerate() {
                let standing = &standings[*place];
                let why = table.too_long("clientid", standing.client.as_bytes());
                refused.extend(why.map(|why| (row, why)));
                let value = |name: &&str| match *name {
                    "clientid" => text(&standing.client),
                    "state" => text(if online { "1" } else { "0" }),
                    "node" => text(node),
                    "offline_at" if online => Bound::Null,
                    other => time_for(&table, other, standing.since),
                };
                rows.push(columns.iter().map(value).collect());
            }
            let done = upsert(&self.client, &table, 1, &columns, rows, &refused).await?;
            chosen
                .into_iter()
                .zip(done)
                .for_each(|(place, done)| answers[place] = done);
        }
        Ok(answers)
    }

    async fn online_page(&self, node: &str, after: Option<&str>, max: usize) -> Asked<Vec<Box<str>>> {
        let table = look_at(&self.client, &CLIENTS).await?;
        let lease = self.client.lease().await?;
        let online = match table.kind("state") {
            Kind::Flag => "state",
            Kind::Text => "state = '1'",
            _ => "state = 1",
        };
        let mut sql = format!("SELECT clientid FROM mqtt_client WHERE {online}");
        let mut values = Vec::new();
        let mut condition = |words: &str, value: Bound| {
            values.push(value);
            sql.push_str(words);
            sql.push_str(&format!(" ${}", values.len()));
        };
        if table.has("node") {
            condition(" AND node =", text(node));
        }
        if let Some(after) = after {
            condition(" AND clientid >", text(after));
        }
        condition(" ORDER BY clientid LIMIT", number(max as u64));
        let rows = answered(&self.client, lease.rows(&sql, &values).await)?;
        lease.release();
        Ok(rows
            .iter()
            .filter_map(|row| row.cell("clientid").text().ok().flatten().map(Into::into))
            .collect())
    }
}

impl Presence for ClientTable {
    fn record<'a>(&'a self, node: &'a str, standings: &'a [Standing]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(self.record_all(node, standings))
    }

    fn online<'a>(
        &'a self,
        node: &'a str,
        after: Option<&'a str>,
        max: usize,
    ) -> Work<'a, Asked<Vec<Box<str>>>> {
        Box::pin(self.online_page(node, after, max))
    }
}

/// `mqtt_sub`, or what the user's templates make of it.
pub(crate) struct SubscriptionTable {
    client: Arc<Client>,
    six: Six,
}

impl SubscriptionTable {
    pub(crate) fn new(client: &Arc<Client>, six: Six) -> SubscriptionTable {
        SubscriptionTable {
            client: Arc::clone(client),
            six,
        }
    }

    async fn of_client(&self, client: &str) -> Asked<(Vec<SubscriptionRow>, Vec<String>)> {
        let (sql, values, table) = match &self.six.select_subscriptions {
            Some(own) => {
                let values = own.variables.iter().map(|_| text(client)).collect();
                (own.text.clone(), values, "select_subscriptions_sql")
            }
            None => {
                let sql = "SELECT clientid, topic, qos FROM mqtt_sub WHERE clientid = $1";
                (sql.to_owned(), vec![text(client)], "mqtt_sub")
            }
        };
        let (mut found, mut unreadable) = (Vec::new(), Vec::new());
        let lease = self.client.lease().await?;
        let read = lease
            .each_row(&sql, &values, |row: Row| match row.subscription(table, client) {
                Ok(row) if *row.client == *client => found.push(row),
                Ok(_) => {}
                Err(sentence) => unreadable.push(sentence),
            })
            .await;
        answered(&self.client, read)?;
        lease.release();
        Ok((found, unreadable))
    }

    async fn write_all(&self, rows: &[SubscriptionRow]) -> Asked<Vec<Done>> {
        if let Some(own) = &self.six.insert_subscription {
            let bind = |row| six::bind(own, |name| six::of_subscription(row, name));
            let rows: Vec<Vec<Value>> = rows.iter().map(bind).collect();
            return run_template(&self.client, own, &rows).await;
        }
        let table = look_at(&self.client, &SUBSCRIPTIONS).await?;
        let long = |row: &SubscriptionRow| {
            let client = table.too_long("clientid", row.client.as_bytes());
            client.or_else(|| table.too_long("topic", row.filter.as_bytes()))
        };
        let refused: Vec<_> = rows
            .iter()
            .enumerate()
            .filter_map(|(place, row)| Some((place, long(row)?)))
            .collect();
        let values = rows
            .iter()
            .map(|row| vec![text(&row.client), text(&row.filter), number(row.qos as u64)])
            .collect();
        let columns = ["clientid", "topic", "qos"];
        upsert(&self.client, &table, 2, &columns, values, &refused).await
    }

    async fn remove_all(&self, whose: &[(Box<str>, Box<str>)]) -> Asked<Vec<Done>> {
        if let Some(own) = &self.six.delete_subscription {
            let value = |client: &str, filter: &str, name: &str| match name {
                "clientid" => Value::Text(client.into()),
                _ => Value::Text(filter.into()),
            };
            let bind = |(client, filter): &(Box<str>, Box<str>)| {
                own.variables
                    .iter()
                    .map(|name| value(client, filter, name))
                    .collect()
            };
            let rows: Vec<Vec<Value>> = whose.iter().map(bind).collect();
            return run_template(&self.client, own, &rows).await;
        }
        let sql = "DELETE FROM mqtt_sub WHERE clientid = $1 AND topic = $2";
        let row = |(client, filter): &(Box<str>, Box<str>)| vec![text(client), text(filter)];
        each(&self.client, sql, whose.iter().map(row).collect()).await
    }
}

impl Subscriptions for SubscriptionTable {
    fn of<'a>(&'a self, client: &'a str) -> Work<'a, Asked<(Vec<SubscriptionRow>, Vec<String>)>> {
        Box::pin(self.of_client(client))
    }

    fn write<'a>(&'a self, rows: &'a [SubscriptionRow]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(self.write_all(rows))
    }

    fn remove<'a>(&'a self, whose: &'a [(Box<str>, Box<str>)]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(self.remove_all(whose))
    }
}
