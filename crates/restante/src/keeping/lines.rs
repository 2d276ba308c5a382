//! Sections to the lines of the rules: the names of pools, and what their kinds can do.

use std::time::Duration;

use restante_backend::capability::{Capabilities, StatementForm};
use restante_model::{Filter, Function, HookPoint, Layout, Mode};
use restante_rules::{
    AckAfter, Bounds, Doubt, FirstSubscribe, Home, HookLine, KeepLine, Line, LineIndex, PoolIndex, Refusal,
    What, WhenMore,
};

use super::{Statement, complaints::Complaints};
use crate::{
    backends::{self, Kind},
    config::{BoundsDraft, HookDraft, KeepDraft, Origin, Pool, Reading, duration, nearest},
};

/// Where a line comes from: the keep or hook of this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Keep(usize),
    Hook(usize),
}

impl Section {
    /// By which the reading knows its settings.
    pub(super) fn table(self) -> String {
        match self {
            Section::Keep(index) => format!("keep[{index}]"),
            Section::Hook(index) => format!("hook[{index}]"),
        }
    }

    /// By which the user knows it.
    pub(super) fn shown(self) -> &'static str {
        match self {
            Section::Keep(_) => "keep",
            Section::Hook(_) => "hook",
        }
    }

    /// The setting that says which topics, or else which event.
    fn source(self, reading: &Reading) -> &'static str {
        match self {
            Section::Keep(_) => "topics",
            Section::Hook(_) if reading.is_written(&self.table(), "topic") => "topic",
            Section::Hook(_) => "on",
        }
    }
}

/// The lines that are sound by themselves, in the order of the file.
pub(super) struct Lines {
    lines: Vec<Line>,
    sections: Vec<Section>,
    pub(super) statements: Vec<Statement>,
}

/// One section while it is looked at.
struct Looking<'a> {
    reading: &'a Reading,
    section: Section,
    complaints: &'a mut Complaints,
    sound: bool,
}

