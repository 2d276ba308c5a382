//! `restante serve`: starts the parts in their order, waits for a signal, stops them in the reverse order.
//!
//! The order: configuration, log lines, store (recovered before anything else), broker (accepts only now), HTTP. To
//! stop: the broker says goodbye and gives the store its last words, the store commits and closes, HTTP goes last, so
//! that whoever watches sees "stopping" until the end. A kill at any moment is safe; what is not yet durable was not
//! acknowledged.

mod advice;
mod greeting;
mod keeping;
mod open_files;
mod signals;
mod store_news;
mod stores;
mod watch;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use restante_backend::trouble::Unfit;
use restante_broker::{Broker, StartError as BrokerStartError};
use restante_http::{Bounds, HttpServer, HttpSettings, Reach, StartError as HttpStartError};
use restante_store::contract::{Store, StoreError};

use crate::{
    cli::{Exit, refuse, remark},
    config::{AllowAnonymous, Config, LogFormat, Problem},
    logging::{self, throttle::Throttle},
};
use signals::{Signal, Signals};
use store_news::StoreNews;
use stores::Opened;
use watch::Watch;

/// Time that clients have to take their last words when the process stops.
const GOODBYE: Duration = Duration::from_secs(3);

/// A stop that takes longer than this is given up.
const STOP_MAX: Duration = Duration::from_secs(20);

/// Signals within this time of the first are the same wish: a terminal and a service manager may both pass it on.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// How often the repeated log lines are looked through.
const TICK: Duration = Duration::from_secs(1);

/// Why serving did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Broker(#[from] BrokerStartError),
    #[error(transparent)]
    Keeping(#[from] Unfit),
    #[error(transparent)]
    Http(#[from] HttpStartError),
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
    #[error("cannot start the thread that stops the broker: {0}")]
    Thread(std::io::Error),
    #[error("the store did not close well, but what was acknowledged is safe: {0}")]
    Close(StoreError),
    #[error("stopping was cut short; what was acknowledged is safe")]
    CutShort,
}

/// Runs the broker until a signal.
pub(crate) fn command(file: Option<&Path>) -> Exit {
    let report = Config::load(file);
    let config = match report.result {
        Ok(config) => config,
        Err(problems) => return refuse(&problems),
    };
    let throttle = Arc::new(Throttle::default());
    let subscriber = logging::subscriber(
        config.log_format(),
        config.log_level(),
        throttle.clone(),
        std::io::stderr,
    );
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        remark("restante: log lines go elsewhere: a subscriber is there already");
    }
    let served = serve(&config, file, &report.warnings, &throttle);
    logging::report_repeated(&throttle, now(), true);
    match served {
        Ok(()) => Exit::Good,
        Err(error) => {
            let code = if matches!(error, ServeError::Close(_) | ServeError::CutShort) {
                "stop-failed"
            } else {
                "start-failed"
            };
            tracing::error!(code, "{error}{}", advice::advice(&error));
            Exit::Failed
        }
    }
}

fn serve(
    config: &Config,
    file: Option<&Path>,
    warnings: &[Problem],
    throttle: &Arc<Throttle>,
) -> Result<(), ServeError> {
    let started = now();
    let file = file.map_or_else(|| "none".to_owned(), |file| file.display().to_string());
    tracing::info!(
        code = "starting",
        version = env!("CARGO_PKG_VERSION"),
        config = file,
        "restante starts"
    );
    for warning in warnings {
        tracing::warn!(code = "config-warning", "{warning}");
    }
    let mut settings = config.broker().clone();
    settings.limits.connections_max =
        open_files::make_room(settings.limits.connections_max, config.chose_max_connections());
    let Opened { store, mut recovered } = stores::open(config)?;
    for finding in recovered.findings() {
        tracing::warn!(code = "store-finding", "{finding}");
    }
    let figures = store.figures();
    let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (sessions, queues) = (figures.sessions, figures.queues);
    tracing::info!(
        code = "store-open",
        sessions,
        queues,
        millis,
        "the store is recovered"
    );

    // Before anything is accepted: whoever sees the port open can ask for an orderly stop.
    let signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            close(store.as_ref(), "a failed start")?;
            return Err(ServeError::Signals(error));
        }
    };
    let keeping = match keeping::setup(config) {
        Ok(keeping) => keeping,
        Err(unfit) => {
            close(store.as_ref(), "a failed start")?;
            return Err(unfit.into());
        }
    };
    let broker = match Broker::start_keeping(settings, store.clone(), recovered.as_mut(), keeping) {
        Ok(broker) => broker,
        Err(error) => {
            close(store.as_ref(), "a failed start")?;
            return Err(error.into());
        }
    };
    drop(recovered);
    for address in broker.addresses() {
        tracing::info!(code = "listening", %address, "taking MQTT connections");
    }
    let watch = Arc::new(Watch::new(
        broker.watch(),
        store.clone(),
        throttle.clone(),
        started,
    ));
    let running = Running {
        broker,
        store,
        http: None,
    };
    match http(config, watch) {
        Ok(http) => wait(config, Running { http, ..running }, signals, throttle),
        Err(error) => {
            running.stop()?;
            Err(error.into())
        }
    }
}

