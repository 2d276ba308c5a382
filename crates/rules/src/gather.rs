//! Lines to keeps and rules. The functions of hooks that keep messages become the same thing as a `[[keep]]`.
//!
//! What hooks of one pool store and what they fetch are lines apart; they meet here. Each line that fetches makes one
//! keep in its mode for every time to stay among the lines that store for it; what is stored and fetched by nobody is
//! a history.

use std::time::Duration;

use restante_model::{Filter, Function, HookPoint, Layout, Mode};

use crate::{
    finding::{Doubt, Refusal},
    keep::{Bounds, FirstSubscribe, Home, Keep, KeepIndex, PoolIndex},
    line::{HookLine, KeepLine, Line, LineIndex, What},
    rule::{Action, Rule, covers, overlaps},
};

/// What lines come to.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) keeps: Vec<Keep>,
    /// In the order in which they are evaluated.
    pub(crate) rules: Vec<Rule>,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) doubts: Vec<Doubt>,
}

/// A hook with a function.
#[derive(Clone, Copy)]
struct Called<'a> {
    at: LineIndex,
    line: &'a HookLine,
    function: Function,
}

pub(crate) fn gather(lines: &[Line]) -> Gathered {
    let mut gathered = Gathered::default();
    let numbered = || (0..).map(LineIndex).zip(lines);
    let mut called = Vec::new();
    for (at, line) in numbered() {
        match line {
            Line::Keep(line) => gathered.keep(at, line),
            Line::Hook(line) => {
                if line.topic.is_some() && !line.on.has_topic() {
                    gathered.refusals.push(Refusal::NoTopic {
                        line: at,
                        on: line.on,
                    });
                    continue;
                }
                match &line.what {
                    What::Statements(numbers) => {
                        let action = Action::Statements {
                            pool: line.pool,
                            numbers: numbers.clone(),
                        };
                        gathered.rule(at, line.on, line.topic.clone(), line.order, action);
                    }
                    What::Function(function) if !function.points().contains(&line.on) => {
                        gathered.refusals.push(Refusal::Misplaced {
                            line: at,
                            function: *function,
                            on: line.on,
                        });
                    }
                    What::Function(function) => called.push(Called {
                        at,
                        line,
                        function: *function,
                    }),
                }
            }
        }
    }
    gathered.functions(&called);
    // Sorting keeps the order of equals, which is that of the lines.
    gathered.rules.sort_by_key(|rule| (rule.order, rule.line));
    gathered.compare();
    gathered
}

impl Gathered {
    fn rule(&mut self, line: LineIndex, on: HookPoint, topic: Option<Filter>, order: u32, action: Action) {
        self.rules.push(Rule {
            on,
            topic,
            order,
            line,
            action,
        });
    }

