//! CONNECT and CONNACK (sections 3.1 and 3.2), without sessions and wills.

use crate::house::*;
use crate::say;

/// [MQTT-3.1.0-1], [MQTT-3.2.0-1]: whatever else comes first, no word comes back.
#[test]
fn nothing_is_taken_before_connect() {
    let broker = InProcess::start();
    for first in [
        &b"\x30\x04\0\x01ax"[..],
        b"\x32\x06\0\x01a\0\x01x",
        b"\x82\x06\0\x01\0\x01a\0",
        b"\xa2\x05\0\x01\0\x01a",
        b"\x40\x02\0\x01",
        b"\x62\x02\0\x01",
        b"\xc0\x00",
        b"\xe0\x00",
        b"\xf0\x02\x18\x00",
        b"\x20\x02\x00\x00",
    ] {
        let mut client = broker.open();
        client.must_send(first);
        client.expect_closed();
    }
}

/// [MQTT-3.1.0-2]
#[test]
fn a_second_connect_ends_the_connection() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let connect = Connect::new(version, "twice");
        let mut client = broker.connect(&connect);
        client.must_send(&connect.bytes());
        expect_thrown_out(&mut client, 0x82);
    }
}

/// [MQTT-3.1.2-1]
#[test]
fn other_protocol_names_are_refused() {
    let broker = InProcess::start();
    for (name, level, version, code) in [
        ("mqtt", 5, V5, 0x84),
        ("MQTTX", 5, V5, 0x84),
        ("MQTT ", 4, Version::V311, 0x01),
        ("mqtt", 4, Version::V311, 0x01),
    ] {
        let mut client = broker.open();
        client.speak(version);
        client.must_send(&say::connect(name, level, 2, &[&say::field("c")]));
        assert_eq!(expect_connack(&mut client), code, "{name} {level}");
        client.expect_closed();
    }
}

/// [MQTT-3.1.2-2], and [MQTT-3.1.2-2] of 3.1.1: CONNACK 0x84, or 0x01 for who speaks 3.x.
#[test]
fn other_protocol_levels_are_refused_in_words_the_client_knows() {
    let broker = InProcess::start();
    for (name, level, version, code) in [
        ("MQTT", 6, V5, 0x84),
        ("MQTT", 255, V5, 0x84),
        ("MQTT", 3, Version::V311, 0x01),
        ("MQIsdp", 4, Version::V31, 0x01),
    ] {
        let mut client = broker.open();
        client.speak(version);
        client.must_send(&say::connect(name, level, 2, &[&say::field("c")]));
        assert_eq!(expect_connack(&mut client), code, "{name} {level}");
        client.expect_closed();
    }
}

/// [MQTT-3.1.2-3], [MQTT-3.1.4-1]: 5.0 is told; 3.1.1 has no word for it [MQTT-3.2.2-6 of 3.1.1].
#[test]
fn the_reserved_connect_flag_must_be_0() {
    let broker = InProcess::start();
    let mut client = broker.open();
    client.speak(V5);
    client.must_send(&say::connect("MQTT", 5, 3, &[&say::field("c")]));
    assert_eq!(expect_connack(&mut client), 0x81);
    client.expect_closed();
    for (name, level) in [("MQTT", 4), ("MQIsdp", 3)] {
        let mut client = broker.open();
        client.must_send(&say::connect(name, level, 3, &[&say::field("c")]));
        client.expect_closed();
    }
}

/// [MQTT-3.1.2-16], [MQTT-3.1.2-17], [MQTT-3.1.2-18], [MQTT-3.1.2-19]: flags and fields agree, or it is no CONNECT.
#[test]
fn user_name_and_password_are_there_exactly_as_the_flags_say() {
    let broker = InProcess::start();
    let (id, user, password) = (say::field("c"), say::field("u"), say::field("p"));
    for (flags, fields, good) in [
        (0x02, &[&id[..]][..], true),
        (0x82, &[&id, &user], true),
        (0x42, &[&id, &password], true),
        (0xc2, &[&id, &user, &password], true),
        (0x02, &[&id, &user], false),
        (0x82, &[&id], false),
        (0x82, &[&id, &user, &password], false),
        (0x42, &[&id], false),
        (0xc2, &[&id, &user], false),
    ] {
        let mut client = broker.open();
        client.speak(V5);
        client.must_send(&say::connect("MQTT", 5, flags, fields));
        let expected = if good { 0 } else { 0x81 };
        assert_eq!(
            expect_connack(&mut client),
            expected,
            "{flags:#04x} {fields:02x?}"
        );
        if !good {
            client.expect_closed();
        }
    }
}

