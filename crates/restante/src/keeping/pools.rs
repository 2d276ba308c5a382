//! Whether a pool's settings fit together, and its passwords.

use std::path::Path;

use super::complaints::Complaints;
use crate::config::{Pool, PoolSettings, Reading, RedisMode, RedisSettings, Secret, read_secret};

/// Reads the files of passwords.
pub(super) fn read_passwords(reading: &mut Reading, complaints: &mut Complaints) {
    let mut pools = std::mem::take(&mut reading.draft.pools);
    for pool in &mut pools {
        let table = table(pool);
        let file = pool.basis().password_file.clone();
        pool.basis_mut().password = password(reading, &table, "password_file", &file, complaints);
        if let PoolSettings::Redis(settings) = &mut pool.settings {
            let file = settings.sentinel_password_file.clone();
            settings.sentinel_password =
                password(reading, &table, "sentinel_password_file", &file, complaints);
        }
    }
    reading.draft.pools = pools;
}

fn password(reading: &Reading, table: &str, name: &str, file: &str, complaints: &mut Complaints) -> Secret {
    if file.is_empty() {
        return Secret::default();
    }
    let origin = reading.origin_in(table, name);
    let key = format!("{table}.{name}");
    match read_secret(Path::new(file)) {
        Ok((secret, warning)) => {
            if let Some(warning) = warning {
                complaints.warning(&origin, &key, warning);
            }
            secret
        }
        Err(what) => {
            complaints.problem(&origin, &key, what, "");
            Secret::default()
        }
    }
}

/// Refuses what does not fit together within one pool.
pub(super) fn check(reading: &Reading, complaints: &mut Complaints) {
    for pool in &reading.draft.pools {
        let table = table(pool);
        if let PoolSettings::Redis(settings) = &pool.settings {
            check_redis(reading, &table, settings, complaints);
        }
        let Some(tls) = &pool.basis().tls else { continue };
        let origin = reading.origin_in(&table, "tls");
        let key = format!("{table}.tls");
        if tls.certificate.is_empty() != tls.key.is_empty() {
            let (there, missing) = match tls.key.is_empty() {
                true => ("certificate", "key"),
                false => ("key", "certificate"),
            };
            complaints.problem(
                &origin,
                &key,
                format!("there is a {there} and no {missing}"),
                "both belong together; name both or neither",
            );
        }
        if !tls.verify {
            complaints.warning(
                &origin,
                &key,
                "the server's certificate is not checked: anybody in between can read along",
            );
        }
    }
}

fn check_redis(reading: &Reading, table: &str, settings: &RedisSettings, complaints: &mut Complaints) {
    let mut refuse = |name: &str, what: &str, hint: &str| {
        let key = format!("{table}.{name}");
        if !reading.is_wrong(&key) {
            complaints.problem(&reading.origin_in(table, name), &key, what, hint);
        }
    };
    if settings.servers.is_empty() {
        refuse(
            "servers",
            "the list is empty",
            "name a server, like \"127.0.0.1:6379\"",
        );
    }
    let mode_is_known = !reading.is_wrong(&format!("{table}.mode"));
    match settings.mode {
        RedisMode::Single if settings.servers.len() > 1 && mode_is_known => refuse(
            "servers",
            "a single server cannot be several",
            "name one, or write mode = \"sentinel\" or \"cluster\"",
        ),
        RedisMode::Sentinel if settings.master_name.is_empty() => refuse(
            "mode",
            "mode = \"sentinel\" needs master_name",
            "name the primary as the sentinels do, like master_name = \"mymaster\"",
        ),
        RedisMode::Cluster => {
            for (name, channel) in [
                ("channel", &settings.channel),
                ("channel_out", &settings.channel_out),
            ] {
                if !channel.is_empty() {
                    refuse(name, "a cluster has no command channel", "leave it out");
                }
            }
        }
        RedisMode::Single | RedisMode::Sentinel => {}
    }
    if !settings.channel.is_empty() && settings.channel == settings.channel_out {
        refuse(
            "channel_out",
            "it is the channel that we listen to: we would hear ourselves",
            "take another one",
        );
    }
    let mut warn = |name: &str, what: &str| {
        complaints.warning(&reading.origin_in(table, name), &format!("{table}.{name}"), what);
    };
    if settings.mode == RedisMode::Cluster && settings.database != 0 {
        warn("database", "it has no effect: a cluster has only database 0");
    }
    if settings.mode != RedisMode::Sentinel && mode_is_known {
        for name in ["master_name", "sentinel_username", "sentinel_password_file"] {
            if reading.is_written(table, name) && !blank(settings, name) {
                warn(name, "it has no effect without mode = \"sentinel\"");
            }
        }
    }
}

fn blank(settings: &RedisSettings, name: &str) -> bool {
    match name {
        "master_name" => settings.master_name.is_empty(),
        "sentinel_username" => settings.sentinel_username.is_empty(),
        _ => settings.sentinel_password_file.is_empty(),
    }
}

/// By which the reading knows a pool's settings.
pub(super) fn table(pool: &Pool) -> String {
    format!("backend.{}", pool.full_name())
}
