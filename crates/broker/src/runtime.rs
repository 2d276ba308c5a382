//! The threads: one current-thread runtime per core, which owns its connections for life.

use std::{net::TcpListener, rc::Rc, sync::Arc, sync::atomic::Ordering, thread::JoinHandle, time::Duration};

use tokio::{net::TcpStream, task::LocalSet};

use crate::{
    accepted::{Accepted, Place},
    connection::{self, Closing},
    counters::up,
    housekeeping,
    reactor::Reactor,
    shared::{Mail, Shared},
};

/// How long an acknowledgement may wait for company before it is written (K8: with its commit on disk within 100 ms).
pub(crate) const CURSOR_INTERVAL: Duration = Duration::from_millis(50);
/// How long a failing accept (no file descriptors left, say) is left alone.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Starts the thread of one runtime. The first one also accepts and keeps house.
pub(crate) fn start(
    shared: Arc<Shared>,
    index: u16,
    listeners: Vec<TcpListener>,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name(format!("runtime-{index}"))
        .spawn(move || {
            let local = LocalSet::new();
            local.block_on(&runtime, serve(shared, index, listeners));
        })
}

async fn serve(shared: Arc<Shared>, index: u16, listeners: Vec<TcpListener>) {
    let reactor = Reactor::new(shared.clone(), index);
    reactor.spawn(flusher(reactor.clone()));
    reactor.spawn(cursor_writer(reactor.clone()));
    if index == 0 {
        reactor.spawn(housekeeping::run(reactor.clone()));
    }
    for listener in listeners {
        reactor.spawn(accept(reactor.clone(), listener));
    }
    let door = &shared.doors[usize::from(index)];
    loop {
        door.wake.notified().await;
        for newcomer in reactor.progress() {
            welcome(&reactor, newcomer);
        }
        if shared.stopping.load(Ordering::SeqCst) && stopped(&reactor).await {
            return;
        }
    }
}

fn welcome(reactor: &Rc<Reactor>, newcomer: Accepted) {
    let Accepted { stream, place } = newcomer;
    match TcpStream::from_std(stream) {
        Ok(stream) => reactor.spawn(connection::run(reactor.clone(), stream, place)),
        Err(error) => tracing::warn!(code = "accept-failed", %error, "a connection could not be taken up"),
    }
}

/// Tells all connections to end and lets them write their last word. True when none is left.
async fn stopped(reactor: &Rc<Reactor>) -> bool {
    for connection in reactor.connections() {
        connection.close(Closing::Stopping);
    }
    while reactor.occupied() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        for connection in reactor.connections() {
            connection.close(Closing::Stopping);
        }
        reactor.progress();
    }
    // Those who left wrote their own cursors; the shared groups they were members of have not (K8).
    reactor.write_cursors();
    reactor.flush();
    true
}

/// Ends the turn when all connections that were ready have had their say: who is woken stands at the end of the queue of
/// ready tasks.
async fn flusher(reactor: Rc<Reactor>) {
    loop {
        reactor.flush_due.notified().await;
        for newcomer in reactor.end_turn() {
            welcome(&reactor, newcomer);
        }
    }
}

async fn cursor_writer(reactor: Rc<Reactor>) {
    let mut interval = tokio::time::interval(CURSOR_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        reactor.write_cursors();
    }
}

async fn accept(reactor: Rc<Reactor>, listener: TcpListener) {
    let shared = &reactor.shared;
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(code = "listener-failed", %error, "a listener is gone: restart to have it back");
            return;
        }
    };
    let mut next = 0;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(code = "accept-failed", %error, "a connection could not be accepted; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Some(place) = Place::take(shared) else {
            up(&shared.counters.connections_refused);
            let open = shared.counters.connections.load(Ordering::Relaxed);
            tracing::warn!(
                code = "connections-max",
                open,
                "max_connections is reached: a new connection is refused"
            );
            continue;
        };
        up(&shared.counters.connections_accepted);
        match stream.into_std() {
            Ok(stream) => shared.doors[next].post(Mail::Connection(Accepted { stream, place })),
            Err(error) => {
                tracing::warn!(code = "accept-failed", %error, "a connection could not be taken up")
            }
        }
        next = (next + 1) % shared.doors.len();
    }
}
