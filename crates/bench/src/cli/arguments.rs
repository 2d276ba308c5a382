//! What can be asked for.

use std::net::{SocketAddr, ToSocketAddrs};

use clap::{Args, ValueEnum};

/// Where the broker is, and what is the same for all scenarios.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// The broker's MQTT listener: an IP address or a name, and a port
    #[arg(long, default_value = "127.0.0.1:1883", value_parser = resolved)]
    pub address: SocketAddr,
    /// The protocol spoken
    #[arg(long, value_enum, default_value_t = ProtocolVersion::V311)]
    pub protocol: ProtocolVersion,
    /// Receive maximum announced by subscribers (5.0 only)
    #[arg(long, default_value_t = 65_535, value_parser = clap::value_parser!(u16).range(1..))]
    pub receive_maximum: u16,
    /// Marks topics, client ids and payloads, in hexadecimal; drawn from the clock unless given
    #[arg(long, value_parser = run_number)]
    pub run: Option<u32>,
    /// The broker's process on this machine: its CPU time and memory are reported
    #[arg(long)]
    pub pid: Option<u32>,
    /// Seconds after which the whole call gives up
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub deadline: u32,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
}

/// Who publishes how much to whom.
#[derive(Args, Clone, Debug)]
pub struct Shape {
    /// Publishers
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub publishers: u32,
    /// Subscribing sessions
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    pub sessions: u32,
    /// Topics; session number n subscribes topic n modulo this. 0: each session has its own, 1: all share one
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    pub topics: u32,
    /// Messages of all publishers together, spread evenly over the topics. Brokers limit how many wait for one session
    /// (restante: session.max_mqueue_len, 10,000 by default): what is beyond counts as lost
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000_000))]
    pub messages: u64,
    /// Bytes of a payload
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(36..=131_072))]
    pub size: u32,
}

/// How absent sessions return.
#[derive(Args, Clone, Debug)]
pub struct Take {
    /// Sessions present at once while draining
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub at_once: u32,
    /// Seconds without any message after which what is missing counts as lost
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub quiet_seconds: u32,
    /// Milliseconds each session stays at its second visit, in which nothing may come
    #[arg(long, default_value_t = 300)]
    pub again_ms: u64,
    /// Leave the sessions in the broker when they have taken everything; without it a drain clears them. `connect
    /// --clear` with the same --run and --sessions clears them later
    #[arg(long)]
    pub keep: bool,
    /// Only so many of the sessions return, drawn at random by the number of the run; implies --keep. 0: all
    #[arg(long, default_value_t = 0)]
    pub sample: u32,
}

/// `ingest`
#[derive(Args, Clone, Debug)]
pub struct IngestArguments {
    /// Where
    #[command(flatten)]
    pub place: Place,
    /// What
    #[command(flatten)]
    pub shape: Shape,
    /// QoS of publishers
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    /// QoS of the sessions' subscriptions
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub subscribe_qos: u8,
    /// Messages in flight of each publisher
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=60_000))]
    pub window: u16,
    /// Threads that publish
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: u32,
    /// Sessions that are made at once before publishing; 1 for brokers that drop some
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub concurrency: u32,
    /// The sessions exist already (same --run)
    #[arg(long)]
    pub existing: bool,
    /// Let the sessions return afterwards, verify, and report that too. Without it they stay in the broker, with what
    /// waits for them
    #[arg(long)]
    pub drain: bool,
    /// How they return
    #[command(flatten)]
    pub take: Take,
}

/// `drain`
#[derive(Args, Clone, Debug)]
pub struct DrainArguments {
    /// Where
    #[command(flatten)]
    pub place: Place,
    /// What the ingest was told
    #[command(flatten)]
    pub shape: Shape,
    /// How they return
    #[command(flatten)]
    pub take: Take,
}

/// `live`
#[derive(Args, Clone, Debug)]
pub struct LiveArguments {
    /// Where
    #[command(flatten)]
    pub place: Place,
    /// What
    #[command(flatten)]
    pub shape: Shape,
    /// Messages per second of all publishers together
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,
    /// QoS of publishers
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    /// QoS of subscriptions
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub subscribe_qos: u8,
    /// Subscribers with clean sessions instead of persistent ones
    #[arg(long)]
    pub clean: bool,
    /// Seconds without any message after which what is missing counts as lost
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub quiet_seconds: u32,
}

/// `fanout`
#[derive(Args, Clone, Debug)]
pub struct FanoutArguments {
    /// Where
    #[command(flatten)]
    pub place: Place,
    /// Publishers
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub publishers: u32,
    /// Subscribing sessions
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub sessions: u32,
    /// Topics; 1: every message goes to every subscriber
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub topics: u32,
    /// Messages of all publishers together
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000_000))]
    pub messages: u64,
    /// Bytes of a payload
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(36..=131_072))]
    pub size: u32,
    /// QoS of publishers
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    /// QoS of subscriptions
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub subscribe_qos: u8,
    /// Messages in flight of each publisher
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=60_000))]
    pub window: u16,
    /// Messages that the slowest subscriber may be behind before publishers wait
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub ahead: u64,
    /// Subscribers with clean sessions instead of persistent ones
    #[arg(long)]
    pub clean: bool,
    /// Seconds without any message after which what is missing counts as lost
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub quiet_seconds: u32,
}

/// `connect`
#[derive(Args, Clone, Debug)]
pub struct ConnectArguments {
    /// Where
    #[command(flatten)]
    pub place: Place,
    /// Sessions to make
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub sessions: u32,
    /// Topics; 0: each session subscribes its own
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    pub topics: u32,
    /// QoS of the subscriptions
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub subscribe_qos: u8,
    /// Sessions without a subscription
    #[arg(long)]
    pub no_subscribe: bool,
    /// Clear the sessions of an earlier call with the same --run instead of making them
    #[arg(long, conflicts_with = "no_subscribe")]
    pub clear: bool,
    /// Sessions that come at once
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub concurrency: u32,
}

/// How the result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A few lines for people
    Text,
    /// One JSON object
    Json,
}

/// The protocol spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProtocolVersion {
    /// MQTT 3.1.1
    #[value(name = "3.1.1")]
    V311,
    /// MQTT 5.0
    #[value(name = "5.0", alias = "5")]
    V5,
}

fn run_number(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 16)
        .map_err(|_| "a run is a number of at most eight hexadecimal digits".to_owned())
}

/// The first address of a name.
fn resolved(text: &str) -> Result<SocketAddr, String> {
    let found = text.to_socket_addrs();
    let mut found =
        found.map_err(|error| format!("{error}; it takes a name or IP address and a port, host:1883"))?;
    // A name often has an address of each family, and brokers listen on the older one more often.
    let first = found.next();
    let v4 = first
        .filter(SocketAddr::is_ipv4)
        .or_else(|| found.find(SocketAddr::is_ipv4));
    v4.or(first).ok_or_else(|| "this name has no address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_a_name() {
        assert_eq!(resolved("127.0.0.1:7"), Ok("127.0.0.1:7".parse().unwrap()));
        assert_eq!(resolved("[::1]:7"), Ok("[::1]:7".parse().unwrap()));
        assert_eq!(resolved("localhost:7").unwrap().port(), 7);
        for wrong in ["localhost", "127.0.0.1:99999", ":", ""] {
            assert!(resolved(wrong).unwrap_err().contains("host:1883"), "{wrong}");
        }
    }
}
