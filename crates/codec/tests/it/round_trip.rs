//! What a client writes, a server reads; by chance.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use restante_codec::client;
use restante_codec::encode::{PublishOut, Receiver};
use restante_codec::packet::*;
use restante_codec::{Decoded, MessageProperties, decode};
use restante_model::{QoS, SubscriptionOptions};

use crate::arbitrary::*;
use restante_codec::table::LIMITS;

fn read<'a>(bytes: &'a [u8], version: Option<Version>) -> Packet<'a> {
    match decode(bytes, version, &LIMITS) {
        Ok(Decoded::Packet { packet, consumed }) => {
            assert_eq!(consumed, bytes.len());
            packet
        }
        other => panic!("not read: {other:?}"),
    }
}

type WillParts = (String, Vec<u8>, QoS, bool, u32, Option<u32>, Vec<u8>);

fn will() -> impl Strategy<Value = WillParts> {
    (
        topic(),
        bytes(),
        qos(),
        any::<bool>(),
        any::<u32>(),
        option::of(any::<u32>()),
        message_properties(),
    )
}

type ConnectParts = (
    (Version, bool, bool, u16, String),
    (Option<WillParts>, Option<String>, Option<Vec<u8>>),
    (Option<u32>, Option<u16>, Option<u32>, u16, bool, bool),
    (Option<(String, Option<Vec<u8>>)>, Vec<u8>),
);

fn connect() -> impl Strategy<Value = ConnectParts> {
    (
        (version(), any::<bool>(), any::<bool>(), any::<u16>(), text()),
        (option::of(will()), option::of(text()), option::of(bytes())),
        (
            option::of(any::<u32>()),
            option::of(1..=u16::MAX),
            option::of(1..=u32::MAX),
            any::<u16>(),
            any::<bool>(),
            any::<bool>(),
        ),
        (option::of((text(), option::of(bytes()))), user_properties()),
    )
}

/// A CONNECT of the parts, without what its version does not have.
fn assemble(parts: &ConnectParts) -> Connect<'_> {
    let ((version, bridge, clean, keep_alive, client_id), (will, username, password), numbers, (auth, users)) =
        parts;
    let five = *version == Version::V5;
    let five_only = |value: &Option<u32>| value.filter(|_| five);
    Connect {
        version: *version,
        bridge: *bridge && !five,
        clean: *clean,
        keep_alive: *keep_alive,
        client_id,
        will: will
            .as_ref()
            .map(|(topic, payload, qos, retain, delay, expiry, properties)| Will {
                topic,
                payload,
                qos: *qos,
                retain: *retain,
                delay: if five { *delay } else { 0 },
                message_expiry: five_only(expiry),
                properties: if five { properties.clone() } else { Vec::new() },
            }),
        username: username.as_deref(),
        password: password.as_deref().filter(|_| five || username.is_some()),
        session_expiry: five_only(&numbers.0),
        receive_maximum: numbers.1.filter(|_| five),
        maximum_packet_size: five_only(&numbers.2),
        topic_alias_maximum: if five { numbers.3 } else { 0 },
        request_response_information: five && numbers.4,
        request_problem_information: !five || numbers.5,
        authentication_method: auth.as_ref().filter(|_| five).map(|(method, _)| method.as_str()),
        authentication_data: auth
            .as_ref()
            .filter(|_| five)
            .and_then(|(_, data)| data.as_deref()),
        user_properties: if five {
            UserProperties(users)
        } else {
            UserProperties::default()
        },
    }
}

