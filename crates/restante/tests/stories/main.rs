//! What the documents promise that Restante follows, told as a new user would try it: with a real broker, real clients,
//! a real database, and the commands that those documents use to look into it.
//!
//! | module | whose story |
//! |---|---|
//! | `plugin` | EMQX's offline-message plugin, its documentation and its README: one database is one row of [`server`] |
//! | `backends_redis` | EMQ X 4's Redis back end with its default hooks |

// Helpers of tests unwrap as tests do; clippy knows only the test functions themselves.
#![allow(clippy::unwrap_used)]

mod backends_redis;
mod plugin;
mod server;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use restante_testkit::{Broker, BrokerBuilder, Message};

/// How long a database may take to be as it should: only one that never will is waited for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program with these sections in its file.
fn broker(sections: &str) -> BrokerBuilder {
    Broker::builder()
        .executable(Path::new(env!("CARGO_BIN_EXE_restante")))
        .sections(sections)
}

/// Waits until a question has this answer.
fn wait_for<T: PartialEq + std::fmt::Debug>(expected: T, mut ask: impl FnMut() -> T) {
    let until = Instant::now() + PATIENCE;
    loop {
        let said = ask();
        if said == expected {
            return;
        }
        assert!(
            Instant::now() < until,
            "waited for {expected:?}, and it is {said:?}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn payloads(messages: &[Message]) -> Vec<String> {
    let text = |message: &Message| String::from_utf8(message.payload.clone()).unwrap();
    messages.iter().map(text).collect()
}
