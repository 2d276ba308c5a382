//! Opening a store: what the last life left, made into tables (see `docs/design/store.md`, Recovery).

use std::{
    io::{self, IoSlice},
    sync::{Arc, Weak},
};

use restante_model::{QueueId, Seq, SessionId, UnixMicros, UnixMillis};

use crate::{
    contract::{Recovered, StoreError},
    image::SessionImage,
    io::{Disk, DiskFile},
};

use super::{
    backlog,
    checkpoint::Checkpoints,
    full,
    manifest::{FORMAT, FoundManifest, Manifest},
    names::{self, FileId, Named},
    recover_log, recover_state,
    segment::{Sealed, SegmentFile},
    settings::LogSettings,
    shared::Shared,
    space::is_for_space,
    supply::{Supply, forget},
    tables::Tables,
};

/// Boot epochs skipped when the manifest, which knew the last one, cannot be read.
const EPOCHS_SKIPPED: u32 = 16;

/// Ids of one batch may be later than the time in its block by this.
const ID_TIME_MAX: u64 = 1 << 16;

/// What the store knew when it was opened; as long as the store is open.
pub struct LogRecovered {
    shared: Weak<Shared>,
    last_time: UnixMillis,
    highest: (SessionId, QueueId),
    findings: Vec<String>,
}

/// The files in the folder, by kind.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) segments: Vec<FileId>,
    pub(crate) indexes: Vec<FileId>,
    pub(crate) states: Vec<FileId>,
    pub(crate) spares: Vec<u32>,
    pub(crate) half_made: Vec<String>,
}

/// What recovery found out, and gathers on its way.
pub(crate) struct Recovery<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) segment_bytes: u64,
    pub(crate) findings: Vec<String>,
    pub(crate) damaged: u64,
    /// Up to where a checkpoint had been durable, as segments say.
    pub(crate) marked: Seq,
    /// Reading only: nothing is cut, renamed or removed.
    pub(crate) read_only: bool,
}

/// Everything that stands ready when the threads are started.
pub(crate) struct Opened {
    pub(crate) shared: Arc<Shared>,
    pub(crate) first: Arc<SegmentFile>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) recovered: LogRecovered,
}

/// Opens a store, or makes one.
pub(crate) fn open(
    disk: Arc<dyn Disk>,
    settings: LogSettings,
    now: UnixMillis,
) -> Result<Opened, StoreError> {
    let settings = settings.in_range();
    let mut recovery = Recovery {
        disk: &disk,
        segment_bytes: settings.segment_bytes,
        findings: Vec::new(),
        damaged: 0,
        marked: Seq::ZERO,
        read_only: false,
    };
    let mut files = recovery.files()?;
    let manifest = recovery.begin_boot(&mut files, &settings)?;
    let mut tables = Tables {
        rejecting: full::rejecting(&settings.limits),
        ..Tables::default()
    };
    let state = recover_state::recover(&mut recovery, &mut tables, &files.states)?;
    let log = recover_log::recover(&mut recovery, &mut tables, &mut files, &state)?;
    tables.now = now;
    tables.ended = Some(Vec::new());
    let first = Seq::first_of_boot(manifest.boot);
    tables.applied = tables.applied.max(first);
    let supply = Supply::new(
        manifest.boot,
        manifest.node,
        settings.segment_bytes,
        log.spares,
        log.next_key,
    );
    supply.set_marked(state.mark.replay_from);
    let checkpoint = state.file.as_ref().map_or(0, |file| file.at);
    let segment = supply
        .take_first(&*disk, checkpoint)
        .map_err(|source| StoreError::Io {
            action: "begin a segment in the data folder",
            path: "log".into(),
            source,
        })?;
    if !log.lost.is_empty() {
        forget(&*disk, log.lost.iter().copied())
            .map_err(|source| io_error("remove an index that is not needed", ".", source))?;
    }
    tables.open_segment(segment.clone());
    let last_time = tables.last_time;
    let highest = (SessionId(tables.highest_session), QueueId(tables.highest_queue));
    let (findings, damaged) = (recovery.findings, recovery.damaged);
    let node = manifest.node;
    let (next, time) = (first.plus(1), UnixMicros(last_time.0 + ID_TIME_MAX));
    let shared = Shared::new(settings, disk, node, tables, supply, next, time, log.unwritten);
    let shared = Arc::new(shared);
    backlog::look(&shared);
    shared.counters.damaged(damaged);
    shared
        .counters
        .checkpoint(state.file.as_ref().map_or(0, |file| file.at), 0);
    let recovered = LogRecovered {
        shared: Arc::downgrade(&shared),
        last_time: last_time.millis(),
        highest,
        findings,
    };
    let checkpoints = Checkpoints {
        current: state.file,
        mark: state.mark,
        obsolete: state.obsolete,
        bytes_then: 0,
    };
    Ok(Opened {
        shared,
        first: segment,
        checkpoints,
        recovered,
    })
}

