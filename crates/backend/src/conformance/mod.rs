//! One suite for all backends: what the contract says, tried on a real server.
//!
//! ```text
//! let report = restante_backend::conformance::run(&MyGround).await;
//! report.assert_passed();
//! ```
//!
//! A [`Ground`] gives an empty backend for each case. Which cases there are follows from the backend's own
//! capabilities. Every case is a function that answers with a sentence when the contract was broken, so the suite can be
//! held against backends that are broken on purpose (K54); that is done in its own tests, on a backend in memory.

mod backlog;
mod fields;
mod latest;
mod messages;
mod oddities;
mod positions;
mod statements;
mod tables;

#[cfg(test)]
mod broken;
#[cfg(test)]
mod memory;

use std::{collections::BTreeMap, io::Write as _, sync::Arc};

use crate::{
    Backend, Work,
    messages::{KeepSpec, Layout, Mode},
};

/// Where a backend is tried.
pub trait Ground: Send + Sync {
    /// A backend without messages, positions, subscriptions and all else, its tables made. What an earlier one wrote is
    /// gone.
    fn fresh(&self) -> Work<'_, Arc<dyn Backend>>;

    /// Whether payloads that are no text can be kept in a layout. A backend with text columns may refuse them.
    fn keeps_any_payload(&self, layout: Layout) -> bool {
        let _ = layout;
        true
    }

    /// Statements of the backend's own language, if it has the capability.
    fn statements(&self) -> Option<Samples> {
        None
    }
}

/// Statements to try, with the variables `clientid`, `topic` and `payload`.
#[derive(Clone, Copy, Debug)]
pub struct Samples {
    /// One that works with any values, and any number of times.
    pub good: &'static str,
    /// One that is accepted and then refused by the server, whatever the values.
    pub refused: &'static str,
    /// One with a variable that there is not, and the line and column where it stands.
    pub unknown: (&'static str, (u32, u32)),
}

/// What became of all cases.
#[derive(Debug)]
pub struct Report {
    /// Name and version of the server.
    pub server: String,
    /// Name of each case, and the sentence of those that failed.
    pub cases: Vec<(String, Verdict)>,
}

/// Nothing, or the sentence that says what was expected and what came.
pub type Verdict = Result<(), String>;

/// One case on its way.
type Running = Work<'static, Verdict>;

/// What a case is given.
#[derive(Clone)]
pub(crate) struct Trial {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) spec: KeepSpec,
    pub(crate) any_payload: bool,
    pub(crate) statements: Option<Samples>,
}

/// A case by its name.
type Case = (&'static str, fn(Trial) -> Running);

/// Runs all cases that the backend's capabilities call for, one after another.
pub async fn run(ground: &dyn Ground) -> Report {
    let backend = ground.fresh().await;
    let capabilities = backend.capabilities();
    let server = match backend.health().await {
        Ok(health) => health.server,
        Err(away) => format!("{} that is away: {}", capabilities.kind, away.why),
    };
    drop(backend);
    let mut cases = Vec::new();
    let first = capabilities.modes.first().copied();
    for &(layout, mode) in capabilities.modes {
        for (name, case) in cases_of(mode) {
            cases.push((format!("{layout:?} {mode:?}: {name}"), layout, mode, case));
        }
        if first == Some((layout, mode)) {
            for (name, case) in tables::CASES.iter().chain(statements::CASES) {
                cases.push(((*name).to_owned(), layout, mode, *case));
            }
        }
    }
    let mut report = Report {
        server,
        cases: Vec::new(),
    };
    for (name, layout, mode, case) in cases {
        let trial = Trial {
            backend: ground.fresh().await,
            spec: KeepSpec {
                layout,
                mode,
                ttl: None,
                templates: BTreeMap::new(),
            },
            any_payload: ground.keeps_any_payload(layout),
            statements: ground.statements(),
        };
        report.cases.push((name, case(trial).await));
    }
    report
}

fn cases_of(mode: Mode) -> Vec<Case> {
    let lists: &[&[Case]] = match mode {
        Mode::Queue => &[backlog::CASES, oddities::CASES],
        Mode::Pubsub => &[backlog::CASES, oddities::CASES, positions::CASES],
        Mode::Latest => &[latest::CASES],
        Mode::History => &[backlog::HISTORY_CASES],
    };
    lists.iter().flat_map(|list| list.iter().copied()).collect()
}

impl Report {
    /// The cases that failed, as lines.
    pub fn failures(&self) -> Vec<String> {
        let failed = self
            .cases
            .iter()
            .filter_map(|(name, verdict)| Some((name, verdict.as_ref().err()?)));
        failed.map(|(name, why)| format!("{name}: {why}")).collect()
    }

    /// Says which server was tried and with how many cases.
    ///
    /// # Panics
    /// When a case failed, with the sentences of all that did.
    pub fn assert_passed(&self) {
        let failures = self.failures();
        // Not `eprintln`: the test harness keeps that to itself when a test passes.
        let _ = writeln!(
            std::io::stderr(),
            "conformance against {}: {} of {} cases passed",
            self.server,
            self.cases.len() - failures.len(),
            self.cases.len()
        );
        assert!(!self.cases.is_empty(), "{} claims no capability", self.server);
        assert!(
            failures.is_empty(),
            "against {}, {} cases failed:\n{}",
            self.server,
            failures.len(),
            failures.join("\n")
        );
    }
}

/// Ends a case with a sentence when something is not so.
macro_rules! ensure {
    ($holds:expr, $($sentence:tt)+) => {
        if !$holds {
            return Err(format!($($sentence)+));
        }
    };
}
pub(crate) use ensure;

/// A list of cases from the functions of a module.
macro_rules! cases {
    ($($name:ident)*) => { &[$((stringify!($name), |trial| Box::pin($name(trial)))),*] };
}
pub(crate) use cases;
