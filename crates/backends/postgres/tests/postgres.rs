//! Against a real PostgreSQL: the documented tables, what is refused, what comes back.

// Helpers of tests unwrap as tests do; clippy knows only the test functions themselves.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use restante_backend::{
    Backend,
    messages::{Fetch, Fetched, KeepSpec, KeptMessage, Layout, Mark, Messages, Mode, Place},
    statement::{Execution, Value, Values},
    stored_id::StoredId,
    tables::{Standing, SubscriptionRow},
};
use restante_model::{MessageId, QoS, UnixMillis};
use restante_postgres::{Config, PayloadEncoding, Postgres as Pool, Tls};
use restante_testkit::databases::{Certificates, Database, Postgres};

/// 2026-11-21 18:00:00 UTC.
const NOON: u64 = 1_795_284_000_000;

fn pool(database: &Database) -> Pool {
    Pool::new(&config(database))
}

fn config(database: &Database) -> Config {
    Config {
        server: format!("{}:{}", database.login.host, database.login.port),
        database: database.name.clone(),
        username: database.login.username.clone(),
        password: database.login.password.clone(),
        command_timeout: Duration::from_secs(30),
        ..Config::default()
    }
}

fn keep(layout: Layout, mode: Mode) -> KeepSpec {
    KeepSpec {
        layout,
        mode,
        ttl: None,
        templates: BTreeMap::new(),
    }
}

/// A database with the tables of a layout, as `--install` makes them.
async fn installed(layout: Layout) -> Option<(Database, Pool)> {
    let database = Postgres::database()?;
    let pool = pool(&database);
    pool.schema()
        .unwrap()
        .install(&keep(layout, Mode::Queue))
        .await
        .unwrap();
    Some((database, pool))
}

fn message(number: u16, topic: &str, payload: &[u8]) -> KeptMessage {
    let at = UnixMillis(NOON + u64::from(number));
    let id = MessageId::new(at.0 * 1000, 7, number);
    KeptMessage {
        id: StoredId::ours(id, id.to_string()),
        topic: topic.into(),
        sender: "sender".into(),
        qos: QoS::AtLeastOnce,
        retain: false,
        payload: payload.to_vec().into(),
        arrived: at,
    }
}

async fn all(messages: &dyn Messages, topic: &str) -> Fetched {
    let fetch = Fetch {
        topic,
        after: None,
        since: None,
        messages_max: 1000,
    };
    messages.fetch(&fetch).await.unwrap()
}

fn payloads(fetched: &Fetched) -> Vec<String> {
    let each = fetched.messages.iter();
    each.map(|found| String::from_utf8_lossy(&found.message.payload).into_owned())
        .collect()
}

