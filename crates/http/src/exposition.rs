//! The figures as Prometheus text (version 0.0.4).
//!
//! Written from snapshots: the counters live in the broker and the store, which know nothing of metrics.

use std::fmt::Write;

use restante_broker::figures::{BrokerFigures, PoolFigures};
use restante_model::{
    NotKept,
    metric::{self, Metric},
};
use restante_store::contract::{Admission, Figures};

use crate::source::{Check, Source};

/// All metrics as one text.
pub(crate) fn exposition(source: &dyn Source) -> String {
    let mut page = Page {
        text: String::with_capacity(16 << 10),
    };
    let process = source.process();
    page.labelled(metric::BUILD_INFO, [(process.version, 1)]);
    page.seconds(metric::UPTIME, process.uptime.as_secs_f64());
    page.plain(metric::READY, u64::from(matches!(source.ready(), Check::Good(_))));
    let store = source.store();
    broker(&mut page, &source.broker(), &store);
    log(&mut page, &store, &source.admission());
    pools(&mut page, &source.pools());
    page.plain(metric::LOG_LINES_SUPPRESSED, process.log_lines_suppressed);
    page.text
}

fn broker(page: &mut Page, broker: &BrokerFigures, store: &Figures) {
    page.plain(metric::CONNECTIONS, broker.connections);
    page.plain(metric::CONNECTIONS_ACCEPTED, broker.connections_accepted);
    page.plain(metric::CONNECTIONS_REFUSED, broker.connections_refused);
    page.plain(metric::PROTOCOL_ERRORS, broker.protocol_errors);
    let sessions = [
        ("present", broker.sessions_present),
        ("absent", broker.sessions_absent),
    ];
    page.labelled(metric::SESSIONS, sessions);
    page.plain(metric::SUBSCRIPTIONS, broker.subscriptions);
    page.labelled(metric::MESSAGES_RECEIVED, by_qos(&broker.messages_received));
    page.labelled(metric::MESSAGES_SENT, by_qos(&broker.messages_sent));
    let not_kept = NotKept::ALL.iter().zip(broker.not_kept);
    let not_kept = not_kept.filter(|(reason, _)| **reason != NotKept::Acknowledged);
    page.labelled(
        metric::MESSAGES_NOT_KEPT,
        not_kept.map(|(reason, count)| match reason {
            // The store's sweep does these, and the broker does not see them.
            NotKept::Evicted => (reason.word(), count.saturating_add(store.evicted)),
            NotKept::MessageExpired => (reason.word(), count.saturating_add(store.expired)),
            _ => (reason.word(), count.saturating_add(store.waited.under(*reason))),
        }),
    );
    page.plain(metric::BYTES_RECEIVED, broker.bytes_received);
    page.plain(metric::BYTES_SENT, broker.bytes_sent);
}

fn log(page: &mut Page, store: &Figures, admission: &Admission) {
    page.plain(metric::QUEUES, store.queues);
    page.plain(metric::QUEUE_ENTRIES, store.entries);
    page.plain(metric::SEGMENTS, store.segments);
    page.plain(metric::SEGMENT_BYTES, store.segment_bytes);
    page.plain(metric::STATE_BYTES, store.state_bytes);
    page.plain(metric::RETAINED, store.retained);
    page.plain(metric::RETAINED_BYTES, store.retained_bytes);
    let states = [
        ("open", matches!(admission, Admission::Open)),
        ("full", matches!(admission, Admission::Full { .. })),
        ("failed", matches!(admission, Admission::Failed { .. })),
    ];
    page.labelled(
        metric::ADMISSION,
        states.map(|(state, is)| (state, u64::from(is))),
    );
    page.plain(metric::COMMITS, store.commits);
    page.plain(metric::COMMITTED_RECORDS, store.records);
    page.plain(metric::COMMITTED_BYTES, store.bytes);
    page.powers_of_two(metric::COMMIT_TIME, &store.commit_micros);
    page.plain(metric::SYNCS, store.syncs);
    page.seconds(metric::SYNC_TIME, nanos_to_seconds(store.sync_nanos));
    page.plain(metric::DAMAGED, store.damaged);
}

/// Nothing where there are no pools.
fn pools(page: &mut Page, pools: &[PoolFigures]) {
    if pools.is_empty() {
        return;
    }
    let mut each = |metric, value: fn(&PoolFigures) -> u64| {
        page.labelled(metric, pools.iter().map(|pool| (&*pool.name, value(pool))));
    };
    each(metric::OUTBOX_RECORDS, |pool| pool.records);
    each(metric::OUTBOX_BYTES, |pool| pool.bytes);
    each(metric::OUTBOX_AGE, |pool| pool.oldest.as_secs());
    each(metric::BACKEND_UP, |pool| u64::from(pool.trouble.is_none()));
    each(metric::BACKEND_SENT, |pool| pool.sent);
    each(metric::BACKEND_CANCELLED, |pool| pool.cancelled);
    each(metric::BACKEND_FETCHED, |pool| pool.fetched);
    each(metric::BACKEND_AWAY, |pool| pool.away);
    each(metric::DEAD_LETTERS, |pool| pool.letters);
    each(metric::DEAD_LETTERS_TOTAL, |pool| pool.dead);
    each(metric::DEAD_LETTERS_DROPPED, |pool| pool.letters_dropped);
}

fn by_qos(counts: &[u64; 3]) -> [(&'static str, u64); 3] {
    [("0", counts[0]), ("1", counts[1]), ("2", counts[2])]
}

/// Rounds beyond 2^53 ns (104 days of syncing), by less than a microsecond.
#[allow(clippy::cast_precision_loss)]
fn nanos_to_seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// Writing to a string cannot fail, so the results of `write!` are left aside here.
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, metric: Metric) {
        let _ = writeln!(self.text, "# HELP {} {}", metric.name, metric.help);
        let _ = writeln!(self.text, "# TYPE {} {}", metric.name, metric.kind.word());
    }

    fn plain(&mut self, metric: Metric, value: u64) {
        self.head(metric);
        let _ = writeln!(self.text, "{} {value}", metric.name);
    }

    fn seconds(&mut self, metric: Metric, value: f64) {
        self.head(metric);
        let _ = writeln!(self.text, "{} {value}", metric.name);
    }

    /// Label values are words of ours and need no escaping.
    fn labelled<'a>(&mut self, metric: Metric, series: impl IntoIterator<Item = (&'a str, u64)>) {
        self.head(metric);
        let label = metric.label.unwrap_or("value");
        for (word, value) in series {
            let _ = writeln!(self.text, "{}{{{label}=\"{word}\"}} {value}", metric.name);
        }
    }

    /// A histogram from counts by powers of two of microseconds; the last count has no upper bound. The sum of the
    /// durations is not known and is left out.
    fn powers_of_two(&mut self, metric: Metric, counts: &[u64]) {
        self.head(metric);
        let mut sum = 0_u64;
        let mut bound = 1.0 / 1e6;
        for count in counts.iter().take(counts.len().saturating_sub(1)) {
            sum = sum.saturating_add(*count);
            let _ = writeln!(self.text, "{}_bucket{{le=\"{bound}\"}} {sum}", metric.name);
            bound *= 2.0;
        }
        sum = sum.saturating_add(counts.last().copied().unwrap_or(0));
        let _ = writeln!(self.text, "{}_bucket{{le=\"+Inf\"}} {sum}", metric.name);
        let _ = writeln!(self.text, "{}_count {sum}", metric.name);
    }
}
