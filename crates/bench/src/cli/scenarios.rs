//! From arguments to reports.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::arguments::{
    ConnectArguments, DrainArguments, FanoutArguments, IngestArguments, LiveArguments, Place,
    ProtocolVersion, Shape, Take,
};
use crate::clock::Clock;
use crate::drain::{self, Drain};
use crate::error::BenchError;
use crate::fanout::{self, Fanout};
use crate::ingest::{self, Ingest};
use crate::layout::Layout;
use crate::link::Target;
use crate::live::{self, Live};
use crate::open_files;
use crate::process::{self, Sample};
use crate::progress::Progress;
use crate::report::{ProcessUse, Report};
use crate::sessions::{self, Visit};
use crate::subscriber::Expected;
use crate::wire::{Keep, Protocol};

pub(super) fn ingest(name: &str, arguments: &IngestArguments) -> Result<Vec<Report>, BenchError> {
    let run = Run::start(&arguments.place);
    let layout = run.layout(&arguments.shape);
    if arguments.drain && arguments.qos.min(arguments.subscribe_qos) == 0 {
        return Err(BenchError::Arguments(
            "QoS 0 is not kept for the absent, so there is nothing to drain: use --qos 1 and --subscribe-qos 1 or more"
                .to_owned(),
        ));
    }
    open_files::allow(u64::from(layout.publishers.max(arguments.concurrency)))?;
    if !arguments.existing {
        run.visit(
            &layout,
            "sessions made",
            Visit::Subscribe(arguments.subscribe_qos),
            arguments.concurrency,
        )?;
    }
    let how = Ingest {
        qos: arguments.qos,
        window: arguments.window,
        threads: arguments.threads,
    };
    let mut watch = None;
    let ingested = Progress::show(run.quiet, "acknowledged", layout.messages, |progress| {
        ingest::run(&run.target, &layout, how, &run.clock, progress, || {
            watch = Some(run.watch())
        })
    })?;
    let mut report = run.report(name, &layout, ingested.published, ingested.seconds, watch);
    report.acknowledged = ingested.latency.latency();
    report.set("qos", arguments.qos);
    report.set("subscribe-qos", arguments.subscribe_qos);
    report.set("window", arguments.window);
    report.set("threads", arguments.threads);
    report.refusals(ingested.refused);
    if !arguments.drain {
        report.notes.push(run.left_behind(&layout));
        return Ok(vec![report]);
    }
    let drained = take(&run, &layout, &arguments.take)?;
    Ok(vec![report, drained])
}

pub(super) fn drain(arguments: &DrainArguments) -> Result<Report, BenchError> {
    if arguments.place.run.is_none() {
        return Err(BenchError::Arguments(
            "drain takes what an ingest left: give its --run (the ingest prints it) and the same shape"
                .to_owned(),
        ));
    }
    let run = Run::start(&arguments.place);
    take(&run, &run.layout(&arguments.shape), &arguments.take)
}

fn take(run: &Run, layout: &Layout, take: &Take) -> Result<Report, BenchError> {
    open_files::allow(u64::from(take.at_once))?;
    let how = Drain {
        at_once: take.at_once,
        quiet: Duration::from_secs(u64::from(take.quiet_seconds)),
        sample: take.sample,
        again: (take.again_ms > 0).then(|| Duration::from_millis(take.again_ms)),
    };
    let expected = Expected::new(*layout, run.target.protocol);
    let watch = run.watch();
    let drained = Progress::show(run.quiet, "received", how.deliveries(layout), |progress| {
        drain::run(&run.target, &expected, how, &run.clock, progress)
    })?;
    let mut report = run.report(
        "drain",
        layout,
        drained.found.arrived,
        drained.seconds,
        Some(watch),
    );
    report.set("at-once", take.at_once);
    report.set("again-ms", take.again_ms);
    if take.sample > 0 {
        report.set("sample", take.sample);
    }
    report.verification = Some(drained.found);
    report.judge();
    report.notes.extend(queue_limits(layout, drained.found.lost));
    if drained.sessions_absent > 0 {
        let sentence = format!("{} sessions were unknown to the broker", drained.sessions_absent);
        report.failures.push(sentence);
    }
    if take.keep || take.sample > 0 {
        report.notes.push(run.left_behind(layout));
    } else {
        run.visit(layout, "sessions cleared", Visit::Clear, 1)?;
    }
    Ok(report)
}

