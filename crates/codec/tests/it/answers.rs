//! What a server writes, a client reads; and sizes are kept.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use restante_codec::client::{self, ServerPacket, ServerPublish};
use restante_codec::encode::*;
use restante_codec::packet::*;
use restante_codec::{Decoded, PACKET_BYTES_MAX, TooLarge};
use restante_model::QoS;

use crate::arbitrary::*;

fn read<'a>(bytes: &'a [u8], version: Version) -> ServerPacket<'a> {
    match client::decode(bytes, version, PACKET_BYTES_MAX) {
        Ok(Decoded::Packet { packet, consumed }) => {
            assert_eq!(consumed, bytes.len());
            packet
        }
        other => panic!("not read: {other:?} {bytes:x?}"),
    }
}

/// Writes some packet.
type Writer<'a> = &'a dyn Fn(&mut Vec<u8>) -> Result<(), TooLarge>;

const ID: PacketId = PacketId::new(0x1234).unwrap();

proptest! {
    #[test]
    fn connacks(
        session_present in any::<bool>(),
        (session_expiry, maximum_packet_size) in (option::of(any::<u32>()), option::of(1..=u32::MAX)),
        (receive_maximum, topic_alias_maximum, server_keep_alive) in
            (option::of(1..=u16::MAX), option::of(any::<u16>()), option::of(any::<u16>())),
        flags in (option::of(any::<bool>()), option::of(any::<bool>()), option::of(any::<bool>()), option::of(any::<bool>())),
        (client_id, why, information, reference) in (option::of(text()), option::of(text()), option::of(text()), option::of(text())),
        auth in option::of((text(), option::of(bytes()))),
        users in user_properties(),
        maximum_qos in option::of(select(vec![QoS::AtMostOnce, QoS::AtLeastOnce])),
    ) {
        let connack = ConnAck {
            session_present,
            reason: 0,
            session_expiry,
            receive_maximum,
            maximum_qos,
            retain_available: flags.0,
            maximum_packet_size,
            assigned_client_id: client_id.as_deref(),
            topic_alias_maximum,
            reason_string: why.as_deref(),
            user_properties: UserProperties(&users),
            wildcard_subscription_available: flags.1,
            subscription_identifiers_available: flags.2,
            shared_subscription_available: flags.3,
            server_keep_alive,
            response_information: information.as_deref(),
            server_reference: reference.as_deref(),
            authentication_method: auth.as_ref().map(|(method, _)| method.as_str()),
            authentication_data: auth.as_ref().and_then(|(_, data)| data.as_deref()),
        };
        let mut bytes = Vec::new();
        connack.write(&Receiver::new(Version::V5), &mut bytes).unwrap();
        prop_assert_eq!(read(&bytes, Version::V5), ServerPacket::ConnAck(Box::new(connack)));
    }

    /// One template serves all receivers: what it writes is what `write` writes.
    #[test]
    fn publishes_and_templates(
        version in version(),
        (qos, id, dup, retain) in (qos(), packet_id(), any::<bool>(), any::<bool>()),
        topic in topic(),
        message_expiry in option::of(any::<u32>()),
        topic_alias in option::of(1..=u16::MAX),
        subscription_ids in vec(1..=268_435_455_u32, 0..4),
        properties in message_properties(),
        payload in vec(any::<u8>(), 0..20_000),
    ) {
        let packet_id = (qos != QoS::AtMostOnce).then_some(id);
        let dup = dup && qos != QoS::AtMostOnce;
        let out = PublishOut {
            dup,
            qos,
            retain,
            topic: &topic,
            packet_id,
            topic_alias,
            message_expiry,
            subscription_ids: &subscription_ids,
            properties: &properties,
            payload: &payload,
        };
        let mut bytes = Vec::new();
        out.write(version, &mut bytes).unwrap();
        prop_assert_eq!(out.encoded_len(version), bytes.len());

        let template = EncodedPublish::new(version, &PublishOut { dup: true, packet_id: Some(ID), ..out });
        let template = template.unwrap();
        let mut patched = b"before".to_vec();
        template.write_with(&mut patched, packet_id, dup);
        prop_assert_eq!(&patched[6..], &bytes);
        prop_assert_eq!(template.encoded_len(), bytes.len());

        let mut head = Vec::new();
        out.write_head(version, &mut head).unwrap();
        prop_assert_eq!(&[&head[..], &payload].concat(), &bytes);

        let ServerPacket::Publish(ServerPublish { publish, subscription_ids: ids }) = read(&bytes, version) else {
            panic!("no PUBLISH");
        };
        let five = version == Version::V5;
        prop_assert_eq!((publish.dup, publish.qos, publish.retain), (dup, qos, retain));
        prop_assert_eq!((publish.topic, publish.packet_id, publish.payload), (topic.as_str(), packet_id, &payload[..]));
        prop_assert_eq!(publish.message_expiry, message_expiry.filter(|_| five));
        prop_assert_eq!(publish.topic_alias, topic_alias.filter(|_| five));
        prop_assert_eq!(ids, if five { subscription_ids } else { Vec::new() });
    }

    #[test]
    fn subacks(codes in vec(select(vec![0_u8, 1, 2, 0x80, 0x87, 0x8f, 0x97, 0x9e, 0xa1, 0xa2]), 1..9), why in option::of(text())) {
        let suback = SubAck { packet_id: ID, reasons: &codes, reason_string: why.as_deref() };
        let mut bytes = Vec::new();
        suback.write(&Receiver::new(Version::V5), &mut bytes).unwrap();
        prop_assert_eq!(read(&bytes, Version::V5), ServerPacket::SubAck(suback.clone()));

        let mut bytes = Vec::new();
        suback.write(&Receiver::new(Version::V311), &mut bytes).unwrap();
        let told: Vec<u8> = codes.iter().map(|&code| code.min(0x80)).collect();
        let told = SubAck { packet_id: ID, reasons: &told, reason_string: None };
        prop_assert_eq!(read(&bytes, Version::V311), ServerPacket::SubAck(told));
    }

    #[test]
    fn unsubacks(codes in vec(select(vec![0_u8, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91]), 1..9), why in option::of(text())) {
        let unsuback = UnsubAck { packet_id: ID, reasons: &codes, reason_string: why.as_deref() };
        let mut bytes = Vec::new();
        unsuback.write(&Receiver::new(Version::V5), &mut bytes).unwrap();
        prop_assert_eq!(read(&bytes, Version::V5), ServerPacket::UnsubAck(unsuback.clone()));

        let mut bytes = Vec::new();
        unsuback.write(&Receiver::new(Version::V31), &mut bytes).unwrap();
        prop_assert_eq!(bytes, b"\xb0\x02\x12\x34");
    }

    #[test]
    fn disconnects(
        reason in select(vec![0_u8, 0x81, 0x82, 0x87, 0x8b, 0x8d, 0x8e, 0x95, 0x97, 0x9d]),
        (why, reference) in (option::of(text()), option::of(text())),
        users in user_properties(),
    ) {
        let disconnect = ServerDisconnect {
            reason,
            reason_string: why.as_deref(),
            user_properties: UserProperties(&users),
            server_reference: reference.as_deref(),
        };
        let mut bytes = Vec::new();
        disconnect.write(&Receiver::new(Version::V5), &mut bytes).unwrap();
        prop_assert_eq!(read(&bytes, Version::V5), ServerPacket::Disconnect(disconnect));
    }

    /// Whatever the receiver's maximum, it is kept; what does not fit leaves no trace.
    #[test]
    fn sizes_are_kept(packet_size_max in 0..80_u32, why in text(), users in user_properties(), problem_information in any::<bool>()) {
        let to = Receiver { version: Version::V5, packet_size_max, problem_information };
        let why = Some(why.as_str());
        let users = UserProperties(&users);
        let writers: [Writer<'_>; 5] = [
            &|out| ConnAck { reason: 0x97, reason_string: why, user_properties: users, ..ConnAck::default() }.write(&to, out),
            &|out| Ack { kind: AckKind::PubAck, packet_id: ID, reason: 0x97, reason_string: why }.write(&to, out),
            &|out| SubAck { packet_id: ID, reasons: &[0x97], reason_string: why }.write(&to, out),
            &|out| UnsubAck { packet_id: ID, reasons: &[0], reason_string: why }.write(&to, out),
            &|out| ServerDisconnect { reason: 0x97, reason_string: why, user_properties: users, server_reference: None }.write(&to, out),
        ];
        for (index, write) in writers.iter().enumerate() {
            let mut out = b"before".to_vec();
            let written = write(&mut out);
            let bytes = &out[6..];
            prop_assert!(bytes.len() <= packet_size_max as usize);
            prop_assert_eq!(written.is_err(), bytes.is_empty());
            prop_assert!(written.is_ok() || packet_size_max < 6, "packet {} fits", index);
            if written.is_ok() {
                read(bytes, Version::V5);
            }
        }
    }
}

