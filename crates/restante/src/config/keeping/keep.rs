//! `[[keep]]`.

use std::{collections::BTreeMap, time::Duration};

use restante_model::{Layout, Mode};
use restante_rules::{AckAfter, FirstSubscribe};

use super::{
    bounds::{BoundsDraft, HasBounds, bounds, bounds_part, filter, pool_name},
    table::{Part, Shape},
};
use crate::config::{
    declared::{Setting, Slot},
    given::Given,
    number::{Span, Unit},
    settings::{index_of, number, span},
};

/// Topic filters of one keep.
const TOPICS_MAX: usize = 1_024;
const BATCH_MAX: u64 = 10_000;
const BATCH_MILLIS_MAX: u64 = 10_000;
const SECONDS_MAX: u64 = 36_500 * 86_400;
const LAST_MAX: u64 = 1_000_000_000;
const TEMPLATE_BYTES_MAX: usize = 16 << 10;

const SINCE: Span = Span {
    unit: Unit::Seconds,
    min: 1,
    max: SECONDS_MAX,
    unlimited: None,
};
const LAST: Span = Span {
    unit: Unit::Count,
    min: 1,
    max: LAST_MAX,
    unlimited: None,
};

pub(super) const ACK_AFTER: [AckAfter; 2] = [AckAfter::Outbox, AckAfter::Backend];

/// `[[keep]]` as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeepDraft {
    pub(crate) topics: Vec<String>,
    /// `embedded`, or a pool's full name. Empty = not said.
    pub(crate) home: String,
    pub(crate) layout: Layout,
    pub(crate) mode: Option<Mode>,
    pub(crate) subscriptions: Option<bool>,
    pub(crate) init_default_schema: Option<bool>,
    /// 1 or more.
    pub(crate) batch_size: u64,
    pub(crate) batch_time_millis: u64,
    pub(crate) first_subscribe: Option<FirstSubscribe>,
    /// Seconds; 0 = the pool's.
    pub(crate) ttl: u64,
    pub(crate) ack_after: AckAfter,
    pub(crate) forgets: bool,
    pub(crate) bounds: BoundsDraft,
    pub(crate) templates: BTreeMap<String, String>,
    has_templates: bool,
}

impl Default for KeepDraft {
    fn default() -> KeepDraft {
        KeepDraft {
            topics: Vec::new(),
            home: String::new(),
            layout: Layout::Plugin,
            mode: None,
            subscriptions: None,
            init_default_schema: None,
            batch_size: 100,
            batch_time_millis: 10,
            first_subscribe: None,
            ttl: 0,
            ack_after: AckAfter::Outbox,
            forgets: true,
            bounds: BoundsDraft::default(),
            templates: BTreeMap::new(),
            has_templates: false,
        }
    }
}

impl KeepDraft {
    /// Chooses what was not said, by the layout (K33). The plugin writes subscriptions and makes its tables; the back
    /// ends leave both to the user.
    pub(super) fn choose(&mut self) {
        let plugin = self.layout == Layout::Plugin;
        let mode = *self.mode.get_or_insert(match self.layout {
            Layout::Plugin => Mode::Queue,
            Layout::Backends => Mode::Pubsub,
        });
        self.subscriptions.get_or_insert(plugin && mode != Mode::History);
        self.init_default_schema.get_or_insert(plugin);
        self.first_subscribe.get_or_insert(match (self.layout, mode) {
            (Layout::Backends, Mode::Pubsub) => FirstSubscribe::FromNow,
            _ => FirstSubscribe::All,
        });
    }
}

impl HasBounds for KeepDraft {
    fn bounds(&self) -> &BoundsDraft {
        &self.bounds
    }
    fn bounds_mut(&mut self) -> &mut BoundsDraft {
        &mut self.bounds
    }
}

pub(super) const KEEP: Shape<KeepDraft> = Shape {
    title: "[[keep]]",
    about: "These topics, in this database or in the embedded store, in this mode. May stand there more than once.",
    settings: &[OWN, &bounds(), SQL],
    parts: &[
        bounds_part(),
        Part {
            name: "sql",
            about: "Statements in place of the plugin layout's own, with `${placeholders}` that are bound as values. \
                    Usually written as `[keep.sql]` below its `[[keep]]`.",
            open: |draft| draft.has_templates = true,
            is_there: |draft| draft.has_templates,
        },
    ],
};