#[tokio::test]
async fn k55_rows_of_seed_1_are_read_and_ours_are_found_by_its_queries() {
    let Some((database, _)) = installed(Layout::Plugin).await else {
        return;
    };
    database.sql(
        "insert into mqtt_msg (msgid, topic, sender, qos, retain, payload, arrived) values
          ('00053F98F80F66017005000004A60003', 't/2', 'mqttx', 1, false, 'hello-from-offline1', '2016-10-24 09:25:12'),
          ('00053F98F9FE42AD7005000004A60004', 't/2', 'mqttx', 1, NULL, 'hello-from-offline2', '2016-10-24 09:25:44'),
          ('00053F98F9FE42AD7005000004A60005', 'T/2', 'mqttx', 1, false, 'another topic', '2016-10-24 09:25:44');
        insert into mqtt_sub values ('device', 't/2', 1), ('Device', 'x', 1);",
    );
    let pool = pool(&database);
    let spec = keep(Layout::Plugin, Mode::Queue);
    let messages = pool.messages(&spec).unwrap();
    let fetched = all(&*messages, "t/2").await;
    assert_eq!(payloads(&fetched), ["hello-from-offline1", "hello-from-offline2"]);
    assert_eq!(fetched.messages[0].place.row, Some(1));
    assert_eq!(fetched.messages[0].message.arrived, UnixMillis(1_477_301_112_890));
    let (rows, unreadable) = pool.subscriptions(&spec).unwrap().of("device").await.unwrap();
    assert_eq!((rows.len(), unreadable.len()), (1, 0));
    assert_eq!(&*rows[0].filter, "t/2");

    let answers = messages
        .append(&[message(1, "t/2", b"ours")], None)
        .await
        .unwrap();
    assert_eq!(answers, [Ok(Some(4))]);
    let found = database.sql(
        "select id, topic, sender, qos, retain, convert_from(payload, 'UTF8'), arrived from mqtt_msg where msgid like '%0001'",
    );
    assert_eq!(found, "4\tt/2\tsender\t1\tf\tours\t2026-11-21 18:00:00");
    let newest = messages.newest("t/2").await.unwrap().unwrap();
    assert_eq!(newest.row, Some(4));
    let gone = [
        ("t/2".into(), newest),
        ("t/2".into(), fetched.messages[0].place.clone()),
    ];
    assert_eq!(messages.delete(&gone).await.unwrap(), [Ok(()), Ok(())]);
    assert_eq!(payloads(&all(&*messages, "t/2").await), ["hello-from-offline2"]);
    assert_eq!(payloads(&all(&*messages, "T/2").await), ["another topic"]);
    let topics = messages.topics(None, 1).await.unwrap().unwrap();
    assert_eq!((topics.topics.len(), topics.after.is_some()), (1, true));
    let rest = messages
        .topics(topics.after.as_deref(), 2)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((rest.topics.len(), rest.after), (1, None));
}

