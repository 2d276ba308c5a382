//! Shared subscriptions (K27): one queue, leases, and what becomes of them when members come and go.

use std::{collections::HashSet, time::Duration};

use restante_codec::packet::AckKind;
use restante_model::{NotKept, QoS};
use restante_testkit::{Client, Connect, Message, Publish, Received};

use crate::house::{Backing, House};

on_each_store! {
    k27_absent_members_keep_the_messages_and_one_gets_them
    k27_a_qos_1_lease_goes_to_another_when_its_member_leaves
    k27_a_started_qos_2_message_stays_with_its_session
    k27_a_started_qos_2_message_ends_with_its_session
    k27_refused_by_a_client_is_ended_for_the_group
    k27_a_member_without_room_does_not_hold_up_the_others
    k27_a_member_of_two_groups_is_asked_again_by_both
    k27_unsubscribing_completes_what_was_begun
    k27_persistent_and_clean_members_share_while_they_come_and_go
    k27_an_overlapping_subscription_of_its_own_gets_its_own_copy
}

const FILTER: &str = "$share/crew/t";

fn member(house: &House, id: &str, window: u16, qos: QoS) -> Client {
    let mut client = house.client(&Connect::v5(id).persistent().receive_maximum(window));
    client.subscribe(&[(FILTER, qos)]);
    client
}

fn number(message: &Message) -> u32 {
    String::from_utf8_lossy(&message.payload)
        .parse()
        .expect("a number")
}

fn publish(publisher: &mut Client, qos: QoS, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let payload = number.to_string().into_bytes();
        match qos {
            QoS::ExactlyOnce => publisher.publish_completed("t", &payload),
            _ => publisher.publish_acked("t", &payload),
        }
    }
}

fn k27_absent_members_keep_the_messages_and_one_gets_them(backing: Backing) {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let house = House::open(backing, |_| {});
        let mut publisher = house.publisher("p");
        member(&house, "one", 10, qos).disconnect();
        member(&house, "two", 10, qos).disconnect();
        publish(&mut publisher, qos, 0..600);
        let mut one = house.client(&Connect::v5("one").persistent());
        let got: Vec<_> = one.take_publishes(600).iter().map(number).collect();
        assert_eq!(got, (0..600).collect::<Vec<_>>());
        one.expect_nothing();
        let mut two = house.client(&Connect::v5("two").persistent());
        two.expect_nothing();
        one.disconnect();
        two.disconnect();
        house.client(&Connect::v5("one").persistent()).expect_nothing();
    }
}

fn k27_a_qos_1_lease_goes_to_another_when_its_member_leaves(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let mut one = member(&house, "one", 100, QoS::AtLeastOnce);
    publish(&mut publisher, QoS::AtLeastOnce, 0..20);
    let leased: Vec<_> = (0..20).map(|_| number(&one.expect_publish())).collect();
    assert_eq!(leased, (0..20).collect::<Vec<_>>());
    let mut two = member(&house, "two", 100, QoS::AtLeastOnce);
    two.expect_nothing();
    one.cut();
    let got: HashSet<_> = two.take_publishes(20).iter().map(number).collect();
    assert_eq!(got, (0..20).collect::<HashSet<_>>());
    // The one that left does not get them too.
    house.client(&Connect::v5("one").persistent()).expect_nothing();
    two.expect_nothing();
}

fn k27_a_started_qos_2_message_stays_with_its_session(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let mut one = member(&house, "one", 100, QoS::ExactlyOnce);
    publish(&mut publisher, QoS::ExactlyOnce, 0..2);
    let first = one.expect_publish();
    let second = one.expect_publish();
    one.ack(AckKind::PubRec, second.packet_id);
    one.expect_ack(AckKind::PubRel, second.packet_id);
    let mut two = member(&house, "two", 100, QoS::ExactlyOnce);
    one.cut();
    publish(&mut publisher, QoS::ExactlyOnce, 2..3);
    assert_eq!(number(&two.take_publishes(1)[0]), 2);
    two.expect_nothing();
    let mut one = house.client(&Connect::v5("one").persistent());
    let again = one.expect_publish();
    assert_eq!(
        (again.dup, again.packet_id, number(&again)),
        (true, first.packet_id, 0)
    );
    one.ack(AckKind::PubRec, again.packet_id);
    one.expect_ack(AckKind::PubRel, second.packet_id);
    one.expect_ack(AckKind::PubRel, again.packet_id);
    one.ack(AckKind::PubComp, second.packet_id);
    one.ack(AckKind::PubComp, again.packet_id);
    one.expect_nothing();
}

