//! The log store: everything that must survive, in one log (see `docs/design/store.md`).

mod answer;
mod backlog;
mod block;
mod checkpoint;
mod commit;
mod counters;
mod evidence;
mod fetch;
mod full;
mod house;
mod index;
mod inspect;
mod keep;
mod limits;
mod manifest;
mod merge;
mod names;
mod page;
mod page_memory;
mod recover;
mod recover_log;
mod recover_state;
mod requests;
mod rescue;
mod scan;
mod segment;
mod settings;
mod shared;
mod space;
mod state;
mod supply;
mod sweep;
mod tables;
mod waited;
mod walk;
mod warm;
mod window;

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
};

use parking_lot::Mutex;
use restante_model::{QueueId, Seq, SessionId, UnixMillis};

use crate::{
    batch::Batch,
    contract::{
        Admission, Backlog, Done, Figures, NotesPage, NotesRequest, Page, ReadRequest, RetainedPage,
        RetainedRequest, Span, Store, StoreError, Wake,
    },
    image::{SessionImage, StoredMessage},
    io::Disk,
};

use self::{commit::Committer, house::Housekeeper, requests::Request, shared::Shared};
pub use self::{
    inspect::{InspectedQueue, InspectedSegment, Inspection, Verification, inspect, verify},
    recover::LogRecovered,
    settings::{LogSettings, Sync},
};

/// The durable store. Dropping it stops its threads after what was submitted is committed; [`Store::close`] also
/// writes what makes the next start short.
pub struct LogStore {
    shared: Arc<Shared>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    commit: JoinHandle<()>,
    keep: JoinHandle<()>,
    readers: Vec<JoinHandle<()>>,
    house: JoinHandle<io::Result<()>>,
}

impl LogStore {
    /// Opens the store on a disk, or makes one there, and starts its threads. Reads all that is needed before it
    /// answers: indexes and the last part of the log, never the bodies of sealed segments.
    pub fn open(
        disk: Arc<dyn Disk>,
        settings: LogSettings,
        now: UnixMillis,
    ) -> Result<(LogStore, LogRecovered), StoreError> {
        let opened = recover::open(disk, settings, now)?;
        let shared = opened.shared;
        let start = |name: &str, work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new()
                .name(name.into())
                .spawn(work)
                .map_err(thread_error)
        };
        let committer = Committer::new(shared.clone(), opened.first);
        let housekeeper = Housekeeper::new(shared.clone(), opened.checkpoints);
        let keep = {
            let shared = shared.clone();
            start(
                "store-keep",
                Box::new(move || {
                    let _watch = shared.watch("store-keep");
                    keep::run(&shared);
                }),
            )?
        };
        let mut readers = Vec::new();
        for _ in 0..shared.settings.readers {
            let shared = shared.clone();
            readers.push(start(
                "store-read",
                Box::new(move || {
                    let _watch = shared.watch("store-read");
                    answer::run(&shared);
                }),
            )?);
        }
        let house = thread::Builder::new()
            .name("store-house".into())
            .spawn({
                let watch = shared.watch("store-house");
                move || {
                    let _watch = watch;
                    housekeeper.run()
                }
            })
            .map_err(thread_error)?;
        let commit = {
            let watch = shared.watch("store-commit");
            let run = move || {
                let _watch = watch;
                committer.run();
            };
            start("store-commit", Box::new(run))?
        };
        let threads = Mutex::new(Some(Threads {
            commit,
            keep,
            readers,
            house,
        }));
        Ok((LogStore { shared, threads }, opened.recovered))
    }

    /// Commits what was submitted and stops the threads.
    fn stop(&self, hurry: bool) -> Result<(), StoreError> {
        match self.threads.lock().take() {
            Some(threads) => threads.stop(&self.shared, hurry),
            None => Ok(()),
        }
    }
}

