//! Reading the segments: which messages each queue has where, and the changes since the last checkpoint.

use std::{collections::HashSet, io::IoSlice, sync::Arc};

use restante_model::{Seq, UnixMicros};

use crate::{contract::StoreError, io::DiskFile, record::Body};

use super::{
    block::{BLOCK_HEADER, BlockHeader, FILE_HEADER, FileHeader, FileKind, NoHeader},
    evidence,
    index::{BlockEntry, Index, IndexRun, Summary},
    keep::{apply_record, begin_block},
    names::{FileId, spare_name},
    recover::{Files, FoundLog, Recovery, cut, io_error, write_again},
    recover_state::FoundState,
    scan::{Scan, Step, Trust, records},
    segment::{Sealed, SegmentFile},
    supply::forget,
    tables::{Tables, queue::Run},
};

/// An index that can be read.
pub(crate) type FoundIndex = (Summary, Vec<IndexRun>, Index);

/// A segment file that was begun.
struct Candidate {
    id: FileId,
    file: Arc<dyn DiskFile>,
    len: u64,
    header: FileHeader,
    index: Option<FoundIndex>,
    first: Seq,
}

/// Applies all segments to the tables.
pub(crate) fn recover(
    recovery: &mut Recovery<'_>,
    tables: &mut Tables,
    files: &mut Files,
    state: &FoundState,
) -> Result<FoundLog, StoreError> {
    let mut candidates = Vec::new();
    let mut unused = Vec::new();
    let mut lost = Vec::new();
    for &id in &files.segments {
        match examine(recovery, files, id)? {
            Examined::Segment(candidate) => candidates.push(*candidate),
            Examined::Unused(len) => unused.push((id, len)),
            Examined::SetAside => lost.push(id),
        }
    }
    for &id in files.indexes.iter().filter(|id| !files.segments.contains(id)) {
        let index = open_index(recovery, id);
        evidence::lost(recovery, id, &index, "is missing");
        lost.push(id);
    }
    evidence::compare_marks(recovery, state);
    let replaced = drop_merged(&mut candidates);
    candidates.sort_by_key(|candidate| candidate.first);
    if !recovery.read_only {
        // First what says that a segment must be there, for good, then the segments.
        let known: HashSet<FileId> = candidates.iter().map(|candidate| candidate.id).collect();
        let is_unneeded = |id: &&FileId| !known.contains(id) && !lost.contains(id);
        let unneeded = files.indexes.iter().filter(is_unneeded);
        forget(&**recovery.disk, unneeded.copied())
            .map_err(|source| io_error("remove an index that is not needed", ".", source))?;
    }
    for id in replaced {
        recovery.remove(&id.segment_name())?;
    }
    let mut unwritten = Vec::new();
    let count = candidates.len();
    for (key, candidate) in candidates.into_iter().enumerate() {
        let is_last = key + 1 == count;
        let id = candidate.id;
        let sealed = add(
            recovery,
            tables,
            candidate,
            key as u32,
            state.mark.replay_from,
            is_last,
        )
        .map_err(|source| io_error("read a segment", &id.segment_name(), source))?;
        unwritten.extend(sealed);
    }
    tables.images = None;
    tables.retained.drop_unheld();
    let spares = keep_spares(recovery, files, unused)?;
    if !recovery.read_only {
        // What was removed must not come back when what it was judged by is gone.
        recovery
            .disk
            .sync_folder()
            .map_err(|source| io_error("sync the data folder", ".", source))?;
    }
    Ok(FoundLog {
        lost,
        spares,
        next_key: count as u32,
        unwritten,
    })
}

enum Examined {
    Segment(Box<Candidate>),
    /// Never used under this name; with its length.
    Unused(u64),
    SetAside,
}

