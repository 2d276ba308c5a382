//! What is in a store, in lines of text that depend on no type's shape.

use std::{
    fmt::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use restante_model::{Seq, SessionId, SubscriptionOptions, UnixMicros, UnixMillis};
use restante_store::{
    conformance::{driver::Driver, observed},
    contract::{QueueLimits, Recovered, Store, WhenFull},
    folder::FolderDisk,
    image::{SessionImage, StoredMessage},
    log::{LogSettings, LogStore},
};

/// The smallest segments there are.
pub(crate) const SEGMENT: u64 = 16 << 10;

/// Sessions have ids up to here.
pub(crate) const SESSIONS: u64 = 12;

/// When the first life began.
pub(crate) const BEGIN: UnixMillis = UnixMillis(1_792_000_000_000);

/// An open store.
pub(crate) struct Open {
    pub(crate) driver: Driver,
    pub(crate) findings: Vec<String>,
    store: Arc<LogStore>,
    /// Highest ids and filters of queues, as told at the start.
    told: String,
}

/// Opens the store in a folder, or makes one there.
pub(crate) fn open(folder: &Path) -> Open {
    let disk = FolderDisk::open(folder).unwrap();
    let now = AtomicU64::new(BEGIN.0 * 1000);
    let settings = LogSettings {
        segment_bytes: SEGMENT,
        checkpoint_bytes: 2 * SEGMENT,
        free_bytes_min: 0,
        spares_max: 1,
        node: 0x0000_a1b2_c3d4_e5f6,
        limits: QueueLimits {
            messages_max: 0,
            bytes_max: 0,
            when_full: WhenFull::DropOldest,
        },
        ..LogSettings::new(Arc::new(move || {
            UnixMicros(now.fetch_add(1000, Ordering::SeqCst))
        }))
    };
    let (store, mut recovered) = LogStore::open(Arc::new(disk), settings, UnixMillis(0)).unwrap();
    let store = Arc::new(store);
    let (session, queue) = recovered.highest_ids();
    let mut told = vec![format!("highest session {} queue {}", session.0, queue.0)];
    recovered.queues(&mut |queue, filter| told.push(format!("queue {} {filter:?}", queue.0)));
    told[1..].sort();
    Open {
        driver: Driver::new(store.clone(), Duration::from_secs(60)),
        findings: recovered.findings().to_vec(),
        store,
        told: told.join("\n") + "\n",
    }
}

impl Open {
    /// Closes it properly.
    pub(crate) fn close(self) {
        self.store.close().unwrap();
    }
}

/// All that can be seen.
pub(crate) fn describe(store: &Open) -> String {
    let driver = &store.driver;
    let mut text = store.told.clone();
    for session in (1..=SESSIONS).map(SessionId) {
        if let Some(image) = driver.session(session) {
            describe_session(driver, image, &mut text);
        }
    }
    for message in driver.retained("#") {
        writeln!(text, "retained {}", words(&message)).unwrap();
    }
    for note in driver.notes_by("", 3) {
        writeln!(text, "note {:?} value {}", note.key, note.value.escape_ascii()).unwrap();
    }
    text
}

fn describe_session(driver: &Driver, image: SessionImage, text: &mut String) {
    let SessionImage {
        session,
        client_id,
        version,
        expiry,
        connected,
        since,
        ..
    } = &image;
    writeln!(
        text,
        "session {} client {client_id:?} version {version} expiry {expiry} connected {connected} since {} next id {}",
        session.0, since.0, image.next_packet_id
    )
    .unwrap();
    let low = image.cursor.low();
    write!(text, "  cursor {low}").unwrap();
    for (first, last) in image.cursor.above() {
        write!(text, " {first}-{last}").unwrap();
    }
    text.push('\n');
    for subscription in &image.subscriptions {
        let queue = subscription.queue.map(|queue| queue.0);
        writeln!(text, "  subscription {:?} queue {queue:?}", subscription.filter).unwrap();
        let mut epochs = subscription.epochs.clone();
        epochs.forget_below(low);
        for epoch in epochs.parts() {
            let to = if epoch.to == Seq::MAX {
                "now".to_owned()
            } else {
                epoch.to.to_string()
            };
            writeln!(
                text,
                "    from {} to {to}: {}",
                epoch.from,
                options(&epoch.options)
            )
            .unwrap();
        }
    }
    let mut receipts = image.receipts.clone();
    receipts.sort_unstable();
    writeln!(text, "  receipts {receipts:?}").unwrap();
    let seqs: Vec<Seq> = image.bindings.iter().map(|binding| binding.seq).collect();
    let bodies = driver.bound(*session, &seqs);
    for (binding, body) in image.bindings.iter().zip(bodies) {
        // What was released needs no body.
        let body = body.filter(|_| !binding.released);
        let body = body.map_or_else(|| "-".to_owned(), |message| words(&message));
        writeln!(
            text,
            "  binding {} id {} qos {} released {} retain {}: {body}",
            binding.seq, binding.packet_id, binding.qos as u8, binding.released, binding.retain
        )
        .unwrap();
    }
    if let Some(will) = &image.will {
        writeln!(
            text,
            "  will {:?} qos {} retain {} delay {} expiry {:?} properties {} payload {}",
            will.topic,
            will.qos as u8,
            will.retain,
            will.delay,
            will.message_expiry,
            will.properties.escape_ascii(),
            will.payload.escape_ascii()
        )
        .unwrap();
    }
    let mut skip = vec![(Seq::ZERO, low)];
    skip.extend_from_slice(image.cursor.above());
    for entry in driver.read_all(&observed::spans(&image), &skip, 5) {
        let message = entry.message.as_ref().map_or_else(|why| why.to_string(), words);
        writeln!(text, "  owed by {:b}: {message}", entry.spans).unwrap();
    }
}

fn options(options: &SubscriptionOptions) -> String {
    format!(
        "qos {} no local {} as published {} handling {} identifier {:?}",
        options.qos as u8,
        options.no_local,
        options.retain_as_published,
        options.retain_handling as u8,
        options.identifier
    )
}

fn words(message: &StoredMessage) -> String {
    let deadline = match message.deadline {
        UnixMillis::NEVER => "never".to_owned(),
        UnixMillis(at) => at.to_string(),
    };
    format!(
        "{} id {:032x} qos {} retain {} deadline {deadline} sender {} topic {} properties {} payload {}",
        message.seq,
        message.id.0,
        message.qos as u8,
        message.retain,
        message.parts.sender().escape_ascii(),
        message.parts.topic().escape_ascii(),
        message.parts.properties().escape_ascii(),
        message.parts.payload().escape_ascii()
    )
}
