//! Tables that are missing are made before anything is asked of them (`init_default_schema`).

use std::{sync::atomic::Ordering, time::Duration};

use super::{keeper::Keeping, pool::Pool};
use crate::shared::Shared;

/// The pause before it is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Makes what the keeps of a pool ask for; waits until the database is there.
pub(crate) async fn install(shared: &Shared, keeping: &Keeping, pool: &Pool) {
    let here = keeping.keeps.iter().filter(|keep| keep.setup.pool == pool.index);
    for install in here.filter_map(|keep| keep.setup.install.as_ref()) {
        while let Err(away) = install.schema.install(&install.spec).await {
            if shared.stopping.load(Ordering::SeqCst) {
                return;
            }
            if pool.set_trouble(Some(&away.why)) {
                tracing::warn!(code = "backend-away", pool = %pool.name, "{away}; its tables are made when it is back");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
