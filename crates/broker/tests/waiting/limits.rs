//! What happens at limits: queues (K22, K23), sessions, subscriptions, retained messages (K24), a full or failed store
//! (K25), memory of those who are not persistent (K18).

use std::sync::atomic::{AtomicBool, Ordering};

use restante_codec::packet::AckKind;
use restante_model::{NotKept, QoS};
use restante_store::contract::{Store, WhenFull};
use restante_testkit::{Client, Connect, Publish, sending::Will};

use crate::house::{Backing, House};

/// Bytes of a flood.
const FLOOD_MAX: usize = 512 << 20;

on_each_store! {
    k22_k23_drop_oldest_keeps_the_newest
    k22_drop_newest_keeps_the_oldest
    k22_reject_publisher_refuses_and_reaches_nobody
    k22_bytes_are_a_limit_too
    k22_what_is_in_flight_is_never_cut
    k24_more_sessions_than_allowed_are_refused
    k24_more_subscriptions_than_allowed_are_refused
    k24_more_retained_messages_than_allowed_are_refused
    k25_a_full_store_refuses_what_must_be_kept_and_live_goes_on
    k09_a_full_store_begins_nothing_new_and_lets_sessions_come_back
    k09_a_full_store_keeps_no_wills
    k09_a_full_store_lets_retained_messages_be_cleared
    k25_a_failed_store_refuses_what_must_be_kept_and_live_goes_on
    k25_who_waits_for_a_store_that_fails_is_not_left_waiting
    k25_a_connection_that_is_to_be_closed_gives_way_to_the_next
    k18_a_session_that_is_not_persistent_has_a_bounded_queue_in_memory
    k18_in_flight_is_what_both_sides_allow
    a_client_that_never_pauses_leaves_room_for_others
}

fn limited(backing: Backing, messages: u64, bytes: u64, when_full: WhenFull) -> House {
    House::open(backing, |settings| {
        settings.session.queue.messages_max = messages;
        settings.session.queue.bytes_max = bytes;
        settings.session.queue.when_full = when_full;
    })
}

fn kept() -> Connect {
    Connect::v5("kept").persistent()
}

fn subscribed_and_absent(house: &House) {
    let mut client = house.client(&kept());
    client.subscribe(&[("t", QoS::AtLeastOnce)]);
    client.disconnect();
}

fn publish(publisher: &mut Client, numbers: std::ops::Range<u32>) {
    for number in numbers {
        publisher.publish_acked("t", number.to_string().as_bytes());
    }
}

fn take(client: &mut Client, count: usize) -> Vec<u32> {
    let messages = client.take_publishes(count);
    let number = |message: &restante_testkit::Message| String::from_utf8_lossy(&message.payload).parse();
    messages
        .iter()
        .map(|message| number(message).expect("a number"))
        .collect()
}

fn k22_k23_drop_oldest_keeps_the_newest(backing: Backing) {
    let house = limited(backing, 10, 0, WhenFull::DropOldest);
    subscribed_and_absent(&house);
    publish(&mut house.publisher("p"), 0..25);
    let mut client = house.client(&kept());
    assert_eq!(take(&mut client, 10), (15..25).collect::<Vec<_>>());
    client.expect_nothing();
    house.until("exactly 15 evicted", |house| house.store_figures().evicted == 15);
}

fn k22_drop_newest_keeps_the_oldest(backing: Backing) {
    let house = limited(backing, 10, 0, WhenFull::DropNewest);
    subscribed_and_absent(&house);
    let mut publisher = house.publisher("p");
    publish(&mut publisher, 0..25);
    let mut client = house.client(&kept());
    assert_eq!(take(&mut client, 10), (0..10).collect::<Vec<_>>());
    // There is room again.
    publish(&mut publisher, 25..27);
    assert_eq!(take(&mut client, 2), [25, 26]);
    client.expect_nothing();
}

