//! The protocol state of one client: `(state, input, now) -> outputs`.
//!
//! Floor 1. No clock, randomness, file, socket or async: time is an argument, packets come in as values and
//! decisions go out as values. The broker owns one [`Inbound`] and one [`Outbound`] per connection and does what
//! they say, in the order in which they said it: that order, together with what must be durable before what
//! (K1, K2, K10), is the promise. What is stored of a session (receipts, bindings, the next packet id) is handed in
//! when a connection begins and handed out when it ends; nothing here is shared between connections.
//!
//! | module | concept |
//! |---|---|
//! | [`handshake`] | CONNECT to the terms of the connection, or a refusal |
//! | [`inbound`] | what the client publishes: aliases, receive maximum, the receiving half of QoS 2 |
//! | [`outbound`] | what is on its way to the client: window, packet ids, the sending half of QoS 2 |
//! | [`subscribe`] | which filters of a SUBSCRIBE are granted |
//! | [`delivery`] | how one message goes out under the subscriptions that cover it, or why not |
//! | [`expiry`] | until when a message waits, and how much of that is left |
//! | [`aliases_out`] | topic aliases towards the client |
//! | [`keep_alive`] | when silence is too long |
//! | [`violation`], [`reason_code`] | why a connection must end, and the numbers that say so |

pub mod aliases_out;
pub mod delivery;
pub mod expiry;
pub mod handshake;
pub mod inbound;
pub mod keep_alive;
pub mod limits;
pub mod outbound;
mod packet_id_table;
pub mod packet_ids;
pub mod reason_code;
pub mod subscribe;
pub mod violation;
mod window;

#[cfg(test)]
mod against_a_model;
#[cfg(test)]
mod samples;

pub use aliases_out::{AliasUse, OutAliases};
pub use delivery::{OutgoingMessage, OutgoingTerms, Source, outgoing};
pub use handshake::{ConnAckTerms, Refusal, Terms, accept};
pub use inbound::{Arrival, Inbound, Novelty, ReleaseOutcome};
pub use keep_alive::KeepAlive;
pub use limits::ServerLimits;
pub use outbound::{Abandoned, Answer, Begun, Outbound, Resend, ResendKind};
pub use subscribe::{Granted, check_filters};
pub use violation::Violation;