fn examine(recovery: &mut Recovery<'_>, files: &Files, id: FileId) -> Result<Examined, StoreError> {
    let name = id.segment_name();
    let failed = |source| io_error("read a segment", &name, source);
    let file = recovery.disk.open(&name).map_err(failed)?;
    let len = file.len().map_err(failed)?;
    // While there is an index, be it an empty one, the segment is in use, and its header was durable before.
    let in_use = files.indexes.contains(&id);
    let index = match in_use {
        true => open_index(recovery, id),
        false => None,
    };
    let set_aside = |recovery: &mut Recovery<'_>, what: &str| {
        evidence::lost(recovery, id, &index, what);
        evidence::set_aside(recovery, id).map(|()| Examined::SetAside)
    };
    if len < FILE_HEADER as u64 {
        return match in_use {
            true => set_aside(recovery, "was cut off at its beginning"),
            false => Ok(Examined::Unused(len)),
        };
    }
    let mut bytes = [0; FILE_HEADER];
    file.read_at(0, &mut bytes).map_err(failed)?;
    let header = match FileHeader::decode(FileKind::Segment, &bytes) {
        Ok(header) if header.id == id => {
            recovery.marked = recovery.marked.max(header.marked);
            header
        }
        Err(NoHeader::Newer(found)) => return Err(recovery.newer(found, name)),
        Ok(other) if in_use || files.indexes.contains(&other.id) => {
            let what = format!("has another one's content, that of {}", other.id.segment_name());
            return set_aside(recovery, &what);
        }
        // Renamed, and not begun.
        Ok(_) => return Ok(Examined::Unused(len)),
        // Without its header its blocks cannot be told from old ones.
        Err(NoHeader::Other) if in_use || (bytes != [0; FILE_HEADER] && begins_with_block(&*file, len)) => {
            return set_aside(recovery, "has a damaged header");
        }
        // It was being written when the machine stopped.
        Err(NoHeader::Other) => return Ok(Examined::Unused(len)),
    };
    if let Some((summary, ..)) = &index
        && len < summary.end
    {
        recovery.damaged += 1;
        recovery.findings.push(format!(
            "a segment was cut off: what stood behind is lost file={name} bytes={len} instead_of={}",
            summary.end
        ));
    }
    let first = match &index {
        Some((summary, ..)) => summary.first,
        None => match first_sequence(&*file, header.seed()).map_err(failed)? {
            Some(first) => first,
            None => return Ok(Examined::Unused(len)),
        },
    };
    Ok(Examined::Segment(Box::new(Candidate {
        id,
        file,
        len,
        header,
        index,
        first,
    })))
}

/// An index that is whole and belongs to the segment; any other is made again.
fn open_index(recovery: &mut Recovery<'_>, id: FileId) -> Option<FoundIndex> {
    let name = id.index_name();
    let file = recovery.disk.open(&name).ok()?;
    if file.len().is_ok_and(|len| len == 0) {
        // The segment was in use, and not sealed yet.
        return None;
    }
    let index = Index::open(file).ok().filter(|(summary, ..)| summary.id == id);
    if index.is_none() {
        recovery.findings.push(format!(
            "an index was damaged and is made again from its segment file={name}"
        ));
    }
    index
}

/// Whether blocks stand where they do in a segment. (Of an old life, perhaps; or the header was overwritten.)
fn begins_with_block(file: &dyn DiskFile, len: u64) -> bool {
    let mut first_bytes = [0; 4];
    len >= (FILE_HEADER + BLOCK_HEADER) as u64
        && file.read_at(FILE_HEADER as u64, &mut first_bytes).is_ok()
        && first_bytes == super::block::BLOCK_MAGIC
}

fn first_sequence(file: &dyn DiskFile, seed: u32) -> std::io::Result<Option<Seq>> {
    let mut scan = Scan::new(file, seed, Trust::Durable)?;
    while let Some(step) = scan.step() {
        if let Step::Block { header, .. }
        | Step::Damaged {
            header: Some(header), ..
        } = step
        {
            return Ok(Some(header.first));
        }
    }
    Ok(None)
}

