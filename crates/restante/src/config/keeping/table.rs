//! A table with settings of its own that may stand in the file more than once: how it is read, shown and described.

use toml::de::DeTable;

use crate::config::{
    Reading,
    declared::{Setting, Wrong},
    file::echo,
    given::Given,
    nearest::nearest,
    places::Places,
    problem::Problem,
};

/// What one kind of table takes.
pub(in crate::config) struct Shape<D: 'static> {
    /// Its header, as the reference has it: `[backend.redis.NAME]`.
    pub(in crate::config) title: &'static str,
    /// What it is, for the reference.
    pub(in crate::config) about: &'static str,
    /// Its settings; `section` names the part, or is empty.
    pub(in crate::config) settings: &'static [&'static [Setting<D>]],
    /// The tables within it.
    pub(in crate::config) parts: &'static [Part<D>],
}

/// A table within a table: `tls = { … }`.
pub(in crate::config) struct Part<D> {
    /// Its name.
    pub(in crate::config) name: &'static str,
    /// What it is, for the reference.
    pub(in crate::config) about: &'static str,
    /// Called when it stands there, even if it is empty.
    pub(in crate::config) open: fn(&mut D),
    /// Whether it is to be shown.
    pub(in crate::config) is_there: fn(&D) -> bool,
}

/// One table as it stands in the file.
pub(in crate::config) struct Item<'a> {
    /// By which its values are known: `keep[0]`.
    pub(in crate::config) key: &'a str,
    /// By which the user knows it: `keep`.
    pub(in crate::config) shown: &'a str,
    pub(in crate::config) table: &'a DeTable<'a>,
}

impl<D> Shape<D> {
    /// All settings, those of parts behind the others.
    pub(in crate::config) fn settings(&self) -> impl Iterator<Item = &'static Setting<D>> {
        self.settings.iter().copied().flatten()
    }

    /// The settings of a part; of the table itself with an empty name.
    pub(in crate::config) fn of_part(&self, part: &str) -> impl Iterator<Item = &'static Setting<D>> {
        self.settings().filter(move |setting| setting.section == part)
    }

    /// Reads a table into a draft, and finds everything that is wrong with it.
    pub(in crate::config) fn read(
        &self,
        item: &Item<'_>,
        places: &Places<'_>,
        is_sound: &dyn Fn(&std::ops::Range<usize>) -> bool,
        draft: &mut D,
        reading: &mut Reading,
    ) {
        for (name, value) in item.table {
            if let Some(part) = self.parts.iter().find(|part| part.name == name.get_ref()) {
                let Some(table) = value.get_ref().as_table() else {
                    let found = Given::from_toml(value.get_ref()).name();
                    let shown = format!("{}.{}", item.shown, part.name);
                    let what = format!("expected a table like {} = {{ … }}, found {found}", part.name);
                    reading
                        .problems
                        .push(Problem::new(&places.origin(&value.span()), &shown, what));
                    continue;
                };
                (part.open)(draft);
                reading
                    .origins
                    .insert(format!("{}.{}", item.key, part.name), places.origin(&name.span()));
                for (name, value) in table {
                    if is_sound(&name.span()) && is_sound(&value.span()) {
                        self.one(item, part.name, (name, value), places, draft, reading);
                    }
                }
            } else if is_sound(&name.span()) && is_sound(&value.span()) {
                self.one(item, "", (name, value), places, draft, reading);
            }
        }
    }

    fn one(
        &self,
        item: &Item<'_>,
        part: &str,
        (name, value): (
            &toml::Spanned<std::borrow::Cow<'_, str>>,
            &toml::Spanned<toml::de::DeValue<'_>>,
        ),
        places: &Places<'_>,
        draft: &mut D,
        reading: &mut Reading,
    ) {
        let Some(setting) = self.of_part(part).find(|setting| setting.name == name.get_ref()) else {
            let problem = self.unknown(&places.origin(&name.span()), item.shown, part, name.get_ref());
            reading.problems.push(problem);
            return;
        };
        let key = format!("{}.{}", item.key, setting.key());
        let entry = |index: Option<usize>| index.and_then(|index| value.get_ref().as_array()?.get(index));
        let span = |index| entry(index).map_or_else(|| value.span(), toml::Spanned::span);
        match setting.set(draft, &Given::from_toml(value.get_ref())) {
            Ok(()) => {
                for (index, text) in value.get_ref().as_array().into_iter().flatten().enumerate() {
                    reading.place_text(&format!("{key}[{index}]"), places, &text.span());
                }
                reading.place_text(&key, places, &value.span());
            }
            Err(wrong) => {
                let shown = format!("{}.{}", item.shown, setting.key());
                for Wrong { item, what } in wrong {
                    reading
                        .problems
                        .push(Problem::new(&places.origin(&span(item)), &shown, what));
                }
                reading.wrong.insert(key.clone());
                reading.origins.insert(key, places.origin(&value.span()));
            }
        }
    }

    fn unknown(&self, origin: &crate::config::Origin, shown: &str, part: &str, name: &str) -> Problem {
        let path = match part {
            "" => format!("{shown}.{}", echo(name)),
            part => format!("{shown}.{part}.{}", echo(name)),
        };
        let problem = Problem::new(origin, &path, "there is no such setting");
        let parts = self.parts.iter().map(|part| part.name);
        let here: Vec<&str> = match part {
            "" => self
                .of_part("")
                .map(|setting| setting.name)
                .chain(parts)
                .collect(),
            part => self.of_part(part).map(|setting| setting.name).collect(),
        };
        let elsewhere = || self.settings().filter(|setting| setting.section != part);
        if let Some(other) = elsewhere().find(|setting| setting.name == name) {
            return problem.hint(match other.section {
                "" => format!("{name} stands outside of {part}"),
                inside => format!("{name} stands in {inside} = {{ … }}"),
            });
        }
        match nearest(name, here) {
            Some(near) => problem.hint(format!("did you mean {near}?")),
            None => problem.hint("all names are in: restante config reference"),
        }
    }
}
