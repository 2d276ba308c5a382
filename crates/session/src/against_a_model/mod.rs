//! Whole sessions against naive clients: any interleaving of traffic, commits, lost connections and crashes.
//!
//! The broker's side here does what the outputs of this crate say, in the simplest way: a list of records that
//! become durable at a commit, and answers that wait for it in order. A crash loses what was not committed and all
//! that was on the wire. The client's side is written from the specification alone.

mod publisher;
mod subscriber;