#[tokio::test]
async fn k55_rows_of_seed_3_are_read_and_ours_are_found_by_its_queries() {
    let Some(database) = Postgres::database() else {
        return;
    };
    let pool = Pool::new(&Config {
        payload_encoding: PayloadEncoding::Hex,
        ..config(&database)
    });
    // The tables as the seed prints them: payloads are texts.
    database.sql(
        "CREATE TABLE mqtt_client(id SERIAL primary key, clientid character varying(100), state integer,
           node character varying(100), online_at timestamp, offline_at timestamp,
           created timestamp without time zone, UNIQUE (clientid));
         CREATE TABLE mqtt_sub(id SERIAL primary key, clientid character varying(100),
           topic character varying(200), qos integer, created timestamp without time zone, UNIQUE (clientid, topic));
         CREATE TABLE mqtt_msg (id SERIAL primary key, msgid character varying(60), sender character varying(100),
           topic character varying(200), qos integer, retain integer, payload text,
           arrived timestamp without time zone);
         CREATE TABLE mqtt_retain(id SERIAL primary key, topic character varying(200), msgid character varying(60),
           sender character varying(100), qos integer, payload text, arrived timestamp without time zone,
           UNIQUE (topic));
         CREATE TABLE mqtt_acked (id SERIAL primary key, clientid character varying(100),
           topic character varying(100), mid integer, created timestamp without time zone, UNIQUE (clientid, topic));",
    );
    database.sql(
        "insert into mqtt_msg (msgid, topic, sender, qos, retain, payload, arrived) values
          ('53F98F80F66017005000004A60003', 'hello', 'test', 1, 0, 'hello', '2016-12-24 17:25:12'),
          ('53F98F9FE42AD7005000004A60004', 'world', 'test', 1, 0, 'world', '2016-12-24 17:25:45');
        insert into mqtt_retain (topic, msgid, sender, qos, payload, arrived) values
          ('retain', '53F33F7E4741E7007000004B70001', 'test', 1, 'www', '2016-12-24 16:55:18');
        insert into mqtt_sub(clientid, topic, qos) values('test', 'test_topic1', 1);
        insert into mqtt_sub(clientid, topic, qos) values('test', 'test_topic2', 2);
        insert into mqtt_acked(clientid, topic, mid) values('test', 'hello', 1), ('odd', 'hello', 2000000000);",
    );
    let spec = keep(Layout::Backends, Mode::Pubsub);
    let messages = pool.messages(&spec).unwrap();
    let fetched = all(&*messages, "hello").await;
    assert_eq!(
        (payloads(&fetched), fetched.unreadable.len()),
        (vec!["hello".to_owned()], 0)
    );
    let mark = messages.position("test", "hello").await.unwrap().unwrap();
    assert_eq!(
        (mark.row, mark.id.text()),
        (Some(1), "53F98F80F66017005000004A60003")
    );
    assert_eq!(messages.position("test", "world").await.unwrap(), None);
    // K51: what lies beyond the last row hides nothing that comes later.
    assert_eq!(
        messages.position("odd", "hello").await.unwrap().unwrap().row,
        Some(2)
    );

    let retained = pool.retained().unwrap();
    let found = retained.lookup("retain").await.unwrap().unwrap().unwrap();
    assert_eq!((&found.payload[..], found.retain), (&b"www"[..], true));
    assert_eq!(retained.lookup("Retain").await.unwrap(), Ok(None));
    let news = [message(1, "retain", b"new"), message(2, "other", b"\x00\xFF")];
    assert_eq!(retained.set(&news).await.unwrap(), [Ok(()), Ok(())]);
    assert_eq!(
        database.sql("select id, topic, payload from mqtt_retain where topic = 'retain'"),
        "1\tretain\tnew"
    );
    assert_eq!(
        retained
            .clear(&["retain".into(), "none".into()])
            .await
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        database.sql("select topic, payload, encode(payload::bytea, 'hex') from mqtt_retain"),
        "other\t\\x00ff\t00ff"
    );

    let (rows, _) = pool.subscriptions(&spec).unwrap().of("test").await.unwrap();
    assert_eq!(rows.iter().map(|row| row.qos as u8).collect::<Vec<_>>(), [1, 2]);

    let presence = pool.presence().unwrap();
    let standing = |online, since| Standing {
        client: "test".into(),
        online,
        since: UnixMillis(since),
    };
    for standing in [standing(true, NOON), standing(true, NOON + 60_000)] {
        assert_eq!(
            presence.record("restante@a", &[standing]).await.unwrap(),
            [Ok(())]
        );
    }
    assert_eq!(
        database.sql(
            "select id, clientid, state, node, online_at, offline_at from mqtt_client where clientid = 'test'"
        ),
        "1\ttest\t1\trestante@a\t2026-11-21 18:01:00\tNULL"
    );
    assert_eq!(
        presence.online("restante@a", None, 10).await.unwrap(),
        ["test".into()]
    );
    assert!(
        presence
            .online("restante@a", Some("test"), 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(presence.online("restante@b", None, 10).await.unwrap().is_empty());
    presence
        .record("restante@a", &[standing(false, NOON + 120_000)])
        .await
        .unwrap();
    assert_eq!(
        database.sql("select state, online_at, offline_at from mqtt_client"),
        "0\t2026-11-21 18:01:00\t2026-11-21 18:02:00"
    );

    let place = Place { row: Some(2), ..mark };
    let marks = [Mark {
        client: "test".into(),
        topic: "hello".into(),
        place: place.clone(),
    }];
    assert_eq!(messages.acknowledge(&marks).await.unwrap(), [Ok(())]);
    assert_eq!(
        database.sql("select id, mid from mqtt_acked where clientid = 'test'"),
        "1\t2"
    );
    // Repeating it uses up no numbers of the `id` column.
    for client in ["test", "test", "new"] {
        let mark = Mark {
            client: client.into(),
            topic: "hello".into(),
            place: place.clone(),
        };
        messages.acknowledge(&[mark]).await.unwrap();
    }
    assert_eq!(
        database.sql("select id from mqtt_acked where clientid = 'new'"),
        "3"
    );
    messages.forget(&[("test".into(), "hello".into())]).await.unwrap();
    assert_eq!(messages.position("test", "hello").await.unwrap(), None);
}

#[tokio::test]
async fn k50_a_bad_row_is_refused_with_the_servers_words_and_its_neighbours_go_through() {
    let Some((database, pool)) = installed(Layout::Plugin).await else {
        return;
    };
    database.sql(
        "alter table mqtt_msg add constraint no_curses check (payload <> 'damn');
         create function no_face() returns trigger language plpgsql as
           $$ begin if new.sender = '😀' then raise exception 'no faces in sender'; end if; return new; end $$;
         create trigger face before insert on mqtt_msg for each row execute function no_face();",
    );
    let messages = pool.messages(&keep(Layout::Plugin, Mode::Queue)).unwrap();
    let mut batch: Vec<KeptMessage> = (0..40)
        .map(|n| message(n, "t", format!("{n}").as_bytes()))
        .collect();
    batch[7].payload = "damn".into();
    batch[19].topic = "x".repeat(181).into();
    // A trigger's own words.
    batch[30].sender = "😀".into();
    let answers = messages.append(&batch, None).await.unwrap();
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(
            answer.is_err(),
            [7, 19, 30].contains(&number),
            "{number}: {answer:?}"
        );
    }
    let why = |number: usize| answers[number].clone().unwrap_err().why;
    assert!(why(7).contains("no_curses"), "{}", why(7));
    assert!(why(19).contains("mqtt_msg.topic, which takes 180"), "{}", why(19));
    assert!(why(30).contains("no faces in sender"), "{}", why(30));
    let fetched = all(&*messages, "t").await;
    assert_eq!(fetched.messages.len(), 37);
    let rows: Vec<_> = answers
        .iter()
        .filter_map(|answer| answer.clone().ok().flatten())
        .collect();
    assert_eq!(
        rows,
        fetched
            .messages
            .iter()
            .filter_map(|found| found.place.row)
            .collect::<Vec<_>>()
    );
    assert!(rows.is_sorted());
}

