//! The user's own commands.

use std::sync::Arc;

use parking_lot::RwLock;
use restante_backend::{
    Work,
    statement::{Execution, StatementId, Statements},
    template::{command::CommandTemplate, unfit},
    trouble::{Asked, Done, Unfit},
};

use crate::{client::Client, command::Command, fault::statement_verdicts};

/// Most statements of one pool.
const STATEMENTS_MAX: usize = 10_000;

/// Commands that change what a connection is, or that hold it up. Others share the connection.
const NOT_FOR_SHARED: &[&str] = &[
    "ASKING",
    "AUTH",
    "BLMOVE",
    "BLMPOP",
    "BLPOP",
    "BRPOP",
    "BRPOPLPUSH",
    "BZMPOP",
    "BZPOPMAX",
    "BZPOPMIN",
    "CLIENT",
    "DISCARD",
    "EXEC",
    "HELLO",
    "MONITOR",
    "MULTI",
    "PSUBSCRIBE",
    "PSYNC",
    "PUNSUBSCRIBE",
    "QUIT",
    "READONLY",
    "READWRITE",
    "RESET",
    "SELECT",
    "SHUTDOWN",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "SYNC",
    "UNSUBSCRIBE",
    "UNWATCH",
    "WAIT",
    "WAITAOF",
    "WATCH",
];

/// The prepared commands of one pool.
pub(crate) struct Commands {
    client: Arc<Client>,
    prepared: RwLock<Vec<Arc<CommandTemplate>>>,
}

impl Commands {
    pub(crate) fn new(client: Arc<Client>) -> Commands {
        Commands {
            client,
            prepared: RwLock::new(Vec::new()),
        }
    }
}

impl Statements for Commands {
    fn prepare(&self, text: &str, variables: &[&'static str]) -> Result<StatementId, Unfit> {
        let template = CommandTemplate::parse(text, variables)?;
        let name = template.name().to_ascii_uppercase();
        if NOT_FOR_SHARED.contains(&name.as_str()) {
            let why = format!(
                "{name} changes or holds up the connection, which others share; it cannot be used here"
            );
            return Err(unfit(text, 0, why));
        }
        let mut prepared = self.prepared.write();
        if let Some(known) = prepared.iter().position(|known| **known == template) {
            return Ok(StatementId(known as u32));
        }
        if prepared.len() >= STATEMENTS_MAX {
            return Err(unfit(
                text,
                0,
                format!("a pool has at most {STATEMENTS_MAX} statements"),
            ));
        }
        prepared.push(Arc::new(template));
        Ok(StatementId(prepared.len() as u32 - 1))
    }

    fn run<'a>(&'a self, executions: &'a [Execution]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            let templates: Vec<Option<Arc<CommandTemplate>>> = {
                let prepared = self.prepared.read();
                let template = |execution: &Execution| prepared.get(execution.statement.0 as usize).cloned();
                executions.iter().map(template).collect()
            };
            let commands = templates
                .iter()
                .zip(executions)
                .flat_map(|(template, execution)| {
                    let template = template.as_ref()?;
                    let mut arguments = template.fill(&execution.values).into_iter();
                    // The first argument is the key of nearly every command; where it is not, a cluster redirects.
                    let command = match arguments.next() {
                        Some(key) => Command::new(template.name(), &key),
                        None => Command::keyless(template.name()),
                    };
                    Some(arguments.fold(command, |command, argument| command.arg(&argument)))
                });
            let mut replies = self.client.ask(commands.collect()).await?.into_iter();
            let rows = templates.iter().map(|template| match template {
                Some(_) => replies.next().map_or(Ok(()), |reply| reply.map(drop)),
                None => Ok(()),
            });
            let verdicts = statement_verdicts(rows.collect(), |row| {
                let name = templates[row].as_ref().map_or("?", |template| template.name());
                format!("the command {name} failed")
            })?;
            let known = templates.iter().map(Option::is_some);
            let unknown = || {
                Err(restante_backend::trouble::Refused {
                    why: "this statement was never prepared".to_owned(),
                })
            };
            Ok(verdicts
                .into_iter()
                .zip(known)
                .map(|(done, known)| if known { done } else { unknown() })
                .collect())
        })
    }
}
