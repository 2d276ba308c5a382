//! The messages of a keep.

use std::{collections::HashMap, sync::Arc};

use mysql_async::Value as Bound;
use restante_backend::{
    Work,
    messages::{Appended, Fetch, Fetched, KeepSpec, KeptMessage, Layout, Mark, Messages, Place, TopicPage},
    sql::{
        Failed,
        layout::{MARKS, MESSAGES},
        six::{self, Six},
        table::{Kind, Table},
        trial::Trial,
    },
    statement::Value,
    stored_id::StoredId,
    trouble::{Asked, Done, Refused},
};

use crate::{
    client::{Client, Lease},
    read::{self, answered, exactly},
    schema::table,
    values::{bound, number, params, size, text, time},
    write::{self, Step, after, batches, each, refuse_giants},
};

/// The messages of one keep.
pub(crate) struct Keep {
    client: Arc<Client>,
    layout: Layout,
    six: Six,
}

/// The columns that are written, in their order; those that a table lacks are left out.
const COLUMNS: &[&str] = &["msgid", "sender", "topic", "qos", "retain", "payload", "arrived"];

impl Keep {
    pub(crate) fn new(client: &Arc<Client>, spec: &KeepSpec, six: Six) -> Keep {
        Keep {
            client: Arc::clone(client),
            layout: spec.layout,
            six,
        }
    }

    async fn mark_now(&self) -> Asked<Option<u64>> {
        if self.six.insert_message.is_some() {
            return Ok(None);
        }
        let mut lease = self.client.lease().await?;
        let highest = read::highest(&self.client, &mut lease).await?;
        lease.release();
        Ok(Some(highest))
    }

    async fn append_all(&self, messages: &[KeptMessage], above: Option<u64>) -> Asked<Vec<Appended>> {
        if let Some(template) = &self.six.insert_message {
            let bind = |message| six::bind(template, |name| six::of_message(message, name));
            let rows = messages
                .iter()
                .map(|message| bind(message).into_iter().map(bound).collect());
            let done = each(&self.client, &template.text, rows.collect()).await?;
            return Ok(done.into_iter().map(|done| done.map(|()| None)).collect());
        }
        let mut lease = self.client.lease().await?;
        let there = match above {
            Some(mark) => {
                let ids: Vec<&StoredId> = messages.iter().map(|message| &message.id).collect();
                read::above(&self.client, &mut lease, mark, &ids)
                    .await?
                    .into_iter()
                    .collect()
            }
            None => HashMap::new(),
        };
        let table = answered(&self.client, table(&self.client, &mut lease, &MESSAGES).await)?;
        let fresh: Vec<&KeptMessage> = messages
            .iter()
            .filter(|message| !there.contains_key(&message.id))
            .collect();
        let mut appended = insert(&self.client, &mut lease, &table, &fresh)
            .await?
            .into_iter();
        lease.release();
        let answer = |message: &KeptMessage| match there.get(&message.id) {
            Some(row) => Ok(Some(*row)),
            None => appended.next().unwrap_or(Ok(None)),
        };
        Ok(messages.iter().map(answer).collect())
    }

    async fn delete_all(&self, gone: &[(Box<str>, Place)]) -> Asked<Vec<Done>> {
        if let Some(template) = &self.six.delete_message {
            let value = |topic: &str, place: &Place, name: &str| match name {
                "id" => text(place.id.text()),
                _ => text(topic),
            };
            let bind = |(topic, place): &(Box<str>, Place)| {
                template
                    .variables
                    .iter()
                    .map(|name| value(topic, place, name))
                    .collect()
            };
            return each(&self.client, &template.text, gone.iter().map(bind).collect()).await;
        }
        // A row's number may be given again after it is gone, so its id must be the same too.
        let by_row = format!(
            "DELETE FROM mqtt_msg WHERE id = ? AND ({} OR COALESCE(msgid, '') = '')",
            exactly("msgid")
        );
        let by_id = format!(
            "DELETE FROM mqtt_msg WHERE topic = ? AND msgid = ? AND {} AND {}",
            exactly("topic"),
            exactly("msgid")
        );
        let (mut numbered, mut named) = (Vec::new(), Vec::new());
        for (topic, place) in gone {
            let id = || text(place.id.text());
            match place.row {
                Some(row) => numbered.push(vec![number(row), id()]),
                None => named.push(vec![text(topic), id(), text(topic), id()]),
            }
        }
        let mut numbered = each(&self.client, &by_row, numbered).await?.into_iter();
        let mut named = each(&self.client, &by_id, named).await?.into_iter();
        let answer = |(_, place): &(Box<str>, Place)| match place.row {
            Some(_) => numbered.next().unwrap_or(Ok(())),
            None => named.next().unwrap_or(Ok(())),
        };
        Ok(gone.iter().map(answer).collect())
    }