#[tokio::test]
async fn k36_what_was_appended_before_a_lost_answer_is_not_appended_again() {
    let Some((_database, pool)) = installed(Layout::Backends).await else {
        return;
    };
    let messages = pool.messages(&keep(Layout::Backends, Mode::Pubsub)).unwrap();
    let mark = messages.mark().await.unwrap();
    assert_eq!(mark, Some(0));
    let batch: Vec<KeptMessage> = (0..300).map(|n| message(n, "t", b"x")).collect();
    let first = messages.append(&batch[..200], None).await.unwrap();
    let again = messages.append(&batch, mark).await.unwrap();
    assert_eq!(first[..], again[..200]);
    assert_eq!(all(&*messages, "t").await.messages.len(), 300);
    // Above a later mark nothing is found: the caller says where to look.
    let late = messages.mark().await.unwrap();
    messages.append(&batch[..1], late).await.unwrap();
    assert_eq!(all(&*messages, "t").await.messages.len(), 301);
}

#[tokio::test]
async fn k36_with_a_million_rows_a_delete_reads_one_row_and_the_repeat_check_none() {
    let Some((database, pool)) = installed(Layout::Plugin).await else {
        return;
    };
    database.sql(
        "insert into mqtt_msg (msgid, topic, qos, payload, arrived)
         select lpad(upper(to_hex(n)), 32, '0'), 't/' || n % 1000, 1, 'x', now() from generate_series(1, 1000000) n",
    );
    database.sql("analyze mqtt_msg");
    let messages = pool.messages(&keep(Layout::Plugin, Mode::Queue)).unwrap();
    // Rows that were read by going through the table, and through an index.
    let read = || -> u64 {
        let sql =
            "select pg_stat_force_next_flush(); select seq_tup_read + idx_tup_fetch from pg_stat_user_tables
                   where relname = 'mqtt_msg'";
        database.sql(sql).trim().parse().unwrap()
    };
    let mark = messages.mark().await.unwrap();
    let batch: Vec<KeptMessage> = (0..100).map(|n| message(n, "t/1", b"x")).collect();
    let answers = messages.append(&batch, mark).await.unwrap();
    let gone: Vec<(Box<str>, Place)> = batch
        .iter()
        .zip(&answers)
        .map(|(message, row)| {
            let place = Place {
                id: message.id.clone(),
                row: row.clone().unwrap(),
            };
            (message.topic.clone(), place)
        })
        .collect();
    let before = read();
    messages.append(&batch, mark).await.unwrap();
    messages.delete(&gone[..90]).await.unwrap();
    // By topic and id, where the row is not known: the thousand rows of the topic, not the million of the table.
    let (topic, place) = gone[95].clone();
    messages
        .delete(&[(topic, Place { row: None, ..place })])
        .await
        .unwrap();
    // What a session has read is told when it ends, and a while after its last command.
    drop(messages);
    drop(pool);
    let mut rows = 0;
    for _ in 0..300 {
        rows = read() - before;
        if rows > 90 {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(rows > 90 && rows < 100_000, "{rows} rows were read");
    assert_eq!(
        database.sql("select count(*) from mqtt_msg where id > 1000000"),
        "9"
    );
}

#[tokio::test]
async fn the_six_templates_are_the_users_own() {
    let Some(database) = Postgres::database() else {
        return;
    };
    database.sql(
        "create table waiting (n serial primary key, mid varchar(40), t varchar(100), who varchar(40),
           q int, r varchar(5), body bytea, ts bigint);
         create table wants (c varchar(40), f varchar(100), q int, primary key (c, f))",
    );
    let own = [
        (
            "insert_message_sql",
            "insert into waiting (mid, t, who, q, r, body, ts) values (${id}, '${topic}', ${from}, ${qos}, ${flags.retain}, ${payload}, ${timestamp})",
        ),
        (
            "select_message_sql",
            "select mid as msgid, t as topic, who as sender, q as qos, r as retain, body as payload, ts as arrived from waiting where t = ${topic} order by random()",
        ),
        (
            "delete_message_sql",
            "delete from waiting where mid = ${id} -- gone",
        ),
        (
            "insert_subscription_sql",
            "insert into wants values (${clientid}, ${topic}, ${qos}) on conflict (c, f) do update set q = ${qos}",
        ),
        (
            "select_subscriptions_sql",
            "select f as topic, q as qos from wants where c = ${clientid}",
        ),
        (
            "delete_subscription_sql",
            "delete from wants where c = ${clientid} and f = ${topic}",
        ),
    ];
    let spec = KeepSpec {
        templates: own
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect(),
        ..keep(Layout::Plugin, Mode::Queue)
    };
    let pool = pool(&database);
    let messages = pool.messages(&spec).unwrap();
    let batch: Vec<KeptMessage> = (0..50)
        .map(|n| message(n, "it's ${topic}", &[n as u8, 0xFF]))
        .collect();
    assert_eq!(messages.append(&batch, None).await.unwrap(), vec![Ok(None); 50]);
    let mut got = Vec::new();
    let mut after: Option<Place> = None;
    loop {
        let fetch = Fetch {
            topic: "it's ${topic}",
            after: after.as_ref(),
            since: None,
            messages_max: 20,
        };
        let page = messages.fetch(&fetch).await.unwrap();
        assert!(page.unreadable.is_empty(), "{:?}", page.unreadable);
        after = page.messages.last().map(|found| found.place.clone());
        got.extend(page.messages.into_iter().map(|found| found.message));
        if !page.more {
            break;
        }
    }
    assert_eq!(got, batch);
    messages
        .delete(&[("it's ${topic}".into(), after.unwrap())])
        .await
        .unwrap();
    assert_eq!(database.sql("select count(*) from waiting"), "49");
    let subscriptions = pool.subscriptions(&spec).unwrap();
    let row = |qos| SubscriptionRow {
        client: "c".into(),
        filter: "a/#".into(),
        qos,
    };
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        assert_eq!(subscriptions.write(&[row(qos)]).await.unwrap(), [Ok(())]);
    }
    assert_eq!(subscriptions.of("c").await.unwrap().0, [row(QoS::ExactlyOnce)]);
    subscriptions.remove(&[("c".into(), "a/#".into())]).await.unwrap();
    assert!(subscriptions.of("c").await.unwrap().0.is_empty());
}

