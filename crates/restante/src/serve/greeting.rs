//! What a newcomer reads when the broker runs: where it is, and how to try it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::{Config, StoreKind, SyncPolicy};

/// A few lines for people.
pub(super) fn greeting(config: &Config, addresses: &[SocketAddr]) -> String {
    let kept = match (config.store(), config.sync()) {
        (StoreKind::Memory, _) => "messages are in memory only and end with the process".to_owned(),
        (StoreKind::Log, sync) => {
            let sync = match sync {
                SyncPolicy::Always => "always",
                SyncPolicy::Interval => "interval",
                SyncPolicy::Never => "never",
            };
            format!(
                "messages are kept in {} (sync = \"{sync}\")",
                config.data_dir().display()
            )
        }
    };
    let places = addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let at = addresses.first().map(arguments).unwrap_or_default();
    let subscribe = format!("mosquitto_sub{at} -i phone -c -q 1 -t 'hello/#' -v");
    format!(
        "
restante {version} listens on {places}; {kept}.
Try it, in another terminal; a client with a session that waits (-i and -c):
  {subscribe}
  (stop it with Ctrl-C: it is away now, and this is kept for it)
  mosquitto_pub{at} -q 1 -t hello/world -m 'this waited'
  {subscribe}
",
        version = env!("CARGO_PKG_VERSION"),
    )
}

/// How mosquitto's clients are told the address; nothing where it is their default.
fn arguments(address: &SocketAddr) -> String {
    let host = match address.ip() {
        IpAddr::V4(Ipv4Addr::LOCALHOST | Ipv4Addr::UNSPECIFIED) | IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            String::new()
        }
        ip => format!(" -h {ip}"),
    };
    let port = if address.port() == 1883 {
        String::new()
    } else {
        format!(" -p {}", address.port())
    };
    host + &port
}