const OWN: &[Setting<KeepDraft>] = &[
    Setting {
        section: "",
        name: "topics",
        meaning: "The topic filters of what is kept.",
        slot: Slot::Texts {
            takes: "1 to 1024 topic filters",
            max: TOPICS_MAX,
            check: filter,
            get: |draft| draft.topics.clone(),
            set: |draft, topics| draft.topics = topics,
        },
    },
    Setting {
        section: "",
        name: "in",
        meaning: "Where: a pool by kind and name, or the broker's own store.",
        slot: Slot::Text {
            takes: "`\"embedded\"`, or a pool like `\"redis.main\"`",
            get: |draft| draft.home.clone(),
            set: |draft, text| pool_name(&mut draft.home, text),
        },
    },
    Setting {
        section: "",
        name: "layout",
        meaning: "Whose tables and keys. `plugin`: those of EMQX's offline-message plugin. `backends`: those of EMQ X \
                  4's database back ends.",
        slot: Slot::Choice {
            words: &["plugin", "backends"],
            get: |draft| index_of(&Layout::ALL, &draft.layout),
            set: |draft, index| draft.layout = Layout::ALL[index],
        },
    },
    Setting {
        section: "",
        name: "mode",
        meaning: "`queue`: what anybody acknowledges is gone. `pubsub`: every client reads from its own position. \
                  `latest`: the newest message of each topic. `history`: written only, QoS 0 too. Without it `queue` \
                  in the layout `plugin` and `pubsub` in `backends`.",
        slot: Slot::Choice {
            words: &["queue", "pubsub", "latest", "history"],
            get: |draft| {
                draft
                    .mode
                    .map_or(Mode::ALL.len(), |mode| index_of(&Mode::ALL, &mode))
            },
            set: |draft, index| draft.mode = Some(Mode::ALL[index]),
        },
    },
    Setting {
        section: "",
        name: "subscriptions",
        meaning: "Whether subscriptions to these topics are written to the database, and made again when the client \
                  connects. Without it `true` in the layout `plugin`.",
        slot: Slot::Flag {
            get: |draft| draft.subscriptions,
            set: |draft, flag| draft.subscriptions = Some(flag),
        },
    },
    Setting {
        section: "",
        name: "init_default_schema",
        meaning: "Whether tables that are missing are made at the start; none that is there is changed. Without it \
                  `true` in the layout `plugin`.",
        slot: Slot::Flag {
            get: |draft| draft.init_default_schema,
            set: |draft, flag| draft.init_default_schema = Some(flag),
        },
    },
    number(
        "",
        "batch_size",
        span(Unit::Count, 1, BATCH_MAX),
        |draft| draft.batch_size,
        |draft, number| draft.batch_size = number,
        "The most messages that go to the database at once; 1 sends each by itself.",
    ),
    number(
        "",
        "batch_time",
        span(Unit::Milliseconds, 0, BATCH_MILLIS_MAX),
        |draft| draft.batch_time_millis,
        |draft, number| draft.batch_time_millis = number,
        "How long a batch that is not full waits for more; 0 is not at all.",
    ),
    Setting {
        section: "",
        name: "first_subscribe",
        meaning: "What a client without a read position gets. Without it `all`, but `from-now` with `pubsub` in the \
                  layout `backends`. A queue has no positions: there it is `all`.",
        slot: Slot::Text {
            takes: "`\"all\"`, `\"from-now\"`, `\"last 100\"`, `\"since 2h\"`",
            get: |draft| draft.first_subscribe.map(show_first).unwrap_or_default(),
            set: |draft, text| {
                draft.first_subscribe = Some(read_first(text)?);
                Ok(())
            },
        },
    },
    number(
        "",
        "ttl",
        span(Unit::Seconds, 0, SECONDS_MAX),
        |draft| draft.ttl,
        |draft, number| draft.ttl = number,
        "How long a message stays, in Redis and in the embedded store; 0 is the pool's `message_ttl`, and in the \
         embedded store for ever.",
    ),
    Setting {
        section: "",
        name: "ack_after",
        meaning: "When a publisher has its acknowledgement. `outbox`: when what is owed to the database is on disk \
                  here. `backend`: when the database has it, or at `ack_deadline` in `[outbox]`.",
        slot: Slot::Choice {
            words: &["outbox", "backend"],
            get: |draft| index_of(&ACK_AFTER, &draft.ack_after),
            set: |draft, index| draft.ack_after = ACK_AFTER[index],
        },
    },
    Setting {
        section: "",
        name: "on_unsubscribe",
        meaning: "`pubsub`: what becomes of the client's read position. `forget`: a new subscription is a first one. \
                  `keep-position`: it goes on where it was.",
        slot: Slot::Choice {
            words: &["forget", "keep-position"],
            get: |draft| usize::from(!draft.forgets),
            set: |draft, index| draft.forgets = index == 0,
        },
    },
];

