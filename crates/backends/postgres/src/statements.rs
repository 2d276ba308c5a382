//! The user's own SQL.

use std::sync::Arc;

use parking_lot::Mutex;
use restante_backend::{
    Work,
    sql::Failed,
    statement::{Execution, StatementId, Statements, Value},
    template::sql::{SqlDialect, SqlTemplate},
    trouble::{Asked, Done, Refused, Unfit},
};

use crate::{
    client::Client,
    values::{Bound, bound},
    write::{self, Step},
};

/// Statements that a pool may have.
const STATEMENTS_MAX: usize = 10_000;

/// The statements of a pool.
pub(crate) struct UserStatements {
    client: Arc<Client>,
    prepared: Mutex<Vec<Arc<SqlTemplate>>>,
}

impl UserStatements {
    pub(crate) fn new(client: &Arc<Client>) -> UserStatements {
        UserStatements {
            client: Arc::clone(client),
            prepared: Mutex::new(Vec::new()),
        }
    }

    async fn run_all(&self, executions: &[Execution]) -> Asked<Vec<Done>> {
        let mut answers = Vec::with_capacity(executions.len());
        // What stands together goes together: order is kept, and a batch is one transaction.
        for run in executions.chunk_by(|one, two| one.statement == two.statement) {
            let template = self.prepared.lock().get(run[0].statement.0 as usize).cloned();
            let Some(template) = template else {
                let why = "this statement was never prepared".to_owned();
                answers.extend(run.iter().map(|_| Err(Refused { why: why.clone() })));
                continue;
            };
            let rows: Vec<Vec<Value>> = run
                .iter()
                .map(|execution| {
                    template
                        .variables
                        .iter()
                        .map(|name| execution.values.get(name).clone())
                        .collect()
                })
                .collect();
            answers.extend(run_template(&self.client, &template, &rows).await?);
        }
        Ok(answers)
    }
}

/// Runs a template with each of these rows of values. The server says of which type each parameter is, and a payload
/// that does not go into a text is refused or encoded before anything is sent.
pub(crate) async fn run_template(
    client: &Client,
    template: &SqlTemplate,
    rows: &[Vec<Value>],
) -> Asked<Vec<Done>> {
    let lease = client.lease().await?;
    let statement = match lease.prepared(&template.text).await {
        Ok(statement) => statement,
        Err(Failed::Away(away)) => return Err(away),
        Err(Failed::Rows { why, .. } | Failed::Statement(why)) => {
            lease.release();
            return Ok(vec![Err(Refused { why }); rows.len()]);
        }
    };
    lease.release();
    let mut refused = Vec::new();
    let mut bind = |(place, row): (usize, &Vec<Value>)| {
        let each = row
            .iter()
            .zip(statement.params())
            .map(|(value, kind)| bound(value, kind, client.encoding));
        let values: Result<Vec<Bound>, String> = each.collect();
        values.unwrap_or_else(|why| {
            refused.push((place, why));
            vec![Bound::Null; row.len()]
        })
    };
    let rows = rows.iter().enumerate().map(&mut bind).collect();
    let step = Step {
        sql: &template.text,
        rows,
        for_missing: false,
    };
    write::all(client, &[step], &refused).await
}

impl Statements for UserStatements {
    fn prepare(&self, text: &str, variables: &[&'static str]) -> Result<StatementId, Unfit> {
        let template = SqlTemplate::parse(text, SqlDialect::Postgres, variables)?;
        let mut prepared = self.prepared.lock();
        if prepared.len() == STATEMENTS_MAX {
            let why = format!("there are {STATEMENTS_MAX} statements already");
            return Err(Unfit { why, at: None });
        }
        prepared.push(Arc::new(template));
        Ok(StatementId(prepared.len() as u32 - 1))
    }

    fn run<'a>(&'a self, executions: &'a [Execution]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(self.run_all(executions))
    }
}
