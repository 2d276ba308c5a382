//! From where a client reads a kept topic: its read position in pubsub mode, and since when it has been subscribed.
//!
//! Both are notes in the store (K51): `position/KEEP/CLIENT/TOPIC` (its parts behind their lengths, as any of them may
//! hold a slash) and `since/KEEP/CLIENT/FILTER`. The documented table of positions is a mirror, written by the drain, and
//! read where there is no note: by clients who come from another broker with their data in place.

use std::{collections::HashSet, sync::Arc};

use restante_backend::{messages::Place, stored_id::StoredId, trouble::Asked};
use restante_model::{Filter, UnixMillis};
use restante_store::{
    batch::Batch,
    change::{Change, NOTE_VALUE_BYTES_MAX},
};

use super::{
    fetch::{Ask, first_time},
    keeper::{Keeping, note},
};
use crate::shared::Shared;

/// From where a client reads a topic; all that is there, when nothing is said.
#[derive(Debug, Default)]
pub(crate) struct Start {
    /// Behind this place.
    pub(crate) after: Option<Place>,
    /// From this time on.
    pub(crate) since: Option<UnixMillis>,
    /// Without these.
    pub(crate) without: HashSet<StoredId>,
}

/// Subscriptions whose time counts (`first_subscribe`).
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) keep: usize,
    pub(crate) client: Arc<str>,
    pub(crate) filters: Box<[Filter]>,
    /// What is published from then on is owed to the client.
    pub(crate) at: UnixMillis,
}

/// The client's first look at a filter of a keep is remembered: what is published from then on is owed to it, whatever
/// `first_subscribe` says of what was there before.
pub(crate) async fn begin(shared: &Shared, keeping: &Keeping, begun: &Begun) {
    for filter in &begun.filters {
        let key = since_key(keeping, begun, filter);
        if note(shared, &key).await.is_some() {
            continue;
        }
        let first = keeping.keeps[begun.keep].setup.first_subscribe;
        let since = first_time(first, begun.at).map_or(0, |since| since.0);
        let mut batch = Batch::default();
        batch.change(&Change::Noted {
            key: &key,
            value: &since.to_le_bytes(),
        });
        shared.submit_changes(batch);
    }
}

/// Where a client begins in a topic.
pub(crate) async fn start(shared: &Shared, keeping: &Keeping, ask: &Ask, topic: &str) -> Asked<Start> {
    let keep = &keeping.keeps[ask.keep];
    let mut start = Start::default();
    if keep.is_read_by_position() {
        let noted = note(shared, &position_key(&keep.setup.name, &ask.client, topic)).await;
        match noted.as_deref().and_then(position_of) {
            Some((after, without)) => (start.after, start.without) = (after, without),
            None => start.after = keep.setup.messages.position(&ask.client, topic).await?,
        }
        if start.after.is_some() {
            return Ok(start);
        }
    }
    let mut earliest: Option<UnixMillis> = None;
    for filter in &ask.begun.filters {
        let since = note(shared, &since_key(keeping, &ask.begun, filter)).await;
        let since = since.and_then(|value| <[u8; 8]>::try_from(&*value).ok());
        let since = since.map_or(UnixMillis(0), |value| UnixMillis(u64::from_le_bytes(value)));
        earliest = Some(earliest.map_or(since, |earliest| earliest.min(since)));
    }
    start.since = earliest.filter(|since| since.0 > 0);
    Ok(start)
}

/// Notes a read position: the mark, and what was acknowledged above it, as far as a note holds that.
pub(crate) fn note_position(
    batch: &mut Batch,
    keep: &str,
    client: &str,
    topic: &str,
    low: Option<&Place>,
    above: &[&StoredId],
) {
    let mut value = low.and_then(|low| low.row).unwrap_or(0).to_le_bytes().to_vec();
    put_id(&mut value, low.map_or("", |low| low.id.text()));
    for id in above {
        if value.len() + 2 + id.text().len() > NOTE_VALUE_BYTES_MAX {
            break;
        }
        put_id(&mut value, id.text());
    }
    let key = position_key(keep, client, topic);
    batch.change(&Change::Noted {
        key: &key,
        value: &value,
    });
}

/// Forgets what is known of a client at a filter of a keep: it has unsubscribed (C10).
pub(crate) fn forget(batch: &mut Batch, keep: &str, client: &str, filter: &str) {
    for key in [
        position_key(keep, client, filter),
        key("since", keep, client, filter),
    ] {
        batch.change(&Change::Noted {
            key: &key,
            value: &[],
        });
    }
}

fn put_id(value: &mut Vec<u8>, id: &str) {
    value.extend_from_slice(&(id.len() as u16).to_le_bytes());
    value.extend_from_slice(id.as_bytes());
}

/// The mark, and what was acknowledged above it.
fn position_of(value: &[u8]) -> Option<(Option<Place>, HashSet<StoredId>)> {
    let (row, mut rest) = value.split_first_chunk::<8>()?;
    let mut ids = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let (id, behind) = behind.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        ids.push(std::str::from_utf8(id).ok()?);
        rest = behind;
    }
    let (low, above) = ids.split_first()?;
    let place = (!low.is_empty()).then(|| Place {
        id: StoredId::parse(low),
        row: Some(u64::from_le_bytes(*row)).filter(|&row| row != 0),
    });
    Some((place, above.iter().map(|id| StoredId::parse(id)).collect()))
}

fn since_key(keeping: &Keeping, begun: &Begun, filter: &Filter) -> String {
    key(
        "since",
        &keeping.keeps[begun.keep].setup.name,
        &begun.client,
        filter.topic_filter(),
    )
}

fn position_key(keep: &str, client: &str, topic: &str) -> String {
    key("position", keep, client, topic)
}

fn key(what: &str, keep: &str, client: &str, topic: &str) -> String {
    format!("{what}/{}:{keep}/{}:{client}/{topic}", keep.len(), client.len())
}

#[cfg(test)]
mod tests {
    use restante_store::change_record::ChangeRecord;

    use super::*;

    #[test]
    fn keys_of_different_clients_and_topics_differ() {
        assert_ne!(key("position", "k", "a/b", "c"), key("position", "k", "a", "b/c"));
    }

    #[test]
    fn k51_a_position_comes_back_with_what_was_acknowledged_above_it() {
        let note = |low: Option<&Place>, above: &[&StoredId]| {
            let mut batch = Batch::default();
            note_position(&mut batch, "k", "c", "t", low, above);
            let mut found = None;
            for record in batch.records() {
                if let restante_store::record::Body::Change(ChangeRecord::Noted { value, .. }) = record.body {
                    found = Some(value.to_vec());
                }
            }
            found.unwrap()
        };
        let low = Place {
            id: StoredId::parse("abc"),
            row: Some(9),
        };
        let (x, y) = (StoredId::parse("x"), StoredId::parse("y"));
        let (place, above) = position_of(&note(Some(&low), &[&x, &y])).unwrap();
        assert_eq!((place, above), (Some(low), HashSet::from([x.clone(), y])));
        let (place, above) = position_of(&note(None, &[&x])).unwrap();
        assert_eq!((place, above), (None, HashSet::from([x])));
        assert_eq!(position_of(b"abc"), None);
    }
}
