//! One section while it is looked at: what keeps and hooks have in common.

use std::time::Duration;

use restante_model::{Filter, Mode};
use restante_rules::{AckAfter, Bounds, PoolIndex, WhenMore};

use super::{complaints::Complaints, lines::Section};
use crate::{
    backends::{self, Kind},
    config::{BoundsDraft, Origin, Pool, Reading, duration, nearest},
};

/// One section while it is looked at.
pub(super) struct Looking<'a> {
    pub(super) reading: &'a Reading,
    pub(super) section: Section,
    pub(super) complaints: &'a mut Complaints,
    pub(super) sound: bool,
}

impl Looking<'_> {
    fn origin(&self, name: &str) -> Origin {
        self.reading.origin_in(&self.section.table(), name)
    }

    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.section.shown())
    }

    pub(super) fn is_wrong(&self, name: &str) -> bool {
        self.reading.is_wrong(&format!("{}.{name}", self.section.table()))
    }

    /// Refuses a setting, unless it was refused already.
    pub(super) fn refuse(&mut self, name: &str, what: impl AsRef<str>, hint: impl Into<String>) {
        self.sound = false;
        if !self.is_wrong(name) {
            self.complaints
                .problem(&self.origin(name), &self.key(name), what, hint);
        }
    }

    pub(super) fn warn(&mut self, name: &str, what: impl AsRef<str>) {
        self.complaints.warning(&self.origin(name), &self.key(name), what);
    }

    /// The pool of that name.
    pub(super) fn pool(&mut self, setting: &str, name: &str) -> Option<PoolIndex> {
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

    pub(super) fn kind(&self, pool: &Pool) -> Option<&'static Kind> {
        backends::kind(pool.kind)
    }

    pub(super) fn deadline(&mut self, ack_after: AckAfter) {
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

    /// What goes before the session that waits for it (K32).
    pub(super) fn short_lived(
        &mut self,
        ttl: Option<Duration>,
        mode: Mode,
        pool: Option<&Pool>,
        setting: &str,
    ) {
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
}

/// A filter that was checked when it was read; an empty one is none.
pub(super) fn filter(text: &str) -> Option<Filter> {
    Filter::parse(text, false).ok()
}

/// What a keep or a hook says, or else its pool.
pub(super) fn bounds(said: &BoundsDraft, pool: Option<&Pool>) -> Bounds {
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
