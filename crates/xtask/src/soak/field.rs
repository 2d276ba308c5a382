//! What all who take part share: where the broker is, whether it is over, what was counted and found.

use std::{
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

/// Findings that are kept; a run that has so many needs no more.
const FINDINGS_MAX: usize = 50;

/// Before another try to connect.
const RETRY: Duration = Duration::from_millis(20);

pub(crate) struct Field {
    address: Mutex<SocketAddr>,
    /// Subscribers that have yet to subscribe for the first time.
    missing: AtomicU64,
    publishing_is_over: AtomicBool,
    sent: OnceLock<(Vec<u64>, Instant)>,
    findings: Mutex<Vec<String>>,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) handed_over: AtomicU64,
    pub(crate) repeated: AtomicU64,
    pub(crate) connections: AtomicU64,
}

impl Field {
    pub(crate) fn new(address: SocketAddr, subscribers: u64) -> Field {
        Field {
            address: Mutex::new(address),
            missing: AtomicU64::new(subscribers),
            publishing_is_over: AtomicBool::new(false),
            sent: OnceLock::new(),
            findings: Mutex::new(Vec::new()),
            acknowledged: AtomicU64::new(0),
            handed_over: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            connections: AtomicU64::new(0),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        *lock(&self.address)
    }

    /// The broker was started again.
    pub(crate) fn moved(&self, address: SocketAddr) {
        *lock(&self.address) = address;
    }

    /// One more subscriber has subscribed for the first time.
    pub(crate) fn subscribed(&self) {
        self.missing.fetch_sub(1, Relaxed);
    }

    /// Whether the first number would reach everybody.
    pub(crate) fn all_have_subscribed(&self) -> bool {
        self.missing.load(Relaxed) == 0
    }

    pub(crate) fn stop_publishing(&self) {
        self.publishing_is_over.store(true, Relaxed);
    }

    pub(crate) fn publishing_is_over(&self) -> bool {
        self.publishing_is_over.load(Relaxed)
    }

    /// How many each publisher sent in all, every one acknowledged; subscribers have until then for the rest.
    pub(crate) fn all_was_sent(&self, sent: Vec<u64>, deadline: Instant) {
        // There is one caller, and it calls once.
        let _ = self.sent.set((sent, deadline));
    }

    /// The totals of the publishers and the end of patience, once they are known.
    pub(crate) fn sent(&self) -> Option<&(Vec<u64>, Instant)> {
        self.sent.get()
    }

    pub(crate) fn find(&self, sentence: String) {
        let mut findings = lock(&self.findings);
        if findings.len() < FINDINGS_MAX {
            println!("FOUND: {sentence}");
            findings.push(sentence);
        }
    }

    pub(crate) fn findings(&self) -> Vec<String> {
        lock(&self.findings).clone()
    }

    pub(crate) fn totals(&self) -> String {
        format!(
            "{} acknowledged, {} handed over, {} again at QoS 1, {} connections",
            self.acknowledged.load(Relaxed),
            self.handed_over.load(Relaxed),
            self.repeated.load(Relaxed),
            self.connections.load(Relaxed),
        )
    }

    pub(crate) fn pause(&self) {
        thread::sleep(RETRY);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