    /// A keep of these properties; the one that is there already, if it is.
    fn keep_like(&mut self, keep: Keep) -> KeepIndex {
        let same = |other: &Keep| {
            Keep {
                line: keep.line,
                ..other.clone()
            } == keep
        };
        let at = self.keeps.iter().position(same).unwrap_or_else(|| {
            self.keeps.push(keep);
            self.keeps.len() - 1
        });
        KeepIndex(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// `[[keep]]`: a rule for each topic at each event.
    fn keep(&mut self, at: LineIndex, line: &KeepLine) {
        let keep = KeepIndex(u32::try_from(self.keeps.len()).unwrap_or(u32::MAX));
        self.keeps.push(Keep {
            home: line.home,
            layout: line.layout,
            mode: line.mode,
            ttl: line.ttl,
            first_subscribe: line.first_subscribe,
            bounds: line.bounds,
            forgets: line.forgets,
            line: at,
        });
        if line.subscriptions {
            let action = Action::RestoreSubscriptions { keep };
            self.rule(at, HookPoint::SessionCreated, None, 0, action);
        }
        for topic in &line.topics {
            let mut rule = |on, action| self.rule(at, on, Some(topic.clone()), 0, action);
            rule(
                HookPoint::MessagePublish,
                Action::Store {
                    keep,
                    every_qos: line.mode == Mode::History,
                    ack_after: line.ack_after,
                },
            );
            if line.subscriptions {
                rule(HookPoint::SessionSubscribed, Action::WriteSubscription { keep });
                rule(
                    HookPoint::SessionUnsubscribed,
                    Action::RemoveSubscription { keep },
                );
            }
            if line.mode != Mode::History {
                let keeps = || Box::from([keep]);
                rule(HookPoint::SessionSubscribed, Action::Fetch { keeps: keeps() });
                rule(HookPoint::MessageAcked, Action::Acknowledge { keeps: keeps() });
                if line.forgets {
                    rule(HookPoint::SessionUnsubscribed, Action::Forget { keeps: keeps() });
                }
            }
        }
    }

    /// The built-in functions.
    fn functions(&mut self, called: &[Called<'_>]) {
        for &fetch in called {
            if let Some(mode) = fetched_as(fetch.function) {
                self.fetch(fetch, mode, called);
            }
        }
        for call in called {
            match call.function {
                Function::MessagePublish | Function::MessageStore | Function::MessageStoreKeepLatest => {
                    self.store(call, called);
                }
                Function::SubscribeLookup => self.lookup(call),
                Function::ClientConnected
                | Function::ClientDisconnected
                | Function::RetainLookup
                | Function::MessageRetain
                | Function::RetainDelete => {
                    let action = Action::Function {
                        function: call.function,
                        pool: call.line.pool,
                    };
                    self.rule(
                        call.at,
                        call.line.on,
                        call.line.topic.clone(),
                        call.line.order,
                        action,
                    );
                }
                function => {
                    // What remains acknowledges or forgets, and has gone with what fetches; or there is none.
                    let fetches = |fetch: &Called<'_>| {
                        fetched_as(fetch.function).is_some_and(|mode| {
                            fetch.line.pool == call.line.pool
                                && (function == Function::AckedDelete
                                    || acknowledged_as(function) == Some(mode))
                                && overlaps(fetch.line.topic.as_ref(), call.line.topic.as_ref())
                        })
                    };
                    let is_fetch = fetched_as(function).is_some();
                    if !is_fetch && !called.iter().any(fetches) {
                        self.doubts.push(Doubt::NeverFetched { line: call.at });
                    }
                }
            }
        }
    }

    /// A line that fetches, and the lines that acknowledge and forget what it fetched.
    fn fetch(&mut self, fetch: Called<'_>, mode: Mode, called: &[Called<'_>]) {
        let pool = fetch.line.pool;
        let meets = |call: &&Called<'_>| {
            call.line.pool == pool && overlaps(call.line.topic.as_ref(), fetch.line.topic.as_ref())
        };
        let stores = called
            .iter()
            .filter(meets)
            .filter(|call| stores_for(call.function, mode));
        let mut times: Vec<Option<Duration>> = Vec::new();
        for store in stores {
            if !times.contains(&store.line.ttl) {
                times.push(store.line.ttl);
            }
        }
        if times.is_empty() {
            // The user's own application fills the table.
            times.push(None);
        }
        let keeps: Box<[KeepIndex]> = times
            .into_iter()
            .map(|ttl| {
                self.keep_like(Keep {
                    bounds: fetch.line.bounds,
                    forgets: fetch.line.forgets,
                    ..made_by_functions(fetch.at, pool, mode, ttl)
                })
            })
            .collect();
        let (topic, order) = (fetch.line.topic.clone(), fetch.line.order);
        self.rule(
            fetch.at,
            HookPoint::SessionSubscribed,
            topic.clone(),
            order,
            Action::Fetch { keeps: keeps.clone() },
        );
        let mut acknowledged = false;
        for ack in called.iter().filter(meets) {
            if acknowledged_as(ack.function) == Some(mode) {
                acknowledged = true;
                let action = Action::Acknowledge { keeps: keeps.clone() };
                self.rule(
                    ack.at,
                    HookPoint::MessageAcked,
                    ack.line.topic.clone(),
                    ack.line.order,
                    action,
                );
            }
        }
        if !acknowledged {
            self.doubts.push(Doubt::NeverAcknowledged { line: fetch.at });
        }
        // Forgotten by default (C10); the function only says it again.
        let said = called
            .iter()
            .filter(meets)
            .any(|call| call.function == Function::AckedDelete);
        if fetch.line.forgets || said {
            self.rule(
                fetch.at,
                HookPoint::SessionUnsubscribed,
                topic,
                order,
                Action::Forget { keeps },
            );
        }
    }

