//! Coming back: what was in flight first, then what waited, then what comes, with no gap, no repeat and no reordering.

use restante_codec::packet::AckKind;
use restante_model::{NotKept, QoS};
use restante_testkit::{Client, Connect, Publish, Received};

use crate::house::{Backing, House};

on_each_store! {
    k10_what_was_in_flight_comes_first_with_dup_and_its_old_ids
    k10_what_was_acknowledged_out_of_order_does_not_come_again
    k10_acknowledgements_may_come_before_anything_is_sent_again
    a_smaller_window_after_the_return_is_kept_to
    qos_2_towards_the_client_is_exactly_once_at_every_half_step
    qos_2_from_the_client_is_exactly_once_at_every_half_step
    a_session_resumed_with_expiry_0_is_given_what_waited_and_ends
    k26_a_client_that_takes_slowly_loses_nothing
    a_qos_2_backlog_larger_than_the_outgoing_buffer_flows
}

fn numbered(number: usize) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn numbers(messages: &[restante_testkit::Message]) -> Vec<usize> {
    messages
        .iter()
        .map(|message| {
            String::from_utf8_lossy(&message.payload)
                .parse()
                .expect("a number")
        })
        .collect()
}

fn publish_numbers(publisher: &mut Client, qos: QoS, numbers: std::ops::Range<usize>) {
    for number in numbers {
        match qos {
            QoS::AtMostOnce => publisher.publish(&Publish::qos0("t", &numbered(number))),
            QoS::AtLeastOnce => publisher.publish_acked("t", &numbered(number)),
            QoS::ExactlyOnce => publisher.publish_completed("t", &numbered(number)),
        }
    }
}

/// A persistent 5.0 client with a window.
fn with_window(window: u16) -> Connect {
    Connect::v5("kept").persistent().receive_maximum(window)
}

fn k10_what_was_in_flight_comes_first_with_dup_and_its_old_ids(backing: Backing) {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let house = House::open(backing, |_| {});
        let mut publisher = house.publisher("p");
        let mut kept = house.client(&with_window(3));
        kept.subscribe(&[("t", qos)]);
        publish_numbers(&mut publisher, qos, 0..5);
        let before: Vec<_> = (0..3).map(|_| kept.expect_publish()).collect();
        kept.cut();
        publish_numbers(&mut publisher, qos, 5..8);
        let mut kept = house.client(&with_window(3));
        assert!(kept.session_present());
        for sent in &before {
            let again = kept.expect_publish();
            assert!(again.dup && !sent.dup, "{again:?}");
            assert_eq!((again.packet_id, &again.payload), (sent.packet_id, &sent.payload));
        }
        // The window is full.
        kept.expect_nothing();
        let mut last_step = AckKind::PubAck;
        if qos == QoS::ExactlyOnce {
            last_step = AckKind::PubComp;
            for sent in &before {
                kept.ack(AckKind::PubRec, sent.packet_id);
                kept.expect_ack(AckKind::PubRel, sent.packet_id);
            }
        }
        for sent in &before {
            kept.ack(last_step, sent.packet_id);
        }
        publish_numbers(&mut publisher, qos, 8..9);
        let rest = kept.take_publishes(6);
        assert_eq!(numbers(&rest), (3..9).collect::<Vec<_>>());
        assert!(rest.iter().all(|message| !message.dup));
        kept.expect_nothing();
    }
}

fn k10_what_was_acknowledged_out_of_order_does_not_come_again(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let mut kept = house.client(&with_window(10));
    kept.subscribe(&[("t", QoS::AtLeastOnce)]);
    publish_numbers(&mut publisher, QoS::AtLeastOnce, 0..10);
    let sent: Vec<_> = (0..10).map(|_| kept.expect_publish()).collect();
    for number in [1, 4, 5, 9] {
        kept.ack(AckKind::PubAck, sent[number].packet_id);
    }
    kept.expect_nothing();
    kept.disconnect();
    let mut kept = house.client(&with_window(10));
    let again = kept.take_publishes(6);
    assert_eq!(numbers(&again), [0, 2, 3, 6, 7, 8]);
    kept.expect_nothing();
    kept.disconnect();
    house.client(&with_window(10)).expect_nothing();
}

