//! Looking into a stopped store without changing it: what is there, and whether all of it can be read.

use std::{collections::HashMap, sync::Arc};

use restante_model::{QueueId, Seq, UnixMillis};

use crate::{contract::StoreError, io::Disk, record::Body};

use super::{
    block::BLOCK_HEADER,
    manifest::{FORMAT, Manifest},
    names::{self, spare_name},
    recover::{Files, Recovery, io_error},
    recover_log, recover_state,
    scan::{Scan, Step, Trust, records},
    segment::Sealed,
    tables::{Tables, queue::Queue},
};

/// How many of the longest queues an inspection names.
const QUEUES_NAMED: usize = 20;

/// What is in a store.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// Version of the files' format.
    pub format: u32,
    /// The node part of message ids.
    pub node: u64,
    /// The boot epoch: rises with each start, and by more after a manifest was lost.
    pub boots: u32,
    /// Sessions.
    pub sessions: u64,
    /// Sessions that were connected when the store was stopped or killed.
    pub sessions_connected: u64,
    /// Subscriptions of all sessions.
    pub subscriptions: u64,
    /// Queues.
    pub queues: u64,
    /// Entries of all queues: messages that wait, once per queue. An upper bound: what was acknowledged since the last
    /// sweep is counted.
    pub entries: u64,
    /// The longest queues, longest first.
    pub longest: Vec<InspectedQueue>,
    /// Retained messages.
    pub retained: u64,
    /// Their bytes.
    pub retained_bytes: u64,
    /// Notes: read positions, marks.
    pub notes: u64,
    /// Bytes of their keys and values.
    pub note_bytes: u64,
    /// Messages in flight to clients.
    pub in_flight: u64,
    /// When the oldest waiting message was published.
    pub oldest: Option<UnixMillis>,
    /// The last time the store knows of.
    pub last_time: UnixMillis,
    /// Message segments, oldest first.
    pub segments: Vec<InspectedSegment>,
    /// Bytes of state files.
    pub state_bytes: u64,
    /// Bytes of files kept for reuse.
    pub spare_bytes: u64,
    /// Records found damaged.
    pub damaged: u64,
    /// What recovery would report, in sentences: what it mends, and what is lost.
    pub findings: Vec<String>,
}

/// One queue.
#[derive(Clone, Debug, PartialEq)]
pub struct InspectedQueue {
    /// Its id.
    pub queue: QueueId,
    /// Its filter.
    pub filter: Box<str>,
    /// Messages in it at most.
    pub entries: u64,
    /// Their bytes, about.
    pub bytes: u64,
    /// Subscriptions that read it.
    pub readers: u32,
}

/// One message segment.
#[derive(Clone, Debug, PartialEq)]
pub struct InspectedSegment {
    /// Its file.
    pub name: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Its first sequence.
    pub first: Seq,
    /// Its last one.
    pub last: Seq,
    /// Entries in it that somebody still waits for, at most.
    pub entries: u64,
    /// The time of the last record in it.
    pub last_time: UnixMillis,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq)]
pub struct Verification {
    /// What is in the store.
    pub inspection: Inspection,
    /// Records that were read and are right.
    pub records: u64,
    /// Bytes of segments that were read.
    pub bytes: u64,
    /// Records, or places in indexes, that are not right; those that the inspection knows of are among them.
    pub damaged: u64,
    /// What is wrong, in sentences; empty when all is well.
    pub problems: Vec<String>,
}

/// Says what is in a store.
pub fn inspect(disk: Arc<dyn Disk>) -> Result<Inspection, StoreError> {
    Ok(look(&disk)?.1)
}

/// Reads all of a store and says whether it is right.
pub fn verify(disk: Arc<dyn Disk>) -> Result<Verification, StoreError> {
    let (tables, inspection) = look(&disk)?;
    let mut verification = Verification {
        records: 0,
        bytes: 0,
        damaged: inspection.damaged,
        problems: inspection.findings.clone(),
        inspection,
    };
    for held in tables.segments.sealed() {
        verification.segment(&held.segment)?;
    }
    Ok(verification)
}

fn look(disk: &Arc<dyn Disk>) -> Result<(Tables, Inspection), StoreError> {
    // The size only matters for files that would be kept for reuse.
    let mut recovery = Recovery {
        disk,
        segment_bytes: 0,
        findings: Vec::new(),
        damaged: 0,
        marked: Seq::ZERO,
        read_only: true,
    };
    let mut files = recovery.files()?;
    if files.segments.is_empty() && files.states.is_empty() && disk.open(names::MANIFEST).is_err() {
        return Err(StoreError::NoStore);
    }
    let manifest = recovery.manifest(&files, 0)?;
    let mut tables = Tables::default();
    let state = recover_state::recover(&mut recovery, &mut tables, &files.states)?;
    recover_log::recover(&mut recovery, &mut tables, &mut files, &state)?;
    let (findings, damaged) = (recovery.findings, recovery.damaged);
    let inspection = describe(&**disk, &files, &manifest, &tables, findings, damaged)?;
    Ok((tables, inspection))
}

