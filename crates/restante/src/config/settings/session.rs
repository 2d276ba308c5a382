//! `[session]`.

use restante_broker::settings::WhenFull;

use super::{narrow, number, or_unlimited, span};
use crate::config::{
    declared::{Setting, Slot},
    number::Unit,
};

/// A hundred years: the most that fits into MQTT's 32 bits and is not "for ever", in round figures.
const SECONDS_MAX: u64 = 36_500 * 86_400;
const FOR_EVER: u64 = u32::MAX as u64;
/// Far beyond any disk; keeps sums of limits within 64 bits.
const MESSAGES_MAX: u64 = 1_000_000_000_000;
const BYTES_MAX: u64 = 1 << 50;

const POLICIES: [WhenFull; 3] = [
    WhenFull::DropOldest,
    WhenFull::DropNewest,
    WhenFull::RejectPublisher,
];

pub(super) const SESSION: &[Setting] = &[
    number(
        "session",
        "session_expiry_interval",
        or_unlimited(Unit::Seconds, 0, SECONDS_MAX, FOR_EVER),
        |draft| draft.broker.session.session_expiry.into(),
        |draft, number| draft.broker.session.session_expiry = narrow(number),
        "How long a session of an MQTT 3.1 or 3.1.1 client without clean session outlives its connection; 0 ends it \
         with the connection.",
    ),
    number(
        "session",
        "max_session_expiry_interval",
        or_unlimited(Unit::Seconds, 0, SECONDS_MAX, FOR_EVER),
        |draft| draft.broker.session.session_expiry_max.into(),
        |draft, number| draft.broker.session.session_expiry_max = narrow(number),
        "The longest session expiry that an MQTT 5.0 client may ask for; one that is cut is told so in CONNACK.",
    ),
    number(
        "session",
        "max_mqueue_len",
        or_unlimited(Unit::Count, 0, MESSAGES_MAX, 0),
        |draft| draft.broker.session.queue.messages_max,
        |draft, number| draft.broker.session.queue.messages_max = number,
        "The most messages that wait for one session.",
    ),
    number(
        "session",
        "max_mqueue_bytes",
        or_unlimited(Unit::Bytes, 0, BYTES_MAX, 0),
        |draft| draft.broker.session.queue.bytes_max,
        |draft, number| draft.broker.session.queue.bytes_max = number,
        "The most bytes that wait for one session.",
    ),
    Setting {
        section: "session",
        name: "when_full",
        meaning: "What happens at either of these two limits. `drop-oldest`: the newest messages are kept. \
                  `drop-newest`: the first ones are kept. `reject-publisher`: the publish is refused and reaches \
                  nobody; one absent device can then stop a fleet's publishers.",
        slot: Slot::Choice {
            words: &["drop-oldest", "drop-newest", "reject-publisher"],
            get: |draft| {
                let policy = &draft.broker.session.queue.when_full;
                POLICIES
                    .iter()
                    .position(|item| item == policy)
                    .unwrap_or(POLICIES.len())
            },
            set: |draft, index| draft.broker.session.queue.when_full = POLICIES[index],
        },
    },
    number(
        "session",
        "message_expiry_interval",
        or_unlimited(Unit::Seconds, 0, SECONDS_MAX, 0),
        |draft| draft.broker.session.message_expiry.into(),
        |draft, number| draft.broker.session.message_expiry = narrow(number),
        "The longest time that a message waits; the publisher's own expiry counts when it is shorter.",
    ),
    number(
        "session",
        "receive_maximum",
        span(Unit::Count, 1, 65_535),
        |draft| draft.broker.session.receive_maximum.into(),
        |draft, number| draft.broker.session.receive_maximum = narrow(number),
        "How many QoS 1 and 2 publishes of one client are taken before it has their acknowledgements; told to 5.0 \
         clients.",
    ),
    number(
        "session",
        "max_inflight",
        span(Unit::Count, 1, 65_535),
        |draft| draft.broker.session.inflight.into(),
        |draft, number| draft.broker.session.inflight = narrow(number),
        "How many QoS 1 and 2 messages are sent to a client before it acknowledges, when the client announces nothing.",
    ),
    number(
        "session",
        "max_inflight_limit",
        span(Unit::Count, 1, 65_535),
        |draft| draft.broker.session.inflight_max.into(),
        |draft, number| draft.broker.session.inflight_max = narrow(number),
        "The most of these whatever the client announces.",
    ),
    number(
        "session",
        "max_packet_size",
        span(Unit::Bytes, 1 << 10, 256 << 20),
        |draft| draft.broker.session.packet_size_max.into(),
        |draft, number| draft.broker.session.packet_size_max = narrow(number),
        "The largest packet that is taken; told to 5.0 clients.",
    ),
    number(
        "session",
        "max_keep_alive",
        or_unlimited(Unit::Seconds, 0, 18 * 3_600, 0),
        |draft| draft.broker.session.keep_alive_max.into(),
        |draft, number| draft.broker.session.keep_alive_max = narrow(number),
        "The longest keep-alive for 5.0 clients, which are told; a 3.x client cannot be told and is never refused \
         for it.",
    ),
    number(
        "session",
        "topic_alias_maximum",
        span(Unit::Count, 0, 65_535),
        |draft| draft.broker.session.topic_alias_max.into(),
        |draft, number| draft.broker.session.topic_alias_max = narrow(number),
        "Topic aliases of one connection, each way; 0 is none.",
    ),
    number(
        "session",
        "clock_trust",
        or_unlimited(Unit::Seconds, 0, SECONDS_MAX, FOR_EVER),
        |draft| draft.broker.session.clock_trust.into(),
        |draft, number| draft.broker.session.clock_trust = narrow(number),
        "How long a step of the system's clock forward by more than an hour must last before sessions and messages \
         expire by it, so that a clock that is wrong for a while ends nothing. `unlimited`: never before a restart. A \
         step back is never followed.",
    ),
];
