//! Making and clearing absent sessions, a few at a time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::BenchError;
use crate::layout::Layout;
use crate::link::{self, Ending, Talk, Target};
use crate::progress::Progress;
use crate::wire::{self, Keep};

/// Tries for one session: some brokers drop connections when many come at once.
const TRIES: u32 = 5;
/// Pause before another try.
const PAUSE: Duration = Duration::from_millis(100);

/// What each session does while it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    /// Connects, subscribes its topic at this QoS, leaves: absent from then on.
    Subscribe(u8),
    /// Connects and leaves: a session without subscriptions.
    Plain,
    /// Connects clean and leaves: the session is gone.
    Clear,
}

/// Lets all sessions of the layout make the visit, `concurrency` at a time.
pub(crate) fn visit_all(
    target: &Target,
    layout: &Layout,
    visit: Visit,
    concurrency: u32,
    clock: &Clock,
    progress: &Progress,
) -> Result<(), BenchError> {
    let next = AtomicU32::new(0);
    let work = || -> Result<(), BenchError> {
        let mut talk = Talk::new()?;
        loop {
            let session = next.fetch_add(1, Ordering::Relaxed);
            if session >= layout.sessions || progress.has_failed() {
                return Ok(());
            }
            clock.check(|| format!("{} sessions of {} were visited", session, layout.sessions))?;
            visit_patiently(&mut talk, target, layout, session, visit).inspect_err(|_| progress.fail())?;
            progress.add(1);
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..concurrency.max(1)).map(|_| scope.spawn(work)).collect();
        let mut result = Ok(());
        for worker in workers {
            let ended = worker.join().unwrap_or_else(|_| Err(panicked()));
            result = result.and(ended);
        }
        result
    })
}

/// The error for a worker thread that panicked.
pub(crate) fn panicked() -> BenchError {
    BenchError::System(std::io::Error::other(
        "a worker of the tool panicked: this is a fault in it",
    ))
}

fn visit_patiently(
    talk: &mut Talk,
    target: &Target,
    layout: &Layout,
    session: u32,
    visit: Visit,
) -> Result<(), BenchError> {
    let mut tries = 1;
    loop {
        match visit_once(talk, target, layout, session, visit) {
            Err(BenchError::Lost { .. } | BenchError::Unreachable { .. }) if tries < TRIES => {
                tries += 1;
                thread::sleep(PAUSE);
                // What a broken conversation registered goes with its poll.
                *talk = Talk::new()?;
            }
            result => return result,
        }
    }
}

fn visit_once(
    talk: &mut Talk,
    target: &Target,
    layout: &Layout,
    session: u32,
    visit: Visit,
) -> Result<(), BenchError> {
    let keep = if visit == Visit::Clear {
        Keep::Nothing
    } else {
        Keep::Session
    };
    let mut link = target.begin(layout.session_name(session), keep)?;
    let client = link.client().to_owned();
    let topic = layout.topic_name(layout.topic_of_session(session));
    let mut leaving = false;
    let ending = talk.converse(&mut link, |frame, out| {
        match (frame.kind(), visit) {
            (wire::CONNACK, Visit::Subscribe(qos)) => {
                link::connack(&client, &frame)?;
                wire::put_subscribe(target.protocol, &topic, qos, out);
            }
            (wire::CONNACK, Visit::Plain | Visit::Clear) => {
                link::connack(&client, &frame)?;
                out.extend_from_slice(&wire::DISCONNECT_NORMAL);
                leaving = true;
            }
            (wire::SUBACK, _) => {
                link::suback(&client, &frame)?;
                out.extend_from_slice(&wire::DISCONNECT_NORMAL);
                leaving = true;
            }
            // What already waits for the session; it stays unacknowledged, so it is not taken away.
            _ => {}
        }
        Ok(false)
    })?;
    match ending {
        Ending::Closed if leaving => Ok(()),
        _ => Err(link.closed()),
    }
}
