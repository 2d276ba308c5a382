//! The rows of the table: what each measures.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::brokers::{Peer, Running, start_expiring};
use super::tool::{Report, run, start};

/// How long sessions may take to expire.
const EXPIRY_LIMIT: Duration = Duration::from_secs(600);

/// Figures of one run: what, in which unit, and whether less is better.
pub(super) type Figures = Vec<(String, f64, Better)>;

/// Which way a figure is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Better {
    More,
    Less,
}

/// One measurement, for any of the brokers.
type Measure = fn(Peer, &Path, u64) -> Result<Figures, String>;

/// A row.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) measure: Measure,
    /// Percent of the full figures.
    pub(super) scale: u64,
}

pub(super) fn all(scale: u64) -> Vec<Row> {
    let rows: [(&str, Measure); 11] = [
        ("ingest and drain, window 64", |peer, folder, scale| {
            closed_loop(peer, folder, scale, "64", "1")
        }),
        ("ingest and drain, window 1,024", |peer, folder, scale| {
            closed_loop(peer, folder, scale, "1024", "1")
        }),
        ("ingest and drain, QoS 2, window 64", |peer, folder, scale| {
            closed_loop(peer, folder, scale / 4, "64", "2")
        }),
        ("1,000 publishers, window 1", window1),
        ("live, 2,000 a second, persistent subscribers", live),
        ("absent sessions on one filter: 1 and 10,000", one_filter),
        ("a million messages drained by one client", one_client),
        ("a million absent sessions", absent_sessions),
        ("restart after SIGKILL, cold cache", restart),
        (
            "10,000 random returns among a million queues, cold cache",
            returns,
        ),
        ("a million sessions expire at once", expiry),
    ];
    let row = |(name, measure): (&str, Measure)| Row {
        name: name.to_owned(),
        measure,
        scale,
    };
    rows.into_iter().map(row).collect()
}

fn of(whole: u64, scale: u64) -> String {
    (whole * scale / 100).max(1).to_string()
}

fn figure(what: &str, value: f64, better: Better) -> (String, f64, Better) {
    (what.to_owned(), value, better)
}

/// 4 publishers, 100 absent sessions, own filters; then they return.
fn closed_loop(peer: Peer, folder: &Path, scale: u64, window: &str, qos: &str) -> Result<Figures, String> {
    let broker = peer.start(folder)?;
    // What takes a second or two on each: mosquitto is slower, and its rate does not depend on the count.
    let messages = of(
        if peer == Peer::Mosquitto {
            400_000
        } else {
            2_000_000
        },
        scale,
    );
    let concurrency = broker.concurrency();
    let arguments = [
        "--messages",
        &messages,
        "--window",
        window,
        "--concurrency",
        concurrency,
    ];
    let reports = run(
        &broker,
        "ingest",
        &[&arguments[..], &["--qos", qos, "--subscribe-qos", qos, "--drain"]].concat(),
    )?;
    let [ingest, drain] = pair(&reports)?;
    Ok(vec![
        figure("ingest, messages/s", ingest.number("per_second")?, Better::More),
        figure(
            "ingest, broker CPU us each",
            ingest.number("broker.cpu_us_per_count")?,
            Better::Less,
        ),
        figure(
            "ingest, ack p50 us",
            ingest.number("acknowledged.p50_us")?,
            Better::Less,
        ),
        figure(
            "ingest, ack p99 us",
            ingest.number("acknowledged.p99_us")?,
            Better::Less,
        ),
        figure("drain, messages/s", drain.number("per_second")?, Better::More),
        figure(
            "drain, broker CPU us each",
            drain.number("broker.cpu_us_per_count")?,
            Better::Less,
        ),
    ])
}

fn window1(peer: Peer, folder: &Path, scale: u64) -> Result<Figures, String> {
    let broker = peer.start(folder)?;
    let messages = of(500_000, scale);
    let reports = run(
        &broker,
        "window1",
        &["--messages", &messages, "--concurrency", broker.concurrency()],
    )?;
    let report = first(&reports)?;
    Ok(vec![
        figure("messages/s", report.number("per_second")?, Better::More),
        figure(
            "broker CPU us each",
            report.number("broker.cpu_us_per_count")?,
            Better::Less,
        ),
        figure("ack p99 us", report.number("acknowledged.p99_us")?, Better::Less),
    ])
}

fn live(peer: Peer, folder: &Path, scale: u64) -> Result<Figures, String> {
    let broker = peer.start(folder)?;
    let messages = of(20_000, scale);
    let reports = run(
        &broker,
        "live",
        &["--messages", &messages, "--sessions", "4", "--rate", "2000"],
    )?;
    let report = first(&reports)?;
    Ok(vec![
        figure(
            "publish to arrival p50 us",
            report.number("received.p50_us")?,
            Better::Less,
        ),
        figure(
            "publish to arrival p99 us",
            report.number("received.p99_us")?,
            Better::Less,
        ),
        figure(
            "publish to PUBACK p50 us",
            report.number("acknowledged.p50_us")?,
            Better::Less,
        ),
        figure(
            "publish to PUBACK p99 us",
            report.number("acknowledged.p99_us")?,
            Better::Less,
        ),
    ])
}

