//! What may be written and is not built yet: said in a sentence, so that nobody believes it to be at work. A file that asks
//! for it is not served.

use restante_rules::{AckAfter, FirstSubscribe};

use crate::config::{PoolSettings, Problem, Reading};

/// All of it.
pub(super) fn find(reading: &Reading) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut refuse = |table: &str, name: &str, what: &str, hint: &str| {
        let key = format!("{}.{name}", table.split('[').next().unwrap_or(table));
        let origin = reading.origin_in(table, name);
        found.push(Problem::new(&origin, &key, format!("{what} is not built yet")).hint(hint));
    };
    const OUTBOX: &str =
        "leave it out: the publisher has its acknowledgement when the message is safe in the outbox";
    const PAGE: &str = "leave it out: everything is fetched, page by page";
    for (index, keep) in reading.draft.keeps.iter().enumerate() {
        let table = format!("keep[{index}]");
        if keep.home == "embedded" {
            let hint = "name a pool; what absent sessions are owed is in the embedded store without a keep";
            refuse(&table, "in", "a keep in the embedded store", hint);
        }
        if keep.ack_after == AckAfter::Backend {
            refuse(&table, "ack_after", "to wait for the database", OUTBOX);
        }
        if let Some(FirstSubscribe::Last(_)) = keep.first_subscribe {
            let hint = "take \"all\", \"from-now\" or \"since …\"";
            refuse(&table, "first_subscribe", "\"last N\"", hint);
        }
        if keep.bounds.newest {
            refuse(&table, "offline_opts", "when_more = \"newest\"", PAGE);
        }
    }
    for (index, hook) in reading.draft.hooks.iter().enumerate() {
        let table = format!("hook[{index}]");
        if hook.ack_after == AckAfter::Backend {
            refuse(&table, "ack_after", "to wait for the database", OUTBOX);
        }
        if hook.bounds.newest {
            refuse(&table, "offline_opts", "when_more = \"newest\"", PAGE);
        }
    }
    for pool in &reading.draft.pools {
        let PoolSettings::Redis(settings) = &pool.settings else {
            continue;
        };
        let table = super::pools::table(pool);
        for (name, channel) in [
            ("channel", &settings.channel),
            ("channel_out", &settings.channel_out),
        ] {
            if !channel.is_empty() {
                refuse(&table, name, "a command channel", "leave it out");
            }
        }
    }
    found
}
