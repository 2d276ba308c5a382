//! Retained messages of a new subscription, where databases hold some too (K39).

use std::{rc::Rc, time::Duration};

use restante_session::Granted;
use tokio::{sync::oneshot, time::timeout};

use crate::{
    connection::Connection,
    keeping::{keeper::Question, retained::RetainedAsk, ruling::Pools},
    reactor::Reactor,
};

/// How long a subscription waits for the retained messages of databases; then it gets ours.
const LOOKUP_DEADLINE: Duration = Duration::from_secs(1);

impl Connection {
    /// Those of the subscriptions whose retained messages must be looked up elsewhere first, with the pools.
    pub(in crate::connection) fn looked_up(
        &self,
        reactor: &Reactor,
        granted: &mut Vec<Granted>,
    ) -> Vec<(Granted, Pools)> {
        let Some(keeping) = reactor.shared.keeping() else {
            return Vec::new();
        };
        let mut found = Vec::new();
        granted.retain(|one| {
            let pools = keeping.ruling.retained_in(&one.filter);
            if pools != 0 {
                found.push((one.clone(), pools));
            }
            pools == 0
        });
        found
    }

    /// Looks a subscription's retained message up in databases, and gives the client the newest then.
    pub(in crate::connection) fn find_retained_elsewhere(
        self: &Rc<Self>,
        reactor: &Rc<Reactor>,
        granted: Granted,
        pools: Pools,
    ) {
        let (connection, runtime) = (self.clone(), reactor.clone());
        reactor.spawn(async move {
            let (tell, told) = oneshot::channel();
            let ask = RetainedAsk {
                topic: granted.filter.topic_filter().into(),
                pools,
                tell,
            };
            let asked = async {
                let keeping = runtime.shared.keeping()?;
                keeping.asks.send(Question::Retained(ask)).await.ok()?;
                told.await.ok()
            };
            // Late or not, what is in the store then is what there is.
            let _ = timeout(LOOKUP_DEADLINE, asked).await;
            if connection.left.get() {
                return;
            }
            connection.want_retained(&runtime, &mut connection.state.borrow_mut(), vec![granted]);
            connection.drive(&runtime);
        });
    }
}
