//! A log store on a simulated disk, with small segments, and what all tests here do with it.

use std::sync::Arc;

use restante_model::{QueueId, Seq, SessionId, UnixMicros, UnixMillis};
use restante_store::{
    change::{Change, NewMessage},
    conformance::driver::{Driver, plain, subscribe, whole},
    contract::{Entry, QueueLimits, Recovered, Store, StoreError, WhenFull},
    io::Disk,
    log::{LogSettings, LogStore},
    sim::SimDisk,
};

/// Bytes of a segment: the smallest there is.
pub(crate) const SEGMENT: u64 = 64 << 10;

/// A moment after all others.
pub(crate) const LATER: UnixMillis = UnixMillis(1_900_000_000_000);

/// Settings for small stores without limits.
pub(crate) fn settings() -> LogSettings {
    LogSettings {
        segment_bytes: SEGMENT,
        checkpoint_bytes: 2 * SEGMENT,
        free_bytes_min: 0,
        limits: QueueLimits {
            messages_max: 0,
            bytes_max: 0,
            when_full: WhenFull::DropOldest,
        },
        ..LogSettings::new(Arc::new(|| UnixMicros(1_792_000_000_000_000)))
    }
}

/// An open store.
pub(crate) struct Open {
    pub(crate) driver: Driver,
    pub(crate) findings: Vec<String>,
    pub(crate) store: Arc<LogStore>,
}

/// Opens the store.
pub(crate) fn open(disk: &SimDisk) -> Open {
    open_with(disk, settings())
}

/// Opens the store with other settings.
pub(crate) fn open_with(disk: &SimDisk, settings: LogSettings) -> Open {
    try_open(Arc::new(disk.clone()), settings).expect("the store opens")
}

/// Tries to open the store.
pub(crate) fn try_open(disk: Arc<dyn Disk>, settings: LogSettings) -> Result<Open, StoreError> {
    let (store, recovered) = LogStore::open(disk, settings, UnixMillis(0))?;
    let store = Arc::new(store);
    let driver = Driver::new(store.clone(), std::time::Duration::from_secs(60));
    let findings = recovered.findings().to_vec();
    Ok(Open {
        driver,
        findings,
        store,
    })
}

impl Open {
    /// Session and queue of the same number, and a filter of that name.
    pub(crate) fn subscribe(&self, number: u64) {
        subscribe(
            &self.driver,
            SessionId(number),
            QueueId(number),
            &format!("filter/{number}"),
        );
    }

    /// Publishes numbered messages of about 500 bytes into queues, in batches of ten; each batch is durable before the
    /// next one begins. Answers the sequence of the last.
    pub(crate) fn publish(&self, queues: &[u64], numbers: std::ops::Range<u64>) -> Seq {
        let queues: Vec<_> = queues.iter().map(|&queue| QueueId(queue)).collect();
        let numbers: Vec<_> = numbers.collect();
        let mut last = Seq::ZERO;
        for ten in numbers.chunks(10) {
            let span = self.driver.commit(|batch| {
                for &number in ten {
                    let payload = payload(number);
                    batch.message(&NewMessage {
                        ..plain(&queues, &payload)
                    });
                }
            });
            last = span.last;
        }
        last
    }

    /// The numbers of the messages in a queue; `None` for those that are damaged.
    pub(crate) fn numbers(&self, queue: u64) -> Vec<Option<u64>> {
        self.entries(queue).iter().map(number).collect()
    }

    /// All entries of a queue.
    pub(crate) fn entries(&self, queue: u64) -> Vec<Entry> {
        self.driver.read_all(&[whole(QueueId(queue))], &[], 7)
    }

    /// A session acknowledges everything up to here.
    pub(crate) fn acknowledge(&self, session: u64, low: Seq) {
        self.driver.change(&Change::CursorMoved {
            session: SessionId(session),
            low,
            above: &[],
        });
    }

    /// Lets the sweep run until something is so.
    pub(crate) fn sweep_until(&self, what: &str, is_so: impl Fn() -> bool) {
        self.driver.tick_until(LATER, what, is_so);
    }

    /// Segments in use.
    pub(crate) fn segments(&self) -> u64 {
        self.store.figures().segments
    }

    /// Closes it properly.
    pub(crate) fn close(self) {
        self.store.close().expect("the store closes");
    }
}

/// All numbers of a range, whole.
pub(crate) fn all(numbers: std::ops::Range<u64>) -> Vec<Option<u64>> {
    numbers.map(Some).collect()
}

/// Names of files of a kind.
pub(crate) fn files(disk: &SimDisk, beginning: &str, ending: &str) -> Vec<String> {
    let names = disk.files().into_iter().map(|(name, _)| name);
    names
        .filter(|name| name.starts_with(beginning) && name.ends_with(ending))
        .collect()
}

fn payload(number: u64) -> Vec<u8> {
    let mut payload = number.to_le_bytes().to_vec();
    payload.resize(480, number as u8);
    payload
}

fn number(entry: &Entry) -> Option<u64> {
    let message = entry.message.as_ref().ok()?;
    let number = u64::from_le_bytes(message.parts.payload().get(..8)?.try_into().ok()?);
    assert_eq!(
        message.parts.payload(),
        payload(number),
        "a message that is given is whole"
    );
    assert_eq!(message.seq, entry.seq);
    Some(number)
}