impl Lines {
    pub(super) fn gather(reading: &Reading, complaints: &mut Complaints) -> Lines {
        let draft = &reading.draft;
        let keeps = (0..draft.keeps.len()).map(Section::Keep);
        let mut sections: Vec<Section> = keeps.chain((0..draft.hooks.len()).map(Section::Hook)).collect();
        sections.sort_by_key(|section| place(&reading.origin(&section.table())));
        let mut gathered = Lines {
            lines: Vec::new(),
            sections: Vec::new(),
            statements: Vec::new(),
        };
        for section in sections {
            let mut looking = Looking {
                reading,
                section,
                complaints: &mut *complaints,
                sound: true,
            };
            let line = match section {
                Section::Keep(index) => draft.keeps.get(index).and_then(|keep| looking.keep(keep)),
                Section::Hook(index) => draft
                    .hooks
                    .get(index)
                    .and_then(|hook| looking.hook(hook, &mut gathered.statements)),
            };
            gathered.lines.extend(line.filter(|_| looking.sound).map(|line| {
                gathered.sections.push(section);
                line
            }));
        }
        gathered
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(super) fn section(&self, line: LineIndex) -> Option<Section> {
        self.sections.get(line.0 as usize).copied()
    }

    pub(super) fn refusal(&self, reading: &Reading, refusal: &Refusal, complaints: &mut Complaints) {
        let what = self.sentence(reading, &refusal.to_string(), refusal.other());
        let Some((origin, key)) = self.place(reading, refusal.line()) else {
            return;
        };
        let hint = match refusal {
            Refusal::TwoBacklogs { .. } => {
                "take topics that do not overlap, or mode = \"history\" for one of them"
            }
            Refusal::TwoLayouts { .. } => "take topics that do not overlap, or another pool",
            Refusal::Misplaced { .. } | Refusal::NoTopic { .. } => "",
        };
        complaints.problem(&origin, &key, what, hint);
    }

    pub(super) fn doubt(&self, reading: &Reading, doubt: &Doubt, complaints: &mut Complaints) {
        let what = self.sentence(reading, &doubt.to_string(), doubt.other());
        if let Some((origin, key)) = self.place(reading, doubt.line()) {
            complaints.warning(&origin, &key, what);
        }
    }

    /// With the place of the other line in front, if there is one.
    fn sentence(&self, reading: &Reading, what: &str, other: Option<LineIndex>) -> String {
        let Some((other, (origin, _))) =
            other.and_then(|other| Some((self.section(other)?, self.place(reading, other)?)))
        else {
            return what.to_owned();
        };
        format!("with the {} at {origin}: {what}", other.shown())
    }

    fn place(&self, reading: &Reading, line: LineIndex) -> Option<(Origin, String)> {
        let section = self.section(line)?;
        let name = section.source(reading);
        Some((
            reading.origin_in(&section.table(), name),
            format!("{}.{name}", section.shown()),
        ))
    }
}

/// Sorts by place in the file.
fn place(origin: &Origin) -> (usize, usize) {
    match origin {
        Origin::File { line, column, .. } => (*line, *column),
        _ => (0, 0),
    }
}

impl Looking<'_> {
    fn origin(&self, name: &str) -> Origin {
        self.reading.origin_in(&self.section.table(), name)
    }

    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.section.shown())
    }

    fn is_wrong(&self, name: &str) -> bool {
        self.reading.is_wrong(&format!("{}.{name}", self.section.table()))
    }

    /// Refuses a setting, unless it was refused already.
    fn refuse(&mut self, name: &str, what: impl AsRef<str>, hint: impl Into<String>) {
        self.sound = false;
        if !self.is_wrong(name) {
            self.complaints
                .problem(&self.origin(name), &self.key(name), what, hint);
        }
    }

    fn warn(&mut self, name: &str, what: impl AsRef<str>) {
        self.complaints.warning(&self.origin(name), &self.key(name), what);
    }

    fn keep(&mut self, keep: &KeepDraft) -> Option<Line> {
        if keep.topics.is_empty() {
            self.refuse(
                "topics",
                "there are no topics",
                "say what is to be kept, like topics = [\"t/#\"]",
            );
        }
        let mode = keep.mode.unwrap_or(Mode::Queue);
        let home = self.home(keep)?;
        let (capabilities, pool) = match home {
            Home::Embedded => (&backends::EMBEDDED, None),
            Home::Pool(index) => {
                let pool = self.reading.draft.pools.get(index.0 as usize)?;
                (self.kind(pool)?.capabilities, Some(pool))
            }
        };
        self.mode(capabilities, keep.layout, mode);
        self.deadline(keep.ack_after);
        self.no_effect(keep, mode, capabilities, pool);
        let ttl = (keep.ttl > 0).then(|| Duration::from_secs(keep.ttl));
        self.short_lived(ttl, mode, pool, "ttl");
        Some(Line::Keep(KeepLine {
            topics: keep.topics.iter().filter_map(|topic| filter(topic)).collect(),
            home,
            layout: keep.layout,
            mode,
            ttl,
            first_subscribe: keep.first_subscribe.unwrap_or(FirstSubscribe::All),
            bounds: bounds(&keep.bounds, pool),
            forgets: keep.forgets,
            subscriptions: keep.subscriptions.unwrap_or(false) && pool.is_some(),
            ack_after: keep.ack_after,
        }))
    }

    fn home(&mut self, keep: &KeepDraft) -> Option<Home> {
        match keep.home.as_str() {
            "" => {
                self.refuse(
                    "in",
                    "it is not said where",
                    "name a pool, like in = \"redis.main\", or in = \"embedded\"",
                );
                None
            }
            "embedded" => Some(Home::Embedded),
            name => self.pool("in", name).map(Home::Pool),
        }
    }

    /// The pool of that name.
    fn pool(&mut self, setting: &str, name: &str) -> Option<PoolIndex> {
        let names: Vec<String> = self.reading.draft.pools.iter().map(Pool::full_name).collect();
        if let Some(at) = names.iter().position(|known| known == name) {
            return u32::try_from(at).ok().map(PoolIndex);
        }
        let embedded = (setting == "in").then_some("embedded");
        let known = || names.iter().map(String::as_str).chain(embedded);
        // The name alone is often written without its kind.
        let hint = match names.iter().find(|known| known.split('.').nth(1) == Some(name)) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => match nearest(name, known()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None if names.is_empty() => {
                    "there are no pools; write a section like [backend.redis.main]".to_owned()
                }
                None => format!("there are {}", known().collect::<Vec<_>>().join(", ")),
            },
        };
        self.refuse(setting, format!("there is no pool \"{name}\""), hint);
        None
    }

    fn kind(&self, pool: &Pool) -> Option<&'static Kind> {
        backends::kind(pool.kind)
    }

    fn mode(&mut self, capabilities: &Capabilities, layout: Layout, mode: Mode) {
        if capabilities.modes.contains(&(layout, mode)) {
            return;
        }
        let others: Vec<String> = capabilities
            .modes
            .iter()
            .filter(|(other, _)| *other == layout)
            .map(|(_, mode)| format!("\"{}\"", mode.word()))
            .collect();
        let hint = match others.is_empty() {
            true => "take another layout".to_owned(),
            false => format!("there it can do {}", others.join(", ")),
        };
        let what = format!(
            "{} cannot do \"{}\" in the layout \"{}\"",
            capabilities.kind,
            mode.word(),
            layout.word()
        );
        self.refuse("mode", what, hint);
    }

    fn deadline(&mut self, ack_after: AckAfter) {
        let outbox = &self.reading.draft.outbox;
        let is_wrong = self.reading.is_wrong("outbox.ack_deadline");
        if ack_after == AckAfter::Backend && outbox.ack_deadline_millis == 0 && !is_wrong {
            self.refuse(
                "ack_after",
                "a publisher would wait for the database without end",
                "write ack_deadline = \"5s\" in the section [outbox]",
            );
        }
    }

    /// What was written and does nothing.
    fn no_effect(&mut self, keep: &KeepDraft, mode: Mode, capabilities: &Capabilities, pool: Option<&Pool>) {
        let kind = capabilities.kind;
        if !keep.templates.is_empty() {
            if keep.layout != Layout::Plugin {
                self.warn("sql", "it has no effect in the layout \"backends\"");
            } else if capabilities.templates.is_empty() {
                self.warn(
                    "sql",
                    format!("it has no effect: {kind} has no statements that could be replaced"),
                );
            }
        }
        if keep
            .first_subscribe
            .is_some_and(|first| first != FirstSubscribe::All)
            && mode != Mode::Pubsub
        {
            self.warn(
                "first_subscribe",
                "it has no effect without mode = \"pubsub\": there are no read positions",
            );
        }
        if keep.bounds.is_there && mode == Mode::History {
            self.warn(
                "offline_opts",
                "it has no effect with mode = \"history\": nothing is fetched",
            );
        }
        match pool {
            Some(pool) => {
                if keep.ttl > 0 && self.kind(pool).is_some_and(|kind| !kind.expires) {
                    self.warn(
                        "ttl",
                        format!("it has no effect: in {kind} messages do not expire by themselves"),
                    );
                }
            }
            None => {
                if keep.subscriptions == Some(true)
                    && self.reading.is_written(&self.section.table(), "subscriptions")
                {
                    self.warn(
                        "subscriptions",
                        "it has no effect: sessions are in the embedded store already",
                    );
                }
                if keep.ack_after == AckAfter::Backend {
                    self.warn("ack_after", "it has no effect: there is no database to wait for");
                }
            }
        }
    }

    /// What goes before the session that waits for it (K32).
    fn short_lived(&mut self, ttl: Option<Duration>, mode: Mode, pool: Option<&Pool>, setting: &str) {
        let expires = pool.is_none_or(|pool| self.kind(pool).is_some_and(|kind| kind.expires));
        let ttl = ttl.filter(|_| expires).or(pool.and_then(Pool::message_ttl));
        let session = self.reading.draft.broker.session.session_expiry;
        let never = session == u32::MAX;
        let Some(ttl) = ttl else { return };
        if mode != Mode::History && (never || ttl < Duration::from_secs(session.into())) {
            let session = match never {
                true => "for ever".to_owned(),
                false => duration(session.into()),
            };
            self.warn(
                setting,
                format!(
                    "messages stay for {} and sessions {session} (session_expiry_interval): who is away for longer \
                     than messages stay gets nothing",
                    duration(ttl.as_secs())
                ),
            );
        }
    }

    fn hook(&mut self, hook: &HookDraft, statements: &mut Vec<Statement>) -> Option<Line> {
        let on = hook.on;
        if on.is_none() {
            self.refuse(
                "on",
                "it is not said at which event",
                "write on = \"message.publish\" or another",
            );
        }
        let what = self.what(hook);
        let pool_index = match hook.pool.as_str() {
            "" => {
                self.refuse(
                    "pool",
                    "it is not said in which pool",
                    "write pool = \"mysql.main\" or another",
                );
                None
            }
            "embedded" => {
                self.refuse(
                    "pool",
                    "the embedded store has no functions and no statements",
                    "write [[keep]] instead",
                );
                None
            }
            name => self.pool("pool", name),
        };
        let (on, what, pool_index) = (on?, what?, pool_index?);
        let pool = self.reading.draft.pools.get(pool_index.0 as usize)?;
        let kind = self.kind(pool)?;
        let what = match what {
            Wanted::Function(function) => self.function(function, kind).map(What::Function)?,
            Wanted::Statements(form, texts) => {
                self.form(form, kind);
                What::Statements(number(texts, pool_index, on, statements))
            }
        };
        self.options(hook, &what, kind);
        self.deadline(hook.ack_after);
        let ttl = (hook.expired_time > 0 && kind.expires).then(|| Duration::from_secs(hook.expired_time));
        if let What::Function(function) = what
            && stores(function)
            && function != Function::MessageStore
        {
            self.short_lived(ttl, Mode::Pubsub, Some(pool), "expired_time");
        }
        Some(Line::Hook(HookLine {
            on,
            topic: filter(&hook.topic),
            order: hook.order,
            pool: pool_index,
            what,
            bounds: bounds(&hook.bounds, Some(pool)),
            ttl,
            forgets: hook.forgets,
            ack_after: hook.ack_after,
        }))
    }

    /// The one thing that a hook does.
    fn what<'h>(&mut self, hook: &'h HookDraft) -> Option<Wanted<'h>> {
        let mut wanted = Vec::new();
        wanted.extend(hook.function.map(|function| ("do", Wanted::Function(function))));
        if !hook.sql.is_empty() {
            wanted.push(("sql", Wanted::Statements(StatementForm::Sql, &hook.sql)));
        }
        if !hook.commands.is_empty() {
            wanted.push((
                "commands",
                Wanted::Statements(StatementForm::Commands, &hook.commands),
            ));
        }
        match wanted.len() {
            0 => {
                if !["do", "sql", "commands"].iter().any(|name| self.is_wrong(name)) {
                    self.refuse(
                        "do",
                        "it is not said what to do",
                        "write one of do, sql and commands",
                    );
                }
                self.sound = false;
                None
            }
            1 => wanted.pop().map(|(_, wanted)| wanted),
            _ => {
                let (second, _) = wanted[1];
                self.refuse(
                    second,
                    format!("{} stands there already", wanted[0].0),
                    "make two hooks of it",
                );
                None
            }
        }
    }

    fn function(&mut self, function: Function, kind: &Kind) -> Option<Function> {
        let can = kind.capabilities.functions;
        if can.contains(&function) {
            return Some(function);
        }
        let at_the_same = can.iter().filter(|other| other.points() == function.points());
        let names: Vec<&str> = at_the_same.map(|other| other.name()).collect();
        let hint = match names.is_empty() {
            true => "take another pool".to_owned(),
            false => format!("there it has {}", names.join(", ")),
        };
        self.refuse("do", format!("{} has no {}", kind.name, function.name()), hint);
        None
    }

    fn form(&mut self, form: StatementForm, kind: &Kind) {
        let (name, other) = match form {
            StatementForm::Sql => ("sql", "commands"),
            StatementForm::Commands => ("commands", "sql"),
        };
        match kind.capabilities.statements {
            Some(taken) if taken == form => {}
            Some(_) => self.refuse(
                name,
                format!("{} does not take {name}", kind.name),
                format!("it takes {other} = [\"…\"]"),
            ),
            None => self.refuse(name, format!("{} takes no statements", kind.name), ""),
        }
    }

    /// Options that do nothing for this function, or for statements.
    fn options(&mut self, hook: &HookDraft, what: &What, kind: &Kind) {
        let (does, is_fetch, is_store) = match what {
            What::Function(function) => (function.name(), fetches(*function), stores(*function)),
            What::Statements(_) => ("statements", false, false),
        };
        if hook.bounds.is_there && !is_fetch {
            self.warn(
                "offline_opts",
                format!("it has no effect for {does}: only functions that fetch have it"),
            );
        }
        if !hook.forgets && !is_fetch {
            self.warn(
                "on_unsubscribe",
                format!("it has no effect for {does}: only functions that fetch have it"),
            );
        }
        if hook.expired_time > 0 {
            if !kind.expires {
                let what = format!(
                    "it has no effect: in {} messages do not expire by themselves",
                    kind.name
                );
                self.warn("expired_time", what);
            } else if !is_store {
                self.warn(
                    "expired_time",
                    format!("it has no effect for {does}: only functions that store have it"),
                );
            }
        }
        if hook.ack_after == AckAfter::Backend && !is_store {
            self.warn(
                "ack_after",
                format!("it has no effect for {does}: only functions that store have it"),
            );
        }
    }
}

