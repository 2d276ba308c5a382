//! What a test client sends, as owned values with short builders.
//!
//! Bytes come from `restante_codec::client`. What must be malformed is sent raw, with
//! [`Client::send`](crate::Client::send).

use restante_codec::packet::{self, PacketId, UserProperties, Version};
use restante_codec::{client, encode::PublishOut};
use restante_model::QoS;

/// A CONNECT.
#[derive(Clone, Debug)]
pub struct Connect {
    /// The version spoken.
    pub version: Version,
    /// Client identifier; may be empty.
    pub client_id: String,
    /// Clean session or clean start.
    pub clean: bool,
    /// Seconds; 0 is none.
    pub keep_alive: u16,
    /// Session expiry interval in seconds (5.0).
    pub session_expiry: Option<u32>,
    /// Receive maximum (5.0).
    pub receive_maximum: Option<u16>,
    /// Maximum packet size (5.0).
    pub maximum_packet_size: Option<u32>,
    /// Topic alias maximum (5.0).
    pub topic_alias_maximum: u16,
    /// Request problem information (5.0).
    pub request_problem_information: bool,
    /// Request response information (5.0).
    pub request_response_information: bool,
    /// Authentication method (5.0).
    pub authentication_method: Option<String>,
    /// User name.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Vec<u8>>,
    /// Will.
    pub will: Option<Will>,
}

/// A will.
#[derive(Clone, Debug)]
pub struct Will {
    /// Where to.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// QoS.
    pub qos: QoS,
    /// Retain flag.
    pub retain: bool,
    /// Seconds (5.0).
    pub delay: u32,
    /// Message expiry interval in seconds (5.0).
    pub message_expiry: Option<u32>,
    /// Properties that go on to subscribers, encoded, without their length (5.0).
    pub properties: Vec<u8>,
}

/// A PUBLISH.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Where to.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// QoS.
    pub qos: QoS,
    /// Packet identifier; must be there exactly for QoS 1 and 2.
    pub packet_id: Option<PacketId>,
    /// Sent before.
    pub dup: bool,
    /// Retain flag.
    pub retain: bool,
    /// Topic alias (5.0).
    pub topic_alias: Option<u16>,
    /// Message expiry interval in seconds (5.0).
    pub message_expiry: Option<u32>,
    /// Other properties, encoded, without their length (5.0).
    pub properties: Vec<u8>,
}

impl Connect {
    /// A clean 3.1 connection.
    pub fn v31(client_id: &str) -> Connect {
        Connect::new(Version::V31, client_id)
    }

    /// A clean 3.1.1 connection.
    pub fn v311(client_id: &str) -> Connect {
        Connect::new(Version::V311, client_id)
    }

    /// A 5.0 connection with clean start.
    pub fn v5(client_id: &str) -> Connect {
        Connect::new(Version::V5, client_id)
    }

    /// A clean connection of the given version without keep-alive, with nothing else said.
    pub fn new(version: Version, client_id: &str) -> Connect {
        Connect {
            version,
            client_id: client_id.to_owned(),
            clean: true,
            keep_alive: 0,
            session_expiry: None,
            receive_maximum: None,
            maximum_packet_size: None,
            topic_alias_maximum: 0,
            request_problem_information: true,
            request_response_information: false,
            authentication_method: None,
            username: None,
            password: None,
            will: None,
        }
    }

    /// Goes on with the session it has, and keeps it: not clean, and in 5.0 a session that never expires.
    #[must_use]
    pub fn persistent(mut self) -> Connect {
        self.clean = false;
        if self.version == Version::V5 {
            self.session_expiry = Some(u32::MAX);
        }
        self
    }

    /// Session expiry interval in seconds (5.0).
    #[must_use]
    pub fn session_expiry(mut self, seconds: u32) -> Connect {
        self.session_expiry = Some(seconds);
        self
    }

    /// Receive maximum (5.0).
    #[must_use]
    pub fn receive_maximum(mut self, count: u16) -> Connect {
        self.receive_maximum = Some(count);
        self
    }

    /// Keep-alive in seconds.
    #[must_use]
    pub fn keep_alive(mut self, seconds: u16) -> Connect {
        self.keep_alive = seconds;
        self
    }

    /// The will.
    #[must_use]
    pub fn will(mut self, will: Will) -> Connect {
        self.will = Some(will);
        self
    }

