//! Lines to keeps and rules.

use restante_model::{Filter, HookPoint, Mode};

use crate::{
    finding::{Doubt, Refusal},
    functions::Called,
    keep::{Keep, KeepIndex},
    line::{KeepLine, Line, LineIndex, What},
    rule::{Action, Rule},
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
    /// Adds a rule.
    pub(crate) fn rule(
        &mut self,
        line: LineIndex,
        on: HookPoint,
        topic: Option<Filter>,
        order: u32,
        action: Action,
    ) {
        self.rules.push(Rule {
            on,
            topic,
            order,
            line,
            action,
        });
    }

    /// A keep of these properties; the one that is there already, if it is.
    pub(crate) fn keep_like(&mut self, keep: Keep) -> KeepIndex {
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
                // Only there are read positions.
                if line.forgets && line.mode == Mode::Pubsub {
                    rule(HookPoint::SessionUnsubscribed, Action::Forget { keeps: keeps() });
                }
            }
        }
    }
}
