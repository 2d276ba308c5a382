//! The listener and its connections: one thread, a bounded number of connections, everything with a deadline.

use std::{
    collections::VecDeque,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpStream,
    sync::watch,
    task::{AbortHandle, JoinSet},
};

use crate::{pages::router, source::Source};

/// A failed accept (too many open files) is tried again after this.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// What a connection that must end may still take for the answer under way.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// Who may reach a listener that asks nobody who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This machine.
    Loopback,
    /// Everybody.
    Everywhere,
}

/// Where and how to serve.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether an address that other machines can reach is allowed.
    pub reach: Reach,
    /// The bounds.
    pub bounds: Bounds,
}

/// What bounds the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once; with one more the oldest is closed, so that those who send nothing, or read nothing, cannot
    /// keep out who asks whether the broker lives. Default 64.
    pub connections_max: usize,
    /// Time for a request's head, and for the pause between two requests. Default 30 s.
    pub request_timeout: Duration,
    /// A connection is closed after this, at the end of the answer under way. Default 10 minutes.
    pub connection_lifetime: Duration,
    /// Bytes of a request's head; 8 KiB at least. Default 16 KiB.
    pub head_bytes_max: usize,
    /// Header lines of a request. Default 64.
    pub headers_max: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            connections_max: 64,
            request_timeout: Duration::from_secs(30),
            connection_lifetime: Duration::from_secs(600),
            head_bytes_max: 16 << 10,
            headers_max: 64,
        }
    }
}

/// Why the listener did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Other machines could reach it, and that was not allowed.
    #[error(
        "will not serve HTTP on {address}: other machines can reach it; use a loopback address, or set \
         allow_anonymous = \"everywhere\" under [listen]"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be had.
    #[error("cannot serve HTTP on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The thread could not be made.
    #[error("cannot start the thread for HTTP: {0}")]
    Thread(io::Error),
}

/// A running listener. Dropping it without [`HttpServer::stop`] stops it too, without waiting.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl HttpServer {
    /// Binds the address and serves it on a thread of its own.
    ///
    /// # Errors
    /// When the address is not allowed or cannot be had, or the thread cannot be made.
    pub fn start(settings: HttpSettings, source: Arc<dyn Source>) -> Result<HttpServer, StartError> {
        let HttpSettings {
            address,
            reach,
            bounds,
        } = settings;
        if reach == Reach::Loopback && !address.ip().to_canonical().is_loopback() {
            return Err(StartError::NotLoopback { address });
        }
        let bind = |source| StartError::Bind { address, source };
        let listener = TcpListener::bind(address).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let bound = listener.local_addr().map_err(bind)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new()
            .name("restante-http".to_owned())
            .spawn(
                move || match runtime.block_on(serve(listener, router(source), bounds, stopped)) {
                    Ok(()) => {}
                    Err(error) => {
                        tracing::error!(code = "http-stopped", %error, "health and metrics are gone")
                    }
                },
            )
            .map_err(StartError::Thread)?;
        Ok(HttpServer {
            address: bound,
            stop,
            thread,
        })
    }

    /// The address that was bound, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets answers under way finish for at most a second, and returns when all is closed.
    pub fn stop(self) {
        // The thread has ended already when nobody listens; that is what is wanted.
        let _ = self.stop.send(true);
        if self.thread.join().is_err() {
            tracing::error!(code = "http-stopped", "the thread for HTTP ended with a panic");
        }
    }
}

async fn serve(
    listener: TcpListener,
    pages: Router,
    bounds: Bounds,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    // Oldest first.
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                open.retain(|connection| !connection.is_finished());
                if open.len() >= bounds.connections_max
                    && let Some(oldest) = open.pop_front()
                {
                    oldest.abort();
                }
                let connection = connection(stream, pages.clone(), bounds, stopped.clone());
                open.push_back(connections.spawn(connection));
            }
            Err(error) => {
                tracing::warn!(code = "http-accept-failed", %error, "cannot accept a connection; trying again");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// One connection until it closes, its lifetime is over or the process stops.
async fn connection(stream: TcpStream, pages: Router, bounds: Bounds, mut stopped: watch::Receiver<bool>) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.request_timeout)
        .max_buf_size(bounds.head_bytes_max.max(8 << 10))
        .max_headers(bounds.headers_max)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(pages));
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => Some(ended),
        () = tokio::time::sleep(bounds.connection_lifetime) => None,
        _ = stopped.changed() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            serving.as_mut().graceful_shutdown();
            tokio::time::timeout(LAST_ANSWER, serving).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(code = "http-connection-failed", %error, "an HTTP connection ended early");
    }
}
