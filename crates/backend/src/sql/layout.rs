//! The documented tables of seeds 1, 2 and 3: their names and columns are the same in MySQL and PostgreSQL.

use super::table::Kind;
use crate::messages::{KeepSpec, Layout};

/// A documented table.
#[derive(Debug)]
pub struct Documented {
    /// Its name.
    pub name: &'static str,
    /// The columns that are read or written.
    pub columns: &'static [Wanted],
    /// An index should begin with this column, or reading goes through the whole table.
    pub index: Option<&'static str>,
}

/// A documented column.
#[derive(Debug)]
pub struct Wanted {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kinds: &'static [Kind],
    /// What it holds, for sentences.
    pub holds: &'static str,
    /// All works without it.
    pub may_be_missing: bool,
    /// Two values that differ in case are two.
    pub is_case_sensitive: bool,
}

const fn key(name: &'static str, holds: &'static str) -> Wanted {
    Wanted {
        is_case_sensitive: true,
        ..must(name, TEXTS, holds)
    }
}

const fn must(name: &'static str, kinds: &'static [Kind], holds: &'static str) -> Wanted {
    Wanted {
        name,
        kinds,
        holds,
        may_be_missing: false,
        is_case_sensitive: false,
    }
}

const fn may(name: &'static str, kinds: &'static [Kind], holds: &'static str) -> Wanted {
    Wanted {
        may_be_missing: true,
        ..must(name, kinds, holds)
    }
}

const TEXTS: &[Kind] = &[Kind::Text, Kind::Bytes];
const NUMBERS: &[Kind] = &[Kind::Integer];
const SMALL: &[Kind] = &[Kind::Integer, Kind::Text, Kind::Flag, Kind::Bytes];
const TIMES: &[Kind] = &[Kind::Time, Kind::Integer, Kind::Text];

/// Messages that wait, and history.
pub const MESSAGES: Documented = Documented {
    name: "mqtt_msg",
    columns: &[
        must("id", NUMBERS, "the row's number"),
        must("msgid", TEXTS, "a message id"),
        must("topic", TEXTS, "a topic"),
        may("sender", TEXTS, "a client id"),
        must("qos", SMALL, "a QoS"),
        may("retain", SMALL, "a flag"),
        must("payload", TEXTS, "a payload"),
        must("arrived", TIMES, "a time"),
        // S3 has it in MySQL; nothing is ever written there.
        may("node", TEXTS, "a node name"),
    ],
    index: Some("topic"),
};

/// Subscriptions.
pub const SUBSCRIPTIONS: Documented = Documented {
    name: "mqtt_sub",
    columns: &[
        key("clientid", "a client id"),
        key("topic", "a topic filter"),
        must("qos", SMALL, "a QoS"),
        may("id", NUMBERS, "the row's number"),
        may("created", TIMES, "a time"),
    ],
    index: Some("clientid"),
};

/// Retained messages.
pub const RETAINED: Documented = Documented {
    name: "mqtt_retain",
    columns: &[
        key("topic", "a topic"),
        must("msgid", TEXTS, "a message id"),
        may("sender", TEXTS, "a client id"),
        must("qos", SMALL, "a QoS"),
        must("payload", TEXTS, "a payload"),
        must("arrived", TIMES, "a time"),
        may("id", NUMBERS, "the row's number"),
        may("node", TEXTS, "a node name"),
    ],
    index: Some("topic"),
};

/// Who is connected.
pub const CLIENTS: Documented = Documented {
    name: "mqtt_client",
    columns: &[
        key("clientid", "a client id"),
        must("state", SMALL, "0 or 1"),
        may("node", TEXTS, "a node name"),
        must("online_at", TIMES, "a time"),
        must("offline_at", TIMES, "a time"),
        may("id", NUMBERS, "the row's number"),
        may("created", TIMES, "a time"),
    ],
    index: Some("clientid"),
};

/// Read positions.
pub const MARKS: Documented = Documented {
    name: "mqtt_acked",
    columns: &[
        key("clientid", "a client id"),
        key("topic", "a topic"),
        must("mid", NUMBERS, "a row's number"),
        may("id", NUMBERS, "the row's number"),
        may("created", TIMES, "a time"),
    ],
    index: Some("clientid"),
};

/// The tables of a layout.
pub fn tables(layout: Layout) -> &'static [&'static Documented] {
    match layout {
        Layout::Plugin => &[&MESSAGES, &SUBSCRIPTIONS],
        Layout::Backends => &[&CLIENTS, &SUBSCRIPTIONS, &MESSAGES, &RETAINED, &MARKS],
    }
}

/// The tables that a keep uses: those that its own templates stand for are the user's affair.
pub fn tables_of(spec: &KeepSpec) -> Vec<&'static Documented> {
    let own = |name: &str| spec.templates.contains_key(name);
    let used = |table: &&&'static Documented| match table.name {
        "mqtt_msg" => !(own("insert_message_sql") && own("select_message_sql") && own("delete_message_sql")),
        "mqtt_sub" => {
            !(own("insert_subscription_sql")
                && own("select_subscriptions_sql")
                && own("delete_subscription_sql"))
        }
        _ => true,
    };
    tables(spec.layout).iter().filter(used).copied().collect()
}
