//! The message that waits, through real sockets: what the broker promises about it at the corners.
//!
//! Every test takes the store it runs on, so that each store behind the contract is held to the same behaviour. Names
//! begin with the number of the corner (`docs/design/corners.md`) where there is one.

#[macro_use]
mod house;
mod held;

mod chance;
mod conservation;
mod crash;
mod durability;
mod lifecycle;
mod limits;
mod restart;
mod resume;
mod shared;
mod subscriptions;
