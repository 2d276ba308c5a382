//! The one list of settings. To add one: a field in the draft (or in the settings of the crate that uses it) with
//! its default, and a row here; then `restante config reference > docs/configuration.md`.

mod capacity;
mod outbox;
mod process;
mod session;

use super::{
    declared::{Setting, Slot},
    number::{Span, Unit},
};

/// A section of the file.
pub(crate) struct Section {
    /// Its name; empty for what stands before the first section.
    pub(crate) name: &'static str,
    /// What is in it, for the reference.
    pub(crate) about: &'static str,
}

/// The sections, in the order in which they are shown.
pub(crate) const SECTIONS: &[Section] = &[
    Section {
        name: "",
        about: "Before the first section: where the messages are kept, and how safely.",
    },
    Section {
        name: "listen",
        about: "Where to listen. A listener that other machines can reach is refused unless `allow_anonymous` \
                says that anybody may come in.",
    },
    Section {
        name: "session",
        about: "Sessions that outlive their connection, the queues of what they are still to receive, and what \
                the protocol lets a server choose.",
    },
    Section {
        name: "limits",
        about: "Bounds of the whole broker. What reaches one is refused, with a reason.",
    },
    Section {
        name: "log_store",
        about: "The files of `store = \"log\"`.",
    },
    Section {
        name: "memory_store",
        about: "Bounds of `store = \"memory\"`.",
    },
    Section {
        name: "outbox",
        about: "What is owed to databases, kept here until they have it. All limits are of one pool.",
    },
    Section {
        name: "log",
        about: "What the process writes to its standard error.",
    },
];

/// All settings, section by section in the order of [`SECTIONS`].
pub(crate) fn settings() -> impl Iterator<Item = &'static Setting> {
    [
        process::TOP,
        process::LISTEN,
        session::SESSION,
        capacity::LIMITS,
        capacity::LOG_STORE,
        capacity::MEMORY_STORE,
        outbox::OUTBOX,
        process::LOG,
    ]
    .into_iter()
    .flatten()
}

/// The setting of that name.
pub(crate) fn setting(section: &str, name: &str) -> Option<&'static Setting> {
    settings().find(|setting| setting.section == section && setting.name == name)
}

/// A row with a number.
pub(super) const fn number<D>(
    section: &'static str,
    name: &'static str,
    span: Span,
    get: fn(&D) -> u64,
    set: fn(&mut D, u64),
    meaning: &'static str,
) -> Setting<D> {
    Setting {
        section,
        name,
        meaning,
        slot: Slot::Number { span, get, set },
    }
}

pub(super) const fn span(unit: Unit, min: u64, max: u64) -> Span {
    Span {
        unit,
        min,
        max,
        unlimited: None,
    }
}

/// A span in which one number means "unlimited".
pub(super) const fn or_unlimited(unit: Unit, min: u64, max: u64, unlimited: u64) -> Span {
    Span {
        unit,
        min,
        max,
        unlimited: Some(unlimited),
    }
}

/// The spans above keep every number within its type; a number beyond it could only be a mistake in this list, and
/// becomes the type's largest.
pub(super) fn narrow<T: TryFrom<u64> + Bounded>(number: u64) -> T {
    T::try_from(number).unwrap_or(T::LARGEST)
}

fn widen(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Where a value stands among those that its words mean.
pub(super) fn index_of<T: PartialEq>(all: &[T], one: &T) -> usize {
    all.iter().position(|item| item == one).unwrap_or(all.len())
}

pub(super) trait Bounded {
    const LARGEST: Self;
}

impl Bounded for u16 {
    const LARGEST: u16 = u16::MAX;
}

impl Bounded for u32 {
    const LARGEST: u32 = u32::MAX;
}

impl Bounded for usize {
    const LARGEST: usize = usize::MAX;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::config::{draft::Draft, given::Given};

    #[test]
    fn names_are_unique_and_each_belongs_to_a_section() {
        let mut keys = HashSet::new();
        for setting in settings() {
            assert!(keys.insert(setting.key()), "{} is declared twice", setting.key());
            assert!(
                SECTIONS.iter().any(|section| section.name == setting.section),
                "{}",
                setting.key()
            );
            assert!(
                SECTIONS.iter().all(|section| section.name != setting.name),
                "{}",
                setting.key()
            );
            assert!(
                setting.meaning.ends_with('.'),
                "{} has no sentence",
                setting.key()
            );
        }
    }

    /// The default of every setting lies in its own range, and `get` reads what `set` wrote.
    #[test]
    fn every_default_reads_back() {
        let defaults = Draft::default();
        for setting in settings() {
            let shown = setting.show(&defaults);
            let parsed =
                toml::de::DeValue::parse(&shown).unwrap_or_else(|e| panic!("{}: {e}", setting.key()));
            let mut draft = Draft::default();
            setting
                .set(&mut draft, &Given::from_toml(parsed.get_ref()))
                .unwrap_or_else(|wrong| panic!("{} = {shown}: {wrong:?}", setting.key()));
            assert_eq!(draft, defaults, "{}", setting.key());
        }
    }

    /// Each number at both ends of its range: stored without being cut, and in a field of its own.
    #[test]
    fn every_number_is_kept_whole() {
        for setting in settings() {
            let Slot::Number { span, get, set } = &setting.slot else {
                continue;
            };
            for number in [span.min, span.max].into_iter().chain(span.unlimited) {
                let mut draft = Draft::default();
                set(&mut draft, number);
                assert_eq!(get(&draft), number, "{}", setting.key());
                let others: Vec<String> = settings()
                    .filter(|other| other.key() != setting.key())
                    .filter(|other| other.show(&draft) != other.show(&Draft::default()))
                    .map(Setting::key)
                    .collect();
                assert!(others.is_empty(), "{} changes {others:?}", setting.key());
            }
        }
    }
}
