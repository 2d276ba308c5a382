//! What a database has taken is kept for a while (K40): one that replicates behind its answers can lose it when another
//! server takes its place, and then it is sent again, with everything behind it.
//!
//! Only where sending again does no harm: where messages have keys of their own. What has row numbers is in a database
//! that has answered after it was safe.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use restante_model::Seq;

use super::{
    perform::Performer,
    pool::{Owed, Pool},
};

/// How far the drain has come, and how far that is certain.
pub(crate) struct Confirming {
    window: Duration,
    /// Everything up to here is certain.
    confirmed: Seq,
    /// What is not yet: up to where, and since when.
    sent: VecDeque<(Seq, Instant)>,
    /// Everything up to here was counted as done.
    counted: Seq,
    /// Who answered last.
    incarnation: Option<String>,
}

impl Confirming {
    pub(crate) async fn new(pool: &Pool, from: Seq) -> Confirming {
        Confirming {
            window: pool.limits.confirm_window,
            confirmed: from,
            sent: VecDeque::new(),
            counted: from,
            incarnation: incarnation(pool).await,
        }
    }

    /// Everything up to here was taken; answers up to where that is certain.
    pub(crate) fn sent(&mut self, performer: &Performer<'_>, through: Seq) -> Seq {
        if self.window.is_zero() || !performer.is_keyed() {
            self.sent.clear();
            self.confirmed = through;
            return through;
        }
        self.sent.push_back((through, now()));
        self.ripe();
        self.confirmed
    }

    /// Up to where it is certain by now, if that is news.
    pub(crate) fn ripe(&mut self) -> Option<Seq> {
        let mut is_news = false;
        while let Some(&(through, at)) = self.sent.front()
            && now().duration_since(at) >= self.window
        {
            self.confirmed = through;
            self.sent.pop_front();
            is_news = true;
        }
        is_news.then_some(self.confirmed)
    }

    /// Whether another server answers than before.
    pub(crate) async fn is_another(&mut self, pool: &Pool, performer: &Performer<'_>) -> bool {
        let Some(found) = incarnation(pool).await else {
            return false;
        };
        let before = self.incarnation.replace(found);
        let is_another = before.is_some() && before != self.incarnation;
        is_another && performer.is_keyed() && !self.sent.is_empty()
    }

    /// Goes back to what is certain.
    pub(crate) fn rewind(&mut self) -> Seq {
        self.sent.clear();
        self.confirmed
    }

    /// What of a page counts as done: nothing that was counted before.
    pub(crate) fn counted(&mut self, through: Seq, done: Owed) -> Owed {
        let is_new = through > self.counted;
        self.counted = self.counted.max(through);
        if is_new { done } else { Owed::default() }
    }
}

/// Who answers; `None` when nobody does.
async fn incarnation(pool: &Pool) -> Option<String> {
    pool.backend.health().await.ok().map(|health| health.incarnation)
}

/// The window is time that passes, whatever the wall clock says.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
