//! `restante config show` and `restante config reference`.

use std::path::Path;

use super::output::{Exit, answer, refuse};
use crate::config::{self, Config};

pub(super) fn show(file: Option<&Path>) -> Exit {
    match Config::load(file).result {
        Ok(config) => answer(&config.show()),
        Err(problems) => refuse(&problems),
    }
}

pub(super) fn reference() -> Exit {
    answer(&config::reference())
}
