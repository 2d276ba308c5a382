//! The program as its users meet it: a process with arguments, files, signals and sockets.

// Helpers of tests unwrap as tests do; clippy knows only the test functions themselves.
#![allow(clippy::unwrap_used)]

mod arguments;
mod load_tool;
mod papers;
mod program;
mod serving;
mod store_tools;
mod strangers;
