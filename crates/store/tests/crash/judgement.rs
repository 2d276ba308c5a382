//! Judging what a crash left: it must be a prefix of what was submitted, with everything in it that was durable.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use restante_model::Seq;
use restante_store::{
    batch::Batch,
    conformance::{
        Clock,
        observed::{difference, excess, observe},
        state::State,
    },
    contract::Store,
    io::Disk,
};

use crate::{
    journal::Journal,
    opening::{Opened, open, settings},
};

/// A disk after a crash, and what is known of the moment.
pub(crate) struct Case {
    pub(crate) disk: Arc<dyn Disk>,
    /// What the store had called durable.
    pub(crate) durable: Seq,
    /// How many batches had been submitted.
    pub(crate) submitted: usize,
    /// The highest sequence it had ever given out.
    pub(crate) highest: Seq,
    pub(crate) clock: Clock,
    pub(crate) page: usize,
}

/// Opens the store and finds the prefix that it holds: answers the store and the state it is in.
pub(crate) fn judge(case: &Case, journal: &Journal) -> Result<(Opened, State), String> {
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let opened = open(case.disk.clone(), settings(&case.clock))?;
        let state = find_prefix(&opened, case, journal)?;
        let next = opened.store.submit(Batch::default()).first;
        if next <= case.highest {
            return Err(format!(
                "{next} is given again, up to {} had been given (K4)",
                case.highest
            ));
        }
        Ok((opened, state))
    }));
    judged.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(format!(
            "a panic: {}",
            text.unwrap_or_else(|| "without words".into())
        ))
    })
}

/// The state of the longest prefix that shows exactly what the store shows.
fn find_prefix(opened: &Opened, case: &Case, journal: &Journal) -> Result<State, String> {
    let driver = &opened.driver;
    let damaged = driver.store().figures().damaged;
    if damaged > 0 {
        return Err(format!(
            "a crash is no damage: damaged={damaged} findings={:?}",
            opened.recovered.findings()
        ));
    }
    let (certain, later) = journal.at(case.durable, case.submitted);
    let last_time = journal.time_at(case.durable, case.submitted).millis();
    if opened.recovered.last_time() < last_time {
        let found = opened.recovered.last_time();
        return Err(format!(
            "the last time is {found:?}, but {last_time:?} was durable (K29)"
        ));
    }
    let mut prefixes = vec![certain.clone()];
    let mut state = certain;
    for batch in &later {
        for (ordinal, operation) in batch.operations.iter().enumerate() {
            state.apply(batch.span.first, batch.span.time, ordinal as u32, operation);
            prefixes.push(state.clone());
        }
    }
    let found = observe(driver, &state, case.page);
    let differs = |prefix: &State| {
        let open: Vec<_> = prefix
            .queues
            .iter()
            .map(|(&queue, &filter)| (queue, filter.to_owned()))
            .collect();
        if open != opened.queues {
            return Some(format!("queues: found {:?}, expected {open:?}", opened.queues));
        }
        difference(&found, &prefix.observed())
            .or_else(|| excess(driver, prefix))
            .or_else(|| ids_forgotten(opened, prefix))
    };
    let mut why = Vec::new();
    for (index, prefix) in prefixes.iter().enumerate().rev() {
        match differs(prefix) {
            None => return Ok(prefix.clone()),
            Some(difference) => why.push(format!("{index} records after durable: {difference}")),
        }
    }
    let (count, durable) = (prefixes.len() - 1, case.durable);
    Err(format!(
        "none of the {count} prefixes beyond durable {durable} fits: {}\n  or {}",
        why[why.len() - 1],
        why[0]
    ))
}

/// Ids are never used again, also when those who had them are gone.
fn ids_forgotten(opened: &Opened, state: &State) -> Option<String> {
    let (session, queue) = opened.recovered.highest_ids();
    let known = state.sessions_ever.last().is_none_or(|&last| last <= session)
        && state.queues_ever.last().is_none_or(|&last| last <= queue);
    let (sessions, queues) = (&state.sessions_ever, &state.queues_ever);
    (!known).then(|| {
        format!("the highest ids are {session:?} and {queue:?}, but {sessions:?} and {queues:?} were used")
    })
}
