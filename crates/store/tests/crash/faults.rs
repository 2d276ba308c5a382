//! Every kind of call failing once, at each of its turns: nothing after it counts as durable that is not, and the
//! next start finds everything that did.

use std::sync::Arc;

use restante_model::Seq;
use restante_store::{
    contract::Store,
    sim::{Call, Failure, SimDisk},
};

use crate::{
    judgement::{Case, judge},
    opening::has_failed,
    runs::Run,
};

/// Operations of a run.
const OPERATIONS: usize = 120;

/// Most turns of one kind that are tried; they are spread over the run.
const TURNS_MAX: u64 = 30;

fn begin(seed: u64, disk: &SimDisk) -> Result<Run, String> {
    Run::begin(seed, Arc::new(disk.clone()))
}

/// How many calls of a kind a run makes.
fn turns(seed: u64, call: Call) -> u64 {
    let disk = SimDisk::new(seed);
    let mut run = begin(seed, &disk).expect("the store opens");
    run.operations(OPERATIONS).expect("the run goes well");
    run.opened.store.close().expect("the store closes");
    disk.calls_of(call)
}

/// Runs with one failing call; answers whether the store failed over it.
fn run_with(seed: u64, failure: Failure) -> Result<bool, String> {
    let disk = SimDisk::new(seed);
    disk.fail(failure);
    let Ok(mut run) = begin(seed, &disk) else {
        // It could not be opened, and said so. The next start must find a sound place.
        disk.heal();
        let mut run = begin(seed, &disk)?;
        return run.operations(OPERATIONS).map(|()| true);
    };
    run.operations(OPERATIONS)?;
    let store = run.opened.store.clone();
    let failed = has_failed(&*store);
    let durable = store.durable();
    if failed {
        run.operations(20)?;
    }
    let closed = store.close();
    if failed && (store.durable() != durable || closed.is_ok()) {
        return Err(format!(
            "a failed store went on: {durable} {} {closed:?}",
            store.durable()
        ));
    }
    let durable = store.durable();
    drop((store, closed));
    let case = |disk: SimDisk, durable: Seq| Case {
        disk: Arc::new(disk),
        durable,
        submitted: run.journal.len(),
        highest: run.journal.highest().0,
        clock: run.clock.clone(),
        page: 20,
    };
    // The power goes.
    judge(&case(disk.what_if(seed), durable), &run.journal)
        .map_err(|why| format!("after a power cut: {why}"))?;
    // Or only the process ends: the next one finds what the system has in memory. What it shows, a power cut after
    // that must not take back.
    disk.heal();
    let (opened, state) =
        judge(&case(disk.clone(), durable), &run.journal).map_err(|why| format!("after a restart: {why}"))?;
    let mut run = run.resume(opened, state);
    run.operations(10)?;
    let durable = run.opened.store.durable();
    let case = Case {
        disk: Arc::new(disk.crash(seed ^ 1)),
        durable,
        submitted: run.journal.len(),
        highest: run.journal.highest().0,
        clock: run.clock.clone(),
        page: 20,
    };
    judge(&case, &run.journal).map_err(|why| format!("after a restart and a power cut: {why}"))?;
    Ok(failed)
}

/// Answers how often the store failed over it.
fn each_turn_fails_once(seed: u64, call: Call, full: bool) -> usize {
    let turns = turns(seed, call);
    let step = turns.div_ceil(TURNS_MAX).max(1);
    let mut failed = 0;
    for nth in (1..=turns).step_by(step as usize) {
        let failure = Failure {
            full,
            ..Failure::once(call, nth)
        };
        match run_with(seed, failure) {
            Ok(has_failed) => failed += usize::from(has_failed),
            Err(why) => panic!("seed {seed}, {failure:?}: {why}"),
        }
    }
    failed
}

#[test]
fn a_write_that_fails_is_never_called_durable() {
    assert!(
        each_turn_fails_once(1, Call::Write, false) > 0,
        "some writes are commits"
    );
}

#[test]
fn a_write_without_space_is_never_called_durable() {
    assert!(
        each_turn_fails_once(2, Call::Write, true) > 0,
        "some writes are commits"
    );
}

#[test]
fn a_sync_that_fails_is_never_called_durable_and_never_tried_again() {
    assert!(
        each_turn_fails_once(3, Call::Sync, false) > 0,
        "some syncs are commits"
    );
}

#[test]
fn a_create_that_fails_loses_nothing() {
    each_turn_fails_once(4, Call::Create, false);
    each_turn_fails_once(5, Call::Create, true);
}

#[test]
fn a_rename_or_removal_that_fails_loses_nothing() {
    each_turn_fails_once(6, Call::Rename, false);
    each_turn_fails_once(7, Call::Remove, false);
}

#[test]
fn a_folder_sync_that_fails_loses_nothing() {
    each_turn_fails_once(8, Call::SyncFolder, false);
}

#[test]
fn a_look_at_the_disk_that_fails_loses_nothing() {
    for call in [Call::Open, Call::List, Call::FreeBytes, Call::Len, Call::SetLen] {
        each_turn_fails_once(9, call, false);
    }
}
