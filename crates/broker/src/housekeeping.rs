//! What happens by itself: time told to the store, sessions that expire, wills that fall due.
//!
//! All in bounded slices (K11, K16), on the first runtime.

use std::{rc::Rc, sync::Arc, time::Duration};

use restante_model::{NotKept, SessionId, UnixMillis};

use crate::{
    clock::{Clock, News, Step, Steps, system_time},
    connection::{end_sessions, publish_will},
    directory::{Claim, Leaving},
    reactor::Reactor,
};
use restante_store::{change::Change, contract::Admission, image::Will};

/// How often the house is kept.
const INTERVAL: Duration = Duration::from_millis(250);
/// Expired sessions ended in one go; a pause of [`SLICE_PAUSE`] follows.
const SESSIONS_SLICE: usize = 500;
const SLICE_PAUSE: Duration = Duration::from_millis(5);

/// Keeps house until the runtime ends.
pub(crate) async fn run(reactor: Rc<Reactor>) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let trust = match reactor.shared.settings.session.clock_trust {
        u32::MAX => None,
        seconds => Some(Duration::from_secs(seconds.into())),
    };
    let mut steps = Steps::new(trust);
    loop {
        interval.tick().await;
        let shared = &reactor.shared;
        let now = shared.clock.millis();
        shared.store.tick(now);
        shared.watch_retained();
        watch_clock(&shared.clock, &mut steps);
        if matches!(shared.store.admission(), Admission::Failed { .. }) {
            // Nothing can be ended or published in a way that lasts; a restart finds it as it is.
            continue;
        }
        // Wills that wait for their delay are due no later than their session's end, so they come first.
        let mut wills_left = wills_per_round(shared.settings.limits.wills_per_second);
        publish_due_wills(&reactor, now, &mut wills_left).await;
        expire_sessions(&reactor, now, &mut wills_left).await;
    }
}

/// Reports steps of the system's clock, and follows one forward when it has been trusted (K29). What expires by it is ended
/// in slices, like everything that expires.
fn watch_clock(clock: &Clock, steps: &mut Steps) {
    match steps.look(system_time().millis(), clock.now()) {
        None => {}
        Some(News::Stepped(step)) => tracing::warn!(
            code = "clock-stepped",
            seconds = step.distance().as_secs(),
            forward = matches!(step, Step::Forward(_)),
            "the system's clock has stepped; expiry goes on by the time since the start until clock_trust has passed"
        ),
        Some(News::Trusted(step)) => {
            clock.follow(step);
            tracing::warn!(
                code = "clock-followed",
                seconds = step.as_secs(),
                "the system's clock has stayed where it stepped to; expiry follows it now"
            );
        }
    }
}

fn wills_per_round(per_second: u32) -> u64 {
    (u64::from(per_second) * INTERVAL.as_millis() as u64 / 1000).max(1)
}

async fn expire_sessions(reactor: &Rc<Reactor>, now: UnixMillis, wills_left: &mut u64) {
    let shared = &reactor.shared;
    loop {
        let (address, _) = reactor.enter();
        let claimed = shared.directory.lock().expired(now, SESSIONS_SLICE, address);
        let done = end_sessions(reactor, &claimed, NotKept::SessionExpired, wills_left).await;
        for (client_id, session) in &claimed {
            let leaving = match &done {
                Ok(postponed) if !postponed.contains(session) => Leaving::Gone,
                // Met again at the next round.
                _ => Leaving::Absent(*session, now),
            };
            shared.directory.lock().release(client_id, address, leaving);
        }
        reactor.vacate(address);
        let is_over = claimed.len() < SESSIONS_SLICE || !done.is_ok_and(|postponed| postponed.is_empty());
        if is_over {
            return;
        }
        tokio::time::sleep(SLICE_PAUSE).await;
    }
}

/// Wills whose delay has passed while their session stayed absent, at a bounded rate (K11).
async fn publish_due_wills(reactor: &Rc<Reactor>, now: UnixMillis, wills_left: &mut u64) {
    let shared = &reactor.shared;
    while *wills_left > 0 {
        let due = shared.wills.lock().take_due(now);
        let Some((_, client_id)) = due else {
            return;
        };
        *wills_left -= 1;
        let (address, _) = reactor.enter();
        // A client that is back has no will due.
        let claim = shared.directory.lock().claim(&client_id, address);
        if let Claim::Granted(known) = claim {
            let leaving = match known {
                Some(known) => publish_delayed_will(reactor, &client_id, known, now).await,
                None => Leaving::Gone,
            };
            shared.directory.lock().release(&client_id, address, leaving);
        }
        reactor.vacate(address);
    }
}

/// Publishes the will of an absent session that the caller has claimed, if it is due.
async fn publish_delayed_will(
    reactor: &Rc<Reactor>,
    client_id: &Arc<str>,
    session: SessionId,
    now: UnixMillis,
) -> Leaving {
    let Some(image) = reactor
        .session_image(session, reactor.shared.last_submitted())
        .await
    else {
        return Leaving::Gone;
    };
    let is_due = |will: &&Will| image.since.plus_seconds(will.delay.min(image.expiry)) <= now;
    if let Some(will) = image.will.as_ref().filter(is_due) {
        publish_will(reactor, client_id, will);
        reactor.decide(|turn| {
            turn.batch.change(&Change::WillCleared { session });
        });
        reactor.flush();
    }
    Leaving::Absent(session, image.since.plus_seconds(image.expiry))
}