#[tokio::test]
async fn users_statements_are_bound_by_type_and_a_bad_one_holds_up_no_other() {
    let Some(database) = Postgres::database() else {
        return;
    };
    database.sql("create table seen (a varchar(20) not null, b bytea, c boolean, d timestamp, e int, f text, g timestamptz)");
    let statements = pool(&database).statements().unwrap();
    let known = ["clientid", "payload", "retain", "timestamp", "qos"];
    let insert = statements
        .prepare(
            "insert into seen values (${clientid}, ${payload}, ${retain}, to_timestamp(${timestamp}/1000.0), ${qos}, ${retain}, ${timestamp})",
            &known,
        )
        .unwrap();
    let missing = statements
        .prepare("insert into nowhere values (${clientid})", &known)
        .unwrap();
    let count = statements.prepare("update seen set e = e + 10", &known).unwrap();
    let of = |statement, client: Value| Execution {
        statement,
        values: std::sync::Arc::new(Values(vec![
            ("clientid", client),
            ("payload", Value::Bytes(vec![0, 0xFF].into())),
            ("retain", Value::Bool(true)),
            ("timestamp", Value::Int(NOON as i64)),
            ("qos", Value::Int(1)),
        ])),
    };
    let name = |name: &str| Value::Text(name.into());
    let answers = statements
        .run(&[
            of(insert, name("one")),
            of(insert, Value::Null),
            of(insert, name("a name that is too long for it")),
            of(insert, name("two")),
            of(missing, name("x")),
            of(count, name("")),
            of(insert, name("three")),
        ])
        .await
        .unwrap();
    let refused: Vec<bool> = answers.iter().map(Result::is_err).collect();
    assert_eq!(
        refused,
        [false, true, true, false, true, false, false],
        "{answers:?}"
    );
    assert!(
        answers[2]
            .clone()
            .unwrap_err()
            .why
            .contains("character varying(20)")
    );
    assert_eq!(
        database.sql("select a, upper(encode(b, 'hex')), c, d, e from seen order by a"),
        "one\t00FF\tt\t2026-11-21 18:00:00\t11\nthree\t00FF\tt\t2026-11-21 18:00:00\t1\ntwo\t00FF\tt\t2026-11-21 18:00:00\t11"
    );
    assert!(statements.prepare("select ${nobody}", &known).is_err());
}