fn k22_reject_publisher_refuses_and_reaches_nobody(backing: Backing) {
    let house = limited(backing, 10, 0, WhenFull::RejectPublisher);
    subscribed_and_absent(&house);
    let mut present = house.client(&Connect::v5("present").persistent());
    present.subscribe(&[("#", QoS::AtLeastOnce)]);
    let mut publisher = house.publisher("p");
    // The store says so as of what it has applied: some may slip through.
    let mut taken = 0u32;
    loop {
        publisher.publish(&Publish::qos1(100, "t", taken.to_string().as_bytes()));
        match publisher.expect_ack(AckKind::PubAck, 100) {
            0 => taken += 1,
            reason => break assert_eq!(reason, 0x97),
        }
    }
    assert!((10..200).contains(&taken), "{taken}");
    assert_eq!(take(&mut present, taken as usize), (0..taken).collect::<Vec<_>>());
    publisher.publish(&Publish::qos2(101, "t", b"10"));
    assert_eq!(publisher.expect_ack(AckKind::PubRec, 101), 0x97);
    let mut old = house.client(&Connect::v311("old"));
    old.publish(&Publish::qos1(1, "t", b"10"));
    old.expect_closed();
    // Reached nobody, and other queues are not full.
    present.expect_nothing();
    publisher.publish_acked("elsewhere", b"11");
    assert_eq!(take(&mut present, 1), [11]);
    house.until_not_kept(NotKept::QueueFull, 3);
    let mut client = house.client(&kept());
    assert_eq!(take(&mut client, taken as usize), (0..taken).collect::<Vec<_>>());
    house.until("room", |_| {
        publisher.publish(&Publish::qos1(102, "t", b"12"));
        publisher.expect_ack(AckKind::PubAck, 102) == 0
    });
}

fn k22_bytes_are_a_limit_too(backing: Backing) {
    let house = limited(backing, 0, 10_000, WhenFull::DropOldest);
    let mut client = house.client(&kept());
    client.subscribe(&[("t", QoS::AtLeastOnce), ("end", QoS::AtLeastOnce)]);
    client.disconnect();
    let mut publisher = house.publisher("p");
    for number in 0..30u8 {
        publisher.publish_acked("t", &[number; 1_000]);
    }
    publisher.publish_acked("end", b"");
    let mut client = house.client(&kept());
    let mut got = Vec::new();
    loop {
        let message = client.take_publishes(1).remove(0);
        if message.topic == "end" {
            break;
        }
        got.push(message.payload[0]);
    }
    assert!((5..=10).contains(&got.len()), "{got:?}");
    assert!(
        got.windows(2).all(|pair| pair[1] == pair[0] + 1) && got.last() == Some(&29),
        "{got:?}"
    );
}

fn k22_what_is_in_flight_is_never_cut(backing: Backing) {
    let house = limited(backing, 5, 0, WhenFull::DropOldest);
    let connect = kept().receive_maximum(3);
    let mut client = house.client(&connect);
    client.subscribe(&[("t", QoS::ExactlyOnce)]);
    let mut publisher = house.publisher("p");
    for number in 0..3 {
        publisher.publish_completed("t", number.to_string().as_bytes());
    }
    for _ in 0..3 {
        client.expect_publish();
    }
    client.cut();
    for number in 3..20 {
        publisher.publish_completed("t", number.to_string().as_bytes());
    }
    let mut client = house.client(&connect);
    assert_eq!(take(&mut client, 8), [0, 1, 2, 15, 16, 17, 18, 19]);
    client.expect_nothing();
    house.until("exactly 12 evicted", |house| house.store_figures().evicted == 12);
}

fn k24_more_sessions_than_allowed_are_refused(backing: Backing) {
    let house = House::open(backing, |settings| settings.limits.sessions_max = 2);
    house.client(&Connect::v5("one").persistent()).disconnect();
    house.client(&Connect::v311("two").persistent()).disconnect();
    let refused = |connect: &Connect| Client::open(house.address).start(connect).reason;
    assert_eq!(refused(&Connect::v5("three").persistent()), 0x97);
    assert_eq!(refused(&Connect::v311("three").persistent()), 3);
    // Who has a session comes back, and who wants none comes in.
    assert!(house.client(&Connect::v5("one").persistent()).session_present());
    house.client(&Connect::v5("three")).expect_nothing();
    // One that ends makes room.
    house.client(&Connect::v5("two")).disconnect();
    house.client(&Connect::v5("three").persistent()).expect_nothing();
}

