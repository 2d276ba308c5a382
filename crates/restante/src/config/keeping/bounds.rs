//! `offline_opts`, of keeps and of hooks that fetch; and what both say beside it.

use super::table::Part;
use crate::config::{
    declared::{Setting, Slot},
    number::Unit,
    settings::{number, span},
};

const RETURNED_MAX: u64 = 1_000_000;
const SECONDS_MAX: u64 = 36_500 * 86_400;

/// `offline_opts = { … }`. 0 = not said: then the pool's setting holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BoundsDraft {
    /// Somebody wrote `offline_opts`.
    pub(crate) is_there: bool,
    pub(crate) returned_max: u64,
    /// Seconds.
    pub(crate) time_range: u64,
    /// `when_more = "newest"` instead of `"page"`.
    pub(crate) newest: bool,
}

pub(super) trait HasBounds {
    fn bounds(&self) -> &BoundsDraft;
    fn bounds_mut(&mut self) -> &mut BoundsDraft;
}

pub(super) const fn bounds<D: HasBounds + 'static>() -> [Setting<D>; 3] {
    [
        number(
            "offline_opts",
            "max_returned_count",
            span(Unit::Count, 0, RETURNED_MAX),
            |draft: &D| draft.bounds().returned_max,
            |draft, number| draft.bounds_mut().returned_max = number,
            "The most messages of one fetch; 0 is as the pool has it.",
        ),
        number(
            "offline_opts",
            "time_range",
            span(Unit::Seconds, 0, SECONDS_MAX),
            |draft: &D| draft.bounds().time_range,
            |draft, number| draft.bounds_mut().time_range = number,
            "Only messages younger than this are fetched; 0 is as the pool has it.",
        ),
        Setting {
            section: "offline_opts",
            name: "when_more",
            meaning: "What happens when more waits than `max_returned_count`. `page`: the oldest first, then the next, \
                      until nothing waits. `newest`: the newest only; the others are passed over and counted.",
            slot: Slot::Choice {
                words: &["page", "newest"],
                get: |draft: &D| usize::from(draft.bounds().newest),
                set: |draft, index| draft.bounds_mut().newest = index == 1,
            },
        },
    ]
}

pub(super) const fn bounds_part<D: HasBounds + 'static>() -> Part<D> {
    Part {
        name: "offline_opts",
        about: "How much of a backlog is fetched.",
        open: |draft: &mut D| draft.bounds_mut().is_there = true,
        is_there: |draft| draft.bounds().is_there,
    }
}

/// Takes a topic filter.
pub(super) fn filter(text: &str) -> Result<(), String> {
    if text.starts_with("$share/") {
        return Err(format!(
            "\"{text}\" is a shared subscription; write the topic filter alone"
        ));
    }
    match restante_model::Filter::parse(text, false) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("\"{text}\" is not a topic filter: {error}")),
    }
}

/// The name of a pool as it is written; whether there is one is asked later.
pub(super) fn pool_name(field: &mut String, text: &str) -> Result<(), String> {
    match text {
        "" => Err("it cannot be empty; name a pool, like \"redis.main\"".to_owned()),
        text => super::basis::put(field, text),
    }
}
