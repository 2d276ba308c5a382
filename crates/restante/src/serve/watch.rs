//! What health and metrics are told: the broker's and the store's figures, and a sentence about each.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use restante_broker::{
    BrokerWatch,
    figures::{BrokerFigures, PoolFigures},
};
use restante_http::{Check, ProcessFigures, Source};
use restante_store::contract::{Admission, Figures, Store};

use crate::logging::throttle::Throttle;

/// Looks at everything, changes nothing.
pub(super) struct Watch {
    broker: BrokerWatch,
    store: Arc<dyn Store>,
    throttle: Arc<Throttle>,
    started: Instant,
}

impl Watch {
    pub(super) fn new(
        broker: BrokerWatch,
        store: Arc<dyn Store>,
        throttle: Arc<Throttle>,
        started: Instant,
    ) -> Watch {
        Watch {
            broker,
            store,
            throttle,
            started,
        }
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Source for Watch {
    /// A failed store does not get better by itself, and a restart shows what is left. A full disk is nothing that a
    /// restart would mend.
    fn live(&self) -> Check {
        match self.store.admission() {
            Admission::Failed { why } => {
                Check::Bad(format!("the store has failed: {why}; mend the disk and restart"))
            }
            Admission::Open | Admission::Full { .. } => Check::Good("the process is alive".to_owned()),
        }
    }

    fn ready(&self) -> Check {
        match self.broker.ready() {
            Ok(()) => Check::Good("connections are accepted and messages are kept".to_owned()),
            Err(why) => Check::Bad(why),
        }
    }

    fn broker(&self) -> BrokerFigures {
        self.broker.figures()
    }

    fn pools(&self) -> Vec<PoolFigures> {
        self.broker.pools()
    }

    fn store(&self) -> Figures {
        self.store.figures()
    }

    fn admission(&self) -> Admission {
        self.store.admission()
    }

    fn process(&self) -> ProcessFigures {
        ProcessFigures {
            version: env!("CARGO_PKG_VERSION"),
            uptime: self.uptime(),
            log_lines_suppressed: self.throttle.suppressed(),
        }
    }
}