fn connack(version: Version, connack: &ConnAck<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    connack.write(&Receiver::new(version), &mut out).unwrap();
    out
}

#[test]
fn connack_is_told_in_each_versions_words() {
    let taken = ConnAck {
        session_present: true,
        ..ConnAck::default()
    };
    assert_eq!(connack(Version::V31, &taken), b"\x20\x02\0\0");
    assert_eq!(connack(Version::V311, &taken), b"\x20\x02\x01\0");
    assert_eq!(connack(Version::V5, &taken), b"\x20\x03\x01\0\0");
    let refused = ConnAck {
        session_present: true,
        reason: 0x84,
        ..ConnAck::default()
    };
    assert_eq!(connack(Version::V311, &refused), b"\x20\x02\0\x01");
    assert_eq!(connack(Version::V5, &refused), b"\x20\x03\0\x84\0");
    let malformed = ConnAck {
        reason: 0x81,
        ..ConnAck::default()
    };
    assert_eq!(connack(Version::V311, &malformed), b"\x20\x02\0\x03");
}

#[test]
fn the_highest_qos_is_said_only_when_it_is_not_2() {
    let with = |qos| ConnAck {
        maximum_qos: Some(qos),
        ..ConnAck::default()
    };
    assert_eq!(connack(Version::V5, &with(QoS::ExactlyOnce)), b"\x20\x03\0\0\0");
    assert_eq!(
        connack(Version::V5, &with(QoS::AtLeastOnce)),
        b"\x20\x05\0\0\x02\x24\x01"
    );
}

