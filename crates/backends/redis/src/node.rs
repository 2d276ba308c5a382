//! One server and the pool's connections to it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Pipeline, RedisConnectionInfo, Value,
    aio::{MultiplexedConnection, PubSub},
};
use restante_backend::trouble::{Asked, Away};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Mutex,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{
    command::driver_words,
    config::{Config, Deployment, Tls, split},
    tls,
};

/// How connections are opened: login, database, TLS.
pub(crate) struct Opener {
    info: RedisConnectionInfo,
    tls: Option<(TlsConnector, Tls)>,
    connect_timeout: Duration,
    command_timeout: Duration,
}

impl Opener {
    /// For the servers that hold the data.
    pub(crate) fn data(config: &Config, tls: Option<TlsConnector>) -> Opener {
        let database = match config.deployment {
            Deployment::Cluster => 0,
            _ => config.database,
        };
        Opener::new(config, tls, &config.username, &config.password, database)
    }

    /// For sentinels.
    pub(crate) fn sentinels(config: &Config, tls: Option<TlsConnector>) -> Opener {
        Opener::new(
            config,
            tls,
            &config.sentinel_username,
            &config.sentinel_password,
            0,
        )
    }

    fn new(config: &Config, tls: Option<TlsConnector>, user: &str, password: &str, database: u32) -> Opener {
        let mut info = RedisConnectionInfo::default()
            .set_db(i64::from(database))
            // An ACL user of the documentation may not run CLIENT (K45).
            .set_skip_set_lib_name();
        if !user.is_empty() {
            info = info.set_username(user);
        }
        if !password.is_empty() {
            info = info.set_password(password);
        }
        Opener {
            info,
            tls: tls.zip(config.tls.clone()),
            connect_timeout: config.connect_timeout,
            command_timeout: config.command_timeout,
        }
    }

    async fn open(&self, address: &str, port: u16) -> Result<Link, String> {
        let stream = self.stream(address, port).await?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let opened = MultiplexedConnection::new_with_config(&self.info, stream, config).await;
        let (connection, driver) = opened.map_err(|error| driver_words(&error))?;
        Ok(Link {
            connection,
            driver: Arc::new(Driver(tokio::spawn(driver))),
        })
    }

    /// A connection that only listens, within the time for a connection.
    pub(crate) async fn listener(&self, node: &Node) -> Asked<PubSub> {
        let opened = timeout(self.connect_timeout, async {
            let stream = self.stream(&node.address, node.port).await?;
            PubSub::new(&self.info, stream)
                .await
                .map_err(|error| driver_words(&error))
        });
        let why = match opened.await {
            Ok(Ok(listener)) => return Ok(listener),
            Ok(Err(why)) => format!("no connection: {why}"),
            Err(_) => format!("no connection within {:?}", self.connect_timeout),
        };
        Err(Away {
            why: format!("redis at {}: {why}", node.address),
        })
    }

    /// How long an answer may take.
    pub(crate) fn command_timeout(&self) -> Duration {
        self.command_timeout
    }

    async fn stream(&self, address: &str, port: u16) -> Result<Box<dyn Wire>, String> {
        let (host, port) = split(address, port).ok_or("it is no host:port")?;
        let stream = TcpStream::connect((host, port))
            .await
            .map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let Some((connector, tls)) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = tls::server_name(tls, host)?;
        let stream = connector.connect(name, stream).await;
        Ok(Box::new(
            stream.map_err(|error| format!("TLS was not agreed: {error}"))?,
        ))
    }
}

/// Bytes there and back, plain or in TLS.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// One connection. Clones share it.
#[derive(Clone)]
struct Link {
    connection: MultiplexedConnection,
    driver: Arc<Driver>,
}

/// The task that reads and writes for a connection; ends with its last owner.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A server and the connections to it, made when they are needed.
pub(crate) struct Node {
    address: Box<str>,
    port: u16,
    links: Vec<Mutex<Option<Link>>>,
    next: AtomicUsize,
}

impl Node {
    /// A server at `host:port`, or at a host with the port that is usual.
    pub(crate) fn new(address: &str, port: u16, connections: usize) -> Node {
        Node {
            address: address.into(),
            port,
            links: (0..connections).map(|_| Mutex::new(None)).collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends commands in one go and waits for all answers. After an error nothing is known of them; the connection is
    /// given up.
    pub(crate) async fn send(&self, opener: &Opener, pipeline: &Pipeline) -> Asked<Vec<Value>> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        let slot = self.next.fetch_add(1, Ordering::Relaxed) % self.links.len();
        let away = |why: String| Away {
            why: format!("redis at {}: {why}", self.address),
        };
        let Ok(link) = timeout(opener.connect_timeout, self.link(opener, slot)).await else {
            return Err(away(format!("no connection within {:?}", opener.connect_timeout)));
        };
        let mut link = link.map_err(|why| away(format!("no connection: {why}")))?;
        let count = pipeline.len();
        let answered = timeout(
            opener.command_timeout,
            link.connection.send_packed_commands(pipeline, 0, count),
        )
        .await;
        let why = match answered {
            Ok(Ok(values)) if values.len() == count => return Ok(values),
            Ok(Ok(values)) => format!("{} answers to {count} commands", values.len()),
            Ok(Err(error)) => driver_words(&error),
            Err(_) => format!("no answer within {:?}", opener.command_timeout),
        };
        self.give_up(slot, &link).await;
        Err(away(why))
    }

    async fn link(&self, opener: &Opener, slot: usize) -> Result<Link, String> {
        let mut place = self.links[slot].lock().await;
        if let Some(link) = place.as_ref()
            && !link.driver.0.is_finished()
        {
            return Ok(link.clone());
        }
        *place = None;
        let link = opener.open(&self.address, self.port).await?;
        *place = Some(link.clone());
        Ok(link)
    }

    /// Ends a connection for all who share it, unless it has been replaced already.
    async fn give_up(&self, slot: usize, failed: &Link) {
        failed.driver.0.abort();
        let mut place = self.links[slot].lock().await;
        if place
            .as_ref()
            .is_some_and(|link| Arc::ptr_eq(&link.driver, &failed.driver))
        {
            *place = None;
        }
    }
}
