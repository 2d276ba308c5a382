//! How fast messages are appended, beside the driver's own best at the same work: `cargo run --release --example append_postgres`.
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
use restante_postgres::{Config, Postgres};
use restante_testkit::databases;

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
    let Some(database) = databases::Postgres::database() else {
        return;
    };
    let pool = Postgres::new(&Config {
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

/// UNNEST of arrays of the columns' own types, without asking for the numbers of the rows.
async fn driver(host: &str, port: u16, database: &str, username: &str, batches: &[Vec<KeptMessage>]) {
    let pool = deadpool_postgres::Config {
        host: Some(host.to_owned()),
        port: Some(port),
        dbname: Some(database.to_owned()),
        user: Some(username.to_owned()),
        ..Default::default()
    };
    let pool = pool.create_pool(None, tokio_postgres::NoTls).unwrap();
    let client = pool.get().await.unwrap();
    let sql = "INSERT INTO mqtt_msg (msgid, sender, topic, qos, retain, payload, arrived) \
               SELECT a, b, c, d, e, f, to_timestamp(g) AT TIME ZONE 'UTC' FROM unnest($1::text[], $2::text[], \
               $3::text[], $4::int2[], $5::bool[], $6::bytea[], $7::float8[]) AS given(a, b, c, d, e, f, g)";
    let statement = client.prepare(sql).await.unwrap();
    for batch in batches {
        let ids: Vec<&str> = batch.iter().map(|message| message.id.text()).collect();
        let senders: Vec<&str> = batch.iter().map(|message| &*message.sender).collect();
        let topics: Vec<&str> = batch.iter().map(|message| &*message.topic).collect();
        let qos = vec![1_i16; batch.len()];
        let retain = vec![false; batch.len()];
        let payloads: Vec<&[u8]> = batch.iter().map(|message| &message.payload[..]).collect();
        let arrived: Vec<f64> = batch
            .iter()
            .map(|message| (message.arrived.0 / 1000) as f64)
            .collect();
        client
            .execute(
                &statement,
                &[&ids, &senders, &topics, &qos, &retain, &payloads, &arrived],
            )
            .await
            .unwrap();
    }
}
