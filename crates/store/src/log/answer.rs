//! The reader threads: answer questions, one after another.

use restante_model::{Seq, SessionId};

use crate::image::{SessionImage, StoredMessage};

use super::{
    fetch,
    index::BlockEntry,
    limits,
    page::page,
    requests::Request,
    segment::{Sealed, SegmentFile},
    shared::Shared,
};
use std::sync::Arc;

/// Runs until the store is closed.
pub(crate) fn run(shared: &Shared) {
    while let Some(request) = shared.requests.next() {
        match request {
            Request::Page(request, done) => done(page(shared, &request)),
            Request::Session(session, _, done) => done(session_image(shared, session)),
            Request::Bound(session, seqs, _, done) => done(bound(shared, session, &seqs)),
            Request::Retained(filter, _, done) => done(retained(shared, &filter)),
            Request::Count(word, count) => shared.counters.waited(word, count.finish()),
        }
    }
}

fn session_image(shared: &Shared, session: SessionId) -> Option<SessionImage> {
    limits::limit(shared, session);
    let tables = shared.tables.read();
    Some(tables.sessions.get(session.0)?.image(session, &tables.queues))
}

fn retained(shared: &Shared, filter: &str) -> Vec<StoredMessage> {
    let tables = shared.tables.read();
    let found = tables.retained.matching(filter, tables.now);
    drop(tables);
    found.iter().map(|kept| kept.stored()).collect()
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
