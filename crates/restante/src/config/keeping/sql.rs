//! `[backend.mysql.NAME]` and `[backend.postgres.NAME]`.

use super::{
    basis::{basis, host_and_port, put, tls_part, tls_settings},
    pool::{PayloadEncoding, SqlSettings},
    table::Shape,
};
use crate::config::{
    declared::{Setting, Slot},
    number::Unit,
    settings::{index_of, number, span},
};

/// A fetch reads so many rows again at most.
const REREAD_MAX: u64 = 1_000_000;

const ENCODINGS: [PayloadEncoding; 3] = [
    PayloadEncoding::Reject,
    PayloadEncoding::Base64,
    PayloadEncoding::Hex,
];

pub(super) const MYSQL: Shape<SqlSettings> = Shape {
    title: "[backend.mysql.NAME]",
    about: "A database of MySQL or MariaDB. Keeps and hooks name it `mysql.NAME`.",
    settings: &[
        &[server(|draft, text| take_server(draft, text, "127.0.0.1:3306"))],
        BOTH,
        &basis(),
        &tls_settings(),
    ],
    parts: &[tls_part()],
};

pub(super) const POSTGRES: Shape<SqlSettings> = Shape {
    title: "[backend.postgres.NAME]",
    about: "A database of PostgreSQL. Keeps and hooks name it `postgres.NAME`.",
    settings: &[
        &[server(|draft, text| take_server(draft, text, "127.0.0.1:5432"))],
        BOTH,
        ENCODED,
        &basis(),
        &tls_settings(),
    ],
    parts: &[tls_part()],
};

const BOTH: &[Setting<SqlSettings>] = &[
    Setting {
        section: "",
        name: "database",
        meaning: "The name of the database.",
        slot: Slot::Text {
            takes: "a text of one line",
            get: |draft| draft.database.clone(),
            set: |draft, text| match text {
                "" => Err("it cannot be empty; name the database with the tables".to_owned()),
                text => put(&mut draft.database, text),
            },
        },
    },
    number(
        "",
        "reread_window",
        span(Unit::Count, 0, REREAD_MAX),
        |draft| draft.reread_window,
        |draft, number| draft.reread_window = number,
        "How many row numbers before the last one that was read are looked at again, for rows of other writers that \
         became visible late.",
    ),
];

const ENCODED: &[Setting<SqlSettings>] = &[Setting {
    section: "",
    name: "payload_encoding",
    meaning: "What becomes of a payload that is not text where the column is one. `reject`: it is served live and not \
              stored. `base64`, `hex`: it is written so, and read back. Our own tables have columns of bytes.",
    slot: Slot::Choice {
        words: &["reject", "base64", "hex"],
        get: |draft| index_of(&ENCODINGS, &draft.payload_encoding),
        set: |draft, index| draft.payload_encoding = ENCODINGS[index],
    },
}];

const fn server(set: fn(&mut SqlSettings, &str) -> Result<(), String>) -> Setting<SqlSettings> {
    Setting {
        section: "",
        name: "server",
        meaning: "The server, as `host:port`.",
        slot: Slot::Text {
            takes: "a host with a port",
            get: |draft| draft.server.clone(),
            set,
        },
    }
}

fn take_server(draft: &mut SqlSettings, text: &str, example: &str) -> Result<(), String> {
    host_and_port(text, example)?;
    put(&mut draft.server, text)
}
