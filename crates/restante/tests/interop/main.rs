//! The real program with clients that are not ours: mosquitto's and paho's.
//!
//! Without them a test passes and says *skipped because …*; with `CI=true` it fails. `scripts/install-test-tools`
//! installs them.

// Helpers of tests unwrap as tests do; clippy knows only the test functions themselves.
#![allow(clippy::unwrap_used)]

mod mosquitto_clients;
mod paho;
mod waiting;