fn k24_more_subscriptions_than_allowed_are_refused(backing: Backing) {
    let house = House::open(backing, |settings| {
        settings.limits.subscriptions_per_session_max = 2
    });
    for (connect, refusal) in [(Connect::v5("five"), 0x97), (Connect::v311("three"), 0x80)] {
        let mut client = house.client(&connect.clone().persistent());
        let answers = client.subscribe(&[
            ("a", QoS::AtLeastOnce),
            ("b", QoS::AtLeastOnce),
            ("c", QoS::AtLeastOnce),
        ]);
        assert_eq!(answers, [1, 1, refusal]);
        client.disconnect();
        let mut client = house.client(&connect.persistent());
        assert_eq!(
            client.subscribe(&[("c", QoS::AtLeastOnce), ("a", QoS::AtMostOnce)]),
            [refusal, 0]
        );
        client.unsubscribe(&["a"]);
        assert_eq!(client.subscribe(&[("c", QoS::AtLeastOnce)]), [1]);
    }
}

fn k24_more_retained_messages_than_allowed_are_refused(backing: Backing) {
    let house = House::open(backing, |settings| settings.limits.retained_max = 2);
    let mut publisher = house.publisher("p");
    let mut retain = |topic: &str, payload: &[u8]| {
        let id = publisher.fresh_id();
        publisher.publish(&Publish::qos1(id, topic, payload).retain());
        publisher.expect_ack(AckKind::PubAck, id)
    };
    let mut subscriber = house.client(&Connect::v5("s"));
    for topic in ["a", "b"] {
        assert!(retain(topic, b"x") < 0x80);
    }
    // One that is on its way while the figures are looked at may slip through.
    house.until("the third to be refused", |_| retain("c", b"x") == 0x97);
    assert!(house.store_figures().retained <= 3);
    // Clearing makes room.
    for topic in ["a", "b", "c"] {
        assert!(retain(topic, b"") < 0x80);
    }
    house.until("the third to be taken", |_| retain("c", b"x") < 0x80);
    subscriber.subscribe(&[("c", QoS::AtMostOnce)]);
    assert_eq!(subscriber.expect_publish().topic, "c");
    assert!(house.not_kept(NotKept::PublishRefused) > 0);
}

/// What a store that takes nothing means for each kind of publish.
fn live_goes_on(house: &House, reason: u8) {
    assert!(house.ready().is_err());
    let mut publisher = house.publisher("p");
    let mut live = house.client(&Connect::v5("live"));
    live.subscribe(&[("live/#", QoS::ExactlyOnce)]);
    // For nobody, for who is present only, at each QoS.
    for (id, topic) in [(1, "nobody"), (2, "live/1")] {
        publisher.publish(&Publish::qos1(id, topic, b"1"));
        assert!(publisher.expect_ack(AckKind::PubAck, id) < 0x80, "{topic}");
    }
    publisher.publish_completed("live/2", b"2");
    publisher.publish(&Publish::qos0("live/0", b"0"));
    let got = live.take_publishes(3);
    let mut topics: Vec<_> = got.iter().map(|message| message.topic.as_str()).collect();
    topics.sort_unstable();
    assert_eq!(topics, ["live/0", "live/1", "live/2"]);
    // For a session that must be given it.
    publisher.publish(&Publish::qos1(9, "t", b"1"));
    assert_eq!(publisher.expect_ack(AckKind::PubAck, 9), reason);
    publisher.publish(&Publish::qos2(10, "t", b"2"));
    assert_eq!(publisher.expect_ack(AckKind::PubRec, 10), reason);
    publisher.publish(&Publish::qos1(11, "t", b"r").retain());
    assert_eq!(publisher.expect_ack(AckKind::PubAck, 11), reason);
    publisher.publish(&Publish::qos0("t", b"0"));
    publisher.expect_nothing();
    let mut old = house.client(&Connect::v311("old"));
    old.publish(&Publish::qos1(1, "t", b"1"));
    old.expect_closed();
    house.until_not_kept(NotKept::StorageUnavailable, 4);
}

