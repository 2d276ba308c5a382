//! A log store in whose files some bits are turned: it opens or says why not, and so do `inspect` and `verify`; nothing
//! panics, and what was not damaged is not reported.
//!
//! Five bytes of input are one change: a file, a place in it, and the bits to turn.

use std::sync::{Arc, OnceLock};

use restante_model::{QoS, QueueId, SessionId, SubscriptionOptions, UnixMicros, UnixMillis};
use restante_store::{
    batch::Batch,
    change::{Change, NewMessage},
    contract::{Recovered, Store},
    log::{LogSettings, LogStore, inspect, verify},
    sim::SimDisk,
};

/// Changes of one input that are looked at; more only blur what one does.
const CHANGES_MAX: usize = 8;

pub(crate) fn check(input: &[u8]) {
    static WHOLE: OnceLock<SimDisk> = OnceLock::new();
    let whole = WHOLE.get_or_init(filled);
    let disk = whole.what_if(1);
    let files = disk.files();
    let mut damaged = false;
    for change in input.chunks_exact(5).take(CHANGES_MAX) {
        let (name, len) = &files[usize::from(change[0]) % files.len()];
        let place = u64::from(u32::from_le_bytes([change[1], change[2], change[3], 0]));
        for bit in (0..8).filter(|bit| change[4] >> bit & 1 == 1) {
            damaged |= disk.flip(name, place % (*len).max(1), bit);
        }
    }
    match verify(Arc::new(disk.clone())) {
        Ok(verified) => assert!(
            damaged || verified.inspection.damaged == 0,
            "{:?}",
            verified.inspection.findings
        ),
        Err(error) => refused(damaged, &error.to_string()),
    }
    if let Err(error) = inspect(Arc::new(disk.clone())) {
        refused(damaged, &error.to_string());
    }
    match LogStore::open(Arc::new(disk), settings(), UnixMillis(0)) {
        Ok((store, recovered)) => {
            let findings = recovered.findings();
            assert!(damaged || findings.is_empty(), "{findings:?}");
            drop(recovered);
            store.close().expect("the disk takes everything");
        }
        Err(error) => refused(damaged, &error.to_string()),
    }
}

fn refused(damaged: bool, sentence: &str) {
    assert!(
        damaged && !sentence.is_empty(),
        "a whole store was refused: {sentence}"
    );
}

fn settings() -> LogSettings {
    LogSettings {
        segment_bytes: 16 << 10,
        checkpoint_bytes: 24 << 10,
        free_bytes_min: 0,
        spares_max: 1,
        readers: 1,
        ..LogSettings::new(Arc::new(|| UnixMicros(1_792_000_000_000_000)))
    }
}

/// A stopped store with sealed segments, a checkpoint, and an open segment.
fn filled() -> SimDisk {
    let disk = SimDisk::new(1);
    let (store, _) =
        LogStore::open(Arc::new(disk.clone()), settings(), UnixMillis(0)).expect("an empty disk");
    let queues = [QueueId(1), QueueId(2)];
    let mut batch = Batch::default();
    for (number, queue) in (1..).zip(queues) {
        let session = SessionId(number);
        let (client_id, filter) = (format!("client-{number}"), format!("filter/{number}"));
        batch.change(&Change::QueueOpened {
            queue,
            filter: &filter,
        });
        batch.change(&Change::SessionOpened {
            session,
            client_id: &client_id,
            version: 5,
            expiry: u32::MAX,
            will: None,
            at: UnixMillis(1),
        });
        batch.change(&Change::Subscribed {
            session,
            filter: &filter,
            queue: Some(queue),
            options: SubscriptionOptions::default(),
        });
    }
    store.submit(batch);
    for round in 0..30u8 {
        let mut batch = Batch::default();
        for number in 0..4u8 {
            batch.message(&NewMessage {
                queues: &queues[..1 + usize::from(number % 2)],
                qos: QoS::ExactlyOnce,
                retain: false,
                set_retained: number == 3,
                deadline: UnixMillis::NEVER,
                sender: "sensor",
                topic: "a/b",
                properties: &[],
                payload: &[round; 200],
                receipt: Some((SessionId(1), u16::from(round) * 4 + u16::from(number) + 1)),
            });
        }
        let span = store.submit(batch);
        // One after another: what is on the disk must not depend on how many came together.
        while store.durable() < span.last {
            std::thread::yield_now();
        }
    }
    // Dropped, not closed: the last part is read from the log.
    drop(store);
    disk
}
