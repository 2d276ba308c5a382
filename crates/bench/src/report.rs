//! The result of a run, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;

/// What one scenario showed. What it did not measure is absent.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Which scenario.
    pub scenario: String,
    /// What it was set to, by argument name.
    pub settings: BTreeMap<String, String>,
    /// From the first packet of the load to the last answer, in seconds.
    pub seconds: f64,
    /// Messages published (ingest, live, fanout), received (drain) or sessions made (connect).
    pub count: u64,
    /// `count` per second.
    pub per_second: f64,
    /// Publish to PUBACK (QoS 1) or PUBREC (QoS 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Latency>,
    /// Publish to arrival at a subscriber.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received: Option<Latency>,
    /// How late sends were against the fixed rate (live only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_lag: Option<Latency>,
    /// What arrived against what had to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// What the broker used, where `--pid` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker: Option<ProcessUse>,
    /// What the tool itself used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<ProcessUse>,
    /// Why the run does not count; empty when it does.
    pub failures: Vec<String>,
    /// What to know about it: what may have caused a failure, what was left behind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// How many.
    pub count: u64,
    /// Half were faster.
    pub p50_us: f64,
    /// 90 % were faster.
    pub p90_us: f64,
    /// 99 % were faster.
    pub p99_us: f64,
    /// 99.9 % were faster.
    pub p999_us: f64,
    /// The slowest.
    pub max_us: f64,
}

/// What arrived, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Messages that had to arrive.
    pub expected: u64,
    /// Different ones that did.
    pub arrived: u64,
    /// Expected and not arrived: lost, evicted, expired.
    pub lost: u64,
    /// Arrived once more than once.
    pub duplicated: u64,
    /// Arrived after a later one of the same publisher and topic.
    pub out_of_order: u64,
    /// Arrived with another length or other bytes, or on another topic, than were sent.
    pub damaged: u64,
    /// Of another run or with numbers never sent.
    pub foreign: u64,
    /// Came again on a connection after all had been acknowledged.
    pub again: u64,
}

/// What a process used during a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ProcessUse {
    /// CPU time, user and system, in seconds. Measured in ticks of 10 ms.
    pub cpu_seconds: f64,
    /// CPU time per message or session in microseconds.
    pub cpu_us_per_count: f64,
    /// Resident memory before, in bytes.
    pub rss_before: u64,
    /// Resident memory after, in bytes.
    pub rss_after: u64,
    /// Resident memory that is no file, before.
    pub rss_anonymous_before: u64,
    /// Resident memory that is no file, after.
    pub rss_anonymous_after: u64,
}

impl Report {
    /// Whether it did what it was to do and everything that had to arrive did, once, in order.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// Adds to `failures` what the verification found.
    pub(crate) fn judge(&mut self) {
        let Some(found) = self.verification else { return };
        let faults = [
            (found.lost, "lost"),
            (found.duplicated, "duplicated"),
            (found.out_of_order, "out of order"),
            (found.damaged, "damaged"),
            (found.foreign, "foreign"),
            (found.again, "sent again after they were acknowledged"),
        ];
        let sentences = faults.iter().filter(|(count, _)| *count > 0);
        self.failures
            .extend(sentences.map(|(count, what)| format!("{count} messages {what}")));
    }
}

impl Verification {
    /// Adds what another subscriber found.
    pub(crate) fn merge(&mut self, other: &Verification) {
        self.expected += other.expected;
        self.arrived += other.arrived;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.out_of_order += other.out_of_order;
        self.damaged += other.damaged;
        self.foreign += other.foreign;
        self.again += other.again;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self
            .settings
            .iter()
            .fold(String::new(), |mut text, (name, value)| {
                // Writing to a string cannot fail.
                let _ = write!(text, " {name}={value}");
                text
            });
        writeln!(formatter, "{}:{settings}", self.scenario)?;
        writeln!(
            formatter,
            "  {} in {:.3} s: {:.0} per second",
            self.count, self.seconds, self.per_second
        )?;
        let latencies = [
            ("publish to acknowledgement", self.acknowledged),
            ("publish to arrival", self.received),
            ("late sends", self.send_lag),
        ];
        for (what, latency) in latencies {
            if let Some(latency) = latency {
                writeln!(
                    formatter,
                    "  {what}, us: p50 {:.0}, p90 {:.0}, p99 {:.0}, p99.9 {:.0}, max {:.0}",
                    latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us, latency.max_us
                )?;
            }
        }
        for (who, used) in [("broker", self.broker), ("tool", self.tool)] {
            if let Some(used) = used {
                writeln!(
                    formatter,
                    "  {who}: CPU {:.2} s, {:.3} us each; resident {} -> {} kB, without files {} -> {} kB",
                    used.cpu_seconds,
                    used.cpu_us_per_count,
                    used.rss_before / 1024,
                    used.rss_after / 1024,
                    used.rss_anonymous_before / 1024,
                    used.rss_anonymous_after / 1024
                )?;
            }
        }
        if let Some(found) = self.verification {
            writeln!(
                formatter,
                "  {} of {} arrived; lost {}, duplicated {}, out of order {}, damaged {}, foreign {}, again {}",
                found.arrived,
                found.expected,
                found.lost,
                found.duplicated,
                found.out_of_order,
                found.damaged,
                found.foreign,
                found.again
            )?;
        }
        for note in &self.notes {
            writeln!(formatter, "  note: {note}")?;
        }
        if self.passed() {
            return writeln!(formatter, "  passed");
        }
        writeln!(formatter, "  FAILED: {}", self.failures.join("; "))
    }
}