pub(super) fn live(arguments: &LiveArguments) -> Result<Report, BenchError> {
    let run = Run::start(&arguments.place);
    let layout = run.layout(&arguments.shape);
    open_files::allow(u64::from(layout.publishers) + u64::from(layout.sessions))?;
    let keep = kept(arguments.clean);
    let how = Live {
        rate: arguments.rate,
        qos: arguments.qos,
        subscribe_qos: arguments.subscribe_qos,
        keep,
        quiet: Duration::from_secs(u64::from(arguments.quiet_seconds)),
    };
    let expected = Expected::new(layout, run.target.protocol);
    let mut watch = None;
    let lived = Progress::show(run.quiet, "received", layout.deliveries(), |progress| {
        live::run(&run.target, &expected, how, &run.clock, progress, || {
            watch = Some(run.watch())
        })
    })?;
    let mut report = run.report("live", &layout, lived.published, lived.seconds, watch);
    report.acknowledged = lived.acknowledged.latency();
    report.received = lived.received.latency();
    report.send_lag = lived.lag.latency();
    report.set("rate", arguments.rate);
    report.set("qos", arguments.qos);
    report.set("subscribe-qos", arguments.subscribe_qos);
    report.set(
        "subscribers",
        if arguments.clean { "clean" } else { "persistent" },
    );
    report.refusals(lived.refused);
    report.verification = Some(lived.found);
    report.judge();
    run.clear_if(keep, &layout)?;
    Ok(report)
}

pub(super) fn fanout(arguments: &FanoutArguments) -> Result<Report, BenchError> {
    let run = Run::start(&arguments.place);
    let layout = run.layout(&Shape {
        publishers: arguments.publishers,
        sessions: arguments.sessions,
        topics: arguments.topics,
        messages: arguments.messages,
        size: arguments.size,
    });
    open_files::allow(u64::from(layout.publishers) + u64::from(layout.sessions))?;
    let keep = kept(arguments.clean);
    let how = Fanout {
        ingest: Ingest {
            qos: arguments.qos,
            window: arguments.window,
            threads: 1,
        },
        subscribe_qos: arguments.subscribe_qos,
        keep,
        ahead: arguments.ahead,
        quiet: Duration::from_secs(u64::from(arguments.quiet_seconds)),
    };
    let expected = Expected::new(layout, run.target.protocol);
    let mut watch = None;
    let fanned = Progress::show(run.quiet, "received", layout.deliveries(), |progress| {
        fanout::run(&run.target, &expected, how, &run.clock, progress, || {
            watch = Some(run.watch())
        })
    })?;
    let mut report = run.report("fanout", &layout, fanned.found.arrived, fanned.seconds, watch);
    report.acknowledged = fanned.acknowledged.latency();
    report.received = fanned.received.latency();
    report.set("published", fanned.published);
    report.set("qos", arguments.qos);
    report.set("subscribe-qos", arguments.subscribe_qos);
    report.set("window", arguments.window);
    report.set("ahead", arguments.ahead);
    report.set(
        "subscribers",
        if arguments.clean { "clean" } else { "persistent" },
    );
    report.refusals(fanned.refused);
    report.verification = Some(fanned.found);
    report.judge();
    run.clear_if(keep, &layout)?;
    Ok(report)
}

pub(super) fn connect(arguments: &ConnectArguments) -> Result<Report, BenchError> {
    let run = Run::start(&arguments.place);
    let layout = run.layout(&Shape {
        publishers: 1,
        sessions: arguments.sessions,
        topics: arguments.topics,
        messages: 1,
        size: crate::payload::SIZE_MIN as u32,
    });
    let visit = match (arguments.clear, arguments.no_subscribe) {
        (true, _) => Visit::Clear,
        (_, true) => Visit::Plain,
        _ => Visit::Subscribe(arguments.subscribe_qos),
    };
    let watch = run.watch();
    let start = run.clock.nanos();
    run.visit(&layout, "sessions", visit, arguments.concurrency)?;
    let seconds = (run.clock.nanos() - start) as f64 / 1e9;
    let mut report = run.report(
        "connect",
        &layout,
        u64::from(arguments.sessions),
        seconds,
        Some(watch),
    );
    report.set("visit", format!("{visit:?}"));
    report.set("concurrency", arguments.concurrency);
    if visit != Visit::Clear {
        report.notes.push(run.left_behind(&layout));
    }
    Ok(report)
}

/// What is the same for all scenarios once they run.
struct Run {
    target: Target,
    clock: Clock,
    number: u32,
    pid: Option<u32>,
    quiet: bool,
    protocol: &'static str,
}

/// What broker and tool had used when it began.
struct Watch {
    broker: Option<(u32, Sample)>,
    tool: Option<Sample>,
}

impl Run {
    fn start(place: &Place) -> Run {
        let (protocol, protocol_name) = match place.protocol {
            ProtocolVersion::V311 => (Protocol::V311, "3.1.1"),
            ProtocolVersion::V5 => (Protocol::V5, "5.0"),
        };
        Run {
            target: Target {
                address: place.address,
                protocol,
                receive_maximum: place.receive_maximum,
            },
            clock: Clock::start(Duration::from_secs(u64::from(place.deadline))),
            number: place.run.unwrap_or_else(drawn),
            pid: place.pid,
            quiet: place.quiet,
            protocol: protocol_name,
        }
    }

