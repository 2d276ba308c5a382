//! What was taken away from outside, and had been acknowledged, is named, counted and told: by the start and by `verify`.

use std::{io::IoSlice, sync::Arc};

use restante_store::{contract::Store, io::Disk, log::verify, sim::SimDisk};

use crate::on_disk::{LATER, Open, SEGMENT, all, files, open};

/// How a file is lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Removed,
    Emptied,
    Zeroed,
    Overwritten,
}

const LOSSES: [Loss; 4] = [Loss::Removed, Loss::Emptied, Loss::Zeroed, Loss::Overwritten];

impl Loss {
    fn happen(self, disk: &SimDisk, name: &str) {
        let file = Disk::open(disk, name).expect("the file opens");
        let len = file.len().expect("the file has a length") as usize;
        let write = |bytes: Vec<u8>| file.write_at(0, &[IoSlice::new(&bytes)]).expect("it is written");
        match self {
            Loss::Removed => disk.remove(name).expect("it is removed"),
            Loss::Emptied => file.set_len(0).expect("it is emptied"),
            Loss::Zeroed => write(vec![0; len]),
            Loss::Overwritten => write((0..len).map(|at| (at * 7 + at / 251) as u8 | 1).collect()),
        }
    }
}

/// A store that was killed with 600 messages owed, in several segments; and its segments with messages, oldest first.
fn killed() -> (SimDisk, Vec<String>) {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.publish(&[1], 0..600);
    // A question is answered when all before it is applied: from here on the store knows all its segments.
    assert_eq!(store.numbers(1).len(), 600);
    // The house has written the indexes of those that are sealed.
    store.driver.until("indexes are written", || {
        let written = |(name, len): &(String, u64)| name.ends_with(".idx") && *len > 0;
        disk.files().iter().filter(|file| written(file)).count() as u64 == store.segments() - 1
    });
    let killed = disk.kill();
    drop(store);
    let has_blocks = |name: &String| {
        let mut bytes = [0; 4];
        let file = Disk::open(&killed, name).expect("the file opens");
        file.read_at(512, &mut bytes).is_ok() && bytes == *b"RBLK"
    };
    let segments = files(&killed, "log-", ".seg")
        .into_iter()
        .filter(has_blocks)
        .collect();
    (killed, segments)
}

/// Both say that this file is damaged, and the start says it once and goes on without it. Answers the open store.
fn is_told(disk: &SimDisk, name: &str, what: &str) -> Open {
    let names_it = |lines: &[String]| {
        lines
            .iter()
            .any(|line| line.contains(name) && !line.contains("nobody was told"))
    };
    let verified = verify(Arc::new(disk.clone())).expect("it can be looked into");
    assert!(
        verified.damaged > 0 && names_it(&verified.problems),
        "{what}: {:?}",
        verified.problems
    );
    let store = open(disk);
    assert!(names_it(&store.findings), "{what}: {:?}", store.findings);
    assert!(store.store.figures().damaged > 0, "{what}");
    store
}

#[test]
fn a_segment_that_was_lost_is_told() {
    let (_, segments) = killed();
    let last = segments.len() - 1;
    assert!(last >= 3, "{segments:?}");
    for place in [0, 1, last - 1, last] {
        for loss in LOSSES {
            let (disk, segments) = killed();
            let (name, what) = (&segments[place], format!("{loss:?} {place} of {last}"));
            loss.happen(&disk, name);
            let store = is_told(&disk, name, &what);
            // The others are there, unless the sessions themselves were in it: no checkpoint had been lost.
            let left = store.numbers(1);
            assert!(left.iter().all(Option::is_some), "{what}: {left:?}");
            assert!(
                left.len() < 600 && (place == 0 || left.len() > 300),
                "{what}: {}",
                left.len()
            );
            store.publish(&[1], 600..610);
            store.close();
            let store = open(&disk);
            assert_eq!(store.findings, [""; 0], "{what}: told once");
            assert_eq!(store.numbers(1).len(), left.len() + 10, "{what}");
        }
    }
}

#[test]
fn a_last_segment_that_was_cut_is_not_taken_for_a_torn_commit() {
    for part in [1, 2, 3] {
        let (disk, segments) = killed();
        let name = segments.last().expect("a segment");
        let file = Disk::open(&disk, name).expect("the file opens");
        assert_eq!(file.len().expect("the file has a length"), SEGMENT);
        file.set_len(SEGMENT * part / 16).expect("it is cut");
        let store = is_told(&disk, name, "cut");
        assert_eq!(store.store.figures().damaged, 1);
        let left = store.numbers(1);
        assert!(left.len() < 600 && left == all(0..left.len() as u64), "{left:?}");
        store.close();
        assert_eq!(open(&disk).findings, [""; 0], "told once");
    }
}

