//! Sessions: clean start, expiry, what is kept (sections 3.1.2.4, 3.1.2.11.2, 4.1).

use std::time::Duration;

use crate::house::*;

/// A session with a subscription and one message that waits.
fn leave_a_session(broker: &InProcess, connect: &Connect, message: &[u8]) {
    let mut client = broker.connect(connect);
    client.subscribe(&[("kept", Q1)]);
    client.disconnect();
    broker
        .connect(&Connect::v5("publisher"))
        .publish_acked("kept", message);
}

/// [MQTT-3.1.2-5], [MQTT-3.2.2-3], [MQTT-4.5.0-1], and [MQTT-3.1.2-4], [MQTT-3.1.2-5], [MQTT-3.2.2-2] of 3.1.1.
#[test]
fn a_session_is_resumed() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let connect = Connect::new(version, &format!("{version:?}")).persistent();
        leave_a_session(&broker, &connect, b"1");
        let mut client = broker.connect(&connect);
        // CONNACK of 3.1 has no word for it.
        assert_eq!(client.session_present(), version != Version::V31);
        assert_eq!(payloads(&mut client, 1), ["1"]);
        // Its subscription goes on.
        broker
            .connect(&Connect::v5("publisher"))
            .publish_acked("kept", b"2");
        assert_eq!(payloads(&mut client, 1), ["2"]);
        client.disconnect();
        broker
            .connect(&Connect::new(version, &format!("{version:?}")))
            .disconnect();
    }
}

/// [MQTT-3.1.2-5]: a kept subscription is in force when CONNACK comes, also for QoS 0, which nothing waits for.
#[test]
fn a_kept_subscription_is_in_force_at_connack() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v5("publisher"));
    for version in VERSIONS {
        let connect = Connect::new(version, &format!("{version:?}")).persistent();
        let mut client = broker.connect(&connect);
        client.subscribe(&[("kept", Q1)]);
        client.disconnect();
        for n in 0..30u8 {
            let mut client = broker.connect(&connect);
            publisher.publish(&Publish::qos0("kept", &[b'a' + n]));
            assert_eq!(client.expect_publish().payload, [b'a' + n]);
            client.disconnect();
        }
    }
}

/// [MQTT-3.1.2-6], [MQTT-3.2.2-3], [MQTT-3.2.2-3] of 3.1.1.
#[test]
fn without_a_session_a_new_one_begins() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let connect = Connect::new(version, &format!("{version:?}")).persistent();
        let client = broker.connect(&connect);
        assert!(!client.session_present());
        client.disconnect();
        assert_eq!(
            broker.connect(&connect).session_present(),
            version != Version::V31
        );
    }
}

/// [MQTT-3.1.2-4], [MQTT-3.2.2-2], [MQTT-3.1.4-4], and [MQTT-3.1.2-6], [MQTT-3.2.2-1], [MQTT-3.1.4-3] of 3.1.1.
#[test]
fn clean_start_discards_the_session() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let id = format!("{version:?}");
        let persistent = Connect::new(version, &id).persistent();
        leave_a_session(&broker, &persistent, b"lost");
        let mut client = broker.connect(&Connect {
            clean: true,
            ..persistent.clone()
        });
        assert!(!client.session_present());
        client.expect_nothing();
        assert_eq!(client.subscribe(&[("other", Q1)]), [1]);
        // Neither message nor subscription is left.
        broker
            .connect(&Connect::v5("publisher"))
            .publish_acked("kept", b"nobody");
        broker
            .connect(&Connect::v5("publisher"))
            .publish_acked("other", b"1");
        assert_eq!(payloads(&mut client, 1), ["1"]);
        client.disconnect();
        // Clean start with an expiry begins a session that lasts; clean session one that does not.
        let again = broker.connect(&persistent);
        assert_eq!(again.session_present(), version == V5);
        again.disconnect();
        broker.connect(&Connect::new(version, &id)).disconnect();
    }
}

