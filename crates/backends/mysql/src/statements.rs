//! The user's own SQL.

use std::sync::Arc;

use parking_lot::Mutex;
use restante_backend::{
    Work,
    statement::{Execution, StatementId, Statements},
    template::sql::{SqlDialect, SqlTemplate},
    trouble::{Asked, Done, Refused, Unfit},
};

use crate::{client::Client, values::bound, write::each};

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
        // What stands together goes together: order is kept, and a batch is one statement.
        for run in executions.chunk_by(|one, two| one.statement == two.statement) {
            let template = self.prepared.lock().get(run[0].statement.0 as usize).cloned();
            let Some(template) = template else {
                let why = "this statement was never prepared".to_owned();
                answers.extend(run.iter().map(|_| Err(Refused { why: why.clone() })));
                continue;
            };
            let values = |execution: &Execution| {
                let names = template.variables.iter();
                names
                    .map(|name| bound(execution.values.get(name).clone()))
                    .collect()
            };
            answers.extend(each(&self.client, &template.text, run.iter().map(values).collect()).await?);
        }
        Ok(answers)
    }
}

impl Statements for UserStatements {
    fn prepare(&self, text: &str, variables: &[&'static str]) -> Result<StatementId, Unfit> {
        let template = SqlTemplate::parse(text, SqlDialect::MySql, variables)?;
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
