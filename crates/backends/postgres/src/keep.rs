//! The messages of a keep.

use std::{collections::HashMap, sync::Arc};

use restante_backend::{
    Work,
    messages::{Appended, Fetch, Fetched, KeepSpec, KeptMessage, Layout, Mark, Messages, Place, TopicPage},
    sql::{
        Failed,
        civil::Civil,
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
    config::PayloadEncoding,
    payload,
    read::{self, answered},
    schema::table,
    statements::run_template,
    tables::upsert,
    values::{Bound, number, text},
    write::{after, batches, each},
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
        let lease = self.client.lease().await?;
        let highest = read::highest(&self.client, &lease).await?;
        lease.release();
        Ok(Some(highest))
    }

    async fn append_all(&self, messages: &[KeptMessage], above: Option<u64>) -> Asked<Vec<Appended>> {
        if let Some(template) = &self.six.insert_message {
            let bind = |message| six::bind(template, |name| six::of_message(message, name));
            let rows: Vec<Vec<Value>> = messages.iter().map(bind).collect();
            let done = run_template(&self.client, template, &rows).await?;
            return Ok(done.into_iter().map(|done| done.map(|()| None)).collect());
        }
        let lease = self.client.lease().await?;
        let there = match above {
            Some(mark) => {
                let ids: Vec<&StoredId> = messages.iter().map(|message| &message.id).collect();
                read::above(&self.client, &lease, mark, &ids)
                    .await?
                    .into_iter()
                    .collect()
            }
            None => HashMap::new(),
        };
        let table = answered(&self.client, table(&self.client, &lease, &MESSAGES).await)?;
        let fresh: Vec<&KeptMessage> = messages
            .iter()
            .filter(|message| !there.contains_key(&message.id))
            .collect();
        let mut appended = insert(&self.client, &lease, &table, &fresh).await?.into_iter();
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
                "id" => Value::Text(place.id.text().into()),
                _ => Value::Text(topic.into()),
            };
            let bind = |(topic, place): &(Box<str>, Place)| {
                template
                    .variables
                    .iter()
                    .map(|name| value(topic, place, name))
                    .collect()
            };
            let rows: Vec<Vec<Value>> = gone.iter().map(bind).collect();
            return run_template(&self.client, template, &rows).await;
        }
        let (mut rows, mut ids, mut named) = (Vec::new(), Vec::new(), Vec::new());
        for (topic, place) in gone {
            match place.row {
                Some(row) => {
                    rows.push(i64::try_from(row).unwrap_or(i64::MAX));
                    ids.push(place.id.text().to_owned());
                }
                None => named.push(vec![text(topic), text(place.id.text())]),
            }
        }
        // Nothing in a row that is only deleted by its number can be refused but all of them.
        let numbered = match rows.is_empty() {
            true => Vec::new(),
            false => {
                each(
                    &self.client,
                    BY_ROW,
                    vec![vec![Bound::Ints(rows), Bound::Texts(ids)]],
                )
                .await?
            }
        };
        let numbered = numbered.into_iter().next().unwrap_or(Ok(()));
        let by_id = "DELETE FROM mqtt_msg WHERE topic = $1 AND msgid = $2";
        let mut named = each(&self.client, by_id, named).await?.into_iter();
        let answer = |(_, place): &(Box<str>, Place)| match place.row {
            Some(_) => numbered.clone(),
            None => named.next().unwrap_or(Ok(())),
        };
        Ok(gone.iter().map(answer).collect())
    }

    async fn acknowledge_all(&self, marks: &[Mark]) -> Asked<Vec<Done>> {
        let lease = self.client.lease().await?;
        let table = answered(&self.client, table(&self.client, &lease, &MARKS).await)?;
        lease.release();
        let mut refused = Vec::new();
        let mut rows = Vec::new();
        for (place, mark) in marks.iter().enumerate() {
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
            rows.push(vec![
                text(&mark.client),
                text(&mark.topic),
                number(mark.place.row.unwrap_or(0)),
            ]);
        }
        upsert(
            &self.client,
            &table,
            2,
            &["clientid", "topic", "mid"],
            rows,
            &refused,
        )
        .await
    }

    async fn forget_all(&self, whose: &[(Box<str>, Box<str>)]) -> Asked<Vec<Done>> {
        let sql = "DELETE FROM mqtt_acked WHERE clientid = $1 AND topic = $2";
        let row = |(client, topic): &(Box<str>, Box<str>)| vec![text(client), text(topic)];
        each(&self.client, sql, whose.iter().map(row).collect()).await
    }
}

/// A row's number may be given again where the table was made anew, so its id must be the same too.
const BY_ROW: &str = "DELETE FROM mqtt_msg USING unnest($1::bigint[], $2::text[]) AS gone(id, msgid) \
    WHERE mqtt_msg.id = gone.id AND (mqtt_msg.msgid = gone.msgid OR COALESCE(mqtt_msg.msgid, '') = '')";

