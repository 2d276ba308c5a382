//! Checkpoints: images of what changed, written aside, so that a start replays little of the log.
//!
//! The images are taken in slices while the keeper goes on; each block says up to where the log is in its images, and
//! the mark at the end says from where the log must be replayed. A file on which anything failed is never appended to
//! again: the next checkpoint writes everything into a new one.

use std::{
    io::{self, IoSlice},
    sync::Arc,
};

use restante_model::{QueueId, Seq, SessionId, UnixMicros};

use crate::{image::StoredMessage, io::DiskFile, record};

use super::{
    block::{ALIGN, BLOCK_HEADER, BlockHeader, FILE_HEADER, FileKind},
    names::FileId,
    settings::Sync,
    shared::Shared,
    state::{Image, Mark, StoredImage, encode},
    tables::{Dirty, Tables},
};

/// Bytes of images taken under one lock.
const SLICE_BYTES: usize = 256 << 10;

/// A state file is written anew when it is twice as long as after the last time, and this much, or as much as is
/// committed from checkpoint to checkpoint if that is less.
const GARBAGE_MIN: u64 = 16 << 20;

/// A state file that can be appended to.
pub(crate) struct StateFile {
    pub(crate) id: FileId,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) seed: u32,
    /// Where it ends.
    pub(crate) at: u64,
    /// How long it was when everything had just been written into it.
    pub(crate) base: u64,
}

/// What writes checkpoints.
pub(crate) struct Checkpoints {
    pub(crate) current: Option<StateFile>,
    /// The last mark that is durable.
    pub(crate) mark: Mark,
    /// Files to be removed when a newer one is durable.
    pub(crate) obsolete: Vec<FileId>,
    /// Bytes committed when the last checkpoint began.
    pub(crate) bytes_then: u64,
}

/// What is to be written.
enum Work {
    /// With topics, and keys of notes.
    Changed(Dirty, Vec<Box<str>>, Vec<Arc<str>>),
    /// Ids and texts to go on from.
    All {
        queues: Option<u64>,
        sessions: Option<u64>,
        topics: Texts,
        notes: Texts,
    },
}

/// Where to go on among what is ordered by its text.
enum Texts {
    After(Option<Box<str>>),
    Done,
}