#[test]
fn a_sealed_segment_that_was_cut_is_told_at_the_start() {
    let (disk, segments) = killed();
    let file = Disk::open(&disk, &segments[1]).expect("the file opens");
    file.set_len(SEGMENT / 2).expect("it is cut");
    let store = is_told(&disk, &segments[1], "cut");
    let left = store.numbers(1);
    let there = left.iter().filter(|number| number.is_some()).count();
    assert!(left.len() == 600 && (450..600).contains(&there), "{there}");
}

#[test]
fn segments_that_were_mixed_up_are_told_and_can_be_put_back() {
    let (_, segments) = killed();
    let last = segments.len() - 1;
    for (one, other) in [(0, 1), (1, last), (last - 1, last)] {
        let (disk, segments) = killed();
        let swap = |one: &str, other: &str| {
            disk.rename(one, "aside").expect("it is renamed");
            disk.rename(other, one).expect("it is renamed");
            disk.rename("aside", other).expect("it is renamed");
        };
        swap(&segments[one], &segments[other]);
        let before = disk.files();
        let verified = verify(Arc::new(disk.clone())).expect("it can be looked into");
        for name in [&segments[one], &segments[other]] {
            assert!(
                verified.problems.iter().any(|problem| problem.contains(name)),
                "{:?}",
                verified.problems
            );
        }
        assert!(verified.damaged > 0);
        assert_eq!(disk.files(), before, "verify changes nothing");
        // Put back, all is there.
        swap(&segments[one], &segments[other]);
        let whole = open(&disk.what_if(0));
        assert_eq!((whole.findings.len(), whole.numbers(1).len()), (0, 600));
        drop(whole);
        swap(&segments[one], &segments[other]);
        let store = is_told(&disk, &segments[one], "mixed up");
        assert!(store.numbers(1).len() < 600);
        assert_eq!(
            files(&disk, "log-", ".damaged").len(),
            2,
            "nothing of it is overwritten"
        );
    }
}

#[test]
fn a_checkpoint_that_was_lost_is_told() {
    for loss in LOSSES {
        let disk = SimDisk::new(1);
        let store = open(&disk);
        store.subscribe(1);
        store.publish(&[1], 0..10);
        store.close();
        // From here on the segments say that there was one.
        open(&disk).publish(&[1], 10..20);
        let states = files(&disk, "state-", ".st");
        assert_eq!(states.len(), 1, "there was a checkpoint");
        loss.happen(&disk, &states[0]);
        let verified = verify(Arc::new(disk.clone())).expect("it can be looked into");
        let is_of_it = |line: &String| line.contains("checkpoint is missing or damaged");
        assert!(
            verified.damaged > 0 && verified.problems.iter().any(is_of_it),
            "{loss:?}"
        );
        let store = open(&disk);
        assert!(
            store.findings.iter().any(is_of_it),
            "{loss:?}: {:?}",
            store.findings
        );
        assert!(store.store.figures().damaged > 0);
    }
}

/// Files come and go in a long life, and no start takes that for damage.
#[test]
fn what_the_store_removes_by_itself_is_not_told() {
    let disk = SimDisk::new(1);
    for life in 0..12u64 {
        let store = open(&disk);
        assert_eq!(store.findings, [""; 0], "life {life}");
        if life == 0 {
            store.subscribe(1);
            store.subscribe(2);
        }
        let last = store.publish(&[1], 0..150 + 10 * life);
        store.publish(&[2], 0..1);
        store.acknowledge(1, last);
        for _ in 0..life % 4 {
            store.driver.tick(LATER);
        }
        if life % 3 == 0 {
            store.close();
        }
    }
    let verified = verify(Arc::new(disk)).expect("it can be looked into");
    assert_eq!(
        (verified.damaged, verified.problems.len()),
        (0, 0),
        "{:?}",
        verified.problems
    );
}

#[test]
fn a_name_that_cannot_be_ours_is_left_alone() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.publish(&[1], 0..10);
    store.close();
    disk.create("log-9999999-99999999.seg", 100).expect("it is made");
    let store = open(&disk);
    assert_eq!((store.findings.len(), store.numbers(1)), (0, all(0..10)));
    assert_eq!(files(&disk, "log-9999999", "").len(), 1);
}
