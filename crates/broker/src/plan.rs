//! The one place where it is decided what becomes of a message: `plan(message, view) -> Plan`.
//!
//! No side effects: the live path applies the plan; whoever wants to know what *would* happen only prints it.

use restante_model::{NotKept, QoS};
use restante_store::contract::Admission;

use crate::router::Matches;

/// 5.0 reason codes that a plan may answer.
mod code {
    pub(super) const SUCCESS: u8 = 0x00;
    pub(super) const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
    pub(super) const IMPLEMENTATION_SPECIFIC: u8 = 0x83;
    pub(super) const QUOTA_EXCEEDED: u8 = 0x97;
}

/// What the plan needs to know of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) payload_empty: bool,
    /// A QoS 2 publish of a persistent session: its receipt must be kept whoever is interested.
    pub(crate) receipt: bool,
    /// Pools are owed it.
    pub(crate) owed: bool,
}

/// What the plan looks at.
pub(crate) struct View<'a> {
    pub(crate) matches: &'a Matches,
    pub(crate) admission: &'a Admission,
    /// Whether a matched queue holds its limit, under `reject-publisher` (K22).
    pub(crate) queue_full: bool,
    /// Whether the outbox of a pool that is owed it is full, under its policy to refuse (K42).
    pub(crate) outbox_full: bool,
    /// Whether one more retained message would pass the limit (K24).
    pub(crate) retained_full: bool,
    /// Whether the topic has a retained message: to clear it frees space, and is done in a full store too (K9).
    pub(crate) has_retained: bool,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nobody gets it, and the publisher is told why.
    Refused {
        /// Reason code of PUBACK or PUBREC; a 3.x connection is closed instead (K25).
        reason: u8,
        /// What is counted.
        why: NotKept,
    },
    /// It goes its way.
    Taken {
        /// It is written to the store: the answer waits until it is durable.
        stored: bool,
        /// It enters the matched queues.
        queued: bool,
        /// It becomes (or clears) the retained message of its topic.
        retained: bool,
        /// It is handed to present receivers.
        live: bool,
        /// The publisher's answer.
        reason: u8,
        /// Filters whose absent readers do not get it because it is QoS 0.
        lost_at_qos0: u32,
    },
}

/// Decides.
pub(crate) fn plan(message: Facts, view: &View<'_>) -> Plan {
    let matches = view.matches;
    let queued = message.qos > QoS::AtMostOnce && !matches.queues().is_empty();
    let stored = queued || message.retain || message.receipt || message.owed;
    if queued || message.retain || message.owed {
        // What nobody must keep goes on while the disk is full or broken (K25).
        match view.admission {
            Admission::Open => {}
            Admission::Full { .. } if message.retain && message.payload_empty && view.has_retained => {}
            Admission::Full { .. } => return refused(code::QUOTA_EXCEEDED, NotKept::StorageUnavailable),
            Admission::Failed { .. } => {
                return refused(code::IMPLEMENTATION_SPECIFIC, NotKept::StorageUnavailable);
            }
        }
        if (queued && view.queue_full) || view.outbox_full {
            return refused(code::QUOTA_EXCEEDED, NotKept::QueueFull);
        }
        if message.retain && !message.payload_empty && view.retained_full {
            return refused(code::QUOTA_EXCEEDED, NotKept::PublishRefused);
        }
    } else if message.receipt && matches!(view.admission, Admission::Failed { .. }) {
        return refused(code::IMPLEMENTATION_SPECIFIC, NotKept::StorageUnavailable);
    }
    Plan::Taken {
        stored,
        queued,
        retained: message.retain,
        live: matches.runtimes() != 0 || !matches.groups().is_empty(),
        reason: if matches.is_empty() && !message.owed {
            code::NO_MATCHING_SUBSCRIBERS
        } else {
            code::SUCCESS
        },
        lost_at_qos0: if message.qos == QoS::AtMostOnce {
            matches.absent()
        } else {
            0
        },
    }
}

fn refused(reason: u8, why: NotKept) -> Plan {
    Plan::Refused { reason, why }
}

#[cfg(test)]
mod tests {
    use restante_model::{Filter, QueueId};

    use super::*;
    use crate::router::Router;

    fn facts(qos: QoS) -> Facts {
        Facts {
            qos,
            retain: false,
            payload_empty: false,
            receipt: false,
            owed: false,
        }
    }

    fn queue_on(filter: &str) -> Matches {
        let mut router = Router::default();
        router.add_reader(&Filter::parse(filter, true).unwrap(), || QueueId(1));
        router.matches("a")
    }

    #[test]
    fn k25_what_nobody_must_keep_goes_on_when_the_disk_is_full() {
        let full = Admission::Full { why: "full".into() };
        let (queue, nobody) = (queue_on("a"), Matches::default());
        let view = |matches| View {
            matches,
            admission: &full,
            queue_full: false,
            outbox_full: false,
            retained_full: false,
            has_retained: false,
        };
        assert!(matches!(
            plan(facts(QoS::AtLeastOnce), &view(&queue)),
            Plan::Refused {
                reason: 0x97,
                why: NotKept::StorageUnavailable
            }
        ));
        assert!(matches!(
            plan(facts(QoS::AtLeastOnce), &view(&nobody)),
            Plan::Taken {
                stored: false,
                reason: 0x10,
                ..
            }
        ));
        assert!(matches!(
            plan(facts(QoS::AtMostOnce), &view(&queue)),
            Plan::Taken {
                stored: false,
                lost_at_qos0: 1,
                ..
            }
        ));
        let retained = Facts {
            retain: true,
            ..facts(QoS::AtMostOnce)
        };
        assert!(matches!(plan(retained, &view(&nobody)), Plan::Refused { .. }));
    }

    #[test]
    fn k22_a_full_queue_refuses_the_publisher() {
        let queue = queue_on("#");
        let view = View {
            matches: &queue,
            admission: &Admission::Open,
            queue_full: true,
            outbox_full: false,
            retained_full: false,
            has_retained: false,
        };
        assert_eq!(
            plan(facts(QoS::ExactlyOnce), &view),
            Plan::Refused {
                reason: 0x97,
                why: NotKept::QueueFull
            }
        );
        assert!(matches!(
            plan(facts(QoS::AtMostOnce), &view),
            Plan::Taken { queued: false, .. }
        ));
    }
}
