//! Every MQTT statement that concerns a server, named by its number, through real sockets.
//!
//! One module for each section or subject; `coverage.txt` says for each statement of MQTT 5.0 and 3.1.1 which test
//! shows it, or why there is none, and [`coverage`] holds it to that. Statement numbers are those of 5.0 unless they
//! say otherwise. Each test has a broker of its own.

mod acks;
mod aliases;
mod connect;
mod coverage;
mod disconnect;
mod flow;
mod fragments;
mod hostile;
mod house;
mod keep_alive;
mod packets;
mod ping;
mod properties;
mod publish;
mod qos2;
mod retained;
mod say;
mod sessions;
mod sharing;
mod sizes;
mod subscribe;
mod topics;
mod unsubscribe;
mod v3;
mod wills;