/// What a hook is to do.
enum Wanted<'h> {
    Function(Function),
    Statements(StatementForm, &'h [String]),
}

/// Gives statements their numbers.
fn number(texts: &[String], pool: PoolIndex, on: HookPoint, statements: &mut Vec<Statement>) -> Box<[u32]> {
    let numbers = texts.iter().map(|text| {
        let number = u32::try_from(statements.len()).unwrap_or(u32::MAX);
        statements.push(Statement {
            pool,
            text: text.clone(),
            variables: on.variables(),
        });
        number
    });
    numbers.collect()
}

/// A filter that was checked when it was read; an empty one is none.
fn filter(text: &str) -> Option<Filter> {
    Filter::parse(text, false).ok()
}

/// What a keep or a hook says, or else its pool.
fn bounds(said: &BoundsDraft, pool: Option<&Pool>) -> Bounds {
    let (returned_max, time_range) = pool.map_or((0, 0), |pool| {
        (pool.basis().returned_max, pool.basis().time_range)
    });
    let or = |said: u64, otherwise: u64| {
        Some(if said > 0 { said } else { otherwise }).filter(|&number| number > 0)
    };
    Bounds {
        returned_max: or(said.returned_max, returned_max)
            .map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
        time_range: or(said.time_range, time_range).map(Duration::from_secs),
        when_more: if said.newest {
            WhenMore::Newest
        } else {
            WhenMore::Page
        },
    }
}

fn fetches(function: Function) -> bool {
    matches!(
        function,
        Function::MessageFetch
            | Function::MessageFetchForQueue
            | Function::MessageFetchForPubsub
            | Function::MessageFetchForKeepLatest
    )
}

fn stores(function: Function) -> bool {
    matches!(
        function,
        Function::MessagePublish | Function::MessageStore | Function::MessageStoreKeepLatest
    )
}
