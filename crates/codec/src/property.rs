//! Properties (5.0 section 2.2.2): their numbers, forms, and which packet may carry which.

use crate::error::Fault;
use crate::reader::Reader;

macro_rules! properties {
    ($($name:ident = $id:literal, $form:ident, $words:literal;)*) => {
        /// A property, by its identifier.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Property { $(#[doc = $words] $name = $id,)* }

        impl Property {
            /// The property of an identifier.
            pub const fn from_id(id: u32) -> Option<Property> {
                match id { $($id => Some(Property::$name),)* _ => None }
            }

            /// The name the specification gives it.
            pub const fn name(self) -> &'static str {
                match self { $(Property::$name => $words,)* }
            }

            const fn form(self) -> Form {
                match self { $(Property::$name => Form::$form,)* }
            }
        }
    };
}

properties! {
    PayloadFormatIndicator = 0x01, Flag, "payload format indicator";
    MessageExpiryInterval = 0x02, Four, "message expiry interval";
    ContentType = 0x03, Text, "content type";
    ResponseTopic = 0x08, Topic, "response topic";
    CorrelationData = 0x09, Binary, "correlation data";
    SubscriptionIdentifier = 0x0B, Varint, "subscription identifier";
    SessionExpiryInterval = 0x11, Four, "session expiry interval";
    AssignedClientIdentifier = 0x12, Text, "assigned client identifier";
    ServerKeepAlive = 0x13, Two, "server keep alive";
    AuthenticationMethod = 0x15, Text, "authentication method";
    AuthenticationData = 0x16, Binary, "authentication data";
    RequestProblemInformation = 0x17, Flag, "request problem information";
    WillDelayInterval = 0x18, Four, "will delay interval";
    RequestResponseInformation = 0x19, Flag, "request response information";
    ResponseInformation = 0x1A, Text, "response information";
    ServerReference = 0x1C, Text, "server reference";
    ReasonString = 0x1F, Text, "reason string";
    ReceiveMaximum = 0x21, Two, "receive maximum";
    TopicAliasMaximum = 0x22, Two, "topic alias maximum";
    TopicAlias = 0x23, Two, "topic alias";
    MaximumQos = 0x24, Flag, "maximum QoS";
    RetainAvailable = 0x25, Flag, "retain available";
    UserProperty = 0x26, Pair, "user property";
    MaximumPacketSize = 0x27, Four, "maximum packet size";
    WildcardSubscriptionAvailable = 0x28, Flag, "wildcard subscription available";
    SubscriptionIdentifierAvailable = 0x29, Flag, "subscription identifier available";
    SharedSubscriptionAvailable = 0x2A, Flag, "shared subscription available";
}

impl Property {
    /// The identifier. All are below 0x80, so it is one byte on the wire.
    pub const fn id(self) -> u8 {
        self as u8
    }

    const fn bit(self) -> u64 {
        1 << self as u8
    }

    /// 0 is a protocol error in these.
    const fn is_never_zero(self) -> bool {
        matches!(
            self,
            Property::SubscriptionIdentifier
                | Property::ReceiveMaximum
                | Property::TopicAlias
                | Property::MaximumPacketSize
        )
    }
}

/// How a value is written.
#[derive(Clone, Copy)]
enum Form {
    /// One byte, 0 or 1.
    Flag,
    Two,
    Four,
    Varint,
    Text,
    /// Text that is a topic name.
    Topic,
    Binary,
    /// Two texts.
    Pair,
}

/// A property's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Number(u32),
    Text(&'a str),
    Binary(&'a [u8]),
    Pair(&'a str, &'a str),
}

/// The properties one packet may carry, and those of them that may stand more than once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    all: u64,
    repeated: u64,
}

impl Allowed {
    const fn of(properties: &[Property]) -> Allowed {
        let mut all = Property::UserProperty.bit();
        let mut index = 0;
        while index < properties.len() {
            all |= properties[index].bit();
            index += 1;
        }
        Allowed {
            all,
            repeated: Property::UserProperty.bit(),
        }
    }

    const fn repeating(self, property: Property) -> Allowed {
        Allowed {
            all: self.all,
            repeated: self.repeated | property.bit(),
        }
    }
}

use Property as P;

