//! Connections: made when they are needed, given up after anything that leaves them in doubt.

use std::{
    collections::HashMap,
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use mysql_async::{Conn, Opts, OptsBuilder, Params, SslOpts, prelude::Queryable};
use parking_lot::Mutex;
use restante_backend::{
    sql::{Failed, row::Row, table::Table},
    trouble::Away,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};

use crate::{
    config::{Config, Tls},
    failure::judge,
    values::cells,
};

/// A connection that lay idle for longer is asked for a sign of life before it is used.
const IDLE_TRUSTED: Duration = Duration::from_secs(1);

/// Prepared statements that a connection keeps.
const STATEMENTS_KEPT: usize = 64;

/// What every connection is set to. Strict, whatever the server's own mode: nothing is ever cut or bent to fit. Times
/// are in UTC. Quotes and backslashes are as the scanner of templates takes them.
const SETUP: &str = "SET NAMES utf8mb4, time_zone = '+00:00', autocommit = 1, sql_mode = \
    'STRICT_TRANS_TABLES,STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'";

/// A pool.
pub(crate) struct Client {
    options: Opts,
    /// Host and port, for sentences.
    pub(crate) place: String,
    connect_timeout: Duration,
    command_timeout: Duration,
    permits: Semaphore,
    idle: Mutex<Vec<Session>>,
    /// The tables as they were when they were last looked at.
    pub(crate) tables: Mutex<HashMap<&'static str, (Instant, Arc<Table>)>>,
    /// The server that answered last and when it had started, in seconds since 1970.
    pub(crate) incarnation: Mutex<Option<(String, u64)>>,
}

/// A connection and what its server can do.
struct Session {
    conn: Conn,
    server: Server,
    since: Instant,
}

/// What a server can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    /// Longest packet it takes, in bytes.
    pub(crate) packet_max: usize,
    /// `INSERT … RETURNING` (MariaDB 10.5).
    pub(crate) returning: bool,
    /// The bulk protocol (MariaDB 10.2).
    pub(crate) bulk: bool,
    /// How far one automatic number is from the next.
    pub(crate) step: u64,
}

impl Client {
    pub(crate) fn new(config: &Config) -> Client {
        let (host, port) = match config.server.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().unwrap_or(3306)),
            _ => (config.server.as_str(), 3306),
        };
        let options = OptsBuilder::default()
            .ip_or_hostname(host.trim_matches(['[', ']']))
            .tcp_port(port)
            .user(Some(&config.username))
            .pass(Some(&config.password).filter(|password| !password.is_empty()))
            .db_name(Some(&config.database))
            .prefer_socket(false)
            .tcp_nodelay(true)
            .client_found_rows(true)
            .stmt_cache_size(STATEMENTS_KEPT)
            .ssl_opts(config.tls.as_ref().map(tls));
        Client {
            options: options.into(),
            place: format!("{host}:{port}"),
            connect_timeout: config.connect_timeout,
            command_timeout: config.command_timeout,
            permits: Semaphore::new(config.pool_size.max(1)),
            idle: Mutex::new(Vec::new()),
            tables: Mutex::new(HashMap::new()),
            incarnation: Mutex::new(None),
        }
    }

    /// A connection of one's own.
    pub(crate) async fn lease(&self) -> Result<Lease<'_>, Away> {
        let waiting = timeout(self.command_timeout, self.permits.acquire()).await;
        let Ok(Ok(permit)) = waiting else {
            return Err(self.away("no connection of the pool became free in time"));
        };
        loop {
            let idle = self.idle.lock().pop();
            let Some(mut session) = idle else { break };
            if session.since.elapsed() < IDLE_TRUSTED || self.is_alive(&mut session).await {
                return Ok(Lease {
                    client: self,
                    session: Some(session),
                    _permit: permit,
                });
            }
            discard(session.conn);
        }
        let session = match timeout(self.connect_timeout, self.connect()).await {
            Ok(Ok(session)) => session,
            Ok(Err(error)) => return Err(self.away(&format!("cannot connect: {error}"))),
            Err(_) => return Err(self.away("cannot connect: no answer in time")),
        };
        Ok(Lease {
            client: self,
            session: Some(session),
            _permit: permit,
        })
    }

    pub(crate) fn away(&self, why: &str) -> Away {
        Away {
            why: format!("mysql at {}: {why}", self.place),
        }
    }

    /// Forgets how the tables looked: they may have been changed.
    pub(crate) fn forget_tables(&self) {
        self.tables.lock().clear();
    }

    async fn is_alive(&self, session: &mut Session) -> bool {
        let sign = timeout(self.command_timeout, session.conn.ping()).await;
        matches!(sign, Ok(Ok(())))
    }

    async fn connect(&self) -> Result<Session, mysql_async::Error> {
        let mut conn = Conn::new(self.options.clone()).await?;
        conn.query_drop(SETUP).await?;
        let asked = "SELECT VERSION(), @@max_allowed_packet, @@auto_increment_increment";
        let (version, packet_max, step): (String, usize, u64) =
            conn.query_first(asked).await?.unwrap_or_default();
        let mariadb = version.contains("MariaDB");
        let (major, minor, _) = conn.server_version();
        let server = Server {
            packet_max,
            returning: mariadb && (major, minor) >= (10, 5),
            bulk: mariadb && (major, minor) >= (10, 2),
            step: step.max(1),
        };
        Ok(Session {
            conn,
            server,
            since: Instant::now(),
        })
    }
}