proptest! {
    #[test]
    fn connects(parts in connect()) {
        let connect = assemble(&parts);
        let mut bytes = Vec::new();
        client::connect(&connect, &mut bytes).unwrap();
        prop_assert_eq!(read(&bytes, None), Packet::Connect(Box::new(connect)));
    }

    #[test]
    fn publishes(
        version in version(),
        (qos, id, dup, retain) in (qos(), packet_id(), any::<bool>(), any::<bool>()),
        topic in topic(),
        (topic_alias, message_expiry) in (option::of(1..=u16::MAX), option::of(any::<u32>())),
        without_topic in any::<bool>(),
        properties in message_properties(),
        payload in bytes(),
    ) {
        let aliased = version == Version::V5 && topic_alias.is_some();
        let out = PublishOut {
            dup: dup && qos != QoS::AtMostOnce,
            qos,
            retain,
            topic: if aliased && without_topic { "" } else { &topic },
            packet_id: (qos != QoS::AtMostOnce).then_some(id),
            topic_alias,
            message_expiry,
            subscription_ids: &[],
            properties: &properties,
            payload: &payload,
        };
        let mut bytes = b"before".to_vec();
        out.write(version, &mut bytes).unwrap();
        let bytes = &bytes[6..];
        prop_assert_eq!(bytes.len(), out.encoded_len(version));
        let Packet::Publish(read) = read(bytes, Some(version)) else { panic!("no PUBLISH") };
        let five = version == Version::V5;
        prop_assert_eq!((read.dup, read.qos, read.retain), (out.dup, out.qos, out.retain));
        prop_assert_eq!((read.topic, read.packet_id, read.payload), (out.topic, out.packet_id, out.payload));
        prop_assert_eq!(read.topic_alias, topic_alias.filter(|_| five));
        prop_assert_eq!(read.message_expiry, message_expiry.filter(|_| five));
        let mut forwarded = Vec::new();
        read.write_forwarded_properties(&mut forwarded);
        prop_assert_eq!(&forwarded, if five { &properties } else { &b""[..] });
        prop_assert_eq!(MessageProperties::read(read.properties), MessageProperties::read(&forwarded));
    }

    #[test]
    fn acknowledgements(kind in ack_kind(), version in version(), id in packet_id(), refused in any::<bool>(), why in option::of(text())) {
        let five = version == Version::V5;
        let reason = match kind {
            AckKind::PubAck | AckKind::PubRec => 0x97,
            AckKind::PubRel | AckKind::PubComp => 0x92,
        };
        let ack = Ack {
            kind,
            packet_id: id,
            reason: if five && refused { reason } else { 0 },
            reason_string: why.as_deref().filter(|_| five),
        };
        let mut bytes = Vec::new();
        ack.write(&Receiver::new(version), &mut bytes).unwrap();
        prop_assert_eq!(read(&bytes, Some(version)), Packet::Ack(ack));
    }

    #[test]
    fn subscribes(
        version in version(),
        packet_id in packet_id(),
        identifier in option::of(1..=268_435_455_u32),
        filters in vec((text(), options_5()), 1..5),
    ) {
        let five = version == Version::V5;
        let filters = filters.iter().map(|(filter, options)| {
            let options = match five {
                true => SubscriptionOptions { identifier, no_local: options.no_local && !filter.starts_with("$share/"), ..*options },
                false => SubscriptionOptions { qos: options.qos, ..SubscriptionOptions::default() },
            };
            (filter.as_str(), options)
        });
        let subscribe = Subscribe { packet_id, filters: filters.collect() };
        let mut bytes = Vec::new();
        client::subscribe(version, &subscribe, &mut bytes).unwrap();
        prop_assert_eq!(read(&bytes, Some(version)), Packet::Subscribe(subscribe));
    }

    #[test]
    fn unsubscribes(version in version(), packet_id in packet_id(), filters in vec(text(), 1..5)) {
        let unsubscribe = Unsubscribe { packet_id, filters: filters.iter().map(String::as_str).collect() };
        let mut bytes = Vec::new();
        client::unsubscribe(version, &unsubscribe, &mut bytes).unwrap();
        prop_assert_eq!(read(&bytes, Some(version)), Packet::Unsubscribe(unsubscribe));
    }

    #[test]
    fn disconnects(version in version(), will in any::<bool>(), session_expiry in option::of(any::<u32>()), why in option::of(text())) {
        let five = version == Version::V5;
        let disconnect = Disconnect {
            reason: if five && will { 4 } else { 0 },
            session_expiry: session_expiry.filter(|_| five),
            reason_string: why.as_deref().filter(|_| five),
        };
        let mut bytes = Vec::new();
        client::disconnect(version, &disconnect, &mut bytes).unwrap();
        prop_assert_eq!(read(&bytes, Some(version)), Packet::Disconnect(disconnect));
    }

    #[test]
    fn authentications(again in any::<bool>(), method in text(), data in option::of(bytes())) {
        let auth = Auth { reason: if again { 0x19 } else { 0x18 }, method: Some(&method), data: data.as_deref() };
        let mut bytes = Vec::new();
        auth.write(&Receiver::new(Version::V5), &mut bytes).unwrap();
        prop_assert_eq!(read(&bytes, Some(Version::V5)), Packet::Auth(auth));
    }
}
