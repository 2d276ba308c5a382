//! Sentences at their places, gathered until all has been looked at.

use crate::config::{Origin, Problem, Reading};

#[derive(Default)]
pub(super) struct Complaints {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Complaints {
    /// Something that cannot be. `hint` may be empty.
    pub(super) fn problem(
        &mut self,
        origin: &Origin,
        key: &str,
        what: impl AsRef<str>,
        hint: impl Into<String>,
    ) {
        self.problems.push(Problem::new(origin, key, what).hint(hint));
    }

    /// Something that is allowed and probably not meant.
    pub(super) fn warning(&mut self, origin: &Origin, key: &str, what: impl AsRef<str>) {
        self.warnings.push(Problem::new(origin, key, what));
    }

    pub(super) fn reach(self, reading: &mut Reading) {
        reading.problems.extend(self.problems);
        reading.warnings.extend(self.warnings);
    }
}
