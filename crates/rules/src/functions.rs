//! The built-in functions of hooks. Those that keep messages become the same thing as a `[[keep]]`.
//!
//! What hooks of one pool store and what they fetch are lines apart; they meet here. Each line that fetches makes one
//! keep in its mode for every time to stay among the lines that store for it; what is stored and fetched by nobody is
//! a history.

use std::time::Duration;

use restante_model::{Function, HookPoint, Layout, Mode};

use crate::{
    finding::Doubt,
    gather::Gathered,
    keep::{Bounds, FirstSubscribe, Home, Keep, KeepIndex, PoolIndex},
    line::{HookLine, LineIndex},
    rule::{Action, covers, overlaps},
};

/// A hook with a function.
#[derive(Clone, Copy)]
pub(crate) struct Called<'a> {
    pub(crate) at: LineIndex,
    pub(crate) line: &'a HookLine,
    pub(crate) function: Function,
}

impl Gathered {
    /// The built-in functions.
    pub(crate) fn functions(&mut self, called: &[Called<'_>]) {
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
        // Forgotten by default where there are read positions (C10); the function only says it again.
        let said = called
            .iter()
            .filter(meets)
            .any(|call| call.function == Function::AckedDelete);
        if (fetch.line.forgets && mode == Mode::Pubsub) || said {
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
