//! Whether messages are taken (K9). They are refused well before the disk is full, so that acknowledgements, deletions
//! and merging still find room; when these have freed enough, messages are taken again.
//!
//! What frees space needs some first: a segment for the acknowledgements, and a checkpoint, because only what is in one
//! can be taken back. So new segments leave free what a checkpoint takes, and files kept for reuse go before messages
//! are refused.

use std::io;

use crate::contract::Admission;

use super::{settings::LogSettings, shared::Shared};

/// Segments that can be filled with acknowledgements and deletions when messages are not taken any more: the next one,
/// and spare files up to this number. Others have got what the disk had until then.
pub(crate) const RESERVE_SPARES: usize = 1;

/// Whether a call failed because there was no space.
pub(crate) fn is_for_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// What the settings keep free, and at least what the next segments and their indexes need.
fn free_bytes_min(settings: &LogSettings) -> u64 {
    settings.free_bytes_min.max(4 * settings.segment_bytes)
}

/// Below this many free bytes no messages are taken: what the settings say, and at least what the next segments, their
/// indexes and a checkpoint of everything need.
pub(crate) fn reserve(shared: &Shared) -> u64 {
    let needed = 4 * shared.settings.segment_bytes + shared.counters.state_bytes();
    shared.settings.free_bytes_min.max(needed)
}

/// What a checkpoint of everything takes at most, and indexes: without it no segment could be taken back. New segments
/// leave so much free.
pub(crate) fn keep_for_checkpoint(shared: &Shared) {
    let counters = &shared.counters;
    let kept = counters.state_bytes() + counters.bytes_beyond_state() + shared.settings.segment_bytes;
    shared.supply.keep_free(kept);
}

/// Whether so many bytes can be written and a checkpoint of everything after them.
pub(crate) fn has_room_beside_checkpoint(shared: &Shared, bytes: u64) -> bool {
    let needed = bytes + shared.counters.state_bytes() + shared.counters.bytes_beyond_state();
    shared.disk.free_bytes().map_or(true, |free| free >= needed)
}

/// How many files may be kept for reuse now.
pub(crate) fn spares_max(shared: &Shared) -> usize {
    match shared.admission() {
        Admission::Open => shared.settings.spares_max,
        _ => RESERVE_SPARES,
    }
}

/// Looks whether to close: called when a segment is begun, so that a burst cannot outrun the house.
pub(crate) fn look_at_roll(shared: &Shared) {
    if shared.admission() == Admission::Open
        && let Some(why) = disk_is_short(shared, false).or_else(|| limit_is_near(shared, 1))
    {
        shared.set_full(Some(why));
    }
}

/// Looks at everything, and decides.
pub(crate) fn look(shared: &Shared) {
    keep_for_checkpoint(shared);
    // Opens again only when there is clearly more than at the bound, so that it does not flutter.
    let was_full = matches!(shared.admission(), Admission::Full { .. });
    if was_full || shared.disk.free_bytes().is_ok_and(|free| free < reserve(shared)) {
        shared.supply.give_up_spares(&*shared.disk, RESERVE_SPARES);
    }
    let factor = if was_full { 2 } else { 1 };
    let why = disk_is_short(shared, was_full).or_else(|| limit_is_near(shared, factor));
    if shared.is_stalled() || why.is_none() && shared.supply.wants_next() {
        // The committer waits, or there is some other trouble with the next segment: whoever met it has said so.
        return;
    }
    shared.set_full(why);
}

/// Whether too little is free to take messages; or, where none are taken, to take them again.
fn disk_is_short(shared: &Shared, was_full: bool) -> Option<String> {
    let segment_bytes = shared.settings.segment_bytes;
    let free = shared.disk.free_bytes().ok()?;
    // What stands ready is as good as free. On the way to the bound only what is given up before it is reached.
    let ready = shared.supply.ready();
    let (ready, needed) = match was_full {
        true => (ready, reserve(shared) + free_bytes_min(&shared.settings)),
        false => (ready.saturating_sub(1 + RESERVE_SPARES), reserve(shared)),
    };
    (free + ready as u64 * segment_bytes < needed).then(|| {
        format!(
            "the disk is nearly full: free some space, or let clients fetch their messages free_bytes={free} \
             needed={needed}"
        )
    })
}

fn limit_is_near(shared: &Shared, factor: u64) -> Option<String> {
    let settings = &shared.settings;
    let max = settings.store_bytes_max;
    let figures = shared.figures();
    let used = figures.segment_bytes + figures.state_bytes;
    let reserve = (2 * settings.segment_bytes).min(max / 4);
    (max > 0 && used + reserve * factor > max).then(|| {
        format!(
            "the store nearly takes the bytes it may: let clients fetch their messages, or raise the limit \
             used={used} max={max}"
        )
    })
}
