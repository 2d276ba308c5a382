//! How fast the log store is on this machine: append at several batch sizes, each batch synced, then the drain, then
//! reopening. Prints what the disk's sync costs beside it.
//!
//! `cargo run --release -p restante-store --example store_speed [FOLDER] [MESSAGES]`

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::{Duration, Instant, SystemTime},
};

use restante_model::{QoS, QueueId, Seq, SessionId, SubscriptionOptions, UnixMicros, UnixMillis};
use restante_store::{
    change::{Change, NewMessage},
    contract::{QueueLimits, QueueSpan, ReadRequest, Recovered, Store, WhenFull},
    folder::FolderDisk,
    io::Disk,
    log::{LogSettings, LogStore},
};

const QUEUES: u64 = 100;
const PAYLOAD: [u8; 256] = [7; 256];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments
        .next()
        .map_or_else(|| PathBuf::from("store-speed-data"), PathBuf::from);
    let messages: u64 = arguments
        .next()
        .and_then(|count| count.parse().ok())
        .unwrap_or(2_000_000);
    let _ = std::fs::remove_dir_all(&folder);
    for (batch, in_flight) in [(64, 4), (256, 4), (1024, 4), (4096, 4)] {
        let run = Run::new(&folder);
        run.sync_latency();
        run.append(messages, batch, in_flight);
        run.settle();
        run.append(messages, batch, in_flight);
        run.drain(2 * messages);
        drop(run);
        let begun = Instant::now();
        let run = Run::open(&folder);
        println!("  reopen without checkpoint: {:?}", begun.elapsed());
        run.store.close().expect("the store closes");
        drop(run);
        let begun = Instant::now();
        let run = Run::open(&folder);
        println!("  reopen after close: {:?}", begun.elapsed());
        drop(run);
        let _ = std::fs::remove_dir_all(&folder);
    }
}

struct Run {
    store: LogStore,
    progress: mpsc::Receiver<()>,
    folder: PathBuf,
}

fn now() -> UnixMicros {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UnixMicros(since.as_micros() as u64)
}

impl Run {
    fn open(folder: &Path) -> Run {
        let disk = Arc::new(FolderDisk::open(folder).expect("the folder opens"));
        let settings = LogSettings {
            limits: QueueLimits {
                messages_max: 0,
                bytes_max: 0,
                when_full: WhenFull::DropOldest,
            },
            spares_max: 200,
            ..LogSettings::new(Arc::new(now))
        };
        let (store, mut recovered) = LogStore::open(disk, settings, now().millis()).expect("the store opens");
        let mut sessions = 0;
        recovered.sessions(&mut |_| sessions += 1);
        for finding in recovered.findings() {
            println!("  found: {finding}");
        }
        let (sender, progress) = mpsc::sync_channel(1);
        store.on_progress(Arc::new(move || _ = sender.try_send(())));
        Run {
            store,
            progress,
            folder: folder.into(),
        }
    }

    fn new(folder: &Path) -> Run {
        let run = Run::open(folder);
        let mut batch = run.store.batch();
        for id in 1..=QUEUES {
            let filter = format!("queue/{id}/#");
            batch.change(&Change::QueueOpened {
                queue: QueueId(id),
                filter: &filter,
            });
            batch.change(&Change::SessionOpened {
                session: SessionId(id),
                client_id: &format!("session-{id}"),
                version: 5,
                expiry: u32::MAX,
                will: None,
                at: now().millis(),
            });
            batch.change(&Change::Subscribed {
                session: SessionId(id),
                filter: &filter,
                queue: Some(QueueId(id)),
                options: SubscriptionOptions {
                    qos: QoS::AtLeastOnce,
                    ..Default::default()
                },
            });
        }
        let span = run.store.submit(batch);
        run.wait(span.last);
        run
    }

    fn wait(&self, seq: Seq) {
        while self.store.durable() < seq {
            let _ = self.progress.recv_timeout(Duration::from_millis(100));
        }
    }

    /// What one small write and sync costs.
    fn sync_latency(&self) {
        let disk = FolderDisk::open(&self.folder.join("probe")).expect("a folder for the probe");
        let file = disk.create("probe", 1 << 20).expect("a file for the probe");
        file.sync().expect("a sync");
        let mut times: Vec<Duration> = (0..200)
            .map(|at| {
                let begun = Instant::now();
                file.write_at(at * 4096, &[std::io::IoSlice::new(&PAYLOAD)])
                    .expect("a write");
                file.sync().expect("a sync");
                begun.elapsed()
            })
            .collect();
        times.sort_unstable();
        println!(
            "disk: write + sync of 256 bytes: median {:?}, p99 {:?}",
            times[100], times[198]
        );
    }

