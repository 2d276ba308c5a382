//! What a restart and a death leave behind: sessions, what waits, wills, shared groups. The log store only.

use restante_codec::packet::AckKind;
use restante_model::QoS;
use restante_testkit::{Client, Connect, Publish, sending::Will};

use crate::house::{Backing, House};

fn kept() -> Connect {
    Connect::v5("kept").persistent()
}

fn texts(client: &mut Client, count: usize) -> Vec<String> {
    let messages = client.take_publishes(count);
    let text = |message: &restante_testkit::Message| String::from_utf8_lossy(&message.payload).into_owned();
    messages.iter().map(text).collect()
}

#[test]
fn what_waits_survives_a_restart_and_is_delivered_in_order_once() {
    let mut house = House::open(Backing::Log, |_| {});
    let mut client = house.client(&kept());
    client.subscribe(&[("t", QoS::ExactlyOnce), ("t/#", QoS::AtLeastOnce)]);
    client.disconnect();
    let mut expected = Vec::new();
    for life in 0..3 {
        let mut publisher = house.publisher("p");
        for number in 0..20 {
            let text = format!("{life} {number}");
            publisher.publish_completed("t", text.as_bytes());
            expected.push(text);
        }
        drop(publisher);
        house = match life {
            1 => house.restart(),
            _ => house.crash_and_start(|_| {}),
        };
    }
    let mut client = house.client(&kept());
    assert!(client.session_present());
    assert_eq!(texts(&mut client, 60), expected);
    client.disconnect();
    let house = house.restart();
    house.client(&kept()).expect_nothing();
}

#[test]
fn k08_acknowledgements_are_in_the_store_after_a_stop() {
    let house = House::open(Backing::Log, |_| {});
    let mut client = house.client(&kept());
    client.subscribe(&[("t", QoS::AtLeastOnce), ("$share/g/t", QoS::AtLeastOnce)]);
    let mut publisher = house.publisher("p");
    for _ in 0..10 {
        publisher.publish_acked("t", b"x");
    }
    client.take_publishes(20);
    client.expect_nothing();
    // Connected still: the broker writes everybody's last word.
    let house = house.restart();
    house.client(&kept()).expect_nothing();
}

#[test]
fn k27_a_message_is_owed_by_the_plain_filter_and_by_the_group() {
    let house = House::open(Backing::Log, |_| {});
    let mut client = house.client(&kept());
    client.subscribe(&[("t", QoS::AtLeastOnce), ("$share/g/t", QoS::ExactlyOnce)]);
    house.publisher("p").publish_completed("t", b"both");
    // Both copies have been sent, and neither is acknowledged: of the plain one, at QoS 1, nothing is written.
    let sent = [client.expect_publish(), client.expect_publish()];
    let mut qos: Vec<QoS> = sent.iter().map(|message| message.qos).collect();
    qos.sort_unstable();
    assert_eq!(qos, [QoS::AtLeastOnce, QoS::ExactlyOnce]);
    let house = house.crash_and_start(|_| {});
    let mut client = house.client(&kept());
    assert_eq!(texts(&mut client, 2), ["both", "both"]);
    client.expect_nothing();
}

#[test]
fn k10_packet_ids_are_not_used_for_something_else_after_a_crash() {
    let house = House::open(Backing::Log, |_| {});
    let connect = kept().receive_maximum(20);
    let mut client = house.client(&connect);
    client.subscribe(&[("t", QoS::AtLeastOnce)]);
    let mut publisher = house.publisher("p");
    for number in 0..10 {
        publisher.publish_acked("t", number.to_string().as_bytes());
    }
    let before: Vec<_> = (0..10).map(|_| client.expect_publish()).collect();
    let house = house.crash_and_start(|_| {});
    let mut client = house.client(&connect);
    assert!(client.session_present());
    let after = client.take_publishes(10);
    for (sent, again) in before.iter().zip(&after) {
        assert_eq!(sent.payload, again.payload);
        assert!(
            before.iter().all(|sent| sent.packet_id != again.packet_id),
            "{again:?}"
        );
    }
}

#[test]
fn k11_a_will_survives_the_process_and_is_due_after_its_delay_unless_the_client_is_back() {
    let house = House::open(Backing::Log, |settings| settings.limits.wills_per_second = 1_000);
    let mut watcher = house.client(&kept());
    watcher.subscribe(&[("gone/+", QoS::AtLeastOnce)]);
    watcher.disconnect();
    let with_will = |id: &str, delay| {
        let will = Will::new(&format!("gone/{id}"), b"gone")
            .qos(QoS::AtLeastOnce)
            .delay(delay);
        Connect::v5(id).persistent().will(will)
    };
    let clients: Vec<_> = [("at-once", 0), ("later", 1), ("back", 2)]
        .map(|(id, delay)| house.client(&with_will(id, delay)))
        .into();
    // One without a session.
    let will = Will::new("gone/volatile", b"gone").qos(QoS::AtLeastOnce);
    let volatile = house.client(&Connect::v5("volatile").will(will));
    let house = house.crash_and_start(|_| {});
    drop((clients, volatile));
    let back = house.client(&with_will("back", 2));
    assert!(back.session_present());
    let mut watcher = house.client(&kept());
    let mut topics: Vec<_> = watcher
        .take_publishes(3)
        .iter()
        .map(|message| message.topic.clone())
        .collect();
    topics.sort_unstable();
    assert_eq!(topics, ["gone/at-once", "gone/later", "gone/volatile"]);
    back.disconnect();
    // Longer than the delay of the one that came back.
    std::thread::sleep(std::time::Duration::from_millis(2_300));
    watcher.expect_nothing();
    // A will that was published is not published again.
    watcher.disconnect();
    let house = house.restart();
    std::thread::sleep(std::time::Duration::from_millis(600));
    house.client(&kept()).expect_nothing();
}