/// [MQTT-3.1.3-4], [MQTT-3.1.3-11], [MQTT-3.1.3-12], [MQTT-1.5.4-1], [MQTT-1.5.4-2]: in every text of CONNECT.
#[test]
fn texts_of_connect_are_utf8_without_nul() {
    let broker = InProcess::start();
    for bad in [
        &b"\xff"[..],
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"a\0b",
        b"\0",
    ] {
        let (good, bad) = (say::field("ok"), say::field(bad));
        for (flags, fields) in [
            (0x02, vec![&bad[..]]),
            (0x06, vec![&good, b"\0", &bad, &good]),
            (0x82, vec![&good, &bad]),
        ] {
            let mut client = broker.open();
            client.speak(V5);
            client.must_send(&say::connect("MQTT", 5, flags, &fields));
            assert_eq!(expect_connack(&mut client), 0x81, "{flags:#04x} {bad:02x?}");
            client.expect_closed();

            let mut client = broker.open();
            let fields: Vec<_> = fields.into_iter().filter(|field| *field != b"\0").collect();
            client.must_send(&say::connect("MQTT", 4, flags, &fields));
            client.expect_closed();
        }
    }
}

/// [MQTT-3.1.3-5], and beyond: everything that is UTF-8.
#[test]
fn client_ids_of_all_lengths_and_letters_are_taken() {
    let broker = InProcess::start();
    let longest = "x".repeat(65_535);
    for version in VERSIONS {
        for id in [
            "a",
            "0123456789abcdefghijklm",
            "nopqrstuvwxyzABCDEFGHIJ",
            "KLMNOPQRSTUVWXYZ",
            "é/日本 #+$",
            &longest,
        ] {
            broker.connect(&Connect::new(version, id)).disconnect();
        }
    }
}

/// [MQTT-1.5.4-3]: U+FEFF is a letter; with it, it is another client.
#[test]
fn a_byte_order_mark_is_not_stripped() {
    let broker = InProcess::start();
    broker.connect(&Connect::v311("door").persistent()).disconnect();
    let other = broker.connect(&Connect::v311("\u{feff}door").persistent());
    assert!(!other.session_present());
    other.disconnect();
    assert!(
        broker
            .connect(&Connect::v311("\u{feff}door").persistent())
            .session_present()
    );
    let mut client = broker.connect(&Connect::v5("c"));
    client.subscribe(&[("\u{feff}a", Q0), ("a", Q0)]);
    client.publish(&Publish::qos0("\u{feff}a", b"\xef\xbb\xbfx"));
    let message = client.expect_publish();
    assert_eq!(
        (message.topic.as_str(), &message.payload[..]),
        ("\u{feff}a", &b"\xef\xbb\xbfx"[..])
    );
}

/// [MQTT-3.1.3-6], [MQTT-3.1.3-7], [MQTT-3.2.2-16]
#[test]
fn an_empty_client_id_gets_one_of_its_own() {
    let broker = InProcess::start();
    let clients: Vec<_> = (0..3).map(|_| broker.connect(&Connect::v5(""))).collect();
    let mut ids: Vec<_> = clients
        .iter()
        .map(|client| {
            client
                .connack()
                .assigned_client_id
                .clone()
                .expect("an id was assigned")
        })
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "{ids:?}");
    broker.wait_for_connections(3);
    assert_eq!(
        broker.connect(&Connect::v5("named")).connack().assigned_client_id,
        None
    );
}

