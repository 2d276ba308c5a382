//! The end of sessions whose clients are absent: cleared by a clean start, or expired.

use std::{rc::Rc, sync::Arc};

use restante_model::{Filter, NotKept, QoS, SessionId};
use restante_store::{
    batch::Batch,
    image::{SessionImage, Will},
};

use super::{Outgoing, publish, subscribing::close_reader};
use crate::{
    counters::down,
    reactor::{Reactor, Unkept},
    shared::Shared,
};

/// Publishes a will for a client. A will that cannot be kept is counted like any other message.
pub(crate) fn publish_will(reactor: &Rc<Reactor>, client_id: &Arc<str>, will: &Will) {
    // Its time to live begins now.
    reactor.look_at_clock();
    let _ = publish(
        reactor,
        &Outgoing {
            topic: &will.topic,
            qos: will.qos,
            retain: will.retain,
            payload: &will.payload,
            properties: &will.properties,
            expiry: will.message_expiry,
            sender: client_id,
            receipt: None,
        },
    );
}

/// Ends an absent session that the caller has claimed: its will is due now, its queues lose a reader (K15, K16).
pub(crate) async fn end_session(
    reactor: &Rc<Reactor>,
    client_id: &Arc<str>,
    session: SessionId,
    why: NotKept,
) -> Result<(), Unkept> {
    let one = [(client_id.clone(), session)];
    let mut one_will = 1;
    end_sessions(reactor, &one, why, &mut one_will).await.map(|_| ())
}

/// Ends absent sessions that the caller has claimed, with one commit for all (K16). No more than `wills_left` wills are
/// published, which counts down (K11): sessions beyond that are not ended, and answered.
pub(crate) async fn end_sessions(
    reactor: &Rc<Reactor>,
    sessions: &[(Arc<str>, SessionId)],
    why: NotKept,
    wills_left: &mut u64,
) -> Result<Vec<SessionId>, Unkept> {
    let shared = &reactor.shared;
    let ids = sessions.iter().map(|&(_, session)| session);
    let images = reactor.session_images(ids, shared.last_submitted()).await;
    let mut ended = Vec::with_capacity(sessions.len());
    let mut postponed = Vec::new();
    for ((client_id, session), image) in sessions.iter().zip(images) {
        // The store knows nothing of it: there is nothing to end.
        let Some(image) = image else { continue };
        if let Some(will) = &image.will {
            if *wills_left == 0 {
                postponed.push(*session);
                continue;
            }
            *wills_left -= 1;
            publish_will(reactor, client_id, will);
        }
        ended.push(image);
    }
    if ended.is_empty() {
        return Ok(postponed);
    }
    let turn = reactor.decide(|turn| {
        for image in &ended {
            turn.batch.end_session(image.session, why);
        }
    });
    reactor.flush();
    // What follows cannot be taken back.
    reactor.durable(turn).await?;
    for image in &ended {
        shared.wills.lock().remove(image.session);
        down(&shared.counters.sessions_absent);
        tracing::debug!(
            code = why.word(),
            client = &*image.client_id,
            "a session has ended"
        );
    }
    drop_readers(shared, &ended, why);
    Ok(postponed)
}

fn drop_readers(shared: &Shared, ended: &[SessionImage], why: NotKept) {
    shared.change_router(|router| {
        let mut closed = Batch::default();
        for subscription in ended.iter().flat_map(|image| &image.subscriptions) {
            let Ok(filter) = Filter::parse(&subscription.filter, true) else {
                continue;
            };
            let parts = subscription.epochs.parts();
            let shared_reader =
                filter.share().is_some() && parts.iter().any(|epoch| epoch.options.qos > QoS::AtMostOnce);
            if subscription.queue.is_some() || shared_reader {
                close_reader(router, &filter, why, &mut closed);
            }
        }
        shared.submit_changes(closed);
    });
}