#[test]
fn reason_strings_go_before_what_must_be_known() {
    let connack = ConnAck {
        reason: 0x9d,
        reason_string: Some("moved"),
        user_properties: UserProperties(b"\x26\0\x01k\0\x01v"),
        server_reference: Some("x:1"),
        ..ConnAck::default()
    };
    let write = |packet_size_max| {
        let mut out = Vec::new();
        let to = Receiver {
            packet_size_max,
            ..Receiver::new(Version::V5)
        };
        connack.write(&to, &mut out).map(|()| out)
    };
    assert_eq!(
        write(26).unwrap(),
        b"\x20\x18\0\x9d\x15\x1f\0\x05moved\x26\0\x01k\0\x01v\x1c\0\x03x:1"
    );
    assert_eq!(
        write(25).unwrap(),
        b"\x20\x10\0\x9d\x0d\x26\0\x01k\0\x01v\x1c\0\x03x:1"
    );
    assert_eq!(write(17).unwrap(), b"\x20\x09\0\x9d\x06\x1c\0\x03x:1");
    assert_eq!(write(10), Err(TooLarge));
}

#[test]
fn acknowledgements_are_short() {
    let write = |ack: Ack<'_>, to: &Receiver| {
        let mut out = Vec::new();
        ack.write(to, &mut out).unwrap();
        out
    };
    let five = Receiver::new(Version::V5);
    assert_eq!(
        write(Ack::success(AckKind::PubAck, ID), &five),
        b"\x40\x02\x12\x34"
    );
    assert_eq!(
        write(Ack::success(AckKind::PubRel, ID), &five),
        b"\x62\x02\x12\x34"
    );
    let refused = Ack {
        kind: AckKind::PubRec,
        packet_id: ID,
        reason: 0x97,
        reason_string: Some("full"),
    };
    assert_eq!(
        write(refused.clone(), &five),
        b"\x50\x0b\x12\x34\x97\x07\x1f\0\x04full"
    );
    let terse = Receiver {
        problem_information: false,
        ..five
    };
    assert_eq!(write(refused.clone(), &terse), b"\x50\x03\x12\x34\x97");
    assert_eq!(write(refused, &Receiver::new(Version::V311)), b"\x50\x02\x12\x34");
}

