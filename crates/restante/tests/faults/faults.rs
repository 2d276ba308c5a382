//! What fails, and how it comes back.

use std::{net::SocketAddr, thread, time::Duration};

use restante_testkit::{Broker, Proxy, proxy::Behaviour};

use crate::{chance::Chance, server::Server};

/// The longest that a killed broker or database stays away.
const DEAD: Duration = Duration::from_millis(900);
/// The longest that a connection swallows: longer than a command may take.
const SWALLOWED: Duration = Duration::from_millis(3_000);
/// Cuts in one round at most.
const CUTS: u64 = 6;
/// The longest between two of them.
const BETWEEN_CUTS: Duration = Duration::from_millis(60);

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    None,
    Broker,
    Database,
    Cut,
    Swallow,
    Both,
    Any,
    /// The database forgets everything: what a test must see.
    Forgets,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::None => "none",
            Kind::Broker => "broker",
            Kind::Database => "database",
            Kind::Cut => "cut",
            Kind::Swallow => "swallow",
            Kind::Both => "both",
            Kind::Any => "any",
            Kind::Forgets => "forgets",
        }
    }
}

/// What can fail.
pub(crate) struct House {
    pub(crate) broker: Broker,
    pub(crate) server: Server,
    pub(crate) proxy: Proxy,
}

impl House {
    /// One fault, and its end.
    ///
    /// # Errors
    /// The broker did not start again.
    pub(crate) fn fail(&mut self, kind: Kind, chance: &mut Chance) -> Result<SocketAddr, String> {
        match kind {
            Kind::None => {}
            Kind::Broker => {
                self.broker.kill();
                thread::sleep(chance.up_to(DEAD / 8));
                self.broker.try_start()?;
            }
            Kind::Database => {
                self.server.kill();
                thread::sleep(chance.up_to(DEAD));
                self.server.start_again();
            }
            Kind::Cut => {
                for _ in 0..=chance.below(CUTS) {
                    self.proxy.cut();
                    thread::sleep(chance.up_to(BETWEEN_CUTS));
                }
            }
            Kind::Swallow => {
                self.proxy.behave(Behaviour::Swallow);
                thread::sleep(chance.up_to(SWALLOWED));
                // What was swallowed stays lost: a connection that goes on behind a hole is none that TCP knows.
                self.proxy.cut();
                self.proxy.behave(Behaviour::Pass);
            }
            Kind::Both => match chance.below(2) {
                0 => {
                    self.server.kill();
                    self.broker.kill();
                    thread::sleep(chance.up_to(DEAD / 8));
                    self.broker.try_start()?;
                    thread::sleep(chance.up_to(DEAD));
                    self.server.start_again();
                }
                _ => {
                    self.proxy.behave(Behaviour::Swallow);
                    thread::sleep(chance.up_to(DEAD / 8));
                    self.broker.kill();
                    self.server.kill();
                    self.proxy.cut();
                    self.proxy.behave(Behaviour::Pass);
                    self.server.start_again();
                    self.broker.try_start()?;
                }
            },
            Kind::Any => {
                let kinds = [Kind::Broker, Kind::Database, Kind::Cut, Kind::Swallow, Kind::Both];
                let kind = kinds[chance.below(kinds.len() as u64) as usize];
                return self.fail(kind, chance);
            }
            Kind::Forgets => {
                self.server.kill();
                self.server.start_again();
                self.server.forget();
            }
        }
        Ok(self.broker.address())
    }
}