/// [MQTT-3.1.2-4]: also when its client is there.
#[test]
fn clean_start_discards_the_session_of_a_present_client() {
    let broker = InProcess::start();
    let connect = Connect::v5("c").persistent();
    let mut older = broker.connect(&connect);
    older.subscribe(&[("kept", Q1)]);
    broker
        .connect(&Connect::v5("publisher"))
        .publish_acked("kept", b"in flight");
    let _ = older.expect_publish();
    let mut newer = broker.connect(&Connect {
        clean: true,
        ..connect.clone()
    });
    assert!(!newer.session_present());
    assert_eq!(newer.unsubscribe(&["kept"]), [0x11]);
    newer.expect_nothing();
}

/// [MQTT-3.1.4-3], [MQTT-3.2.2-3]: a take-over goes on with the session.
#[test]
fn a_take_over_resumes_the_session() {
    let broker = InProcess::start();
    for version in [Version::V311, V5] {
        let connect = Connect::new(version, "c").persistent();
        let mut older = broker.connect(&connect);
        older.subscribe(&[("kept", Q1)]);
        broker
            .connect(&Connect::v5("publisher"))
            .publish_acked("kept", b"in flight");
        let first = older.expect_publish();
        let mut newer = broker.connect(&connect);
        assert!(newer.session_present());
        let again = newer.expect_publish();
        assert_eq!((again.dup, again.packet_id), (true, first.packet_id));
        newer.ack(AckKind::PubAck, again.packet_id);
        newer.expect_nothing();
        newer.disconnect();
        broker.connect(&Connect::new(version, "c")).disconnect();
    }
}

/// [MQTT-4.1.0-2], [MQTT-3.1.2-23]: expiry 0 ends it with the connection, however that ends.
#[test]
fn a_session_with_expiry_0_ends_with_its_connection() {
    let broker = InProcess::start();
    for expiry in [None, Some(0)] {
        for cut in [false, true] {
            let connect = Connect {
                clean: false,
                session_expiry: expiry,
                ..Connect::v5("c")
            };
            let mut client = broker.connect(&connect);
            client.subscribe(&[("kept", Q1)]);
            if cut {
                client.cut()
            } else {
                client.disconnect()
            }
            let mut again = broker.connect(&connect);
            assert!(!again.session_present(), "{expiry:?} {cut}");
            assert_eq!(again.unsubscribe(&["kept"]), [0x11]);
            again.disconnect();
        }
    }
}

/// [MQTT-3.1.2-6] of 3.1.1: the state of a clean session is in no session that follows.
#[test]
fn a_clean_session_leaves_nothing_behind() {
    let broker = InProcess::start();
    for version in [Version::V31, Version::V311] {
        for cut in [false, true] {
            let id = format!("{version:?} {cut}");
            let mut client = broker.connect(&Connect::new(version, &id));
            client.subscribe(&[("kept", Q1)]);
            if cut {
                client.cut()
            } else {
                client.disconnect()
            }
            broker
                .connect(&Connect::v5("publisher"))
                .publish_acked("kept", b"lost");
            let mut again = broker.connect(&Connect::new(version, &id).persistent());
            assert!(!again.session_present());
            again.expect_nothing();
        }
    }
}

/// [MQTT-4.1.0-2], [MQTT-3.1.2-23]: kept until the interval has passed, and no longer.
#[test]
fn a_session_expires_after_its_interval() {
    let broker = InProcess::start();
    let (short, long) = (Connect::v5("short"), Connect::v5("long"));
    leave_a_session(
        &broker,
        &Connect {
            clean: false,
            ..short.session_expiry(1)
        },
        b"gone",
    );
    leave_a_session(
        &broker,
        &Connect {
            clean: false,
            ..long.clone().session_expiry(100)
        },
        b"there",
    );
    // Not before it has passed.
    broker.wait_until("two sessions", |figures| figures.sessions_absent == 2);
    broker.wait_until("the session's end", |figures| figures.sessions_absent == 1);
    assert!(
        !broker
            .connect(&Connect::v5("short").persistent())
            .session_present()
    );
    let mut client = broker.connect(&long.persistent());
    assert!(client.session_present());
    assert_eq!(payloads(&mut client, 1), ["there"]);
}

