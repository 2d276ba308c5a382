//! What a subscriber asked for beside the filter.

/// Quality of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum QoS {
    /// At most once.
    #[default]
    AtMostOnce = 0,
    /// At least once.
    AtLeastOnce = 1,
    /// Exactly once.
    ExactlyOnce = 2,
}

impl QoS {
    /// The QoS of a two-bit field; 3 is no QoS `[MQTT-3.3.1-4]`.
    pub const fn from_bits(bits: u8) -> Option<QoS> {
        match bits {
            0 => Some(QoS::AtMostOnce),
            1 => Some(QoS::AtLeastOnce),
            2 => Some(QoS::ExactlyOnce),
            _ => None,
        }
    }
}

/// When a subscription gets the retained messages that exist (MQTT 5.0 section 3.8.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum RetainHandling {
    /// At every SUBSCRIBE.
    #[default]
    Always = 0,
    /// Only when the subscription did not exist.
    IfNew = 1,
    /// Not at all.
    Never = 2,
}

impl RetainHandling {
    /// The handling of a two-bit field; 3 is a protocol error.
    pub const fn from_bits(bits: u8) -> Option<RetainHandling> {
        match bits {
            0 => Some(RetainHandling::Always),
            1 => Some(RetainHandling::IfNew),
            2 => Some(RetainHandling::Never),
            _ => None,
        }
    }
}

/// The options of one subscription. A change of any of these opens a new epoch (K14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SubscriptionOptions {
    /// The most the subscriber wants.
    pub qos: QoS,
    /// The subscriber's own messages are not sent back to it.
    pub no_local: bool,
    /// The retain flag is passed as the publisher set it.
    pub retain_as_published: bool,
    /// When retained messages are sent.
    pub retain_handling: RetainHandling,
    /// The subscription identifier, 1 to 268,435,455.
    pub identifier: Option<u32>,
}
