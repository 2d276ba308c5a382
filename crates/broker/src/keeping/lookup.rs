//! The subscriptions that databases hold for a client who connects (K43): those that the plugin's layout has written for
//! it, and those that an application has put there.

use std::sync::Arc;

use restante_backend::tables::SubscriptionRow;
use tokio::sync::oneshot;

use super::keeper::Keeping;

/// A question: which subscriptions there are.
pub(crate) struct Lookup {
    pub(crate) client: Arc<str>,
    pub(crate) tell: oneshot::Sender<Found>,
}

/// The answer.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What databases hold.
    pub(crate) rows: Vec<SubscriptionRow>,
}

/// Answers a question; who asked waits no longer than its own deadline.
pub(crate) async fn answer(keeping: Arc<Keeping>, asked: Lookup) {
    let Lookup { client, tell } = asked;
    let mut found = Found::default();
    for table in keeping.lookup_tables() {
        match table.of(&client).await {
            Ok((rows, unreadable)) => {
                found.rows.extend(rows);
                for what in unreadable {
                    tracing::warn!(code = "unreadable-row", client = %client, "{what}; it is passed over");
                }
            }
            Err(away) => {
                tracing::warn!(code = "backend-away", client = %client, "{away}; its subscriptions there are not made");
            }
        }
    }
    // Who asked may have gone.
    let _ = tell.send(found);
}
