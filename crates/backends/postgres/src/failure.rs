//! What an error of the server or the driver means (K50).

use restante_backend::{sql::Failed, trouble::Away};
use tokio_postgres::Error;

/// Classes of errors when the server can take nothing now: connection, locks and deadlocks, no room or memory or
/// connections, somebody ended it, trouble of the machine's; and no login.
const AWAY: &[&str] = &["08", "28", "40", "53", "57", "58"];

/// Single ones: read-only, no such database, locked, in use.
const AWAY_TOO: &[&str] = &["25006", "3D000", "55P03", "55006"];

/// A statement that was prepared before a table was changed.
const STALE: &[&str] = &["42804", "0A000", "26000", "42P18"];

/// Follows another error in the same transaction.
const ABORTED: &str = "25P02";

/// What follows from an error.
pub(crate) fn judge(place: &str, error: &Error) -> Failed {
    let Some(server) = error.as_db_error() else {
        let text = error.to_string();
        return match text.starts_with("error serializing") || text.contains("expected") {
            true => Failed::Rows {
                at: None,
                why: format!("postgres: {text}"),
            },
            false => away(place, &text),
        };
    };
    let code = server.code().code();
    let detail = server
        .detail()
        .map(|detail| format!(" ({detail})"))
        .unwrap_or_default();
    let why = format!("postgres error {code}: {}{detail}", server.message());
    if AWAY.contains(&&code[..2]) || AWAY_TOO.contains(&code) {
        return away(place, &why);
    }
    match &code[..2] {
        "42" | "0A" | "26" | "3F" | "25" => Failed::Statement(why),
        _ => Failed::Rows { at: None, why },
    }
}

/// Whether the statement may do when it is prepared anew.
pub(crate) fn is_stale(failed: &Failed) -> bool {
    STALE.iter().any(|code| has(failed, code))
}

/// Whether it failed only because something before it did.
pub(crate) fn is_aborted(failed: &Failed) -> bool {
    has(failed, ABORTED)
}

/// Whether a right was wanting.
pub(crate) fn is_forbidden(failed: &Failed) -> bool {
    has(failed, "42501")
}

fn has(failed: &Failed, code: &str) -> bool {
    matches!(failed, Failed::Statement(why) if why.starts_with(&format!("postgres error {code}:")))
}

fn away(place: &str, why: &str) -> Failed {
    Failed::Away(Away {
        why: format!("postgres at {place}: {why}"),
    })
}