fn k27_a_started_qos_2_message_ends_with_its_session(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    // A clean member, one that ends its session by DISCONNECT, and one whose session is cleared.
    let keeper = member(&house, "keeper", 100, QoS::ExactlyOnce);
    keeper.disconnect();
    for (round, end) in ["clean", "expiry 0", "cleared"].into_iter().enumerate() {
        let connect = match end {
            "clean" => Connect::v5("one"),
            _ => Connect::v5("one").persistent(),
        };
        let mut one = house.client(&connect);
        one.subscribe(&[(FILTER, QoS::ExactlyOnce)]);
        let round = round as u32;
        publish(&mut publisher, QoS::ExactlyOnce, round..round + 1);
        assert_eq!(number(&one.expect_publish()), round);
        if end == "expiry 0" {
            one.cut();
            one = house.client(&connect.clone().session_expiry(0));
            assert!(one.expect_publish().dup);
        }
        one.cut();
        if end == "cleared" {
            house.client(&Connect::v5("one")).disconnect();
        }
        let mut keeper = house.client(&Connect::v5("keeper").persistent());
        keeper.expect_nothing();
        keeper.disconnect();
    }
    house.until_not_kept(NotKept::Acknowledged, 0);
}

fn k27_refused_by_a_client_is_ended_for_the_group(backing: Backing) {
    for (qos, kind) in [
        (QoS::AtLeastOnce, AckKind::PubAck),
        (QoS::ExactlyOnce, AckKind::PubRec),
    ] {
        let house = House::open(backing, |_| {});
        let mut publisher = house.publisher("p");
        let mut one = member(&house, "one", 100, qos);
        let mut two = member(&house, "two", 100, qos);
        publish(&mut publisher, qos, 0..2);
        for client in [&mut one, &mut two] {
            let message = client.expect_publish();
            client.ack_with(kind, message.packet_id, 0x83);
        }
        one.expect_nothing();
        two.expect_nothing();
        one.cut();
        two.expect_nothing();
        house.until_not_kept(NotKept::RefusedByClient, 2);
    }
}

fn k27_a_member_without_room_does_not_hold_up_the_others(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let mut stuck = member(&house, "stuck", 1, QoS::AtLeastOnce);
    let mut quick = member(&house, "quick", 10, QoS::AtLeastOnce);
    publish(&mut publisher, QoS::AtLeastOnce, 0..2);
    let (held, _) = (stuck.expect_publish(), quick.take_publishes(1));
    // One at a time: each is for the one with room, whoever's turn it is.
    for number in 2..20 {
        publish(&mut publisher, QoS::AtLeastOnce, number..number + 1);
        quick.take_publishes(1);
    }
    stuck.ack(AckKind::PubAck, held.packet_id);
    stuck.expect_nothing();
    publish(&mut publisher, QoS::AtLeastOnce, 20..22);
    // Both have room again.
    stuck.take_publishes(1);
    quick.take_publishes(1);
}

fn k27_a_member_of_two_groups_is_asked_again_by_both(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let both = [
        ("$share/a/t", QoS::AtLeastOnce),
        ("$share/b/t", QoS::AtLeastOnce),
        ("t", QoS::AtLeastOnce),
    ];
    let mut one = house.client(&Connect::v5("one").persistent().receive_maximum(1));
    one.subscribe(&both);
    publish(&mut publisher, QoS::AtLeastOnce, 0..30);
    let got = one.take_publishes(90);
    for wanted in 0..30 {
        assert_eq!(got.iter().filter(|message| number(message) == wanted).count(), 3);
    }
    one.expect_nothing();
}

