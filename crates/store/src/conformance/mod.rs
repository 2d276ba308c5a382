//! What every store does, as a suite: one function per behaviour, instantiated for a store by [`store_suite!`].
//!
//! A behaviour panics when it is not met. The suite must be able to fail (K54): [`broken`] is a store that does one
//! thing wrong on purpose, and a test per fault says that some behaviour notices.
//!
//! Nothing here measures time. Where an answer must come, the suite waits up to [`Place::patience`] and then says
//! what did not come.
//!
//! [`store_suite!`]: crate::store_suite

pub mod bindings;
pub mod broken;
pub mod driver;
pub mod endings;
pub mod exchanges;
pub mod floors;
pub mod histories;
pub mod history;
pub mod notes;
pub mod observed;
pub mod operation;
pub mod order;
pub mod own;
pub mod progress;
pub mod queues;
pub mod random;
pub mod reading;
pub mod reopening;
pub mod retained;
pub mod sessions;
pub mod state;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use restante_model::UnixMicros;

use crate::contract::{QueueLimits, Recovered, Store, WhenFull};

/// Where the stores of one test live: a folder, a simulated disk, nothing at all. A new place is empty.
pub trait Place {
    /// Opens the store of this place; after a close, again.
    fn open(&self, settings: OpenSettings) -> Opened;

    /// Whether a store that is closed and opened again still knows what it knew.
    fn persists(&self) -> bool;

    /// How long to wait for an answer that must come.
    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// With what to open a store.
#[derive(Clone)]
pub struct OpenSettings {
    /// Limits of what one session may be owed.
    pub limits: QueueLimits,
    /// The wall clock.
    pub clock: Clock,
    /// The node part of message ids.
    pub node: u64,
}

impl OpenSettings {
    /// No limits.
    pub fn unlimited() -> OpenSettings {
        OpenSettings::limited(0, 0, WhenFull::DropOldest)
    }

    /// These limits.
    pub fn limited(messages_max: u64, bytes_max: u64, when_full: WhenFull) -> OpenSettings {
        OpenSettings {
            limits: QueueLimits {
                messages_max,
                bytes_max,
                when_full,
            },
            clock: Clock::default(),
            node: 0x00C0_FFEE,
        }
    }
}

/// An open store and what it said about itself.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What it found.
    pub recovered: Box<dyn Recovered>,
}

/// A clock that stands still until it is set.
#[derive(Clone, Debug)]
pub struct Clock(Arc<AtomicU64>);

impl Default for Clock {
    /// A moment in 2026.
    fn default() -> Clock {
        Clock(Arc::new(AtomicU64::new(1_792_000_000_000_000)))
    }
}

impl Clock {
    /// What it shows.
    pub fn now(&self) -> UnixMicros {
        UnixMicros(self.0.load(Ordering::SeqCst))
    }

