//! `[[hook]]`.

use restante_model::{Function, HookPoint};
use restante_rules::AckAfter;

use super::{
    bounds::{BoundsDraft, HasBounds, bounds, bounds_part, filter, pool_name},
    keep::ACK_AFTER,
    table::Shape,
};
use crate::config::{
    declared::{Setting, Slot},
    nearest::nearest,
    number::Unit,
    settings::{index_of, narrow, number, span},
};

/// Statements of one hook.
const STATEMENTS_MAX: usize = 64;
const STATEMENT_BYTES_MAX: usize = 16 << 10;
const ORDER_MAX: u64 = 1_000_000;
const SECONDS_MAX: u64 = 36_500 * 86_400;

/// `[[hook]]` as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HookDraft {
    pub(crate) on: Option<HookPoint>,
    /// Empty = none.
    pub(crate) topic: String,
    pub(crate) function: Option<Function>,
    pub(crate) sql: Vec<String>,
    pub(crate) commands: Vec<String>,
    /// A pool's full name. Empty = not said.
    pub(crate) pool: String,
    pub(crate) order: u32,
    /// Seconds; 0 = the pool's.
    pub(crate) expired_time: u64,
    pub(crate) ack_after: AckAfter,
    pub(crate) forgets: bool,
    pub(crate) bounds: BoundsDraft,
}

impl Default for HookDraft {
    fn default() -> HookDraft {
        HookDraft {
            on: None,
            topic: String::new(),
            function: None,
            sql: Vec::new(),
            commands: Vec::new(),
            pool: String::new(),
            order: 0,
            expired_time: 0,
            ack_after: AckAfter::Outbox,
            forgets: true,
            bounds: BoundsDraft::default(),
        }
    }
}

impl HasBounds for HookDraft {
    fn bounds(&self) -> &BoundsDraft {
        &self.bounds
    }
    fn bounds_mut(&mut self) -> &mut BoundsDraft {
        &mut self.bounds
    }
}

pub(super) const HOOK: Shape<HookDraft> = Shape {
    title: "[[hook]]",
    about: "At this event, do that: a built-in function of EMQ X 4's database back ends, or statements of your own. \
            May stand there more than once.",
    settings: &[OWN, &bounds()],
    parts: &[bounds_part()],
};

const OWN: &[Setting<HookDraft>] = &[
    Setting {
        section: "",
        name: "on",
        meaning: "The event.",
        slot: Slot::Text {
            takes: "`\"client.connected\"`, `\"client.disconnected\"`, `\"session.created\"`, \
                    `\"session.subscribed\"`, `\"session.unsubscribed\"`, `\"message.publish\"`, `\"message.acked\"`, \
                    `\"message.delivered\"`",
            get: |draft| draft.on.map(HookPoint::name).unwrap_or_default().to_owned(),
            set: |draft, text| {
                draft.on = Some(hook_point(text)?);
                Ok(())
            },
        },
    },
    Setting {
        section: "",
        name: "topic",
        meaning: "Only for topics (at `session.*`: for subscriptions) that this filter matches. `\"\"` is all, also \
                  those that begin with `$`, which `#` does not match.",
        slot: Slot::Text {
            takes: "a topic filter, or `\"\"`",
            get: |draft| draft.topic.clone(),
            set: |draft, text| {
                if !text.is_empty() {
                    filter(text)?;
                }
                text.clone_into(&mut draft.topic);
                Ok(())
            },
        },
    },
    Setting {
        section: "",
        name: "do",
        meaning: "A built-in function. One of `do`, `sql` and `commands` stands in a hook.",
        slot: Slot::Text {
            takes: "the name of a function, or `\"\"`",
            get: |draft| draft.function.map(Function::name).unwrap_or_default().to_owned(),
            set: |draft, text| {
                draft.function = if text.is_empty() {
                    None
                } else {
                    Some(function(text)?)
                };
                Ok(())
            },
        },
    },
    Setting {
        section: "",
        name: "sql",
        meaning: "SQL statements, run in this order, with `${placeholders}` that are bound as values. At least once: \
                  after a lost answer, again.",
        slot: Slot::Texts {
            takes: "up to 64 statements",
            max: STATEMENTS_MAX,
            check: statement,
            get: |draft| draft.sql.clone(),
            set: |draft, texts| draft.sql = texts,
        },
    },
    Setting {
        section: "",
        name: "commands",
        meaning: "The same as Redis commands, each parted by single spaces before its placeholders are replaced.",
        slot: Slot::Texts {
            takes: "up to 64 commands",
            max: STATEMENTS_MAX,
            check: statement,
            get: |draft| draft.commands.clone(),
            set: |draft, texts| draft.commands = texts,
        },
    },
    Setting {
        section: "",
        name: "pool",
        meaning: "Where, by kind and name.",
        slot: Slot::Text {
            takes: "a pool like `\"mysql.main\"`",
            get: |draft| draft.pool.clone(),
            set: |draft, text| pool_name(&mut draft.pool, text),
        },
    },
    number(
        "",
        "order",
        span(Unit::Count, 0, ORDER_MAX),
        |draft| draft.order.into(),
        |draft, number| draft.order = narrow(number),
        "The lower one goes first; among equals, the one that is written first.",
    ),
    number(
        "",
        "expired_time",
        span(Unit::Seconds, 0, SECONDS_MAX),
        |draft| draft.expired_time,
        |draft, number| draft.expired_time = number,
        "Redis: how long a message stays that this hook stores; 0 is the pool's `message_ttl`.",
    ),
    Setting {
        section: "",
        name: "ack_after",
        meaning: "For functions that store, as for a keep.",
        slot: Slot::Choice {
            words: &["outbox", "backend"],
            get: |draft| index_of(&ACK_AFTER, &draft.ack_after),
            set: |draft, index| draft.ack_after = ACK_AFTER[index],
        },
    },
    Setting {
        section: "",
        name: "on_unsubscribe",
        meaning: "For functions that fetch, as for a keep.",
        slot: Slot::Choice {
            words: &["forget", "keep-position"],
            get: |draft| usize::from(!draft.forgets),
            set: |draft, index| draft.forgets = index == 0,
        },
    },
];

fn hook_point(text: &str) -> Result<HookPoint, String> {
    let names = || HookPoint::ALL.into_iter().map(HookPoint::name);
    HookPoint::by_name(text).ok_or_else(|| match nearest(text, names()) {
        Some(near) => format!("there is no event \"{text}\"; did you mean \"{near}\"?"),
        None => format!(
            "there is no event \"{text}\"; it takes {}",
            names().collect::<Vec<_>>().join(", ")
        ),
    })
}

fn function(text: &str) -> Result<Function, String> {
    let names = || Function::ALL.iter().map(|function| function.name());
    Function::by_name(text).ok_or_else(|| match nearest(text, names()) {
        Some(near) => format!("there is no function \"{text}\"; did you mean \"{near}\"?"),
        None => format!(
            "there is no function \"{text}\"; it takes {}",
            names().collect::<Vec<_>>().join(", ")
        ),
    })
}

fn statement(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("an empty statement; leave it out".to_owned());
    }
    if text.len() > STATEMENT_BYTES_MAX {
        return Err(format!("it is longer than {STATEMENT_BYTES_MAX} bytes"));
    }
    Ok(())
}
