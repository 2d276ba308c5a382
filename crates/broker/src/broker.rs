//! A broker: started, asked, stopped.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering, fence},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use restante_model::{Filter, QoS, QueueId, SessionId, UnixMillis};
use restante_session::ServerLimits;
use restante_store::{
    batch::Batch,
    change::{Change, OWN_VERSION},
    contract::{Admission, Recovered, Store},
    image::SessionImage,
};

use crate::{
    clock::Clock,
    connection::GROUP_VERSION,
    directory::Directory,
    figures::{BrokerFigures, PoolFigures},
    keeping::{keeper, open, setup::Setup},
    runtime,
    settings::{SessionSettings, Settings},
    shared::Shared,
};

/// Most runtimes: receivers are named by runtime in a 64-bit set.
const RUNTIMES_MAX: usize = 64;

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen for MQTT on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// The system's words.
        source: std::io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a runtime thread: {0}")]
    Thread(std::io::Error),
}

/// A broker that runs.
pub struct Broker {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
}

impl Broker {
    /// Binds the listeners, takes up what the store remembers, and starts to accept, in that order: a port in use is
    /// found before anything is changed, and nobody is accepted before the store is recovered.
    pub fn start(
        settings: Settings,
        store: Arc<dyn Store>,
        recovered: &mut dyn Recovered,
    ) -> Result<Broker, StartError> {
        Broker::start_keeping(settings, store, recovered, None)
    }

    /// The same, with databases that messages are kept in.
    pub fn start_keeping(
        settings: Settings,
        store: Arc<dyn Store>,
        recovered: &mut dyn Recovered,
        setup: Option<Setup>,
    ) -> Result<Broker, StartError> {
        let listeners = bind(&settings.mqtt)?;
        let addresses = listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if settings.threads == 0 {
            // One is left to the store: its threads commit, apply and read beside those that serve connections.
            cores.saturating_sub(1).max(1)
        } else {
            settings.threads
        }
        .min(RUNTIMES_MAX);
        let limits = server_limits(&settings.session, settings.limits.subscriptions_per_session_max);
        let clock = Clock::start(recovered.last_time());
        let highest = recovered.highest_ids();
        let shared =
            Arc::new_cyclic(|hub| Shared::new(settings, limits, store, clock, threads, highest, hub.clone()));
        let found = restore(&shared, recovered);
        tell_of_progress(&shared);
        let mut running = Vec::new();
        match setup {
            Some(setup) => {
                let (keeping, begin) = open::open(&shared, setup, found);
                let keeping = Arc::new(keeping);
                shared.keep_in(keeping.clone());
                running.push(keeper::start(shared.clone(), keeping, begin).map_err(StartError::Thread)?);
            }
            None => open::tell_of_the_rest(&shared, &found),
        }
        let mut listeners = Some(listeners);
        for index in 0..threads {
            let accepts = listeners.take().unwrap_or_default();
            running.push(runtime::start(shared.clone(), index as u16, accepts).map_err(StartError::Thread)?);
        }
        Ok(Broker {
            shared,
            addresses,
            threads: running,
        })
    }

    /// Where it listens, in the order of the settings.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A handle that stays valid while the broker is stopped.
    pub fn watch(&self) -> BrokerWatch {
        BrokerWatch {
            shared: self.shared.clone(),
        }
    }

    /// Stops accepting, tells 5.0 clients (0x8B), writes everybody's last word, and ends the threads. Gives up
    /// waiting after `patience`: what is submitted by then is in the store. The store is the caller's to close.
    pub fn stop(self, patience: Duration) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        for door in &self.shared.doors {
            door.wake.notify_one();
        }
        let until = Instant::now() + patience;
        for thread in self.threads {
            while !thread.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            if thread.is_finished() && thread.join().is_err() {
                tracing::error!(
                    code = "runtime-panicked",
                    "a thread of the broker ended by a mistake of its own: report it"
                );
            }
        }
    }
}

/// Looks at a broker.
#[derive(Clone)]
pub struct BrokerWatch {
    shared: Arc<Shared>,
}

impl BrokerWatch {
    /// What is counted.
    pub fn figures(&self) -> BrokerFigures {
        self.shared.counters.figures()
    }

    /// How the pools do, in the order of the setup.
    pub fn pools(&self) -> Vec<PoolFigures> {
        let pools = self.shared.keeping().map(|keeping| keeping.pools.iter());
        let now = self.shared.clock.millis();
        let figures = |pool: &Arc<crate::keeping::pool::Pool>| {
            // What is kept until it is certain does not wait.
            let waits = pool.depth().records > 0;
            let oldest = self.shared.store.backlog(pool.reader).oldest.filter(|_| waits);
            let waited = oldest.map_or(0, |oldest| now.0.saturating_sub(oldest.0));
            pool.figures(Duration::from_millis(waited))
        };
        pools.into_iter().flatten().map(figures).collect()
    }

    /// Stops the drain of a pool, or lets it go on; false when there is none of this name.
    pub fn pause(&self, pool: &str, paused: bool) -> bool {
        let mut pools = self
            .shared
            .keeping()
            .into_iter()
            .flat_map(|keeping| keeping.pools.iter());
        let found = pools.find(|known| *known.name == *pool);
        found.is_some_and(|found| {
            found.pause(paused);
            true
        })
    }

    /// Whether clients are accepted and what must be kept is kept; else a sentence.
    pub fn ready(&self) -> Result<(), String> {
        if self.shared.stopping.load(Ordering::SeqCst) {
            return Err("the broker is stopping".into());
        }
        match self.shared.store.admission() {
            Admission::Open => Ok(()),
            Admission::Full { why } | Admission::Failed { why } => Err(why.to_string()),
        }
    }
}

