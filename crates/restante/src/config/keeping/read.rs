//! Reads pools, keeps and hooks into the draft.

use std::ops::Range;

use toml::{Spanned, de::DeValue};

use super::{
    HOOK, KEEP, MYSQL, POSTGRES, REDIS,
    hook::HookDraft,
    keep::KeepDraft,
    pool::{Pool, PoolSettings, RedisSettings, SqlSettings},
    table::{Item, Shape},
};
use crate::{
    backends,
    config::{
        Reading,
        file::echo,
        given::Given,
        nearest::nearest,
        places::Places,
        problem::{Origin, Problem},
    },
};

/// Most pools, keeps and hooks: each is held against the others.
const POOLS_MAX: usize = 64;
const KEEPS_MAX: usize = 256;
const HOOKS_MAX: usize = 1_024;
const POOL_NAME_CHARS_MAX: usize = 64;

/// The names at the top of the file that are read here.
pub(in crate::config) const NAMES: [&str; 3] = ["backend", "keep", "hook"];

/// One of [`NAMES`] with its value.
pub(in crate::config) fn read(
    places: &Places<'_>,
    is_sound: &dyn Fn(&Range<usize>) -> bool,
    name: &str,
    origin: &Origin,
    value: &Spanned<DeValue<'_>>,
    reading: &mut Reading,
) {
    match name {
        "backend" => backend(places, is_sound, origin, value, reading),
        "keep" => {
            let read = list(places, is_sound, name, value, KEEP, KEEPS_MAX, reading);
            reading.draft.keeps = read
                .into_iter()
                .map(|mut keep: KeepDraft| {
                    keep.choose();
                    keep
                })
                .collect();
        }
        _ => {
            let read: Vec<HookDraft> = list(places, is_sound, name, value, HOOK, HOOKS_MAX, reading);
            reading.draft.hooks = read;
        }
    }
}

/// `[[keep]]` and `[[hook]]`.
fn list<D: Default>(
    places: &Places<'_>,
    is_sound: &dyn Fn(&Range<usize>) -> bool,
    name: &str,
    value: &Spanned<DeValue<'_>>,
    shape: &Shape<D>,
    max: usize,
    reading: &mut Reading,
) -> Vec<D> {
    let items: Vec<_> = match value.get_ref() {
        DeValue::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    let is_list = value.get_ref().is_array() && items.iter().all(|item| item.get_ref().is_table());
    if !is_list {
        if is_sound(&value.span()) || value.get_ref().is_table() {
            let problem = Problem::new(
                &places.origin(&value.span()),
                name,
                "there may be more than one of these",
            );
            reading
                .problems
                .push(problem.hint(format!("write [[{name}]] on a line of its own")));
        }
        return Vec::new();
    }
    if let Some(first) = items.get(max) {
        let what = format!("{} are too many; it takes up to {max}", items.len());
        reading
            .problems
            .push(Problem::new(&places.origin(&first.span()), name, what));
        return Vec::new();
    }
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let key = format!("{name}[{index}]");
        reading.origins.insert(key.clone(), places.origin(&item.span()));
        let mut draft = D::default();
        if let Some(table) = item.get_ref().as_table() {
            let item = Item {
                key: &key,
                shown: name,
                table,
            };
            shape.read(&item, places, is_sound, &mut draft, reading);
        }
        drafts.push(draft);
    }
    drafts
}

