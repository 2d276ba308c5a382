//! Subscriptions that databases hold for a client are made on its behalf when it connects, before anything is handed to
//! it (C2, K43).

use std::{rc::Rc, time::Duration};

use restante_model::{Filter, SubscriptionOptions};
use restante_session::Granted;
use tokio::{sync::oneshot, time::timeout};

use crate::{
    connection::Connection,
    keeping::{
        keeper::Question,
        lookup::{Found, Lookup},
    },
    reactor::Reactor,
};

/// How long a client waits for its subscriptions to be read; then it goes on with those it has.
const LOOKUP_DEADLINE: Duration = Duration::from_secs(1);

impl Connection {
    /// Reads the client's subscriptions from databases, and makes those that it does not have itself.
    pub(in crate::connection) async fn restore_subscriptions(self: &Rc<Self>, reactor: &Rc<Reactor>) {
        let Some(keeping) = reactor.shared.keeping().filter(|keeping| keeping.looks_up()) else {
            return;
        };
        let (tell, told) = oneshot::channel();
        let client = self.client_id.clone();
        let asked = async {
            let question = Question::Lookup(Lookup { client, tell });
            keeping.asks.send(question).await.ok()?;
            told.await.ok()
        };
        let found = timeout(LOOKUP_DEADLINE, asked).await.ok().flatten().unwrap_or_else(|| {
            tracing::warn!(
                code = "lookup-late",
                client = %self.client_id,
                "databases did not say in time what this client is subscribed to; it goes on with what it has"
            );
            Found::default()
        });
        for row in found.rows {
            let Ok(filter) = Filter::parse(&row.filter, true) else {
                tracing::warn!(code = "unreadable-row", client = %self.client_id, filter = %row.filter, "no topic filter; it is passed over");
                continue;
            };
            let options = SubscriptionOptions {
                qos: row.qos,
                ..SubscriptionOptions::default()
            };
            let mut state = self.state.borrow_mut();
            let has_room = state.subscriptions.len() < reactor.shared.limits.subscriptions_max;
            // A row never changes what the client has asked for itself.
            if has_room && !state.subscriptions.contains_key(filter.as_str()) {
                self.subscribe(reactor, &mut state, &Granted { filter, options });
            }
        }
    }
}