/// The cost of a publish with 1 and with 10,000 absent sessions, and the return of all 10,000 to empty.
fn one_filter(peer: Peer, folder: &Path, scale: u64) -> Result<Figures, String> {
    let (messages, sessions) = match peer {
        Peer::Mosquitto => (of(2_000, scale), of(1_000, scale)),
        _ => (of(200_000, scale), of(10_000, scale)),
    };
    let alone = ingest_on_one_filter(peer, folder, &messages, "1")?;
    let many = ingest_on_one_filter(peer, folder, &messages, &sessions)?;
    let broker = peer.start(folder)?;
    let arguments = [
        "--messages",
        "100",
        "--sessions",
        &sessions,
        "--topics",
        "1",
        "--drain",
        "--at-once",
        "1000",
    ];
    let concurrency = ["--concurrency", broker.concurrency()];
    let reports = run(&broker, "ingest", &[&arguments[..], &concurrency[..]].concat())?;
    let [_, drain] = pair(&reports)?;
    Ok(vec![
        figure("one session, messages/s", alone, Better::More),
        figure(
            "10,000 sessions (mosquitto: 1,000), messages/s",
            many,
            Better::More,
        ),
        figure("cost of many over cost of one", alone / many, Better::Less),
        figure(
            "return of all with 100 each, messages/s",
            drain.number("per_second")?,
            Better::More,
        ),
    ])
}

fn ingest_on_one_filter(peer: Peer, folder: &Path, messages: &str, sessions: &str) -> Result<f64, String> {
    let broker = peer.start(folder)?;
    let arguments = ["--messages", messages, "--sessions", sessions, "--topics", "1"];
    let reports = run(
        &broker,
        "ingest",
        &[&arguments[..], &["--concurrency", broker.concurrency()]].concat(),
    )?;
    first(&reports)?.number("per_second")
}

/// How much memory the broker takes while one client drains a million messages.
fn one_client(peer: Peer, folder: &Path, scale: u64) -> Result<Figures, String> {
    let broker = peer.start(folder)?;
    let messages = of(1_000_000, scale);
    let shape = [
        "--messages",
        messages.as_str(),
        "--sessions",
        "1",
        "--topics",
        "1",
        "--run",
        "1",
    ];
    run(&broker, "ingest", &shape)?;
    let before = memory(&broker, "VmRSS:")?;
    forget_peak(&broker)?;
    let reports = run(&broker, "drain", &shape)?;
    let peak = memory(&broker, "VmHWM:")?;
    Ok(vec![
        figure("messages/s", first(&reports)?.number("per_second")?, Better::More),
        figure(
            "peak of memory above the start, MiB",
            (peak - before).max(0.0) / 1024.0,
            Better::Less,
        ),
    ])
}

/// Memory per absent session with an own filter and an empty queue; for Restante after a restart.
fn absent_sessions(peer: Peer, folder: &Path, scale: u64) -> Result<Figures, String> {
    // rumqttd takes one new session at a time and 10,010 in all.
    let sessions = of(if peer == Peer::Rumqttd { 10_000 } else { 1_000_000 }, scale);
    let mut broker = peer.start(folder)?;
    let empty = memory(&broker, "VmRSS:")?;
    let reports = run(
        &broker,
        "connect",
        &["--sessions", &sessions, "--concurrency", broker.concurrency()],
    )?;
    broker.killed_and_started(|| ());
    let count: f64 = sessions.parse().map_err(|_| "no count".to_owned())?;
    let bytes = (memory(&broker, "VmRSS:")? - empty) * 1024.0 / count;
    Ok(vec![
        figure("bytes per session", bytes, Better::Less),
        figure(
            "sessions made per second",
            first(&reports)?.number("per_second")?,
            Better::More,
        ),
    ])
}

/// From the start of the process to the port that accepts, with nothing in the page cache.
fn restart(peer: Peer, folder: &Path, scale: u64) -> Result<Figures, String> {
    if peer != Peer::Restante {
        return Ok(Vec::new());
    }
    let (messages, sessions) = (of(10_000_000, scale), of(1_000_000, scale));
    let few = [
        "--messages",
        messages.as_str(),
        "--sessions",
        "100",
        "--window",
        "1024",
    ];
    let many = [
        "--messages",
        messages.as_str(),
        "--sessions",
        &sessions,
        "--window",
        "1024",
    ];
    Ok(vec![
        figure(
            "10 M messages in 100 queues, s",
            restarted(peer, folder, &few)?,
            Better::Less,
        ),
        figure(
            "1 M sessions with 10 messages each, s",
            restarted(peer, folder, &many)?,
            Better::Less,
        ),
    ])
}