fn k25_a_full_store_refuses_what_must_be_kept_and_live_goes_on(backing: Backing) {
    let house = House::open(backing, |_| {});
    subscribed_and_absent(&house);
    let mut publisher = house.publisher("before");
    publish(&mut publisher, 0..3);
    house.store.fill();
    live_goes_on(&house, 0x97);
    // The backlog can be drained (K9), and then there is room.
    let mut client = house.client(&kept());
    assert_eq!(take(&mut client, 3), [0, 1, 2]);
    house.store.empty();
    assert!(house.ready().is_ok());
    publish(&mut publisher, 3..4);
    assert_eq!(take(&mut client, 1), [3]);
}

/// What makes the store larger is refused, so that what frees space always finds room.
fn k09_a_full_store_begins_nothing_new_and_lets_sessions_come_back(backing: Backing) {
    let house = House::open(backing, |_| {});
    let old = Connect::v311("old").persistent();
    for connect in [&kept(), &old] {
        let mut client = house.client(connect);
        client.subscribe(&[("t", QoS::AtLeastOnce)]);
        client.disconnect();
    }
    publish(&mut house.publisher("before"), 0..3);
    house.store.fill();
    let refused = |connect: &Connect| Client::open(house.address).start(connect).reason;
    assert_eq!(refused(&Connect::v5("new").persistent()), 0x97);
    assert_eq!(refused(&Connect::v311("new").persistent()), 3);
    // A will is kept until its connection ends.
    assert_eq!(refused(&Connect::v5("will").will(Will::new("w", b"w"))), 0x97);
    // Who wants nothing kept comes in, and subscribes.
    let mut live = house.client(&Connect::v5("live"));
    assert_eq!(live.subscribe(&[("live", QoS::AtLeastOnce)]), [1]);
    for (connect, refusal) in [(kept(), 0x97), (old, 0x80)] {
        let mut client = house.client(&connect);
        assert!(client.session_present());
        assert_eq!(take(&mut client, 3), [0, 1, 2]);
        // As before, new, with other options, shared: only the first changes nothing.
        let submitted = house.store.submitted().1;
        let again = client.subscribe(&[("t", QoS::AtLeastOnce)]);
        assert_eq!(again, [1]);
        let answers = client.subscribe(&[
            ("u", QoS::AtLeastOnce),
            ("t", QoS::AtMostOnce),
            ("$share/g/t", QoS::AtLeastOnce),
        ]);
        assert_eq!(answers, [refusal; 3]);
        // A cursor may have been written meanwhile.
        assert!(house.store.submitted().1 - submitted < 200);
        assert_eq!(client.unsubscribe(&["t"]).len(), usize::from(refusal == 0x97));
        // What has gone is new.
        assert_eq!(client.subscribe(&[("t", QoS::AtLeastOnce)]), [refusal]);
        client.disconnect();
        // Its session may begin anew in its place. (A clean one of 3.1.1 is kept for nobody.)
        let mut client = house.client(&Connect {
            clean: true,
            ..connect
        });
        assert!(!client.session_present());
        let granted = if refusal == 0x97 { refusal } else { 1 };
        assert_eq!(client.subscribe(&[("t", QoS::AtLeastOnce)]), [granted]);
        client.disconnect();
    }
    house.store.empty();
    assert_eq!(refused(&Connect::v5("new").persistent()), 0);
    let mut client = house.client(&kept());
    assert_eq!(client.subscribe(&[("t", QoS::AtLeastOnce)]), [1]);
}

