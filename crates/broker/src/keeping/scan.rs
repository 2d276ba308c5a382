//! The one scan of a keep's topics when the broker starts (K38), and those that were noted before: where the database's
//! user may not list them, what the drain has written is all that is known.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use restante_model::Mode;
use restante_store::{
    batch::Batch,
    change::Change,
    contract::{NotesPage, NotesRequest},
};
use tokio::sync::oneshot;

use super::{
    keeper::{Keep, Keeping},
    topics::Added,
};
use crate::shared::Shared;

/// Topics read at a time.
const PAGE: usize = 1_000;
/// The pause before a scan is tried again.
const PAUSE: Duration = Duration::from_secs(5);
/// Bytes of notes read at a time.
const NOTES_BYTES: usize = 1 << 20;

/// Reads the topics that were noted by earlier starts.
pub(crate) async fn take_noted(shared: &Shared, keep: &Keep) {
    let prefix = prefix(keep);
    let mut after = None;
    loop {
        let Some(page) = notes(shared, &prefix, after).await else {
            return;
        };
        for note in &page.notes {
            if let Some(topic) = note.key.strip_prefix(&*prefix) {
                keep.topics.add(topic);
            }
        }
        after = page.after;
        if after.is_none() {
            return;
        }
    }
}

/// Notes that a topic has a backlog.
pub(crate) fn note_topic(batch: &mut Batch, keep: &Keep, topic: &str) {
    let key = format!("{}{topic}", prefix(keep));
    batch.change(&Change::Noted {
        key: &key,
        value: b"1",
    });
}

/// Notes that a topic has none any more.
pub(crate) fn forget_topic(batch: &mut Batch, keep: &Keep, topic: &str) {
    let key = format!("{}{topic}", prefix(keep));
    batch.change(&Change::Noted {
        key: &key,
        value: &[],
    });
}

/// Asks the database for its topics until it has given them all.
pub(crate) async fn run(shared: Arc<Shared>, keeping: Arc<Keeping>, keep: usize) {
    let keep = &keeping.keeps[keep];
    if keep.setup.mode == Mode::History {
        return;
    }
    let mut after: Option<String> = None;
    while !shared.stopping.load(Ordering::SeqCst) {
        match keep.setup.messages.topics(after.as_deref(), PAGE).await {
            Ok(Some(page)) => {
                for topic in &page.topics {
                    if keep.topics.add(topic) == Added::NoRoom {
                        keep.tell_of_too_many_topics();
                        return;
                    }
                }
                after = page.after;
                if after.is_none() {
                    return;
                }
            }
            Ok(None) => return,
            // The drain says that the database is away.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn notes(shared: &Shared, prefix: &str, after: Option<Box<str>>) -> Option<NotesPage> {
    let (tell, told) = oneshot::channel();
    let request = NotesRequest {
        prefix: prefix.into(),
        after,
        notes_max: PAGE,
        bytes_max: NOTES_BYTES,
        applied: shared.last_submitted(),
    };
    shared.store.notes(
        request,
        Box::new(move |page| {
            // Who asked may have gone.
            let _ = tell.send(page);
        }),
    );
    told.await.ok()
}

fn prefix(keep: &Keep) -> Box<str> {
    format!("topic/{}:{}/", keep.setup.name.len(), keep.setup.name).into()
}
