//! What goes wrong when: failures that were asked for, and the power.

use std::io;

use crate::conformance::random::Random;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(
    missing_docs,
    reason = "each is the function of that name in `Disk` or `DiskFile`"
)]
pub enum Call {
    Create,
    Open,
    List,
    Rename,
    Remove,
    SyncFolder,
    FreeBytes,
    Read,
    Write,
    Sync,
    Len,
    SetLen,
}

impl Call {
    /// All kinds.
    pub const ALL: [Call; 12] = [
        Call::Create,
        Call::Open,
        Call::List,
        Call::Rename,
        Call::Remove,
        Call::SyncFolder,
        Call::FreeBytes,
        Call::Read,
        Call::Write,
        Call::Sync,
        Call::Len,
        Call::SetLen,
    ];

    /// Whether it could change what is on the disk.
    pub fn changes(self) -> bool {
        !matches!(
            self,
            Call::Open | Call::List | Call::FreeBytes | Call::Read | Call::Len
        )
    }
}

/// A call that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which kind.
    pub call: Call,
    /// Which one of these, counted from 1 since the disk was made.
    pub nth: u64,
    /// How many from there on fail.
    pub times: u64,
    /// With ENOSPC instead of EIO.
    pub full: bool,
}

impl Failure {
    /// The n-th call of a kind fails with EIO, once.
    pub fn once(call: Call, nth: u64) -> Failure {
        Failure {
            call,
            nth,
            times: 1,
            full: false,
        }
    }

    /// ENOSPC.
    pub(super) fn no_space() -> io::Error {
        io::Error::from_raw_os_error(28)
    }

    fn error(&self) -> io::Error {
        const EIO: i32 = 5;
        if self.full {
            Failure::no_space()
        } else {
            io::Error::from_raw_os_error(EIO)
        }
    }

    fn strikes(&self, call: Call, count: u64) -> bool {
        self.call == call && count >= self.nth && count - self.nth < self.times
    }
}

/// How a call goes.
pub(super) enum Verdict {
    /// As asked.
    Done,
    /// It fails, and may have done any part of its work.
    Half(io::Error),
    /// It fails and does nothing.
    Not(io::Error),
}

impl Verdict {
    /// For calls that change nothing.
    pub(super) fn all_or_nothing(self) -> io::Result<()> {
        match self {
            Verdict::Done => Ok(()),
            Verdict::Half(error) | Verdict::Not(error) => Err(error),
        }
    }

    /// For calls that are done wholly or not at all: an error, unless it is to be done; with an error to give
    /// afterwards if it fails all the same.
    pub(super) fn perhaps(self) -> io::Result<Option<io::Error>> {
        match self {
            Verdict::Done => Ok(None),
            Verdict::Half(error) => Ok(Some(error)),
            Verdict::Not(error) => Err(error),
        }
    }
}

/// The faults of one disk.
pub(super) struct Faults {
    pub(super) random: Random,
    counts: [u64; Call::ALL.len()],
    /// Calls that could change the disk.
    pub(super) changing: u64,
    pub(super) power_off_at: Option<u64>,
    pub(super) off: bool,
    pub(super) failures: Vec<Failure>,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Faults {
        Faults {
            random: Random::new(seed),
            counts: [0; Call::ALL.len()],
            changing: 0,
            power_off_at: None,
            off: false,
            failures: Vec::new(),
        }
    }

    pub(super) fn count(&self, call: Call) -> u64 {
        self.counts[call as usize]
    }

    /// Counts a call and says how it goes.
    pub(super) fn verdict(&mut self, call: Call) -> Verdict {
        if self.off {
            return Verdict::Not(power_is_off());
        }
        self.counts[call as usize] += 1;
        if call.changes() {
            self.changing += 1;
            if self.power_off_at.is_some_and(|at| self.changing >= at) {
                self.off = true;
                return self.half(power_is_off(), call);
            }
        }
        let count = self.counts[call as usize];
        match self.failures.iter().find(|failure| failure.strikes(call, count)) {
            Some(failure) => self.half(failure.error(), call),
            None => Verdict::Done,
        }
    }

    /// Writes and creates may be done in part, the others wholly or not at all.
    fn half(&mut self, error: io::Error, call: Call) -> Verdict {
        let in_part = matches!(call, Call::Write | Call::Create | Call::Sync);
        if in_part || self.random.one_in(2) {
            Verdict::Half(error)
        } else {
            Verdict::Not(error)
        }
    }
}

fn power_is_off() -> io::Error {
    io::Error::other("the simulated power is off")
}
