//! A TCP proxy that passes, delays, swallows or cuts.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// How soon a change of behaviour or the end is seen by a thread that waits for bytes.
const TURN: Duration = Duration::from_millis(20);

/// Connections through one proxy at once; more are refused.
pub const CONNECTIONS_MAX: usize = 1_000;

/// What happens to bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// They pass.
    Pass,
    /// They pass after a while.
    Delay(Duration),
    /// They are read and thrown away, in both directions; connections stay open.
    Swallow,
}

/// A proxy on a port of its own; its connections end when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    ended: AtomicBool,
}

#[derive(Debug)]
struct State {
    upstream: SocketAddr,
    behaviour: Behaviour,
    streams: Vec<TcpStream>,
}

impl Proxy {
    /// A proxy that passes to `upstream`.
    ///
    /// # Panics
    /// When the machine has no port left.
    pub fn start(upstream: SocketAddr) -> Proxy {
        let listener =
            TcpListener::bind("127.0.0.1:0").expect("bind a port of the kernel's choice on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                upstream,
                behaviour: Behaviour::Pass,
                streams: Vec::new(),
            }),
            ended: AtomicBool::new(false),
        });
        let acceptor = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Proxy {
            address,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where connections from now on go (a broker has another port after a restart).
    pub fn point_at(&self, upstream: SocketAddr) {
        self.shared.lock().upstream = upstream;
    }

    /// What happens to bytes from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.lock().behaviour = behaviour;
    }

    /// Cuts every connection there is, both ends.
    pub fn cut(&self) {
        for stream in self.shared.lock().streams.drain(..) {
            // An error means that it had ended already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.cut();
        // Wakes the acceptor, which then sees the end.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        match self.state.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut pumps: Vec<JoinHandle<()>> = Vec::new();
    while let Ok((client, _)) = listener.accept() {
        if shared.ended.load(Ordering::Acquire) {
            break;
        }
        pumps.retain(|pump| !pump.is_finished());
        if pumps.len() < 2 * CONNECTIONS_MAX {
            // A client whose server does not answer is dropped, which closes its connection.
            if let Ok(both) = join(client, shared) {
                pumps.extend(both);
            }
        }
    }
    for pump in pumps {
        let _ = pump.join();
    }
}

fn join(client: TcpStream, shared: &Arc<Shared>) -> io::Result<[JoinHandle<()>; 2]> {
    let upstream = shared.lock().upstream;
    let server = TcpStream::connect(upstream)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TURN))?;
    }
    let copies = [client.try_clone()?, server.try_clone()?];
    let forth = [client.try_clone()?, server.try_clone()?];
    let mut state = shared.lock();
    // Those that have ended are forgotten, so that the list is bounded by the connections that are open.
    state.streams.retain(|stream| stream.peer_addr().is_ok());
    state.streams.extend(copies);
    drop(state);
    let [from_client, to_server] = forth;
    let (there, back) = (Arc::clone(shared), Arc::clone(shared));
    Ok([
        std::thread::spawn(move || pump(from_client, to_server, &there)),
        std::thread::spawn(move || pump(server, client, &back)),
    ])
}

/// Moves bytes one way until an end closes.
fn pump(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let mut buffer = vec![0; 64 << 10];
    while !shared.ended.load(Ordering::Acquire) {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                continue;
            }
            Err(_) => break,
        };
        let behaviour = shared.lock().behaviour;
        match behaviour {
            Behaviour::Pass => {}
            Behaviour::Delay(time) => std::thread::sleep(time),
            Behaviour::Swallow => continue,
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // An error means that the other direction was faster.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every byte with itself.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                std::thread::spawn(move || {
                    let mut reader = stream.try_clone().unwrap();
                    let _ = io::copy(&mut reader, &mut stream);
                });
            }
        });
        address
    }

    #[test]
    fn bytes_pass_until_they_are_swallowed_or_cut() {
        let proxy = Proxy::start(echo());
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = [0; 3];
        stream.write_all(b"abc").unwrap();
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"abc");

        proxy.behave(Behaviour::Swallow);
        stream.write_all(b"def").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert!(
            stream.read_exact(&mut answer).is_err(),
            "swallowed bytes came back"
        );

        proxy.cut();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert!(matches!(stream.read(&mut answer), Ok(0) | Err(_)));
    }
}
