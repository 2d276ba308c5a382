//! Writing answers and remarks, and the exit codes.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use crate::config::Problem;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: all is well.
    Good,
    /// 1: it was tried and failed.
    Failed,
    /// 2: the arguments or the configuration are wrong.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Good => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
        })
    }
}

/// Writes an answer to standard output. `println!` would panic when the reader has gone (`restante … | head`).
pub(crate) fn answer(text: &str) -> Exit {
    let mut out = io::stdout().lock();
    done(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// What became of an answer: a reader that wants no more of it is no failure.
pub(crate) fn done(written: io::Result<()>) -> Exit {
    match written {
        Ok(()) => Exit::Good,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Good,
        Err(error) => {
            remark(format_args!("restante: cannot write the answer: {error}"));
            Exit::Failed
        }
    }
}

/// Writes a line to standard error. When even that is closed there is nobody to tell.
pub(crate) fn remark(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes what is wrong with a configuration.
pub(crate) fn refuse(problems: &[Problem]) -> Exit {
    for problem in problems {
        remark(problem);
    }
    Exit::Usage
}
