//! The documented tables beside the messages: retained messages, who is connected, subscriptions.

use std::sync::Arc;

use mysql_async::Value as Bound;
use restante_backend::{
    Work,
    messages::KeptMessage,
    sql::{
        layout::{CLIENTS, Documented, RETAINED, SUBSCRIPTIONS},
        row::Row,
        six::{self, Six},
        table::{Kind, Table},
    },
    tables::{Presence, Retained, Standing, SubscriptionRow, Subscriptions},
    trouble::{Asked, Done},
};
use restante_model::UnixMillis;

use crate::{
    client::Client,
    keep::{column, too_long},
    read::{answered, exactly},
    schema::table,
    values::{bound, number, params, text, time},
    write::{self, Step, each},
};

/// Writes rows by their key columns: those that are there are changed, the others made. Not by an insert that finds
/// its row: that uses up a number of the `id` column each time.
async fn upsert(
    client: &Client,
    name: &str,
    keys: &[&str],
    columns: &[&str],
    rows: Vec<Vec<Bound>>,
    refused: &[(usize, String)],
) -> Asked<Vec<Done>> {
    let sets: Vec<String> = columns.iter().map(|column| format!("{column} = ?")).collect();
    let found: Vec<String> = keys.iter().map(|key| format!("{key} = ?")).collect();
    let news: Vec<String> = columns
        .iter()
        .map(|column| format!("{column} = VALUES({column})"))
        .collect();
    let found = found.join(" AND ");
    let update = format!("UPDATE {name} SET {} WHERE {found}", sets.join(", "));
    let insert = format!(
        "INSERT INTO {name} ({}) SELECT {} FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM {name} WHERE {found}) \
         ON DUPLICATE KEY UPDATE {}",
        columns.join(", "),
        vec!["?"; columns.len()].join(", "),
        news.join(", ")
    );
    // The key columns come first; they are asked for once more at the end.
    let rows: Vec<Vec<Bound>> = rows
        .into_iter()
        .map(|mut row| {
            row.extend_from_within(..keys.len());
            row
        })
        .collect();
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
    let mut lease = client.lease().await?;
    let table = answered(client, table(client, &mut lease, documented).await)?;
    lease.release();
    Ok(table)
}

/// A time for a column of either type (C5).
fn time_for(table: &Table, column: &str, at: UnixMillis) -> Bound {
    match table.kind(column) {
        Kind::Integer => number(at.0 / 1000),
        _ => time(at),
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
        let refused: Vec<_> = messages
            .iter()
            .enumerate()
            .filter_map(|(row, message)| Some((row, too_long(&table, message)?)))
            .collect();
        let rows = messages
            .iter()
            .map(|message| columns.iter().map(|name| column(&table, message, name)).collect())
            .collect();
        upsert(&self.client, "mqtt_retain", &["topic"], &columns, rows, &refused).await
    }

    async fn clear_all(&self, topics: &[Box<str>]) -> Asked<Vec<Done>> {
        let sql = format!("DELETE FROM mqtt_retain WHERE topic = ? AND {}", exactly("topic"));
        let rows = topics
            .iter()
            .map(|topic| vec![text(topic), text(topic)])
            .collect();
        each(&self.client, &sql, rows).await
    }

    async fn look_up(&self, topic: &str) -> Asked<Result<Option<KeptMessage>, String>> {
        let mut lease = self.client.lease().await?;
        let sql = format!(
            "SELECT * FROM mqtt_retain WHERE topic = ? AND {}",
            exactly("topic")
        );
        let rows = lease.rows(&sql, params(vec![text(topic), text(topic)])).await;
        let rows = answered(&self.client, rows)?;
        lease.release();
        let Some(row) = rows.first() else {
            return Ok(Ok(None));
        };
        Ok(row
            .message("mqtt_retain", topic, &|payload| payload)
            .map(|found| {
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
                    "offline_at" if online => Bound::NULL,
                    other => time_for(&table, other, standing.since),
                };
                rows.push(columns.iter().map(value).collect());
            }
            let done = upsert(
                &self.client,
                "mqtt_client",
                &["clientid"],
                &columns,
                rows,
                &refused,
            )
            .await?;
            chosen
                .into_iter()
                .zip(done)
                .for_each(|(place, done)| answers[place] = done);
        }
        Ok(answers)
    }

    async fn online_page(&self, node: &str, after: Option<&str>, max: usize) -> Asked<Vec<Box<str>>> {
        let table = look_at(&self.client, &CLIENTS).await?;
        let mut lease = self.client.lease().await?;
        // The documented column is a text of three characters.
        let mut sql = "SELECT clientid FROM mqtt_client WHERE state = '1'".to_owned();
        let mut values = Vec::new();
        if table.has("node") {
            sql.push_str(" AND node = ?");
            values.push(text(node));
        }
        if let Some(after) = after {
            sql.push_str(" AND clientid > ?");
            values.push(text(after));
        }
        sql.push_str(" ORDER BY clientid LIMIT ?");
        values.push(number(max as u64));
        let rows = answered(&self.client, lease.rows(&sql, params(values)).await)?;
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
                let sql = "SELECT clientid, topic, qos FROM mqtt_sub WHERE clientid = ?";
                (sql.to_owned(), vec![text(client)], "mqtt_sub")
            }
        };
        let (mut found, mut unreadable) = (Vec::new(), Vec::new());
        let mut lease = self.client.lease().await?;
        let read = lease
            .each_row(&sql, params(values), |row: Row| {
                match row.subscription(table, client) {
                    Ok(row) if *row.client == *client => found.push(row),
                    Ok(_) => {}
                    Err(sentence) => unreadable.push(sentence),
                }
            })
            .await;
        answered(&self.client, read)?;
        lease.release();
        Ok((found, unreadable))
    }

    async fn write_all(&self, rows: &[SubscriptionRow]) -> Asked<Vec<Done>> {
        if let Some(own) = &self.six.insert_subscription {
            let bind = |row| six::bind(own, |name| six::of_subscription(row, name));
            let rows = rows.iter().map(|row| bind(row).into_iter().map(bound).collect());
            return each(&self.client, &own.text, rows.collect()).await;
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
        upsert(
            &self.client,
            "mqtt_sub",
            &columns[..2],
            &columns,
            values,
            &refused,
        )
        .await
    }

    async fn remove_all(&self, whose: &[(Box<str>, Box<str>)]) -> Asked<Vec<Done>> {
        if let Some(own) = &self.six.delete_subscription {
            let value = |client: &str, filter: &str, name: &str| match name {
                "clientid" => text(client),
                _ => text(filter),
            };
            let bind = |(client, filter): &(Box<str>, Box<str>)| {
                own.variables
                    .iter()
                    .map(|name| value(client, filter, name))
                    .collect()
            };
            return each(&self.client, &own.text, whose.iter().map(bind).collect()).await;
        }
        let sql = format!(
            "DELETE FROM mqtt_sub WHERE clientid = ? AND topic = ? AND {} AND {}",
            exactly("clientid"),
            exactly("topic")
        );
        let row = |(client, filter): &(Box<str>, Box<str>)| {
            vec![text(client), text(filter), text(client), text(filter)]
        };
        each(&self.client, &sql, whose.iter().map(row).collect()).await
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
