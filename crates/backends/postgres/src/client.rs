//! Connections: made when they are needed, given up after anything that leaves them in doubt.

use std::{collections::HashMap, fmt, future::Future, net::IpAddr, sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use futures_util::{StreamExt, future::join_all, pin_mut};
use parking_lot::Mutex;
use restante_backend::{
    sql::{Failed, row::Row, table::Table},
    trouble::Away,
};
use tokio::time::{Instant, timeout};
use tokio_postgres::{NoTls, Statement, config::SslMode, types::ToSql};

use crate::{
    config::{Config, PayloadEncoding},
    failure::{is_aborted, is_stale, judge},
    tls,
    values::{Bound, cells},
};

/// What every session is set to: times are in UTC.
const OPTIONS: &str = "-c TimeZone=UTC -c standard_conforming_strings=on";

/// A pool.
pub(crate) struct Client {
    /// Or why there can be none: a certificate that cannot be read.
    pool: Result<Pool, String>,
    /// Host and port, for sentences.
    pub(crate) place: String,
    command_timeout: Duration,
    pub(crate) encoding: PayloadEncoding,
    /// The tables as they were when they were last looked at.
    pub(crate) tables: Mutex<HashMap<&'static str, (Instant, Arc<Table>)>>,
}

impl Client {
    pub(crate) fn new(config: &Config) -> Client {
        let (host, port) = match config.server.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().unwrap_or(5432)),
            _ => (config.server.as_str(), 5432),
        };
        let host = host.trim_matches(['[', ']']);
        Client {
            pool: pool(config, host, port),
            place: format!("{host}:{port}"),
            command_timeout: config.command_timeout,
            encoding: config.payload_encoding,
            tables: Mutex::new(HashMap::new()),
        }
    }

    /// A connection of one's own.
    pub(crate) async fn lease(&self) -> Result<Lease<'_>, Away> {
        let pool = self.pool.as_ref().map_err(|why| self.away(why))?;
        match pool.get().await {
            Ok(object) => Ok(Lease {
                client: self,
                object: Some(object),
            }),
            Err(PoolError::Timeout(_)) => {
                Err(self.away("cannot connect, or no connection became free: no answer in time"))
            }
            Err(PoolError::Backend(error)) => Err(self.away(&format!("cannot connect: {}", whole(&error)))),
            Err(error) => Err(self.away(&format!("cannot connect: {error}"))),
        }
    }

    pub(crate) fn away(&self, why: &str) -> Away {
        Away {
            why: format!("postgres at {}: {why}", self.place),
        }
    }

    /// Forgets how the tables looked: they may have been changed.
    pub(crate) fn forget_tables(&self) {
        self.tables.lock().clear();
    }

    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failed> {
        match timeout(self.command_timeout, work).await {
            Ok(done) => done.map_err(|error| judge(&self.place, &error)),
            Err(_) => Err(self.away("no answer in time").into()),
        }
    }
}

fn pool(config: &Config, host: &str, port: u16) -> Result<Pool, String> {
    // One that the server has closed is noticed; whoever finds another dead says so and gets a new one next time.
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let mut options = options(config, host, port);
    let manager = match &config.tls {
        None => Manager::from_config(options, NoTls, recycling),
        Some(tls) => {
            if let Some(name) = &tls.server_name {
                // The name is compared with the certificate, the address says where to go.
                let address: IpAddr = host
                    .parse()
                    .map_err(|_| "with tls.server_name the server must be given by its address".to_owned())?;
                options = self::options(config, name, port);
                options.hostaddr(address);
            }
            options.ssl_mode(SslMode::Require);
            Manager::from_config(options, tls::connector(tls)?, recycling)
        }
    };
    Pool::builder(manager)
        .max_size(config.pool_size.max(1))
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(config.command_timeout))
        .create_timeout(Some(config.connect_timeout))
        .recycle_timeout(Some(config.command_timeout))
        .build()
        .map_err(|error| error.to_string())
}