impl Recovery<'_> {
    pub(crate) fn files(&self) -> Result<Files, StoreError> {
        let mut files = Files::default();
        let names = self
            .disk
            .list()
            .map_err(|source| io_error("list the data folder", ".", source))?;
        for name in names {
            match names::read(&name) {
                Named::Segment(id) => files.segments.push(id),
                Named::Index(id) => files.indexes.push(id),
                Named::State(id) => files.states.push(id),
                Named::Spare(number) => files.spares.push(number),
                Named::HalfMade => files.half_made.push(name),
                Named::Manifest | Named::Foreign => {}
            }
        }
        files.segments.sort_unstable();
        files.states.sort_unstable();
        Ok(files)
    }

    /// Reads the manifest, or guesses what it said.
    pub(crate) fn manifest(&mut self, files: &Files, node: u64) -> Result<Manifest, StoreError> {
        let ids = files.segments.iter().chain(&files.indexes).chain(&files.states);
        let highest = ids.map(|id| id.boot()).max();
        match Manifest::read(&**self.disk)? {
            FoundManifest::Good(manifest) => Ok(Manifest {
                boot: manifest.boot.max(highest.unwrap_or(0)),
                ..manifest
            }),
            FoundManifest::Missing if highest.is_none() => Ok(Manifest { node, boot: 0 }),
            FoundManifest::Missing | FoundManifest::Damaged => {
                self.findings.push(
                    "the manifest was missing or damaged: a new one is written, from what the other files say".into(),
                );
                Ok(Manifest {
                    node,
                    boot: highest.unwrap_or(0) + EPOCHS_SKIPPED,
                })
            }
        }
    }

    /// A new boot epoch is durable before anything else happens (K4), but that what means nothing makes room for it.
    fn begin_boot(&mut self, files: &mut Files, settings: &LogSettings) -> Result<Manifest, StoreError> {
        let before = self.manifest(files, settings.node)?;
        let manifest = Manifest {
            boot: before.boot + 1,
            ..before
        };
        if manifest.boot >= names::BOOTS_MAX {
            return Err(StoreError::Damaged {
                what: "it has been started so often that boot epochs are used up: export it into a new one"
                    .into(),
                path: names::MANIFEST.into(),
            });
        }
        self.remove_half_made(files)?;
        let mut written = manifest.write(&**self.disk);
        while written.as_ref().is_err_and(is_for_space) {
            let Some(spare) = files.spares.pop() else {
                // On a disk that somebody else has filled: clients can fetch their messages all the same.
                written = manifest.overwrite(&**self.disk);
                break;
            };
            self.remove(&names::spare_name(spare))?;
            written = manifest.write(&**self.disk);
        }
        written.map_err(|source| io_error("write the manifest", names::MANIFEST, source))?;
        Ok(manifest)
    }

    fn remove_half_made(&self, files: &Files) -> Result<(), StoreError> {
        for name in files
            .half_made
            .iter()
            .filter(|name| !name.starts_with(names::MANIFEST))
        {
            self.remove(name)?;
        }
        Ok(())
    }

    /// Removes a file that is of no use any more.
    pub(crate) fn remove(&self, name: &str) -> Result<(), StoreError> {
        if self.read_only {
            return Ok(());
        }
        match self.disk.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error("remove a file that is not needed", name, error))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn newer(&self, found: u32, name: String) -> StoreError {
        StoreError::NewerFormat {
            found,
            known: FORMAT,
            path: name,
        }
    }
}

/// A failed call, as an error of the store.
pub(crate) fn io_error(action: &'static str, path: &str, source: io::Error) -> StoreError {
    StoreError::Io {
        action,
        path: path.into(),
        source,
    }
}

/// Makes sure that what was read from the end of a file is on the disk before anybody is told of it, and that what is
/// behind it never comes back.
///
/// Reading proves nothing: after a failed sync the system goes on to show what it could not write, and believes it
/// written, so that syncing again would do nothing. It must be written again.
pub(crate) fn make_durable(file: &dyn DiskFile, synced: u64, end: u64) -> io::Result<()> {
    write_again(file, synced, end)?;
    if file.len()? > end {
        file.set_len(end)?;
    }
    file.sync()
}

/// Cuts a file off where it ends, durably.
pub(crate) fn cut(file: &dyn DiskFile, end: u64) -> io::Result<()> {
    if file.len()? > end {
        file.set_len(end)?;
        file.sync()?;
    }
    Ok(())
}

/// See [`make_durable`]; the sync is left to the caller.
pub(crate) fn write_again(file: &dyn DiskFile, synced: u64, end: u64) -> io::Result<()> {
    const PIECE: u64 = 1 << 20;
    let mut at = synced;
    let mut bytes = Vec::new();
    while at < end {
        bytes.resize((end - at).min(PIECE) as usize, 0);
        // What cannot be read is damaged, and was reported as such.
        if file.read_at(at, &mut bytes).is_ok() {
            file.write_at(at, &[IoSlice::new(&bytes)])?;
        }
        at += bytes.len() as u64;
    }
    Ok(())
}

/// What the log was found to hold.
pub(crate) struct FoundLog {
    /// Segments that are not there: what says that they must be goes when the store is open and this is told.
    pub(crate) lost: Vec<FileId>,
    pub(crate) spares: Vec<u32>,
    /// The first key that no segment has.
    pub(crate) next_key: u32,
    /// Segments whose index must be written.
    pub(crate) unwritten: Vec<Arc<Sealed>>,
}

impl Recovered for LogRecovered {
    fn sessions(&mut self, each: &mut dyn FnMut(&SessionImage)) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let mut from = 0;
        loop {
            let images: Vec<SessionImage> = {
                let tables = shared.tables.read();
                let Some((page, next)) = tables.sessions.page_from(from) else {
                    return;
                };
                from = next;
                let image = |(id, session): &(u64, super::tables::session::Session)| {
                    session.image(SessionId(*id), &tables.queues)
                };
                page.iter().map(image).collect()
            };
            images.iter().for_each(&mut *each);
        }
    }

    fn queues(&mut self, each: &mut dyn FnMut(QueueId, &str)) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let tables = shared.tables.read();
        for (id, queue) in tables.queues.values().filter(|(_, queue)| !queue.closed) {
            each(QueueId(id), &queue.filter);
        }
    }

    fn last_time(&self) -> UnixMillis {
        self.last_time
    }

    fn highest_ids(&self) -> (SessionId, QueueId) {
        self.highest
    }

    fn findings(&self) -> &[String] {
        &self.findings
    }
}
