//! The reader threads: answer questions, one after another.

use restante_model::{Seq, SessionId};

use crate::{
    contract::{RetainedPage, RetainedRequest},
    image::{SessionImage, StoredMessage},
};

use super::{
    fetch,
    index::BlockEntry,
    limits,
    page::page,
    requests::Request,
    segment::{Sealed, SegmentFile},
    shared::Shared,
    tables::retained::Found,
};
use std::sync::Arc;

/// Topics of retained messages that are looked at under one lock.
const TOPICS_AT_ONCE: usize = 4096;

/// Runs until the store is closed.
pub(crate) fn run(shared: &Shared) {
    while let Some(request) = shared.requests.next() {
        match request {
            Request::Page(request, done) => done(page(shared, &request)),
            Request::Session(session, _, done) => done(session_image(shared, session)),
            Request::Bound(session, seqs, _, done) => done(bound(shared, session, &seqs)),
            Request::Retained(request, done) => done(retained(shared, request)),
            Request::Notes(request, done) => done(shared.tables.read().notes.page(&request)),
            Request::Count(word, count) => shared.counters.waited(word, count.finish()),
        }
    }
}

fn session_image(shared: &Shared, session: SessionId) -> Option<SessionImage> {
    limits::limit(shared, session);
    let tables = shared.tables.read();
    Some(tables.sessions.get(session.0)?.image(session, &tables.queues))
}

fn retained(shared: &Shared, mut request: RetainedRequest) -> RetainedPage {
    let mut found = Found::after(request.after.take());
    loop {
        let tables = shared.tables.read();
        let more = tables
            .retained
            .look(&request, &mut found, tables.now, TOPICS_AT_ONCE);
        drop(tables);
        if !more || found.is_full {
            return RetainedPage {
                messages: found.messages.iter().map(|kept| kept.stored()).collect(),
                after: found.at.filter(|_| more),
            };
        }
    }
}

fn bound(shared: &Shared, session: SessionId, seqs: &[Seq]) -> Vec<Option<StoredMessage>> {
    if shared.tables.read().sessions.get(session.0).is_none() {
        return vec![None; seqs.len()];
    }
    seqs.iter().map(|&seq| bound_message(shared, seq)).collect()
}

/// Where a message in flight is.
enum Whereabouts {
    Memory(StoredMessage),
    Open(Arc<SegmentFile>, BlockEntry),
    Sealed(Arc<Sealed>),
}

fn bound_message(shared: &Shared, seq: Seq) -> Option<StoredMessage> {
    match whereabouts(shared, seq)? {
        Whereabouts::Memory(message) => Some(message),
        Whereabouts::Open(file, block) => fetch::by_seq(&file, block, seq),
        Whereabouts::Sealed(sealed) => {
            let block = sealed.block_of(seq)?;
            fetch::by_seq(&sealed.file, block, seq)
        }
    }
}

fn whereabouts(shared: &Shared, seq: Seq) -> Option<Whereabouts> {
    let tables = shared.tables.read();
    if let Some(kept) = tables.retained.by_seq(seq) {
        return Some(Whereabouts::Memory(kept.stored()));
    }
    if let Some(sealed) = tables.segments.covering(seq) {
        return Some(Whereabouts::Sealed(sealed.clone()));
    }
    let open = tables.segments.open.as_ref()?;
    Some(Whereabouts::Open(
        open.file.clone(),
        *open.blocks_from(seq, 1).first()?,
    ))
}
