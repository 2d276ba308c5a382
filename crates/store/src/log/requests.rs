//! Questions to the store: they wait until what they ask about was applied, then for a reader thread.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};
use restante_model::{NotKept, Seq, SessionId};

use crate::{
    contract::{Done, NotesPage, NotesRequest, Page, ReadRequest, RetainedPage, RetainedRequest},
    image::{SessionImage, StoredMessage},
};

use super::waited::Count;

/// Counts that may wait for a thread; beyond, who has one more works it out alone.
const COUNTS_MAX: usize = 4096;

/// A question and where its answer goes.
pub(crate) enum Request {
    Page(ReadRequest, Done<Page>),
    Session(SessionId, Seq, Done<Option<SessionImage>>),
    /// With what was durable when it was asked.
    Bound(SessionId, Vec<Seq>, Seq, Done<Vec<Option<StoredMessage>>>),
    Retained(RetainedRequest, Done<RetainedPage>),
    Notes(NotesRequest, Done<NotesPage>),
    /// Nobody waits for it: how many messages ended under this word.
    Count(NotKept, Count),
}

impl Request {
    /// What must have been applied before.
    fn at(&self) -> Seq {
        match self {
            Request::Page(request, _) => request.applied,
            Request::Count(..) => Seq::ZERO,
            Request::Retained(request, _) => request.applied,
            Request::Notes(request, _) => request.applied,
            Request::Session(_, at, _) | Request::Bound(_, _, at, _) => *at,
        }
    }
}

/// All questions that are not answered yet: at most one per reader and session, by contract.
pub(crate) struct Requests {
    lists: Mutex<Lists>,
    bell: Condvar,
}

struct Lists {
    applied: Seq,
    /// Wait for something to be applied.
    early: Vec<Request>,
    /// Wait for a thread.
    ready: VecDeque<Request>,
    /// Wait until nothing else does.
    counts: VecDeque<(NotKept, Count)>,
    /// Nothing more will be applied: nobody waits for it.
    over: bool,
    closed: bool,
}

impl Requests {
    pub(crate) fn new(applied: Seq) -> Requests {
        Requests {
            lists: Mutex::new(Lists {
                applied,
                early: Vec::new(),
                ready: VecDeque::new(),
                counts: VecDeque::new(),
                over: false,
                closed: false,
            }),
            bell: Condvar::new(),
        }
    }

    /// Adds a question. Answers whether something must be applied first. After the store is closed it is dropped
    /// unanswered.
    pub(crate) fn ask(&self, request: Request) -> bool {
        let mut lists = self.lists.lock();
        if lists.closed {
            return false;
        }
        if lists.over || request.at() <= lists.applied {
            lists.ready.push_back(request);
            drop(lists);
            self.bell.notify_one();
            false
        } else {
            lists.early.push(request);
            true
        }
    }

    /// Whether a question waits until something is applied.
    pub(crate) fn any_early(&self) -> bool {
        !self.lists.lock().early.is_empty()
    }

    /// Leaves a count to whoever has time for it; gives it back when too many wait already.
    pub(crate) fn count_later(&self, word: NotKept, count: Count) -> Option<Count> {
        let mut lists = self.lists.lock();
        if lists.counts.len() >= COUNTS_MAX {
            return Some(count);
        }
        lists.counts.push_back((word, count));
        drop(lists);
        self.bell.notify_one();
        None
    }

    /// Everything up to here is applied.
    pub(crate) fn applied(&self, applied: Seq) {
        let mut lists = self.lists.lock();
        lists.applied = applied;
        if lists.early.is_empty() {
            return;
        }
        let ready: Vec<_> = lists
            .early
            .extract_if(.., |request| request.at() <= applied)
            .collect();
        self.release(lists, ready);
    }

    /// Nothing more will be applied: who waits for it is answered with what there is.
    pub(crate) fn over(&self) {
        let mut lists = self.lists.lock();
        lists.over = true;
        let ready = std::mem::take(&mut lists.early);
        self.release(lists, ready);
    }

    fn release(&self, mut lists: parking_lot::MutexGuard<'_, Lists>, ready: Vec<Request>) {
        if !ready.is_empty() {
            lists.ready.extend(ready);
            drop(lists);
            self.bell.notify_all();
        }
    }

    /// The next question; `None` when the store is closed.
    pub(crate) fn next(&self) -> Option<Request> {
        let mut lists = self.lists.lock();
        loop {
            if let Some(request) = lists.ready.pop_front() {
                return Some(request);
            }
            if lists.closed {
                return None;
            }
            if let Some((word, count)) = lists.counts.pop_front() {
                return Some(Request::Count(word, count));
            }
            self.bell.wait(&mut lists);
        }
    }

    /// No more questions; what is ready is still answered.
    pub(crate) fn close(&self) {
        self.lists.lock().closed = true;
        self.bell.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retained(at: u64) -> Request {
        let request = RetainedRequest {
            topic_filter: at.to_string(),
            after: None,
            to: Seq::MAX,
            messages_max: 1,
            bytes_max: 1,
            applied: Seq(at),
        };
        Request::Retained(request, Box::new(|_| ()))
    }

    fn names(requests: &Requests, count: usize) -> Vec<String> {
        let name = |request| match request {
            Some(Request::Retained(request, _)) => request.topic_filter,
            _ => "?".into(),
        };
        (0..count).map(|_| name(requests.next())).collect()
    }

    #[test]
    fn a_question_waits_until_what_it_is_about_was_applied() {
        let requests = Requests::new(Seq(5));
        assert!(requests.ask(retained(7)) && requests.any_early());
        assert!(!requests.ask(retained(5)));
        assert_eq!(names(&requests, 1), ["5"]);
        assert!(requests.ask(retained(9)));
        requests.applied(Seq(8));
        assert_eq!(names(&requests, 1), ["7"]);
        requests.over();
        assert!(!requests.ask(retained(10)) && !requests.any_early());
        assert_eq!(names(&requests, 2), ["9", "10"]);
        requests.close();
        assert!(requests.next().is_none());
    }
}
