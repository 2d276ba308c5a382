//! The thread on which outboxes are drained and backlogs are fetched, and what it shares with the runtimes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use hashbrown::HashMap;
use restante_backend::tables::Subscriptions;
use restante_model::{Mode, QoS, Seq, UnixMillis};
use restante_store::{
    batch::Batch,
    change::{Change, NewMessage},
    contract::NotesRequest,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::LocalSet,
};

use super::{
    drain,
    fetch::{self, Ask},
    leases::Leases,
    lookup::{self, Lookup},
    owed::Event,
    pool::{Owed, Pool},
    positions::{self, Begun},
    retained::{self, RetainedAsk},
    ruling::{Pools, Ruling},
    scan, schema,
    setup::KeepSetup,
    topics::Topics,
};
use crate::{reactor::Turn, shared::Shared};

/// Questions on their way to the thread. A connection asks one thing at a time; one that finds no room asks again.
const ASKS_MAX: usize = 4_096;
/// How often the thread looks whether the broker stops.
const STOPPING_LOOK: Duration = Duration::from_millis(50);

/// Everything about keeping that runtimes and the thread share.
pub(crate) struct Keeping {
    pub(crate) pools: Vec<Arc<Pool>>,
    pub(crate) keeps: Vec<Keep>,
    pub(crate) ruling: Ruling,
    pub(crate) node: String,
    pub(crate) leases: Leases,
    pub(crate) asks: mpsc::Sender<Question>,
    /// Where the subscriptions of a client who connects are looked up.
    lookup_tables: Vec<Arc<dyn Subscriptions>>,
}

/// A keep at work.
pub(crate) struct Keep {
    pub(crate) setup: KeepSetup,
    /// Which topics have a backlog.
    pub(crate) topics: Topics,
    told: AtomicBool,
}

/// What a runtime asks the thread.
pub(crate) enum Question {
    /// What waits for a client, unless it leaves first.
    Fetch(Ask, oneshot::Receiver<()>),
    /// A client has subscribed: what is published from now on is owed to it, whatever the database does.
    Begin(Begun),
    /// The subscriptions that databases hold for a client.
    Lookup(Lookup),
    /// The retained message that databases hold for a topic.
    Retained(RetainedAsk),
}

/// What the thread begins with.
pub(crate) struct Begin {
    pub(crate) asks: mpsc::Receiver<Question>,
    /// Where the drain of each pool goes on: behind the first, and the second is the end of what was owed before this
    /// start.
    pub(crate) cursors: Vec<(Seq, Seq)>,
}

impl Keep {
    pub(crate) fn new(setup: KeepSetup) -> Keep {
        Keep {
            setup,
            topics: Topics::default(),
            told: AtomicBool::new(false),
        }
    }

    /// Whether each client reads it from its own position, and an acknowledgement moves that and deletes nothing.
    pub(crate) fn is_read_by_position(&self) -> bool {
        self.setup.mode == Mode::Pubsub
    }

    /// There are more topics than are remembered: said once.
    pub(crate) fn tell_of_too_many_topics(&self) {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                code = "too-many-topics",
                keep = self.setup.name,
                max = super::topics::TOPICS_MAX,
                "more topics have a backlog than are remembered; those beyond are found by subscriptions without wildcards only"
            );
        }
    }
}

impl Keeping {
    pub(crate) fn new(
        pools: Vec<Arc<Pool>>,
        keeps: Vec<KeepSetup>,
        ruling: Ruling,
        node: String,
    ) -> (Keeping, mpsc::Receiver<Question>) {
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let keeps: Vec<Keep> = keeps.into_iter().map(Keep::new).collect();
        let (looked_up, beside) = ruling.lookups();
        let of_pools = pools.iter().filter(|pool| looked_up & (1 << pool.index) != 0);
        let of_keeps = beside
            .iter()
            .filter_map(|&keep| keeps[keep].setup.subscriptions.clone());
        let lookup_tables = of_pools
            .filter_map(|pool| pool.lookup.clone())
            .chain(of_keeps)
            .collect();
        let keeping = Keeping {
            pools,
            keeps,
            lookup_tables,
            ruling,
            node,
            leases: Leases::default(),
            asks,
        };
        (keeping, asked)
    }

    /// The pool of a keep.
    pub(crate) fn pool_of(&self, keep: usize) -> &Arc<Pool> {
        &self.pools[self.keeps[keep].setup.pool]
    }

    /// The pools of a set.
    pub(crate) fn pools_in(&self, pools: Pools) -> impl Iterator<Item = &Arc<Pool>> {
        self.pools
            .iter()
            .filter(move |pool| pools & (1 << pool.index) != 0)
    }

    /// Whether a publish that would be owed to these is to be refused (K42).
    pub(crate) fn refuses(&self, pools: Pools) -> bool {
        self.pools_in(pools).any(|pool| pool.refuses())
    }