/// A client may remember what it owes from its last connection and say it at once.
fn k10_acknowledgements_may_come_before_anything_is_sent_again(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let mut kept = house.client(&with_window(200));
    kept.subscribe(&[("t", QoS::AtLeastOnce)]);
    publish_numbers(&mut publisher, QoS::AtLeastOnce, 0..200);
    let sent: Vec<_> = (0..200).map(|_| kept.expect_publish()).collect();
    kept.cut();
    // CONNECT and 150 acknowledgements in one segment.
    let mut bytes = with_window(200).bytes();
    for message in &sent[..150] {
        let version = restante_codec::packet::Version::V5;
        restante_testkit::client::write_ack(version, AckKind::PubAck, message.packet_id, 0, &mut bytes);
    }
    let mut kept = Client::open(house.address);
    kept.speak(restante_codec::packet::Version::V5);
    kept.send(&bytes).expect("open");
    assert!(matches!(kept.expect(), Received::ConnAck(connack) if connack.session_present));
    // Some of those may have gone out again before their acknowledgement was read.
    let mut seen = Vec::new();
    while seen.last() != Some(&199) {
        let message = kept.expect_publish();
        kept.ack(AckKind::PubAck, message.packet_id);
        seen.push(numbers(&[message])[0]);
    }
    assert!(seen.is_sorted(), "{seen:?}");
    let owed: Vec<_> = seen.into_iter().filter(|&number| number >= 150).collect();
    assert_eq!(owed, (150..200).collect::<Vec<_>>());
    assert_eq!(house.not_kept(NotKept::Damaged), 0);
}

fn a_smaller_window_after_the_return_is_kept_to(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let mut kept = house.client(&with_window(50));
    kept.subscribe(&[("t", QoS::ExactlyOnce)]);
    publish_numbers(&mut publisher, QoS::ExactlyOnce, 0..60);
    for _ in 0..50 {
        kept.expect_publish();
    }
    kept.cut();
    let mut kept = house.client(&with_window(2));
    let mut got = Vec::new();
    while got.len() < 60 {
        let mut unfinished = Vec::new();
        for _ in 0..2 {
            unfinished.push(kept.expect_publish());
        }
        kept.expect_nothing();
        for message in &unfinished {
            kept.ack(AckKind::PubRec, message.packet_id);
            kept.expect_ack(AckKind::PubRel, message.packet_id);
        }
        // PUBREL does not make room, PUBCOMP does [MQTT-3.3.4-9].
        kept.expect_nothing();
        got.extend(numbers(&unfinished));
        // Both at once, so that what comes next does not come in between.
        let mut bytes = Vec::new();
        for message in &unfinished {
            restante_testkit::client::write_ack(
                kept.version(),
                AckKind::PubComp,
                message.packet_id,
                0,
                &mut bytes,
            );
        }
        kept.send(&bytes).expect("open");
    }
    assert_eq!(got, (0..60).collect::<Vec<_>>());
    kept.expect_nothing();
}

/// The connection is cut after each step of a delivery: PUBLISH, PUBREC, PUBREL, PUBCOMP.
fn qos_2_towards_the_client_is_exactly_once_at_every_half_step(backing: Backing) {
    for (connect, steps) in [Connect::v5("kept"), Connect::v311("kept")]
        .into_iter()
        .flat_map(|connect| (0..=4).map(move |steps| (connect.clone().persistent(), steps)))
    {
        let house = House::open(backing, |_| {});
        let mut publisher = house.publisher("p");
        let mut kept = house.client(&connect);
        kept.subscribe(&[("t", QoS::ExactlyOnce)]);
        if steps == 0 {
            kept.disconnect();
            publish_numbers(&mut publisher, QoS::ExactlyOnce, 0..1);
        } else {
            publish_numbers(&mut publisher, QoS::ExactlyOnce, 0..1);
            let message = kept.expect_publish();
            if steps >= 2 {
                kept.ack(AckKind::PubRec, message.packet_id);
                kept.expect_ack(AckKind::PubRel, message.packet_id);
            }
            if steps >= 4 {
                kept.ack(AckKind::PubComp, message.packet_id);
                kept.expect_nothing();
            }
            kept.cut();
        }
        let mut kept = house.client(&connect);
        assert!(kept.session_present());
        match steps {
            0 | 1 => {
                let message = kept.expect_publish();
                assert_eq!((message.dup, &message.payload[..]), (steps == 1, &b"0"[..]));
                kept.ack(AckKind::PubRec, message.packet_id);
                kept.expect_ack(AckKind::PubRel, message.packet_id);
                kept.ack(AckKind::PubComp, message.packet_id);
            }
            2 | 3 => match kept.expect() {
                Received::Ack(ack) if ack.kind == AckKind::PubRel => {
                    kept.ack(AckKind::PubComp, ack.packet_id);
                }
                other => panic!("after {steps} steps came {other:?}"),
            },
            _ => {}
        }
        kept.expect_nothing();
        kept.disconnect();
        house.client(&connect).expect_nothing();
        house.until_not_kept(NotKept::Acknowledged, 1);
    }
}

