//! Batches of rows in, and which of them is refused.

use std::ops::Range;

use mysql_async::{Params, Value as Bound};
use restante_backend::{
    sql::{Failed, trial::Trial},
    trouble::{Asked, Done},
};

use crate::{
    client::{Client, Lease},
    failure::is_unsupported,
    values::{params, size},
};

/// Most rows in one command.
pub(crate) const ROWS_MAX: usize = 512;

/// Statements that the bulk protocol takes, by their first word.
const BULK: &[&str] = &["insert", "update", "delete", "replace"];

/// Statements that are run with each row of a slice, in this order, all for one row or none.
pub(crate) struct Step<'a> {
    pub(crate) sql: &'a str,
    /// The values of one row.
    pub(crate) rows: Vec<Vec<Bound>>,
    /// Not needed where the step before it has found every row.
    pub(crate) for_missing: bool,
}

/// Runs a statement once with each row.
pub(crate) async fn each(client: &Client, sql: &str, rows: Vec<Vec<Bound>>) -> Asked<Vec<Done>> {
    let step = Step {
        sql,
        rows,
        for_missing: false,
    };
    all(client, &[step], &[]).await
}

/// Runs each step with every row; each batch is a transaction. `refused` are rows that need not be tried, with the
/// reason. One answer for each row.
pub(crate) async fn all(
    client: &Client,
    steps: &[Step<'_>],
    refused: &[(usize, String)],
) -> Asked<Vec<Done>> {
    let Some(first) = steps.first().filter(|step| !step.rows.is_empty()) else {
        return Ok(Vec::new());
    };
    let mut lease = client.lease().await?;
    let room = lease.server().map_or(0, |server| server.packet_max) / 2;
    let sizes: Vec<usize> = (0..first.rows.len())
        .map(|row| steps.iter().map(|step| size(&step.rows[row])).sum())
        .collect();
    let mut trial = Trial::of(sizes.len(), batches(&sizes, room));
    for (row, why) in refused {
        trial.refuse_beforehand(*row, why);
    }
    refuse_giants(&mut trial, &sizes, room * 2);
    while let Some(batch) = trial.batch() {
        match transaction(&mut lease, steps, batch).await {
            Ok(()) => trial.passed(),
            Err(failed) => after(client, &mut lease, &mut trial, failed).await?,
        }
    }
    lease.release();
    Ok(trial.into_done())
}

/// What a failed batch means for the trial; nothing of it may be left behind.
pub(crate) async fn after(
    client: &Client,
    lease: &mut Lease<'_>,
    trial: &mut Trial,
    failed: Failed,
) -> Asked<()> {
    // What was refused may have been refused because a table is not as it was.
    client.forget_tables();
    match failed {
        Failed::Away(away) => return Err(away),
        Failed::Rows { at, why } => trial.failed(at, &why),
        Failed::Statement(why) => trial.failed_all(&why),
    }
    match lease.command("ROLLBACK").await {
        Ok(()) => Ok(()),
        Err(Failed::Away(away)) => Err(away),
        Err(Failed::Rows { why, .. } | Failed::Statement(why)) => Err(client.away(&why)),
    }
}

/// Cuts a slice so that each batch goes into one packet.
pub(crate) fn batches(sizes: &[usize], room: usize) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (row, size) in sizes.iter().enumerate() {
        if row > start && (bytes + size > room || row - start == ROWS_MAX) {
            batches.push(start..row);
            (start, bytes) = (row, 0);
        }
        bytes += size;
    }
    batches.push(start..sizes.len());
    batches
}

/// Refuses what no packet can carry: the server would end the connection, again and again.
pub(crate) fn refuse_giants(trial: &mut Trial, sizes: &[usize], packet_max: usize) {
    // Room for the statement beside its values.
    let most = packet_max.saturating_sub(STATEMENT_MAX);
    for (row, size) in sizes.iter().enumerate().filter(|(_, size)| **size > most) {
        let why = format!(
            "{size} bytes do not go into one packet: the server's max_allowed_packet is {packet_max}; raise it to \
             store this"
        );
        trial.refuse_beforehand(row, &why);
    }
}

/// Bytes that are kept free in a packet for the statement.
const STATEMENT_MAX: usize = 4096;

async fn transaction(lease: &mut Lease<'_>, steps: &[Step<'_>], batch: Range<usize>) -> Result<(), Failed> {
    if let ([step], 1) = (steps, batch.len()) {
        return lease
            .run(step.sql, params(step.rows[batch.start].clone()))
            .await
            .map(drop);
    }
    lease.command("START TRANSACTION").await?;
    let mut found = 0;
    for step in steps {
        if !step.for_missing || found != batch.len() as u64 {
            found = run(lease, step.sql, &step.rows[batch.clone()]).await?;
        }
    }
    lease.command("COMMIT").await
}

/// Runs a statement with each of some rows; how many rows it found.
async fn run(lease: &mut Lease<'_>, sql: &str, rows: &[Vec<Bound>]) -> Result<u64, Failed> {
    let verb = sql
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or_default();
    let bulk = BULK.iter().any(|known| verb.eq_ignore_ascii_case(known))
        && lease.server().is_some_and(|server| server.bulk);
    if bulk && rows.len() > 1 && rows.iter().all(|row| !row.is_empty()) {
        let rows: Vec<Params> = rows.iter().map(|row| params(row.clone())).collect();
        match lease.bulk(sql, rows).await {
            // INSERT … SELECT, for one.
            Err(failed) if is_unsupported(&failed) => {}
            done => return done,
        }
    }
    let mut found = 0;
    for (place, row) in rows.iter().enumerate() {
        let done = lease.run(sql, params(row.clone())).await;
        let (matched, _) = done.map_err(|failed| match failed {
            Failed::Rows { why, .. } => Failed::Rows { at: Some(place), why },
            other => other,
        })?;
        found += matched;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_go_into_a_packet_each() {
        assert_eq!(batches(&[3, 3, 3, 10, 1], 6), [0..2, 2..3, 3..4, 4..5]);
        let many = vec![1; ROWS_MAX + 1];
        assert_eq!(batches(&many, usize::MAX), [0..ROWS_MAX, ROWS_MAX..ROWS_MAX + 1]);
    }
}
