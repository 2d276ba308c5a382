//! The user's own statements.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Case, Trial, Verdict, cases, ensure,
    messages::{taken, there},
};
use crate::statement::{Execution, StatementId, Value, Values};

pub(crate) const CASES: &[Case] = cases! {
    statements_take_any_value
    a_statement_that_is_refused_holds_up_no_other
    an_unknown_variable_is_refused_where_it_stands
};

const VARIABLES: &[&str] = &["clientid", "topic", "payload"];

fn execution(statement: StatementId, text: &str) -> Execution {
    Execution {
        statement,
        values: Arc::new(Values(vec![
            ("clientid", Value::Text(text.into())),
            ("topic", Value::Text(text.into())),
            ("payload", Value::Bytes(Bytes::copy_from_slice(text.as_bytes()))),
        ])),
    }
}

async fn statements_take_any_value(trial: Trial) -> Verdict {
    let (Some(statements), Some(samples)) = (trial.backend.statements(), trial.statements) else {
        return Ok(());
    };
    let good = statements
        .prepare(samples.good, VARIABLES)
        .map_err(|unfit| unfit.why)?;
    let values = [
        "plain",
        "",
        "it's \"quoted\"",
        "${topic}",
        "a b  c",
        "\u{1f6b2}",
        "'; drop table mqtt_msg; --",
        "\\",
    ];
    let executions: Vec<_> = values.iter().map(|value| execution(good, value)).collect();
    taken(values.len(), &there(statements.run(&executions).await)?)?;
    taken(values.len(), &there(statements.run(&executions).await)?)?;
    taken(0, &there(statements.run(&[]).await)?)
}

async fn a_statement_that_is_refused_holds_up_no_other(trial: Trial) -> Verdict {
    let (Some(statements), Some(samples)) = (trial.backend.statements(), trial.statements) else {
        return Ok(());
    };
    let good = statements
        .prepare(samples.good, VARIABLES)
        .map_err(|unfit| unfit.why)?;
    let refused = statements
        .prepare(samples.refused, VARIABLES)
        .map_err(|unfit| unfit.why)?;
    let executions = [
        execution(good, "1"),
        execution(refused, "2"),
        execution(good, "3"),
    ];
    let answers = there(statements.run(&executions).await)?;
    ensure!(
        answers.len() == 3,
        "{} answers to three statements",
        answers.len()
    );
    ensure!(
        answers[0].is_ok() && answers[2].is_ok(),
        "a neighbour was refused: {answers:?}"
    );
    let why = answers[1].as_ref().err().map(|refused| refused.why.as_str());
    ensure!(
        why.is_some_and(|why| why.len() > 10),
        "what the server refuses is answered with {why:?}"
    );
    let alone = there(statements.run(&executions[1..2]).await)?;
    ensure!(
        matches!(alone.as_slice(), [Err(_)]),
        "alone, what the server refuses is answered with {alone:?}"
    );
    Ok(())
}

async fn an_unknown_variable_is_refused_where_it_stands(trial: Trial) -> Verdict {
    let (Some(statements), Some(samples)) = (trial.backend.statements(), trial.statements) else {
        return Ok(());
    };
    let (text, at) = samples.unknown;
    match statements.prepare(text, VARIABLES) {
        Ok(_) => Err("a variable that there is not is taken".to_owned()),
        Err(unfit) => {
            ensure!(
                unfit.at == Some(at),
                "the complaint is at {:?}, not at {at:?}: {}",
                unfit.at,
                unfit.why
            );
            Ok(())
        }
    }
}
