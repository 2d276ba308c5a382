//! What a session was still owed when it, or one of its subscriptions, ended (K30). The worker counts it while it applies
//! the ending: a count of a span is two searches in its queue, and only where filters overlap are some entries compared.

use std::collections::BTreeSet;

use restante_model::{NotKept, Seq, SessionId, filter};

use crate::contract::QueueSpan;

use super::{session::Session, tables::Tables};

/// Entries of overlapping filters that are compared one by one; with more the count is an upper bound (K23).
const COMPARED_MAX: u64 = 1024;

/// Filters among which overlaps are looked for; with more of them that wait for something the count is an upper bound.
const FILTERS_MAX: usize = 32;

/// What a session is owed under one filter.
struct Owing<'a> {
    filter: &'a str,
    spans: Vec<QueueSpan>,
    messages: u64,
}

impl Tables {
    /// A session is about to end.
    pub(super) fn count_session(&mut self, id: SessionId, word: Option<NotKept>) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let (ended, _) = self.owing(session, |_| true);
        let waited = session.bindings_open() + self.distinct(&ended, &[]);
        match word {
            Some(NotKept::Unsubscribed) => self.waited.unsubscribed += waited,
            Some(NotKept::SessionCleared) => self.waited.session_cleared += waited,
            _ => self.waited.session_expired += waited,
        }
    }

    /// A subscription is about to end. What is bound, or owed under another one, goes on.
    pub(super) fn count_subscription(&mut self, id: SessionId, filter: &str) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let (ended, mut others) = self.owing(session, |other| other == filter);
        others.retain(|other| filter::overlap(other.filter, filter));
        self.waited.unsubscribed += self.distinct(&ended, &others);
    }

    /// What is owed, under filters that have ended and under the others; those that owe nothing are left out.
    fn owing<'a>(
        &self,
        session: &'a Session,
        has_ended: impl Fn(&str) -> bool,
    ) -> (Vec<Owing<'a>>, Vec<Owing<'a>>) {
        let cursor = session.cursor_with_bindings();
        let all = session.subscriptions.keys().map(|filter| {
            let spans: Vec<QueueSpan> = session.owed_under(filter, &cursor).collect();
            let load =
                |span: &QueueSpan| Some(self.queues.get(&span.queue)?.load(span.from, span.to).messages);
            let messages = spans.iter().filter_map(load).sum();
            Owing {
                filter,
                spans,
                messages,
            }
        });
        all.filter(|owing| owing.messages > 0)
            .partition(|owing| has_ended(owing.filter))
    }

    /// How many messages are in some of the first and in none of the others.
    fn distinct(&self, ended: &[Owing<'_>], others: &[Owing<'_>]) -> u64 {
        let sum = |all: &[Owing<'_>]| all.iter().map(|owing| owing.messages).sum::<u64>();
        let overlap = !others.is_empty() || any_overlap(ended);
        if !overlap || sum(ended) > COMPARED_MAX {
            return sum(ended);
        }
        let mut seqs = self.seqs(ended);
        if sum(others) <= COMPARED_MAX {
            for seq in self.seqs(others) {
                seqs.remove(&seq);
            }
        }
        seqs.len() as u64
    }

    fn seqs(&self, all: &[Owing<'_>]) -> BTreeSet<Seq> {
        let spans = all.iter().flat_map(|owing| &owing.spans);
        let of_span = |span: &QueueSpan| {
            let queue = self.queues.get(&span.queue);
            let positions = queue.map_or(0..0, |queue| {
                queue.position_after(span.from)..queue.position_after(span.to)
            });
            positions
                .filter_map(|position| queue?.seq_at(position))
                .collect::<Vec<Seq>>()
        };
        spans.flat_map(of_span).collect()
    }
}

fn any_overlap(all: &[Owing<'_>]) -> bool {
    let overlaps = |(at, one): (usize, &Owing<'_>)| {
        all[..at]
            .iter()
            .any(|before| filter::overlap(before.filter, one.filter))
    };
    all.len() <= FILTERS_MAX && all.iter().enumerate().any(overlaps)
}
