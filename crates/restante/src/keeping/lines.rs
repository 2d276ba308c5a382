//! Sections to the lines of the rules, and findings of the rules back to the sections.

use restante_rules::{Doubt, Line, LineIndex, Refusal};

use super::{Statement, complaints::Complaints, looking::Looking};
use crate::config::{Origin, Reading};

/// Where a line comes from: the keep or hook of this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Keep(usize),
    Hook(usize),
}

impl Section {
    /// By which the reading knows its settings.
    pub(super) fn table(self) -> String {
        match self {
            Section::Keep(index) => format!("keep[{index}]"),
            Section::Hook(index) => format!("hook[{index}]"),
        }
    }

    /// By which the user knows it.
    pub(super) fn shown(self) -> &'static str {
        match self {
            Section::Keep(_) => "keep",
            Section::Hook(_) => "hook",
        }
    }

    /// The setting that says which topics, or else which event.
    fn source(self, reading: &Reading) -> &'static str {
        match self {
            Section::Keep(_) => "topics",
            Section::Hook(_) if reading.is_written(&self.table(), "topic") => "topic",
            Section::Hook(_) => "on",
        }
    }
}

/// The lines that are sound by themselves, in the order of the file.
pub(super) struct Lines {
    lines: Vec<Line>,
    sections: Vec<Section>,
    pub(super) statements: Vec<Statement>,
}

impl Lines {
    pub(super) fn gather(reading: &Reading, complaints: &mut Complaints) -> Lines {
        let draft = &reading.draft;
        let keeps = (0..draft.keeps.len()).map(Section::Keep);
        let mut sections: Vec<Section> = keeps.chain((0..draft.hooks.len()).map(Section::Hook)).collect();
        sections.sort_by_key(|section| place(&reading.origin(&section.table())));
        let mut gathered = Lines {
            lines: Vec::new(),
            sections: Vec::new(),
            statements: Vec::new(),
        };
        for section in sections {
            let mut looking = Looking {
                reading,
                section,
                complaints: &mut *complaints,
                sound: true,
            };
            let line = match section {
                Section::Keep(index) => draft.keeps.get(index).and_then(|keep| looking.keep(keep)),
                Section::Hook(index) => draft
                    .hooks
                    .get(index)
                    .and_then(|hook| looking.hook(hook, &mut gathered.statements)),
            };
            if let Some(line) = line.filter(|_| looking.sound) {
                gathered.lines.push(line);
                gathered.sections.push(section);
            }
        }
        gathered
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(super) fn section(&self, line: LineIndex) -> Option<Section> {
        self.sections.get(line.0 as usize).copied()
    }

    pub(super) fn refusal(&self, reading: &Reading, refusal: &Refusal, complaints: &mut Complaints) {
        let what = self.sentence(reading, &refusal.to_string(), refusal.other());
        let Some((origin, key)) = self.place(reading, refusal.line()) else {
            return;
        };
        let hint = match refusal {
            Refusal::TwoBacklogs { .. } => {
                "take topics that do not overlap, or mode = \"history\" for one of them"
            }
            Refusal::TwoLayouts { .. } => "take topics that do not overlap, or another pool",
            Refusal::Misplaced { .. } | Refusal::NoTopic { .. } => "",
        };
        complaints.problem(&origin, &key, what, hint);
    }

    pub(super) fn doubt(&self, reading: &Reading, doubt: &Doubt, complaints: &mut Complaints) {
        let what = self.sentence(reading, &doubt.to_string(), doubt.other());
        if let Some((origin, key)) = self.place(reading, doubt.line()) {
            complaints.warning(&origin, &key, what);
        }
    }

    /// With the place of the other line in front, if there is one.
    fn sentence(&self, reading: &Reading, what: &str, other: Option<LineIndex>) -> String {
        let Some((other, (origin, _))) =
            other.and_then(|other| Some((self.section(other)?, self.place(reading, other)?)))
        else {
            return what.to_owned();
        };
        format!("with the {} at {origin}: {what}", other.shown())
    }

    fn place(&self, reading: &Reading, line: LineIndex) -> Option<(Origin, String)> {
        let section = self.section(line)?;
        let name = section.source(reading);
        Some((
            reading.origin_in(&section.table(), name),
            format!("{}.{name}", section.shown()),
        ))
    }
}

/// Sorts by place in the file.
fn place(origin: &Origin) -> (usize, usize) {
    match origin {
        Origin::File { line, column, .. } => (*line, *column),
        _ => (0, 0),
    }
}
