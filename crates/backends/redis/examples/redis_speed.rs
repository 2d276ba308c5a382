//! How fast messages go into Redis and out of it, beside the driver's own best at the same work, and beside the
//! original's way of four commands for each publish, one after another.
//!
//! `cargo run --release -p restante-redis --example redis_speed [MESSAGES] [ROUNDS]` starts a private server (AOF,
//! `appendfsync everysec`), takes the three by turns, and prints the median of the rounds.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use redis::{Pipeline, aio::MultiplexedConnection};
use restante_backend::{
    Backend as _,
    messages::{Fetch, KeepSpec, KeptMessage, Layout, Messages, Mode, Place},
    stored_id::{StoredId, base62},
};
use restante_model::{MessageId, QoS, UnixMillis};
use restante_redis::{RedisBackend, config::Config};
use restante_testkit::Redis;

/// Topics that the messages are spread over.
const TOPICS: usize = 100;
/// Bytes of payload.
const PAYLOAD: usize = 256;
/// Messages that an outbox hands over at once.
const SLICE: usize = 2_048;
/// Messages of one pipeline of the driver, and how many are on their way at once.
const PIPELINE: usize = 128;
const PIPELINES: usize = 4;
/// Messages of a page.
const PAGE: usize = 1_000;

fn main() {
    let numbers: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok())
        .collect();
    let count = numbers.first().copied().unwrap_or(100_000);
    let rounds = numbers.get(1).copied().unwrap_or(3);
    let Some(redis) = Redis::start_with(&["--appendfsync", "everysec"]) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(1)
        .build()
        .unwrap();
    let (mut rows, mut order): (BTreeMap<&str, Vec<f64>>, Vec<&str>) = (BTreeMap::new(), Vec::new());
    let mut note = |name, rate| {
        if !order.contains(&name) {
            order.push(name);
        }
        rows.entry(name).or_default().push(rate);
    };
    for _ in 0..rounds {
        runtime.block_on(round(&redis, count, &mut note));
    }
    println!("{count} messages of {PAYLOAD} bytes in {TOPICS} topics; median of {rounds} rounds, messages/s");
    for name in order {
        let rates = rows.get_mut(name).unwrap();
        rates.sort_by(f64::total_cmp);
        println!("{name:<44} {:>10.0}", rates[rates.len() / 2]);
    }
}

async fn round(redis: &Redis, count: usize, note: &mut impl FnMut(&'static str, f64)) {
    let client = redis::Client::open(format!("redis://{}/", redis.address())).unwrap();
    let mut driver = client.get_multiplexed_async_connection().await.unwrap();
    let backend = RedisBackend::new(Config {
        servers: vec![redis.address().to_string()],
        ..Config::default()
    })
    .unwrap();
    let spec = KeepSpec {
        layout: Layout::Plugin,
        mode: Mode::Queue,
        ttl: None,
        templates: BTreeMap::new(),
    };
    let messages = backend.messages(&spec).unwrap();
    let several = make(count, TOPICS);
    let one = make(count, 1);

    redis.cli(&["FLUSHALL"]);
    let began = Instant::now();
    for wave in several.chunks(PIPELINE * PIPELINES) {
        all(wave.chunks(PIPELINE).map(|chunk| {
            let mut driver = driver.clone();
            let work: Work<'_, ()> = Box::pin(async move {
                let pipeline = groups(chunk);
                let replies = driver
                    .send_packed_commands(&pipeline, 0, pipeline.len())
                    .await
                    .unwrap();
                assert_eq!(replies.len(), pipeline.len());
            });
            work
        }))
        .await;
    }
    note("append: the driver's best, 4 x 128 groups", rate(count, began));

    redis.cli(&["FLUSHALL"]);
    let began = Instant::now();
    for slice in several.chunks(SLICE) {
        assert!(
            messages
                .append(slice, None)
                .await
                .unwrap()
                .iter()
                .all(Result::is_ok)
        );
    }
    note("append: ours, slices of 2,048", rate(count, began));

    redis.cli(&["FLUSHALL"]);
    let few = &several[..count.min(10_000)];
    let began = Instant::now();
    for message in few {
        for command in groups(std::slice::from_ref(message)).cmd_iter() {
            driver.send_packed_command(command).await.unwrap();
        }
    }
    note(
        "append: the original's way, 4 commands each",
        rate(few.len(), began),
    );

    redis.cli(&["FLUSHALL"]);
    assert!(
        messages
            .append(&one, None)
            .await
            .unwrap()
            .iter()
            .all(Result::is_ok)
    );
    let began = Instant::now();
    let read = read_by_driver(&mut driver, &one[0].topic).await;
    assert_eq!(read, count);
    note("fetch of one topic: the driver's best", rate(count, began));

    let began = Instant::now();
    let places = read_by_us(&*messages, &one[0].topic).await;
    assert_eq!(places.len(), count);
    note("fetch of one topic: ours, pages of 1,000", rate(count, began));

    let began = Instant::now();
    for slice in places.chunks(SLICE) {
        assert!(messages.delete(slice).await.unwrap().iter().all(Result::is_ok));
    }
    note("delete: ours, slices of 2,048", rate(count, began));
    assert_eq!(redis.cli(&["DBSIZE"]), "0");
}

