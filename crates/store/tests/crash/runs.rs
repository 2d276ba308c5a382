//! Runs of a history, with a crash at every call or at chosen ones.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use restante_model::{Seq, UnixMicros};
use restante_store::{
    conformance::{
        Clock,
        history::{History, Payloads},
        random::Random,
        state::State,
    },
    contract::Store,
    io::Disk,
    log::{LogSettings, Sync},
    sim::{Call, SimDisk},
};

use crate::{
    journal::Journal,
    judgement::{Case, judge},
    opening::{NODE, Opened, has_failed, open, pass, settings, settle},
};

/// A run of 200 operations fills and empties many segments; a few messages are larger than a segment.
const PAYLOADS: Payloads = Payloads {
    long_one_in: 4,
    bytes_max: 18_000,
};

/// How a disk is made into the one that the store gets: as it is, or spoiled.
pub(crate) type Wrap = fn(SimDisk) -> Arc<dyn Disk>;

/// As it is.
pub(crate) fn plain(disk: SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk)
}

/// Drives one store through a history.
pub(crate) struct Run {
    pub(crate) opened: Opened,
    pub(crate) journal: Journal,
    pub(crate) history: History,
    pub(crate) state: State,
    pub(crate) clock: Clock,
}

impl Run {
    /// A new store on a disk.
    pub(crate) fn begin(seed: u64, disk: Arc<dyn Disk>) -> Result<Run, String> {
        let clock = Clock::default();
        let opened = open(disk, settings(&clock))?;
        let state = State::new(NODE);
        Ok(Run {
            journal: Journal::new(state.clone(), Seq::ZERO, UnixMicros(0)),
            history: History::new(seed, PAYLOADS),
            opened,
            state,
            clock,
        })
    }

    /// Goes on after a crash; no machine is back within a second.
    pub(crate) fn resume(self, opened: Opened, state: State) -> Run {
        let (highest, time) = self.journal.highest();
        pass(&self.clock, 1_000_000);
        Run {
            journal: Journal::new(state.clone(), highest, time),
            opened,
            state,
            ..self
        }
    }

    /// Submits batches until so many operations were submitted or the store has failed.
    pub(crate) fn operations(&mut self, count: usize) -> Result<(), String> {
        let driver = &self.opened.driver;
        let mut done = 0;
        while done < count && !has_failed(driver.store()) {
            let operations = self.history.batch(&self.state);
            done += operations.len();
            let span = self.journal.submit(driver.store(), operations.clone())?;
            self.state.apply_all(span, &operations);
            let random = self.history.random();
            pass(&self.clock, random.within(1..500_000));
            // Mostly one batch at a time, sometimes several in one commit.
            if !random.one_in(4) {
                settle(driver, span.last);
            }
            if random.one_in(3) {
                driver.store().tick(self.clock.now().millis());
            }
        }
        settle(driver, self.journal.highest().0);
        Ok(())
    }
}

/// Runs a history once and judges a crash at every moment at which the power could go. Answers how many there were.
pub(crate) fn crash_everywhere(
    seed: u64,
    operations: usize,
    wrap: Wrap,
    sync: Sync,
) -> Result<usize, String> {
    let disk = SimDisk::new(seed);
    let store: Arc<OnceLock<Arc<dyn Store>>> = Arc::default();
    let journal = Journal::new(State::new(NODE), Seq::ZERO, UnixMicros(0));
    let (sender, receiver) = mpsc::sync_channel::<(u64, Case)>(4);
    let clock = Clock::default();
    disk.watch({
        let (store, journal, clock) = (store.clone(), journal.clone(), clock.clone());
        move |moment| {
            // What is durable is asked first: what comes meanwhile need not be there.
            let durable = match (sync, store.get()) {
                (Sync::Always, Some(store)) => store.durable(),
                // Any prefix may be there.
                _ => Seq::ZERO,
            };
            let case = Case {
                disk: wrap(moment.what_if(seed ^ moment.calls())),
                durable,
                submitted: journal.len(),
                highest: journal.highest().0,
                clock: clock.clone(),
                page: 1 + moment.calls() as usize % 40,
            };
            // Nobody listens any more after the first failure.
            _ = sender.send((moment.calls(), case));
        }
    });
    let receiver = Arc::new(Mutex::new(receiver));
    let crashes = AtomicUsize::new(0);
    let result = thread::scope(|scope| {
        let judges: Vec<_> = (0..2)
            .map(|_| {
                let (receiver, journal, crashes) = (receiver.clone(), journal.clone(), &crashes);
                scope.spawn(move || judge_all(seed, &receiver, &journal, crashes))
            })
            .collect();
        drop(receiver);
        let run = (|| {
            let opened = open(
                wrap(disk.clone()),
                LogSettings {
                    sync,
                    ..settings(&clock)
                },
            )?;
            _ = store.set(opened.store.clone());
            let mut run = Run {
                opened,
                journal: journal.clone(),
                history: History::new(seed, PAYLOADS),
                state: State::new(NODE),
                clock: clock.clone(),
            };
            run.operations(operations)?;
            run.opened.store.close().map_err(|error| error.to_string())
        })();
        disk.unwatch();
        let judged: Result<Vec<()>, String> = judges
            .into_iter()
            .map(|judge| judge.join().unwrap_or_else(|_| Err("a judge panicked".into())))
            .collect();
        judged.and(run)
    });
    result.map(|()| crashes.into_inner())
}