fn describe(
    disk: &dyn Disk,
    files: &Files,
    manifest: &Manifest,
    tables: &Tables,
    findings: Vec<String>,
    damaged: u64,
) -> Result<Inspection, StoreError> {
    let mut longest: Vec<(u64, &Queue)> = tables
        .queues
        .values()
        .filter(|(_, queue)| !queue.closed)
        .collect();
    longest.sort_unstable_by_key(|(id, queue)| (std::cmp::Reverse(queue.load().messages), *id));
    let sessions = || tables.sessions.values().map(|(_, session)| session);
    let len_of = |name: String| {
        let len = disk.open(&name).and_then(|file| file.len());
        len.map_err(|source| io_error("look at a file", &name, source))
    };
    let states = files.states.iter().map(|id| len_of(id.state_name()));
    let spares = files.spares.iter().map(|&number| len_of(spare_name(number)));
    Ok(Inspection {
        format: FORMAT,
        node: manifest.node,
        boots: manifest.boot,
        sessions: tables.sessions.len() as u64,
        sessions_connected: sessions().filter(|session| session.connected).count() as u64,
        subscriptions: sessions().map(|session| session.subscriptions.len() as u64).sum(),
        queues: longest.len() as u64,
        entries: tables.entries,
        longest: longest
            .iter()
            .take(QUEUES_NAMED)
            .filter(|(_, queue)| queue.load().messages > 0)
            .map(|&(id, queue)| InspectedQueue {
                queue: QueueId(id),
                filter: queue.filter.clone(),
                entries: queue.load().messages,
                bytes: queue.load().bytes,
                readers: queue.readers,
            })
            .collect(),
        retained: tables.retained.len() as u64,
        retained_bytes: tables.retained.bytes(),
        notes: tables.notes.len() as u64,
        note_bytes: tables.notes.bytes(),
        in_flight: sessions().map(|session| session.bindings().len() as u64).sum(),
        oldest: oldest(tables),
        last_time: tables.last_time.millis(),
        segments: tables
            .segments
            .sealed()
            .iter()
            .map(|held| InspectedSegment {
                name: held.segment.file.id.segment_name(),
                bytes: held.segment.file.len,
                first: held.segment.summary.first,
                last: held.segment.summary.last,
                entries: held.live,
                last_time: held.segment.summary.last_time.millis(),
            })
            .collect(),
        state_bytes: states.sum::<Result<u64, _>>()?,
        spare_bytes: spares.sum::<Result<u64, _>>()?,
        damaged,
        findings,
    })
}

/// When the oldest message that somebody may still wait for was published.
fn oldest(tables: &Tables) -> Option<UnixMillis> {
    let firsts = tables
        .queues
        .values()
        .filter_map(|(_, queue)| queue.runs().next().map(|run| run.first));
    let first = firsts.min()?;
    let block = tables.segments.covering(first)?.block_of(first)?;
    Some(block.time.millis())
}

/// What a record in a segment says: its sequence and its queues.
type Found = (Seq, Vec<QueueId>);

impl Verification {
    /// Reads a segment, and compares its index with it.
    fn segment(&mut self, segment: &Sealed) -> Result<(), StoreError> {
        let name = segment.file.id.segment_name();
        self.bytes += segment.summary.end;
        // A segment whose index is in memory was read from end to end already, and told about.
        let was_read = segment.index().bytes_in_memory().is_some();
        let found = self
            .records(segment, &name, was_read)
            .map_err(|source| io_error("read a segment", &name, source))?;
        if !was_read {
            self.index(segment, &segment.file.id.index_name(), &found);
        }
        Ok(())
    }

    fn records(
        &mut self,
        segment: &Sealed,
        name: &str,
        was_read: bool,
    ) -> std::io::Result<HashMap<u32, Found>> {
        let mut found = HashMap::new();
        let trust = if was_read { Trust::Tail } else { Trust::Durable };
        let mut scan = Scan::new(&*segment.file.file, segment.file.seed, trust)?;
        while let Some(step) = scan.step() {
            let (header, at, body) = match step {
                Step::Block { header, at, body } => (header, at, body),
                Step::Damaged { header, at, to, body } => {
                    let lost = header.map_or(1, |header| records(&header, body).1.max(1));
                    if !was_read {
                        self.damaged += lost;
                        self.problems.push(format!(
                            "{lost} records or more are damaged file={name} from={at} to={to}"
                        ));
                    }
                    match header {
                        Some(header) => (header, at, body),
                        None => continue,
                    }
                }
            };
            for (place, record) in records(&header, body).0 {
                self.records += 1;
                if let Body::Message(message) = &record.body {
                    let seq = record
                        .moved
                        .map_or(header.first.plus(record.ordinal.into()), |moved| moved.seq);
                    let offset = (at + (BLOCK_HEADER + place) as u64) as u32;
                    found.insert(offset, (seq, message.queues.clone().collect()));
                }
            }
        }
        Ok(found)
    }

    /// Each entry must lead to the record it means. Records that were damaged are known already.
    fn index(&mut self, segment: &Sealed, name: &str, found: &HashMap<u32, Found>) {
        let index = segment.index();
        let mut wrong = 0;
        let mut entries = Vec::new();
        let Ok(runs) = index.runs() else {
            self.problem(1, format!("the directory of an index is damaged file={name}"));
            return;
        };
        for run in runs {
            entries.clear();
            if index.read_entries(run.at, run.count, &mut entries).is_err() {
                wrong += u64::from(run.count);
                continue;
            }
            for entry in &entries {
                let right = found
                    .get(&entry.offset)
                    .is_none_or(|(seq, queues)| *seq == entry.seq && queues.contains(&run.queue));
                wrong += u64::from(!right);
            }
        }
        if wrong > 0 {
            self.problem(
                wrong,
                format!("{wrong} entries of an index are wrong: they will be looked for file={name}"),
            );
        }
    }

    fn problem(&mut self, damaged: u64, what: String) {
        self.damaged += damaged;
        self.problems.push(what);
    }
}
