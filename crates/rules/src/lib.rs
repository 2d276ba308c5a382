//! What `[[keep]]` and `[[hook]]` become inside: one list of rules, and the answers it gives.
//!
//! | module | concept |
//! |---|---|
//! | [`line`] | what somebody wrote: a keep or a hook, with every name already understood |
//! | [`keep`] | one way of keeping messages in one place |
//! | [`rule`] | source, order, action |
//! | `gather` | lines to keeps and rules; `functions` those of hooks, which become the same thing as a keep |
//! | `conflict` | two lines held against each other |
//! | [`finding`] | what does not fit together, or probably is not meant |
//! | [`set`] | all rules, and what they say of a topic, of a subscription, of an event |
//!
//! Floor 1. Pure: runs nothing, knows no clock, no pool but by its number, no text of the configuration.

mod conflict;
pub mod finding;
mod functions;
mod gather;
pub mod keep;
pub mod line;
pub mod rule;
pub mod set;

pub use finding::{Doubt, Refusal};
pub use keep::{Bounds, FirstSubscribe, Home, Keep, KeepIndex, PoolIndex, WhenMore};
pub use line::{HookLine, KeepLine, Line, LineIndex, What};
pub use rule::{AckAfter, Action, Rule};
pub use set::{Backlog, Owed, RuleSet, TopicRules};