/// A few of very many sessions return, in no order, while others live on.
fn returns(peer: Peer, folder: &Path, scale: u64) -> Result<Figures, String> {
    if peer != Peer::Restante {
        return Ok(Vec::new());
    }
    let (messages, sessions, sample) = (of(10_000_000, scale), of(1_000_000, scale), of(10_000, scale));
    let mut broker = peer.start(folder)?;
    let shape = ["--messages", &messages, "--sessions", &sessions, "--run", "1"];
    run(&broker, "ingest", &[&shape[..], &["--window", "1024"]].concat())?;
    restart_cold(&mut broker)?;
    let quiet = run(&broker, "live", &steady("20000"))?;
    restart_cold(&mut broker)?;
    let meanwhile = start(&broker, "live", &steady("20000"))?;
    let returned = run(
        &broker,
        "drain",
        &[
            &shape[..],
            &["--sample", &sample, "--at-once", "100", "--again-ms", "0"],
        ]
        .concat(),
    )?;
    let meanwhile = meanwhile.finish()?;
    Ok(vec![
        figure(
            "returns with 10 messages each, s",
            first(&returned)?.number("seconds")?,
            Better::Less,
        ),
        figure(
            "publish to PUBACK p99 us meanwhile",
            acknowledged(&meanwhile)?,
            Better::Less,
        ),
        figure(
            "the same when nobody returns",
            acknowledged(&quiet)?,
            Better::Less,
        ),
    ])
}

/// The broker was away when the time of all of them ran out.
fn expiry(peer: Peer, folder: &Path, scale: u64) -> Result<Figures, String> {
    if peer != Peer::Restante {
        return Ok(Vec::new());
    }
    let sessions = of(1_000_000, scale);
    // Longer than it takes to make them.
    let interval = 20 + 2 * scale;
    let mut broker = start_expiring(folder, interval)?;
    run(&broker, "connect", &["--sessions", &sessions])?;
    let quiet = run(&broker, "live", &steady("10000"))?;
    broker.killed_and_started(|| std::thread::sleep(Duration::from_secs(interval)));
    let begun = Instant::now();
    let meanwhile = start(&broker, "live", &steady("40000"))?;
    while broker.sessions_absent()? > 0 {
        if begun.elapsed() > EXPIRY_LIMIT {
            return Err(format!("sessions are still there after {EXPIRY_LIMIT:?}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = begun.elapsed();
    let meanwhile = meanwhile.finish()?;
    Ok(vec![
        figure("until all are gone, s", took.as_secs_f64(), Better::Less),
        figure(
            "publish to PUBACK p99 us meanwhile",
            acknowledged(&meanwhile)?,
            Better::Less,
        ),
        figure(
            "the same when nothing expires",
            acknowledged(&quiet)?,
            Better::Less,
        ),
    ])
}

/// So many messages, 2,000 a second, to 4 subscribers that are there.
fn steady(messages: &str) -> [&str; 8] {
    [
        "--messages",
        messages,
        "--sessions",
        "4",
        "--rate",
        "2000",
        "--publishers",
        "4",
    ]
}

fn acknowledged(reports: &[Report]) -> Result<f64, String> {
    first(reports)?.number("acknowledged.p99_us")
}

fn restarted(peer: Peer, folder: &Path, arguments: &[&str]) -> Result<f64, String> {
    let mut broker = peer.start(folder)?;
    run(&broker, "ingest", arguments)?;
    restart_cold(&mut broker)
}

/// Answers how long the start took, in seconds.
fn restart_cold(broker: &mut Running) -> Result<f64, String> {
    let mut cold = Ok(());
    let took = broker.killed_and_started(|| {
        // Dirty pages cannot be dropped, so they are written first. Only root may drop the cache.
        cold = std::process::Command::new("sync")
            .status()
            .and_then(|_| fs::write("/proc/sys/vm/drop_caches", "3"));
    });
    cold.map_err(|error| format!("cannot empty the page cache (root may): {error}"))?;
    took.map(|time: Duration| time.as_secs_f64())
        .ok_or_else(|| "it keeps nothing".to_owned())
}

fn first(reports: &[Report]) -> Result<&Report, String> {
    reports
        .first()
        .ok_or_else(|| "the load tool reported nothing".to_owned())
}

fn pair(reports: &[Report]) -> Result<[&Report; 2], String> {
    match reports {
        [ingest, drain] => Ok([ingest, drain]),
        _ => Err("the load tool did not report both parts".to_owned()),
    }
}

/// A line of the broker's status in kB.
fn memory(broker: &Running, line: &str) -> Result<f64, String> {
    let path = format!("/proc/{}/status", broker.id());
    let status = fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
    status
        .lines()
        .find_map(|text| text.strip_prefix(line)?.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| format!("{path} has no {line}"))
}

/// Lets the highest memory use count from now.
fn forget_peak(broker: &Running) -> Result<(), String> {
    let path = format!("/proc/{}/clear_refs", broker.id());
    fs::write(&path, "5").map_err(|error| format!("cannot write {path}: {error}"))
}