    async fn acknowledge_all(&self, marks: &[Mark]) -> Asked<Vec<Done>> {
        let mut lease = self.client.lease().await?;
        let table = answered(&self.client, table(&self.client, &mut lease, &MARKS).await)?;
        lease.release();
        let mut refused = Vec::new();
        let (mut updates, mut inserts) = (Vec::new(), Vec::new());
        for (place, mark) in marks.iter().enumerate() {
            let (client, topic) = (text(&mark.client), text(&mark.topic));
            let long = table
                .too_long("clientid", mark.client.as_bytes())
                .or_else(|| table.too_long("topic", mark.topic.as_bytes()));
            let why = long.or_else(|| match mark.place.row {
                Some(_) => None,
                None => Some(format!(
                    "message {:?} has no known row number to write as mid",
                    mark.place.id
                )),
            });
            refused.extend(why.map(|why| (place, why)));
            let mid = number(mark.place.row.unwrap_or(0));
            updates.push(vec![
                client.clone(),
                topic.clone(),
                mid.clone(),
                client.clone(),
                topic.clone(),
            ]);
            inserts.push(vec![client.clone(), topic.clone(), mid, client, topic]);
        }
        let steps = [
            Step {
                sql: "UPDATE mqtt_acked SET clientid = ?, topic = ?, mid = ? WHERE clientid = ? AND topic = ?",
                rows: updates,
                for_missing: false,
            },
            Step {
                sql: INSERT_MARK,
                rows: inserts,
                for_missing: true,
            },
        ];
        write::all(&self.client, &steps, &refused).await
    }

    async fn forget_all(&self, whose: &[(Box<str>, Box<str>)]) -> Asked<Vec<Done>> {
        let sql = format!(
            "DELETE FROM mqtt_acked WHERE clientid = ? AND topic = ? AND {} AND {}",
            exactly("clientid"),
            exactly("topic")
        );
        let row = |(client, topic): &(Box<str>, Box<str>)| {
            vec![text(client), text(topic), text(client), text(topic)]
        };
        each(&self.client, &sql, whose.iter().map(row).collect()).await
    }
}

/// Only where there is none: an insert that finds its row uses up a number of the `id` column all the same, and there
/// are four thousand million of them.
const INSERT_MARK: &str = "INSERT INTO mqtt_acked (clientid, topic, mid) SELECT ?, ?, ? FROM DUAL \
    WHERE NOT EXISTS (SELECT 1 FROM mqtt_acked WHERE clientid = ? AND topic = ?) \
    ON DUPLICATE KEY UPDATE mid = VALUES(mid)";

/// The values of a message by the documented columns.
pub(crate) fn column(table: &Table, message: &KeptMessage, name: &str) -> Bound {
    match name {
        "msgid" => text(message.id.text()),
        "sender" => text(&message.sender),
        "topic" => text(&message.topic),
        "qos" => bound(Value::Int(message.qos as i64)),
        "retain" => bound(Value::Bool(message.retain)),
        "payload" => Bound::Bytes(message.payload.to_vec()),
        _ => match table.kind(name) {
            Kind::Integer => number(message.arrived.0 / 1000),
            _ => time(message.arrived),
        },
    }
}

/// Why a message does not go into a table.
pub(crate) fn too_long(table: &Table, message: &KeptMessage) -> Option<String> {
    let sizes: [(&str, &[u8]); 4] = [
        ("topic", message.topic.as_bytes()),
        ("msgid", message.id.text().as_bytes()),
        ("sender", message.sender.as_bytes()),
        ("payload", &message.payload),
    ];
    sizes
        .into_iter()
        .find_map(|(column, value)| table.too_long(column, value))
}