/// A connection that is one request's. Whoever is done with it in good order calls [`Lease::release`]; in every other
/// case, a dropped future among them, it is closed: nobody knows what is still on its way on it.
pub(crate) struct Lease<'c> {
    client: &'c Client,
    /// `None` only while it is being given back.
    session: Option<Session>,
    _permit: SemaphorePermit<'c>,
}

impl Lease<'_> {
    pub(crate) fn server(&self) -> Option<Server> {
        self.session.as_ref().map(|session| session.server)
    }

    /// Runs a statement and passes over its rows. The number of rows it matched, and the first automatic number.
    pub(crate) async fn run(&mut self, sql: &str, values: Params) -> Result<(u64, Option<u64>), Failed> {
        let client = self.client;
        let conn = self.conn()?;
        within(client, conn.exec_drop(sql, values)).await?;
        Ok((conn.affected_rows(), conn.last_insert_id()))
    }

    /// Runs a statement without parameters.
    pub(crate) async fn command(&mut self, sql: &str) -> Result<(), Failed> {
        let client = self.client;
        within(client, self.conn()?.query_drop(sql)).await
    }

    /// Runs a statement with each of these rows by the bulk protocol, in one packet. The number of rows
    /// it matched.
    pub(crate) async fn bulk(&mut self, sql: &str, rows: Vec<Params>) -> Result<u64, Failed> {
        let client = self.client;
        let conn = self.conn()?;
        within(client, conn.exec_batch(sql, rows)).await?;
        Ok(conn.affected_rows())
    }

    /// Reads rows one after another.
    pub(crate) async fn each_row(
        &mut self,
        sql: &str,
        values: Params,
        mut take: impl FnMut(Row) + Send,
    ) -> Result<(), Failed> {
        let client = self.client;
        let mut result = within(client, self.conn()?.exec_iter(sql, values)).await?;
        while let Some(row) = within(client, result.next()).await? {
            take(cells(row));
        }
        within(client, result.drop_result()).await
    }

    /// Reads all rows; for statements that bound their number.
    pub(crate) async fn rows(&mut self, sql: &str, values: Params) -> Result<Vec<Row>, Failed> {
        let mut rows = Vec::new();
        self.each_row(sql, values, |row| rows.push(row)).await?;
        Ok(rows)
    }

    /// Gives it back, in good order.
    pub(crate) fn release(mut self) {
        if let Some(mut session) = self.session.take() {
            session.since = Instant::now();
            self.client.idle.lock().push(session);
        }
    }

    fn conn(&mut self) -> Result<&mut Conn, Failed> {
        match &mut self.session {
            Some(session) => Ok(&mut session.conn),
            None => Err(self.client.away("the connection was given back").into()),
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            discard(session.conn);
        }
    }
}

/// A command under its time limit.
async fn within<T>(
    client: &Client,
    work: impl Future<Output = Result<T, mysql_async::Error>>,
) -> Result<T, Failed> {
    match timeout(client.command_timeout, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(judge(&client.place, &error).inspect_away(|| {
            // The others are as dead as this one.
            client
                .idle
                .lock()
                .drain(..)
                .for_each(|session| discard(session.conn));
        })),
        Err(_) => Err(client.away("no answer in time").into()),
    }
}

trait InspectAway {
    fn inspect_away(self, then: impl FnOnce()) -> Self;
}

impl InspectAway for Failed {
    fn inspect_away(self, then: impl FnOnce()) -> Failed {
        if matches!(self, Failed::Away(_)) {
            then();
        }
        self
    }
}

/// Closes a connection at once. Left alone the driver would wait for what is still to come, perhaps for ever.
fn discard(conn: Conn) {
    let mut closing = pin!(conn.disconnect());
    let _ = closing.as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

fn tls(tls: &Tls) -> SslOpts {
    let mut options = SslOpts::default()
        .with_danger_accept_invalid_certs(!tls.verify)
        .with_danger_skip_domain_validation(!tls.verify);
    if let Some(ca) = &tls.ca {
        options = options
            .with_root_certs(vec![ca.clone().into()])
            .with_disable_built_in_roots(true);
    }
    if let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) {
        let identity = mysql_async::ClientIdentity::new(certificate.clone().into(), key.clone().into());
        options = options.with_client_identity(Some(identity));
    }
    if let Some(name) = &tls.server_name {
        options = options.with_danger_tls_hostname_override(Some(name.clone()));
    }
    options
}
