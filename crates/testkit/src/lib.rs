//! What tests stand on: real brokers in temporary folders, raw MQTT clients that can send and assert any bytes,
//! and a TCP proxy that cuts.
//!
//! Nothing here is for production. Everything blocks, every wait has a bound, and everything that was started is
//! gone when its value is dropped. Failures panic with a sentence that says what was expected and what came,
//! because a panic with a sentence is what a failing test is.

pub mod broker;
pub mod client;
pub mod databases;
pub mod executables;
#[cfg(feature = "inprocess")]
pub mod inprocess;
pub mod mosquitto;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod received;
pub mod redis;
pub mod rumqttd;
pub mod sending;
pub mod tools;

pub use broker::{Broker, BrokerBuilder};
pub use client::{Client, Ended};
#[cfg(feature = "inprocess")]
pub use inprocess::InProcess;
pub use proxy::Proxy;
pub use received::{Message, Received};
pub use redis::{Redis, RedisCluster, SecuredRedis, SentinelRedis};
pub use sending::{Connect, Publish, Will};