impl Threads {
    fn include_this_one(&self) -> bool {
        let this = thread::current().id();
        let readers = self.readers.iter().map(|reader| reader.thread().id());
        let others = [
            self.commit.thread().id(),
            self.keep.thread().id(),
            self.house.thread().id(),
        ];
        readers.chain(others).any(|id| id == this)
    }

    fn stop(self, shared: &Shared, hurry: bool) -> Result<(), StoreError> {
        shared.pending.lock().closed = true;
        shared.pending_bell.notify_one();
        let mut ended = self.commit.join().is_ok() & self.keep.join().is_ok();
        shared.requests.close();
        for reader in self.readers {
            ended &= reader.join().is_ok();
        }
        shared.ring_house(|house| {
            house.closed = true;
            house.hurry = hurry;
        });
        let left = self.house.join();
        let failed = |source| StoreError::Io {
            action: "close the store",
            path: "log".into(),
            source,
        };
        if let Some(why) = shared.failed() {
            return Err(failed(io::Error::other(why.to_string())));
        }
        match left {
            Ok(result) if ended => result.map_err(failed),
            _ => Err(failed(io::Error::other("a thread of the store had ended early"))),
        }
    }
}

fn thread_error(source: io::Error) -> StoreError {
    StoreError::Io {
        action: "start a thread of the store",
        path: "log".into(),
        source,
    }
}

impl Drop for LogStore {
    fn drop(&mut self) {
        let Some(threads) = self.threads.lock().take() else {
            return;
        };
        let shared = self.shared.clone();
        let own = threads.include_this_one();
        // Nobody is left who could be told how it went.
        let stop = move || {
            let _ = threads.stop(&shared, true);
        };
        // The last owner may be a callback, on a thread that cannot wait for itself.
        if own {
            let _ = thread::Builder::new().name("store-stop".into()).spawn(stop);
        } else {
            stop();
        }
    }
}

impl Store for LogStore {
    fn batch(&self) -> Batch {
        self.shared.batch()
    }

    fn submit(&self, batch: Batch) -> Span {
        let span = self.shared.submit(batch);
        self.shared.rouse();
        span
    }

    fn submit_quietly(&self, batch: Batch) -> Span {
        self.shared.submit(batch)
    }

    fn rouse(&self) {
        self.shared.rouse();
    }

    fn node(&self) -> u64 {
        self.shared.node
    }

    fn durable(&self) -> Seq {
        self.shared.durable()
    }

    fn on_progress(&self, wake: Wake) {
        self.shared.on_progress(wake);
    }

    fn admission(&self) -> Admission {
        self.shared.admission()
    }

    fn congested(&self) -> bool {
        self.shared.congested()
    }

    fn read(&self, request: ReadRequest, done: Done<Page>) {
        self.shared.ask(Request::Page(request, done));
    }

    fn session(&self, session: SessionId, at: Seq, done: Done<Option<SessionImage>>) {
        self.shared.ask(Request::Session(session, at, done));
    }

    fn bound_messages(&self, session: SessionId, seqs: Vec<Seq>, done: Done<Vec<Option<StoredMessage>>>) {
        let at = self.shared.durable();
        self.shared.ask(Request::Bound(session, seqs, at, done));
    }

    fn retained(&self, request: RetainedRequest, done: Done<RetainedPage>) {
        self.shared.ask(Request::Retained(request, done));
    }

    fn notes(&self, request: NotesRequest, done: Done<NotesPage>) {
        self.shared.requests.ask(Request::Notes(request, done));
    }

    fn queue_full(&self, queue: QueueId) -> bool {
        self.shared.queues_full.read().contains(&queue.0)
    }

    fn backlog(&self, session: SessionId) -> Backlog {
        backlog::backlog(&self.shared.tables.read(), session)
    }

    fn has_retained(&self, topic: &str) -> bool {
        self.shared.tables.read().retained.get(topic).is_some()
    }

    fn tick(&self, now: UnixMillis) {
        self.shared.ring_house(|house| house.ticked = Some(now));
    }

    fn figures(&self) -> Figures {
        self.shared.figures()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.stop(false)
    }
}
