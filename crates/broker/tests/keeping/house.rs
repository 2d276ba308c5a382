//! A broker with one pool, a shelf, and its rules.

use std::{sync::Arc, time::Duration};

use restante_backend::messages::KeepSpec;
use restante_broker::keeping::setup::{FirstSubscribe, KeepSetup, OutboxLimits, PoolSetup, Setup, WhenFull};
use restante_model::{Filter, Function, HookPoint, Layout, Mode};
use restante_rules::{
    AckAfter, Bounds, FirstSubscribe as First, Home, HookLine, KeepLine, Line, PoolIndex, RuleSet, What,
};
use restante_testkit::inprocess::{self, InProcess, Opened};

use crate::shelf::{Shelf, ShelfPool};

/// What a test changes.
pub(crate) struct Plan {
    pub(crate) mode: Mode,
    pub(crate) first: FirstSubscribe,
    pub(crate) page: usize,
    pub(crate) limits: OutboxLimits,
    pub(crate) presence: bool,
    /// Whether subscriptions are written, and made again: then messages may come before a SUBACK.
    pub(crate) subscriptions: bool,
}

impl Plan {
    pub(crate) fn of(mode: Mode) -> Plan {
        Plan {
            mode,
            first: FirstSubscribe::All,
            page: 100,
            limits: OutboxLimits {
                messages_max: 0,
                bytes_max: 0,
                age_max: None,
                confirm_window: Duration::ZERO,
                when_full: WhenFull::RejectPublisher,
                dead_letters_max: 1_000,
            },
            presence: false,
            subscriptions: mode == Mode::Queue,
        }
    }

    /// `t/#` in the first pool, `u/#` in the second, if there are two.
    fn lines(&self, pools: usize) -> Vec<Line> {
        let keep = |(pool, topics): (u32, &str)| KeepLine {
            topics: vec![Filter::parse(topics, false).unwrap()],
            home: Home::Pool(PoolIndex(pool)),
            layout: Layout::Plugin,
            mode: self.mode,
            ttl: None,
            first_subscribe: First::All,
            bounds: Bounds::NONE,
            forgets: true,
            subscriptions: self.subscriptions,
            ack_after: AckAfter::Outbox,
        };
        let hook = |on, function| {
            Line::Hook(HookLine {
                on,
                topic: None,
                order: 1,
                pool: PoolIndex(0),
                what: What::Function(function),
                bounds: Bounds::NONE,
                ttl: None,
                forgets: true,
                ack_after: AckAfter::Outbox,
            })
        };
        let topics = [(0, "t/#"), (1, "u/#")];
        let mut lines: Vec<Line> = topics
            .into_iter()
            .take(pools)
            .map(|topics| Line::Keep(keep(topics)))
            .collect();
        if self.presence {
            lines.push(hook(HookPoint::ClientConnected, Function::ClientConnected));
            lines.push(hook(HookPoint::ClientDisconnected, Function::ClientDisconnected));
        }
        lines
    }

    /// A broker on a store.
    pub(crate) fn start(
        &self,
        shelf: &Arc<Shelf>,
        open: impl FnOnce(&restante_broker::settings::Settings) -> Opened,
    ) -> InProcess {
        self.start_with(std::slice::from_ref(shelf), open)
    }

    /// A broker on a store, with one pool or two.
    pub(crate) fn start_with(
        &self,
        shelves: &[Arc<Shelf>],
        open: impl FnOnce(&restante_broker::settings::Settings) -> Opened,
    ) -> InProcess {
        use restante_backend::Backend;
        let (rules, _) = RuleSet::build(&self.lines(shelves.len()));
        let rules = rules.unwrap();
        let pools: Vec<ShelfPool> = shelves.iter().cloned().map(ShelfPool).collect();
        let keeps = rules.keeps().iter().enumerate().map(|(index, keep)| {
            let pool = &pools[index];
            let spec = KeepSpec {
                layout: keep.layout,
                mode: keep.mode,
                ttl: None,
                templates: Default::default(),
            };
            KeepSetup {
                name: format!("shelf-{index}"),
                pool: index,
                mode: keep.mode,
                layout: keep.layout,
                messages: pool.messages(&spec).unwrap(),
                subscriptions: pool.subscriptions(&spec).ok(),
                install: None,
                first_subscribe: self.first,
                batch: 100,
                page: self.page,
                time_range: None,
            }
        });
        let setup = |(index, pool): (usize, &ShelfPool)| PoolSetup {
            name: format!("shelf.{index}"),
            backend: Arc::new(pool.clone()),
            lookup: None,
            limits: self.limits,
            batch_time: Duration::from_millis(5),
        };
        let setup = Setup {
            keeps: keeps.collect(),
            pools: pools.iter().enumerate().map(setup).collect(),
            statements: Vec::new(),
            rules,
            node: "restante@test".into(),
        };
        InProcess::keeping(open, |_| {}, Some(setup))
    }

    /// A broker on a store in memory.
    pub(crate) fn start_in_memory(&self, shelf: &Arc<Shelf>) -> InProcess {
        self.start(shelf, inprocess::memory)
    }
}

/// A log in a folder that stays, so that a broker can be started on it again.
pub(crate) fn log_in(folder: &std::path::Path, settings: &restante_broker::settings::Settings) -> Opened {
    use restante_model::UnixMicros;
    use restante_store::{
        folder::FolderDisk,
        log::{LogSettings, LogStore, Sync},
    };
    let clock = || {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        UnixMicros(since.as_micros() as u64)
    };
    let disk = FolderDisk::open(folder).unwrap();
    let log = LogSettings {
        segment_bytes: 8 << 20,
        sync: Sync::Never,
        free_bytes_min: 0,
        spares_max: 1,
        limits: settings.session.queue,
        ..LogSettings::new(Arc::new(clock))
    };
    let (store, recovered) = LogStore::open(Arc::new(disk), log, clock().millis()).unwrap();
    Opened {
        store: Arc::new(store),
        recovered: Box::new(recovered),
        folder: None,
    }
}
