//! `[outbox]`.

use super::{number, or_unlimited, span};
use crate::config::{
    declared::{Setting, Slot},
    draft::{OnAckDeadline, OutboxFull},
    number::Unit,
};

/// Far beyond any disk; keeps sums of limits within 64 bits.
const MESSAGES_MAX: u64 = 1_000_000_000_000;
const BYTES_MAX: u64 = 1 << 50;
const SECONDS_MAX: u64 = 36_500 * 86_400;
const DEAD_LETTERS_MAX: u64 = 100_000_000;
/// Publishers are held up for so long at most.
const DEADLINE_MILLIS_MAX: u64 = 10 * 60_000;
/// What is confirmed stays in the outbox for so long at most.
const WINDOW_MILLIS_MAX: u64 = 10 * 60_000;

const POLICIES: [OutboxFull; 2] = [OutboxFull::RejectPublisher, OutboxFull::DeadLetterOldest];
const DEADLINES: [OnAckDeadline; 2] = [OnAckDeadline::Accept, OnAckDeadline::Refuse];

pub(super) const OUTBOX: &[Setting] = &[
    number(
        "outbox",
        "max_messages",
        or_unlimited(Unit::Count, 1, MESSAGES_MAX, 0),
        |draft| draft.outbox.messages_max,
        |draft, number| draft.outbox.messages_max = number,
        "The most records that wait for one pool.",
    ),
    number(
        "outbox",
        "max_bytes",
        or_unlimited(Unit::Bytes, 1 << 20, BYTES_MAX, 0),
        |draft| draft.outbox.bytes_max,
        |draft, number| draft.outbox.bytes_max = number,
        "The most bytes that wait for one pool.",
    ),
    number(
        "outbox",
        "max_age",
        or_unlimited(Unit::Seconds, 1, SECONDS_MAX, 0),
        |draft| draft.outbox.age_max,
        |draft, number| draft.outbox.age_max = number,
        "A record that has waited this long goes to the dead letters.",
    ),
    Setting {
        section: "outbox",
        name: "when_full",
        meaning: "What happens at `max_messages` and `max_bytes`. `reject-publisher`: what would be owed to the pool \
                  is refused, and its publisher keeps it. `dead-letter-oldest`: the oldest records go to the dead \
                  letters.",
        slot: Slot::Choice {
            words: &["reject-publisher", "dead-letter-oldest"],
            get: |draft| super::index_of(&POLICIES, &draft.outbox.when_full),
            set: |draft, index| draft.outbox.when_full = POLICIES[index],
        },
    },
    number(
        "outbox",
        "max_dead_letters",
        span(Unit::Count, 0, DEAD_LETTERS_MAX),
        |draft| draft.outbox.dead_letters_max,
        |draft, number| draft.outbox.dead_letters_max = number,
        "The most dead letters of one pool; beyond it the oldest are dropped, and counted.",
    ),
    number(
        "outbox",
        "ack_deadline",
        span(Unit::Milliseconds, 0, DEADLINE_MILLIS_MAX),
        |draft| draft.outbox.ack_deadline_millis,
        |draft, number| draft.outbox.ack_deadline_millis = number,
        "How long a publisher waits for the database where a keep or a hook has `ack_after = \"backend\"`; it must be \
         set then. 0 is not set.",
    ),
    Setting {
        section: "outbox",
        name: "on_ack_deadline",
        meaning: "What happens at `ack_deadline`. `accept`: the publisher has its acknowledgement, for the message is \
                  safe in the outbox. `refuse`: a 5.0 client is told 0x83, a 3.x client is disconnected; the message \
                  may reach the database all the same.",
        slot: Slot::Choice {
            words: &["accept", "refuse"],
            get: |draft| super::index_of(&DEADLINES, &draft.outbox.on_ack_deadline),
            set: |draft, index| draft.outbox.on_ack_deadline = DEADLINES[index],
        },
    },
    number(
        "outbox",
        "confirm_window",
        span(Unit::Milliseconds, 0, WINDOW_MILLIS_MAX),
        |draft| draft.outbox.confirm_window_millis,
        |draft, number| draft.outbox.confirm_window_millis = number,
        "How long a record stays after a database that replicates behind its answers has taken it, to be sent again \
         when another server takes over.",
    ),
];