/// Inserts messages, many in one command, and learns the numbers of their rows.
async fn insert(
    client: &Client,
    lease: &mut Lease<'_>,
    table: &Table,
    messages: &[&KeptMessage],
) -> Asked<Vec<Appended>> {
    let Some(server) = lease.server().filter(|_| !messages.is_empty()) else {
        return Ok(Vec::new());
    };
    let columns: Vec<&str> = COLUMNS
        .iter()
        .copied()
        .filter(|name| table.columns.is_empty() || table.has(name) || !["sender", "retain"].contains(name))
        .collect();
    let rows: Vec<Vec<Bound>> = messages
        .iter()
        .map(|message| columns.iter().map(|name| column(table, message, name)).collect())
        .collect();
    let sizes: Vec<usize> = rows.iter().map(|row| size(row)).collect();
    let mut trial = Trial::of(rows.len(), batches(&sizes, server.packet_max / 2));
    for (row, message) in messages.iter().enumerate() {
        if let Some(why) = too_long(table, message) {
            trial.refuse_beforehand(row, &why);
        }
    }
    refuse_giants(&mut trial, &sizes, server.packet_max);
    let mut numbers = vec![None; rows.len()];
    let one = format!("({})", vec!["?"; columns.len()].join(", "));
    while let Some(batch) = trial.batch() {
        let returning = if server.returning && table.has("id") {
            " RETURNING id"
        } else {
            ""
        };
        let sql = format!(
            "INSERT INTO mqtt_msg ({}) VALUES {}{returning}",
            columns.join(", "),
            vec![one.as_str(); batch.len()].join(", ")
        );
        let values = params(rows[batch.clone()].concat());
        let inserted = match returning.is_empty() {
            false => lease.rows(&sql, values).await.map(|rows| {
                let ids = rows.iter().map(|row| row.cell("id").number().ok().flatten());
                ids.collect::<Vec<_>>()
            }),
            // The numbers of one such command follow one another.
            true => lease.run(&sql, values).await.map(|(_, first)| {
                let first = first.filter(|first| *first > 0);
                (0..batch.len() as u64)
                    .map(|n| first.map(|first| first + n * server.step))
                    .collect()
            }),
        };
        match inserted {
            Ok(ids) => {
                batch.zip(ids).for_each(|(row, id)| numbers[row] = id);
                trial.passed();
            }
            Err(Failed::Statement(why)) if returning.is_empty() || !why.contains("'id'") => {
                after(client, lease, &mut trial, Failed::Statement(why)).await?;
            }
            Err(failed) => after(client, lease, &mut trial, failed).await?,
        }
    }
    let answers = trial.into_done().into_iter().zip(numbers);
    Ok(answers.map(|(done, row)| done.map(|()| row)).collect())
}

impl Messages for Keep {
    fn mark(&self) -> Work<'_, Asked<Option<u64>>> {
        Box::pin(self.mark_now())
    }

    fn append<'a>(
        &'a self,
        messages: &'a [KeptMessage],
        above: Option<u64>,
    ) -> Work<'a, Asked<Vec<Appended>>> {
        Box::pin(self.append_all(messages, above))
    }

    fn fetch<'a>(&'a self, fetch: &'a Fetch<'a>) -> Work<'a, Asked<Fetched>> {
        match &self.six.select_message {
            Some(select) => Box::pin(read::fetch_by(&self.client, select, fetch)),
            None => Box::pin(read::fetch(&self.client, fetch)),
        }
    }

    fn newest<'a>(&'a self, topic: &'a str) -> Work<'a, Asked<Option<Place>>> {
        match &self.six.select_message {
            Some(select) => Box::pin(read::newest_by(&self.client, select, topic)),
            None => Box::pin(read::newest(&self.client, topic)),
        }
    }

    fn delete<'a>(&'a self, gone: &'a [(Box<str>, Place)]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(self.delete_all(gone))
    }

    fn position<'a>(&'a self, client: &'a str, topic: &'a str) -> Work<'a, Asked<Option<Place>>> {
        match self.layout {
            Layout::Plugin => Box::pin(async { Ok(None) }),
            Layout::Backends => Box::pin(read::position(&self.client, client, topic)),
        }
    }

    fn acknowledge<'a>(&'a self, marks: &'a [Mark]) -> Work<'a, Asked<Vec<Done>>> {
        match self.layout {
            Layout::Plugin => Box::pin(async { Ok(vec![Ok(()); marks.len()]) }),
            Layout::Backends => Box::pin(self.acknowledge_all(marks)),
        }
    }

    fn forget<'a>(&'a self, whose: &'a [(Box<str>, Box<str>)]) -> Work<'a, Asked<Vec<Done>>> {
        match self.layout {
            Layout::Plugin => Box::pin(async { Ok(vec![Ok::<(), Refused>(()); whose.len()]) }),
            Layout::Backends => Box::pin(self.forget_all(whose)),
        }
    }

    fn topics<'a>(&'a self, after: Option<&'a str>, max: usize) -> Work<'a, Asked<Option<TopicPage>>> {
        match self.six.select_message {
            Some(_) => Box::pin(async { Ok(None) }),
            None => Box::pin(read::topics(&self.client, after, max)),
        }
    }
}
