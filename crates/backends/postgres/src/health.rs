//! Whether the server is there, which one it is, and what it can lose.

use restante_backend::{contract::Health, sql::row::Row, trouble::Asked};

use crate::{client::Client, read::answered};

const ASK: &str = "SELECT current_setting('server_version') AS version, \
    coalesce(host(inet_server_addr()), 'socket') || ':' || coalesce(inet_server_port(), 0) AS place, \
    (extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint AS started, \
    current_setting('synchronous_commit') AS commit, current_setting('fsync') AS fsync, \
    pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' AS read_only, \
    current_setting('server_encoding') AS encoding";

/// One cheap question.
pub(crate) async fn ask(client: &Client) -> Asked<Health> {
    let lease = client.lease().await?;
    let rows = answered(client, lease.rows(ASK, &[]).await)?;
    lease.release();
    let Some(row) = rows.first() else {
        return Err(client.away("it answers nothing when it is asked for its version"));
    };
    Ok(Health {
        server: format!("PostgreSQL {}", word(row, "version")),
        incarnation: format!("{} since {}", word(row, "place"), word(row, "started")),
        warnings: warnings(row),
    })
}

fn warnings(row: &Row) -> Vec<String> {
    let mut warnings = Vec::new();
    if row.cell("read_only").flag() == Ok(true) {
        warnings.push("the server is read-only: nothing can be stored in it".to_owned());
    }
    if word(row, "commit") == "off" {
        let why =
            "synchronous_commit is off: a crash of the server can lose the last of what it acknowledged";
        warnings.push(why.to_owned());
    }
    if word(row, "fsync") == "off" {
        let why = "fsync is off: a crash of its machine can lose or damage anything in this database";
        warnings.push(why.to_owned());
    }
    if word(row, "encoding") != "UTF8" {
        warnings.push(format!(
            "the database's encoding is {}, not UTF8: topics and client ids may not go into it",
            word(row, "encoding")
        ));
    }
    warnings
}

fn word(row: &Row, column: &str) -> String {
    row.cell(column).text().ok().flatten().unwrap_or_default()
}
