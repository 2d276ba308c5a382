//! Why a message was not kept for a session, or how it ended: the words, spelled once.
//!
//! The same word stands in the log, in the metric label, in the API and in the documentation.

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// One reason. The order is the order of the metric's series.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum NotKept { $($(#[$doc])* $name,)* }

        impl NotKept {
            /// All reasons.
            pub const ALL: &'static [NotKept] = &[$(NotKept::$name,)*];

            /// The word.
            pub const fn word(self) -> &'static str {
                match self { $(NotKept::$name => $word,)* }
            }
        }
    };
}

words! {
    /// The publish was refused (size, quota, limit): nobody got it.
    PublishRefused = "publish-refused",
    /// Published at QoS 0, and the session was absent.
    PublishQos0 = "publish-qos0",
    /// Subscribed at QoS 0, and the session was absent.
    SubscriptionQos0 = "subscription-qos0",
    /// The session's own message, and it asked not to get those.
    NoLocal = "no-local",
    /// Larger than the client said it takes.
    TooLargeForClient = "too-large-for-client",
    /// The session's queue was full and the policy was to drop what came.
    QueueFull = "queue-full",
    /// The store could not take it.
    StorageUnavailable = "storage-unavailable",
    /// The subscriber acknowledged it. The good end.
    Acknowledged = "acknowledged",
    /// Its time ran out before it was delivered.
    MessageExpired = "message-expired",
    /// Pushed out by a newer message (`drop-oldest`).
    Evicted = "evicted",
    /// The session ended by its expiry interval.
    SessionExpired = "session-expired",
    /// The session was cleared (clean start).
    SessionCleared = "session-cleared",
    /// The subscription was removed while the message waited.
    Unsubscribed = "unsubscribed",
    /// The client answered with a refusal (reason code 0x80 or above).
    RefusedByClient = "refused-by-client",
    /// The record could not be read back.
    Damaged = "damaged",
}

impl std::fmt::Display for NotKept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