    /// Publishes in batches, with some batches in flight.
    fn append(&self, messages: u64, batch_len: u64, in_flight: usize) {
        let before = self.store.figures();
        let cpu = cpu();
        let begun = Instant::now();
        let mut waiting: VecDeque<Seq> = VecDeque::new();
        let mut sent = 0;
        while sent < messages {
            let mut batch = self.store.batch();
            for _ in 0..batch_len {
                let queue = [QueueId(1 + sent % QUEUES)];
                batch.message(&NewMessage {
                    queues: &queue,
                    qos: QoS::AtLeastOnce,
                    retain: false,
                    set_retained: false,
                    deadline: UnixMillis::NEVER,
                    sender: "publisher-1",
                    topic: "queue/1/temperature",
                    properties: &[],
                    payload: &PAYLOAD,
                    receipt: None,
                });
                sent += 1;
            }
            waiting.push_back(self.store.submit(batch).last);
            if waiting.len() >= in_flight
                && let Some(first) = waiting.pop_front()
            {
                self.wait(first);
            }
        }
        let last = waiting.pop_back().unwrap_or_default();
        self.wait(last);
        let elapsed = begun.elapsed();
        let used = cpu_since(cpu);
        let after = self.store.figures();
        let commits = (after.commits - before.commits).max(1);
        let syncs = (after.syncs - before.syncs).max(1);
        println!(
            "append, batches of {batch_len}, {in_flight} in flight: {:.0} k/s, {:.3} us CPU/msg, {:.0} records/commit, \
             sync {} us",
            sent as f64 / elapsed.as_secs_f64() / 1000.0,
            used / sent as f64,
            (after.records - before.records) as f64 / commits as f64,
            (after.sync_nanos - before.sync_nanos) / syncs / 1000,
        );
    }

    /// Lets the house catch up.
    fn settle(&self) {
        self.store.tick(now().millis());
        std::thread::sleep(Duration::from_millis(300));
    }

    /// Reads every queue to its end and acknowledges it.
    fn drain(&self, expected: u64) {
        let cpu = cpu();
        let begun = Instant::now();
        let mut count = 0;
        let mut bytes = 0;
        for id in 1..=QUEUES {
            let mut after = Seq::ZERO;
            loop {
                let (sender, receiver) = mpsc::sync_channel(1);
                let request = ReadRequest {
                    spans: vec![QueueSpan {
                        queue: QueueId(id),
                        from: Seq::ZERO,
                        to: Seq::MAX,
                    }],
                    after,
                    skip: Vec::new(),
                    messages_max: 1000,
                    bytes_max: 1 << 20,
                    applied: self.store.durable(),
                };
                self.store
                    .read(request, Box::new(move |page| _ = sender.send(page)));
                let page = receiver.recv().expect("the store answers");
                for entry in &page.entries {
                    bytes += entry
                        .message
                        .as_ref()
                        .expect("the message is whole")
                        .parts
                        .payload()
                        .len();
                }
                count += page.entries.len() as u64;
                after = page.through;
                let mut batch = self.store.batch();
                batch.change(&Change::CursorMoved {
                    session: SessionId(id),
                    low: after,
                    above: &[],
                });
                self.store.submit(batch);
                if page.end {
                    break;
                }
            }
        }
        let elapsed = begun.elapsed();
        println!(
            "  drain: {:.0} k/s, {:.3} us CPU/msg, {} MiB, {}",
            count as f64 / elapsed.as_secs_f64() / 1000.0,
            cpu_since(cpu) / count as f64,
            bytes >> 20,
            if count == expected {
                "all there".into()
            } else {
                format!("EXPECTED {expected}, GOT {count}")
            },
        );
        self.settle();
        let figures = self.store.figures();
        println!(
            "  left: {} entries, {} segments",
            figures.entries, figures.segments
        );
    }
}

/// CPU of this process so far, in ticks of 10 ms.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let of = |at: usize| {
        fields
            .get(at)
            .and_then(|field| field.parse::<u64>().ok())
            .unwrap_or(0)
    };
    of(11) + of(12)
}

/// Microseconds of CPU since then.
fn cpu_since(then: u64) -> f64 {
    (cpu() - then) as f64 * 10_000.0
}
