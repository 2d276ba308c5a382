//! Ports for programs that cannot say which one they got.
//!
//! Restante is started on port 0 and prints its address. Peers need a number beforehand: one is taken from the
//! kernel and given back, which another process could win. So whoever uses this retries with another port when
//! the program does not come up.

use std::net::TcpListener;

/// A port that was free a moment ago on 127.0.0.1.
///
/// # Panics
/// When the machine has no port left.
pub fn recently_free() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind a port of the kernel's choice on loopback");
    listener
        .local_addr()
        .expect("a bound listener has an address")
        .port()
}
