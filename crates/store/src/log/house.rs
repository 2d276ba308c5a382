//! The house thread: everything that is not on the way of a message. It works when it is rung, one piece after another,
//! the most urgent first: the next segment, indexes, a checkpoint, files to be taken back, the sweep.

use std::{
    collections::HashSet,
    io::{self, IoSlice},
    sync::Arc,
};

use restante_model::UnixMillis;

use super::{
    backlog,
    checkpoint::Checkpoints,
    merge,
    names::{FileId, HALF_MADE},
    segment::{Sealed, SegmentFile},
    settings::Sync,
    shared::Shared,
    space::{self, RESERVE_SPARES},
    sweep::Sweep,
    tables::Tables,
};

/// Most ticks until a checkpoint that failed is tried again.
const CHECKPOINT_PAUSE_MAX: u32 = 16;

/// The state of the house.
pub(crate) struct Housekeeper {
    shared: Arc<Shared>,
    checkpoints: Checkpoints,
    sweep: Sweep,
    /// Not used any more, but perhaps still read.
    retired: Vec<Arc<Sealed>>,
    unused: Vec<Arc<SegmentFile>>,
    commits_then: u64,
    /// Segments with something damaged in them: they stay as they are.
    unmergeable: HashSet<FileId>,
    pause: Pause,
}

/// After a checkpoint that failed.
#[derive(Default)]
struct Pause {
    /// Ticks until the next one.
    left: u32,
    /// How long the last pause was; doubles from failure to failure.
    last: u32,
}

impl Housekeeper {
    pub(crate) fn new(shared: Arc<Shared>, checkpoints: Checkpoints) -> Housekeeper {
        Housekeeper {
            shared,
            checkpoints,
            sweep: Sweep::default(),
            retired: Vec::new(),
            unused: Vec::new(),
            commits_then: 0,
            unmergeable: HashSet::new(),
            pause: Pause::default(),
        }
    }

