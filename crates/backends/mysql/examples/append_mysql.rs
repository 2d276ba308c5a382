//! How fast messages are appended, beside the driver's own best at the same work: `cargo run --release --example append_mysql`.
//! Needs the server's package; prints rows per second.

// A tool of ours: what goes wrong may end it.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, time::Instant};

use restante_backend::{
    Backend,
    messages::{KeepSpec, KeptMessage, Layout, Mode},
    stored_id::StoredId,
};
use restante_model::{MessageId, QoS, UnixMillis};
use restante_mysql::{Config, MySql};
use restante_testkit::databases::MariaDb;

/// Rows in one command, and commands.
const BATCH: usize = 512;
const BATCHES: usize = 100;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(compare());
}

async fn compare() {
    let Some(database) = MariaDb::database() else {
        return;
    };
    let pool = MySql::new(&Config {
        server: format!("{}:{}", database.login.host, database.login.port),
        database: database.name.clone(),
        username: database.login.username.clone(),
        password: database.login.password.clone(),
        ..Config::default()
    });
    let spec = KeepSpec {
        layout: Layout::Plugin,
        mode: Mode::Queue,
        ttl: None,
        templates: BTreeMap::new(),
    };
    pool.schema().unwrap().install(&spec).await.unwrap();
    let messages = pool.messages(&spec).unwrap();
    let batches: Vec<Vec<KeptMessage>> = (0..BATCHES).map(batch).collect();
    // By turns, so that neither has the younger table.
    for _ in 0..3 {
        let start = Instant::now();
        for batch in &batches {
            assert!(
                messages
                    .append(batch, None)
                    .await
                    .unwrap()
                    .iter()
                    .all(Result::is_ok)
            );
        }
        report("append", start);
        let start = Instant::now();
        driver(
            &database.login.host,
            database.login.port,
            &database.name,
            &database.login.username,
            &batches,
        )
        .await;
        report("the driver's best", start);
    }
}

fn report(what: &str, start: Instant) {
    let rows = (BATCH * BATCHES) as f64;
    println!("{what}: {:.0} rows/s", rows / start.elapsed().as_secs_f64());
}

fn batch(number: usize) -> Vec<KeptMessage> {
    let message = |row: usize| {
        let micros = 1_795_284_000_000_000 + (number * BATCH + row) as u64;
        let id = MessageId::new(micros, 7, row as u16);
        KeptMessage {
            id: StoredId::ours(id, id.to_string()),
            topic: format!("t/{}", row % 100).into(),
            sender: "publisher".into(),
            qos: QoS::AtLeastOnce,
            retain: false,
            payload: vec![b'x'; 256].into(),
            arrived: UnixMillis(micros / 1000),
        }
    };
    (0..BATCH).map(message).collect()
}

/// The bulk protocol, without asking for the numbers of the rows.
async fn driver(host: &str, port: u16, database: &str, username: &str, batches: &[Vec<KeptMessage>]) {
    use mysql_async::{Conn, OptsBuilder, Params, Value, prelude::Queryable};

    let options = OptsBuilder::default()
        .ip_or_hostname(host)
        .tcp_port(port)
        .db_name(Some(database))
        .user(Some(username))
        .prefer_socket(false);
    let mut conn = Conn::new(options).await.unwrap();
    let sql = "INSERT INTO mqtt_msg (msgid, sender, topic, qos, retain, payload, arrived) \
               VALUES (?, ?, ?, ?, ?, ?, ?)";
    for batch in batches {
        let rows = batch.iter().map(|message| {
            Params::Positional(vec![
                message.id.text().into(),
                Value::Bytes(message.sender.as_bytes().to_vec()),
                Value::Bytes(message.topic.as_bytes().to_vec()),
                Value::Int(1),
                Value::Int(0),
                Value::Bytes(message.payload.to_vec()),
                Value::Date(2026, 11, 21, 18, 0, 0, 0),
            ])
        });
        conn.exec_batch(sql, rows).await.unwrap();
    }
    conn.disconnect().await.unwrap();
}