#[test]
fn what_mqtt_cannot_say_is_not_written() {
    let long = "x".repeat(65_536);
    let publish = PublishOut {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: &long,
        packet_id: None,
        topic_alias: None,
        message_expiry: None,
        subscription_ids: &[],
        properties: &[],
        payload: &[],
    };
    let mut out = Vec::new();
    assert_eq!(publish.write(Version::V311, &mut out), Err(TooLarge));
    assert!(EncodedPublish::new(Version::V5, &publish).is_err());
    let connack = ConnAck {
        assigned_client_id: Some(&long),
        ..ConnAck::default()
    };
    assert_eq!(
        connack.write(&Receiver::new(Version::V5), &mut out),
        Err(TooLarge)
    );
    assert!(out.is_empty());
    // A reason string as long is left out like any other that does not fit.
    let disconnect = ServerDisconnect {
        reason: 0x82,
        reason_string: Some(&long),
        ..Default::default()
    };
    disconnect.write(&Receiver::new(Version::V5), &mut out).unwrap();
    assert_eq!(out, b"\xe0\x01\x82");
}

/// The client's side is as strict as the server's.
#[test]
fn clients_refuse_what_servers_must_not_send() {
    let fault = |version, bytes: &[u8]| match client::decode(bytes, version, 1000) {
        Err(error) => format!("{:?}", error.fault()),
        Ok(packet) => panic!("taken: {packet:?}"),
    };
    use Version::{V5, V31, V311};
    assert_eq!(fault(V311, b"\x10\x00"), "ClientOnly");
    assert_eq!(fault(V5, b"\x82\x00"), "ClientOnly");
    assert_eq!(fault(V5, b"\xc0\x00"), "ClientOnly");
    assert_eq!(fault(V311, b"\xe0\x00"), "ClientOnly");
    assert_eq!(fault(V311, b"\xf0\x00"), "TypeReserved");
    assert_eq!(fault(V311, b"\x20\x02\x02\0"), "ConnackFlags");
    assert_eq!(fault(V31, b"\x20\x02\x01\0"), "ConnackFlags");
    assert_eq!(fault(V311, b"\x20\x02\x01\x05"), "SessionPresentRefused");
    assert_eq!(fault(V311, b"\x20\x02\0\x06"), "ReasonCode(6)");
    assert_eq!(fault(V311, b"\x20\x03\0\0\0"), "TrailingBytes");
    assert_eq!(
        fault(V5, b"\x20\x05\0\0\x02\x24\x02"),
        "PropertyNotBoolean(MaximumQos)"
    );
    assert_eq!(
        fault(V5, b"\x20\x06\0\0\x03\x21\0\0"),
        "PropertyZero(ReceiveMaximum)"
    );
    assert_eq!(
        fault(V5, b"\x30\x06\0\x01a\x02\x0b\0"),
        "PropertyZero(SubscriptionIdentifier)"
    );
    assert_eq!(fault(V5, b"\x90\x03\0\x01\0"), "NoCodes");
    assert_eq!(fault(V311, b"\x90\x03\0\x01\x81"), "ReasonCode(129)");
    assert_eq!(fault(V5, b"\xb0\x04\0\x01\0\x01"), "ReasonCode(1)");
    assert_eq!(fault(V311, b"\xb0\x03\0\x01\0"), "TrailingBytes");
    assert_eq!(fault(V5, b"\xd0\x01\0"), "TrailingBytes");
    assert_eq!(fault(V5, b"\xe0\x01\x04"), "ReasonCode(4)");
    assert_eq!(
        fault(V5, b"\xe0\x07\x81\x05\x11\0\0\0\x01"),
        "PropertyNotAllowed(SessionExpiryInterval)"
    );
    assert_eq!(fault(V5, b"\xf0\x01\x19"), "ReasonCode(25)");
    assert!(matches!(
        client::decode(b"\xf0\x00", V5, 1000),
        Ok(Decoded::Packet {
            packet: ServerPacket::Auth(Auth { reason: 0, .. }),
            consumed: 2
        })
    ));
    assert!(matches!(
        client::decode(b"\x40\x03\0\x01\x10", V5, 1000),
        Ok(Decoded::Packet {
            packet: ServerPacket::Ack(Ack { reason: 0x10, .. }),
            ..
        })
    ));
}