/// A merged segment and its sources say the same: one of them goes.
///
/// So does what lies between the sources: it was not needed any more when they became neighbours, and is only here
/// because its removal was not durable. Its entries would stand behind those of the merged segment, out of order.
///
/// Answers those that go.
fn drop_merged(candidates: &mut Vec<Candidate>) -> HashSet<FileId> {
    let there: HashSet<FileId> = candidates.iter().map(|candidate| candidate.id).collect();
    let mut gone: HashSet<FileId> = HashSet::new();
    // Newest first: a merged segment that was merged again is among the sources of a newer one.
    let mut merged: Vec<&Candidate> = candidates
        .iter()
        .filter(|candidate| !candidate.header.sources.is_empty())
        .collect();
    merged.sort_unstable_by_key(|candidate| std::cmp::Reverse(candidate.id));
    for candidate in merged {
        let sources = &candidate.header.sources;
        // The first source goes only after the merged segment and its index are durable. That an index is there proves
        // less: a failed sync may have left it in the system's memory alone.
        let finished = !sources.iter().all(|source| there.contains(source));
        if !finished && !gone.contains(&candidate.id) {
            gone.insert(candidate.id);
            continue;
        }
        gone.extend(sources.iter().filter(|source| there.contains(source)));
        let range = candidate
            .index
            .as_ref()
            .map(|(summary, ..)| summary.first..=summary.last);
        let between = |other: &&Candidate| {
            other.id < candidate.id && range.as_ref().is_some_and(|range| range.contains(&other.first))
        };
        gone.extend(candidates.iter().filter(between).map(|other| other.id));
    }
    candidates.retain(|candidate| !gone.contains(&candidate.id));
    gone
}

/// Adds a segment to the tables. Answers it if its index must be written.
fn add(
    recovery: &mut Recovery<'_>,
    tables: &mut Tables,
    candidate: Candidate,
    key: u32,
    replay_from: Seq,
    is_last: bool,
) -> std::io::Result<Option<Arc<Sealed>>> {
    let file = Arc::new(SegmentFile {
        key,
        id: candidate.id,
        seed: candidate.header.seed(),
        node: candidate.header.node,
        file: candidate.file,
        len: candidate.len,
    });
    let has_index = candidate.index.is_some();
    if let Some((summary, runs, index)) = candidate.index
        && (summary.last <= replay_from || !candidate.header.sources.is_empty())
    {
        tables.last_time = tables.last_time.max(summary.last_time);
        tables.segments.insert(
            Arc::new(Sealed::new(file, summary, index, tables.counters.clone())),
            0,
        );
        for run in &runs {
            if let Some(queue) = tables.queues.get_mut(run.queue.0).filter(|queue| !queue.closed) {
                queue.push_run(Run::new(key, run));
                tables.segments.add_entries(key, u64::from(run.count));
                tables.entries += u64::from(run.count);
            }
        }
        return Ok(None);
    }
    let trust = match is_last && !has_index {
        true => Trust::Tail,
        false => Trust::Durable,
    };
    let found = scan(recovery, tables, &file, replay_from, trust)?;
    if trust == Trust::Tail && !found.marked {
        evidence::tell_tail(recovery, &file, candidate.header.len, &found);
    }
    if trust == Trust::Tail && !recovery.read_only {
        end_file(&file, &found, tables.last_time)?;
        let SegmentFile { seed, node, .. } = *file;
        let (id, handle) = (file.id, file.file.clone());
        let len = handle.len()?;
        // It is shorter now, and so no spare file when it is not needed any more.
        if let Some(open) = &mut tables.segments.open {
            open.file = Arc::new(SegmentFile {
                key,
                id,
                seed,
                node,
                file: handle,
                len,
            });
        }
    }
    Ok(tables.seal())
}

/// How a segment ends.
pub(crate) struct End {
    /// Whether a block was begun there and not finished.
    pub(crate) torn: bool,
    /// Up to where it had been synced for sure.
    vouched: u64,
    /// Where its data ends.
    pub(crate) at: u64,
    /// Whether that is marked.
    marked: bool,
    /// The sequence behind its last.
    next: Seq,
}

/// Makes what was found in the last segment durable, and its end final: what is behind it never comes back.
fn end_file(file: &SegmentFile, found: &End, time: UnixMicros) -> std::io::Result<()> {
    if !found.marked {
        write_again(&*file.file, found.vouched, found.at)?;
        file.file.sync()?;
    }
    let mark = BlockHeader::end_of_file(found.next, time, found.at).encode(file.seed);
    file.file.write_at(found.at, &[IoSlice::new(&mark)])?;
    file.file.sync()?;
    // Not before the end is marked: a file that is shorter than it was, and has no mark, was cut by somebody else.
    cut(&*file.file, found.at + BLOCK_HEADER as u64)
}