type Cases = Mutex<mpsc::Receiver<(u64, Case)>>;

fn judge_all(seed: u64, cases: &Cases, journal: &Journal, crashes: &AtomicUsize) -> Result<(), String> {
    let mut result = Ok(());
    loop {
        let next = cases.lock().map_err(|_| "the other judge panicked")?.recv();
        let Ok((call, case)) = next else {
            return result;
        };
        // After the first failure the rest is only taken off the run's hands.
        if result.is_err() {
            continue;
        }
        crashes.fetch_add(1, Ordering::Relaxed);
        if let Err(why) = judge(&case, journal) {
            result = Err(format!("seed {seed}, crash before call {}: {why}", call + 1));
        }
    }
}

/// Runs a long history through so many crashes in a row, each at a chosen call, some of them while the store
/// recovers from the one before.
pub(crate) fn crash_again_and_again(seed: u64, crashes: usize, wrap: Wrap) -> Result<(), String> {
    let mut random = Random::new(seed ^ 0xC4A5);
    let mut disk = SimDisk::new(seed);
    let mut run = Run::begin(seed, wrap(disk.clone()))?;
    for crash in 0..crashes {
        let at = |why: String| format!("seed {seed}, crash {crash}: {why}");
        disk.power_off_at(disk.calls() + random.within(1..120));
        run.operations(random.within(5..250) as usize).map_err(at)?;
        let durable = run.opened.store.durable();
        if random.one_in(10)
            && let Err(error) = run.opened.store.close()
            && !disk.is_off()
        {
            return Err(at(error.to_string()));
        }
        // The machine, or only the process.
        disk = if random.one_in(4) {
            disk.kill()
        } else {
            disk.crash(random.number())
        };
        let submitted = run.journal.len();
        let mut second_crashes = 0;
        let (opened, state) = loop {
            // A crash in the middle of recovery: the next one finds what was durable all the same.
            let interrupted = second_crashes < 2 && random.one_in(3);
            if interrupted {
                disk.power_off_at(random.within(1..25));
            }
            let case = Case {
                disk: wrap(disk.clone()),
                durable,
                submitted,
                highest: run.journal.highest().0,
                clock: run.clock.clone(),
                page: random.within(1..50) as usize,
            };
            match judge(&case, &run.journal) {
                Ok(judged) if !disk.is_off() => break judged,
                Err(why) if !disk.is_off() => return Err(at(why)),
                // The power went while it was judged: whatever was seen counts for nothing.
                _ => second_crashes += 1,
            }
            disk = disk.crash(random.number());
        };
        run = run.resume(opened, state);
    }
    Ok(())
}

/// The short runs meet what they are meant to meet: segments that fill, are sealed, emptied, merged and used again, and
/// state files that are replaced. When depends on the store's threads, so it is counted over several seeds.
#[test]
fn short_runs_wear_the_store() {
    let mut kinds = [0; 5];
    let mut removed = 0;
    for seed in 1..=6 {
        let disk = SimDisk::new(seed);
        let names: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        disk.watch({
            let names = names.clone();
            move |moment| {
                let disk = moment.what_if(0);
                let mut names = names.lock().expect("nobody panics");
                for (name, _) in disk.files() {
                    if is_merged(&disk, &name) {
                        names.insert(format!("merged {name}"));
                    }
                    names.insert(name);
                }
            }
        });
        let mut run = Run::begin(seed, plain(disk.clone())).expect("the store opens");
        run.operations(200).expect("the run goes well");
        run.opened.store.close().expect("the store closes");
        disk.unwatch();
        let names = names.lock().expect("nobody panics");
        let of_kinds = [
            ("log", ".seg"),
            ("log", ".idx"),
            ("state", ""),
            ("spare", ""),
            ("merged", ""),
        ];
        for (kind, (begins, ends)) in of_kinds.into_iter().enumerate() {
            let is_of_kind = |name: &&String| name.starts_with(begins) && name.ends_with(ends);
            kinds[kind] += names.iter().filter(is_of_kind).count();
        }
        removed += disk.calls_of(Call::Remove);
    }
    let enough = kinds[0] >= 40 && kinds[1] >= 30 && kinds[2] >= 4 && kinds[3] >= 1 && kinds[4] >= 1;
    assert!(enough && removed >= 10, "{kinds:?}, {removed} removed");
}

/// Whether a segment's header names those that it replaces.
fn is_merged(disk: &SimDisk, name: &str) -> bool {
    const SOURCES_AT: u64 = 40;
    let mut sources = [0; 4];
    let read = disk
        .open(name)
        .and_then(|file| file.read_at(SOURCES_AT, &mut sources));
    name.starts_with("log") && name.ends_with(".seg") && read.is_ok() && sources != [0; 4]
}
