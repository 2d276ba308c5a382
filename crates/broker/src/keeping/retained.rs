//! Retained messages that databases hold (`on_retain_lookup`, K39): the newer of theirs and ours is what a new
//! subscription gets.
//!
//! One that is newer than ours is taken into the store, as if it had been published; from there it goes the way of all
//! retained messages. So wildcard subscriptions find it too, from the first exact one on.

use std::sync::Arc;

use restante_backend::messages::KeptMessage;
use restante_model::{Seq, UnixMillis};
use restante_store::{batch::Batch, change::NewMessage, contract::RetainedRequest};
use tokio::sync::oneshot;

use super::{keeper::Keeping, ruling::Pools};
use crate::shared::Shared;

/// A question: whether databases have something newer for a topic.
pub(crate) struct RetainedAsk {
    pub(crate) topic: Box<str>,
    pub(crate) pools: Pools,
    /// Told when the newest is in the store.
    pub(crate) tell: oneshot::Sender<()>,
}

/// Answers a question; who asked waits no longer than its own deadline.
pub(crate) async fn answer(shared: Arc<Shared>, keeping: Arc<Keeping>, ask: RetainedAsk) {
    let mut newest: Option<KeptMessage> = None;
    for pool in keeping.pools_in(ask.pools) {
        let Some(table) = pool.backend.retained() else {
            continue;
        };
        match table.lookup(&ask.topic).await {
            Ok(Ok(found)) => {
                let is_newer = |found: &KeptMessage| {
                    newest
                        .as_ref()
                        .is_none_or(|known| time_of(found) > time_of(known))
                };
                if let Some(found) = found.filter(is_newer) {
                    newest = Some(found);
                }
            }
            Ok(Err(unreadable)) => {
                tracing::warn!(code = "unreadable-row", pool = %pool.name, topic = %ask.topic, "{unreadable}; it is passed over");
            }
            Err(away) => {
                tracing::warn!(code = "backend-away", pool = %pool.name, "{away}; its retained message is not looked up");
            }
        }
    }
    if let Some(found) = newest
        && ours(&shared, &ask.topic)
            .await
            .is_none_or(|ours| time_of(&found) > ours)
    {
        take_in(&shared, &found);
    }
    // Who asked may have gone.
    let _ = ask.tell.send(());
}

/// When our own retained message of a topic was published.
async fn ours(shared: &Shared, topic: &str) -> Option<UnixMillis> {
    let (tell, told) = oneshot::channel();
    let at = shared.last_submitted();
    let request = RetainedRequest {
        topic_filter: topic.into(),
        after: None,
        to: Seq::MAX,
        messages_max: 1,
        bytes_max: usize::MAX,
        applied: at,
    };
    shared.store.retained(
        request,
        Box::new(move |page| {
            // Who asked may have gone.
            let _ = tell.send(page);
        }),
    );
    let page = told.await.ok()?;
    page.messages
        .first()
        .map(|message| UnixMillis(message.id.micros() / 1000))
}

/// By the id where it tells, as a column of times may hold whole seconds only.
fn time_of(message: &KeptMessage) -> UnixMillis {
    let by_id = message
        .id
        .number()
        .map(|number| UnixMillis(number.micros() / 1000));
    by_id.unwrap_or(message.arrived)
}

fn take_in(shared: &Shared, message: &KeptMessage) {
    let mut batch = Batch::default();
    batch.message(&NewMessage {
        queues: &[],
        qos: message.qos,
        retain: true,
        set_retained: true,
        deadline: UnixMillis::NEVER,
        sender: &message.sender,
        topic: &message.topic,
        properties: &[],
        payload: &message.payload,
        receipt: None,
    });
    shared.submit_changes(batch);
}
