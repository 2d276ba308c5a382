//! The queues of the broker's own are found again at the start, or made: outboxes, dead letters.

use std::collections::HashMap;

use restante_model::{QoS, QueueId, Seq, SessionId, SubscriptionOptions};
use restante_store::{
    batch::Batch,
    change::{Change, OWN_VERSION},
    image::SessionImage,
};

use super::{
    keeper::{Begin, Keeping},
    pool::{OutboxQueues, Owed, Pool},
    ruling::Ruling,
    setup::Setup,
};
use crate::shared::Shared;

/// Queues of the broker's own that the store remembers, by the names of their readers.
#[derive(Default)]
pub(crate) struct Found {
    queues: HashMap<Box<str>, Own>,
}

/// A queue with its one reader.
#[derive(Clone, Copy, Debug)]
struct Own {
    queue: QueueId,
    reader: SessionId,
    /// How far it has been read.
    low: Seq,
}

impl Found {
    /// Takes note of a session of the broker's own; answers its queue.
    pub(crate) fn add(&mut self, image: &SessionImage) -> Option<QueueId> {
        let queue = image.subscriptions.first()?.queue?;
        let own = Own {
            queue,
            reader: image.session,
            low: image.cursor.low(),
        };
        self.queues.insert(image.client_id.clone(), own);
        Some(queue)
    }

    /// The queue of this name, made if it is not there.
    fn queue(&mut self, shared: &Shared, name: &str) -> Own {
        if let Some(own) = self.queues.remove(name) {
            return own;
        }
        let (queue, reader) = (shared.new_queue(), shared.new_session());
        let mut batch = Batch::default();
        batch.change(&Change::QueueOpened { queue, filter: name });
        batch.change(&Change::SessionOpened {
            session: reader,
            client_id: name,
            version: OWN_VERSION,
            expiry: u32::MAX,
            will: None,
            at: shared.clock.millis(),
        });
        let options = SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            ..SubscriptionOptions::default()
        };
        batch.change(&Change::Subscribed {
            session: reader,
            filter: name,
            queue: Some(queue),
            options,
        });
        let span = shared.submit(batch, Vec::new());
        shared.store.rouse();
        Own {
            queue,
            reader,
            low: span.last,
        }
    }
}

/// Opens the queues that are needed, and puts together what runs on them.
pub(crate) fn open(shared: &Shared, setup: Setup, mut found: Found) -> (Keeping, Begin) {
    let mut pools = Vec::new();
    let mut cursors = Vec::new();
    for (index, pool) in setup.pools.iter().enumerate() {
        let owed = found.queue(shared, &format!("$outbox/{}", pool.name));
        let dead = found.queue(shared, &format!("$dead/{}", pool.name));
        let queues = OutboxQueues {
            owed: owed.queue,
            reader: owed.reader,
            dead: dead.queue,
            dead_reader: dead.reader,
            dead_low: dead.low,
            letters: shared.store.backlog(dead.reader).messages,
        };
        let pool = Pool::new(pool, index, queues);
        let waits = shared.store.backlog(owed.reader);
        let waits = Owed {
            records: waits.messages,
            bytes: waits.bytes,
        };
        if waits.records > 0 {
            tracing::info!(code = "outbox-found", pool = %pool.name, records = waits.records, "what was owed before this start is still owed");
        }
        pool.grew(waits, shared.last_submitted());
        cursors.push(owed.low);
        pools.push(pool.into());
    }
    tell_of_the_rest(shared, &found);
    let (keeping, asks) = Keeping::new(
        pools,
        setup.keeps,
        Ruling::new(setup.rules, setup.statements),
        setup.node,
    );
    // Nobody has been accepted yet.
    let started = shared.last_submitted();
    let cursors = cursors.into_iter().map(|from| (from, started)).collect();
    (keeping, Begin { asks, cursors })
}

/// What is owed to pools that are not configured any more stays, and is said.
pub(crate) fn tell_of_the_rest(shared: &Shared, found: &Found) {
    for (name, own) in &found.queues {
        let records = shared.store.backlog(own.reader).messages;
        if let (Some(pool), true) = (name.strip_prefix("$outbox/"), records > 0) {
            tracing::warn!(
                code = "outbox-orphaned",
                pool,
                records,
                "this pool is not configured any more, and something is owed to it: configure it again, or it stays"
            );
        }
    }
}