fn k27_unsubscribing_completes_what_was_begun(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    member(&house, "two", 100, QoS::AtLeastOnce).disconnect();
    let mut one = member(&house, "one", 4, QoS::AtLeastOnce);
    publish(&mut publisher, QoS::AtLeastOnce, 0..8);
    let begun: Vec<_> = (0..4).map(|_| one.expect_publish()).collect();
    one.unsubscribe(&[FILTER]);
    let mut two = house.client(&Connect::v5("two").persistent());
    // What was not begun goes to the other, what was begun does not.
    let mut got: Vec<_> = two.take_publishes(4).iter().map(number).collect();
    got.sort_unstable();
    assert_eq!(got, [4, 5, 6, 7]);
    two.expect_nothing();
    for message in &begun[..3] {
        one.ack(AckKind::PubAck, message.packet_id);
    }
    one.expect_nothing();
    two.disconnect();
    // The fourth is given back, and kept for who comes.
    one.cut();
    let mut two = house.client(&Connect::v5("two").persistent());
    assert_eq!(number(&two.take_publishes(1)[0]), 3);
    two.expect_nothing();
}

fn k27_persistent_and_clean_members_share_while_they_come_and_go(backing: Backing) {
    const COUNT: u32 = 2_000;
    let house = House::open(backing, |_| {});
    let steady = member(&house, "steady", 20, QoS::AtLeastOnce);
    let address = house.address;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut publisher = house.publisher("p");
            publish(&mut publisher, QoS::AtLeastOnce, 0..COUNT);
        });
        let guests: Vec<_> = (0..2)
            .map(|guest| {
                scope.spawn(move || {
                    let mut acknowledged = HashSet::new();
                    for visit in 0..20 {
                        let mut connect = Connect::v5(&format!("guest-{guest}")).receive_maximum(8);
                        if (visit + guest) % 2 == 0 {
                            connect = connect.persistent();
                        }
                        let mut client = Client::connect(address, &connect);
                        // Messages may come before SUBACK.
                        crate::house::send_subscribe(&mut client, FILTER, QoS::AtLeastOnce);
                        for _ in 0..10 {
                            match client.receive(Duration::from_millis(30)) {
                                Ok(Received::Publish(message)) => {
                                    client.ack(AckKind::PubAck, message.packet_id);
                                    acknowledged.insert(number(&message));
                                }
                                Ok(_) => {}
                                Err(_) => break,
                            }
                        }
                        // With whatever is on its way.
                        client.cut();
                    }
                    acknowledged
                })
            })
            .collect();
        let mut acknowledged: HashSet<u32> = HashSet::new();
        let mut steady = steady;
        let mut rest: HashSet<u32> = HashSet::new();
        for guest in guests {
            acknowledged.extend(guest.join().expect("no panic"));
        }
        while acknowledged.union(&rest).count() < COUNT as usize {
            let message = steady.expect_publish();
            steady.ack(AckKind::PubAck, message.packet_id);
            rest.insert(number(&message));
        }
    });
}

/// A shared and a plain subscription are two: each brings the message.
fn k27_an_overlapping_subscription_of_its_own_gets_its_own_copy(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let mut one = house.client(&Connect::v5("one").persistent().receive_maximum(3));
    one.subscribe(&[("t", QoS::ExactlyOnce), (FILTER, QoS::ExactlyOnce)]);
    for round in 0..10 {
        for message in 0..5 {
            let payload = (round * 5 + message).to_string();
            publisher.publish(&Publish::qos1(publisher_id(message), "t", payload.as_bytes()));
        }
        for message in 0..5 {
            publisher.expect_ack(AckKind::PubAck, publisher_id(message));
        }
        let got = one.take_publishes(10);
        for wanted in round * 5..round * 5 + 5 {
            assert_eq!(got.iter().filter(|message| number(message) == wanted).count(), 2);
        }
    }
    one.expect_nothing();
}

fn publisher_id(message: u32) -> u16 {
    message as u16 + 1
}
