//! Redis on real servers: the suite that every backend passes, the documented keys, hostile keys, failures.

// Helpers of tests unwrap as tests do; clippy knows only the test functions themselves.
#![allow(clippy::unwrap_used)]

mod channel;
mod conformance;
mod documented;
mod failures;
mod hostile;
mod house;
