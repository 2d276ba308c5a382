//! The tables: as they are made, as they are, and what is missing.

use std::{sync::Arc, time::Duration};

use restante_backend::{
    Work,
    messages::{KeepSpec, Layout},
    sql::{
        Failed,
        layout::{Documented, tables_of},
        row::Row,
        table::{Column, Kind, Table, Width},
    },
    tables::Schema,
    trouble::Asked,
};
use tokio::time::Instant;

use crate::{
    client::{Client, Lease},
    read::answered,
    values::text,
};

/// The tables of seeds 1 and 2, which know MySQL only, as PostgreSQL has them.
const PLUGIN: &[(&str, &str)] = &[
    (
        "mqtt_msg",
        "CREATE TABLE IF NOT EXISTS mqtt_msg (
  id bigserial PRIMARY KEY,
  msgid character varying(64),
  topic character varying(180) NOT NULL,
  sender character varying(64),
  qos smallint NOT NULL DEFAULT 0,
  retain boolean,
  payload bytea,
  arrived timestamp without time zone NOT NULL
);
CREATE INDEX IF NOT EXISTS mqtt_msg_topic ON mqtt_msg (topic, id)",
    ),
    (
        "mqtt_sub",
        "CREATE TABLE IF NOT EXISTS mqtt_sub (
  clientid character varying(64) NOT NULL,
  topic character varying(180) NOT NULL,
  qos smallint NOT NULL DEFAULT 0,
  PRIMARY KEY (clientid, topic)
)",
    ),
];

/// The tables of seed 3: their columns, with bytea for payloads, topics of one width, and an index by topic, without
/// which each fetch reads the whole table.
const BACKENDS: &[(&str, &str)] = &[
    (
        "mqtt_client",
        "CREATE TABLE IF NOT EXISTS mqtt_client (
  id serial PRIMARY KEY,
  clientid character varying(100),
  state integer,
  node character varying(100),
  online_at timestamp without time zone,
  offline_at timestamp without time zone,
  created timestamp without time zone DEFAULT (now() AT TIME ZONE 'UTC'),
  UNIQUE (clientid)
)",
    ),
    (
        "mqtt_sub",
        "CREATE TABLE IF NOT EXISTS mqtt_sub (
  id serial PRIMARY KEY,
  clientid character varying(100),
  topic character varying(200),
  qos integer,
  created timestamp without time zone DEFAULT (now() AT TIME ZONE 'UTC'),
  UNIQUE (clientid, topic)
)",
    ),
    (
        "mqtt_msg",
        "CREATE TABLE IF NOT EXISTS mqtt_msg (
  id serial PRIMARY KEY,
  msgid character varying(60),
  sender character varying(100),
  topic character varying(200),
  qos integer,
  retain integer,
  payload bytea,
  arrived timestamp without time zone
);
CREATE INDEX IF NOT EXISTS mqtt_msg_topic ON mqtt_msg (topic, id)",
    ),
    (
        "mqtt_retain",
        "CREATE TABLE IF NOT EXISTS mqtt_retain (
  id serial PRIMARY KEY,
  topic character varying(200),
  msgid character varying(60),
  sender character varying(100),
  qos integer,
  payload bytea,
  arrived timestamp without time zone,
  UNIQUE (topic)
)",
    ),
    (
        "mqtt_acked",
        "CREATE TABLE IF NOT EXISTS mqtt_acked (
  id serial PRIMARY KEY,
  clientid character varying(100),
  topic character varying(200),
  mid integer,
  created timestamp without time zone DEFAULT (now() AT TIME ZONE 'UTC'),
  UNIQUE (clientid, topic)
)",
    ),
];

const COLUMNS: &str = "SELECT a.attname AS name, t.typname AS kind, a.atttypmod AS modifier, \
    a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS needed \
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
    WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

const INDEXES: &str = "SELECT DISTINCT a.attname AS name FROM pg_index i \
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indrelid = to_regclass($1)";

/// What a type's modifier has on top of the number of characters.
const MODIFIER_HEAD: u64 = 4;

/// The tables of a pool.
pub(crate) struct Tables {
    client: Arc<Client>,
}

