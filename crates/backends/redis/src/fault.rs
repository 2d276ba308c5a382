//! Whose fault an error is: the server's, which is away then, or one row's, which is refused (K50).
//!
//! Every command of a pipeline is executed by itself, so the pipeline is the trial: a row that fails while its
//! neighbours pass is at fault. Some errors speak of the server's state and never of a row; whoever blamed the row would
//! throw away what a failover of three seconds would have taken.

use redis::ServerError;
use restante_backend::trouble::{Asked, Away, Refused};

use crate::command::words;

/// Codes that speak of the server's state, whatever the row is.
const STATES: &[&str] = &[
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOREPLICAS",
    "OOM",
    "READONLY",
    "TRYAGAIN",
];

/// Whether an error speaks of the server and not of what was asked.
pub(crate) fn is_state(error: &ServerError) -> bool {
    STATES.contains(&error.code())
}

/// Whether a key is of another type than the command needs.
pub(crate) fn is_wrong_type(error: &ServerError) -> bool {
    error.code() == "WRONGTYPE"
}

/// Whether an error can be about the user's rights or the server's configuration: then it is the row's only if
/// others pass.
fn may_concern_all(error: &ServerError) -> bool {
    let unknown = error
        .details()
        .is_some_and(|words| words.starts_with("unknown command"));
    error.code() == "NOPERM" || unknown
}

/// A verdict for each row of a slice. `what` names a row and what was tried with it.
pub(crate) fn verdicts<T>(
    rows: Vec<Result<T, ServerError>>,
    what: impl Fn(usize) -> String,
) -> Asked<Vec<Result<T, Refused>>> {
    let passed = rows.iter().any(Result::is_ok);
    let away = rows.iter().enumerate().find_map(|(row, result)| {
        let error = result.as_ref().err()?;
        (is_state(error) || may_concern_all(error) && !passed).then(|| away(&what(row), error))
    });
    match away {
        Some(away) => Err(away),
        None => Ok(each(rows, what)),
    }
}

/// A verdict for each of the user's own statements: what is not the server's state is theirs, because a statement
/// that may not run would hold up all others.
pub(crate) fn statement_verdicts<T>(
    rows: Vec<Result<T, ServerError>>,
    what: impl Fn(usize) -> String,
) -> Asked<Vec<Result<T, Refused>>> {
    let state = rows.iter().enumerate().find_map(|(row, result)| {
        let error = result.as_ref().err().filter(|error| is_state(error))?;
        Some(away(&what(row), error))
    });
    match state {
        Some(away) => Err(away),
        None => Ok(each(rows, what)),
    }
}

fn each<T>(rows: Vec<Result<T, ServerError>>, what: impl Fn(usize) -> String) -> Vec<Result<T, Refused>> {
    let rows = rows.into_iter().enumerate();
    rows.map(|(row, result)| {
        result.map_err(|error| Refused {
            why: format!("{}: {}", what(row), words(&error)),
        })
    })
    .collect()
}

/// The server's own trouble with something.
pub(crate) fn away(what: &str, error: &ServerError) -> Away {
    Away {
        why: format!("{what}: {}", words(error)),
    }
}

#[cfg(test)]
mod tests {
    use redis::{Value, parse_redis_value};

    use super::*;

    fn error(line: &str) -> ServerError {
        match parse_redis_value(format!("-{line}\r\n").as_bytes()) {
            Ok(Value::ServerError(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn k50_a_row_is_at_fault_when_its_neighbours_pass() {
        let rows = || vec![Ok(()), Err(error("WRONGTYPE Operation against a key"))];
        let verdicts = verdicts(rows(), |row| format!("row {row}")).unwrap();
        assert_eq!(verdicts[0], Ok(()));
        assert_eq!(
            verdicts[1].as_ref().unwrap_err().why,
            "row 1: WRONGTYPE Operation against a key"
        );
    }

    #[test]
    fn k50_the_servers_state_is_never_a_rows_fault() {
        for line in [
            "LOADING Redis is loading",
            "READONLY You can't write",
            "OOM command not allowed",
        ] {
            let rows: Vec<Result<(), _>> = vec![Ok(()), Err(error(line))];
            assert!(verdicts(rows.clone(), |_| String::new()).is_err(), "{line}");
            assert!(statement_verdicts(rows, |_| String::new()).is_err(), "{line}");
        }
    }

    #[test]
    fn k50_rights_are_the_rows_matter_only_when_others_have_them() {
        let denied = || Err::<(), _>(error("NOPERM no permissions to access one of the keys"));
        assert!(verdicts(vec![denied(), denied()], |_| String::new()).is_err());
        assert!(verdicts(vec![denied(), Ok(())], |_| String::new()).is_ok());
        assert!(statement_verdicts(vec![denied()], |_| String::new()).is_ok());
        let unknown = || Err::<(), _>(error("ERR unknown command 'HSTE'"));
        assert!(verdicts(vec![unknown()], |_| String::new()).is_err());
        assert!(statement_verdicts(vec![unknown()], |_| String::new()).is_ok());
    }
}
