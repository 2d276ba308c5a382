//! The brokers that are compared, each started fresh for each row.

use std::net::SocketAddr;
use std::path::Path;

use restante_testkit::mosquitto::Mosquitto;
use restante_testkit::rumqttd::Rumqttd;
use restante_testkit::{Broker, executables};
use tempfile::TempDir;

use super::target_folder;

/// Which broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Peer {
    Restante,
    Rumqttd,
    Mosquitto,
}

impl Peer {
    pub(super) const ALL: [Peer; 3] = [Peer::Restante, Peer::Rumqttd, Peer::Mosquitto];

    pub(super) fn name(self) -> &'static str {
        match self {
            Peer::Restante => "restante",
            Peer::Rumqttd => "rumqttd",
            Peer::Mosquitto => "mosquitto",
        }
    }

    pub(super) fn is_installed(self) -> bool {
        match self {
            Peer::Restante => true,
            Peer::Rumqttd => Rumqttd::program().is_some(),
            Peer::Mosquitto => executables::on_path("mosquitto").is_some(),
        }
    }

    pub(super) fn how_to_install(self) -> &'static str {
        match self {
            Peer::Restante => "it is built by this command",
            Peer::Rumqttd => "cargo install rumqttd --no-default-features",
            Peer::Mosquitto => "apt-get install mosquitto",
        }
    }

    /// Starts it, with queues and windows opened wide (K53). Restante syncs always, its data under `folder`; the
    /// others keep everything in memory.
    pub(super) fn start(self, folder: &Path) -> Result<Running, String> {
        let data = TempDir::new_in(folder).map_err(|error| format!("cannot make a data folder: {error}"))?;
        let gone = || format!("{} is not installed", self.name());
        let broker = match self {
            Peer::Restante => Kind::Restante(Box::new(start_restante(data.path()))),
            Peer::Rumqttd => Kind::Rumqttd(Rumqttd::start().ok_or_else(gone)?),
            Peer::Mosquitto => Kind::Mosquitto(Mosquitto::start().ok_or_else(gone)?),
        };
        Ok(Running { broker, _data: data })
    }
}

fn start_restante(data: &Path) -> Broker {
    Broker::builder()
        .executable(&target_folder().join("release/restante"))
        .data_in(&data.join("data"))
        .session("max_mqueue_len", "1000000000")
        .session("max_mqueue_bytes", "\"1024GiB\"")
        .session("receive_maximum", "60000")
        .session("max_inflight", "1000")
        .start()
}

/// A broker at work; gone at drop, with its data.
pub(super) struct Running {
    broker: Kind,
    _data: TempDir,
}

enum Kind {
    Restante(Box<Broker>),
    Rumqttd(Rumqttd),
    Mosquitto(Mosquitto),
}

impl Running {
    pub(super) fn address(&self) -> SocketAddr {
        match &self.broker {
            Kind::Restante(broker) => broker.address(),
            Kind::Rumqttd(broker) => broker.address(),
            Kind::Mosquitto(broker) => broker.address(),
        }
    }

    pub(super) fn id(&self) -> u32 {
        match &self.broker {
            Kind::Restante(broker) => broker.id().unwrap_or_default(),
            Kind::Rumqttd(broker) => broker.id(),
            Kind::Mosquitto(broker) => broker.id(),
        }
    }

    /// Kills it and starts it on what it has stored; `None` for brokers in memory.
    pub(super) fn killed_and_started(&mut self, between: impl FnOnce()) -> Option<std::time::Duration> {
        let Kind::Restante(broker) = &mut self.broker else {
            return None;
        };
        broker.kill();
        between();
        let start = std::time::Instant::now();
        broker.start();
        Some(start.elapsed())
    }

    /// Sessions made at once: rumqttd drops some when there are many.
    pub(super) fn concurrency(&self) -> &'static str {
        match &self.broker {
            Kind::Rumqttd(_) => "1",
            _ => "8",
        }
    }
}