    /// The packet's bytes.
    ///
    /// # Panics
    /// When a field is longer than MQTT can say.
    pub fn bytes(&self) -> Vec<u8> {
        let connect = packet::Connect {
            version: self.version,
            bridge: false,
            clean: self.clean,
            keep_alive: self.keep_alive,
            client_id: &self.client_id,
            will: self.will.as_ref().map(Will::borrow),
            username: self.username.as_deref(),
            password: self.password.as_deref(),
            session_expiry: self.session_expiry,
            receive_maximum: self.receive_maximum,
            maximum_packet_size: self.maximum_packet_size,
            topic_alias_maximum: self.topic_alias_maximum,
            request_response_information: self.request_response_information,
            request_problem_information: self.request_problem_information,
            authentication_method: self.authentication_method.as_deref(),
            authentication_data: None,
            user_properties: UserProperties::default(),
        };
        let mut bytes = Vec::new();
        client::connect(&connect, &mut bytes).expect("a CONNECT that MQTT can say");
        bytes
    }
}

impl Will {
    /// A QoS 0 will that is not retained, without delay.
    pub fn new(topic: &str, payload: &[u8]) -> Will {
        Will {
            topic: topic.to_owned(),
            payload: payload.to_vec(),
            qos: QoS::AtMostOnce,
            retain: false,
            delay: 0,
            message_expiry: None,
            properties: Vec::new(),
        }
    }

    /// QoS.
    #[must_use]
    pub fn qos(mut self, qos: QoS) -> Will {
        self.qos = qos;
        self
    }

    /// Sets the retain flag.
    #[must_use]
    pub fn retain(mut self) -> Will {
        self.retain = true;
        self
    }

    /// Seconds until it is published (5.0).
    #[must_use]
    pub fn delay(mut self, seconds: u32) -> Will {
        self.delay = seconds;
        self
    }

    fn borrow(&self) -> packet::Will<'_> {
        packet::Will {
            topic: &self.topic,
            payload: &self.payload,
            qos: self.qos,
            retain: self.retain,
            delay: self.delay,
            message_expiry: self.message_expiry,
            properties: self.properties.clone(),
        }
    }
}

impl Publish {
    /// QoS 0.
    pub fn qos0(topic: &str, payload: &[u8]) -> Publish {
        Publish {
            topic: topic.to_owned(),
            payload: payload.to_vec(),
            qos: QoS::AtMostOnce,
            packet_id: None,
            dup: false,
            retain: false,
            topic_alias: None,
            message_expiry: None,
            properties: Vec::new(),
        }
    }

    /// QoS 1 with a packet identifier.
    ///
    /// # Panics
    /// When the identifier is 0.
    pub fn qos1(packet_id: u16, topic: &str, payload: &[u8]) -> Publish {
        Publish {
            qos: QoS::AtLeastOnce,
            packet_id: Some(identifier(packet_id)),
            ..Publish::qos0(topic, payload)
        }
    }

    /// QoS 2 with a packet identifier.
    ///
    /// # Panics
    /// When the identifier is 0.
    pub fn qos2(packet_id: u16, topic: &str, payload: &[u8]) -> Publish {
        Publish {
            qos: QoS::ExactlyOnce,
            packet_id: Some(identifier(packet_id)),
            ..Publish::qos0(topic, payload)
        }
    }

    /// Marks it as sent before.
    #[must_use]
    pub fn dup(mut self) -> Publish {
        self.dup = true;
        self
    }

    /// Sets the retain flag.
    #[must_use]
    pub fn retain(mut self) -> Publish {
        self.retain = true;
        self
    }

    /// Message expiry interval in seconds (5.0).
    #[must_use]
    pub fn expiry(mut self, seconds: u32) -> Publish {
        self.message_expiry = Some(seconds);
        self
    }

    /// Appends the packet's bytes.
    ///
    /// # Panics
    /// When a field is longer than MQTT can say.
    pub fn write(&self, version: Version, out: &mut Vec<u8>) {
        let publish = PublishOut {
            dup: self.dup,
            qos: self.qos,
            retain: self.retain,
            topic: &self.topic,
            packet_id: self.packet_id,
            topic_alias: self.topic_alias,
            message_expiry: self.message_expiry,
            subscription_ids: &[],
            properties: &self.properties,
            payload: &self.payload,
        };
        publish.write(version, out).expect("a PUBLISH that MQTT can say");
    }
}

/// A packet identifier.
///
/// # Panics
/// When it is 0.
pub fn identifier(packet_id: u16) -> PacketId {
    PacketId::new(packet_id).expect("packet identifiers are not 0")
}
