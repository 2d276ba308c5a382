//! A simulated disk: seeded, in memory, and as unkind as POSIX permits.
//!
//! What a process sees is one thing, what a power cut leaves is another. A write is only promised to be there after
//! `sync` of its file; a create, a rename or a removal only after `sync_folder`. Until then any part may survive a
//! crash, sector by sector and in any order ([`SimDisk::crash`]). Beside that any call can be made to fail
//! ([`SimDisk::fail`]), the disk can run full ([`SimDisk::set_capacity`]), the power can go at a given call
//! ([`SimDisk::power_off_at`]), and bits can flip ([`SimDisk::flip`]).
//!
//! What it does not do: change the contents of a sector that was synced and not written since, lose a synced file, or
//! tear a sector of 512 bytes.

mod disk;
mod faults;
mod inode;
mod survival;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

pub use faults::{Call, Failure};

use faults::{Faults, Verdict};
use inode::Inode;
use survival::FolderChange;

/// What is written or lost as a whole.
pub const SECTOR_BYTES: usize = 512;

/// A simulated disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

struct State {
    faults: Faults,
    /// What a process sees.
    names: BTreeMap<String, usize>,
    /// What the last `sync_folder` made durable.
    names_durable: BTreeMap<String, usize>,
    /// What happened to names since.
    folder: Vec<FolderChange>,
    /// Every file there ever was, by number; those without a name may still be open.
    inodes: Vec<Inode>,
    capacity: u64,
    refusals: u64,
    watcher: Option<Watcher>,
}

type Watcher = Box<dyn FnMut(&Moment<'_>) + Send>;

impl SimDisk {
    /// An empty disk without faults. The seed decides what a half-done call leaves.
    pub fn new(seed: u64) -> SimDisk {
        SimDisk::with(seed, BTreeMap::new(), Vec::new(), u64::MAX)
    }

    fn with(seed: u64, names: BTreeMap<String, usize>, inodes: Vec<Inode>, capacity: u64) -> SimDisk {
        SimDisk(Arc::new(Mutex::new(State {
            faults: Faults::new(seed),
            names_durable: names.clone(),
            names,
            folder: Vec::new(),
            inodes,
            capacity,
            refusals: 0,
            watcher: None,
        })))
    }

    /// How many calls so far could have changed the disk: the points at which the power can go.
    pub fn calls(&self) -> u64 {
        self.0.lock().faults.changing
    }

    /// How many calls of a kind there were.
    pub fn calls_of(&self, call: Call) -> u64 {
        self.0.lock().faults.count(call)
    }

    /// The power goes at the n-th changing call from the beginning, counted from 1: that call is half done, answers
    /// with an error, and so does every later one.
    pub fn power_off_at(&self, call: u64) {
        self.0.lock().faults.power_off_at = Some(call);
    }

    /// The power goes now.
    pub fn power_off(&self) {
        self.0.lock().faults.off = true;
    }

    /// Whether the power is gone.
    pub fn is_off(&self) -> bool {
        self.0.lock().faults.off
    }

    /// Makes calls fail.
    pub fn fail(&self, failure: Failure) {
        self.0.lock().faults.failures.push(failure);
    }

    /// Takes all failures back that were asked for.
    pub fn heal(&self) {
        self.0.lock().faults.failures.clear();
    }

    /// How many bytes the files may have together.
    pub fn set_capacity(&self, bytes: u64) {
        self.0.lock().capacity = bytes;
    }

    /// Bytes of all files that have a name.
    pub fn used(&self) -> u64 {
        self.0.lock().used()
    }

    /// How often the disk had no room for what was asked.
    pub fn refusals(&self) -> u64 {
        self.0.lock().refusals
    }

    /// Changes one bit of a file, also of what is durable. Answers whether there is such a place.
    pub fn flip(&self, name: &str, offset: u64, bit: u8) -> bool {
        let mut state = self.0.lock();
        let Some(&number) = state.names.get(name) else {
            return false;
        };
        state.inodes[number].flip(offset as usize, bit)
    }

    /// The names and lengths of all files.
    pub fn files(&self) -> Vec<(String, u64)> {
        let state = self.0.lock();
        let len = |number: &usize| state.inodes[*number].live.len() as u64;
        state
            .names
            .iter()
            .map(|(name, number)| (name.clone(), len(number)))
            .collect()
    }

    /// Whether everything that was done is durable.
    pub fn is_synced(&self) -> bool {
        let state = self.0.lock();
        state.folder.is_empty()
            && state
                .names
                .values()
                .all(|&number| state.inodes[number].pending.is_empty())
    }

    /// The power goes, if it has not yet, and comes back: a new disk with what survived. The same seed on the same
    /// disk gives the same survivors. The old disk answers every call with an error from now on.
    pub fn crash(&self, seed: u64) -> SimDisk {
        self.power_off();
        self.what_if(seed)
    }

    /// The process ends, the machine goes on: a new disk that shows all that was done, of which as much is durable as
    /// before. The old disk answers every call with an error from now on.
    pub fn kill(&self) -> SimDisk {
        let mut state = self.0.lock();
        state.faults.off = true;
        let seed = state.faults.random.number();
        let disk = SimDisk::with(seed, state.names.clone(), state.inodes.clone(), state.capacity);
        {
            let mut next = disk.0.lock();
            next.names_durable = state.names_durable.clone();
            next.folder = state.folder.clone();
        }
        disk
    }

    /// What a crash now would leave, while this disk goes on.
    pub fn what_if(&self, seed: u64) -> SimDisk {
        survivor(&self.0.lock(), seed)
    }

    /// Shows every moment at which the power could go: before each changing call. (What is half done then, a crash
    /// finds as not synced.) The watcher is called with the disk locked and must not use it but through the moment.
    pub fn watch(&self, watcher: impl FnMut(&Moment<'_>) + Send + 'static) {
        self.0.lock().watcher = Some(Box::new(watcher));
    }

    /// Stops showing.
    pub fn unwatch(&self) {
        self.0.lock().watcher = None;
    }
}

/// A moment at which the power could go.
pub struct Moment<'a> {
    /// What was about to be called.
    pub call: Call,
    state: &'a State,
}

impl Moment<'_> {
    /// What a crash at this moment would leave.
    pub fn what_if(&self, seed: u64) -> SimDisk {
        survivor(self.state, seed)
    }

    /// How many changing calls were done.
    pub fn calls(&self) -> u64 {
        self.state.faults.changing
    }
}

fn survivor(state: &State, seed: u64) -> SimDisk {
    let (names, inodes) = survival::survivors(state, seed);
    SimDisk::with(seed, names, inodes, state.capacity)
}

impl State {
    /// Counts a call, shows the moment, and says how the call goes.
    fn begin(&mut self, call: Call) -> Verdict {
        if call.changes()
            && !self.faults.off
            && let Some(mut watcher) = self.watcher.take()
        {
            watcher(&Moment { call, state: self });
            self.watcher = Some(watcher);
        }
        self.faults.verdict(call)
    }

    fn used(&self) -> u64 {
        self.names
            .values()
            .map(|&number| self.inodes[number].live.len() as u64)
            .sum()
    }
}