/// The value of a message for a documented column, as a text.
pub(crate) fn column(
    table: &Table,
    message: &KeptMessage,
    name: &str,
    encoding: PayloadEncoding,
) -> Result<Bound, String> {
    Ok(match name {
        "msgid" => text(message.id.text()),
        "sender" => text(&message.sender),
        "topic" => text(&message.topic),
        "qos" => text(&(message.qos as u8).to_string()),
        "retain" => text(if message.retain { "1" } else { "0" }),
        "payload" => match table.kind("payload") {
            Kind::Text => Bound::Text(payload::encode(&message.payload, encoding)?),
            _ => Bound::Bytes(message.payload.clone()),
        },
        _ => match table.kind(name) {
            Kind::Integer => text(&(message.arrived.0 / 1000).to_string()),
            _ => Bound::Text(Civil::of(message.arrived).to_string()),
        },
    })
}

/// The values of a message by columns, or why it does not go into the table.
pub(crate) fn values(
    table: &Table,
    message: &KeptMessage,
    columns: &[&str],
    encoding: PayloadEncoding,
) -> Result<Vec<Bound>, String> {
    let sizes: [(&str, &[u8]); 3] = [
        ("topic", message.topic.as_bytes()),
        ("msgid", message.id.text().as_bytes()),
        ("sender", message.sender.as_bytes()),
    ];
    let all: Result<Vec<Bound>, String> = columns
        .iter()
        .map(|name| column(table, message, name, encoding))
        .collect();
    let too_long = sizes
        .into_iter()
        .find_map(|(column, value)| table.too_long(column, value));
    let stored = all?;
    let payload = columns.iter().zip(&stored).find_map(|(name, value)| match value {
        Bound::Text(text) if *name == "payload" => table.too_long("payload", text.as_bytes()),
        _ => None,
    });
    too_long.or(payload).map_or(Ok(stored), Err)
}

/// Inserts messages, many in one command, and learns the numbers of their rows.
async fn insert(
    client: &Client,
    lease: &Lease<'_>,
    table: &Table,
    messages: &[&KeptMessage],
) -> Asked<Vec<Appended>> {
    let columns: Vec<&str> = COLUMNS
        .iter()
        .copied()
        .filter(|name| table.columns.is_empty() || table.has(name) || !["sender", "retain"].contains(name))
        .collect();
    let sql = insert_statement(table, &columns);
    let mut trial = Trial::of(messages.len(), batches(messages.len()));
    let mut rows = Vec::with_capacity(messages.len());
    for (row, message) in messages.iter().enumerate() {
        rows.push(
            values(table, message, &columns, client.encoding).unwrap_or_else(|why| {
                trial.refuse_beforehand(row, &why);
                Vec::new()
            }),
        );
    }
    let mut numbers = vec![None; rows.len()];
    let mut renewed = false;
    while let Some(batch) = trial.batch() {
        let arrays: Vec<Bound> = (0..columns.len())
            .map(|place| array(&rows[batch.clone()], place))
            .collect();
        match inserted(lease, &sql, &arrays).await {
            Ok(ids) => {
                batch.zip(ids).for_each(|(row, id)| numbers[row] = id);
                trial.passed();
            }
            Err(failed) => after(client, lease, &mut trial, failed, &mut renewed).await?,
        }
    }
    let answers = trial.into_done().into_iter().zip(numbers);
    Ok(answers.map(|(done, row)| done.map(|()| row)).collect())
}

async fn inserted(lease: &Lease<'_>, sql: &str, arrays: &[Bound]) -> Result<Vec<Option<u64>>, Failed> {
    let rows = lease.rows(sql, arrays).await?;
    Ok(rows
        .iter()
        .map(|row| row.cell("id").number().ok().flatten())
        .collect())
}

/// One statement whatever the number of rows: each column is an array. Texts become what the column is; the types have
/// no length here, so that the server refuses what is too long and does not cut it.
fn insert_statement(table: &Table, columns: &[&str]) -> String {
    let array = |(place, name): (usize, &&str)| match table.kind(name) {
        Kind::Bytes => format!("${}::bytea[]", place + 1),
        _ => format!("${}::text[]", place + 1),
    };
    let value = |name: &&str| match table
        .column(name)
        .map(|column| (column.kind, column.type_name.as_str()))
    {
        None | Some((Kind::Bytes, _)) => format!("given.{name}"),
        Some((_, type_name)) => format!("CAST(given.{name} AS {type_name})"),
    };
    format!(
        "INSERT INTO mqtt_msg ({}) SELECT {} FROM unnest({}) AS given({}) RETURNING {}",
        columns.join(", "),
        columns.iter().map(value).collect::<Vec<_>>().join(", "),
        columns
            .iter()
            .enumerate()
            .map(array)
            .collect::<Vec<_>>()
            .join(", "),
        columns.join(", "),
        if table.has("id") { "id" } else { "NULL AS id" }
    )
}

/// A column of some rows.
fn array(rows: &[Vec<Bound>], place: usize) -> Bound {
    let texts: Option<Vec<String>> = rows
        .iter()
        .map(|row| match &row[place] {
            Bound::Text(text) => Some(text.clone()),
            _ => None,
        })
        .collect();
    texts.map(Bound::Texts).unwrap_or_else(|| {
        let bytes = rows.iter().map(|row| match &row[place] {
            Bound::Bytes(bytes) => bytes.clone(),
            _ => Default::default(),
        });
        Bound::Blobs(bytes.collect())
    })
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
