//! The hook points of rules, the variables a statement may use there, and the built-in functions.

/// Where a rule listens (BEHAVIOUR 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HookPoint {
    /// After CONNACK.
    ClientConnected,
    /// The connection is gone.
    ClientDisconnected,
    /// A session is there: created, or taken up again (C2).
    SessionCreated,
    /// A subscription has begun.
    SessionSubscribed,
    /// A subscription has ended.
    SessionUnsubscribed,
    /// A message was published.
    MessagePublish,
    /// A message was acknowledged by a subscriber: PUBACK or PUBREC (K44).
    MessageAcked,
    /// A message was handed to a subscriber's connection.
    MessageDelivered,
}

impl HookPoint {
    /// All of them.
    pub const ALL: [HookPoint; 8] = [
        HookPoint::ClientConnected,
        HookPoint::ClientDisconnected,
        HookPoint::SessionCreated,
        HookPoint::SessionSubscribed,
        HookPoint::SessionUnsubscribed,
        HookPoint::MessagePublish,
        HookPoint::MessageAcked,
        HookPoint::MessageDelivered,
    ];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            HookPoint::ClientConnected => "client.connected",
            HookPoint::ClientDisconnected => "client.disconnected",
            HookPoint::SessionCreated => "session.created",
            HookPoint::SessionSubscribed => "session.subscribed",
            HookPoint::SessionUnsubscribed => "session.unsubscribed",
            HookPoint::MessagePublish => "message.publish",
            HookPoint::MessageAcked => "message.acked",
            HookPoint::MessageDelivered => "message.delivered",
        }
    }

    /// By its name, in either spelling (C23).
    pub fn by_name(name: &str) -> Option<HookPoint> {
        if name == "message.deliver" {
            return Some(HookPoint::MessageDelivered);
        }
        HookPoint::ALL.into_iter().find(|point| point.name() == name)
    }

    /// What a statement may use there. `message` is the whole message as JSON.
    pub const fn variables(self) -> &'static [&'static str] {
        match self {
            HookPoint::ClientConnected | HookPoint::ClientDisconnected | HookPoint::SessionCreated => {
                &["clientid"]
            }
            HookPoint::SessionSubscribed => &["clientid", "topic", "qos"],
            HookPoint::SessionUnsubscribed => &["clientid", "topic"],
            HookPoint::MessagePublish => &[
                "msgid",
                "topic",
                "payload",
                "qos",
                "clientid",
                "retain",
                "timestamp",
                "message",
            ],
            HookPoint::MessageAcked | HookPoint::MessageDelivered => &["msgid", "topic", "clientid"],
        }
    }

    /// Whether the event has a topic, so that a rule's topic filter can be compared with it.
    pub const fn has_topic(self) -> bool {
        !matches!(
            self,
            HookPoint::ClientConnected | HookPoint::ClientDisconnected | HookPoint::SessionCreated
        )
    }
}

macro_rules! functions {
    ($($variant:ident $name:literal $points:expr, $doc:literal;)*) => {
        /// A built-in function of the EMQ X 4 database back ends (BEHAVIOUR 2.2).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Function {
            $(#[doc = $doc] $variant,)*
        }

        impl Function {
            /// All of them.
            pub const ALL: &'static [Function] = &[$(Function::$variant,)*];

            /// Its name in the configuration.
            pub const fn name(self) -> &'static str {
                match self { $(Function::$variant => $name,)* }
            }

            /// The hook points it may stand at.
            pub const fn points(self) -> &'static [HookPoint] {
                match self { $(Function::$variant => $points,)* }
            }
        }
    };
}

functions! {
    ClientConnected "on_client_connected" &[HookPoint::ClientConnected], "The client is written as connected.";
    ClientDisconnected "on_client_disconnected" &[HookPoint::ClientDisconnected], "The client is written as gone.";
    SubscribeLookup "on_subscribe_lookup" &[HookPoint::ClientConnected, HookPoint::SessionCreated],
        "The client's subscriptions are read and made on its behalf (C2).";
    MessageFetch "on_message_fetch" &[HookPoint::SessionSubscribed], "What waits is fetched from the read position.";
    MessageFetchForQueue "on_message_fetch_for_queue" &[HookPoint::SessionSubscribed], "What waits for one consumer is fetched.";
    MessageFetchForPubsub "on_message_fetch_for_pubsub" &[HookPoint::SessionSubscribed], "What waits for many is fetched from the read position.";
    MessageFetchForKeepLatest "on_message_fetch_for_keep_latest" &[HookPoint::SessionSubscribed], "The newest message is fetched.";
    RetainLookup "on_retain_lookup" &[HookPoint::SessionSubscribed], "The retained message of exactly this topic is read.";
    MessagePublish "on_message_publish" &[HookPoint::MessagePublish], "Messages of QoS 1 and 2 are stored, to be fetched.";
    MessageStore "on_message_store" &[HookPoint::MessagePublish], "All messages are stored, as history.";
    MessageStoreKeepLatest "on_message_store_keep_latest" &[HookPoint::MessagePublish], "The newest message of each topic is stored.";
    MessageRetain "on_message_retain" &[HookPoint::MessagePublish], "Retained messages are written.";
    RetainDelete "on_retain_delete" &[HookPoint::MessagePublish], "Retained messages are deleted.";
    MessageAcked "on_message_acked" &[HookPoint::MessageAcked], "The read position moves.";
    MessageAckedForQueue "on_message_acked_for_queue" &[HookPoint::MessageAcked], "The message is deleted.";
    MessageAckedForPubsub "on_message_acked_for_pubsub" &[HookPoint::MessageAcked], "The read position moves.";
    MessageAckedForKeepLatest "on_message_acked_for_keep_latest" &[HookPoint::MessageAcked], "The newest message is deleted.";
    AckedDelete "on_acked_delete" &[HookPoint::SessionUnsubscribed], "The read position is forgotten.";
}

impl Function {
    /// By its name; Cassandra's own spelling of one is taken too (C12).
    pub fn by_name(name: &str) -> Option<Function> {
        let name = match name {
            "on_subscription_lookup" => "on_subscribe_lookup",
            other => other,
        };
        Function::ALL
            .iter()
            .copied()
            .find(|function| function.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c23_both_spellings_of_delivered() {
        assert_eq!(
            HookPoint::by_name("message.deliver"),
            HookPoint::by_name("message.delivered")
        );
        assert_eq!(HookPoint::by_name("message.dropped"), None);
    }

    #[test]
    fn names_are_found_again() {
        for point in HookPoint::ALL {
            assert_eq!(HookPoint::by_name(point.name()), Some(point));
        }
        for &function in Function::ALL {
            assert_eq!(Function::by_name(function.name()), Some(function));
        }
    }
}
