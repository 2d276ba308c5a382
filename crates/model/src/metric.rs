//! The metrics, spelled once: name, kind, what it says, and its label.
//!
//! Names are `restante_<thing>[_<unit>][_total]`. Labels are bounded sets of words; nothing a client chooses ever
//! becomes a label.

/// How a value behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only rises, and starts at zero with the process.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts by upper bounds.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The name.
    pub name: &'static str,
    /// The kind.
    pub kind: MetricKind,
    /// The label that parts its series, when there is more than one.
    pub label: Option<&'static str>,
    /// A sentence for users.
    pub help: &'static str,
}

impl MetricKind {
    /// The word of the Prometheus text format.
    pub const fn word(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        }
    }
}

macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal $([$label:literal])?, $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: Metric = Metric {
            name: $name,
            kind: MetricKind::$kind,
            label: metrics!(@label $($label)?),
            help: $help,
        };)*

        /// All metrics, in the order in which they are shown.
        pub const ALL: &[Metric] = &[$($constant,)*];
    };
    (@label $label:literal) => { Some($label) };
    (@label) => { None };
}

metrics! {
    BUILD_INFO: Gauge "restante_build_info" ["version"], "Always 1; the label is the version of the program.";
    UPTIME: Gauge "restante_uptime_seconds", "Time since the process started.";
    READY: Gauge "restante_ready", "1 when /readyz answers 200, else 0.";

    CONNECTIONS: Gauge "restante_connections", "Connections open now.";
    CONNECTIONS_ACCEPTED: Counter "restante_connections_accepted_total", "Connections accepted.";
    CONNECTIONS_REFUSED: Counter "restante_connections_refused_total",
        "Connections refused or closed before a CONNACK with success.";
    PROTOCOL_ERRORS: Counter "restante_protocol_errors_total",
        "Connections closed because the client broke the protocol.";

    SESSIONS: Gauge "restante_sessions" ["state"], "Persistent sessions with (present) and without (absent) a connection.";
    SUBSCRIPTIONS: Gauge "restante_subscriptions", "Subscriptions of present sessions.";

    MESSAGES_RECEIVED: Counter "restante_messages_received_total" ["qos"], "PUBLISH packets received.";
    MESSAGES_SENT: Counter "restante_messages_sent_total" ["qos"], "PUBLISH packets sent.";
    MESSAGES_NOT_KEPT: Counter "restante_messages_not_kept_total" ["reason"],
        "Messages that a session's filters matched and that it did not get, by reason. Where filters overlap, evicted is an upper bound, and so may be what ended with its session or subscription.";
    BYTES_RECEIVED: Counter "restante_received_bytes_total", "Bytes of packets received.";
    BYTES_SENT: Counter "restante_sent_bytes_total", "Bytes of packets sent.";

    QUEUES: Gauge "restante_queues", "Queues: one for each distinct filter of persistent sessions.";
    QUEUE_ENTRIES: Gauge "restante_queue_entries", "Queue entries that a session still waits for, as of the last sweep.";
    SEGMENTS: Gauge "restante_store_segments", "Files of messages in use.";
    SEGMENT_BYTES: Gauge "restante_store_segment_bytes", "Bytes of the files of messages in use: what the queues occupy.";
    STATE_BYTES: Gauge "restante_store_state_bytes", "Bytes of the files of sessions, subscriptions, cursors and retained messages.";
    RETAINED: Gauge "restante_retained_messages", "Retained messages.";
    RETAINED_BYTES: Gauge "restante_retained_bytes", "Bytes of retained messages.";

    ADMISSION: Gauge "restante_store_admission" ["state"],
        "1 for the state the store is in: open takes messages that must be kept, full refuses them until there is room, failed refuses them until a restart.";
    COMMITS: Counter "restante_store_commits_total", "Commits: writes to the log, each for all records that waited.";
    COMMITTED_RECORDS: Counter "restante_store_committed_records_total",
        "Records committed; divided by the commits, the batch size.";
    COMMITTED_BYTES: Counter "restante_store_committed_bytes_total", "Bytes committed.";
    COMMIT_TIME: Histogram "restante_store_commit_seconds", "Duration of commits, the sync included.";
    SYNCS: Counter "restante_store_syncs_total", "Calls of fdatasync.";
    SYNC_TIME: Counter "restante_store_sync_seconds_total", "Time spent in fdatasync.";
    DAMAGED: Counter "restante_store_damaged_records_total",
        "Records that could not be read back, at the start or later.";

    OUTBOX_RECORDS: Gauge "restante_outbox_records" ["pool"], "Records that wait for a database.";
    OUTBOX_BYTES: Gauge "restante_outbox_bytes" ["pool"], "Bytes of the records that wait for a database.";
    OUTBOX_AGE: Gauge "restante_outbox_oldest_seconds" ["pool"], "How long the oldest record has waited for a database.";
    BACKEND_UP: Gauge "restante_backend_up" ["pool"], "1 unless the last attempt found the database away.";
    BACKEND_SENT: Counter "restante_backend_sent_total" ["pool"],
        "Rows, deletes, read positions and statements that a database has done.";
    BACKEND_CANCELLED: Counter "restante_outbox_cancelled_total" ["pool"],
        "Records that needed no sending, because an insert met its delete in the outbox.";
    BACKEND_FETCHED: Counter "restante_backend_fetched_total" ["pool"], "Messages fetched from a database for clients.";
    BACKEND_AWAY: Counter "restante_backend_away_total" ["pool"], "Attempts that found a database away.";
    DEAD_LETTERS: Gauge "restante_dead_letters" ["pool"], "Dead letters that are kept.";
    DEAD_LETTERS_TOTAL: Counter "restante_dead_letters_total" ["pool"],
        "Records that a database has refused for good, or that have waited too long.";
    DEAD_LETTERS_DROPPED: Counter "restante_dead_letters_dropped_total" ["pool"],
        "Dead letters that were dropped, because there were more than are kept.";

    LOG_LINES_SUPPRESSED: Counter "restante_log_lines_suppressed_total",
        "Log lines left out because the same code had been written often; their count is in a line of its own.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules() {
        for metric in ALL {
            assert!(metric.name.starts_with("restante_"), "{}", metric.name);
            assert!(
                metric.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{}",
                metric.name
            );
            assert_eq!(
                metric.name.ends_with("_total"),
                metric.kind == MetricKind::Counter,
                "{}",
                metric.name
            );
            assert!(
                metric.help.ends_with('.') && !metric.help.contains(['\n', '\\']),
                "{}",
                metric.name
            );
            assert_eq!(
                ALL.iter().filter(|other| other.name == metric.name).count(),
                1,
                "{}",
                metric.name
            );
        }
    }
}
