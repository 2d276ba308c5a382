//! CONNACK.

use restante_model::QoS;

use super::block::Block;
use super::{Receiver, first_byte, put_packet};
use crate::error::TooLarge;
use crate::frame::PacketType;
use crate::packet::{UserProperties, Version};
use crate::property::Property;
use crate::reason;
use crate::version::{connack_return_code, return_code};

/// CONNACK. What is `None` is not sent, and means what the specification gives as default.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ConnAck<'a> {
    /// Whether the server had a session for the client. Never with an error `[MQTT-3.2.2-6]`; not said to 3.1.
    pub session_present: bool,
    /// Reason code of 5.0. 3.x clients are told the nearest return code, see [`connack_return_code`]; where there is
    /// none, *server unavailable* (the caller does better to close without a CONNACK).
    pub reason: u8,
    /// The session expiry interval the server uses, in seconds, where it is not the one asked for.
    pub session_expiry: Option<u32>,
    /// How many QoS 1 and 2 PUBLISH the server takes at once; not 0.
    pub receive_maximum: Option<u16>,
    /// The highest QoS; only 0 or 1 is ever said, 2 is the default.
    pub maximum_qos: Option<QoS>,
    /// Whether retained messages are kept.
    pub retain_available: Option<bool>,
    /// The largest packet the server takes, in bytes; not 0.
    pub maximum_packet_size: Option<u32>,
    /// The identifier given to a client that came without one `[MQTT-3.1.3-7]`.
    pub assigned_client_id: Option<&'a str>,
    /// How many topic aliases the server takes.
    pub topic_alias_maximum: Option<u16>,
    /// Words for a human; left out where it does not fit `[MQTT-3.2.2-19]`.
    pub reason_string: Option<&'a str>,
    /// Left out where they do not fit `[MQTT-3.2.2-20]`.
    pub user_properties: UserProperties<'a>,
    /// Whether filters may have wildcards.
    pub wildcard_subscription_available: Option<bool>,
    /// Whether subscriptions may have identifiers.
    pub subscription_identifiers_available: Option<bool>,
    /// Whether subscriptions may be shared.
    pub shared_subscription_available: Option<bool>,
    /// The keep alive the client must use, in seconds `[MQTT-3.1.2-21]`.
    pub server_keep_alive: Option<u16>,
    /// Where response topics begin; only if asked for `[MQTT-3.1.2-28]`.
    pub response_information: Option<&'a str>,
    /// Another server.
    pub server_reference: Option<&'a str>,
    /// Authentication method.
    pub authentication_method: Option<&'a str>,
    /// Authentication data; only with a method.
    pub authentication_data: Option<&'a [u8]>,
}

impl ConnAck<'_> {
    /// Appends the packet.
    ///
    /// # Errors
    /// It does not fit even without reason string and user properties: nothing was written; close.
    pub fn write(&self, to: &Receiver, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        let first = first_byte(PacketType::ConnAck, 0);
        let session_present = self.session_present && !reason::is_error(self.reason);
        if to.version != Version::V5 {
            // In 3.1 the byte before the return code is reserved.
            let flags = u8::from(session_present && to.version != Version::V31);
            let code = connack_return_code(self.reason).unwrap_or(return_code::SERVER_UNAVAILABLE);
            return put_packet(first, &[&[flags, code]], to.packet_size_max, out);
        }
        let head = [u8::from(session_present), self.reason];
        let mut put = |explanations| {
            let block = self.block(explanations)?.with_length()?;
            put_packet(first, &[&head, &block], to.packet_size_max, out)
        };
        put(Explanations::All)
            .or_else(|TooLarge| put(Explanations::UserProperties))
            .or_else(|TooLarge| put(Explanations::None))
    }

    fn block(&self, explanations: Explanations) -> Result<Block, TooLarge> {
        let mut block = Block::default();
        block.four(Property::SessionExpiryInterval, self.session_expiry);
        block.two(Property::ReceiveMaximum, self.receive_maximum);
        if let Some(qos @ (QoS::AtMostOnce | QoS::AtLeastOnce)) = self.maximum_qos {
            block.flag(Property::MaximumQos, Some(qos == QoS::AtLeastOnce));
        }
        block.flag(Property::RetainAvailable, self.retain_available);
        block.four(Property::MaximumPacketSize, self.maximum_packet_size);
        block.text(Property::AssignedClientIdentifier, self.assigned_client_id)?;
        block.two(Property::TopicAliasMaximum, self.topic_alias_maximum);
        if explanations == Explanations::All {
            block.text(Property::ReasonString, self.reason_string)?;
        }
        if explanations != Explanations::None {
            block.users(self.user_properties)?;
        }
        block.flag(
            Property::WildcardSubscriptionAvailable,
            self.wildcard_subscription_available,
        );
        block.flag(
            Property::SubscriptionIdentifierAvailable,
            self.subscription_identifiers_available,
        );
        block.flag(
            Property::SharedSubscriptionAvailable,
            self.shared_subscription_available,
        );
        block.two(Property::ServerKeepAlive, self.server_keep_alive);
        block.text(Property::ResponseInformation, self.response_information)?;
        block.text(Property::ServerReference, self.server_reference)?;
        block.text(Property::AuthenticationMethod, self.authentication_method)?;
        block.binary(Property::AuthenticationData, self.authentication_data)?;
        Ok(block)
    }
}

/// What is written beside what the client must know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Explanations {
    All,
    UserProperties,
    None,
}
