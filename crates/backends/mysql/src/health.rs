//! Whether the server is there, which one it is, and what it can lose.

use restante_backend::{contract::Health, sql::row::Row, trouble::Asked};

use crate::{client::Client, read::answered, values::params};

/// Two answers about the time of the start may differ by so many seconds and mean the same.
const START_SLACK: u64 = 2;

const ASK: &str = "SELECT VERSION() AS version, @@global.read_only AS read_only, \
    @@global.innodb_flush_log_at_trx_commit AS flush, @@hostname AS host, @@port AS port, \
    UNIX_TIMESTAMP() AS now, DATABASE() AS in_database";

const UPTIME: &str = "SHOW GLOBAL STATUS LIKE 'Uptime'";

const ENGINES: &str = "SELECT TABLE_NAME AS name, ENGINE AS engine FROM information_schema.TABLES \
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'mqtt\\_%' AND ENGINE <> 'InnoDB'";

/// One cheap question.
pub(crate) async fn ask(client: &Client) -> Asked<Health> {
    let mut lease = client.lease().await?;
    let rows = answered(client, lease.rows(ASK, params(Vec::new())).await)?;
    let uptime = answered(client, lease.rows(UPTIME, params(Vec::new())).await)?;
    let engines = answered(client, lease.rows(ENGINES, params(Vec::new())).await)?;
    lease.release();
    let Some(row) = rows.first() else {
        return Err(client.away("it answers nothing when it is asked for its version"));
    };
    let up = uptime.first().map_or(0, |row| number(row, "Value"));
    let server = word(row, "version");
    let name = format!("{}:{}", word(row, "host"), word(row, "port"));
    Ok(Health {
        incarnation: incarnation(client, name, number(row, "now").saturating_sub(up)),
        warnings: warnings(row, &engines),
        server: format!(
            "{} {server}",
            if server.contains("MariaDB") {
                "MariaDB"
            } else {
                "MySQL"
            }
        ),
    })
}

/// The server's name and when it started, which is known to the second and not better.
fn incarnation(client: &Client, name: String, started: u64) -> String {
    let mut known = client.incarnation.lock();
    let started = match &*known {
        Some((before, start)) if *before == name && start.abs_diff(started) <= START_SLACK => *start,
        _ => started,
    };
    let incarnation = format!("{name} since {started}");
    *known = Some((name, started));
    incarnation
}

fn warnings(row: &Row, engines: &[Row]) -> Vec<String> {
    let mut warnings = Vec::new();
    if row.cell("read_only").flag() == Ok(true) {
        warnings.push("the server is read-only: nothing can be stored in it".to_owned());
    }
    if number(row, "flush") != 1 {
        let why = "innodb_flush_log_at_trx_commit is not 1: a crash of the server or its machine can lose up to a \
                   second of what it acknowledged";
        warnings.push(why.to_owned());
    }
    for engine in engines {
        warnings.push(format!(
            "table {} is {}, not InnoDB: it knows no transactions, and a crash can damage it",
            word(engine, "name"),
            word(engine, "engine")
        ));
    }
    warnings
}

fn number(row: &Row, column: &str) -> u64 {
    row.cell(column).number().ok().flatten().unwrap_or(0)
}

fn word(row: &Row, column: &str) -> String {
    row.cell(column).text().ok().flatten().unwrap_or_default()
}
