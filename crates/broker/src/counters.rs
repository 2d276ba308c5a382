//! What is counted while the broker works. Relaxed atomics; nothing is looked up by name on the way of a message.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use restante_model::{NotKept, QoS};

use crate::figures::BrokerFigures;

/// The counters of one broker.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    /// Sockets that are open, with those that have not sent a CONNECT yet.
    pub(crate) places_taken: AtomicU64,
    pub(crate) connections_accepted: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    pub(crate) sessions_present: AtomicU64,
    pub(crate) sessions_absent: AtomicU64,
    pub(crate) subscriptions: AtomicU64,
    received: [AtomicU64; 3],
    sent: [AtomicU64; 3],
    pub(crate) bytes_received: AtomicU64,
    pub(crate) bytes_sent: AtomicU64,
    not_kept: [AtomicU64; NotKept::ALL.len()],
    pub(crate) protocol_errors: AtomicU64,
}

impl Counters {
    pub(crate) fn received(&self, qos: QoS, count: u64) {
        self.received[qos as usize].fetch_add(count, Relaxed);
    }

    pub(crate) fn sent(&self, qos: QoS) {
        self.sent[qos as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn not_kept(&self, reason: NotKept, count: u64) {
        if count > 0 {
            self.not_kept[reason as usize].fetch_add(count, Relaxed);
        }
    }

    pub(crate) fn figures(&self) -> BrokerFigures {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        BrokerFigures {
            connections: read(&self.connections),
            connections_accepted: read(&self.connections_accepted),
            connections_refused: read(&self.connections_refused),
            sessions_present: read(&self.sessions_present),
            sessions_absent: read(&self.sessions_absent),
            subscriptions: read(&self.subscriptions),
            messages_received: self.received.each_ref().map(read),
            messages_sent: self.sent.each_ref().map(read),
            bytes_received: read(&self.bytes_received),
            bytes_sent: read(&self.bytes_sent),
            not_kept: self.not_kept.each_ref().map(read),
            protocol_errors: read(&self.protocol_errors),
        }
    }
}

/// Adds one.
pub(crate) fn up(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Takes one away.
pub(crate) fn down(counter: &AtomicU64) {
    counter.fetch_sub(1, Relaxed);
}