#[tokio::test]
async fn c05_c08_odd_rows_are_read_or_named_and_hold_up_nothing() {
    let Some(database) = Postgres::database() else {
        return;
    };
    database.sql(
        "create table mqtt_msg (id bigint primary key, msgid varchar(64), topic varchar(180), sender varchar(64), qos int,
           retain varchar(5), payload bytea, arrived bigint, node varchar(60)); create index on mqtt_msg (topic);
         insert into mqtt_msg values (-3, 'before', 't', NULL, 1, '0', 'x', 1, NULL),
           (1, NULL, 't', NULL, 1, 'true', 'seconds', 1795284000, NULL),
           (2, '', 't', NULL, 1, 'false', 'milliseconds', 1795284000000, NULL),
           (3, 'odd', 't', NULL, 7, '0', 'x', 1, NULL),
           (4, 'odd', 't', NULL, 1, 'maybe', 'x', 1, NULL),
           (5, 'odd', 't', 'me', 2, NULL, 'microseconds', 1795284000000000, NULL)",
    );
    let pool = pool(&database);
    let spec = keep(Layout::Backends, Mode::Pubsub);
    let messages = pool.messages(&spec).unwrap();
    let fetched = all(&*messages, "t").await;
    assert_eq!(payloads(&fetched), ["seconds", "milliseconds", "microseconds"]);
    assert!(
        fetched
            .messages
            .iter()
            .all(|found| found.message.arrived == UnixMillis(NOON))
    );
    assert!(fetched.messages[0].message.retain && !fetched.messages[1].message.retain);
    assert_eq!(fetched.unreadable.len(), 2);
    assert!(
        fetched.unreadable[0].contains("mqtt_msg: row 3"),
        "{:?}",
        fetched.unreadable
    );
    let gone = [("t".into(), fetched.messages[0].place.clone())];
    messages.delete(&gone).await.unwrap();
    assert_eq!(database.sql("select count(*) from mqtt_msg where id = 1"), "0");
    // One page after another, past the rows that cannot be read.
    let fetch = Fetch {
        topic: "t",
        after: Some(&fetched.messages[1].place),
        since: None,
        messages_max: 1,
    };
    assert_eq!(payloads(&messages.fetch(&fetch).await.unwrap()), ["microseconds"]);
    let differences = pool.schema().unwrap().check(&spec).await.unwrap().join("\n");
    for sentence in ["no table mqtt_client", "no table mqtt_acked"] {
        assert!(differences.contains(sentence), "{differences}");
    }
    database.sql("truncate mqtt_msg; alter table mqtt_msg add tenant int not null, drop qos");
    let differences = pool.schema().unwrap().check(&spec).await.unwrap().join("\n");
    assert!(
        differences.contains("no column qos") && differences.contains("tenant is NOT NULL"),
        "{differences}"
    );
}