    fn layout(&self, shape: &Shape) -> Layout {
        let own = shape.sessions.max(1);
        Layout {
            run: self.number,
            publishers: shape.publishers,
            topics: if shape.topics == 0 { own } else { shape.topics },
            sessions: shape.sessions,
            messages: shape.messages,
            size: shape.size as usize,
        }
    }

    fn visit(&self, layout: &Layout, what: &str, visit: Visit, concurrency: u32) -> Result<(), BenchError> {
        Progress::show(self.quiet, what, u64::from(layout.sessions), |progress| {
            sessions::visit_all(&self.target, layout, visit, concurrency, &self.clock, progress)
        })
    }

    /// Persistent sessions are not left behind.
    fn clear_if(&self, keep: Keep, layout: &Layout) -> Result<(), BenchError> {
        if keep == Keep::Session {
            self.visit(layout, "sessions cleared", Visit::Clear, 1)?;
        }
        Ok(())
    }

    /// What stays in the broker, and how it is cleared.
    fn left_behind(&self, layout: &Layout) -> String {
        let Target {
            address, protocol, ..
        } = self.target;
        let protocol = match protocol {
            Protocol::V311 => "",
            Protocol::V5 => " --protocol 5.0",
        };
        format!(
            "{} sessions stay in the broker; to clear them: restante bench connect --clear --address {address}{protocol} \
             --run {:08x} --sessions {}",
            layout.sessions, layout.run, layout.sessions
        )
    }

    fn watch(&self) -> Watch {
        Watch {
            broker: self.pid.and_then(|pid| Some((pid, process::sample(pid)?))),
            tool: process::sample(std::process::id()),
        }
    }

    fn report(
        &self,
        scenario: &str,
        layout: &Layout,
        count: u64,
        seconds: f64,
        watch: Option<Watch>,
    ) -> Report {
        let after = self.watch();
        let before = watch.as_ref();
        let broker_before = before.and_then(|watch| watch.broker);
        let mut report = Report {
            scenario: scenario.to_owned(),
            settings: BTreeMap::new(),
            seconds,
            count,
            per_second: if seconds > 0.0 {
                count as f64 / seconds
            } else {
                0.0
            },
            broker: used(
                broker_before.map(|(_, sample)| sample),
                after.broker.map(|(_, sample)| sample),
                count,
            ),
            tool: used(before.and_then(|watch| watch.tool), after.tool, count),
            ..Report::default()
        };
        report.set("address", self.target.address);
        report.set("protocol", self.protocol);
        report.set("run", format!("{:08x}", layout.run));
        report.set("publishers", layout.publishers);
        report.set("sessions", layout.sessions);
        report.set("topics", layout.topics);
        report.set("messages", layout.messages);
        report.set("size", layout.size);
        if self.target.protocol == Protocol::V5 {
            report.set("receive-maximum", self.target.receive_maximum);
        }
        if self.pid.is_some() && broker_before.is_none() {
            report.failures.push("no process with the given --pid".to_owned());
        }
        report
    }
}

impl Report {
    fn set(&mut self, name: &str, value: impl std::fmt::Display) {
        self.settings.insert(name.to_owned(), value.to_string());
    }

    fn refusals(&mut self, refused: u64) {
        if refused > 0 {
            self.failures
                .push(format!("{refused} messages were refused by the broker"));
        }
    }
}

/// With so many messages for one session a broker's own limit is the likely cause of loss: the lowest default that is
/// common (mosquitto's); restante's is ten times that.
const WAITING_USUAL: u64 = 1_000;

/// What to think of first where messages did not wait.
fn queue_limits(layout: &Layout, lost: u64) -> Option<String> {
    let each = layout.messages.div_ceil(u64::from(layout.topics.max(1)));
    (lost > 0 && each > WAITING_USUAL).then(|| {
        format!(
            "up to {each} messages waited for one session, and brokers limit that: see the broker's limits of queues \
             (restante: session.max_mqueue_len, 10000 by default, and session.max_mqueue_bytes)"
        )
    })
}

fn kept(clean: bool) -> Keep {
    if clean { Keep::Nothing } else { Keep::Session }
}

fn used(before: Option<Sample>, after: Option<Sample>, count: u64) -> Option<ProcessUse> {
    let (before, after) = (before?, after?);
    let cpu_us = after.cpu_us.saturating_sub(before.cpu_us) as f64;
    Some(ProcessUse {
        cpu_seconds: cpu_us / 1e6,
        cpu_us_per_count: cpu_us / count.max(1) as f64,
        rss_before: before.rss,
        rss_after: after.rss,
        rss_anonymous_before: before.rss_anonymous,
        rss_anonymous_after: after.rss_anonymous,
    })
}

/// A number that runs of today do not share: the low bits of the time in microseconds.
fn drawn() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_micros() as u32
}