impl Checkpoints {
    /// Writes one.
    pub(crate) fn write(&mut self, shared: &Shared) -> io::Result<()> {
        self.bytes_then = shared.counters.bytes_committed();
        let current = self.current.take();
        let garbage_min = GARBAGE_MIN.min(shared.settings.checkpoint_bytes);
        let written = match current {
            Some(file) if file.at <= 2 * file.base + garbage_min && may_append(shared, &file) => {
                self.append(shared, file, None)
            }
            old => {
                self.obsolete.extend(old.map(|file| file.id));
                let file = StateFile::create(shared);
                file.and_then(|file| {
                    let all = Work::All {
                        queues: Some(0),
                        sessions: Some(0),
                        topics: Texts::After(None),
                        notes: Texts::After(None),
                    };
                    self.append(shared, file, Some(all))
                })
            }
        };
        let file = written?;
        shared.counters.checkpoint(file.at, self.bytes_then);
        shared.supply.set_marked(self.mark.replay_from);
        self.current = Some(file);
        for id in std::mem::take(&mut self.obsolete) {
            match shared.disk.remove(&id.state_name()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn append(&mut self, shared: &Shared, mut file: StateFile, all: Option<Work>) -> io::Result<StateFile> {
        let new = all.is_some();
        let before = file.at;
        let (mut dirty, topics, mark) = {
            let mut tables = shared.tables.write();
            let topics = std::mem::take(&mut tables.retained.dirty);
            (std::mem::take(&mut tables.dirty), topics, mark(&tables))
        };
        let notes = std::mem::take(&mut dirty.notes).into_iter().collect();
        let dirty = Work::Changed(dirty, topics.into_iter().collect(), notes);
        let id = file.id;
        let written = file
            .write_all(shared, all.unwrap_or(dirty), mark)
            .and_then(|()| if new { shared.disk.sync_folder() } else { Ok(()) });
        if let Err(error) = written {
            // What it was to hold is not in the lists of changes any more: the next one writes everything. What was
            // written of it is of no use, and perhaps takes the space that the next one needs.
            let removed = match new {
                true => shared.disk.remove(&id.state_name()),
                false => file.file.set_len(before),
            };
            if !new || removed.is_err() {
                self.obsolete.push(id);
            }
            return Err(error);
        }
        if new {
            file.base = file.at;
        }
        self.mark = mark;
        Ok(file)
    }
}

/// Whether a file may grow. Where space is short everything is written anew while there is still room for that: then
/// a checkpoint leaves no less free than there was. When there is not, growing is all that is left.
fn may_append(shared: &Shared, file: &StateFile) -> bool {
    let Ok(free) = shared.disk.free_bytes() else {
        return true;
    };
    let roomy = 2 * file.at + shared.counters.bytes_beyond_state() + shared.settings.segment_bytes;
    free >= roomy || free < file.at
}

fn mark(tables: &Tables) -> Mark {
    Mark {
        replay_from: tables.applied,
        highest_session: tables.highest_session,
        highest_queue: tables.highest_queue,
        last_time: tables.last_time,
    }
}

impl StateFile {
    fn create(shared: &Shared) -> io::Result<StateFile> {
        let header = shared.supply.header(FileKind::State, Vec::new());
        let name = header.id.state_name();
        let created = shared.disk.create(&name, 0).and_then(|file| {
            file.write_at(0, &[IoSlice::new(&header.encode())])?;
            Ok(file)
        });
        let file = created.inspect_err(|_| {
            // What cannot be removed now is removed after the next start.
            let _ = shared.disk.remove(&name);
        })?;
        let at = FILE_HEADER as u64;
        Ok(StateFile {
            id: header.id,
            file,
            seed: header.seed(),
            at,
            base: at,
        })
    }

    /// Writes all images, then the mark, and syncs.
    fn write_all(&mut self, shared: &Shared, mut work: Work, mark: Mark) -> io::Result<()> {
        // Of a new file not even the header is synced yet.
        let synced = if self.at > FILE_HEADER as u64 { self.at } else { 0 };
        let mut body = Vec::new();
        let mut applied;
        loop {
            let mut block = Block::new(&mut body);
            let more = {
                let mut tables = shared.tables.write();
                applied = tables.applied;
                work.slice(&mut tables, &mut block)
            };
            self.write_block(&block, applied, mark.last_time, synced)?;
            if !more {
                break;
            }
        }
        let mut block = Block::new(&mut body);
        {
            // Last, so that what was replaced while the other images were taken is among them.
            let tables = shared.tables.read();
            applied = tables.applied;
            for kept in tables.retained.held() {
                block.add_message(&kept.stored(), Image::Held);
            }
            if shared.settings.sync != Sync::Always
                && let Some(open) = &tables.segments.open
            {
                // The images must not know more than the log on the disk does.
                let file = open.file.clone();
                drop(tables);
                file.file.sync()?;
            }
        }
        self.write_block(&block, applied, mark.last_time, synced)?;
        // Two syncs: a mark proves that everything before it had been durable, so that damage is told from a
        // checkpoint that was not finished.
        self.file.sync()?;
        let synced = self.at;
        let mut block = Block::new(&mut body);
        block.add(&Image::Mark(mark));
        self.write_block(&block, applied, mark.last_time, synced)?;
        self.file.sync()
    }

    fn write_block(
        &mut self,
        block: &Block<'_>,
        applied: Seq,
        time: UnixMicros,
        synced: u64,
    ) -> io::Result<()> {
        if block.records == 0 {
            return Ok(());
        }
        let header = BlockHeader {
            first: applied,
            time,
            body_len: block.body.len() as u32,
            records: block.records,
            ordinals: 0,
            seal: block.seal,
            durable_offset: synced,
        };
        let bytes = header.encode(self.seed);
        let padding = [0; ALIGN as usize];
        let padding = &padding[..header.span() as usize - BLOCK_HEADER - block.body.len()];
        self.file.write_at(
            self.at,
            &[
                IoSlice::new(&bytes),
                IoSlice::new(block.body),
                IoSlice::new(padding),
            ],
        )?;
        self.at += header.span();
        Ok(())
    }
}

/// A block of images under construction.
struct Block<'a> {
    body: &'a mut Vec<u8>,
    records: u32,
    seal: u32,
}

impl<'a> Block<'a> {
    fn new(body: &'a mut Vec<u8>) -> Block<'a> {
        body.clear();
        Block {
            body,
            records: 0,
            seal: 0,
        }
    }

    fn add(&mut self, image: &Image<'_>) {
        let crc = encode(self.body, image);
        self.seal = record::fold(self.seal, crc);
        self.records += 1;
    }

    fn add_message<'m>(&mut self, message: &'m StoredMessage, image: fn(StoredImage<'m>) -> Image<'m>) {
        if let Some(stored) = StoredImage::of(message) {
            self.add(&image(stored));
        }
    }

    fn is_full(&self) -> bool {
        self.body.len() >= SLICE_BYTES
    }
}

impl Work {
    /// Takes images until the block is full. Answers whether there is more.
    fn slice(&mut self, tables: &mut Tables, block: &mut Block<'_>) -> bool {
        match self {
            Work::Changed(dirty, topics, notes) => changed(tables, block, dirty, topics, notes),
            Work::All {
                queues,
                sessions,
                topics,
                notes,
            } => all(tables, block, queues, sessions, topics, notes),
        }
    }
}

fn changed(
    tables: &mut Tables,
    block: &mut Block<'_>,
    dirty: &mut Dirty,
    topics: &mut Vec<Box<str>>,
    notes: &mut Vec<Arc<str>>,
) -> bool {
    while !block.is_full() {
        if let Some(id) = dirty.queues.pop() {
            add_queue(tables, block, id);
        } else if let Some(id) = dirty.queues_gone.pop() {
            block.add(&Image::QueueGone(QueueId(id)));
        } else if let Some(id) = dirty.sessions.pop() {
            add_session(tables, block, id);
        } else if let Some(id) = dirty.sessions_gone.pop() {
            block.add(&Image::SessionGone(SessionId(id)));
        } else if let Some(topic) = topics.pop() {
            match tables.retained.get(&topic) {
                Some(kept) => block.add_message(&kept.stored(), Image::Retained),
                None => block.add(&Image::RetainedGone(&topic)),
            }
        } else if let Some(key) = notes.pop() {
            match tables.notes.get(&key) {
                Some(value) => block.add(&Image::Note(&key, value)),
                None => block.add(&Image::NoteGone(&key)),
            }
        } else {
            return false;
        }
    }
    true
}

fn all(
    tables: &mut Tables,
    block: &mut Block<'_>,
    queues: &mut Option<u64>,
    sessions: &mut Option<u64>,
    topics: &mut Texts,
    notes: &mut Texts,
) -> bool {
    while !block.is_full() {
        if let Some(from) = *queues {
            let page = tables.queues.page_from(from);
            let ids: Vec<u64> = page
                .map_or(&[][..], |(page, _)| page)
                .iter()
                .map(|&(id, _)| id)
                .collect();
            *queues = page.map(|(_, next)| next);
            ids.into_iter().for_each(|id| add_queue(tables, block, id));
        } else if let Some(from) = *sessions {
            let page = tables.sessions.page_from(from);
            let ids: Vec<u64> = page
                .map_or(&[][..], |(page, _)| page)
                .iter()
                .map(|&(id, _)| id)
                .collect();
            *sessions = page.map(|(_, next)| next);
            ids.into_iter().for_each(|id| add_session(tables, block, id));
        } else if let Texts::After(after) = topics {
            let Some(kept) = tables.retained.after(after.as_deref()).next().cloned() else {
                *topics = Texts::Done;
                continue;
            };
            *after = Some(kept.topic().into());
            block.add_message(&kept.stored(), Image::Retained);
        } else if let Texts::After(after) = notes {
            let Some((key, value)) = tables.notes.next(after.as_deref()) else {
                *notes = Texts::Done;
                continue;
            };
            block.add(&Image::Note(key, value));
            *after = Some((&**key).into());
        } else {
            return false;
        }
    }
    true
}

fn add_queue(tables: &Tables, block: &mut Block<'_>, id: u64) {
    if let Some(queue) = tables.queues.get(id).filter(|queue| !queue.closed) {
        block.add(&Image::Queue(QueueId(id), &queue.filter));
    }
}

fn add_session(tables: &mut Tables, block: &mut Block<'_>, id: u64) {
    if let Some(session) = tables.sessions.get_mut(id) {
        session.dirty = false;
    }
    if let Some(session) = tables.sessions.get(id) {
        block.add(&Image::Session(session.image(SessionId(id), &tables.queues)));
    }
}
