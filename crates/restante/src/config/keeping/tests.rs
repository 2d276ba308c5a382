use std::collections::HashSet;

use super::{
    table::{Item, Shape},
    *,
};
use crate::config::{
    Reading,
    declared::{Setting, Slot},
    places::Places,
};

/// What holds for the declaration of every table.
fn is_well_declared<D: Clone + PartialEq + std::fmt::Debug>(shape: &Shape<D>, defaults: D) {
    let mut keys = HashSet::new();
    for setting in shape.settings() {
        let key = setting.key();
        assert!(keys.insert(key.clone()), "{key} is declared twice");
        assert!(
            setting.section.is_empty() || shape.parts.iter().any(|part| part.name == setting.section),
            "{key}"
        );
        assert!(setting.meaning.ends_with('.'), "{key} has no sentence");
        if let Slot::Number { span, get, set } = &setting.slot {
            for number in [span.min, span.max].into_iter().chain(span.unlimited) {
                let mut draft = defaults.clone();
                set(&mut draft, number);
                assert_eq!(get(&draft), number, "{key} is cut");
                let changed = |other: &&'static Setting<D>| {
                    other.key() != key && other.show(&draft) != other.show(&defaults)
                };
                let others: Vec<String> = shape.settings().filter(changed).map(Setting::key).collect();
                assert!(others.is_empty(), "{key} changes {others:?}");
            }
        }
    }
    reads_back(shape, &defaults);
}

/// Every default that has a value lies in its own range, and `get` reads what `set` wrote.
fn reads_back<D: Clone + PartialEq + std::fmt::Debug>(shape: &Shape<D>, defaults: &D) {
    let is_required = |key: &str| ["on", "in", "pool", "first_subscribe"].contains(&key);
    let lines: Vec<String> = shape
        .of_part("")
        .filter(|setting| setting.is_chosen(defaults) && !is_required(&setting.key()))
        .map(|setting| format!("{} = {}", setting.name, setting.show(defaults)))
        .collect();
    let text = lines.join("\n");
    let file = "x".into();
    let places = Places::new(&file, &text);
    let table = toml::de::DeTable::parse(&text).unwrap();
    let mut draft = defaults.clone();
    let mut reading = Reading::default();
    let item = Item {
        key: "x",
        shown: "x",
        table: table.get_ref(),
    };
    shape.read(&item, &places, &|_| true, &mut draft, &mut reading);
    assert_eq!(reading.problems, []);
    assert_eq!(&draft, defaults);
}

#[test]
fn every_table_is_well_declared() {
    is_well_declared(REDIS, RedisSettings::default());
    is_well_declared(MYSQL, SqlSettings::mysql());
    is_well_declared(POSTGRES, SqlSettings::postgres());
    is_well_declared(KEEP, KeepDraft::default());
    is_well_declared(HOOK, HookDraft::default());
}

/// The six names of the plugin, which a kind with templates may list and nothing else.
#[test]
fn templates_have_the_names_that_backends_know() {
    let declared: HashSet<&str> = KEEP.of_part("sql").map(|setting| setting.name).collect();
    for kind in crate::backends::KINDS {
        for name in kind.capabilities.templates {
            assert!(declared.contains(name), "{name}");
            assert!(!variables(name).is_empty(), "{name}");
        }
    }
}

/// A kind in the registry has settings, and the two know it by one name.
#[test]
fn every_kind_can_be_configured() {
    for kind in crate::backends::KINDS {
        assert_eq!(kind.name, kind.capabilities.kind);
        let text = format!("[backend.{}.a]\n", kind.name);
        let report = crate::config::Config::read(Some(("x", &text)), []);
        let config = report.result.unwrap();
        assert_eq!(config.keeping().pools[0].kind, kind.name);
    }
}
