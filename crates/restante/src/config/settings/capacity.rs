//! `[limits]`, `[log_store]` and `[memory_store]`.

use super::{narrow, number, or_unlimited, span, widen};
use crate::config::{declared::Setting, number::Unit};

/// Far beyond any machine; keeps sums of limits within 64 bits.
const BYTES_MAX: u64 = 1 << 50;

pub(super) const LIMITS: &[Setting] = &[
    number(
        "limits",
        "max_connections",
        span(Unit::Count, 1, 10_000_000),
        |draft| widen(draft.broker.limits.connections_max),
        |draft, number| draft.broker.limits.connections_max = narrow(number),
        "Connections at once, on all listeners together. Fewer where the system allows fewer open files; a line in the log \
         says how many.",
    ),
    number(
        "limits",
        "max_sessions",
        span(Unit::Count, 1, 1_000_000_000),
        |draft| widen(draft.broker.limits.sessions_max),
        |draft, number| draft.broker.limits.sessions_max = narrow(number),
        "Persistent sessions, absent and present.",
    ),
    number(
        "limits",
        "max_subscriptions_per_session",
        span(Unit::Count, 1, 1_000_000),
        |draft| widen(draft.broker.limits.subscriptions_per_session_max),
        |draft, number| draft.broker.limits.subscriptions_per_session_max = narrow(number),
        "Subscriptions of one session.",
    ),
    number(
        "limits",
        "max_retained",
        span(Unit::Count, 0, 1_000_000_000),
        |draft| draft.broker.limits.retained_max,
        |draft, number| draft.broker.limits.retained_max = number,
        "Retained messages; 0 keeps none.",
    ),
    number(
        "limits",
        "max_retained_bytes",
        span(Unit::Bytes, 0, BYTES_MAX),
        |draft| draft.broker.limits.retained_bytes_max,
        |draft, number| draft.broker.limits.retained_bytes_max = number,
        "Bytes of retained messages.",
    ),
    number(
        "limits",
        "connect_timeout",
        span(Unit::Seconds, 1, 3_600),
        |draft| draft.broker.limits.connect_timeout.into(),
        |draft, number| draft.broker.limits.connect_timeout = narrow(number),
        "The time a new connection has for its CONNECT.",
    ),
    number(
        "limits",
        "max_outgoing_bytes",
        span(Unit::Bytes, 4 << 10, 1 << 30),
        |draft| widen(draft.broker.limits.outgoing_bytes_max),
        |draft, number| draft.broker.limits.outgoing_bytes_max = narrow(number),
        "Bytes that wait to be written to one connection before it is given no more.",
    ),
    number(
        "limits",
        "max_wills_per_second",
        span(Unit::Count, 1, 1_000_000),
        |draft| draft.broker.limits.wills_per_second.into(),
        |draft, number| draft.broker.limits.wills_per_second = narrow(number),
        "Wills published in one second when many fall due at once, as after a crash.",
    ),
];

pub(super) const LOG_STORE: &[Setting] = &[
    number(
        "log_store",
        "segment_bytes",
        span(Unit::Bytes, 1 << 20, 1 << 30),
        |draft| draft.log_store.segment_bytes,
        |draft, number| draft.log_store.segment_bytes = number,
        "Size of one file of messages. Space comes back a file at a time.",
    ),
    number(
        "log_store",
        "max_store_bytes",
        or_unlimited(Unit::Bytes, 68 << 20, BYTES_MAX, 0),
        |draft| draft.log_store.store_bytes_max,
        |draft, number| draft.log_store.store_bytes_max = number,
        "The most bytes of segments in use and of the files of sessions, queues and retained messages; files kept for \
         reuse are not counted. At least four times `segment_bytes` and 64MiB. Two segments (or a quarter of the limit, \
         if that is less) before it, messages that must be kept are refused; they are taken again when twice as much is \
         free.",
    ),
    number(
        "log_store",
        "min_free_bytes",
        span(Unit::Bytes, 0, BYTES_MAX),
        |draft| draft.log_store.free_bytes_min,
        |draft, number| draft.log_store.free_bytes_min = number,
        "With less than this free on the disk, messages that must be kept, new sessions and new subscriptions are refused until there is more again. Whatever is set, four segments and what a checkpoint takes are kept free.",
    ),
    number(
        "log_store",
        "checkpoint_bytes",
        span(Unit::Bytes, 1 << 20, BYTES_MAX),
        |draft| draft.log_store.checkpoint_bytes,
        |draft, number| draft.log_store.checkpoint_bytes = number,
        "The most bytes that a start after a crash reads again.",
    ),
    number(
        "log_store",
        "max_pending_bytes",
        span(Unit::Bytes, 1 << 20, 1 << 30),
        |draft| draft.log_store.pending_bytes_max,
        |draft, number| draft.log_store.pending_bytes_max = number,
        "Bytes that wait for the disk before publishers are slowed down.",
    ),
];

pub(super) const MEMORY_STORE: &[Setting] = &[
    number(
        "memory_store",
        "max_store_bytes",
        span(Unit::Bytes, 1 << 20, BYTES_MAX),
        |draft| draft.memory_store.store_bytes_max,
        |draft, number| draft.memory_store.store_bytes_max = number,
        "The most bytes of messages in memory; at the limit, messages that must be kept are refused.",
    ),
    number(
        "memory_store",
        "max_pending_bytes",
        span(Unit::Bytes, 1 << 20, 1 << 30),
        |draft| draft.memory_store.pending_bytes_max,
        |draft, number| draft.memory_store.pending_bytes_max = number,
        "Bytes that wait for the store before publishers are slowed down.",
    ),
];
