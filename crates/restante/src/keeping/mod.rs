//! What keeps and hooks come to: the pools, the rules, and how each keep uses its pool. Whoever serves hands it to the
//! broker; `check` builds it too, and so finds everything that does not fit together.
//!
//! | module | concept |
//! |---|---|
//! | [`pools`] | whether a pool's settings fit together; its passwords |
//! | [`lines`] | sections to the lines of the rules, and findings of the rules back to the sections |
//! | [`keep_line`], [`hook_line`] | one section: what it asks for, and whether its pool can do it; [`looking`] what both have in common |
//! | [`texts`] | statements and templates, read as the backend will read them |
//! | [`unbuilt`] | what may be written and is not built yet |
//! | [`complaints`] | sentences at their places |

mod complaints;
mod hook_line;
mod keep_line;
mod lines;
mod looking;
mod pools;
#[cfg(test)]
mod tests;
mod texts;
mod unbuilt;

use std::time::Duration;

use restante_backend::messages::KeepSpec;
use restante_model::Layout;
use restante_rules::{Home, Keep, PoolIndex, RuleSet};

use crate::{
    backends,
    config::{Pool, Problem, Reading},
};
use complaints::Complaints;
use lines::{Lines, Section};

/// Everything that keeps and hooks need at work.
#[derive(Clone, Debug, Default)]
pub struct Keeping {
    /// The pools; [`PoolIndex`] counts them.
    pub pools: Vec<Pool>,
    /// The rules.
    pub rules: RuleSet,
    /// How each keep uses its pool; [`restante_rules::KeepIndex`] counts them, as in [`RuleSet::keeps`].
    pub keeps: Vec<KeepPlan>,
    /// The user's statements; the numbers in the rules count them.
    pub statements: Vec<Statement>,
    /// What was asked for and is not built yet.
    pub unbuilt: Vec<Problem>,
}

/// How a keep uses its pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepPlan {
    /// What the backend is asked for.
    pub spec: KeepSpec,
    /// Make the tables that are missing.
    pub init_schema: bool,
    /// Most messages that go to the backend at once; 1 or more.
    pub batch_size: usize,
    /// How long a batch that is not full waits for more.
    pub batch_time: Duration,
}

/// A statement of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Where it runs.
    pub pool: PoolIndex,
    /// As it was written.
    pub text: String,
    /// What it may use.
    pub variables: &'static [&'static str],
}

/// What hooks with built-in functions send at once; keeps say it themselves.
const BATCH_SIZE: usize = 100;
const BATCH_TIME: Duration = Duration::from_millis(10);

/// Builds it, and adds what is wrong or unwise to the reading. With anything wrong, what is built is of no use.
pub(crate) fn build(reading: &mut Reading) -> Keeping {
    let mut complaints = Complaints::default();
    pools::read_passwords(reading, &mut complaints);
    pools::check(reading, &mut complaints);
    let lines = Lines::gather(reading, &mut complaints);
    texts::check(reading, &lines, &mut complaints);
    let (rules, doubts) = RuleSet::build(lines.lines());
    for doubt in doubts {
        lines.doubt(reading, &doubt, &mut complaints);
    }
    let rules = rules.unwrap_or_else(|refusals| {
        for refusal in refusals {
            lines.refusal(reading, &refusal, &mut complaints);
        }
        RuleSet::default()
    });
    let plans = rules.keeps().iter().map(|keep| plan(reading, &lines, keep));
    let plans = plans.collect();
    let keeping = Keeping {
        pools: reading.draft.pools.clone(),
        rules,
        keeps: plans,
        statements: lines.statements,
        unbuilt: unbuilt::find(reading),
    };
    complaints.reach(reading);
    keeping
}

fn plan(reading: &Reading, lines: &Lines, keep: &Keep) -> KeepPlan {
    let written = match lines.section(keep.line) {
        Some(Section::Keep(index)) => reading.draft.keeps.get(index),
        _ => None,
    };
    let kind = match keep.home {
        Home::Pool(pool) => reading.draft.pools.get(pool.0 as usize),
        Home::Embedded => None,
    };
    let known = kind.and_then(|pool| backends::capabilities(pool.kind));
    let has_templates = keep.layout == Layout::Plugin && known.is_some_and(|kind| !kind.templates.is_empty());
    KeepPlan {
        spec: KeepSpec {
            layout: keep.layout,
            mode: keep.mode,
            ttl: keep.ttl,
            templates: written
                .filter(|_| has_templates)
                .map(|keep| keep.templates.clone())
                .unwrap_or_default(),
        },
        init_schema: written.and_then(|keep| keep.init_default_schema).unwrap_or(false),
        batch_size: written.map_or(BATCH_SIZE, |keep| {
            usize::try_from(keep.batch_size).unwrap_or(usize::MAX)
        }),
        batch_time: written.map_or(BATCH_TIME, |keep| Duration::from_millis(keep.batch_time_millis)),
    }
}