/// [MQTT-4.1.0-1]: the interval runs from the end of the connection.
#[test]
fn a_session_does_not_expire_while_its_client_is_there() {
    let broker = InProcess::start();
    let connect = Connect {
        clean: false,
        ..Connect::v5("c").session_expiry(2)
    };
    let mut client = broker.connect(&connect);
    client.subscribe(&[("kept", Q1)]);
    std::thread::sleep(Duration::from_millis(2600));
    client.cut();
    let mut again = broker.connect(&connect);
    assert!(again.session_present());
    broker
        .connect(&Connect::v5("publisher"))
        .publish_acked("kept", b"1");
    assert_eq!(payloads(&mut again, 1), ["1"]);
}

/// Section 3.14.2.2.2: DISCONNECT may shorten, prolong and end.
#[test]
fn disconnect_sets_another_expiry() {
    let broker = InProcess::start();
    for (before, at_disconnect, kept) in [
        (100, Some(0), false),
        (100, Some(200), true),
        (100, Some(u32::MAX), true),
        (u32::MAX, Some(100), true),
        (u32::MAX, Some(0), false),
        (100, None, true),
        (0, Some(0), false),
        (0, None, false),
    ] {
        let connect = Connect {
            clean: false,
            ..Connect::v5("c").session_expiry(before)
        };
        broker.connect(&connect).disconnect_with(0, at_disconnect);
        let again = broker.connect(&connect);
        assert_eq!(again.session_present(), kept, "{before} {at_disconnect:?}");
        again.disconnect_with(0, Some(0));
    }
}

/// Section 3.14.2.2.2: what was to end with the connection cannot be prolonged.
#[test]
fn disconnect_does_not_prolong_a_session_of_expiry_0() {
    let broker = InProcess::start();
    for expiry in [None, Some(0)] {
        let connect = Connect {
            clean: false,
            session_expiry: expiry,
            ..Connect::v5("c")
        };
        let mut client = broker.connect(&connect);
        client.must_send(b"\xe0\x07\x00\x05\x11\0\0\0\x64");
        expect_thrown_out(&mut client, 0x82);
        assert!(!broker.connect(&connect).session_present());
    }
}

/// Section 3.14.2.2.2: a shorter interval counts from there.
#[test]
fn a_shortened_session_expires() {
    let broker = InProcess::start();
    broker
        .connect(&Connect::v5("c").persistent())
        .disconnect_with(0, Some(1));
    broker.wait_until("the session", |figures| figures.sessions_absent == 1);
    broker.wait_until("the session's end", |figures| figures.sessions_absent == 0);
    assert!(!broker.connect(&Connect::v5("c").persistent()).session_present());
}

/// Sessions of 3.x clients last as long as the settings say (K20's neighbour, section 3.1.2.4 of 3.1.1).
#[test]
fn sessions_of_3x_clients_expire_by_the_settings() {
    let broker = InProcess::with(|settings| settings.session.session_expiry = 1);
    broker.connect(&Connect::v311("c").persistent()).disconnect();
    broker.wait_until("the session", |figures| figures.sessions_absent == 1);
    broker.wait_until("the session's end", |figures| figures.sessions_absent == 0);
    assert!(!broker.connect(&Connect::v311("c").persistent()).session_present());
}

/// The interval of the newest connection counts [MQTT-3.1.2-23].
#[test]
fn each_connect_sets_the_expiry_anew() {
    let broker = InProcess::start();
    broker.connect(&Connect::v5("c").persistent()).disconnect();
    let shorter = broker.connect(&Connect {
        clean: false,
        ..Connect::v5("c")
    });
    assert!(shorter.session_present());
    shorter.disconnect();
    assert!(!broker.connect(&Connect::v5("c").persistent()).session_present());
}

