//! Presence is put right after a start: whom the database believes to be connected to this broker is not, as nobody was
//! when it began. Done behind everything that was owed before the start, which may say that somebody came,
//! and before anything newer: whoever has come since is written as connected behind it.

use std::{sync::atomic::Ordering, time::Duration};

use restante_backend::tables::{Presence, Standing};
use restante_backend::trouble::Asked;
use restante_model::HookPoint;

use super::{keeper::Keeping, pool::Pool};
use crate::shared::Shared;

/// Clients read at a time.
const PAGE: usize = 1_000;
/// The pause before it is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes everybody as gone who is written as connected, if this pool keeps presence.
pub(crate) async fn put_right(shared: &Shared, keeping: &Keeping, pool: &Pool) {
    let kept = keeping.ruling.keeps_presence(pool, HookPoint::ClientDisconnected);
    let Some(table) = pool.backend.presence().filter(|_| kept) else {
        return;
    };
    while !shared.stopping.load(Ordering::SeqCst) {
        match once(shared, keeping, &*table).await {
            Ok(()) => return,
            Err(away) => {
                if pool.set_trouble(Some(&away.why)) {
                    tracing::warn!(code = "backend-away", pool = %pool.name, "{away}; what is owed waits in the outbox");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn once(shared: &Shared, keeping: &Keeping, table: &dyn Presence) -> Asked<()> {
    let mut after: Option<Box<str>> = None;
    loop {
        let clients = table.online(&keeping.node, after.as_deref(), PAGE).await?;
        let Some(last) = clients.last().cloned() else {
            return Ok(());
        };
        let since = shared.clock.millis();
        let gone: Vec<Standing> = clients
            .into_iter()
            .map(|client| Standing {
                client,
                online: false,
                since,
            })
            .collect();
        for (standing, answer) in gone.iter().zip(table.record(&keeping.node, &gone).await?) {
            if let Err(refused) = answer {
                tracing::warn!(code = "dead-letter", client = %standing.client, "presence cannot be put right: {refused}");
            }
        }
        after = Some(last);
    }
}