    /// Runs until the store is closed. Answers what went wrong with the last checkpoint.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let shared = self.shared.clone();
        let mut unwritten = Vec::new();
        loop {
            let (ticked, closed, hurry) = {
                let mut house = shared.house.lock();
                while !house.rung && !house.closed {
                    shared.house_bell.wait(&mut house);
                }
                house.rung = false;
                unwritten.append(&mut house.unwritten);
                self.unused.append(&mut house.unused);
                (house.ticked.take(), house.closed, house.hurry)
            };
            if closed {
                return match hurry || shared.failed().is_some() {
                    true => Ok(()),
                    false => self.leave(unwritten),
                };
            }
            if ticked.is_some() && shared.disk.is_gone() {
                shared.fail(
                    "the data folder or its lock was removed or replaced while the store was open; nothing more is \
                     acknowledged: put the folder back, then restart"
                        .into(),
                );
            }
            if shared.failed().is_some() {
                // Nobody knows what the disk holds, and perhaps it is another one's by now.
                continue;
            }
            self.prepare();
            self.write_indexes(&mut unwritten);
            self.checkpoint_if_due();
            if let Some(now) = ticked {
                self.tick(now);
            }
            self.recycle();
            space::look(&self.shared);
        }
    }

    fn prepare(&self) {
        if let Err(error) = self.shared.supply.prepare(&*self.shared.disk)
            && !self.shared.is_stalled()
        {
            self.shared.set_full(Some(format!(
                "cannot make the next segment: {error}; free some space"
            )));
        }
    }

    fn write_indexes(&self, unwritten: &mut Vec<Arc<Sealed>>) {
        let shared = &self.shared;
        // What fails stays in memory and is tried again when the house is rung the next time. A checkpoint has the first
        // claim to the last space there is.
        unwritten.retain(|sealed| {
            let bytes = sealed
                .index()
                .bytes_in_memory()
                .map_or(0, |bytes| bytes.len() as u64);
            !space::has_room_beside_checkpoint(shared, bytes) || write_index(shared, sealed).is_err()
        });
    }

    fn checkpoint_if_due(&mut self) {
        let since = self.shared.counters.bytes_committed() - self.checkpoints.bytes_then;
        // While the committer waits for space, a checkpoint is what lets segments be taken back.
        if since >= self.shared.settings.checkpoint_bytes || (since > 0 && self.shared.is_stalled()) {
            self.checkpoint();
        }
    }

    /// What fails is tried again after as much log again, or when space is short: the replay gets longer, no more.
    fn checkpoint(&mut self) {
        if self.pause.left > 0 {
            return;
        }
        let shared = &self.shared;
        let mut written = self.checkpoints.write(shared);
        if written.as_ref().is_err_and(space::is_for_space) && shared.supply.spares() > 0 {
            // It frees more than a spare file is worth.
            shared.supply.give_up_spares(&*shared.disk, 0);
            written = self.checkpoints.write(shared);
        }
        let last = match written {
            Ok(()) => 0,
            Err(_) => (2 * self.pause.last).clamp(1, CHECKPOINT_PAUSE_MAX),
        };
        self.pause = Pause { left: last, last };
    }

    fn tick(&mut self, now: UnixMillis) {
        let shared = self.shared.clone();
        {
            let mut tables = shared.tables.write();
            // Time never runs backwards here, whatever the clock does (K29).
            tables.now = tables.now.max(now);
        }
        shared.warm.cool();
        shared.page_memory.cool();
        self.pause.left = self.pause.left.saturating_sub(1);
        let mut sweep = std::mem::take(&mut self.sweep);
        sweep.tick(&shared, || self.prepare());
        self.sweep = sweep;
        if self.waits_for_mark() {
            self.checkpoint();
        }
        self.merge();
        backlog::look(&shared);
        let commits = shared.counters.bytes_committed();
        let idle = std::mem::replace(&mut self.commits_then, commits) == commits;
        let room = space::reserve(&shared) + 2 * shared.settings.segment_bytes;
        let has_room = shared.disk.free_bytes().is_ok_and(|free| free >= room);
        if idle && has_room && shared.supply.spares() < RESERVE_SPARES {
            // Zeros are written only while nobody else writes: it would cost a quarter of the commit rate.
            let _ = shared.supply.make_spare(&*shared.disk);
        }
    }

    /// Whether a segment could be taken back or merged if only its records were in a checkpoint.
    fn waits_for_mark(&self) -> bool {
        let tables = self.shared.tables.read();
        let from = self.checkpoints.mark.replay_from;
        let newest = tables.segments.sealed().iter().rev();
        newest
            .take_while(|held| held.segment.summary.last > from)
            .any(merge::is_sparse)
    }

    /// Merges segments of which little is needed: once a tick, so that it takes a bounded part of the disk.
    fn merge(&mut self) {
        let shared = &self.shared;
        let marked = self.checkpoints.mark.replay_from;
        let sources = merge::sources(&shared.tables.read(), marked, shared.settings.segment_bytes);
        let known = sources
            .iter()
            .any(|source| self.unmergeable.contains(&source.file.id));
        if sources.is_empty() || known {
            return;
        }
        // A merged segment that is merged again goes, and with it the knowledge of what it replaced: that must be gone
        // for good before.
        if !self.retired.is_empty() || shared.disk.sync_folder().is_err() {
            return;
        }
        match merge::merge(shared, &sources) {
            Ok(gone) if gone.is_empty() => self
                .unmergeable
                .extend(sources.iter().map(|source| source.file.id)),
            Ok(gone) => self.retired.extend(gone),
            // Space or the disk: tried again at the next tick.
            Err(_) => {}
        }
    }

    /// Takes back the segments that nobody needs.
    fn recycle(&mut self) {
        let shared = &self.shared;
        let from = self.checkpoints.mark.replay_from;
        let free = |tables: &Tables| -> Vec<u32> {
            let segments = &tables.segments;
            let unneeded = segments.sealed().iter().filter(|held| {
                let summary = &held.segment.summary;
                held.live == 0
                    && summary.last <= from
                    && segments.pinned(summary.first, summary.last).next().is_none()
            });
            unneeded.map(|held| held.segment.file.key).collect()
        };
        if !free(&shared.tables.read()).is_empty() {
            let mut tables = shared.tables.write();
            for key in free(&tables) {
                self.retired.extend(tables.segments.remove(key));
            }
        }
        let unused: Vec<_> = self.unused.drain(..).map(|file| (file.id, file.len)).collect();
        self.give_back(&unused);
        if self.retired.is_empty() || self.make_reasons_durable().is_err() {
            return;
        }
        // Only this list knows it: no reader, no index to be written.
        let is_free =
            |sealed: &mut Arc<Sealed>| Arc::strong_count(sealed) == 1 && Arc::strong_count(&sealed.file) == 1;
        let gone = self.retired.extract_if(.., is_free);
        let gone: Vec<_> = gone.map(|sealed| (sealed.file.id, sealed.file.len)).collect();
        self.give_back(&gone);
    }

    fn give_back(&self, files: &[(FileId, u64)]) {
        if files.is_empty() {
            return;
        }
        let shared = &self.shared;
        // What cannot be renamed or removed now is found at the next start.
        let _ = shared
            .supply
            .give_back(&*shared.disk, files, space::spares_max(shared));
    }

    /// What made a segment unnecessary (an acknowledgement, the end of a session) is in the log, but with other settings
    /// than `sync = "always"` perhaps not on the disk yet: a power cut must not take the reason and leave the
    /// consequence.
    fn make_reasons_durable(&self) -> io::Result<()> {
        if self.shared.settings.sync == Sync::Always {
            return Ok(());
        }
        let open = self
            .shared
            .tables
            .read()
            .segments
            .open
            .as_ref()
            .map(|open| open.file.clone());
        let synced = open.map_or(Ok(()), |open| open.file.sync());
        if let Err(error) = &synced {
            self.shared.fail(format!(
                "cannot sync the log: {error}; nothing more is acknowledged: check the disk, then restart"
            ));
        }
        synced
    }

    /// The last things before the end: indexes, so that the next start reads no bodies, and a checkpoint.
    fn leave(mut self, mut unwritten: Vec<Arc<Sealed>>) -> io::Result<()> {
        // No more blocks come: with an index the last segment need not be scanned at the next start.
        unwritten.extend(self.shared.tables.write().seal());
        self.write_indexes(&mut unwritten);
        self.checkpoints.write(&self.shared)
    }
}

/// Writes the index of a sealed segment beside it.
pub(crate) fn write_index(shared: &Shared, sealed: &Sealed) -> io::Result<()> {
    let Some(bytes) = sealed.index().bytes_in_memory() else {
        return Ok(());
    };
    let name = sealed.file.id.index_name();
    let half_made = format!("{name}{HALF_MADE}");
    let file = match shared.disk.create(&half_made, 0) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            shared.disk.remove(&half_made)?;
            shared.disk.create(&half_made, 0)?
        }
        other => other?,
    };
    let written = file
        .write_at(0, &[IoSlice::new(&bytes)])
        .and_then(|()| file.sync());
    if let Err(error) = written {
        // It may have taken the last space there was.
        let _ = shared.disk.remove(&half_made);
        return Err(error);
    }
    shared.disk.rename(&half_made, &name)?;
    shared.disk.sync_folder()?;
    sealed.index_in_file(file);
    Ok(())
}