#[test]
fn k11_wills_that_fall_due_together_go_out_at_a_bounded_rate() {
    const COUNT: usize = 40;
    let house = House::open(Backing::Log, |_| {});
    let mut watcher = house.client(&kept());
    watcher.subscribe(&[("gone/+", QoS::AtLeastOnce)]);
    let clients: Vec<_> = (0..COUNT)
        .map(|number| {
            let will = Will::new(&format!("gone/{number}"), b"gone").qos(QoS::AtLeastOnce);
            house.client(
                &Connect::v5(&format!("c{number}"))
                    .session_expiry((number % 2) as u32)
                    .will(will),
            )
        })
        .collect();
    // Four in each round of a quarter of a second.
    let house = house.crash_and_start(|settings| settings.limits.wills_per_second = 16);
    drop((clients, watcher));
    let started = std::time::Instant::now();
    let mut watcher = house.client(&kept());
    let mut topics: Vec<_> = watcher
        .take_publishes(COUNT)
        .iter()
        .map(|message| message.topic.clone())
        .collect();
    // Ten rounds cannot be over sooner, however slow the machine.
    assert!(started.elapsed() >= std::time::Duration::from_millis(1_500));
    topics.sort_unstable();
    topics.dedup();
    assert_eq!(topics.len(), COUNT);
    watcher.expect_nothing();
}

#[test]
fn k29_sessions_that_were_connected_count_as_disconnected_at_the_restart() {
    let house = House::open(Backing::Log, |_| {});
    let connect = kept().session_expiry(2);
    let mut client = house.client(&connect);
    client.subscribe(&[("t", QoS::AtLeastOnce)]);
    // Connected for longer than its expiry.
    std::thread::sleep(std::time::Duration::from_millis(2_200));
    let house = house.crash_and_start(|_| {});
    house.publisher("p").publish_acked("t", b"in time");
    let mut client = house.client(&connect);
    assert!(client.session_present());
    assert_eq!(texts(&mut client, 1), ["in time"]);
    client.cut();
    house.until("the session to expire", |house| {
        house.figures().sessions_absent == 0
    });
}

#[test]
fn k27_a_shared_group_survives_and_is_served_to_a_member_that_opens_no_session() {
    let house = House::open(Backing::Log, |_| {});
    for id in ["kept", "other"] {
        let mut client = house.client(&Connect::v5(id).persistent());
        client.subscribe(&[("$share/crew/t", QoS::ExactlyOnce)]);
        client.disconnect();
    }
    let mut publisher = house.publisher("p");
    for number in 0..30 {
        publisher.publish_completed("t", number.to_string().as_bytes());
    }
    let house = house.crash_and_start(|_| {});
    let mut guest = house.client(&Connect::v5("guest"));
    crate::house::send_subscribe(&mut guest, "$share/crew/t", QoS::ExactlyOnce);
    assert!(matches!(guest.expect(), restante_testkit::Received::SubAck(..)));
    assert_eq!(
        texts(&mut guest, 30),
        (0..30).map(|n| n.to_string()).collect::<Vec<_>>()
    );
    let house = house.restart();
    house.client(&kept()).expect_nothing();
    // The last member's leaving closes the queue.
    house.client(&Connect::v5("kept")).disconnect();
    house.client(&Connect::v5("other")).disconnect();
    house.until("the queue to be closed", |house| {
        house.store_figures().queues == 0
    });
}

#[test]
fn k02_an_exchange_goes_on_after_a_crash_at_each_half_step() {
    for steps in 1..=3 {
        let mut house = House::open(Backing::Log, |_| {});
        let mut client = house.client(&kept());
        client.subscribe(&[("t", QoS::ExactlyOnce)]);
        let connect = Connect::v5("p").persistent();
        let mut publisher = house.client(&connect);
        publisher.publish(&Publish::qos2(5, "t", b"once"));
        publisher.expect_ack(AckKind::PubRec, 5);
        let sent = client.expect_publish();
        if steps >= 2 {
            client.ack(AckKind::PubRec, sent.packet_id);
            client.expect_ack(AckKind::PubRel, sent.packet_id);
        }
        if steps >= 3 {
            client.ack(AckKind::PubComp, sent.packet_id);
            client.expect_nothing();
        }
        house = house.crash_and_start(|_| {});
        let mut client = house.client(&kept());
        match steps {
            1 => {
                let again = client.take_publishes(1).remove(0);
                assert_eq!((again.dup, again.packet_id), (true, sent.packet_id));
            }
            2 => {
                client.expect_ack(AckKind::PubRel, sent.packet_id);
                client.ack(AckKind::PubComp, sent.packet_id);
            }
            // The PUBCOMP may not have been in the store yet; then PUBREL comes once more.
            _ => {
                client.send(&restante_codec::client::PINGREQ).expect("open");
                match client.expect() {
                    restante_testkit::Received::Ack(ack) => assert_eq!(ack.kind, AckKind::PubRel),
                    other => assert_eq!(other, restante_testkit::Received::PingResp),
                }
            }
        }
        let mut publisher = house.client(&connect);
        publisher.publish(&Publish::qos2(5, "t", b"once").dup());
        publisher.expect_ack(AckKind::PubRec, 5);
        publisher.ack(AckKind::PubRel, 5);
        publisher.expect_ack(AckKind::PubComp, 5);
        publisher.publish_completed("t", b"and another");
        loop {
            match client.expect() {
                restante_testkit::Received::Publish(message) => {
                    assert_eq!(message.payload, b"and another");
                    break;
                }
                restante_testkit::Received::Ack(_) | restante_testkit::Received::PingResp => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
