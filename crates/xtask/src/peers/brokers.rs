//! The brokers that are compared, each started fresh for each row.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use restante_testkit::mosquitto::Mosquitto;
use restante_testkit::rumqttd::Rumqttd;
use restante_testkit::{Broker, broker::BrokerBuilder, executables};
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
            Peer::Restante => Kind::Restante(Box::new(restante(data.path()).start())),
            Peer::Rumqttd => Kind::Rumqttd(Rumqttd::start().ok_or_else(gone)?),
            Peer::Mosquitto => Kind::Mosquitto(Mosquitto::start().ok_or_else(gone)?),
        };
        Ok(Running { broker, _data: data })
    }
}

/// Restante with another session expiry interval (of 3.x clients), and with its metrics.
pub(super) fn start_expiring(folder: &Path, seconds: u64) -> Result<Running, String> {
    let data = TempDir::new_in(folder).map_err(|error| format!("cannot make a data folder: {error}"))?;
    let broker = restante(data.path())
        .session("session_expiry_interval", &format!("\"{seconds}s\""))
        .listen("http", "\"127.0.0.1:0\"")
        .start();
    Ok(Running {
        broker: Kind::Restante(Box::new(broker)),
        _data: data,
    })
}

fn restante(data: &Path) -> BrokerBuilder {
    Broker::builder()
        .executable(&target_folder().join("release/restante"))
        .data_in(&data.join("data"))
        .session("max_mqueue_len", "1000000000")
        .session("max_mqueue_bytes", "\"1024GiB\"")
        .session("receive_maximum", "60000")
        .session("max_inflight", "1000")
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

    /// How many sessions are absent, by the metrics of a broker of [`start_expiring`].
    pub(super) fn sessions_absent(&self) -> Result<u64, String> {
        let Kind::Restante(broker) = &self.broker else {
            return Err("it has no metrics".to_owned());
        };
        let output = broker.output();
        let address = output
            .lines()
            .rev()
            .find(|line| line.contains("code=http-listening"))
            .and_then(|line| line.split("address=").nth(1)?.split_whitespace().next())
            .ok_or("it did not say where its metrics are")?;
        let failed = |error: std::io::Error| format!("cannot read the metrics at {address}: {error}");
        let mut stream = TcpStream::connect(address).map_err(failed)?;
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            .map_err(failed)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(failed)?;
        answer
            .lines()
            .find_map(|line| {
                line.strip_prefix("restante_sessions{state=\"absent\"}")?
                    .trim()
                    .parse()
                    .ok()
            })
            .ok_or_else(|| "the metrics do not tell of absent sessions".to_owned())
    }

    /// Sessions made at once: rumqttd drops some when there are many.
    pub(super) fn concurrency(&self) -> &'static str {
        match &self.broker {
            Kind::Rumqttd(_) => "1",
            _ => "8",
        }
    }
}