#[tokio::test]
async fn payloads_of_any_size_and_any_bytes_in_columns_of_both_kinds() {
    let Some((database, pool)) = installed(Layout::Plugin).await else {
        return;
    };
    let mut batch: Vec<KeptMessage> = (0..8).map(|n| message(n, "t", &vec![n as u8; 1 << 20])).collect();
    batch[3].payload = Default::default();
    let messages = pool.messages(&keep(Layout::Plugin, Mode::Queue)).unwrap();
    assert!(
        messages
            .append(&batch, None)
            .await
            .unwrap()
            .iter()
            .all(Result::is_ok)
    );
    let fetched = all(&*messages, "t").await;
    assert!(fetched.messages.iter().map(|found| &found.message).eq(&batch));
    database.sql("truncate mqtt_msg; alter table mqtt_msg alter payload type text using ''");
    let messages = self::pool(&database)
        .messages(&keep(Layout::Plugin, Mode::Queue))
        .unwrap();
    let odd: [&[u8]; 4] = [b"text", b"\x00\xFF", b"\\x41", b""];
    let batch: Vec<KeptMessage> = (0..4).map(|n| message(n, "u", odd[usize::from(n)])).collect();
    let answers = messages.append(&batch, None).await.unwrap();
    assert_eq!(
        answers.iter().map(Result::is_err).collect::<Vec<_>>(),
        [false, true, false, false],
        "{answers:?}"
    );
    assert!(answers[1].clone().unwrap_err().why.contains("payload_encoding"));
    database.sql("truncate mqtt_msg");
    for encoding in [PayloadEncoding::Base64, PayloadEncoding::Hex] {
        let pool = Pool::new(&Config {
            payload_encoding: encoding,
            ..config(&database)
        });
        let messages = pool.messages(&keep(Layout::Plugin, Mode::Queue)).unwrap();
        assert!(
            messages
                .append(&batch, None)
                .await
                .unwrap()
                .iter()
                .all(Result::is_ok)
        );
        let fetched = all(&*messages, "u").await;
        assert!(
            fetched.messages.iter().map(|found| &found.message).eq(&batch),
            "{encoding:?}"
        );
        assert_eq!(
            database.sql("select payload from mqtt_msg where payload = 'text'"),
            "text"
        );
        database.sql("truncate mqtt_msg");
    }
}

