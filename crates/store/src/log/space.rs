//! Whether messages are taken (K9). They are refused well before the disk is full, so that acknowledgements, deletions
//! and merging still find room; when these have freed enough, messages are taken again.

use crate::contract::Admission;

use super::{settings::LogSettings, shared::Shared};

/// Below this many free bytes no messages are taken: what the settings say, and at least what the next segments, their
/// indexes and a checkpoint need.
pub(crate) fn free_bytes_min(settings: &LogSettings) -> u64 {
    settings.free_bytes_min.max(4 * settings.segment_bytes)
}

/// Looks whether to close: called when a segment is begun, so that a burst cannot outrun the house.
pub(crate) fn look_at_roll(shared: &Shared) {
    if shared.admission() == Admission::Open
        && let Some(why) = disk_is_short(shared, 1).or_else(|| limit_is_near(shared, 1))
    {
        shared.set_full(Some(why));
    }
}

/// Looks at everything, and decides.
pub(crate) fn look(shared: &Shared) {
    // Opens again only when there is clearly more than at the bound, so that it does not flutter.
    let factor = match shared.admission() {
        Admission::Full { .. } => 2,
        _ => 1,
    };
    let why = disk_is_short(shared, factor).or_else(|| limit_is_near(shared, factor));
    if why.is_none() && shared.supply.wants_next() {
        // Some other trouble with the next segment: whoever met it has said so.
        return;
    }
    shared.set_full(why);
}

fn disk_is_short(shared: &Shared, factor: u64) -> Option<String> {
    let needed = free_bytes_min(&shared.settings) * factor;
    let free = shared.disk.free_bytes().ok().filter(|&free| free < needed)?;
    Some(format!(
        "the disk is nearly full: free some space, or let clients fetch their messages free_bytes={free} \
         needed={needed}"
    ))
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
