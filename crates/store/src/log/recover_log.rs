//! Reading the segments: which messages each queue has where, and the changes since the last checkpoint.

use std::{collections::HashSet, io::IoSlice, sync::Arc};

use restante_model::{Seq, UnixMicros};

use crate::{contract::StoreError, io::DiskFile, record::Body};

use super::{
    block::{BLOCK_HEADER, BlockHeader, FILE_HEADER, FileHeader, FileKind, NoHeader},
    index::{BlockEntry, Index, IndexRun, Summary},
    keep::{apply_record, begin_block},
    names::{FileId, spare_name},
    recover::{Files, FoundLog, Recovery, io_error, make_durable},
    recover_state::FoundState,
    scan::{Scan, Step, Trust, records},
    segment::{Sealed, SegmentFile},
    tables::{Tables, queue::Run},
};

/// What quarantined files end with.
const QUARANTINED: &str = ".damaged";

/// A segment file that was begun.
struct Candidate {
    id: FileId,
    file: Arc<dyn DiskFile>,
    len: u64,
    header: FileHeader,
    index: Option<(Summary, Vec<IndexRun>, Index)>,
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
    let mut known: HashSet<FileId> = HashSet::new();
    for &id in &files.segments {
        match examine(recovery, id, files.indexes.contains(&id))? {
            Examined::Segment(candidate) => candidates.push(*candidate),
            Examined::Unused(len) => unused.push((id, len)),
            Examined::Quarantined => {}
        }
    }
    drop_merged(recovery, &mut candidates)?;
    candidates.sort_by_key(|candidate| candidate.first);
    known.extend(candidates.iter().map(|candidate| candidate.id));
    for &id in files.indexes.iter().filter(|id| !known.contains(id)) {
        recovery.remove(&id.index_name())?;
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
        spares,
        next_key: count as u32,
        unwritten,
    })
}

enum Examined {
    Segment(Box<Candidate>),
    /// Never used under this name; with its length.
    Unused(u64),
    Quarantined,
}

fn examine(recovery: &mut Recovery<'_>, id: FileId, has_index: bool) -> Result<Examined, StoreError> {
    let name = id.segment_name();
    let failed = |source| io_error("read a segment", &name, source);
    let file = recovery.disk.open(&name).map_err(failed)?;
    let len = file.len().map_err(failed)?;
    if len < FILE_HEADER as u64 {
        return Ok(Examined::Unused(len));
    }
    let index = match has_index {
        true => open_index(recovery, id),
        false => None,
    };
    let mut bytes = [0; FILE_HEADER];
    file.read_at(0, &mut bytes).map_err(failed)?;
    let header = match FileHeader::decode(FileKind::Segment, &bytes) {
        Ok(header) if header.id == id => header,
        Err(NoHeader::Newer(found)) => return Err(recovery.newer(found, name)),
        // Renamed, and not begun.
        Ok(_) => return Ok(Examined::Unused(len)),
        Err(NoHeader::Other) if bytes == [0; FILE_HEADER] => return Ok(Examined::Unused(len)),
        Err(NoHeader::Other) => return quarantine(recovery, id, len, &*file, index),
    };
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
fn open_index(recovery: &mut Recovery<'_>, id: FileId) -> Option<(Summary, Vec<IndexRun>, Index)> {
    let name = id.index_name();
    let opened = recovery
        .disk
        .open(&name)
        .ok()
        .and_then(|file| Index::open(file).ok());
    let index = opened.filter(|(summary, ..)| summary.id == id);
    if index.is_none() {
        recovery.findings.push(format!(
            "an index was damaged and is made again from its segment file={name}"
        ));
    }
    index
}

/// A segment whose header is damaged: without it its blocks cannot be told from old ones. With a good index its
/// messages are still read one by one; without, the file is set aside for whoever wants to look into it.
fn quarantine(
    recovery: &mut Recovery<'_>,
    id: FileId,
    len: u64,
    file: &dyn DiskFile,
    index: Option<(Summary, Vec<IndexRun>, Index)>,
) -> Result<Examined, StoreError> {
    let name = id.segment_name();
    let mut first_bytes = [0; 4];
    let begun = len >= (FILE_HEADER + BLOCK_HEADER) as u64
        && file.read_at(FILE_HEADER as u64, &mut first_bytes).is_ok()
        && first_bytes == super::block::BLOCK_MAGIC;
    if !begun && index.is_none() {
        // The header was being written when the machine stopped.
        return Ok(Examined::Unused(len));
    }
    let aside = format!("{name}{QUARANTINED}");
    recovery.damaged += index
        .as_ref()
        .map_or(1, |(_, _, index)| u64::from(index.entries_len()).max(1));
    recovery.findings.push(format!(
        "the header of a segment is damaged: its messages are lost, the file is set aside file={name} as={aside}"
    ));
    if !recovery.read_only {
        recovery
            .disk
            .rename(&name, &aside)
            .map_err(|source| io_error("set a damaged segment aside", &name, source))?;
    }
    Ok(Examined::Quarantined)
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
fn drop_merged(recovery: &Recovery<'_>, candidates: &mut Vec<Candidate>) -> Result<(), StoreError> {
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
    for id in gone {
        recovery.remove(&id.segment_name())?;
        recovery.remove(&id.index_name())?;
    }
    Ok(())
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
    if trust == Trust::Tail && !recovery.read_only {
        end_file(&file, &found, tables.last_time)?;
    }
    Ok(tables.seal())
}

/// How a segment ends.
struct End {
    /// Up to where it had been synced for sure.
    vouched: u64,
    /// Where its data ends.
    at: u64,
    /// Whether that is marked.
    marked: bool,
    /// The sequence behind its last.
    next: Seq,
}

/// Makes what was found in the last segment durable, and its end final: what is behind it never comes back.
fn end_file(file: &SegmentFile, found: &End, time: UnixMicros) -> std::io::Result<()> {
    if !found.marked {
        make_durable(&*file.file, found.vouched, found.at)?;
    }
    let mark = BlockHeader::end_of_file(found.next, time, found.at).encode(file.seed);
    file.file.write_at(found.at, &[IoSlice::new(&mark)])?;
    file.file.sync()
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
    if scan.torn() && trust == Trust::Tail {
        recovery.findings.push(format!(
            "the last commit before the stop was not finished, and nobody was told that it was: it is cut off \
             file={name} at={}",
            scan.end()
        ));
    }
    Ok(End {
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