fn http(config: &Config, watch: Arc<Watch>) -> Result<Option<HttpServer>, HttpStartError> {
    let Some(address) = config.http() else {
        return Ok(None);
    };
    let reach = match config.allow_anonymous() {
        AllowAnonymous::Loopback => Reach::Loopback,
        AllowAnonymous::Everywhere => Reach::Everywhere,
    };
    let server = HttpServer::start(
        HttpSettings {
            address,
            reach,
            bounds: Bounds::default(),
        },
        watch,
    )?;
    tracing::info!(code = "http-listening", address = %server.address(), "health and metrics");
    Ok(Some(server))
}

/// Until a signal, and through the stop.
fn wait(
    config: &Config,
    running: Running,
    mut signals: Signals,
    throttle: &Throttle,
) -> Result<(), ServeError> {
    tracing::info!(code = "started", "all is up");
    if config.log_format() == LogFormat::Text {
        remark(greeting::greeting(config, running.broker.addresses()));
    }
    let mut news = StoreNews::new(running.store.as_ref());
    let signal = loop {
        match signals.next(TICK) {
            Some(Signal::Reload) => tracing::warn!(
                code = "reload-ignored",
                "SIGHUP changes nothing: settings are read at the start; restart to change them"
            ),
            Some(signal) => break signal,
            None => {
                news.look(running.store.as_ref());
                logging::report_repeated(throttle, now(), false);
            }
        }
    };
    tracing::info!(
        code = "stopping",
        signal = signal.name(),
        "clients are told, and what was submitted is committed"
    );
    let begun = now();
    let (done, stopped) = std::sync::mpsc::sync_channel(1);
    let stopping = std::thread::Builder::new()
        .name("restante-stop".to_owned())
        .spawn(move || {
            // Nobody waits any more when the stop was cut short.
            let _ = done.send(running.stop());
        });
    stopping.map_err(ServeError::Thread)?;
    while now() < begun + STOP_MAX {
        if let Ok(stopped) = stopped.try_recv() {
            stopped?;
            tracing::info!(code = "stopped", "all is committed and closed");
            return Ok(());
        }
        let asked_again = matches!(
            signals.next(Duration::from_millis(10)),
            Some(Signal::Terminate | Signal::Interrupt)
        );
        if asked_again && now() > begun + SAME_SIGNAL {
            break;
        }
    }
    Err(ServeError::CutShort)
}

/// What runs, and is stopped in this order.
struct Running {
    broker: Broker,
    store: Arc<dyn Store>,
    http: Option<HttpServer>,
}

impl Running {
    fn stop(self) -> Result<(), ServeError> {
        self.broker.stop(GOODBYE);
        let closed = self.store.close();
        if let Some(http) = self.http {
            http.stop();
        }
        closed.map_err(ServeError::Close)
    }
}

fn close(store: &dyn Store, after: &str) -> Result<(), ServeError> {
    store.close().map_err(|error| {
        tracing::error!(code = "stop-failed", after, %error);
        ServeError::Close(error)
    })
}

/// The one clock of this floor: for throttling lines and giving up, never for anything about a message.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
