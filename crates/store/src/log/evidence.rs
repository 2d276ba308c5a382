//! What says at a start that something was taken away from outside, and telling of it.
//!
//! A segment has an index file from the moment it is in use, an empty one until it is sealed, and that goes before the
//! segment does, each step durable before the next. So a segment that is not there, or is not itself, while its index is
//! there, was lost. Its header says how long it was made, and no start cuts it before its end is marked. And it says up
//! to where a checkpoint was durable.

use super::{
    names::FileId,
    recover::{Recovery, io_error},
    recover_log::{End, FoundIndex},
    recover_state::FoundState,
    segment::SegmentFile,
};
use crate::contract::StoreError;

/// What files end with that are set aside for whoever wants to look into them.
const SET_ASIDE: &str = ".damaged";

/// Counts what was in a segment, and tells of it.
pub(super) fn lost(recovery: &mut Recovery<'_>, id: FileId, index: &Option<FoundIndex>, what: &str) {
    let name = id.segment_name();
    let Some((summary, _, index)) = index else {
        recovery.damaged += 1;
        recovery.findings.push(format!(
            "a segment {what}: what was committed to it is lost, if anything was file={name}"
        ));
        return;
    };
    let entries = u64::from(index.entries_len());
    recovery.damaged += entries.max(1);
    recovery.findings.push(format!(
        "a segment {what}: its messages are lost, those with {entries} entries in queues file={name} first={} last={}",
        summary.first, summary.last
    ));
}

/// Keeps a file under another name.
pub(super) fn set_aside(recovery: &mut Recovery<'_>, id: FileId) -> Result<(), StoreError> {
    let name = id.segment_name();
    let aside = format!("{name}{SET_ASIDE}");
    recovery
        .findings
        .push(format!("a file is set aside file={name} as={aside}"));
    if recovery.read_only {
        return Ok(());
    }
    recovery
        .disk
        .rename(&name, &aside)
        .map_err(|source| io_error("set a damaged segment aside", &name, source))
}

/// The last segment before the stop ends without a mark: it was torn, or cut by somebody else.
pub(super) fn tell_tail(recovery: &mut Recovery<'_>, file: &SegmentFile, begun: u64, end: &End) {
    let (name, at) = (file.id.segment_name(), end.at);
    if file.len < begun {
        recovery.damaged += 1;
        recovery.findings.push(format!(
            "a segment was cut off, and not by this program: what was committed behind is lost, if anything was \
             file={name} at={at} bytes={} instead_of={begun}",
            file.len
        ));
    } else if end.torn {
        recovery.findings.push(format!(
            "the last commit before the stop was not finished, and nobody was told that it was: it is cut off \
             file={name} at={at}"
        ));
    }
}

/// A segment was begun after a checkpoint that is not there any more.
pub(super) fn compare_marks(recovery: &mut Recovery<'_>, state: &FoundState) {
    let known = recovery.marked;
    if known > state.mark.replay_from {
        recovery.damaged += 1;
        recovery.findings.push(format!(
            "the newest checkpoint is missing or damaged: sessions, subscriptions and retained messages are as the \
             files say that are left found={} instead_of={known} or later",
            state.mark.replay_from
        ));
    }
}