impl Tables {
    pub(crate) fn new(client: &Arc<Client>) -> Tables {
        Tables {
            client: Arc::clone(client),
        }
    }

    async fn differences(&self, spec: &KeepSpec) -> Asked<Vec<String>> {
        self.client.forget_tables();
        let lease = self.client.lease().await?;
        let mut found = Vec::new();
        for documented in tables_of(spec) {
            let table = table(&self.client, &lease, documented).await;
            found.extend(answered(&self.client, table)?.differences(documented));
        }
        lease.release();
        Ok(found)
    }

    async fn make(&self, spec: &KeepSpec) -> Asked<()> {
        let lease = self.client.lease().await?;
        for (_, statement) in statements(spec) {
            answered(&self.client, lease.command(statement).await)?;
        }
        lease.release();
        self.client.forget_tables();
        Ok(())
    }
}

impl Schema for Tables {
    fn print(&self, spec: &KeepSpec) -> String {
        statements(spec)
            .map(|(_, statement)| format!("{statement};\n"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn check<'a>(&'a self, spec: &'a KeepSpec) -> Work<'a, Asked<Vec<String>>> {
        Box::pin(self.differences(spec))
    }

    fn install<'a>(&'a self, spec: &'a KeepSpec) -> Work<'a, Asked<()>> {
        Box::pin(self.make(spec))
    }
}

/// The statements that make the tables a keep uses.
fn statements(spec: &KeepSpec) -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = match spec.layout {
        Layout::Plugin => PLUGIN,
        Layout::Backends => BACKENDS,
    };
    let used = tables_of(spec);
    let wanted = move |(name, _): &&(&str, &str)| used.iter().any(|table| table.name == *name);
    all.iter().filter(wanted).copied()
}

/// How long a table is taken to be as it was. Somebody may change a column under a running pool, and a server bends
/// some values to the new type without a word.
const TABLE_TRUSTED: Duration = Duration::from_secs(10);

/// A table as it is. Looked at now and then, and after something in it was refused.
pub(crate) async fn table(
    client: &Client,
    lease: &Lease<'_>,
    documented: &Documented,
) -> Result<Arc<Table>, Failed> {
    if let Some((since, known)) = client.tables.lock().get(documented.name)
        && since.elapsed() < TABLE_TRUSTED
    {
        return Ok(Arc::clone(known));
    }
    let columns = lease.rows(COLUMNS, &[text(documented.name)]).await?;
    let indexes = lease.rows(INDEXES, &[text(documented.name)]).await?;
    let table = Arc::new(Table {
        name: documented.name.to_owned(),
        columns: columns.iter().map(column).collect(),
        indexed: indexes.iter().map(|row| word(row, "name")).collect(),
    });
    // One that is not there may be made at any time.
    if !table.columns.is_empty() {
        client
            .tables
            .lock()
            .insert(documented.name, (Instant::now(), Arc::clone(&table)));
    }
    Ok(table)
}

fn column(row: &Row) -> Column {
    let name = word(row, "kind");
    let kind = match name.as_str() {
        "int2" | "int4" | "int8" => Kind::Integer,
        "numeric" | "float4" | "float8" => Kind::Number,
        "varchar" | "text" | "bpchar" | "name" | "citext" | "json" => Kind::Text,
        "bytea" => Kind::Bytes,
        "timestamp" | "timestamptz" => Kind::Time,
        "bool" => Kind::Flag,
        _ => Kind::Other,
    };
    let modifier = row.cell("modifier").number().ok().flatten();
    let characters = modifier.and_then(|modifier| modifier.checked_sub(MODIFIER_HEAD));
    Column {
        name: word(row, "name"),
        kind,
        width: characters
            .filter(|_| ["varchar", "bpchar"].contains(&name.as_str()))
            .map(Width::Characters),
        must_be_given: row.cell("needed").flag() == Ok(true),
        folds_case: name == "citext",
        type_name: name,
    }
}

fn word(row: &Row, column: &str) -> String {
    row.cell(column).text().ok().flatten().unwrap_or_default()
}