/// `[backend.KIND.NAME]`.
fn backend(
    places: &Places<'_>,
    is_sound: &dyn Fn(&Range<usize>) -> bool,
    origin: &Origin,
    value: &Spanned<DeValue<'_>>,
    reading: &mut Reading,
) {
    let Some(kinds) = value.get_ref().as_table() else {
        reading.problems.push(no_pool(origin, "backend", value));
        return;
    };
    let mut found: Vec<(usize, Pool)> = Vec::new();
    for (kind_name, names) in kinds {
        let here = places.origin(&kind_name.span());
        let shown = format!("backend.{}", echo(kind_name.get_ref()));
        let Some(kind) = backends::kind(kind_name.get_ref()) else {
            if is_sound(&kind_name.span()) {
                reading
                    .problems
                    .push(unknown_kind(&here, &shown, kind_name.get_ref()));
            }
            continue;
        };
        let Some(names) = names.get_ref().as_table() else {
            if is_sound(&names.span()) {
                reading.problems.push(no_pool(&here, &shown, names));
            }
            continue;
        };
        for (name, pool) in names {
            if !is_sound(&name.span()) {
                continue;
            }
            let here = places.origin(&name.span());
            let key = format!("{shown}.{}", echo(name.get_ref()));
            let Some(table) = pool.get_ref().as_table() else {
                reading.problems.push(no_pool(&here, &key, pool));
                continue;
            };
            reading.problems.extend(bad_name(&here, &key, name.get_ref()));
            reading.origins.insert(key.clone(), here);
            let item = Item {
                key: &key,
                shown: &key,
                table,
            };
            let settings = settings(kind.name, &item, places, is_sound, reading);
            let Some(settings) = settings else { continue };
            let pool = Pool {
                kind: kind.name,
                name: name.get_ref().to_string(),
                settings,
            };
            found.push((name.span().start, pool));
        }
    }
    // The parser sorts names; the file's order is the user's.
    found.sort_by_key(|(start, _)| *start);
    if found.len() > POOLS_MAX {
        let what = format!("{} pools are too many; it takes up to {POOLS_MAX}", found.len());
        reading.problems.push(Problem::new(origin, "backend", what));
        found.truncate(POOLS_MAX);
    }
    reading.draft.pools = found.into_iter().map(|(_, pool)| pool).collect();
}

/// The settings of a pool of this kind. `None` for a kind without settings here.
fn settings(
    kind: &str,
    item: &Item<'_>,
    places: &Places<'_>,
    is_sound: &dyn Fn(&Range<usize>) -> bool,
    reading: &mut Reading,
) -> Option<PoolSettings> {
    Some(match kind {
        "redis" => {
            let mut draft = RedisSettings::default();
            REDIS.read(item, places, is_sound, &mut draft, reading);
            PoolSettings::Redis(draft)
        }
        "mysql" => {
            let mut draft = SqlSettings::mysql();
            MYSQL.read(item, places, is_sound, &mut draft, reading);
            PoolSettings::Mysql(draft)
        }
        "postgres" => {
            let mut draft = SqlSettings::postgres();
            POSTGRES.read(item, places, is_sound, &mut draft, reading);
            PoolSettings::Postgres(draft)
        }
        _ => return None,
    })
}

fn no_pool(origin: &Origin, key: &str, value: &Spanned<DeValue<'_>>) -> Problem {
    let found = Given::from_toml(value.get_ref()).name();
    Problem::new(origin, key, format!("expected a pool, found {found}"))
        .hint("write a section like [backend.redis.main]")
}

fn unknown_kind(origin: &Origin, shown: &str, kind: &str) -> Problem {
    let problem = Problem::new(origin, shown, "there is no such kind of backend");
    let names = || backends::KINDS.iter().map(|kind| kind.name);
    let called = backends::KINDS
        .iter()
        .find(|known| known.also_called.contains(&kind));
    match called.map(|known| known.name).or_else(|| nearest(kind, names())) {
        Some(near) => problem.hint(format!("did you mean {near}?")),
        None => problem.hint(format!("there are {}", names().collect::<Vec<_>>().join(", "))),
    }
}

fn bad_name(origin: &Origin, key: &str, name: &str) -> Option<Problem> {
    let is_good = !name.is_empty()
        && name.chars().count() <= POOL_NAME_CHARS_MAX
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let what = format!("a pool's name has 1 to {POOL_NAME_CHARS_MAX} letters, digits, '-' and '_'");
    (!is_good).then(|| Problem::new(origin, key, what))
}