macro_rules! templates {
    ($($name:literal: $meaning:literal,)*) => {
        &[$(Setting {
            section: "sql",
            name: $name,
            meaning: $meaning,
            slot: Slot::Text {
                takes: "a statement, or `\"\"` for the layout's own",
                get: |draft: &KeepDraft| draft.templates.get($name).cloned().unwrap_or_default(),
                set: |draft, text| template(draft, $name, text),
            },
        },)*]
    };
}

/// The six templates of the plugin.
const SQL: &[Setting<KeepDraft>] = templates! {
    "insert_message_sql": "Stores a message. Variables: `id`, `from`, `topic`, `qos`, `payload`, `flags.retain`, `timestamp`.",
    "delete_message_sql": "Deletes a message that was acknowledged. Variables: `id`, `topic`.",
    "select_message_sql": "Reads the messages of a topic; its columns are found by name (`id`, `msgid`, `topic`, `sender`, `qos`, `retain`, `payload`, `arrived`). Variable: `topic`.",
    "insert_subscription_sql": "Stores a subscription. Variables: `clientid`, `topic`, `qos`.",
    "select_subscriptions_sql": "Reads a client's subscriptions, with the columns `topic` and `qos`. Variable: `clientid`.",
    "delete_subscription_sql": "Deletes a subscription. Variables: `clientid`, `topic`.",
};

/// What a template may use.
pub(crate) fn variables(template: &str) -> &'static [&'static str] {
    match template {
        "insert_message_sql" => &[
            "id",
            "from",
            "topic",
            "qos",
            "payload",
            "flags.retain",
            "timestamp",
        ],
        "delete_message_sql" => &["id", "topic"],
        "select_message_sql" => &["topic"],
        "insert_subscription_sql" => &["clientid", "topic", "qos"],
        "select_subscriptions_sql" => &["clientid"],
        "delete_subscription_sql" => &["clientid", "topic"],
        _ => &[],
    }
}

fn template(draft: &mut KeepDraft, name: &str, text: &str) -> Result<(), String> {
    if text.len() > TEMPLATE_BYTES_MAX {
        return Err(format!("it is longer than {TEMPLATE_BYTES_MAX} bytes"));
    }
    match text {
        "" => draft.templates.remove(name),
        text => draft.templates.insert(name.to_owned(), text.to_owned()),
    };
    Ok(())
}

fn read_first(text: &str) -> Result<FirstSubscribe, String> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    match (word, rest) {
        ("all", "") => Ok(FirstSubscribe::All),
        ("from-now", "") => Ok(FirstSubscribe::FromNow),
        ("last", rest) if !rest.is_empty() => LAST.read(&Given::Variable(rest)).map(FirstSubscribe::Last),
        ("since", rest) if !rest.is_empty() => {
            let seconds = SINCE.read(&Given::Variable(rest))?;
            Ok(FirstSubscribe::Since(Duration::from_secs(seconds)))
        }
        _ => Err(format!(
            "\"{text}\" is none of \"all\", \"from-now\", \"last 100\", \"since 2h\""
        )),
    }
}

fn show_first(first: FirstSubscribe) -> String {
    match first {
        FirstSubscribe::All => "all".to_owned(),
        FirstSubscribe::FromNow => "from-now".to_owned(),
        FirstSubscribe::Last(count) => format!("last {count}"),
        FirstSubscribe::Since(time) => {
            format!("since {}", SINCE.show(time.as_secs()).trim_matches('"'))
        }
    }
}
