//! Tests of the codec through its public face.

#![allow(clippy::unwrap_used)]

mod again;
mod answers;
mod arbitrary;
mod damage;
mod differential;
mod round_trip;
mod seeds;
mod table;
