//! `[backend.redis.NAME]` as the backend takes it.

use std::{sync::Arc, time::Duration};

use restante_backend::{
    Backend,
    template::command::{CommandTemplate, lint},
    trouble::Unfit,
};
use restante_redis::{
    RedisBackend,
    config::{Config, Deployment, Tls},
};

use crate::config::{self, Pool, PoolSettings, RedisMode, RedisSettings};

/// Makes a pool; connects to nothing.
pub(super) fn open(pool: &Pool) -> Result<Arc<dyn Backend>, Unfit> {
    let PoolSettings::Redis(settings) = &pool.settings else {
        return Err(Unfit {
            why: format!("{} is no pool of Redis", pool.full_name()),
            at: None,
        });
    };
    Ok(Arc::new(RedisBackend::new(config(settings))?))
}

/// Reads a command as the backend will.
pub(super) fn read_text(text: &str, variables: &[&'static str]) -> Result<Vec<Unfit>, Unfit> {
    CommandTemplate::parse(text, variables)?;
    Ok(lint(text, variables))
}

fn config(settings: &RedisSettings) -> Config {
    let basis = &settings.basis;
    Config {
        servers: settings.servers.clone(),
        deployment: match settings.mode {
            RedisMode::Single => Deployment::Single,
            RedisMode::Sentinel => Deployment::Sentinel,
            RedisMode::Cluster => Deployment::Cluster,
        },
        master_name: settings.master_name.clone(),
        database: settings.database,
        username: basis.username.clone(),
        password: basis.password.reveal().to_owned(),
        sentinel_username: settings.sentinel_username.clone(),
        sentinel_password: settings.sentinel_password.reveal().to_owned(),
        pool_size: basis.pool_size as usize,
        tls: basis.tls.as_ref().map(tls),
        message_key_prefix: settings.message_key_prefix.clone(),
        subscription_key_prefix: settings.subscription_key_prefix.clone(),
        message_ttl: Duration::from_secs(settings.message_ttl),
        command_timeout: Duration::from_millis(basis.command_timeout_millis),
        connect_timeout: Duration::from_millis(basis.connect_timeout_millis),
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
