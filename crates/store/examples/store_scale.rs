//! What many sessions and long backlogs cost: memory after a restart, and the restart itself.
//!
//! `cargo run --release -p restante-store --example store_scale FOLDER sessions COUNT MESSAGES_EACH`
//! `cargo run --release -p restante-store --example store_scale FOLDER backlog QUEUES MESSAGES`
//! `cargo run --release -p restante-store --example store_scale FOLDER reopen`

use std::{
    path::Path,
    sync::{Arc, mpsc},
    time::{Duration, Instant, SystemTime},
};

use restante_model::{QoS, QueueId, Seq, SessionId, SubscriptionOptions, UnixMicros, UnixMillis};
use restante_store::{
    batch::Batch,
    change::{Change, NewMessage},
    contract::{QueueLimits, Recovered, Store, WhenFull},
    folder::FolderDisk,
    log::{LogSettings, LogStore},
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| {
        arguments
            .get(at)
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let (Some(folder), Some(what)) = (arguments.first(), arguments.get(1)) else {
        println!("store_scale FOLDER sessions COUNT MESSAGES_EACH | backlog QUEUES MESSAGES | reopen");
        return;
    };
    let folder = Path::new(folder);
    match what.as_str() {
        "sessions" => fill(folder, number(2), number(2) * number(3)),
        "backlog" => fill(folder, number(2), number(3)),
        _ => reopen(folder),
    }
}

fn now() -> UnixMicros {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UnixMicros(since.as_micros() as u64)
}

fn open(folder: &Path) -> (LogStore, impl Recovered + use<>) {
    let disk = Arc::new(FolderDisk::open(folder).expect("the folder opens"));
    let settings = LogSettings {
        limits: QueueLimits {
            messages_max: 0,
            bytes_max: 0,
            when_full: WhenFull::DropOldest,
        },
        ..LogSettings::new(Arc::new(now))
    };
    LogStore::open(disk, settings, now().millis()).expect("the store opens")
}

/// As many sessions as queues, each with its own filter, and messages published to them in turn.
fn fill(folder: &Path, sessions: u64, messages: u64) {
    let _ = std::fs::remove_dir_all(folder);
    let (store, _) = open(folder);
    let (sender, progress) = mpsc::sync_channel(1);
    store.on_progress(Arc::new(move || _ = sender.try_send(())));
    let wait = |seq: Seq| {
        while store.durable() < seq || store.congested() {
            let _ = progress.recv_timeout(Duration::from_millis(100));
        }
    };
    let begun = Instant::now();
    let mut batch = Batch::default();
    for id in 1..=sessions {
        let filter = format!("devices/{id:08}/commands");
        let session = SessionId(id);
        batch.change(&Change::QueueOpened {
            queue: QueueId(id),
            filter: &filter,
        });
        let client_id = &format!("device-{id:08}");
        let (version, expiry, at) = (5, u32::MAX, now().millis());
        batch.change(&Change::SessionOpened {
            session,
            client_id,
            version,
            expiry,
            will: None,
            at,
        });
        let options = SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            ..Default::default()
        };
        batch.change(&Change::Subscribed {
            session,
            filter: &filter,
            queue: Some(QueueId(id)),
            options,
        });
        batch.change(&Change::SessionDetached {
            session,
            expiry,
            bindings: &[],
            at,
            will_void: true,
        });
        if id % 1000 == 0 || id == sessions {
            wait(store.submit(std::mem::replace(&mut batch, store.batch())).last);
        }
    }
    println!(
        "{sessions} sessions made in {:?}, RSS {} MiB",
        begun.elapsed(),
        rss() >> 20
    );
    let begun = Instant::now();
    let mut last = Seq::ZERO;
    for number in 0..messages {
        let queue = [QueueId(1 + number % sessions)];
        batch.message(&NewMessage {
            queues: &queue,
            qos: QoS::AtLeastOnce,
            retain: false,
            set_retained: false,
            deadline: UnixMillis::NEVER,
            sender: "publisher-1",
            topic: "devices/00000001/commands",
            properties: &[],
            payload: &[7; 256],
            receipt: None,
        });
        if number % 1000 == 999 || number + 1 == messages {
            wait(last);
            last = store.submit(std::mem::replace(&mut batch, store.batch())).last;
        }
    }
    wait(last);
    println!(
        "{messages} messages published in {:?}, RSS {} MiB",
        begun.elapsed(),
        rss() >> 20
    );
    let begun = Instant::now();
    for _ in 0..3 {
        store.tick(now().millis());
        std::thread::sleep(Duration::from_millis(300));
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    store.session(SessionId(1), last, Box::new(move |_| _ = sender.send(())));
    let _ = receiver.recv();
    println!("swept in about {:?}: {:?}", begun.elapsed(), store.figures());
    // Without closing it: as if killed.
    drop(store);
}

fn reopen(folder: &Path) {
    let before = rss();
    let begun = Instant::now();
    let (store, mut recovered) = open(folder);
    let opened = begun.elapsed();
    let mut subscriptions = 0;
    recovered.sessions(&mut |image| subscriptions += image.subscriptions.len());
    let figures = store.figures();
    println!(
        "opened in {opened:?}, {subscriptions} subscriptions read in {:?}",
        begun.elapsed() - opened
    );
    println!(
        "RSS {} MiB more, {} bytes a session; {} sessions, {} entries, {} segments",
        (rss() - before) >> 20,
        (rss() - before) / figures.sessions.max(1),
        figures.sessions,
        figures.entries,
        figures.segments,
    );
    for finding in recovered.findings() {
        println!("found: {finding}");
    }
    let begun = Instant::now();
    store.close().expect("the store closes");
    println!("closed in {:?}", begun.elapsed());
}

/// Bytes of memory in use.
fn rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status
        .split_whitespace()
        .nth(1)
        .and_then(|field| field.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}