fn options(config: &Config, host: &str, port: u16) -> tokio_postgres::Config {
    let mut options = tokio_postgres::Config::new();
    options
        .host(host)
        .port(port)
        .dbname(&config.database)
        .user(&config.username)
        .application_name("restante")
        .options(OPTIONS)
        .connect_timeout(config.connect_timeout);
    if !config.password.is_empty() {
        options.password(&config.password);
    }
    options
}

/// An error with what it comes from.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        let deeper_text = deeper.to_string();
        if !text.contains(&deeper_text) {
            text.push_str(": ");
            text.push_str(&deeper_text);
        }
        source = deeper.source();
    }
    text
}

/// A connection that is one request's. Whoever is done with it in good order calls [`Lease::release`]; in every other
/// case, a dropped future among them, it is closed: nobody knows what is still on its way on it.
pub(crate) struct Lease<'c> {
    client: &'c Client,
    /// `None` only while it is being given back.
    object: Option<Object>,
}

impl Lease<'_> {
    fn object(&self) -> Result<&Object, Failed> {
        let gone = || self.client.away("the connection was given back").into();
        self.object.as_ref().ok_or_else(gone)
    }

    /// Prepares a statement, or takes it from those that are.
    pub(crate) async fn prepared(&self, sql: &str) -> Result<Statement, Failed> {
        self.client.within(self.object()?.prepare_cached(sql)).await
    }

    /// Forgets what was prepared: a table has changed.
    pub(crate) fn prepare_anew(&self) {
        if let Some(object) = &self.object {
            object.statement_cache.clear();
        }
    }

    /// Runs something without parameters.
    pub(crate) async fn command(&self, sql: &str) -> Result<(), Failed> {
        self.client.within(self.object()?.batch_execute(sql)).await
    }

    /// Runs a statement once. The number of rows it changed.
    pub(crate) async fn run(&self, statement: &Statement, values: &[Bound]) -> Result<u64, Failed> {
        self.client
            .within(self.object()?.execute_raw(statement, values))
            .await
    }

    /// Runs a statement with each of these rows without waiting for answers in between; the answers in order. Use
    /// within a transaction.
    pub(crate) async fn pipelined(&self, statement: &Statement, rows: &[Vec<Bound>]) -> Result<u64, Failed> {
        let answers = join_all(rows.iter().map(|row| self.run(statement, row))).await;
        let mut changed = 0;
        for (place, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(rows) => changed += rows,
                Err(Failed::Rows { why, .. }) => return Err(Failed::Rows { at: Some(place), why }),
                Err(failed) if is_aborted(&failed) => continue,
                Err(failed) => return Err(failed),
            }
        }
        Ok(changed)
    }

    /// Reads rows one after another.
    pub(crate) async fn each_row(
        &self,
        sql: &str,
        values: &[Bound],
        mut take: impl FnMut(Row) + Send,
    ) -> Result<(), Failed> {
        let opened = match self.open(sql, values).await {
            Err(failed) if is_stale(&failed) => {
                self.prepare_anew();
                self.open(sql, values).await
            }
            other => other,
        };
        let rows = opened?;
        pin_mut!(rows);
        loop {
            let next = async { rows.next().await.transpose() };
            match self.client.within(next).await? {
                Some(row) => take(cells(&row)),
                None => return Ok(()),
            }
        }
    }

    async fn open(&self, sql: &str, values: &[Bound]) -> Result<tokio_postgres::RowStream, Failed> {
        let statement = self.prepared(sql).await?;
        let values = values.iter().map(|value| value as &(dyn ToSql + Sync));
        self.client
            .within(self.object()?.query_raw(&statement, values))
            .await
    }

    /// Reads all rows; for statements that bound their number.
    pub(crate) async fn rows(&self, sql: &str, values: &[Bound]) -> Result<Vec<Row>, Failed> {
        let mut rows = Vec::new();
        self.each_row(sql, values, |row| rows.push(row)).await?;
        Ok(rows)
    }

    /// Gives it back, in good order.
    pub(crate) fn release(mut self) {
        drop(self.object.take());
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}