/// Applies a segment block by block.
fn scan(
    recovery: &mut Recovery<'_>,
    tables: &mut Tables,
    file: &Arc<SegmentFile>,
    replay_from: Seq,
    trust: Trust,
) -> std::io::Result<End> {
    let name = file.id.segment_name();
    tables.open_segment(file.clone());
    let mut scan = Scan::new(&*file.file, file.seed, trust)?;
    while let Some(step) = scan.step() {
        match step {
            Step::Block { header, at, body } => {
                recovery.damaged += add_block(tables, file, &header, at, body, replay_from);
            }
            Step::Damaged {
                header: Some(header),
                at,
                to,
                body,
            } => {
                let lost = add_block(tables, file, &header, at, body, replay_from).max(1);
                recovery.damaged += lost;
                recovery.findings.push(format!(
                    "a part of the log is damaged: {lost} of {} records in a block are lost file={name} from={at} to={to}",
                    header.records
                ));
            }
            Step::Damaged {
                header: None, at, to, ..
            } => {
                recovery.damaged += 1;
                recovery.findings.push(format!(
                    "a part of the log is damaged: its records are lost file={name} from={at} to={to}"
                ));
            }
        }
    }
    Ok(End {
        torn: scan.torn(),
        vouched: scan.vouched(),
        at: scan.end(),
        marked: scan.ended(),
        next: scan.expected(),
    })
}

/// Applies a block. Answers how many of its records could not be read.
fn add_block(
    tables: &mut Tables,
    file: &SegmentFile,
    header: &BlockHeader,
    at: u64,
    body: &[u8],
    replay_from: Seq,
) -> u64 {
    let offset = (at + BLOCK_HEADER as u64) as u32;
    let (good, lost) = records(header, body);
    let moved = good
        .iter()
        .filter_map(|(_, record)| Some(record.moved?.seq))
        .max();
    let last = moved.unwrap_or(Seq(header.end().0.saturating_sub(1)));
    let block = BlockEntry {
        first: header.first,
        time: header.time,
        offset,
        len: body.len() as u32,
    };
    begin_block(tables, block, last);
    for (at, record) in good {
        let place = offset + at as u32;
        match (record.moved, &record.body) {
            (Some(moved), Body::Message(message)) => {
                tables.enter(moved.seq, place, record.len as u32, message);
                tables.last_time = tables.last_time.max(UnixMicros(moved.id.micros()));
            }
            (None, Body::Message(message)) if header.first.plus(u64::from(record.ordinal)) <= replay_from => {
                tables.enter(
                    header.first.plus(u64::from(record.ordinal)),
                    place,
                    record.len as u32,
                    message,
                );
            }
            (None, _) if header.first.plus(u64::from(record.ordinal)) > replay_from => {
                apply_record(tables, header.first, header.time.0, file.node, place, record);
            }
            _ => {}
        }
    }
    if header.ordinals > 0 {
        tables.applied = tables.applied.max(last);
    }
    lost
}

/// Of the files that nobody uses, keeps those that can be reused.
fn keep_spares(
    recovery: &Recovery<'_>,
    files: &Files,
    unused: Vec<(FileId, u64)>,
) -> Result<Vec<u32>, StoreError> {
    if recovery.read_only {
        return Ok(Vec::new());
    }
    let mut spares = Vec::new();
    for &number in &files.spares {
        let name = spare_name(number);
        let len = recovery.disk.open(&name).and_then(|file| file.len());
        match len {
            Ok(len) if len == recovery.segment_bytes => spares.push(number),
            _ => recovery.remove(&name)?,
        }
    }
    let mut number = spares.iter().max().map_or(0, |highest| highest + 1);
    for (id, len) in unused {
        let name = id.segment_name();
        if len != recovery.segment_bytes {
            recovery.remove(&name)?;
            continue;
        }
        recovery
            .disk
            .rename(&name, &spare_name(number))
            .map_err(|source| io_error("keep a file for reuse", &name, source))?;
        spares.push(number);
        number += 1;
    }
    Ok(spares)
}
