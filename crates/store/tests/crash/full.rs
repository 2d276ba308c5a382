//! A disk that runs full (K9): messages are refused before it is, acknowledgements are taken all the same, and space
//! that they free opens the store again.

use std::sync::Arc;

use restante_model::{QueueId, SessionId, UnixMillis};
use restante_store::{
    change::Change,
    conformance::{
        Clock,
        driver::{fill, plain, subscribe, whole},
    },
    contract::Admission,
    log::LogSettings,
    sim::SimDisk,
};

use crate::opening::{has_failed, open, pass, settings, settle};

const SESSION: SessionId = SessionId(1);
const QUEUE: QueueId = QueueId(1);

#[test]
fn k09_a_full_disk_is_met_early_drained_and_opens_again() {
    let clock = Clock::default();
    let disk = SimDisk::new(1);
    disk.set_capacity(3 << 20);
    // The reserve must be more than what is submitted before anybody looks at admission again.
    let settings = LogSettings {
        segment_bytes: 64 << 10,
        free_bytes_min: 512 << 10,
        ..settings(&clock)
    };
    let opened = open(Arc::new(disk.clone()), settings).expect("the store opens");
    let driver = &opened.driver;
    subscribe(driver, SESSION, QUEUE, "t/#");
    let payload = [7; 4000];
    for round in 0..4 {
        let mut seqs = Vec::new();
        while driver.store().admission() == Admission::Open {
            let span = driver.submit(|batch| {
                for _ in 0..4 {
                    batch.message(&plain(&[QUEUE], &payload));
                }
            });
            settle(driver, span.last);
            seqs.extend((0..4).map(|ordinal| span.first.plus(ordinal)));
            assert!(seqs.len() < 10_000, "the disk is never full");
            pass(&clock, 1000);
        }
        let Admission::Full { why } = driver.store().admission() else {
            panic!("round {round}: {:?}", driver.store().admission());
        };
        assert!(!why.is_empty());
        assert!(
            seqs.len() > 100,
            "round {round}: only {} messages had room",
            seqs.len()
        );
        // While it is full, everything but messages is taken; the reserve lasts for many acknowledgements.
        for &low in &seqs[..seqs.len() / 2] {
            driver.change(&Change::CursorMoved {
                session: SESSION,
                low,
                above: &[],
            });
        }
        let last = seqs[seqs.len() - 1];
        assert_eq!(
            driver
                .read_all(&[whole(QUEUE)], &[], 10)
                .last()
                .map(|entry| entry.seq),
            Some(last)
        );
        driver.change(&Change::CursorMoved {
            session: SESSION,
            low: last,
            above: &[],
        });
        let now = UnixMillis(clock.now().millis().0);
        driver.tick_until(now, "the store is open again", || {
            driver.store().admission() == Admission::Open
        });
        assert_eq!(
            (disk.refusals(), has_failed(driver.store())),
            (0, false),
            "the disk itself never had to refuse"
        );
    }
    fill(driver, &[QUEUE], 10);
    assert_eq!(driver.read_all(&[whole(QUEUE)], &[], 100).len(), 10);
}
