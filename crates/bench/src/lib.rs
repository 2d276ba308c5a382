//! A load tool for any MQTT broker at an address, which verifies by number what it received.
//!
//! Every message carries who sent it, to which topic, its number in that stream, and when; so a run can say what was
//! lost, doubled, out of order or damaged, and how long things took. The hot loops are plain functions over reused
//! buffers: frames are patched in place, many go out in one write, many acknowledgements are read in one read.
//!
//! Every run is bounded in messages and in time. What a run was set to is part of its result.

pub mod cli;

mod clock;
mod drain;
mod error;
mod fanout;
mod histogram;
mod ingest;
mod layout;
mod link;
mod live;
mod open_files;
mod payload;
mod process;
mod progress;
mod publisher;
mod report;
mod sequence;
mod sessions;
mod subscriber;
mod wire;

pub use error::BenchError;
pub use report::{Latency, ProcessUse, Report, Verification};