#[tokio::test]
async fn a_server_that_goes_is_away_and_one_that_comes_back_is_another() {
    let Some(mut server) = Postgres::start_with(&["fsync=off"]) else {
        return;
    };
    let database = server.new_database();
    let pool = pool(&database);
    let spec = keep(Layout::Plugin, Mode::Queue);
    pool.schema().unwrap().install(&spec).await.unwrap();
    let messages = pool.messages(&spec).unwrap();
    messages.append(&[message(1, "t", b"x")], None).await.unwrap();
    let before = pool.health().await.unwrap();
    assert!(before.server.starts_with("PostgreSQL "), "{}", before.server);
    assert!(before.warnings.iter().any(|line| line.contains("fsync is off")));
    assert_eq!(pool.health().await.unwrap().incarnation, before.incarnation);
    database.sql(&format!("create user reader; grant all on all tables in schema public to reader; grant all on all sequences in schema public to reader; alter user reader set default_transaction_read_only = on; alter database {} set statement_timeout = 0", database.name));
    let reader = Pool::new(&Config {
        username: "reader".to_owned(),
        ..config(&database)
    });
    let refused = reader
        .messages(&spec)
        .unwrap()
        .append(&[message(2, "t", b"x")], None)
        .await;
    assert!(refused.unwrap_err().why.contains("read-only"));
    assert!(
        reader
            .health()
            .await
            .unwrap()
            .warnings
            .iter()
            .any(|line| line.contains("read-only"))
    );
    server.kill();
    assert!(messages.append(&[message(2, "t", b"x")], None).await.is_err());
    std::thread::sleep(Duration::from_secs(3));
    server.restart();
    // The pool's other connections are as dead, and nobody is told of them.
    assert_eq!(payloads(&all(&*messages, "t").await), ["x"]);
    assert_ne!(pool.health().await.unwrap().incarnation, before.incarnation);
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_given_up_with_its_connection() {
    let Some((database, _)) = installed(Layout::Plugin).await else {
        return;
    };
    let pool = Pool::new(&Config {
        pool_size: 1,
        command_timeout: Duration::from_millis(300),
        ..config(&database)
    });
    let statements = pool.statements().unwrap();
    let slow = statements.prepare("select pg_sleep(60)", &[]).unwrap();
    let quick = statements.prepare("select 1", &[]).unwrap();
    let values = std::sync::Arc::new(Values::default());
    let run = |statement| {
        [Execution {
            statement,
            values: values.clone(),
        }]
    };
    let away = statements.run(&run(slow)).await.unwrap_err();
    assert!(away.why.contains("no answer in time"), "{away}");
    assert_eq!(statements.run(&run(quick)).await.unwrap(), [Ok(())]);
}

#[tokio::test]
async fn tls_with_an_authority_of_ones_own_and_no_other() {
    let (Some(certificates), Some(others)) = (Certificates::make(), Certificates::make()) else {
        return;
    };
    let (certificate, key) = certificates.server();
    let options = [
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", certificate.display()),
        format!("ssl_key_file={}", key.display()),
    ];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let Some(server) = Postgres::start_with(&options) else {
        return;
    };
    let database = server.new_database();
    let with = |ca: Option<PathBuf>, verify: bool, server_name: Option<&str>| {
        Pool::new(&Config {
            server: format!("127.0.0.1:{}", database.login.port),
            database: database.name.clone(),
            username: database.login.username.clone(),
            tls: Some(Tls {
                ca,
                verify,
                server_name: server_name.map(str::to_owned),
                ..Tls::default()
            }),
            ..Config::default()
        })
    };
    let right = with(Some(certificates.ca()), true, None);
    assert!(right.health().await.is_ok(), "{:?}", right.health().await);
    let named = with(Some(certificates.ca()), true, Some("redis.test"));
    assert!(named.health().await.is_ok(), "{:?}", named.health().await);
    let misnamed = with(Some(certificates.ca()), true, Some("another.test"));
    assert!(misnamed.health().await.is_err());
    assert!(with(Some(others.ca()), true, None).health().await.is_err());
    assert!(with(None, false, None).health().await.is_ok());
}