/// The publisher's connection is cut after each step: PUBLISH, PUBREC, PUBREL, PUBCOMP; then it sends what it has not
/// seen answered again.
fn qos_2_from_the_client_is_exactly_once_at_every_half_step(backing: Backing) {
    for (connect, steps) in [Connect::v5("p"), Connect::v311("p")]
        .into_iter()
        .flat_map(|connect| (1..=4).map(move |steps| (connect.clone().persistent(), steps)))
    {
        let house = House::open(backing, |_| {});
        let mut kept = house.client(&Connect::v5("kept").persistent());
        kept.subscribe(&[("t", QoS::ExactlyOnce)]);
        let mut publisher = house.client(&connect);
        publisher.publish(&Publish::qos2(9, "t", b"0"));
        if steps >= 2 {
            publisher.expect_ack(AckKind::PubRec, 9);
        }
        if steps >= 3 {
            publisher.ack(AckKind::PubRel, 9);
        }
        if steps >= 4 {
            publisher.expect_ack(AckKind::PubComp, 9);
        }
        if steps == 1 {
            // Arrived, whatever becomes of the answer.
            assert_eq!(kept.take_publishes(1).len(), 1);
        }
        publisher.cut();
        let mut publisher = house.client(&connect);
        assert!(publisher.session_present());
        if steps <= 2 {
            publisher.publish(&Publish::qos2(9, "t", b"0").dup());
            publisher.expect_ack(AckKind::PubRec, 9);
        }
        publisher.ack(AckKind::PubRel, 9);
        publisher.expect_ack(AckKind::PubComp, 9);
        // The id is free: this is another message.
        publisher.publish(&Publish::qos2(9, "t", b"1"));
        publisher.expect_ack(AckKind::PubRec, 9);
        let left = if steps == 1 { 1 } else { 2 };
        let rest = kept.take_publishes(left);
        assert_eq!(numbers(&rest), if left == 1 { vec![1] } else { vec![0, 1] });
        kept.expect_nothing();
    }
}

fn a_session_resumed_with_expiry_0_is_given_what_waited_and_ends(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let mut kept = house.client(&with_window(10));
    kept.subscribe(&[("t", QoS::ExactlyOnce)]);
    kept.disconnect();
    publish_numbers(&mut publisher, QoS::ExactlyOnce, 0..25);
    let last = with_window(10).session_expiry(0);
    let mut kept = house.client(&last);
    assert!(kept.session_present());
    publish_numbers(&mut publisher, QoS::ExactlyOnce, 25..30);
    assert_eq!(numbers(&kept.take_publishes(30)), (0..30).collect::<Vec<_>>());
    kept.disconnect();
    house.until("no session", |house| {
        let figures = house.figures();
        (figures.sessions_absent, figures.sessions_present) == (0, 0)
    });
    let mut kept = house.client(&with_window(10));
    assert!(!kept.session_present());
    publish_numbers(&mut publisher, QoS::ExactlyOnce, 30..31);
    kept.expect_nothing();
}

/// Much more than a ring, a page and the sockets hold, for a client that reads nothing until it is all there.
fn k26_a_client_that_takes_slowly_loses_nothing(backing: Backing) {
    const COUNT: usize = 6_000;
    let house = House::open(backing, |settings| {
        settings.session.queue.bytes_max = 0;
        settings.session.queue.messages_max = 0;
    });
    let mut slow = house.client(&with_window(5_000));
    slow.subscribe(&[("t/#", QoS::AtLeastOnce), ("#", QoS::AtLeastOnce)]);
    let mut publisher = house.client(&Connect::v311("p"));
    let filler = vec![b'.'; 1_500];
    let mut answered = 0;
    for number in 0..COUNT {
        let mut payload = format!("{number}.").into_bytes();
        payload.extend_from_slice(&filler);
        let id = (number % 60_000 + 1) as u16;
        publisher.publish(&Publish::qos1(id, "t/x", &payload));
        while number - answered >= 64 {
            assert!(matches!(publisher.expect(), Received::Ack(_)));
            answered += 1;
        }
    }
    // Nothing was read so far. Live messages go on arriving while the backlog is read.
    let mut seen = 0;
    while seen < COUNT {
        let message = slow.expect_publish();
        let number = message
            .payload
            .split(|&byte| byte == b'.')
            .next()
            .unwrap_or_default();
        assert_eq!(number, numbered(seen), "after {seen}");
        slow.ack(AckKind::PubAck, message.packet_id);
        seen += 1;
    }
    slow.expect_nothing();
    house.until_not_kept(NotKept::Acknowledged, COUNT as u64);
}

fn a_qos_2_backlog_larger_than_the_outgoing_buffer_flows(backing: Backing) {
    let house = House::open(backing, |settings| settings.limits.outgoing_bytes_max = 16 << 10);
    let mut kept = house.client(&with_window(100));
    kept.subscribe(&[("t", QoS::ExactlyOnce)]);
    kept.disconnect();
    let mut publisher = house.publisher("p");
    for _ in 0..100 {
        publisher.publish_completed("t", &[7; 4_000]);
    }
    let mut kept = house.client(&with_window(100));
    assert_eq!(kept.take_publishes(100).len(), 100);
    kept.expect_nothing();
}
