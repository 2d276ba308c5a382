//! Batches of rows in, and which of them is refused.

use std::ops::Range;

use restante_backend::{
    sql::{Failed, trial::Trial},
    trouble::{Asked, Done},
};

use crate::{
    client::{Client, Lease},
    failure::is_stale,
    values::Bound,
};

/// Most rows in one transaction.
pub(crate) const ROWS_MAX: usize = 512;

/// Statements that are run with each row of a slice, in this order, all for one row or none.
pub(crate) struct Step<'a> {
    pub(crate) sql: &'a str,
    /// The values of one row.
    pub(crate) rows: Vec<Vec<Bound>>,
    /// Not needed where the step before it has changed every row.
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
    let lease = client.lease().await?;
    let mut trial = Trial::of(first.rows.len(), batches(first.rows.len()));
    for (row, why) in refused {
        trial.refuse_beforehand(*row, why);
    }
    let mut renewed = false;
    while let Some(batch) = trial.batch() {
        match transaction(&lease, steps, batch).await {
            Ok(()) => trial.passed(),
            Err(failed) => after(client, &lease, &mut trial, failed, &mut renewed).await?,
        }
    }
    lease.release();
    Ok(trial.into_done())
}

/// What a failed batch means for the trial; nothing of it may be left behind. A statement that was prepared before a
/// table was changed is prepared anew, once.
pub(crate) async fn after(
    client: &Client,
    lease: &Lease<'_>,
    trial: &mut Trial,
    failed: Failed,
    renewed: &mut bool,
) -> Asked<()> {
    client.forget_tables();
    let stale = is_stale(&failed) && !*renewed;
    match failed {
        Failed::Away(away) => return Err(away),
        _ if stale => {
            *renewed = true;
            lease.prepare_anew();
        }
        Failed::Rows { at, why } => trial.failed(at, &why),
        Failed::Statement(why) => trial.failed_all(&why),
    }
    // Says no more than a warning where there is no transaction.
    lease.command("ROLLBACK").await.map_err(|failed| match failed {
        Failed::Away(away) => away,
        Failed::Rows { why, .. } | Failed::Statement(why) => client.away(&why),
    })
}

/// Cuts a slice into transactions.
pub(crate) fn batches(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows)
        .step_by(ROWS_MAX)
        .map(move |start| start..(start + ROWS_MAX).min(rows))
}

async fn transaction(lease: &Lease<'_>, steps: &[Step<'_>], batch: Range<usize>) -> Result<(), Failed> {
    if let ([step], 1) = (steps, batch.len()) {
        let statement = lease.prepared(step.sql).await?;
        return lease.run(&statement, &step.rows[batch.start]).await.map(drop);
    }
    lease.command("BEGIN").await?;
    let mut found = 0;
    for step in steps {
        if !step.for_missing || found != batch.len() as u64 {
            let statement = lease.prepared(step.sql).await?;
            found = lease.pipelined(&statement, &step.rows[batch.clone()]).await?;
        }
    }
    lease.command("COMMIT").await
}
