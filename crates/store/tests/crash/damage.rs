//! Bits that flip on the disk: what is shown is right or missing, never wrong, and what is missing is counted.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use restante_store::{
    conformance::{
        observed::{Observed, observe},
        random::Random,
        state::State,
    },
    contract::Store,
    sim::SimDisk,
};

use crate::{
    opening::{open, settings},
    runs::Run,
};

/// Runs a history to its end; answers the disk and what must be on it.
fn written(seed: u64) -> (SimDisk, Run) {
    let disk = SimDisk::new(seed);
    let mut run = Run::begin(seed, Arc::new(disk.clone())).expect("the store opens");
    run.operations(200).expect("the run goes well");
    run.opened.store.close().expect("the store closes");
    (disk, run)
}

/// Every message that is shown is one that was published, unchanged and in order.
fn nothing_is_wrong(found: &Observed, state: &State) -> Result<bool, String> {
    let mut complete = true;
    for (id, seen) in &found.sessions {
        for owed in &seen.backlog {
            match &owed.message {
                Ok(message) if state.message(owed.seq) == Some(message) => {}
                Ok(message) => return Err(format!("{id:?} is shown {message:?}, which was never published")),
                Err(_) => complete = false,
            }
        }
        if !seen.backlog.is_sorted_by(|a, b| a.seq < b.seq) {
            return Err(format!("the backlog of {id:?} is out of order"));
        }
    }
    for message in &found.retained {
        if state.message(message.seq) != Some(message) {
            return Err(format!("{message:?} is retained and was never published"));
        }
    }
    Ok(complete && *found == state.observed())
}

/// Opens a disk on which bits have flipped. Answers whether anything was missing.
fn look(disk: SimDisk, run: &Run) -> Result<bool, String> {
    let looked = catch_unwind(AssertUnwindSafe(|| {
        let opened = open(Arc::new(disk), settings(&run.clock))?;
        let found = observe(&opened.driver, &run.state, 25);
        let whole = nothing_is_wrong(&found, &run.state)?;
        let damaged = opened.store.figures().damaged;
        if !whole && damaged == 0 {
            return Err("something is missing and nothing is counted".to_owned());
        }
        Ok(!whole)
    }));
    looked.unwrap_or_else(|_| Err("a panic".into()))
}

fn flip(disk: &SimDisk, random: &mut Random, ending: &str) -> Option<String> {
    let files = disk.files();
    let files: Vec<_> = files
        .iter()
        .filter(|(name, len)| name.ends_with(ending) && *len > 0)
        .collect();
    let (name, len) = random.choose(&files)?;
    let offset = random.within(0..*len);
    disk.flip(name, offset, random.within(0..8) as u8);
    Some(format!("{name} at {offset}"))
}

#[test]
fn a_flipped_bit_in_a_segment_is_reported_and_the_store_opens() {
    let (disk, run) = written(11);
    let mut random = Random::new(11);
    let mut missing = 0;
    for round in 0..150 {
        let disk = disk.what_if(round);
        let place = flip(&disk, &mut random, ".seg").expect("there are segments");
        missing +=
            usize::from(look(disk, &run).unwrap_or_else(|why| panic!("round {round}, {place}: {why}")));
    }
    assert!(missing > 10, "the flips hit something: {missing}");
}

#[test]
fn a_flipped_bit_in_an_index_costs_nothing() {
    let (disk, run) = written(12);
    let mut random = Random::new(12);
    for round in 0..60 {
        let disk = disk.what_if(round);
        let place = flip(&disk, &mut random, ".idx").expect("there are indexes");
        let missing = look(disk, &run).unwrap_or_else(|why| panic!("round {round}, {place}: {why}"));
        assert!(
            !missing,
            "round {round}, {place}: an index is made again from its segment"
        );
    }
}

#[test]
fn flipped_bits_anywhere_bring_nothing_wrong_to_light() {
    let (disk, run) = written(13);
    let mut random = Random::new(13);
    for round in 0..80 {
        let disk = disk.what_if(round);
        let places: Vec<_> = (0..8).filter_map(|_| flip(&disk, &mut random, "")).collect();
        match look(disk, &run) {
            Ok(_) => {}
            // A store may refuse what it cannot trust, in a sentence.
            Err(why) if why.starts_with("cannot open: ") => {}
            Err(why) => panic!("round {round}, {places:?}: {why}"),
        }
    }
}
