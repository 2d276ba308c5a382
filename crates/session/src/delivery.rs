//! How one message goes out under the subscriptions that cover it, or why not.
//!
//! The decision that can only be made on the way out (K20), except size and permission, which need the encoded
//! packet and the rules.

use restante_model::{NotKept, QoS, SubscriptionOptions, UnixMillis};

use crate::expiry::seconds_left;

/// Where the message comes from, seen from the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Handed over as it was published. It did not wait, so it cannot have expired.
    Live,
    /// From the store, or from a queue in memory: it waited.
    Backlog,
    /// A retained message, because of a new subscription: its retain flag is always set `[MQTT-3.3.1-8]`.
    Retained,
}

/// What is known of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// The publisher's QoS.
    pub qos: QoS,
    /// The retain flag as published.
    pub retain: bool,
    /// The receiver published it itself.
    pub is_own: bool,
    /// When it expires, or [`UnixMillis::NEVER`].
    pub deadline: UnixMillis,
    /// The publisher gave it a message expiry interval: what is left of it is sent on. False when the deadline is
    /// only ours (K21).
    pub expiry_published: bool,
    /// Where it comes from.
    pub source: Source,
}

/// How a message goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutgoingTerms {
    /// The delivery's QoS.
    pub qos: QoS,
    /// The delivery's retain flag.
    pub retain: bool,
    /// The message expiry interval to send, in seconds, if any.
    pub expiry: Option<u32>,
}

