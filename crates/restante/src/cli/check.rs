//! `restante check`: all mistakes, then the traps.

use std::path::Path;

use super::output::{Exit, answer, refuse, remark};
use crate::config::Config;

pub(super) fn check(file: Option<&Path>) -> Exit {
    let report = Config::load(file);
    let name = match file {
        Some(file) => file.display().to_string(),
        None => "no file, all defaults".to_owned(),
    };
    for warning in &report.warnings {
        remark(format_args!("warning: {warning}"));
    }
    match report.result {
        Ok(_) => {
            let traps = match report.warnings.len() {
                0 => String::new(),
                1 => ", with a warning".to_owned(),
                count => format!(", with {count} warnings"),
            };
            answer(&format!("{name}: good{traps}\n"))
        }
        Err(problems) => {
            let exit = refuse(&problems);
            remark(match problems.len() {
                1 => format!("{name}: one mistake"),
                count => format!("{name}: {count} mistakes"),
            });
            exit
        }
    }
}
