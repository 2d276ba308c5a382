//! What is particular to the log store: files, damage, space, failures. What every store does is in the conformance
//! suite, and what a crash leaves in the crash suite.

// Helpers of tests unwrap as tests do; clippy knows only the test functions themselves.
#![allow(clippy::unwrap_used)]

mod damage;
mod failures;
mod full;
mod inspection;
mod on_disk;
mod space;
mod taken;