/// A session knows no version: what one began, another takes up.
#[test]
fn a_session_is_taken_up_in_another_version() {
    let broker = InProcess::start();
    for (before, after) in [
        (Version::V311, V5),
        (V5, Version::V311),
        (Version::V31, V5),
        (V5, Version::V31),
    ] {
        let id = format!("{before:?} {after:?}");
        leave_a_session(&broker, &Connect::new(before, &id).persistent(), b"1");
        let mut client = broker.connect(&Connect::new(after, &id).persistent());
        assert_eq!(client.session_present(), after != Version::V31);
        assert_eq!(payloads(&mut client, 1), ["1"]);
        client.disconnect();
        broker.connect(&Connect::v5(&id)).disconnect();
    }
}

/// [MQTT-3.1.3-2]: the client id, and nothing else, names the session; letters count.
#[test]
fn sessions_belong_to_client_ids() {
    let broker = InProcess::start();
    leave_a_session(&broker, &Connect::v5("door").persistent(), b"1");
    for other in ["Door", "door ", "doo", "door/1"] {
        assert!(
            !broker.connect(&Connect::v5(other).persistent()).session_present(),
            "{other:?}"
        );
    }
    let named = Connect {
        username: Some("somebody".into()),
        ..Connect::v5("door").persistent()
    };
    assert!(broker.connect(&named).session_present());
}

/// [MQTT-3.1.2-5] of 3.1.1, [MQTT-4.5.0-1]: QoS 1 and 2 wait, in order; of QoS 0 nothing is promised.
#[test]
fn messages_of_both_qos_wait_in_order() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let connect = Connect::new(version, &format!("{version:?}")).persistent();
        let mut client = broker.connect(&connect);
        client.subscribe(&[("kept/#", Q2)]);
        client.disconnect();
        let mut publisher = broker.connect(&Connect::v5("publisher"));
        for n in 0..20u8 {
            let qos = if n % 3 == 0 { Q2 } else { Q1 };
            send(&mut publisher, qos, "kept/n", &[b'a' + n]);
        }
        let mut client = broker.connect(&connect);
        let messages = client.take_publishes(20);
        let text: Vec<u8> = messages.iter().map(|message| message.payload[0]).collect();
        assert_eq!(text, (b'a'..b'a' + 20).collect::<Vec<_>>());
        let exact = messages.iter().filter(|message| message.qos == Q2).count();
        assert_eq!(exact, 7);
        assert!(messages.iter().all(|message| !message.dup));
        client.disconnect();
        broker
            .connect(&Connect::new(version, &format!("{version:?}")))
            .disconnect();
    }
}

/// [MQTT-3.1.2-7] of 3.1.1: retained messages are no part of a session.
#[test]
fn retained_messages_outlive_the_publishers_session() {
    let broker = InProcess::start();
    let mut publisher = broker.connect(&Connect::v311("p"));
    publisher.publish(&Publish::qos1(1, "state", b"on").retain());
    publisher.expect_ack(AckKind::PubAck, 1);
    publisher.disconnect();
    broker.connect(&Connect::v5("p")).disconnect();
    let mut client = broker.connect(&Connect::v311("c"));
    client.subscribe(&[("state", Q1)]);
    assert_eq!(payloads(&mut client, 1), ["on"]);
}

/// K24: a limit on sessions is told, and sessions that exist go on.
#[test]
fn k24_sessions_beyond_the_limit_are_refused() {
    let broker = InProcess::with(|settings| settings.limits.sessions_max = 2);
    for id in ["a", "b"] {
        broker.connect(&Connect::v5(id).persistent()).disconnect();
    }
    assert_eq!(broker.open().start(&Connect::v5("c").persistent()).reason, 0x97);
    assert_eq!(broker.open().start(&Connect::v311("c").persistent()).reason, 3);
    broker.connect(&Connect::v311("c")).expect_nothing();
    assert!(broker.connect(&Connect::v5("a").persistent()).session_present());
    broker.connect(&Connect::v5("b")).disconnect();
    broker.connect(&Connect::v5("c").persistent()).expect_nothing();
}
