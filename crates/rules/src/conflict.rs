//! Two lines held against each other: two sources of backlog, two forms of one table, the same twice.

use crate::{
    finding::{Doubt, Refusal},
    gather::Gathered,
    keep::{Home, Keep, KeepIndex},
    line::LineIndex,
    rule::{Action, overlaps},
};

impl Gathered {
    /// Holds every two lines that fetch, or that store, against each other.
    pub(crate) fn compare(&mut self) {
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
