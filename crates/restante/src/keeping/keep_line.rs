//! `[[keep]]`: where it is, and what is possible there.

use std::time::Duration;

use restante_backend::capability::Capabilities;
use restante_model::{Layout, Mode};
use restante_rules::{AckAfter, FirstSubscribe, Home, KeepLine, Line};

use super::looking::{Looking, bounds, filter};
use crate::{
    backends,
    config::{KeepDraft, Pool},
};

impl Looking<'_> {
    /// The line of a keep, if that much of it can be understood.
    pub(super) fn keep(&mut self, keep: &KeepDraft) -> Option<Line> {
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
        if !keep.forgets && mode != Mode::Pubsub {
            self.warn(
                "on_unsubscribe",
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
}