/// Decides one delivery. `covering` are the options of the session's subscriptions under which the message is owed;
/// overlapping ones give one copy at the highest QoS `[MQTT-3.3.4-2]` with all identifiers `[MQTT-3.3.4-3]`, which
/// are left in `identifiers` (cleared first; keep the vector from call to call so that nothing is allocated).
///
/// # Errors
/// [`NotKept::NoLocal`] when it is the receiver's own and every covering subscription says no-local
/// `[MQTT-3.8.3-3]`; [`NotKept::MessageExpired`] `[MQTT-3.3.2-5]`; [`NotKept::Unsubscribed`] when nothing covers it.
pub fn outgoing<'a>(
    covering: impl IntoIterator<Item = &'a SubscriptionOptions>,
    message: &OutgoingMessage,
    now: UnixMillis,
    identifiers: &mut Vec<u32>,
) -> Result<OutgoingTerms, NotKept> {
    identifiers.clear();
    let mut qos = None;
    let mut retain = false;
    let mut nothing = NotKept::Unsubscribed;
    for options in covering {
        if message.is_own && options.no_local {
            nothing = NotKept::NoLocal;
            continue;
        }
        qos = qos.max(Some(options.qos));
        retain |= options.retain_as_published && message.retain;
        identifiers.extend(options.identifier);
    }
    let qos = qos.ok_or(nothing)?.min(message.qos);
    if message.source != Source::Live && message.deadline <= now {
        return Err(NotKept::MessageExpired);
    }
    Ok(OutgoingTerms {
        qos,
        retain: retain || message.source == Source::Retained,
        expiry: message
            .expiry_published
            .then(|| seconds_left(message.deadline, now)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);
    const MESSAGE: OutgoingMessage = OutgoingMessage {
        qos: QoS::ExactlyOnce,
        retain: true,
        is_own: false,
        deadline: UnixMillis::NEVER,
        expiry_published: false,
        source: Source::Live,
    };

    fn at(qos: QoS) -> SubscriptionOptions {
        SubscriptionOptions {
            qos,
            ..SubscriptionOptions::default()
        }
    }

    fn decide(
        covering: &[SubscriptionOptions],
        message: OutgoingMessage,
    ) -> Result<(OutgoingTerms, Vec<u32>), NotKept> {
        let mut identifiers = vec![99];
        let terms = outgoing(covering, &message, NOW, &mut identifiers)?;
        Ok((terms, identifiers))
    }

    #[test]
    fn mqtt_3_8_4_8_the_lower_of_both_qos() {
        use QoS::{AtLeastOnce as Q1, AtMostOnce as Q0, ExactlyOnce as Q2};
        for (covering, published, expected) in [
            (&[Q0][..], Q2, Q0),
            (&[Q1], Q2, Q1),
            (&[Q2], Q2, Q2),
            (&[Q2], Q0, Q0),
            (&[Q2], Q1, Q1),
            // [MQTT-3.3.4-2]: overlapping filters deliver at their highest.
            (&[Q0, Q2, Q1], Q2, Q2),
            (&[Q0, Q1], Q2, Q1),
        ] {
            let covering: Vec<_> = covering.iter().map(|&qos| at(qos)).collect();
            let message = OutgoingMessage {
                qos: published,
                ..MESSAGE
            };
            assert_eq!(decide(&covering, message).unwrap().0.qos, expected);
        }
    }

    #[test]
    fn mqtt_3_3_4_3_one_copy_carries_all_identifiers() {
        let covering = [Some(7), None, Some(3), Some(7)].map(|identifier| SubscriptionOptions {
            identifier,
            ..SubscriptionOptions::default()
        });
        assert_eq!(decide(&covering, MESSAGE).unwrap().1, [7, 3, 7]);
        assert_eq!(decide(&covering[1..2], MESSAGE).unwrap().1, []);
    }

    #[test]
    fn mqtt_3_8_3_3_own_messages_pass_the_subscriptions_that_want_them() {
        let no_local = SubscriptionOptions {
            no_local: true,
            identifier: Some(1),
            ..at(QoS::ExactlyOnce)
        };
        let plain = SubscriptionOptions {
            identifier: Some(2),
            ..at(QoS::AtLeastOnce)
        };
        let own = OutgoingMessage {
            is_own: true,
            ..MESSAGE
        };
        assert_eq!(decide(&[no_local], own), Err(NotKept::NoLocal));
        let (terms, identifiers) = decide(&[no_local, plain], own).unwrap();
        assert_eq!((terms.qos, identifiers), (QoS::AtLeastOnce, vec![2]));
        let (terms, identifiers) = decide(&[no_local, plain], MESSAGE).unwrap();
        assert_eq!((terms.qos, identifiers), (QoS::ExactlyOnce, vec![1, 2]));
    }

    #[test]
    fn mqtt_3_3_1_12_the_retain_flag_follows_the_subscription() {
        let keeping = SubscriptionOptions {
            retain_as_published: true,
            ..SubscriptionOptions::default()
        };
        let plain = SubscriptionOptions::default();
        for (covering, published, source, expected) in [
            (&[plain][..], true, Source::Live, false),
            (&[keeping], true, Source::Live, true),
            (&[keeping], false, Source::Live, false),
            (&[plain, keeping], true, Source::Backlog, true),
            (&[plain], true, Source::Backlog, false),
            // [MQTT-3.3.1-8]
            (&[plain], true, Source::Retained, true),
        ] {
            let message = OutgoingMessage {
                retain: published,
                source,
                ..MESSAGE
            };
            assert_eq!(
                decide(covering, message).unwrap().0.retain,
                expected,
                "{message:?}"
            );
        }
    }

    #[test]
    fn mqtt_3_3_2_5_and_k21_what_waited_too_long_expires_and_the_rest_is_told() {
        let expired = Err(NotKept::MessageExpired);
        for (deadline, expiry_published, source, expected) in [
            (UnixMillis::NEVER, false, Source::Backlog, Ok(None)),
            (UnixMillis(1_000_001), true, Source::Backlog, Ok(Some(1))),
            (UnixMillis(1_009_001), true, Source::Retained, Ok(Some(10))),
            (NOW, true, Source::Backlog, expired),
            (NOW, true, Source::Retained, expired),
            (UnixMillis(5), false, Source::Backlog, expired),
            // The publisher's 0: those who are present get it, whatever the clock did meanwhile.
            (NOW, true, Source::Live, Ok(Some(0))),
            (UnixMillis(999_999), true, Source::Live, Ok(Some(0))),
            // Our own limit is applied and not told.
            (UnixMillis(1_009_001), false, Source::Backlog, Ok(None)),
        ] {
            let message = OutgoingMessage {
                deadline,
                expiry_published,
                source,
                ..MESSAGE
            };
            let answer = decide(&[SubscriptionOptions::default()], message);
            assert_eq!(answer.map(|(terms, _)| terms.expiry), expected, "{message:?}");
        }
    }

    #[test]
    fn k20_what_nothing_covers_any_more_was_unsubscribed() {
        assert_eq!(decide(&[], MESSAGE), Err(NotKept::Unsubscribed));
    }
}
