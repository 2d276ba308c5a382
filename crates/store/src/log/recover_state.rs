//! Reading the state files: sessions, queues, retained messages and notes as of the last checkpoint.

use std::{io, sync::Arc};

use restante_model::{Seq, UnixMicros};

use crate::{contract::StoreError, io::DiskFile, record};

use super::{
    block::{BLOCK_HEADER, BlockHeader, FILE_HEADER, FileHeader, FileKind, NoHeader},
    checkpoint::StateFile,
    names::FileId,
    recover::{Recovery, io_error, make_durable},
    scan::{Scan, Step, Trust},
    state::{self, Image, Mark},
    tables::{ImagesHave, Tables, queue::Queue, retained::Kept, session::Session},
};

/// What the state files say.
#[derive(Default)]
pub(crate) struct FoundState {
    /// The file that checkpoints may go on in.
    pub(crate) file: Option<StateFile>,
    pub(crate) mark: Mark,
    /// Files to be removed after the next checkpoint.
    pub(crate) obsolete: Vec<FileId>,
}

/// Reads the newest state file that has a mark.
pub(crate) fn recover(
    recovery: &mut Recovery<'_>,
    tables: &mut Tables,
    states: &[FileId],
) -> Result<FoundState, StoreError> {
    let mut found = FoundState {
        obsolete: states.to_vec(),
        ..FoundState::default()
    };
    let mut unfinished = Vec::new();
    for &id in states.iter().rev() {
        let (file, header) = match open(recovery, id)? {
            Found::Begun(file, header) => (file, header),
            Found::NotBegun => {
                recovery.remove(&id.state_name())?;
                found.obsolete.retain(|&other| other != id);
                continue;
            }
            Found::Damaged => continue,
        };
        let found_mark = last_mark(&*file, &header);
        let found_mark =
            found_mark.map_err(|source| io_error("read a state file", &id.state_name(), source))?;
        let Some(LastMark { mark, synced, end }) = found_mark else {
            unfinished.push(id);
            continue;
        };
        for id in unfinished {
            // Newer, and without a mark: a checkpoint that was not finished, perhaps for lack of the space that it takes.
            recovery.remove(&id.state_name())?;
            found.obsolete.retain(|&other| other != id);
        }
        if !recovery.read_only {
            make_durable(&*file, synced, end)
                .map_err(|source| io_error("cut off an unfinished checkpoint", &id.state_name(), source))?;
        }
        let mut images = ImagesHave::default();
        if file.len().is_ok_and(|len| len > end) {
            recovery.findings.push(format!(
                "the last checkpoint was not finished: it is cut off, and the log is read from the one before \
                 file={} at={end}",
                id.state_name()
            ));
        }
        let whole = load(recovery, tables, &*file, &header, (mark, end), &mut images)?;
        finish(tables, images, &mark);
        found.mark = mark;
        if whole && !recovery.read_only {
            found.obsolete.retain(|&other| other != id);
            found.file = Some(StateFile {
                id,
                file,
                seed: header.seed(),
                at: end,
                base: end,
            });
        }
        return Ok(found);
    }
    Ok(found)
}

/// What a state file is, by its header.
enum Found {
    Begun(Arc<dyn DiskFile>, FileHeader),
    /// Too short to have a header.
    NotBegun,
    Damaged,
}

fn open(recovery: &mut Recovery<'_>, id: FileId) -> Result<Found, StoreError> {
    let name = id.state_name();
    let failed = |source| io_error("read a state file", &name, source);
    let file = recovery.disk.open(&name).map_err(failed)?;
    if file.len().map_err(failed)? < FILE_HEADER as u64 {
        return Ok(Found::NotBegun);
    }
    let mut bytes = [0; FILE_HEADER];
    file.read_at(0, &mut bytes).map_err(failed)?;
    match FileHeader::decode(FileKind::State, &bytes) {
        Ok(header) if header.id == id => Ok(Found::Begun(file, header)),
        Err(NoHeader::Newer(found)) => Err(recovery.newer(found, name)),
        _ => Ok(Found::Damaged),
    }
}

/// The last mark of a state file.
struct LastMark {
    mark: Mark,
    /// Up to where the file had been synced before it was written.
    synced: u64,
    /// Where the block that holds it ends.
    end: u64,
}

impl LastMark {
    /// If a block is a mark.
    fn read(header: &BlockHeader, at: u64, body: &[u8]) -> Option<LastMark> {
        match state::decode(record::first(body)?)? {
            Image::Mark(mark) => Some(LastMark {
                mark,
                synced: header.durable_offset.min(at),
                end: at + header.span(),
            }),
            _ => None,
        }
    }
}

fn last_mark(file: &dyn DiskFile, header: &FileHeader) -> io::Result<Option<LastMark>> {
    if let Some(last) = mark_at_end(file, header.seed())? {
        return Ok(Some(last));
    }
    let mut scan = Scan::new(file, header.seed(), Trust::Tail)?;
    let mut last = None;
    while let Some(step) = scan.step() {
        if let Step::Block { header, at, body } = step {
            last = LastMark::read(&header, at, body).or(last);
        }
    }
    Ok(last)
}

