//! Which filters of a SUBSCRIBE are granted, and what SUBACK and UNSUBACK say.

use restante_codec::packet::{Subscribe, Version};
use restante_model::{Filter, SubscriptionOptions};

use crate::{limits::ServerLimits, reason_code as code, violation::Violation};

/// A filter that is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The filter.
    pub filter: Filter,
    /// Under which options.
    pub options: SubscriptionOptions,
}

impl Granted {
    /// The code in SUBACK: the QoS asked for, as we grant all.
    pub fn code(&self) -> u8 {
        self.options.qos as u8
    }
}

/// Checks each filter of a SUBSCRIBE: granted, or the code that refuses it in SUBACK `[MQTT-3.8.4-6]`. One refused
/// filter does not touch the others.
///
/// `existing` is how many subscriptions the session holds, and `holds` says whether it holds one of this text: to
/// renew one costs nothing. New filters beyond the limit get 0x97 (3.x: 0x80, K24); a filter that stands twice in
/// one packet counts twice. `$share/NAME/FILTER` is a shared subscription for 3.x clients too, as other brokers
/// have it, since no 3.x client can mean anything else by it.
///
/// # Errors
/// No-local on a shared subscription `[MQTT-3.8.3-4]` ends the connection.
pub fn check_filters(
    subscribe: &Subscribe<'_>,
    version: Version,
    existing: usize,
    holds: impl Fn(&str) -> bool,
    limits: &ServerLimits,
) -> Result<Vec<Result<Granted, u8>>, Violation> {
    let mut room = limits.subscriptions_max.saturating_sub(existing);
    let mut answers = Vec::with_capacity(subscribe.filters.len());
    for &(text, options) in &subscribe.filters {
        let answer = match Filter::parse(text, true) {
            Err(_) => Err(refusal(version, code::TOPIC_FILTER_INVALID)),
            Ok(filter) if filter.share().is_some() && options.no_local => {
                return Err(Violation {
                    reason: code::PROTOCOL_ERROR,
                    why: "no-local is not allowed on a shared subscription",
                });
            }
            Ok(filter) if holds(text) => Ok(Granted { filter, options }),
            Ok(_) if room == 0 => Err(refusal(version, code::QUOTA_EXCEEDED)),
            Ok(filter) => {
                room -= 1;
                Ok(Granted { filter, options })
            }
        };
        answers.push(answer);
    }
    Ok(answers)
}

/// The code for one filter of an UNSUBSCRIBE `[MQTT-3.11.3-2]`; 3.x UNSUBACK carries none. `existed` says whether
/// the session held a subscription of exactly this text `[MQTT-3.10.4-1]`.
pub fn unsuback_code(text: &str, existed: bool) -> u8 {
    if existed {
        code::SUCCESS
    } else if Filter::parse(text, true).is_err() {
        code::TOPIC_FILTER_INVALID
    } else {
        code::NO_SUBSCRIPTION_EXISTED
    }
}

/// What a SUBACK says of a filter that is refused: the reason of 5.0, or the one word that 3.x has for all of them.
pub fn refusal(version: Version, reason_5: u8) -> u8 {
    match version {
        Version::V5 => reason_5,
        Version::V311 | Version::V31 => code::SUBACK_FAILURE_3X,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use restante_model::QoS;

    use super::*;
    use crate::samples::limits;

    fn codes(version: Version, filters: &[&str], existing: &[&str]) -> Vec<u8> {
        let options = SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            ..SubscriptionOptions::default()
        };
        let subscribe = Subscribe {
            packet_id: NonZeroU16::MIN,
            filters: filters.iter().map(|&filter| (filter, options)).collect(),
        };
        let holds = |text: &str| existing.contains(&text);
        check_filters(&subscribe, version, existing.len(), holds, &limits())
            .unwrap()
            .into_iter()
            .map(|answer| answer.map_or_else(|code| code, |granted| granted.code()))
            .collect()
    }

    #[test]
    fn mqtt_3_8_4_6_each_filter_has_its_own_answer() {
        for (version, invalid) in [(Version::V5, 0x8F), (Version::V311, 0x80), (Version::V31, 0x80)] {
            assert_eq!(
                codes(version, &["a/#", "a/#/b", "$share//x", "$share/g/+"], &[]),
                [1, invalid, invalid, 1],
                "{version:?}"
            );
        }
    }

    #[test]
    fn k24_new_subscriptions_beyond_the_limit_are_refused_and_old_ones_renewed() {
        for (version, full) in [(Version::V5, 0x97), (Version::V311, 0x80)] {
            assert_eq!(
                codes(version, &["c", "d", "a"], &["a", "b"]),
                [1, full, 1],
                "{version:?}"
            );
            assert_eq!(
                codes(version, &["d", "a"], &["a", "b", "c"]),
                [full, 1],
                "{version:?}"
            );
        }
    }

    #[test]
    fn a_shared_filter_is_shared_in_every_version() {
        for version in [Version::V31, Version::V311, Version::V5] {
            let subscribe = Subscribe {
                packet_id: NonZeroU16::MIN,
                filters: vec![("$share/crew/a", SubscriptionOptions::default())],
            };
            let answers = check_filters(&subscribe, version, 0, |_| false, &limits()).unwrap();
            let granted = answers[0].as_ref().unwrap();
            assert_eq!((granted.filter.share(), granted.code()), (Some("crew"), 0));
        }
    }

    #[test]
    fn mqtt_3_8_3_4_no_local_on_a_shared_subscription_ends_the_connection() {
        let no_local = SubscriptionOptions {
            no_local: true,
            ..SubscriptionOptions::default()
        };
        for (filter, refused) in [("$share/g/a", true), ("a", false)] {
            let subscribe = Subscribe {
                packet_id: NonZeroU16::MIN,
                filters: vec![("b", SubscriptionOptions::default()), (filter, no_local)],
            };
            let answer = check_filters(&subscribe, Version::V5, 0, |_| false, &limits());
            assert_eq!(answer.is_err_and(|violation| violation.reason == 0x82), refused);
        }
    }

    #[test]
    fn mqtt_3_11_3_2_each_filter_of_an_unsubscribe_has_its_code() {
        assert_eq!(unsuback_code("a/+", true), 0x00);
        assert_eq!(unsuback_code("a/+", false), 0x11);
        assert_eq!(unsuback_code("a/#/b", false), 0x8F);
    }
}
