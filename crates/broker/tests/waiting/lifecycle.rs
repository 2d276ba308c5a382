//! The lifecycle of what waits: kept while the session lives, delivered on return, gone when the session is cleared or
//! expires, or the message does. For 3.1.1 (clean session) and 5.0 (clean start and session expiry).

use std::time::Duration;

use restante_codec::packet::Version;
use restante_model::{NotKept, QoS};
use restante_testkit::{Client, Connect, Publish};

use crate::house::{Backing, House};

on_each_store! {
    what_is_published_for_the_absent_waits_and_is_delivered_on_return
    qos_0_does_not_wait_for_the_absent
    a_clean_start_clears_the_session
    a_session_that_was_never_persistent_keeps_nothing
    k16_an_expired_session_is_gone_with_all_that_waited
    the_session_expiry_of_3_1_1_is_ours
    k21_a_session_expiry_that_is_capped_is_told_and_kept_to
    disconnect_can_shorten_the_session
    k21_an_expired_message_is_not_delivered_and_the_rest_of_its_time_is_told
    k21_our_own_message_expiry_is_applied_and_not_told
    k21_an_expiry_of_0_is_for_who_is_present
    k16_k29_many_sessions_expire_while_others_go_on
}

/// Both ways of being persistent.
fn kinds() -> [Connect; 2] {
    [
        Connect::v311("kept").persistent(),
        Connect::v5("kept").persistent(),
    ]
}

fn subscribed_and_absent(house: &House, connect: &Connect) {
    let mut client = house.client(connect);
    client.subscribe(&[("t", QoS::ExactlyOnce)]);
    client.disconnect();
}

fn payloads(client: &mut Client, count: usize) -> Vec<String> {
    let messages = client.take_publishes(count);
    let text = |message: &restante_testkit::Message| String::from_utf8_lossy(&message.payload).into_owned();
    messages.iter().map(text).collect()
}

fn what_is_published_for_the_absent_waits_and_is_delivered_on_return(backing: Backing) {
    for connect in kinds() {
        let house = House::open(backing, |_| {});
        subscribed_and_absent(&house, &connect);
        let mut publisher = house.publisher("p");
        publisher.publish_acked("t", b"one");
        publisher.publish_completed("t", b"two");
        let mut client = house.client(&connect);
        // 3.1.1 says it too [MQTT-3.2.2-2].
        assert!(client.session_present());
        let got = client.take_publishes(2);
        assert_eq!((&got[0].payload[..], got[0].qos), (&b"one"[..], QoS::AtLeastOnce));
        assert_eq!((&got[1].payload[..], got[1].qos), (&b"two"[..], QoS::ExactlyOnce));
        client.disconnect();
        house.client(&connect).expect_nothing();
        house.until_not_kept(NotKept::Acknowledged, 2);
    }
}

fn qos_0_does_not_wait_for_the_absent(backing: Backing) {
    let house = House::open(backing, |_| {});
    let connect = Connect::v5("kept").persistent();
    let mut client = house.client(&connect);
    client.subscribe(&[("t", QoS::ExactlyOnce), ("zero", QoS::AtMostOnce)]);
    client.disconnect();
    let mut publisher = house.publisher("p");
    publisher.publish(&Publish::qos0("t", b"published at 0"));
    publisher.publish_acked("zero", b"subscribed at 0");
    house.client(&connect).expect_nothing();
    house.until_not_kept(NotKept::PublishQos0, 1);
}

fn a_clean_start_clears_the_session(backing: Backing) {
    for (connect, clean) in [
        (Connect::v311("kept").persistent(), Connect::v311("kept")),
        (Connect::v5("kept").persistent(), Connect::v5("kept")),
        (
            Connect::v311("kept").persistent(),
            Connect::v5("kept").session_expiry(60),
        ),
    ] {
        let house = House::open(backing, |_| {});
        subscribed_and_absent(&house, &connect);
        let mut publisher = house.publisher("p");
        publisher.publish_acked("t", b"waits");
        let mut client = house.client(&clean);
        assert!(!client.session_present());
        client.expect_nothing();
        publisher.publish_acked("t", b"nobody subscribes any more");
        client.expect_nothing();
        client.disconnect();
        let mut client = house.client(&connect);
        assert_eq!(client.session_present(), clean.session_expiry.is_some());
        client.expect_nothing();
    }
}

fn a_session_that_was_never_persistent_keeps_nothing(backing: Backing) {
    for connect in [Connect::v311("kept"), Connect::v5("kept")] {
        let house = House::open(backing, |_| {});
        subscribed_and_absent(&house, &connect);
        house.publisher("p").publish_acked("t", b"lost");
        let mut client = house.client(&connect.clone().persistent());
        assert!(!client.session_present());
        client.expect_nothing();
        assert_eq!(house.store_figures().queues, 0);
    }
}

fn k16_an_expired_session_is_gone_with_all_that_waited(backing: Backing) {
    let house = House::open(backing, |_| {});
    let connect = Connect::v5("kept").persistent().session_expiry(1);
    subscribed_and_absent(&house, &connect);
    let mut publisher = house.publisher("p");
    publisher.publish_acked("t", b"waits");
    assert_eq!(house.figures().sessions_absent, 1);
    house.until("the session to expire", |house| {
        house.figures().sessions_absent == 0
    });
    house.until("the store to be empty", |house| {
        let figures = house.store_figures();
        (figures.sessions, figures.queues, figures.entries) == (0, 0, 0)
    });
    let mut client = house.client(&connect);
    assert!(!client.session_present());
    client.expect_nothing();
}

