//! `[backend.mysql.NAME]` as the backend takes it.

use std::{sync::Arc, time::Duration};

use restante_backend::{
    Backend,
    template::sql::{SqlDialect, SqlTemplate},
    trouble::Unfit,
};
use restante_mysql::{
    MySql,
    config::{Config, Tls},
};

use crate::config::{self, Pool, PoolSettings, SqlSettings};

/// Makes a pool; connects to nothing.
pub(super) fn open(pool: &Pool) -> Result<Arc<dyn Backend>, Unfit> {
    let PoolSettings::Mysql(settings) = &pool.settings else {
        return Err(Unfit {
            why: format!("{} is no pool of mysql", pool.full_name()),
            at: None,
        });
    };
    Ok(Arc::new(MySql::new(&config(settings))))
}

/// Reads a statement as the backend will.
pub(super) fn read_text(text: &str, variables: &[&'static str]) -> Result<Vec<Unfit>, Unfit> {
    SqlTemplate::parse(text, SqlDialect::MySql, variables).map(|template| template.warnings)
}

fn config(settings: &SqlSettings) -> Config {
    let basis = &settings.basis;
    Config {
        server: settings.server.clone(),
        database: settings.database.clone(),
        username: basis.username.clone(),
        password: basis.password.reveal().to_owned(),
        pool_size: basis.pool_size as usize,
        tls: basis.tls.as_ref().map(tls),
        connect_timeout: Duration::from_millis(basis.connect_timeout_millis),
        command_timeout: Duration::from_millis(basis.command_timeout_millis),
    }
}

fn tls(tls: &config::Tls) -> Tls {
    Tls {
        ca: super::given(&tls.ca).map(Into::into),
        certificate: super::given(&tls.certificate).map(Into::into),
        key: super::given(&tls.key).map(Into::into),
        server_name: super::given(&tls.server_name),
        verify: tls.verify,
    }
}
