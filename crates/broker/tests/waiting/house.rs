//! A broker in this process, on a free port, over a store of the test's choice.

use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use restante_broker::{Broker, figures::BrokerFigures, settings::Settings};
use restante_codec::packet::Subscribe;
use restante_model::{NotKept, QoS, SubscriptionOptions, UnixMicros};
use restante_store::{
    contract::{Recovered, Store, StoreError},
    folder::FolderDisk,
    log::{LogSettings, LogStore, Sync},
    memory::{MemorySettings, MemoryStore},
};
use restante_testkit::{Client, Connect, sending::identifier};
use tempfile::TempDir;

use crate::held::HeldStore;

/// How long something that must come may take. A test that passes never waits it out.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Which store a test runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Backing {
    Memory,
    /// In a temporary folder, without syncs: what is durable on which disk is the store's own affair.
    Log,
}

/// Makes one test of each function for each store.
macro_rules! on_each_store {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn in_memory() {
                super::$name(crate::house::Backing::Memory);
            }

            #[test]
            fn in_the_log() {
                super::$name(crate::house::Backing::Log);
            }
        }
    )*};
}

/// A broker that runs until it is dropped.
pub(crate) struct House {
    broker: Option<Broker>,
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<HeldStore>,
    settings: Settings,
    /// Where the log is.
    folder: Option<TempDir>,
}

impl House {
    /// Opens with the given changes to the default settings, on two runtimes.
    pub(crate) fn open(backing: Backing, change: impl FnOnce(&mut Settings)) -> House {
        let mut settings = Settings {
            mqtt: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            threads: 2,
            ..Settings::default()
        };
        change(&mut settings);
        let folder = match backing {
            Backing::Memory => None,
            Backing::Log => Some(TempDir::new().expect("a temporary folder")),
        };
        House::start(settings, folder)
    }

    fn start(settings: Settings, folder: Option<TempDir>) -> House {
        let (store, mut recovered) = match &folder {
            Some(folder) => open_log(folder.path(), &settings),
            None => open_memory(&settings),
        };
        let store = HeldStore::new(store);
        let broker = Broker::start(settings.clone(), store.clone(), &mut *recovered).expect("a free port");
        House {
            address: broker.addresses()[0],
            broker: Some(broker),
            store,
            settings,
            folder,
        }
    }

    /// Dies and starts again on the same log, with the given changes: nothing that was submitted after this moment is
    /// in the store, no connection is told anything, and nobody writes a last word.
    pub(crate) fn crash_and_start(mut self, change: impl FnOnce(&mut Settings)) -> House {
        self.store.cut();
        self.stop();
        let mut settings = self.settings.clone();
        change(&mut settings);
        let folder = self.folder.take();
        assert!(folder.is_some(), "a store in memory does not survive");
        // The log is let go of with the last owner.
        drop(self);
        House::start(settings, folder)
    }

    /// Stops in peace and starts again on the same log.
    pub(crate) fn restart(mut self) -> House {
        self.stop();
        self.store.close().expect("a log that can be closed");
        let (settings, folder) = (self.settings.clone(), self.folder.take());
        drop(self);
        House::start(settings, folder)
    }

    fn stop(&mut self) {
        if let Some(broker) = self.broker.take() {
            broker.stop(Duration::from_secs(5));
        }
    }

    /// Connects and takes a CONNACK with success.
    pub(crate) fn client(&self, connect: &Connect) -> Client {
        Client::connect(self.address, connect)
    }

    /// A clean 5.0 client to publish with.
    pub(crate) fn publisher(&self, client_id: &str) -> Client {
        self.client(&Connect::v5(client_id))
    }

    pub(crate) fn figures(&self) -> BrokerFigures {
        self.broker.as_ref().expect("open").watch().figures()
    }

    pub(crate) fn store_figures(&self) -> restante_store::contract::Figures {
        self.store.figures()
    }

    pub(crate) fn ready(&self) -> Result<(), String> {
        self.broker.as_ref().expect("open").watch().ready()
    }

    /// How many messages ended with this word, as far as the broker or the ends of sessions and subscriptions tell.
    pub(crate) fn not_kept(&self, word: NotKept) -> u64 {
        self.figures().not_kept[word as usize] + self.store_figures().waited.under(word)
    }

    /// Waits until the figures are as they should be: they follow what clients see by a moment.
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut(&House) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(
                Instant::now() < deadline,
                "{what}: {:?} {:?}",
                self.figures(),
                self.store_figures()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until this many messages have ended with this word.
    pub(crate) fn until_not_kept(&self, word: NotKept, count: u64) {
        self.until(&format!("{count} {word}"), |house| house.not_kept(word) == count);
    }
}

/// Sends a SUBSCRIBE under packet id 1 and takes nothing.
pub(crate) fn send_subscribe(client: &mut Client, filter: &str, qos: QoS) {
    let options = SubscriptionOptions {
        qos,
        ..SubscriptionOptions::default()
    };
    let subscribe = Subscribe {
        packet_id: identifier(1),
        filters: vec![(filter, options)],
    };
    let mut bytes = Vec::new();
    restante_codec::client::subscribe(client.version(), &subscribe, &mut bytes).expect("MQTT can say this");
    client.send(&bytes).expect("an open connection");
}

/// Numbers by chance, the same ones for the same seed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop();
    }
}

fn open_memory(settings: &Settings) -> (Arc<dyn Store>, Box<dyn Recovered>) {
    let (store, recovered) = MemoryStore::open(MemorySettings {
        bytes_max: 256 << 20,
        pending_bytes_max: 16 << 20,
        limits: settings.session.queue,
        clock: Arc::new(now),
        node: 1,
    })
    .expect("a thread");
    (store, Box::new(recovered))
}

fn open_log(folder: &Path, settings: &Settings) -> (Arc<dyn Store>, Box<dyn Recovered>) {
    let log = LogSettings {
        segment_bytes: 4 << 20,
        sync: Sync::Never,
        free_bytes_min: 0,
        limits: settings.session.queue,
        ..LogSettings::new(Arc::new(now))
    };
    // A callback of the store that was may be its last owner, for a moment.
    let deadline = Instant::now() + PATIENCE;
    let disk = loop {
        match FolderDisk::open(folder) {
            Err(StoreError::InUse { .. }) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            opened => break opened.expect("a folder of one's own"),
        }
    };
    let (store, recovered) = LogStore::open(Arc::new(disk), log, now().millis()).expect("a sound log");
    (Arc::new(store), Box::new(recovered))
}

fn now() -> UnixMicros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixMicros(since.unwrap_or_default().as_micros() as u64)
}