/// [MQTT-3.1.3-7]: the session under it can be taken up again.
#[test]
fn an_assigned_client_id_names_a_session() {
    let broker = InProcess::start();
    let mut first = broker.connect(&Connect {
        clean: true,
        ..Connect::v5("").session_expiry(100)
    });
    let id = first.connack().assigned_client_id.clone().expect("an id");
    first.subscribe(&[("a", Q1)]);
    first.disconnect();
    broker.connect(&Connect::v5("p")).publish_acked("a", b"kept");
    let mut again = broker.connect(&Connect::v5(&id).persistent());
    assert!(again.session_present());
    assert_eq!(payloads(&mut again, 1), ["kept"]);
}

/// [MQTT-3.1.3-8], [MQTT-3.2.2-6], [MQTT-3.2.2-7], and [MQTT-3.1.3-8] of 3.1.1.
#[test]
fn empty_client_ids_that_cannot_be_are_refused() {
    let broker = InProcess::start();
    for connect in [
        Connect::v311("").persistent(),
        Connect::v31(""),
        Connect::v31("").persistent(),
    ] {
        let mut client = broker.open();
        let connack = client.start(&connect);
        assert_eq!(
            (connack.reason, connack.session_present),
            (2, false),
            "{connect:?}"
        );
        client.expect_closed();
    }
    let mut clean = broker.connect(&Connect::v311(""));
    clean.expect_nothing();
}

/// [MQTT-3.1.4-3]: the older one is told and closed; [MQTT-3.1.4-2] of 3.1.1.
#[test]
fn the_older_of_two_with_one_client_id_goes() {
    let broker = InProcess::start();
    for (older, newer) in [
        (V5, V5),
        (V5, Version::V311),
        (Version::V311, V5),
        (Version::V31, Version::V31),
    ] {
        for persistent in [false, true] {
            let connect = |version| match persistent {
                true => Connect::new(version, "one").persistent(),
                false => Connect::new(version, "one"),
            };
            let mut first = broker.connect(&connect(older));
            let mut second = broker.connect(&connect(newer));
            expect_thrown_out(&mut first, 0x8e);
            second.expect_nothing();
            second.disconnect();
        }
        broker.connect(&Connect::v311("one")).disconnect();
    }
}

/// [MQTT-3.1.4-3]: many at once, one stays.
#[test]
fn of_many_with_one_client_id_one_stays() {
    let broker = InProcess::start();
    let address = broker.address();
    let others: Vec<_> = (0..16)
        .map(|_| {
            std::thread::spawn(move || {
                let connect = Connect::v311("one").persistent();
                Client::connect(address, &connect)
            })
        })
        .collect();
    let mut clients: Vec<_> = others
        .into_iter()
        .map(|other| other.join().expect("connected"))
        .collect();
    broker.wait_for_connections(1);
    let alive = clients
        .iter_mut()
        .filter_map(|client| {
            client.send(&[0xc0, 0]).ok()?;
            client.receive(PATIENCE).ok()
        })
        .count();
    assert_eq!(alive, 1);
}

/// [MQTT-3.1.4-5], [MQTT-3.2.0-2], [MQTT-3.2.2-1]: one CONNACK, first, with clean flags.
#[test]
fn the_first_packet_is_one_connack() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let mut client = broker.open();
        client.speak(version);
        let subscribe = match version {
            Version::V5 => say::subscribe_5(1, &[], &[("a", 0)]),
            _ => b"\x82\x06\0\x01\0\x01a\0".to_vec(),
        };
        let connect = Connect::new(version, "c").bytes();
        client.must_send(&[connect, subscribe, vec![0xc0, 0]].concat());
        let connack = client.expect_bytes();
        assert_eq!((connack[0], connack[2], connack[3]), (0x20, 0, 0));
        // SUBACK waits for the store, PINGRESP for nothing.
        let mut kinds = [client.expect_bytes()[0], client.expect_bytes()[0]];
        kinds.sort_unstable();
        assert_eq!(kinds, [0x90, 0xd0]);
        client.expect_nothing();
    }
}

