//! Behaviours: random histories against the naive model. The same seed gives the same history.

use restante_model::UnixMillis;

use crate::{change::OWN_VERSION, contract::WhenFull};

use super::{
    OpenSettings, Place,
    driver::Driver,
    history::{History, Payloads},
    observed::{difference, excess, observe},
    state::State,
};

/// The seed of the suite's own histories, unless [`SEED_VARIABLE`] gives another.
const SEED: u64 = 20_261_121;

const PAYLOADS: Payloads = Payloads {
    long_one_in: 10,
    bytes_max: 5000,
};

/// An environment variable that sets the seed.
pub const SEED_VARIABLE: &str = "RESTANTE_HISTORY_SEED";

/// Sessions, subscriptions, publishes, acknowledgements, receipts, retained messages, wills, in any order.
pub fn random_histories_agree_with_a_naive_model(place: &dyn Place) {
    run(place, &OpenSettings::unlimited(), seed(), 300);
}

/// The same with a limit of seven messages per session.
pub fn random_histories_agree_under_limits(place: &dyn Place) {
    run(
        place,
        &OpenSettings::limited(7, 0, WhenFull::DropOldest),
        seed(),
        150,
    );
}

/// What the store says waits for the broker's own is no less than what does, and it says since when.
fn look_at_own(driver: &Driver, state: &State) {
    let own = state.sessions.values();
    for image in own.filter(|image| image.version == OWN_VERSION) {
        let waits = state.backlog(image);
        // In each queue by itself.
        let entries: u64 = waits.iter().map(|owed| u64::from(owed.spans.count_ones())).sum();
        let oldest = waits.first().and_then(|owed| owed.message.as_ref().ok());
        let oldest = oldest.map(|message| UnixMillis(message.id.micros() / 1000));
        let what = format!(
            "{:?} has {entries} or more since {oldest:?} or before",
            image.session
        );
        driver.until(&what, || {
            let told = driver.store().backlog(image.session);
            let since = told
                .oldest
                .is_some_and(|told| oldest.is_none_or(|oldest| told <= oldest));
            told.messages >= entries && (since || told.messages == 0)
        });
    }
}

fn seed() -> u64 {
    match std::env::var(SEED_VARIABLE) {
        Ok(seed) => seed.parse().expect("the seed is a number"),
        Err(_) => SEED,
    }
}

/// Runs so many batches of a seed's history and compares on the way; closes and opens again now and then if the
/// place persists.
pub fn run(place: &dyn Place, settings: &OpenSettings, seed: u64, batches: usize) {
    let limit = settings.limits.messages_max as usize;
    let mut driver = Driver::open(place, settings);
    let mut history = History::new(seed, PAYLOADS);
    let mut state = State::new(settings.node);
    for number in 0..batches {
        let operations = history.batch(&state);
        let span = driver.submit(|batch| operations.iter().for_each(|operation| operation.put(batch)));
        state.apply_all(span, &operations);
        if limit == 0 && history.random().one_in(8) {
            driver.store().tick(settings.clock.now().millis());
        }
        let reopen = limit == 0 && place.persists() && history.random().one_in(60);
        if reopen {
            driver.store().close().expect("the store closes");
            drop(driver);
            driver = Driver::open(place, settings);
            // Counters begin with the process.
            state.count_anew();
        }
        // A limit is worked out when somebody looks: both must look at the same moments.
        if reopen || limit > 0 || number % 20 == 0 || number + 1 == batches {
            driver.until_durable(span.last);
            if limit > 0 {
                state.drop_oldest(limit);
            }
            let page = history.random().within(1..40) as usize;
            let found = observe(&driver, &state, page);
            let wrong = difference(&found, &state.observed()).or_else(|| excess(&driver, &state));
            if let Some(wrong) = wrong {
                panic!("seed {seed}, batch {number}, reopened {reopen}: {wrong}");
            }
            look_at_own(&driver, &state);
            let what = format!("{:?} is counted (seed {seed}, batch {number})", state.waited);
            driver.until(&what, || match (driver.store().figures().waited, state.waited) {
                (found, expected) if state.waited_is_exact => found == expected,
                (found, expected) => {
                    found.unsubscribed >= expected.unsubscribed
                        && found.session_expired >= expected.session_expired
                        && found.session_cleared >= expected.session_cleared
                }
            });
        }
    }
}