fn k09_a_full_store_keeps_no_wills(backing: Backing) {
    let house = House::open(backing, |_| {});
    house.client(&kept()).disconnect();
    let mut watcher = house.client(&Connect::v5("watcher"));
    watcher.subscribe(&[("w", QoS::AtLeastOnce)]);
    house.store.fill();
    let before = house.store.submitted().1;
    let will = Will::new("w", &[b'w'; 60_000]).delay(1_000);
    let returned = house.client(&kept().will(will));
    assert!(returned.session_present());
    assert!(house.store.submitted().1 - before < 1_000, "the will was kept");
    // It is held in memory, and not for a delay that nobody would remember.
    returned.cut();
    assert_eq!(watcher.expect_publish().payload.len(), 60_000);
}

fn k09_a_full_store_lets_retained_messages_be_cleared(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let retained = |topic: &str, payload: &[u8], id| Publish::qos1(id, topic, payload).retain();
    publisher.publish(&retained("r", b"kept", 1));
    assert_eq!(publisher.expect_ack(AckKind::PubAck, 1) & 0x80, 0);
    // The acknowledgement says that it is durable; the store knows of it as soon as it is applied.
    house.until("the message is applied", |house| house.store.has_retained("r"));
    house.store.fill();
    publisher.publish(&retained("r", b"another", 2));
    assert_eq!(publisher.expect_ack(AckKind::PubAck, 2), 0x97);
    publisher.publish(&retained("r", b"", 3));
    assert_eq!(publisher.expect_ack(AckKind::PubAck, 3) & 0x80, 0);
    if let Backing::Log = backing {
        // There is nothing to clear any more, so it would free nothing.
        house.until("the clearing is applied", |house| !house.store.has_retained("r"));
        publisher.publish(&retained("r", b"", 4));
        assert_eq!(publisher.expect_ack(AckKind::PubAck, 4), 0x97);
    }
    let mut client = house.client(&Connect::v5("new"));
    client.subscribe(&[("r", QoS::AtLeastOnce)]);
    client.expect_nothing();
}

fn k25_a_failed_store_refuses_what_must_be_kept_and_live_goes_on(backing: Backing) {
    let house = House::open(backing, |_| {});
    subscribed_and_absent(&house);
    house.store.fail();
    live_goes_on(&house, 0x83);
    // No session can be opened, and a client is told so.
    let refused = |connect: &Connect| Client::open(house.address).start(connect).reason;
    assert_eq!(refused(&kept()), 0x88);
    assert_eq!(refused(&Connect::v311("kept").persistent()), 3);
}

/// The moment before it is closed holds up neither its successor nor what comes for it.
fn k25_a_connection_that_is_to_be_closed_gives_way_to_the_next(backing: Backing) {
    let house = House::open(backing, |_| {});
    subscribed_and_absent(&house);
    let connect = Connect::v311("old").persistent();
    house.client(&connect).disconnect();
    house.store.fill();
    for _ in 0..20 {
        let mut old = house.client(&connect);
        old.publish(&Publish::qos1(1, "t", b"1"));
    }
    house.client(&connect).expect_nothing();
    house.store.empty();
    let mut old = house.client(&connect);
    old.publish_acked("t", b"1");
}

fn k25_who_waits_for_a_store_that_fails_is_not_left_waiting(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut subscriber = house.client(&kept());
    subscriber.subscribe(&[("t", QoS::ExactlyOnce)]);
    let mut old = house.client(&Connect::v311("old"));
    let mut new = house.client(&Connect::v5("new"));
    new.publish(&Publish::qos2(1, "t", b"delivered"));
    new.expect_ack(AckKind::PubRec, 1);
    let delivered = subscriber.expect_publish();
    house.store.hold();
    old.publish(&Publish::qos1(1, "t", b"1"));
    new.publish(&Publish::qos1(2, "t", b"1"));
    old.expect_nothing();
    new.expect_nothing();
    house.store.fail();
    old.expect_closed();
    assert_eq!(new.expect_disconnect(), 0x83);
    new.expect_closed();
    // And who comes to wait afterwards.
    subscriber.ack(AckKind::PubRec, delivered.packet_id);
    loop {
        match subscriber.expect() {
            restante_testkit::Received::Publish(_) => {}
            restante_testkit::Received::Disconnect(reason) => break assert_eq!(reason, 0x83),
            other => panic!("{other:?}"),
        }
    }
}