/// [MQTT-3.1.4-6], [MQTT-3.1.4-5] of 3.1.1: what comes behind a CONNECT that is refused does nothing.
#[test]
fn what_follows_a_refused_connect_is_not_processed() {
    let broker = InProcess::start();
    let mut witness = broker.connect(&Connect::v5("witness"));
    witness.subscribe(&[("#", Q0)]);
    for refused in [
        say::connect_5("c", &[&say::property(0x15, "SCRAM-SHA-1")]),
        Connect::v31("").bytes(),
        say::connect("MQTT", 9, 2, &[&say::field("c")]),
        say::connect("MQTT", 5, 3, &[&say::field("c")]),
    ] {
        let mut client = broker.open();
        client.must_send(&[refused, b"\x31\x0b\0\x09forbiddenx".to_vec()].concat());
        client.speak(V5);
        while client.receive(PATIENCE).is_ok() {}
    }
    witness.expect_nothing();
    assert_eq!(witness.subscribe(&[("forbidden", Q0)]), [0]);
    witness.expect_nothing();
}

/// [MQTT-4.12.0-1], K21.
#[test]
fn k21_an_unknown_authentication_method_is_refused_with_0x8c() {
    let broker = InProcess::start();
    for data in [None, Some(say::property(0x16, b"\x00\xff"))] {
        let method = say::property(0x15, "GS2-KRB5");
        let mut client = broker.open();
        client.speak(V5);
        client.must_send(&say::connect_5("c", &[&method, &data.unwrap_or_default()]));
        assert_eq!(expect_connack(&mut client), 0x8c);
        client.expect_closed();
    }
}

/// [MQTT-4.12.0-6], [MQTT-4.12.0-7], [MQTT-4.12.1-2]: AUTH has no place where no method was agreed.
#[test]
fn auth_without_a_method_ends_the_connection() {
    let broker = InProcess::start();
    for auth in [
        say::frame(0xf0, &[&[0x18], &say::block(&[&say::property(0x15, "m")])]),
        say::frame(0xf0, &[&[0x19], &say::block(&[&say::property(0x15, "m")])]),
        say::frame(0xf0, &[&[0x18, 0]]),
        say::frame(0xf0, &[]),
    ] {
        let mut client = broker.connect(&Connect::v5("c"));
        client.must_send(&auth);
        expect_thrown_out(&mut client, 0x82);
    }
}

/// [MQTT-3.15.1-1]
#[test]
fn auth_with_flags_is_malformed() {
    let broker = InProcess::start();
    for first in [0xf1, 0xf2, 0xf8] {
        let mut client = broker.connect(&Connect::v5("c"));
        client.must_send(&say::frame(
            first,
            &[&[0x18], &say::block(&[&say::property(0x15, "m")])],
        ));
        expect_thrown_out(&mut client, 0x81);
    }
}

/// K21: a capped session expiry is told in CONNACK.
#[test]
fn k21_a_capped_session_expiry_is_told() {
    let broker = InProcess::with(|settings| settings.session.session_expiry_max = 60);
    for (asked, told) in [(0, None), (60, None), (61, Some(60)), (u32::MAX, Some(60))] {
        let client = broker.connect(&Connect::v5("c").session_expiry(asked));
        assert_eq!(client.connack().session_expiry, told, "{asked}");
    }
}

/// [MQTT-3.1.2-28], [MQTT-3.2.2-9], [MQTT-3.2.2-12], [MQTT-3.2.2-13]: everything is offered in full, so nothing is
/// taken back; and no response information comes, asked for or not.
#[test]
fn connack_takes_nothing_back() {
    let broker = InProcess::start();
    for ask in [false, true] {
        let mut client = broker.open();
        client.speak(V5);
        let will = Will::new("w", b"").qos(Q2).retain();
        client.must_send(
            &Connect {
                request_response_information: ask,
                ..Connect::v5("c").will(will)
            }
            .bytes(),
        );
        let connack = client.expect_bytes();
        assert_eq!(connack[3], 0);
        let mut properties = &connack[5..];
        while let Some((&id, rest)) = properties.split_first() {
            let length = match id {
                0x21 | 0x22 | 0x13 => 2,
                0x27 | 0x11 => 4,
                other => panic!("property {other:#04x} in {connack:02x?}"),
            };
            properties = &rest[length..];
        }
    }
}
