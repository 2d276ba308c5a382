//! What is configured of keeps and hooks, ready for the broker.

use std::{collections::HashMap, sync::Arc, time::Duration};

use restante_backend::{Backend, messages::KeepSpec, statement::StatementId, trouble::Unfit};
use restante_broker::keeping::setup::{
    FirstSubscribe, InstallSchema, KeepSetup, OutboxLimits, PoolSetup, Setup, WhenFull,
};
use restante_model::{Layout, Mode};
use restante_rules::{FirstSubscribe as First, Home, Keep};

use crate::{
    backends,
    config::{Config, OutboxFull, OutboxSettings, Pool},
    keeping::{KeepPlan, Keeping},
};

/// Messages fetched at a time where nothing is said.
const PAGE: usize = 500;

/// Opens the pools and puts together what runs on them; `None` when there are none.
///
/// # Errors
/// Settings that cannot be, and statements that do not parse.
pub(super) fn setup(config: &Config) -> Result<Option<Setup>, Unfit> {
    let keeping = config.keeping();
    if keeping.pools.is_empty() {
        return Ok(None);
    }
    let opened: Vec<Arc<dyn Backend>> = keeping.pools.iter().map(open).collect::<Result<_, _>>()?;
    let mut names = HashMap::new();
    let plans = keeping.rules.keeps().iter().zip(&keeping.keeps);
    let keeps = plans
        .map(|(keep, plan)| keep_setup(keeping, &opened, &mut names, keep, plan))
        .collect::<Result<_, _>>()?;
    let pools = keeping.pools.iter().zip(&opened).enumerate();
    let pools = pools.map(|(index, (pool, backend))| PoolSetup {
        name: pool.full_name(),
        backend: backend.clone(),
        // Only the layout of the back ends knows subscriptions that an application has put there.
        lookup: backend.subscriptions(&spec(Layout::Backends)).ok(),
        limits: limits(config.outbox()),
        batch_time: batch_time(keeping, index),
    });
    Ok(Some(Setup {
        pools: pools.collect(),
        keeps,
        statements: statements(keeping, &opened)?,
        rules: keeping.rules.clone(),
        node: node(),
    }))
}

fn open(pool: &Pool) -> Result<Arc<dyn Backend>, Unfit> {
    let kind = backends::kind(pool.kind).ok_or_else(|| Unfit {
        why: format!("{} is of a kind that is not known", pool.full_name()),
        at: None,
    })?;
    (kind.open)(pool).map_err(|unfit| Unfit {
        why: format!("{}: {}", pool.full_name(), unfit.why),
        at: unfit.at,
    })
}

fn keep_setup(
    keeping: &Keeping,
    opened: &[Arc<dyn Backend>],
    names: &mut HashMap<String, u32>,
    keep: &Keep,
    plan: &KeepPlan,
) -> Result<KeepSetup, Unfit> {
    let Home::Pool(pool) = keep.home else {
        return Err(Unfit {
            why: "in = \"embedded\" is refused by check".into(),
            at: None,
        });
    };
    let pool = pool.0 as usize;
    let backend = &opened[pool];
    let schema = backend.schema().filter(|_| plan.init_schema);
    Ok(KeepSetup {
        name: name(&keeping.pools[pool].full_name(), keep, names),
        pool,
        mode: keep.mode,
        layout: keep.layout,
        messages: backend.messages(&plan.spec)?,
        subscriptions: backend.subscriptions(&plan.spec).ok(),
        install: schema.map(|schema| InstallSchema {
            schema,
            spec: plan.spec.clone(),
        }),
        first_subscribe: match keep.first_subscribe {
            First::All => FirstSubscribe::All,
            First::FromNow => FirstSubscribe::FromNow,
            First::Last(count) => FirstSubscribe::Last(count as usize),
            First::Since(span) => FirstSubscribe::Since(span),
        },
        batch: plan.batch_size,
        page: keep.bounds.returned_max.map_or(PAGE, |max| max as usize),
        time_range: keep.bounds.time_range,
    })
}

/// The same from start to start for the same place in the same database; a second one there has a number.
fn name(pool: &str, keep: &Keep, names: &mut HashMap<String, u32>) -> String {
    let layout = match keep.layout {
        Layout::Plugin => "plugin",
        Layout::Backends => "backends",
    };
    let mode = match keep.mode {
        Mode::Queue => "queue",
        Mode::Pubsub => "pubsub",
        Mode::Latest => "latest",
        Mode::History => "history",
    };
    let name = format!("{pool}/{layout}/{mode}");
    let count = names.entry(name.clone()).or_insert(0);
    *count += 1;
    match *count {
        1 => name,
        count => format!("{name}#{count}"),
    }
}

fn statements(keeping: &Keeping, opened: &[Arc<dyn Backend>]) -> Result<Vec<StatementId>, Unfit> {
    let prepare = |statement: &crate::keeping::Statement| {
        let pool = statement.pool.0 as usize;
        let backend = opened[pool].statements().ok_or_else(|| Unfit {
            why: format!("{} runs no statements", keeping.pools[pool].full_name()),
            at: None,
        })?;
        backend.prepare(&statement.text, statement.variables)
    };
    keeping.statements.iter().map(prepare).collect()
}

fn limits(outbox: &OutboxSettings) -> OutboxLimits {
    OutboxLimits {
        messages_max: outbox.messages_max,
        bytes_max: outbox.bytes_max,
        confirm_window: Duration::from_millis(outbox.confirm_window_millis),
        age_max: (outbox.age_max > 0).then(|| Duration::from_secs(outbox.age_max)),
        when_full: match outbox.when_full {
            OutboxFull::RejectPublisher => WhenFull::RejectPublisher,
            OutboxFull::DeadLetterOldest => WhenFull::DeadLetterOldest,
        },
        dead_letters_max: outbox.dead_letters_max,
    }
}

/// The shortest that any keep of the pool asks for.
fn batch_time(keeping: &Keeping, pool: usize) -> Duration {
    let plans = keeping.rules.keeps().iter().zip(&keeping.keeps);
    let here = plans.filter(|(keep, _)| matches!(keep.home, Home::Pool(of) if of.0 as usize == pool));
    here.map(|(_, plan)| plan.batch_time).min().unwrap_or_default()
}

fn spec(layout: Layout) -> KeepSpec {
    KeepSpec {
        layout,
        mode: Mode::Queue,
        ttl: None,
        templates: Default::default(),
    }
}

/// Who this broker is in tables: as the documented samples have it, a name and a host.
fn node() -> String {
    "restante@127.0.0.1".into()
}
