//! `[[hook]]`: the one thing it does, and whether its pool can do it.

use std::time::Duration;

use restante_backend::capability::StatementForm;
use restante_model::{Function, HookPoint, Mode};
use restante_rules::{AckAfter, HookLine, Line, PoolIndex, What};

use super::{
    Statement,
    looking::{Looking, bounds, filter},
};
use crate::{backends::Kind, config::HookDraft};

impl Looking<'_> {
    /// The line of a hook, if that much of it can be understood. Its statements are numbered.
    pub(super) fn hook(&mut self, hook: &HookDraft, statements: &mut Vec<Statement>) -> Option<Line> {
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