/// What the driver sends for messages: the commands of the plugin.
fn groups(messages: &[KeptMessage]) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(messages.len() * 4);
    for message in messages {
        let id = base62::encode(message.id.number().unwrap());
        let (key, index) = (format!("mqtt:msg:{id}"), format!("mqtt:msg:{}", message.topic));
        pipeline
            .cmd("HSET")
            .arg(&key)
            .arg("id")
            .arg(&id)
            .arg("from")
            .arg(&*message.sender)
            .arg("qos")
            .arg(1)
            .arg("topic")
            .arg(&*message.topic)
            .arg("payload")
            .arg(&message.payload[..])
            .arg("ts")
            .arg(message.arrived.0)
            .arg("retain")
            .arg("false");
        pipeline.cmd("EXPIRE").arg(&key).arg(7_200);
        pipeline.cmd("ZADD").arg(&index).arg(message.arrived.0).arg(&id);
        pipeline
            .cmd("ZREMRANGEBYSCORE")
            .arg(&index)
            .arg("-inf")
            .arg(message.arrived.0 - 7_200_000);
    }
    pipeline
}

async fn read_by_driver(driver: &mut MultiplexedConnection, topic: &str) -> usize {
    let index = format!("mqtt:msg:{topic}");
    let members: Vec<(String, f64)> = redis::cmd("ZRANGE")
        .arg(&index)
        .arg(0)
        .arg(-1)
        .arg("WITHSCORES")
        .query_async(driver)
        .await
        .unwrap();
    let mut read = 0;
    for wave in members.chunks(PIPELINE * PIPELINES) {
        let counts = all(wave.chunks(PIPELINE).map(|chunk| {
            let mut driver = driver.clone();
            let work: Work<'_, usize> = Box::pin(async move {
                let mut pipeline = Pipeline::with_capacity(chunk.len());
                for (id, _) in chunk {
                    pipeline.cmd("HGETALL").arg(format!("mqtt:msg:{id}"));
                }
                let hashes: Vec<Vec<(String, Vec<u8>)>> = pipeline.query_async(&mut driver).await.unwrap();
                hashes.iter().filter(|fields| fields.len() == 7).count()
            });
            work
        }));
        read += counts.await.into_iter().sum::<usize>();
    }
    read
}

async fn read_by_us(messages: &dyn Messages, topic: &str) -> Vec<(Box<str>, Place)> {
    let mut places: Vec<(Box<str>, Place)> = Vec::new();
    loop {
        let fetch = Fetch {
            topic,
            after: places.last().map(|(_, place)| place),
            since: None,
            messages_max: PAGE,
        };
        let page = messages.fetch(&fetch).await.unwrap();
        places.extend(page.messages.into_iter().map(|found| (topic.into(), found.place)));
        if !page.more {
            return places;
        }
    }
}

fn make(count: usize, topics: usize) -> Vec<KeptMessage> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64 - 60_000_000;
    let payload = Bytes::from(vec![b'x'; PAYLOAD]);
    let message = |number: usize| {
        let micros = now + number as u64 * 100;
        let id = MessageId::new(micros, 7, number as u16);
        KeptMessage {
            id: StoredId::ours(id, base62::encode(id)),
            topic: format!("site/{}/temperature", number % topics).into(),
            sender: "publisher-1".into(),
            qos: QoS::AtLeastOnce,
            retain: false,
            payload: payload.clone(),
            arrived: UnixMillis(micros / 1000),
        }
    };
    (0..count).map(message).collect()
}

fn rate(count: usize, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64()
}

type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs all of it at once.
async fn all<'a, T>(work: impl Iterator<Item = Work<'a, T>>) -> Vec<T> {
    let mut running = Vec::new();
    for work in work {
        running.push((work, None));
    }
    std::future::poll_fn(|context| {
        let mut done = true;
        for (work, answer) in &mut running {
            if answer.is_none() {
                match work.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *answer = Some(value),
                    std::task::Poll::Pending => done = false,
                }
            }
        }
        if done {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    running.into_iter().filter_map(|(_, answer)| answer).collect()
}