/// The usual case: header leads to header, and the last block is a mark. Images are not read for that.
fn mark_at_end(file: &dyn DiskFile, seed: u32) -> io::Result<Option<LastMark>> {
    let len = file.len()?;
    let mut at = FILE_HEADER as u64;
    let mut last = None;
    while at + (BLOCK_HEADER as u64) < len {
        let mut bytes = [0; BLOCK_HEADER];
        file.read_at(at, &mut bytes)?;
        let Some(header) = BlockHeader::decode(seed, &bytes) else {
            return Ok(None);
        };
        last = Some((at, header));
        at += header.span();
    }
    let Some((place, header)) = last.filter(|_| at == len) else {
        return Ok(None);
    };
    let mut body = vec![0; header.body_len as usize];
    file.read_at(place + BLOCK_HEADER as u64, &mut body)?;
    let whole = header.seals(&body);
    Ok(LastMark::read(&header, place, &body).filter(|_| whole))
}

/// Applies the images up to the mark. Answers whether nothing was damaged.
fn load(
    recovery: &mut Recovery<'_>,
    tables: &mut Tables,
    file: &dyn DiskFile,
    header: &FileHeader,
    (mark, end): (Mark, u64),
    images: &mut ImagesHave,
) -> Result<bool, StoreError> {
    let name = header.id.state_name();
    let mut scan = Scan::new(file, header.seed(), Trust::Tail)
        .map_err(|source| io_error("read a state file", &name, source))?;
    let mut damaged = 0;
    let mut held: Vec<Arc<Kept>> = Vec::new();
    while let Some(step) = scan.step() {
        let was_verified = matches!(step, Step::Block { .. });
        let (block, at, body) = match step {
            Step::Block { header, at, body } => (Some(header), at, body),
            Step::Damaged { header, at, to, body } => {
                recovery.findings.push(format!(
                    "sessions, retained messages or notes may be missing: a checkpoint is damaged file={name} from={at} to={to}"
                ));
                (header, at, body)
            }
        };
        if at >= end {
            break;
        }
        let Some(block) = block else {
            damaged += 1;
            continue;
        };
        let as_of = (block.first > mark.replay_from).then_some(block.first);
        let mut rest = body;
        let mut good = 0;
        while let Some(found) = record::first(rest) {
            rest = &rest[found.len()..];
            if !was_verified && record::verify(found).is_none() {
                continue;
            }
            if let Some(image) = state::decode(found) {
                good += 1;
                apply(tables, image, as_of, images, &mut held);
            }
        }
        damaged += u64::from(block.records).saturating_sub(good);
    }
    held.into_iter().for_each(|kept| tables.retained.put_held(kept));
    recovery.damaged += damaged;
    Ok(damaged == 0)
}

fn apply(
    tables: &mut Tables,
    image: Image<'_>,
    as_of: Option<Seq>,
    images: &mut ImagesHave,
    held: &mut Vec<Arc<Kept>>,
) {
    match image {
        Image::Session(image) => {
            let id = image.session.0;
            images.sessions.extend(as_of.map(|as_of| (id, as_of)));
            tables.highest_session = tables.highest_session.max(id);
            tables.own.opened(image.session, image.version);
            let session = Session::from_image(image, &tables.queues);
            *tables
                .sessions
                .get_or_insert_with(id, || Session::new("", Seq::ZERO)) = session;
        }
        Image::SessionGone(id) => {
            images.sessions.extend(as_of.map(|as_of| (id.0, as_of)));
            tables.own.ended(id);
            tables.sessions.remove(id.0);
        }
        Image::Queue(id, filter) => {
            images.queues.extend(as_of.map(|as_of| (id.0, as_of)));
            tables.highest_queue = tables.highest_queue.max(id.0);
            tables.queues.get_or_insert_with(id.0, || Queue::new(filter));
        }
        Image::QueueGone(id) => {
            images.queues.extend(as_of.map(|as_of| (id.0, as_of)));
            tables.queues.remove(id.0);
        }
        Image::Retained(message) => {
            images
                .topics
                .extend(as_of.map(|as_of| (message.topic.into(), as_of)));
            tables.retained.clear(message.topic);
            tables.retained.put(Arc::new(Kept::from_image(&message)));
        }
        Image::RetainedGone(topic) => {
            images.topics.extend(as_of.map(|as_of| (topic.into(), as_of)));
            tables.retained.clear(topic);
        }
        Image::Note(key, value) => {
            images.notes.extend(as_of.map(|as_of| (key.into(), as_of)));
            tables.notes.set(key, value);
        }
        Image::NoteGone(key) => {
            images.notes.extend(as_of.map(|as_of| (key.into(), as_of)));
            tables.notes.set(key, &[]);
        }
        Image::Held(message) => held.push(Arc::new(Kept::from_image(&message))),
        // Each checkpoint lists anew what is held: those before the last mark only are of no interest.
        Image::Mark(_) => {}
    }
}

/// What follows from the images: who reads which queue, and which messages are in flight.
fn finish(tables: &mut Tables, images: ImagesHave, mark: &Mark) {
    tables.highest_session = tables.highest_session.max(mark.highest_session);
    tables.highest_queue = tables.highest_queue.max(mark.highest_queue);
    tables.last_time = UnixMicros(tables.last_time.0.max(mark.last_time.0));
    tables.applied = mark.replay_from;
    tables.retained.dirty.clear();
    tables.images = Some(images);
    tables.count_readers_and_flights();
}
