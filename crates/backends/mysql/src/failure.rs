//! What an error of the server or the driver means (K50).

use mysql_async::{DriverError, Error};
use restante_backend::{sql::Failed, trouble::Away};

/// What the server answers when it can take nothing now: no room, no memory, no connections left, shutting down, read
/// only, locked, a replica or a node that is not ready, a command that somebody ended.
const AWAY: &[u16] = &[
    1021, 1037, 1038, 1040, 1041, 1042, 1043, 1044, 1045, 1047, 1049, 1053, 1077, 1079, 1080, 1114, 1129,
    1130, 1152, 1158, 1159, 1160, 1161, 1180, 1184, 1203, 1205, 1206, 1213, 1226, 1290, 1317, 1429, 1614,
    1637, 1698, 1792, 1820, 1836, 1862, 1927, 1969, 3024, 3032, 3100, 3101, 3159, 3168, 4031,
];

/// What is wrong with the statement whatever is bound to it: no such table or column, no right, no sense.
const STATEMENT: &[u16] = &[
    1054, 1055, 1064, 1066, 1109, 1110, 1136, 1142, 1143, 1146, 1148, 1227, 1295, 1305, 1347, 1356, 1370,
    1442, 1471, 2014,
];

/// No right to a table or column.
const FORBIDDEN: &[u16] = &[1142, 1143, 1227];

/// What follows from an error.
pub(crate) fn judge(place: &str, error: &Error) -> Failed {
    match error {
        Error::Server(server) if AWAY.contains(&server.code) => away(place, error),
        Error::Server(server) => {
            let why = format!(
                "mysql error {} ({}): {}",
                server.code, server.state, server.message
            );
            match STATEMENT.contains(&server.code) {
                true => Failed::Statement(why),
                false => Failed::Rows {
                    at: row_of(&server.message),
                    why,
                },
            }
        }
        Error::Driver(DriverError::StmtParamsMismatch { .. } | DriverError::MixedParams) => {
            Failed::Statement(error.to_string())
        }
        _ => away(place, error),
    }
}

/// Whether the bulk protocol does not take the statement.
pub(crate) fn is_unsupported(failed: &Failed) -> bool {
    matches!(failed, Failed::Statement(why) if why.starts_with("mysql error 1295 "))
}

/// Whether a read failed for want of a right.
pub(crate) fn is_forbidden(failed: &Failed) -> bool {
    let Failed::Statement(why) = failed else {
        return false;
    };
    FORBIDDEN
        .iter()
        .any(|code| why.starts_with(&format!("mysql error {code} ")))
}

fn away(place: &str, error: &Error) -> Failed {
    Failed::Away(Away {
        why: format!("mysql at {place}: {error}"),
    })
}

/// The row that a message names, from 0: `Data too long for column 'topic' at row 3`.
fn row_of(message: &str) -> Option<usize> {
    let (_, after) = message.rsplit_once("at row ")?;
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    after[..digits].parse::<usize>().ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use mysql_async::ServerError;

    use super::*;

    fn server(code: u16, message: &str) -> Failed {
        let error = Error::Server(ServerError {
            code,
            message: message.to_owned(),
            state: "HY000".to_owned(),
        });
        judge("db:3306", &error)
    }

    #[test]
    fn k50_errors_by_what_follows_from_them() {
        assert!(matches!(server(1213, "Deadlock found"), Failed::Away(_)));
        assert!(matches!(
            server(1290, "running with --read-only"),
            Failed::Away(_)
        ));
        let missing = server(1146, "Table 'mqtt.t' doesn't exist");
        assert!(matches!(&missing, Failed::Statement(why) if why.contains("doesn't exist")));
        assert!(is_forbidden(&server(1142, "SELECT command denied")) && !is_forbidden(&missing));
        // An "operational" error, and yet the row's own fault.
        assert!(matches!(
            server(1267, "Illegal mix of collations"),
            Failed::Rows { at: None, .. }
        ));
        let long = server(1406, "Data too long for column 'at row 9' at row 3");
        assert!(matches!(long, Failed::Rows { at: Some(2), .. }));
    }
}
