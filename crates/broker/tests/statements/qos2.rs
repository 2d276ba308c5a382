//! The receiving half of QoS 2 (section 4.3.3), with repeats at each step.

use crate::house::*;

fn watched(broker: &InProcess) -> Client {
    let mut witness = broker.connect(&Connect::v5("witness"));
    witness.subscribe(&[("a", Q2)]);
    witness
}

/// [MQTT-4.3.3-10], and [MQTT-4.3.3-2] of 3.1.1: PUBREC for each repeat, one message for all.
#[test]
fn a_repeated_publish_is_answered_and_not_delivered_again() {
    let broker = InProcess::start();
    let mut witness = watched(&broker);
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c"));
        for n in 0..5 {
            let publish = Publish::qos2(9, "a", b"x");
            client.publish(&if n > 0 { publish.dup() } else { publish });
            client.expect_ack(AckKind::PubRec, 9);
        }
        client.ack(AckKind::PubRel, 9);
        client.expect_ack(AckKind::PubComp, 9);
        assert_eq!(payloads(&mut witness, 1), ["x"]);
        witness.expect_nothing();
    }
}

/// [MQTT-4.3.3-10]: without DUP it is the same message all the same.
#[test]
fn a_repeat_without_dup_is_a_repeat() {
    let broker = InProcess::start();
    let mut witness = watched(&broker);
    let mut client = broker.connect(&Connect::v5("c"));
    for _ in 0..2 {
        client.publish(&Publish::qos2(9, "a", b"x"));
        assert!(client.expect_ack(AckKind::PubRec, 9) < 0x80);
    }
    assert_eq!(payloads(&mut witness, 1), ["x"]);
    witness.expect_nothing();
}

/// [MQTT-4.3.3-10], [MQTT-3.1.2-5]: across connections of one session, at each step.
#[test]
fn a_repeat_on_another_connection_is_a_repeat() {
    let broker = InProcess::start();
    let mut witness = watched(&broker);
    for version in VERSIONS {
        let connect = Connect::new(version, "c").persistent();
        let mut client = broker.connect(&connect);
        client.publish(&Publish::qos2(9, "a", b"x"));
        client.expect_ack(AckKind::PubRec, 9);
        for _ in 0..2 {
            client.cut();
            client = broker.connect(&connect);
            client.publish(&Publish::qos2(9, "a", b"x").dup());
            assert_eq!(client.expect_ack(AckKind::PubRec, 9), 0);
        }
        client.ack(AckKind::PubRel, 9);
        assert_eq!(client.expect_ack(AckKind::PubComp, 9), 0);
        client.cut();
        let mut client = broker.connect(&connect);
        // PUBCOMP may have been lost.
        client.ack(AckKind::PubRel, 9);
        let told = client.expect_ack(AckKind::PubComp, 9);
        assert_eq!(told, if version == V5 { 0x92 } else { 0 });
        assert_eq!(payloads(&mut witness, 1), ["x"]);
        witness.expect_nothing();
        client.disconnect();
        broker.connect(&Connect::new(version, "c")).disconnect();
    }
}

/// Section 4.1: with a new session nothing is known of the old one's identifiers.
#[test]
fn clean_start_forgets_receipts() {
    let broker = InProcess::start();
    let mut witness = watched(&broker);
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c").persistent());
        client.publish(&Publish::qos2(9, "a", b"1"));
        client.expect_ack(AckKind::PubRec, 9);
        client.cut();
        let mut client = broker.connect(&Connect::new(version, "c"));
        client.publish(&Publish::qos2(9, "a", b"2"));
        client.expect_ack(AckKind::PubRec, 9);
        assert_eq!(payloads(&mut witness, 2), ["1", "2"]);
    }
}

/// [MQTT-4.3.3-12]: after PUBCOMP the identifier is free.
#[test]
fn after_pubcomp_the_same_identifier_is_a_new_message() {
    let broker = InProcess::start();
    let mut witness = watched(&broker);
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c"));
        for dup in [false, true, false] {
            let publish = Publish::qos2(9, "a", b"x");
            client.publish(&if dup { publish.dup() } else { publish });
            client.expect_ack(AckKind::PubRec, 9);
            client.ack(AckKind::PubRel, 9);
            client.expect_ack(AckKind::PubComp, 9);
        }
        assert_eq!(payloads(&mut witness, 3).len(), 3);
        witness.expect_nothing();
    }
}

/// [MQTT-4.3.3-11]: each PUBREL has its PUBCOMP.
#[test]
fn a_repeated_pubrel_is_answered() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c"));
        client.publish(&Publish::qos2(9, "a", b"x"));
        client.expect_ack(AckKind::PubRec, 9);
        for n in 0..3 {
            client.ack(AckKind::PubRel, 9);
            let expected = if version == V5 && n > 0 { 0x92 } else { 0 };
            assert_eq!(client.expect_ack(AckKind::PubComp, 9), expected);
        }
    }
}

/// [MQTT-4.3.3-9]: a refused one is new when it comes again.
#[test]
fn a_refused_publish_is_new_when_it_comes_again() {
    let broker = InProcess::with(|settings| {
        settings.session.queue.messages_max = 1;
        settings.session.queue.when_full = restante_broker::settings::WhenFull::RejectPublisher;
    });
    let absent = Connect::v5("absent").persistent();
    let mut client = broker.connect(&absent);
    client.subscribe(&[("a", Q2)]);
    client.disconnect();
    let mut publisher = broker.connect(&Connect::v5("p").persistent());
    // The store says how full its queue is a moment after it has taken a message.
    let mut taken = 0;
    publisher.publish(&Publish::qos2(9, "a", b"taken"));
    while publisher.expect_ack(AckKind::PubRec, 9) < 0x80 {
        taken += 1;
        publisher.ack(AckKind::PubRel, 9);
        publisher.expect_ack(AckKind::PubComp, 9);
        assert!(taken < 1000, "never refused");
        publisher.publish(&Publish::qos2(9, "a", b"taken"));
    }
    let mut client = broker.connect(&absent);
    assert_eq!(payloads(&mut client, taken), vec!["taken"; taken]);
    // The same identifier; and there is room when the acknowledgements have reached the store.
    loop {
        publisher.publish(&Publish::qos2(9, "a", b"new"));
        if publisher.expect_ack(AckKind::PubRec, 9) < 0x80 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(payloads(&mut client, 1), ["new"]);
}

/// QoS 1 and QoS 2 identifiers are one space of the sender's; ours towards the client are another.
#[test]
fn both_sides_number_their_packets_for_themselves() {
    let broker = InProcess::start();
    for version in VERSIONS {
        let mut client = broker.connect(&Connect::new(version, "c"));
        client.subscribe(&[("a", Q2)]);
        client.publish(&Publish::qos2(1, "a", b"x"));
        let mut got = None;
        for _ in 0..2 {
            match client.expect() {
                Received::Publish(message) => got = Some(message.packet_id),
                Received::Ack(ack) => assert_eq!((ack.kind, ack.packet_id), (AckKind::PubRec, 1)),
                other => panic!("{other:?}"),
            }
        }
        let theirs = got.expect("the message");
        client.ack(AckKind::PubRec, theirs);
        client.expect_ack(AckKind::PubRel, theirs);
        client.ack(AckKind::PubRel, 1);
        client.expect_ack(AckKind::PubComp, 1);
        client.ack(AckKind::PubComp, theirs);
        client.expect_nothing();
    }
}
