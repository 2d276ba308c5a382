//! The words of the house: ids, topics, filters, subscriptions, cursors, reasons, hook points, modes of keeping.
//!
//! Floor 0. Pure values and functions: no clock, no randomness, no files, no sockets, no async. Whatever a word
//! means, it means here; every other crate uses these and adds no synonym.

pub mod binding;
pub mod cursor;
pub mod epoch;
pub mod filter;
pub mod hook;
pub mod ids;
pub mod keep;
pub mod metric;
pub mod reason;
pub mod subscription;
pub mod time;
pub mod topic;

pub use binding::Binding;
pub use cursor::Cursor;
pub use epoch::{Epoch, Epochs};
pub use filter::{Filter, FilterError, ShareName};
pub use hook::{Function, HookPoint};
pub use ids::{MessageId, QueueId, Seq, SessionId};
pub use keep::{Layout, Mode};
pub use reason::NotKept;
pub use subscription::{QoS, RetainHandling, SubscriptionOptions};
pub use time::{UnixMicros, UnixMillis};
pub use topic::TopicError;