fn the_session_expiry_of_3_1_1_is_ours(backing: Backing) {
    let house = House::open(backing, |settings| settings.session.session_expiry = 1);
    let connect = Connect::v311("kept").persistent();
    subscribed_and_absent(&house, &connect);
    house.until("the session to expire", |house| {
        house.figures().sessions_absent == 0
    });
    assert!(!house.client(&connect).session_present());
}

fn k21_a_session_expiry_that_is_capped_is_told_and_kept_to(backing: Backing) {
    let house = House::open(backing, |settings| settings.session.session_expiry_max = 1);
    let connect = Connect::v5("kept").persistent().session_expiry(3600);
    let mut client = house.client(&connect);
    assert_eq!(client.connack().session_expiry, Some(1));
    client.subscribe(&[("t", QoS::AtLeastOnce)]);
    client.disconnect();
    house.until("the session to expire", |house| {
        house.figures().sessions_absent == 0
    });
    assert!(!house.client(&connect).session_present());
}

fn disconnect_can_shorten_the_session(backing: Backing) {
    let house = House::open(backing, |_| {});
    let connect = Connect::v5("kept").persistent();
    let mut client = house.client(&connect);
    client.subscribe(&[("t", QoS::AtLeastOnce)]);
    let disconnect = restante_codec::packet::Disconnect {
        reason: 0,
        session_expiry: Some(0),
        reason_string: None,
    };
    let mut bytes = Vec::new();
    restante_codec::client::disconnect(Version::V5, &disconnect, &mut bytes).expect("MQTT can say this");
    client.send(&bytes).expect("open");
    client.expect_closed();
    house.until("no session", |house| house.figures().sessions_present == 0);
    assert_eq!(house.figures().sessions_absent, 0);
    house.publisher("p").publish_acked("t", b"nobody");
    assert!(!house.client(&connect).session_present());
}

fn k21_an_expired_message_is_not_delivered_and_the_rest_of_its_time_is_told(backing: Backing) {
    let house = House::open(backing, |_| {});
    let connect = Connect::v5("kept").persistent();
    subscribed_and_absent(&house, &connect);
    let mut publisher = house.publisher("p");
    publisher.publish(&Publish::qos1(1, "t", b"short").expiry(1));
    publisher.publish(&Publish::qos1(2, "t", b"long").expiry(1000));
    publisher.publish(&Publish::qos1(3, "t", b"for ever"));
    for id in 1..=3 {
        publisher.expect_ack(restante_codec::packet::AckKind::PubAck, id);
    }
    std::thread::sleep(Duration::from_millis(1_200));
    let mut client = house.client(&connect);
    let got = client.take_publishes(2);
    assert_eq!(got[0].payload, b"long");
    let left = got[0].message_expiry.expect("what is left of it");
    assert!((900..1000).contains(&left), "{left}");
    assert_eq!(
        (&got[1].payload[..], got[1].message_expiry),
        (&b"for ever"[..], None)
    );
    client.expect_nothing();
    // Counted where it was met first: on the way out, or by the store's sweep.
    house.until("one message expired", |house| {
        house.not_kept(NotKept::MessageExpired) + house.store_figures().expired == 1
    });
}

fn k21_our_own_message_expiry_is_applied_and_not_told(backing: Backing) {
    let house = House::open(backing, |settings| settings.session.message_expiry = 1);
    let connect = Connect::v5("kept").persistent();
    subscribed_and_absent(&house, &connect);
    let mut publisher = house.publisher("p");
    publisher.publish_acked("t", b"too old");
    std::thread::sleep(Duration::from_millis(1_200));
    publisher.publish_acked("t", b"young");
    let mut client = house.client(&connect);
    let got = client.take_publishes(1);
    assert_eq!(
        (&got[0].payload[..], got[0].message_expiry),
        (&b"young"[..], None)
    );
    client.expect_nothing();
}

fn k21_an_expiry_of_0_is_for_who_is_present(backing: Backing) {
    let house = House::open(backing, |_| {});
    let absent = Connect::v5("kept").persistent();
    subscribed_and_absent(&house, &absent);
    let mut present = house.client(&Connect::v5("present").persistent());
    present.subscribe(&[("t", QoS::AtLeastOnce)]);
    let mut publisher = house.publisher("p");
    publisher.publish(&Publish::qos1(1, "t", b"now").expiry(0));
    publisher.expect_ack(restante_codec::packet::AckKind::PubAck, 1);
    assert_eq!(payloads(&mut present, 1), ["now"]);
    house.client(&absent).expect_nothing();
}

/// More than one slice of the house-keeping, in one second.
fn k16_k29_many_sessions_expire_while_others_go_on(backing: Backing) {
    const COUNT: u64 = 700;
    let house = House::open(backing, |_| {});
    let mut stays = house.client(&Connect::v5("stays").persistent());
    stays.subscribe(&[("t", QoS::AtLeastOnce)]);
    let mut publisher = house.publisher("p");
    for number in 0..COUNT {
        let connect = Connect::v5(&format!("c{number}")).persistent().session_expiry(1);
        let mut client = house.client(&connect);
        client.subscribe(&[
            ("t", QoS::AtLeastOnce),
            (&format!("own/{number}"), QoS::AtLeastOnce),
        ]);
        client.cut();
    }
    let mut published = 0;
    house.until("all to expire", |house| {
        publisher.publish_acked("t", b"x");
        published += 1;
        house.figures().sessions_absent == 0
    });
    stays.take_publishes(published);
    stays.expect_nothing();
    house.until("their queues to be closed", |house| {
        let figures = house.store_figures();
        (figures.sessions, figures.queues) == (1, 1)
    });
}
