//! Health and metrics over HTTP: `/livez`, `/readyz`, `/metrics`.
//!
//! Floor 4. It knows the broker and the store by their figures only, through [`Source`]; it decides nothing and
//! changes nothing. One thread of its own, so that a busy broker is still seen, and a busy scraper is not felt.
//!
//! Bounds: connections at once, header bytes and count, time to send a request, lifetime of a connection
//! ([`Bounds`]). Request bodies are never read.

mod exposition;
mod pages;
mod server;
mod source;

pub use server::{Bounds, HttpServer, HttpSettings, Reach, StartError};
pub use source::{Check, ProcessFigures, Source};
