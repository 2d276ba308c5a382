//! Who subscribes to what, and what each is owed.

use restante_model::QoS;
use restante_testkit::Connect;

/// Publishers whose messages go to every subscriber, each with its read position.
pub(crate) const PUBSUB: std::ops::Range<usize> = 0..2;
/// Publishers whose messages go to somebody.
pub(crate) const MANY: std::ops::Range<usize> = 2..4;
/// Publishers whose messages have one consumer.
pub(crate) const ONE: std::ops::Range<usize> = 4..6;

/// One subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) connect: Connect,
    pub(crate) filters: &'static [&'static str],
    pub(crate) qos: QoS,
    /// Its session stays.
    pub(crate) persistent: bool,
    /// Publishers whose messages it gets.
    pub(crate) publishers: std::ops::Range<usize>,
    /// Whether it takes its time with each message.
    pub(crate) slow: bool,
}

impl Role {
    /// Whether it shares its topics with others: what one of them held comes to another later, out of order (K49).
    pub(crate) fn shares(&self) -> bool {
        self.publishers == MANY
    }

    /// The QoS at which its messages must not come twice: a clean session forgets what was on its way.
    pub(crate) fn judged_at(&self) -> QoS {
        match self.persistent {
            true => self.qos,
            false => QoS::AtLeastOnce,
        }
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Role> {
    use QoS::{AtLeastOnce, ExactlyOnce};
    let role = |connect: Connect, filters, qos, publishers| Role {
        persistent: connect.session_expiry.is_some() || !connect.clean,
        connect,
        filters,
        qos,
        publishers,
        slow: false,
    };
    let v5 = |name| Connect::v5(name);
    let stays = |name| Connect::v5(name).persistent();
    vec![
        role(
            stays("pubsub-a").receive_maximum(50),
            &["pubsub/#"],
            AtLeastOnce,
            PUBSUB,
        ),
        role(stays("pubsub-b"), &["pubsub/+", "pubsub/0"], ExactlyOnce, PUBSUB),
        role(
            v5("pubsub-c"),
            &["pubsub/0", "pubsub/ü {1} 'x\" ${topic} *[a]?"],
            AtLeastOnce,
            PUBSUB,
        ),
        role(Connect::v311("pubsub-d"), &["pubsub/+"], ExactlyOnce, PUBSUB),
        role(stays("many-a"), &["many/+"], ExactlyOnce, MANY),
        Role {
            slow: true,
            ..role(v5("many-b").receive_maximum(8), &["many/#"], AtLeastOnce, MANY)
        },
        role(
            Connect::v311("many-c").persistent(),
            &["many/2", "many/${payload} {b}:$x"],
            AtLeastOnce,
            MANY,
        ),
        role(stays("one-a").receive_maximum(30), &["one/4"], ExactlyOnce, 4..5),
        role(v5("one-b"), &["one/\\ %s ; DEL *"], AtLeastOnce, 5..6),
    ]
}