    /// A line that stores: into what fetches all of it, or else into a history that the rest falls to.
    fn store(&mut self, store: &Called<'_>, called: &[Called<'_>]) {
        let HookLine {
            pool, ttl, ack_after, ..
        } = *store.line;
        let all_of_it = called.iter().find_map(|fetch| {
            let mode = fetched_as(fetch.function)?;
            let is_all = fetch.line.pool == pool
                && stores_for(store.function, mode)
                && covers(fetch.line.topic.as_ref(), store.line.topic.as_ref());
            is_all.then_some((fetch, mode))
        });
        let keep = match all_of_it {
            Some((fetch, mode)) => Keep {
                bounds: fetch.line.bounds,
                forgets: fetch.line.forgets,
                ..made_by_functions(fetch.at, pool, mode, ttl)
            },
            None if store.function == Function::MessageStoreKeepLatest => {
                made_by_functions(store.at, pool, Mode::Latest, ttl)
            }
            None => made_by_functions(store.at, pool, Mode::History, ttl),
        };
        let action = Action::Store {
            keep: self.keep_like(keep),
            every_qos: store.function == Function::MessageStore,
            ack_after,
        };
        self.rule(
            store.at,
            HookPoint::MessagePublish,
            store.line.topic.clone(),
            store.line.order,
            action,
        );
    }

    /// A lookup of subscriptions: once per pool, when the session is there (C2).
    fn lookup(&mut self, call: &Called<'_>) {
        let action = Action::Function {
            function: Function::SubscribeLookup,
            pool: call.line.pool,
        };
        match self.rules.iter().find(|rule| rule.action == action) {
            Some(first) => self.doubts.push(Doubt::LookedUpOnce {
                line: call.at,
                other: first.line,
            }),
            None => self.rule(call.at, HookPoint::SessionCreated, None, call.line.order, action),
        }
    }

    /// Holds every two lines that fetch, or that store, against each other.
    fn compare(&mut self) {
        let mut found: Vec<(LineIndex, LineIndex, Conflict)> = Vec::new();
        for (at, rule) in self.rules.iter().enumerate() {
            for before in &self.rules[..at] {
                if before.line == rule.line || !overlaps(before.topic.as_ref(), rule.topic.as_ref()) {
                    continue;
                }
                let conflict = match (&before.action, &rule.action) {
                    (Action::Fetch { keeps: ones }, Action::Fetch { keeps: others }) => {
                        self.two_fetches(ones, others)
                    }
                    (Action::Store { keep: one, .. }, Action::Store { keep: other, .. }) => {
                        self.two_stores(*one, *other)
                    }
                    _ => None,
                };
                if let Some(conflict) = conflict {
                    // Whichever goes first, the complaint stands at the line that was written later.
                    let (line, other) = (rule.line.max(before.line), rule.line.min(before.line));
                    found.push((line, other, conflict));
                }
            }
        }
        found.sort();
        found.dedup();
        for (line, other, conflict) in found {
            match conflict {
                Conflict::Backlogs => self.refusals.push(Refusal::TwoBacklogs { line, other }),
                Conflict::Layouts => self.refusals.push(Refusal::TwoLayouts { line, other }),
                Conflict::Fetched => self.doubts.push(Doubt::FetchedOnce { line, other }),
                Conflict::Stored => self.doubts.push(Doubt::StoredOnce { line, other }),
            }
        }
    }

    fn two_fetches(&self, ones: &[KeepIndex], others: &[KeepIndex]) -> Option<Conflict> {
        let (one, other) = (self.first(ones)?, self.first(others)?);
        match one.is_same_source(other) {
            true => Some(Conflict::Fetched),
            false => Some(Conflict::Backlogs),
        }
    }

    fn two_stores(&self, one: KeepIndex, other: KeepIndex) -> Option<Conflict> {
        let (one, other) = (self.first(&[one])?, self.first(&[other])?);
        if one.home != other.home || one.home == Home::Embedded {
            None
        } else if one.layout != other.layout {
            Some(Conflict::Layouts)
        } else {
            one.shares_rows(other).then_some(Conflict::Stored)
        }
    }

    fn first(&self, keeps: &[KeepIndex]) -> Option<&Keep> {
        keeps.first().and_then(|keep| self.keeps.get(keep.0 as usize))
    }
}

/// What two lines do to each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Conflict {
    Backlogs,
    Layouts,
    Fetched,
    Stored,
}

/// A keep as the original's functions mean it: a client's first subscription begins at the newest message (K33); a
/// queue has no read positions.
fn made_by_functions(line: LineIndex, pool: PoolIndex, mode: Mode, ttl: Option<Duration>) -> Keep {
    Keep {
        home: Home::Pool(pool),
        layout: Layout::Backends,
        mode,
        ttl,
        first_subscribe: match mode {
            Mode::Pubsub => FirstSubscribe::FromNow,
            Mode::Queue | Mode::Latest | Mode::History => FirstSubscribe::All,
        },
        bounds: Bounds::NONE,
        forgets: false,
        line,
    }
}

/// The mode in which a function fetches.
fn fetched_as(function: Function) -> Option<Mode> {
    match function {
        Function::MessageFetch | Function::MessageFetchForPubsub => Some(Mode::Pubsub),
        Function::MessageFetchForQueue => Some(Mode::Queue),
        Function::MessageFetchForKeepLatest => Some(Mode::Latest),
        _ => None,
    }
}

/// The mode in which a function acknowledges.
fn acknowledged_as(function: Function) -> Option<Mode> {
    match function {
        Function::MessageAcked | Function::MessageAckedForPubsub => Some(Mode::Pubsub),
        Function::MessageAckedForQueue => Some(Mode::Queue),
        Function::MessageAckedForKeepLatest => Some(Mode::Latest),
        _ => None,
    }
}

/// Whether what a function stores is found by what fetches in this mode.
fn stores_for(function: Function, mode: Mode) -> bool {
    match function {
        Function::MessagePublish | Function::MessageStore => mode != Mode::Latest,
        Function::MessageStoreKeepLatest => mode == Mode::Latest,
        _ => false,
    }
}