/// The store's news go to the runtimes that wait for some; a change of what it takes goes to all, as they decide by it.
fn tell_of_progress(shared: &Arc<Shared>) {
    let hub = Arc::downgrade(shared);
    let known = AtomicU8::new(0);
    shared.store.on_progress(Arc::new(move || {
        let Some(shared) = hub.upgrade() else { return };
        // What was published before this call is seen by a runtime that has just said that it waits, or it is seen here
        // that it does.
        fence(Ordering::SeqCst);
        let admission = match shared.store.admission() {
            Admission::Open => 0,
            Admission::Full { .. } => 1,
            Admission::Failed { .. } => 2,
        };
        let changed = known.swap(admission, Ordering::SeqCst) != admission;
        for door in &shared.doors {
            if changed || door.waits.load(Ordering::SeqCst) {
                door.wake.notify_one();
            }
        }
    }));
}

fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, StartError> {
    let listen = |&address: &SocketAddr| {
        let listener = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        listener.map_err(|source| StartError::Listen { address, source })
    };
    addresses.iter().map(listen).collect()
}

fn server_limits(settings: &SessionSettings, subscriptions_max: usize) -> ServerLimits {
    ServerLimits {
        session_expiry_3x: settings.session_expiry,
        session_expiry_max: settings.session_expiry_max,
        receive_maximum: settings.receive_maximum,
        inflight_default: settings.inflight,
        inflight_max: settings.inflight_max,
        packet_size_max: settings.packet_size_max,
        keep_alive_max: settings.keep_alive_max,
        topic_alias_max: settings.topic_alias_max,
        message_expiry_max: settings.message_expiry,
        subscriptions_max,
    }
}

/// Builds the directory and the router from what the store remembers. Connections that were open when the broker died
/// count as lost now: their session's time runs from here, and their will is due after its delay (K11, K29).
fn restore(shared: &Arc<Shared>, recovered: &mut dyn Recovered) -> open::Found {
    let now = shared.clock.millis();
    let mut batch = Batch::default();
    let mut groups = Vec::new();
    let mut ended = Vec::new();
    let mut read = hashbrown::HashSet::new();
    let mut absent = Vec::new();
    let mut found = open::Found::default();
    recovered.sessions(&mut |image| {
        if image.version == GROUP_VERSION {
            groups.extend(restore_group(shared, image));
            return;
        }
        if image.version == OWN_VERSION {
            // No client's: whoever opened it knows it by its name.
            read.extend(found.add(image));
            return;
        }
        let since = if image.connected { now } else { image.since };
        let expires = since.plus_seconds(image.expiry);
        if image.connected {
            batch.change(&Change::SessionDetached {
                session: image.session,
                expiry: image.expiry,
                bindings: &image.bindings,
                at: now,
                will_void: false,
            });
        }
        if let Some(will) = &image.will {
            let due = since.plus_seconds(will.delay.min(image.expiry));
            shared
                .wills
                .lock()
                .set(image.session, due, image.client_id.as_ref().into());
        }
        if image.expiry == 0 && image.will.is_none() {
            ended.push(image.session);
            return;
        }
        restore_readers(shared, image, &mut read);
        let until = if image.expiry == 0 {
            UnixMillis(now.0 + 1)
        } else {
            expires
        };
        absent.push((Box::from(&*image.client_id), image.session, until));
    });
    let count = absent.len() as u64;
    shared.counters.sessions_absent.store(count, Ordering::Relaxed);
    *shared.directory.lock() = Directory::of_absent(absent);
    for session in ended {
        batch.change(&Change::SessionEnded { session });
    }
    recovered.queues(&mut |queue, filter| {
        if !read.contains(&queue) {
            let is_group = Filter::parse(filter, true).is_ok_and(|filter| filter.share().is_some());
            if !is_group {
                batch.change(&Change::QueueClosed { queue });
            }
        }
    });
    // A crash between the last member's leaving and the end of the group.
    for (filter, queue, session) in groups {
        if shared.router.read().readers(&filter) == 0 {
            batch.change(&Change::SessionEnded { session });
            batch.change(&Change::QueueClosed { queue });
            shared.change_router(|router| router.forget_queue(&filter));
        }
    }
    shared.submit_changes(batch);
    found
}

fn restore_readers(shared: &Shared, image: &SessionImage, read: &mut hashbrown::HashSet<QueueId>) {
    shared.change_router(|router| {
        for subscription in &image.subscriptions {
            let Ok(filter) = Filter::parse(&subscription.filter, true) else {
                continue;
            };
            if let Some(queue) = subscription.queue {
                read.insert(queue);
                router.restore_reader(&filter, queue);
            } else if filter.share().is_some() {
                let parts = subscription.epochs.parts();
                if parts.iter().any(|epoch| epoch.options.qos > QoS::AtMostOnce) {
                    router.restore_shared_reader(&filter);
                }
            }
        }
    });
}

/// The pseudo session of a shared group: its queue and its cursor.
fn restore_group(shared: &Shared, image: &SessionImage) -> Option<(Filter, QueueId, SessionId)> {
    let subscription = image.subscriptions.first()?;
    let (filter, queue) = (
        Filter::parse(&subscription.filter, true).ok()?,
        subscription.queue?,
    );
    shared.change_router(|router| {
        router
            .restore_group(&filter, queue)
            .open(queue, image.session, &image.cursor);
    });
    Some((filter, queue, image.session))
}
