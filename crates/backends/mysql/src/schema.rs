//! The tables: as they are made, as they are, and what is missing.

use std::{sync::Arc, time::Duration};

use mysql_async::Params;
use restante_backend::{
    Work,
    messages::{KeepSpec, Layout},
    sql::{
        Failed,
        cell::Cell,
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
    values::{params, text},
};

/// The tables of seeds 1 and 2: their columns, and a collation that knows upper from lower case, as MQTT does.
const PLUGIN: &[(&str, &str)] = &[
    (
        "mqtt_msg",
        "CREATE TABLE IF NOT EXISTS `mqtt_msg` (
  `id` bigint unsigned NOT NULL AUTO_INCREMENT,
  `msgid` varchar(64) DEFAULT NULL,
  `topic` varchar(180) NOT NULL,
  `sender` varchar(64) DEFAULT NULL,
  `qos` tinyint(1) NOT NULL DEFAULT '0',
  `retain` tinyint(1) DEFAULT NULL,
  `payload` blob,
  `arrived` datetime NOT NULL,
  PRIMARY KEY (`id`),
  INDEX `topic_index` (`topic`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    ),
    (
        "mqtt_sub",
        "CREATE TABLE IF NOT EXISTS `mqtt_sub` (
  `clientid` varchar(64) NOT NULL,
  `topic` varchar(180) NOT NULL,
  `qos` tinyint(1) NOT NULL DEFAULT '0',
  PRIMARY KEY (`clientid`, `topic`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    ),
];

/// The tables of seed 3: their columns; utf8mb4 instead of utf8, which has no characters of four bytes; an index by
/// topic, without which each fetch reads the whole table.
const BACKENDS: &[(&str, &str)] = &[
    (
        "mqtt_client",
        "CREATE TABLE IF NOT EXISTS `mqtt_client` (
  `id` int(11) unsigned NOT NULL AUTO_INCREMENT,
  `clientid` varchar(64) DEFAULT NULL,
  `state` varchar(3) DEFAULT NULL,
  `node` varchar(100) DEFAULT NULL,
  `online_at` datetime DEFAULT NULL,
  `offline_at` datetime DEFAULT NULL,
  `created` timestamp NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (`id`),
  KEY `mqtt_client_idx` (`clientid`),
  UNIQUE KEY `mqtt_client_key` (`clientid`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    ),
    (
        "mqtt_sub",
        "CREATE TABLE IF NOT EXISTS `mqtt_sub` (
  `id` int(11) unsigned NOT NULL AUTO_INCREMENT,
  `clientid` varchar(64) DEFAULT NULL,
  `topic` varchar(255) DEFAULT NULL,
  `qos` int(3) DEFAULT NULL,
  `created` timestamp NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (`id`),
  KEY `mqtt_sub_idx` (`clientid`,`topic`(255),`qos`),
  UNIQUE KEY `mqtt_sub_key` (`clientid`,`topic`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    ),
    (
        "mqtt_msg",
        "CREATE TABLE IF NOT EXISTS `mqtt_msg` (
  `id` int(11) unsigned NOT NULL AUTO_INCREMENT,
  `msgid` varchar(100) DEFAULT NULL,
  `topic` varchar(1024) NOT NULL,
  `sender` varchar(1024) DEFAULT NULL,
  `node` varchar(60) DEFAULT NULL,
  `qos` int(11) NOT NULL DEFAULT '0',
  `retain` tinyint(2) DEFAULT NULL,
  `payload` blob,
  `arrived` datetime NOT NULL,
  PRIMARY KEY (`id`),
  KEY `mqtt_msg_topic` (`topic`(180))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    ),
    (
        "mqtt_retain",
        "CREATE TABLE IF NOT EXISTS `mqtt_retain` (
  `id` int(11) unsigned NOT NULL AUTO_INCREMENT,
  `topic` varchar(200) DEFAULT NULL,
  `msgid` varchar(60) DEFAULT NULL,
  `sender` varchar(100) DEFAULT NULL,
  `node` varchar(100) DEFAULT NULL,
  `qos` int(2) DEFAULT NULL,
  `payload` blob,
  `arrived` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (`id`),
  UNIQUE KEY `mqtt_retain_key` (`topic`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    ),
    (
        "mqtt_acked",
        "CREATE TABLE IF NOT EXISTS `mqtt_acked` (
  `id` int(11) unsigned NOT NULL AUTO_INCREMENT,
  `clientid` varchar(200) DEFAULT NULL,
  `topic` varchar(200) DEFAULT NULL,
  `mid` int(200) DEFAULT NULL,
  `created` timestamp NULL DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `mqtt_acked_key` (`clientid`,`topic`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    ),
];

const COLUMNS: &str = "SELECT COLUMN_NAME AS name, DATA_TYPE AS kind, COLUMN_TYPE AS type, \
    CHARACTER_MAXIMUM_LENGTH AS characters, CHARACTER_OCTET_LENGTH AS bytes, IS_NULLABLE AS nullable, \
    COLUMN_DEFAULT AS standard, EXTRA AS extra, COLLATION_NAME AS collation_name \
    FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION";

const INDEXES: &str = "SELECT DISTINCT COLUMN_NAME AS name FROM information_schema.STATISTICS \
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND SEQ_IN_INDEX = 1";

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
        let mut lease = self.client.lease().await?;
        let mut found = Vec::new();
        for documented in tables_of(spec) {
            let table = table(&self.client, &mut lease, documented).await;
            found.extend(answered(&self.client, table)?.differences(documented));
        }
        lease.release();
        Ok(found)
    }

    async fn make(&self, spec: &KeepSpec) -> Asked<()> {
        let mut lease = self.client.lease().await?;
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
    lease: &mut Lease<'_>,
    documented: &Documented,
) -> Result<Arc<Table>, Failed> {
    if let Some((since, known)) = client.tables.lock().get(documented.name)
        && since.elapsed() < TABLE_TRUSTED
    {
        return Ok(Arc::clone(known));
    }
    let name = || -> Params { params(vec![text(documented.name)]) };
    let columns = lease.rows(COLUMNS, name()).await?;
    let indexes = lease.rows(INDEXES, name()).await?;
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
    let kind = match word(row, "kind").to_ascii_lowercase().as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => Kind::Integer,
        "decimal" | "float" | "double" => Kind::Number,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "json" | "enum" => Kind::Text,
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Kind::Bytes,
        "datetime" | "timestamp" => Kind::Time,
        "bit" => Kind::Flag,
        _ => Kind::Other,
    };
    let in_characters = word(row, "kind").to_ascii_lowercase().ends_with("char");
    let length = |column| row.cell(column).number().ok().flatten();
    let width = match (kind, in_characters) {
        (Kind::Text, true) => length("characters").map(Width::Characters),
        (Kind::Text | Kind::Bytes, _) => length("bytes").map(Width::Bytes),
        _ => None,
    };
    let collation = word(row, "collation_name");
    let exact = collation.ends_with("_bin") || collation.contains("_cs") || collation == "binary";
    let extra = word(row, "extra").to_ascii_lowercase();
    let no_default = *row.cell("standard") == Cell::Null;
    Column {
        name: word(row, "name"),
        type_name: word(row, "type"),
        kind,
        width,
        must_be_given: word(row, "nullable") == "NO"
            && no_default
            && !extra.contains("auto_increment")
            && !extra.contains("generated"),
        folds_case: !collation.is_empty() && !exact,
    }
}

fn word(row: &Row, column: &str) -> String {
    row.cell(column).text().ok().flatten().unwrap_or_default()
}
