//! A broker in the test's own process: on a free port, on a store of the test's choice, gone when dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use restante_broker::figures::{BrokerFigures, PoolFigures};
use restante_broker::keeping::setup::Setup;
use restante_broker::settings::Settings;
use restante_broker::{Broker, BrokerWatch};
use restante_model::UnixMicros;
use restante_store::contract::{Recovered, Store};
use restante_store::folder::FolderDisk;
use restante_store::log::{LogSettings, LogStore, Sync};
use restante_store::memory::{MemorySettings, MemoryStore};
use tempfile::TempDir;

use crate::client::{Client, PATIENCE};
use crate::sending::Connect;

/// How long the broker may take to stop. Clients that are still open cost part of it.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How often something that the broker does by itself is looked for.
const POLL: Duration = Duration::from_millis(1);

/// Set to `log`, brokers that do not ask for a store of their own run on the log instead of in memory.
const STORE: &str = "RESTANTE_TEST_STORE";

/// A store that is open.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What it remembers.
    pub recovered: Box<dyn Recovered>,
    /// Where it is, if the folder is to go with the broker.
    pub folder: Option<TempDir>,
}

/// A broker that runs.
pub struct InProcess {
    broker: Option<Broker>,
    store: Arc<dyn Store>,
    address: SocketAddr,
    watch: BrokerWatch,
    /// Goes last.
    _folder: Option<TempDir>,
}

/// Two threads, so that clients meet across runtimes on every machine.
fn settings() -> Settings {
    Settings {
        mqtt: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        threads: 2,
        ..Settings::default()
    }
}

/// An empty store in memory.
///
/// # Panics
/// When the system gives no thread.
pub fn memory(settings: &Settings) -> Opened {
    let opened = MemoryStore::open(MemorySettings {
        bytes_max: 256 << 20,
        pending_bytes_max: 64 << 20,
        limits: settings.session.queue,
        clock: Arc::new(clock),
        node: 1,
    });
    let (store, recovered) = opened.expect("a store in memory");
    Opened {
        store,
        recovered: Box::new(recovered),
        folder: None,
    }
}

/// A new log in a temporary folder, never synced: a test's own process does not lose power.
///
/// # Panics
/// When it cannot be opened.
pub fn log(settings: &Settings) -> Opened {
    let folder = TempDir::new().expect("a temporary folder");
    let disk = FolderDisk::open(folder.path()).expect("the folder as a disk");
    let settings = LogSettings {
        segment_bytes: 8 << 20,
        sync: Sync::Never,
        free_bytes_min: 0,
        spares_max: 1,
        limits: settings.session.queue,
        ..LogSettings::new(Arc::new(clock))
    };
    let now = clock().millis();
    let (store, recovered) = LogStore::open(Arc::new(disk), settings, now).expect("a new log");
    Opened {
        store: Arc::new(store),
        recovered: Box::new(recovered),
        folder: Some(folder),
    }
}

fn clock() -> UnixMicros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMicros(since.as_micros() as u64)
}

fn usual(settings: &Settings) -> Opened {
    match std::env::var(STORE) {
        Ok(name) if name == "log" => log(settings),
        _ => memory(settings),
    }
}

impl InProcess {
    /// The default settings, on the store that `RESTANTE_TEST_STORE` names: `memory`, or `log`.
    ///
    /// # Panics
    /// When the broker does not start.
    pub fn start() -> InProcess {
        InProcess::with(|_| {})
    }

    /// Settings changed by the test, on the same store.
    ///
    /// # Panics
    /// When the broker does not start.
    pub fn with(change: impl FnOnce(&mut Settings)) -> InProcess {
        InProcess::on(usual, change)
    }

    /// Settings changed by the test, on the store that `open` opens for them.
    ///
    /// # Panics
    /// When the broker does not start.
    pub fn on(open: impl FnOnce(&Settings) -> Opened, change: impl FnOnce(&mut Settings)) -> InProcess {
        InProcess::keeping(open, change, None)
    }

    /// The same, with databases that messages are kept in.
    ///
    /// # Panics
    /// When the broker does not start.
    pub fn keeping(
        open: impl FnOnce(&Settings) -> Opened,
        change: impl FnOnce(&mut Settings),
        setup: Option<Setup>,
    ) -> InProcess {
        let mut settings = settings();
        change(&mut settings);
        let Opened {
            store,
            mut recovered,
            folder,
        } = open(&settings);
        let broker = Broker::start_keeping(settings, store.clone(), &mut *recovered, setup)
            .expect("the broker starts");
        InProcess {
            address: broker.addresses()[0],
            watch: broker.watch(),
            broker: Some(broker),
            store,
            _folder: folder,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connects a client; it must be accepted.
    ///
    /// # Panics
    /// When it is not.
    pub fn connect(&self, connect: &Connect) -> Client {
        Client::connect(self.address, connect)
    }

    /// A socket that has said nothing yet.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub fn open(&self) -> Client {
        Client::open(self.address)
    }

    /// What the broker counts.
    pub fn figures(&self) -> BrokerFigures {
        self.watch.figures()
    }

    /// How its pools do.
    pub fn pools(&self) -> Vec<PoolFigures> {
        self.watch.pools()
    }

    /// Waits until so many records are in the outbox of its first pool.
    ///
    /// # Panics
    /// When it does not come to that.
    pub fn wait_for_outbox(&self, records: u64) {
        self.wait_until_pool("the outbox", |pool| pool.records == records);
    }

    /// Waits until its first pool is as asked.
    ///
    /// # Panics
    /// When it does not come to that.
    pub fn wait_until_pool(&self, what: &str, is_so: impl Fn(&PoolFigures) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so(&self.pools()[0]) {
            assert!(Instant::now() < until, "waited for {what}: {:?}", self.pools());
            std::thread::sleep(POLL);
        }
    }

    /// Waits until the broker's figures are as asked.
    ///
    /// # Panics
    /// When they are not within [`PATIENCE`].
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&BrokerFigures) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so(&self.figures()) {
            assert!(Instant::now() < until, "waited for {what}: {:?}", self.figures());
            std::thread::sleep(POLL);
        }
    }

    /// Waits until so many connections are open: the broker has seen that the others went.
    ///
    /// # Panics
    /// When it does not come to that.
    pub fn wait_for_connections(&self, count: u64) {
        self.wait_until("connections", |figures| figures.connections == count);
    }

    /// Stops in the middle of a test: what clients see then is theirs to check.
    pub fn stop(&mut self) {
        if let Some(broker) = self.broker.take() {
            broker.stop(STOP_PATIENCE);
            // A store that cannot close is for the store's own tests.
            let _ = self.store.close();
        }
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.stop();
    }
}