    /// Where the subscriptions of a client who connects are looked up.
    pub(crate) fn lookup_tables(&self) -> &[Arc<dyn Subscriptions>] {
        &self.lookup_tables
    }

    /// Whether they are looked up anywhere.
    pub(crate) fn looks_up(&self) -> bool {
        !self.lookup_tables.is_empty()
    }

    /// Owes an event to pools, in this turn.
    pub(crate) fn owe(&self, turn: &mut Turn, pools: Pools, event: &Event) {
        if pools == 0 {
            return;
        }
        let payload = event.encode();
        put(&mut turn.batch, self, pools, &payload);
        for pool in self.pools_in(pools) {
            turn.owe(pool.index, Owed::one(payload.len()));
        }
    }

    /// Notes that rows appended to a keep from now on are above a mark.
    pub(crate) fn note_mark(&self, batch: &mut Batch, keep: usize, mark: u64) {
        let (key, value) = (self.mark_key(keep), mark.to_le_bytes());
        batch.change(&Change::Noted {
            key: &key,
            value: &value,
        });
    }

    fn mark_key(&self, keep: usize) -> String {
        format!("mark/{}", self.keeps[keep].setup.name)
    }
}

fn put(batch: &mut Batch, keeping: &Keeping, pools: Pools, payload: &[u8]) {
    let queues: Vec<_> = keeping.pools_in(pools).map(|pool| pool.queue).collect();
    batch.message(&NewMessage {
        queues: &queues,
        qos: QoS::AtLeastOnce,
        retain: false,
        set_retained: false,
        deadline: UnixMillis::NEVER,
        sender: "",
        topic: "",
        properties: &[],
        payload,
        receipt: None,
    });
}

/// Starts the thread.
pub(crate) fn start(
    shared: Arc<Shared>,
    keeping: Arc<Keeping>,
    begin: Begin,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new().name("keeper".into()).spawn(move || {
        let local = LocalSet::new();
        local.block_on(&runtime, serve(shared, keeping, begin));
    })
}

/// Starts a task of the keeper: one for each pool, one for each keep while it is scanned, one for each question.
fn spawn(task: impl Future<Output = ()> + 'static) {
    tokio::task::spawn_local(task);
}

async fn serve(shared: Arc<Shared>, keeping: Arc<Keeping>, begin: Begin) {
    for (pool, from) in keeping.pools.iter().zip(begin.cursors) {
        spawn(keep_pool(shared.clone(), keeping.clone(), pool.clone(), from));
    }
    let mut asks = begin.asks;
    let mut look = tokio::time::interval(STOPPING_LOOK);
    while !shared.stopping.load(Ordering::SeqCst) {
        tokio::select! {
            asked = asks.recv() => match asked {
                // One task for each connection at most.
                Some(Question::Fetch(ask, gone)) => {
                    spawn(fetch::answer(shared.clone(), keeping.clone(), ask, gone));
                }
                Some(Question::Retained(asked)) => {
                    spawn(retained::answer(shared.clone(), keeping.clone(), asked));
                }
                Some(Question::Begin(begun)) => positions::begin(&shared, &keeping, &begun).await,
                Some(Question::Lookup(asked)) => {
                    spawn(lookup::answer(keeping.clone(), asked));
                }
                None => return,
            },
            _ = look.tick() => {}
        }
    }
}

/// What belongs to one pool, in order: its tables, then its outbox.
async fn keep_pool(shared: Arc<Shared>, keeping: Arc<Keeping>, pool: Arc<Pool>, from: (Seq, Seq)) {
    let mut marks = HashMap::new();
    for (index, keep) in keeping.keeps.iter().enumerate() {
        if keep.setup.pool != pool.index {
            continue;
        }
        if let Some(value) = note(&shared, &keeping.mark_key(index)).await
            && let Ok(mark) = <[u8; 8]>::try_from(&*value)
        {
            marks.insert(index, u64::from_le_bytes(mark));
        }
        scan::take_noted(&shared, keep).await;
        spawn(scan::run(shared.clone(), keeping.clone(), index));
    }
    schema::install(&shared, &keeping, &pool).await;
    drain::run(shared, keeping, pool, from, marks).await;
}

/// One note by its key.
pub(crate) async fn note(shared: &Shared, key: &str) -> Option<Box<[u8]>> {
    let (tell, told) = oneshot::channel();
    let request = NotesRequest {
        prefix: key.into(),
        after: None,
        notes_max: 1,
        bytes_max: usize::MAX,
        applied: shared.last_submitted(),
    };
    shared.store.notes(
        request,
        Box::new(move |page| {
            // Who asked may have gone.
            let _ = tell.send(page);
        }),
    );
    let page = told.await.ok()?;
    page.notes
        .into_iter()
        .find(|note| &*note.key == key)
        .map(|note| note.value)
}