fn k18_a_session_that_is_not_persistent_has_a_bounded_queue_in_memory(backing: Backing) {
    for (when_full, word, expected) in [
        (WhenFull::DropOldest, NotKept::Evicted, [0, 1, 18, 19]),
        (WhenFull::DropNewest, NotKept::QueueFull, [0, 1, 2, 3]),
    ] {
        let house = limited(backing, 2, 0, when_full);
        let mut client = house.client(&Connect::v5("volatile").receive_maximum(2));
        client.subscribe(&[("t", QoS::AtLeastOnce)]);
        publish(&mut house.publisher("p"), 0..20);
        house.until_not_kept(word, 16);
        assert_eq!(take(&mut client, 4), expected);
        client.expect_nothing();
        assert_eq!(house.store_figures().queues, 0);
    }
    // Bytes: large ones push out as many small ones as they need.
    let house = limited(backing, 0, 3_000, WhenFull::DropOldest);
    let mut client = house.client(&Connect::v5("volatile").receive_maximum(1));
    client.subscribe(&[("t", QoS::AtLeastOnce)]);
    let mut publisher = house.publisher("p");
    for size in [1, 10, 10, 10, 10, 10, 10, 2_000, 2_000] {
        publisher.publish_acked("t", &vec![b'x'; size]);
    }
    house.until_not_kept(NotKept::Evicted, 7);
    let sizes: Vec<_> = client
        .take_publishes(2)
        .iter()
        .map(|message| message.payload.len())
        .collect();
    assert_eq!(sizes, [1, 2_000]);
}

fn k18_in_flight_is_what_both_sides_allow(backing: Backing) {
    let house = House::open(backing, |settings| {
        settings.session.inflight = 4;
        settings.session.inflight_max = 6;
    });
    let mut publisher = house.publisher("p");
    for (connect, window) in [
        (Connect::v5("kept").persistent().receive_maximum(2), 2),
        (Connect::v5("kept").persistent().receive_maximum(60_000), 6),
        (Connect::v5("kept").persistent(), 4),
        (Connect::v311("kept").persistent(), 4),
    ] {
        let mut clean = connect.clone();
        clean.clean = true;
        house.client(&clean).disconnect();
        let mut client = house.client(&connect);
        client.subscribe(&[("t", QoS::AtLeastOnce)]);
        publish(&mut publisher, 0..10);
        for _ in 0..window {
            client.expect_publish();
        }
        client.expect_nothing();
    }
}

fn a_client_that_never_pauses_leaves_room_for_others(backing: Backing) {
    let house = House::open(backing, |settings| settings.threads = 1);
    let mut other = house.publisher("other");
    let floods = [
        [b"\x30\x08\x00\x03a/b\x00ab".as_slice(); 10_000].concat(),
        b"\x70\x02\x00\x07".repeat(25_000),
        b"\x70\x02\x00\x08".repeat(25_000),
    ];
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Several, so that while one is scheduled out another goes on.
        let flooders = floods.iter().enumerate().map(|(number, bytes)| {
            let mut flooder = house.client(&Connect::v5(&format!("flooder {number}")));
            let done = &done;
            scope.spawn(move || {
                let mut sent = 0;
                while !done.load(Ordering::SeqCst) && sent < FLOOD_MAX && flooder.send(bytes).is_ok() {
                    sent += bytes.len();
                }
                sent
            })
        });
        let flooders: Vec<_> = flooders.collect();
        for number in 0..20u8 {
            other.publish_acked("t", &[number]);
        }
        done.store(true, Ordering::SeqCst);
        for flooder in flooders {
            let sent = flooder.join().expect("a flooder");
            assert!(
                sent < FLOOD_MAX,
                "the flood was over before the others were served"
            );
        }
    });
}