    /// Sets it, also back.
    pub fn set(&self, now: UnixMicros) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// As a function.
    pub fn reader(&self) -> Arc<dyn Fn() -> UnixMicros + Send + Sync> {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

/// A behaviour, by its name.
pub type Behaviour = (&'static str, fn(&dyn Place));

/// All behaviours.
pub const BEHAVIOURS: &[Behaviour] = crate::store_suite! {@list table};

/// Makes a test module of the suite: `store_suite!(name, place)`, where `place` is an expression that makes a new,
/// empty [`Place`] for each test.
#[macro_export]
macro_rules! store_suite {
    (@list $($how:tt)*) => {
        $crate::store_suite! {@$($how)*;
            bindings::k15_a_bound_message_stays_readable_after_unsubscribe_and_queue_close,
            bindings::k15_a_bound_message_stays_readable_below_a_floor,
            bindings::a_bound_message_stays_readable_when_all_have_acknowledged,
            bindings::a_retained_message_can_be_bound,
            bindings::k15_a_message_is_bound_in_its_own_batch,
            bindings::k15_what_was_bound_in_its_own_batch_is_kept,
            bindings::what_is_not_bound_or_not_kept_is_none,
            endings::k30_what_waited_is_counted_by_word,
            endings::k30_the_count_is_as_of_the_end,
            endings::k30_what_was_acknowledged_is_not_counted,
            endings::k30_k14_what_is_not_owed_is_not_counted,
            endings::k30_what_is_in_flight_is_counted_once,
            endings::k30_k13_overlapping_filters_count_a_message_once,
            endings::k23_a_large_overlap_is_an_upper_bound,
            endings::k30_k22_what_was_evicted_is_not_counted_again,
            floors::k22_drop_oldest_is_a_floor_under_the_cursor,
            floors::k22_drop_newest_keeps_the_first_and_takes_new_ones_after_a_drain,
            floors::k22_reject_publisher_is_judged_by_the_slowest_reader,
            floors::k22_bytes_are_a_limit_of_their_own,
            floors::k22_overlapping_filters_count_a_message_once,
            floors::k22_acknowledged_messages_do_not_count,
            floors::k22_what_is_in_flight_does_not_count,
            floors::k22_what_is_in_flight_does_not_count_among_the_first,
            floors::k14_what_is_not_owed_does_not_count,
            floors::k22_a_floor_never_comes_back,
            floors::zero_is_no_limit,
            histories::random_histories_agree_with_a_naive_model,
            histories::random_histories_agree_under_limits,
            notes::set_replace_and_remove,
            notes::notes_come_by_prefix_and_page,
            notes::pages_of_notes_are_bounded,
            notes::a_note_beyond_its_bounds_changes_nothing,
            notes::notes_wait_for_what_they_name,
            notes::k05_a_note_comes_with_its_batch_and_belongs_to_nobody,
            notes::figures_count_notes,
            notes::k05_notes_are_kept,
            order::k03_every_ordinal_takes_one_sequence,
            order::sequences_and_times_rise_strictly_from_all_threads,
            order::times_rise_when_the_clock_steps_back,
            order::ids_rise_within_a_large_batch,
            own::k22_limits_are_not_for_the_brokers_own,
            own::k22_a_client_beside_the_brokers_own_is_limited,
            own::k22_the_brokers_own_makes_no_queue_full,
            own::what_waits_for_the_brokers_own_is_told,
            own::k16_what_has_expired_stays_for_the_brokers_own,
            own::the_brokers_own_comes_back,
            own::k15_what_the_brokers_own_has_passed_stays_for_who_is_bound,
            progress::durable_follows_the_order_of_submits,
            progress::wakes_come_and_never_from_inside_a_call,
            progress::k26_congestion_ends,
            progress::figures_tell_what_is_there,
            queues::k15_closing_a_queue_kills_its_entries,
            queues::k15_closing_a_queue_leaves_other_queues_alone,
            queues::k16_the_sweep_leaves_what_somebody_needs,
            queues::k16_the_sweep_frees_what_nobody_needs,
            queues::expired_messages_go_and_nothing_else,
            queues::a_message_in_unknown_queues_is_nowhere,
            reading::messages_come_in_order_with_their_spans,
            reading::messages_come_back_as_they_were_given,
            reading::k13_overlap_is_one_entry_with_both_bits,
            reading::spans_beyond_64_are_named,
            reading::skipped_ranges_are_left_out,
            reading::pages_end_at_messages_and_bytes,
            reading::through_and_end_say_where_to_go_on,
            reading::spans_are_exclusive_below_and_inclusive_above,
            reading::a_read_waits_for_what_it_names,
            reading::an_unknown_queue_is_empty,
            reopening::k05_everything_is_kept,
            reopening::k04_sequences_and_ids_rise_across_reopening,
            reopening::what_was_ended_stays_ended,
            reopening::k29_the_last_time_is_known,
            reopening::reopening_again_and_again_changes_nothing,
            retained::set_replace_and_clear,
            retained::wildcards_match_as_filters_do,
            retained::by_topic_and_after_what_was_named,
            retained::pages_stay_right_while_messages_change,
            retained::pages_of_retained_messages_are_bounded,
            retained::few_among_many_are_found,
            retained::expired_ones_are_left_out,
            retained::a_retained_message_outlives_its_queue,
            sessions::opening_and_detaching,
            sessions::k11_wills_are_stored_replaced_and_cleared,
            sessions::k14_subscriptions_have_epochs,
            sessions::k15_a_subscription_begins_at_its_own_change,
            exchanges::k13_cursors_are_stored_whole_and_never_move_back,
            exchanges::k10_packet_ids_and_bindings,
            exchanges::k02_receipts_come_with_messages_and_go_at_pubrel,
            sessions::an_ended_session_is_gone,
            sessions::changes_of_unknown_sessions_change_nothing,
            sessions::an_image_waits_for_what_it_names,
        }
    };
    (@table; $($module:ident::$behaviour:ident,)*) => {
        &[$((stringify!($behaviour), $module::$behaviour),)*]
    };
    (@tests $place:expr; $($module:ident::$behaviour:ident,)*) => {
        $(
            #[test]
            fn $behaviour() {
                $crate::conformance::$module::$behaviour(&$place);
            }
        )*
    };
    ($name:ident, $place:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "the place may need none of it")]
            use super::*;

            $crate::store_suite! {@list tests $place}
        }
    };
}
