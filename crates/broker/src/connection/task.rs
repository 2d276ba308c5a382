//! The loop of one connection: reads, writes, waits.

use std::{rc::Rc, time::Duration};

use tokio::net::TcpStream;

use super::{Closing, Connection, handshake, packets::Read};
use crate::{accepted::Place, reactor::Reactor};

/// How long a connection waits before it looks again whether congestion has passed.
const CONGESTION_POLL: Duration = Duration::from_millis(20);

/// How long a 3.x client whose publish cannot be kept waits for its connection to be closed. It cannot be told why, and
/// most come back at once to try again: so a loop of retries costs little (K25).
const UNKEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves one socket from its first byte to its last.
pub(crate) async fn run(reactor: Rc<Reactor>, stream: TcpStream, place: Place) {
    // Acknowledgements are small and must not wait for each other; a socket without the option works too.
    let _ = stream.set_nodelay(true);
    let Some(handshake::Entered { connection, beyond }) = handshake::enter(&reactor, stream).await else {
        return;
    };
    let why = connection.serve(&reactor, beyond).await;
    if matches!(why, Closing::Unkept(_)) {
        connection.pause().await;
    }
    drop(place);
    connection.leave(&reactor, why).await;
}

impl Connection {
    async fn serve(self: &Rc<Self>, reactor: &Rc<Reactor>, beyond: Vec<u8>) -> Closing {
        if !beyond.is_empty() {
            match self.take_packets(reactor, &beyond) {
                Ok(consumed) => self.state.borrow_mut().partial = beyond[consumed..].to_vec(),
                Err(closing) => return closing,
            }
            self.drive(reactor);
        }
        let silence = tokio::time::sleep(Duration::from_secs(3600));
        tokio::pin!(silence);
        let mut armed = None;
        loop {
            if let Some(closing) = self.closing.get() {
                return closing;
            }
            let deadline = self.state.borrow().keep_alive.deadline();
            if armed.is_none()
                && let Some(deadline) = deadline
            {
                let left = deadline.0.saturating_sub(reactor.shared.clock.steady().0);
                silence
                    .as_mut()
                    .reset(tokio::time::Instant::now() + Duration::from_millis(left + 1));
                armed = Some(deadline);
            }
            let may_read = self.may_read(reactor);
            let congested = reactor.shared.congested();
            tokio::select! {
                biased;
                () = self.wake.notified() => {}
                result = self.stream.writable(), if self.blocked.get() => {
                    if result.is_err() {
                        return Closing::Lost;
                    }
                    self.blocked.set(false);
                    self.write_out(&reactor.shared);
                    self.drive(reactor);
                }
                result = self.stream.readable(), if may_read && !congested => {
                    if result.is_err() {
                        return Closing::Lost;
                    }
                    match self.read_some(reactor) {
                        Ok(Read::Nothing) => {}
                        Ok(Read::Some) => self.drive(reactor),
                        Ok(Read::Full) => {
                            self.drive(reactor);
                            // A client that keeps its socket full would be the only one its runtime ever serves.
                            tokio::task::yield_now().await;
                        }
                        Err(closing) => return closing,
                    }
                }
                () = reactor.relieved(CONGESTION_POLL), if congested => {}
                () = &mut silence, if armed.is_some() => {
                    armed = None;
                    let now = reactor.shared.clock.steady();
                    if deadline.is_some_and(|deadline| deadline <= now) {
                        return Closing::KeepAlive;
                    }
                }
            }
        }
    }

    /// Stays connected for a moment without being read. Somebody else may want the client id meanwhile, or all to end.
    async fn pause(&self) {
        let asked_to_close = async {
            while self.closing.get().is_none() {
                self.wake.notified().await;
            }
        };
        // Either will do.
        let _ = tokio::time::timeout(UNKEPT_PAUSE, asked_to_close).await;
    }

    /// A client that does not read what it is sent is not read either, nor one with too many answers outstanding.
    fn may_read(&self, reactor: &Reactor) -> bool {
        let state = self.state.borrow();
        !state.answers.is_full() && state.out.len() < 2 * reactor.shared.settings.limits.outgoing_bytes_max
    }
}