pub(crate) const CONNECT: Allowed = Allowed::of(&[
    P::SessionExpiryInterval,
    P::ReceiveMaximum,
    P::MaximumPacketSize,
    P::TopicAliasMaximum,
    P::RequestResponseInformation,
    P::RequestProblemInformation,
    P::AuthenticationMethod,
    P::AuthenticationData,
]);
pub(crate) const WILL: Allowed = Allowed::of(&[
    P::WillDelayInterval,
    P::PayloadFormatIndicator,
    P::MessageExpiryInterval,
    P::ContentType,
    P::ResponseTopic,
    P::CorrelationData,
]);
/// From a client. A subscription identifier is told apart because it is a protocol error, not malformed.
pub(crate) const PUBLISH: Allowed = Allowed::of(&[
    P::PayloadFormatIndicator,
    P::MessageExpiryInterval,
    P::TopicAlias,
    P::ResponseTopic,
    P::CorrelationData,
    P::ContentType,
]);
/// From a server: with the identifiers of all subscriptions that matched.
pub(crate) const SERVER_PUBLISH: Allowed = Allowed::of(&[
    P::PayloadFormatIndicator,
    P::MessageExpiryInterval,
    P::TopicAlias,
    P::ResponseTopic,
    P::CorrelationData,
    P::ContentType,
    P::SubscriptionIdentifier,
])
.repeating(P::SubscriptionIdentifier);
/// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK.
pub(crate) const ACK: Allowed = Allowed::of(&[P::ReasonString]);
pub(crate) const SUBSCRIBE: Allowed = Allowed::of(&[P::SubscriptionIdentifier]);
pub(crate) const UNSUBSCRIBE: Allowed = Allowed::of(&[]);
pub(crate) const DISCONNECT: Allowed = Allowed::of(&[P::SessionExpiryInterval, P::ReasonString]);
/// From a server, which must not send a session expiry interval `[MQTT-3.14.2-2]`.
pub(crate) const SERVER_DISCONNECT: Allowed = Allowed::of(&[P::ReasonString, P::ServerReference]);
pub(crate) const AUTH: Allowed =
    Allowed::of(&[P::AuthenticationMethod, P::AuthenticationData, P::ReasonString]);
pub(crate) const CONNACK: Allowed = Allowed::of(&[
    P::SessionExpiryInterval,
    P::ReceiveMaximum,
    P::MaximumQos,
    P::RetainAvailable,
    P::MaximumPacketSize,
    P::AssignedClientIdentifier,
    P::TopicAliasMaximum,
    P::ReasonString,
    P::WildcardSubscriptionAvailable,
    P::SubscriptionIdentifierAvailable,
    P::SharedSubscriptionAvailable,
    P::ServerKeepAlive,
    P::ResponseInformation,
    P::ServerReference,
    P::AuthenticationMethod,
    P::AuthenticationData,
]);
/// Whatever there is, any number of times: to walk a block that was checked before.
const CHECKED: Allowed = Allowed {
    all: u64::MAX,
    repeated: u64::MAX,
};

/// Walks a property block and checks each property on the way.
#[derive(Clone, Debug)]
pub(crate) struct Properties<'a> {
    reader: Reader<'a>,
    allowed: Allowed,
    seen: u64,
}

impl<'a> Properties<'a> {
    pub(crate) fn new(block: &'a [u8], allowed: Allowed) -> Properties<'a> {
        Properties {
            reader: Reader::new(block),
            allowed,
            seen: 0,
        }
    }

    /// Walks a block that was checked when it was read.
    pub(crate) fn checked(block: &'a [u8]) -> Properties<'a> {
        Properties::new(block, CHECKED)
    }

    /// What is still to be walked.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.reader.rest()
    }

    /// The next property, or `None` at the end of the block.
    pub(crate) fn next(&mut self) -> Result<Option<(Property, Value<'a>)>, Fault> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        let id = self.reader.varint()?;
        let property = Property::from_id(id).ok_or(Fault::PropertyUnknown(id))?;
        self.admit(property)?;
        let value = self.value(property)?;
        if property.is_never_zero() && value == Value::Number(0) {
            return Err(match property {
                Property::TopicAlias => Fault::TopicAliasZero,
                other => Fault::PropertyZero(other),
            });
        }
        Ok(Some((property, value)))
    }

    /// Checks all that is left, for packets whose properties nobody asks for.
    pub(crate) fn check(mut self) -> Result<(), Fault> {
        while self.next()?.is_some() {}
        Ok(())
    }

    fn admit(&mut self, property: Property) -> Result<(), Fault> {
        let bit = property.bit();
        if self.allowed.all & bit == 0 {
            return Err(Fault::PropertyNotAllowed(property));
        }
        if self.seen & bit & !self.allowed.repeated != 0 {
            return Err(Fault::PropertyTwice(property));
        }
        self.seen |= bit;
        Ok(())
    }

    fn value(&mut self, property: Property) -> Result<Value<'a>, Fault> {
        let reader = &mut self.reader;
        Ok(match property.form() {
            Form::Flag => match reader.byte()? {
                flag @ (0 | 1) => Value::Number(u32::from(flag)),
                _ => return Err(Fault::PropertyNotBoolean(property)),
            },
            Form::Two => Value::Number(u32::from(reader.two()?)),
            Form::Four => Value::Number(reader.four()?),
            Form::Varint => Value::Number(reader.varint()?),
            Form::Text => Value::Text(reader.text()?),
            Form::Topic => match reader.topic_name() {
                Ok(topic) if !topic.is_empty() => Value::Text(topic),
                Ok(_) | Err(Fault::TopicWildcard) => return Err(Fault::ResponseTopic),
                Err(fault) => return Err(fault),
            },
            Form::Binary => Value::Binary(reader.binary()?),
            Form::Pair => Value::Pair(reader.text()?, reader.text()?),
        })
    }
}
