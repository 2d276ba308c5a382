//! Reconnects at random moments, acknowledgements withheld at random, windows of all sizes, overlapping filters, while
//! publishers go on: no gap, no repeat beyond what QoS 1 allows, no reordering per publisher and topic.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use restante_codec::packet::{AckKind, Version};
use restante_model::{NotKept, QoS};
use restante_testkit::{Client, Connect, Message, Publish, Received};

use crate::house::{Backing, Chance, House, PATIENCE};

on_each_store! {
    k03_k10_k13_nothing_is_lost_repeated_or_reordered_across_reconnects
    racing_connections_with_one_id_leave_one_owner_and_lose_nothing
}

const PUBLISHERS: u32 = 3;

fn k03_k10_k13_nothing_is_lost_repeated_or_reordered_across_reconnects(backing: Backing) {
    for seed in 0..6 {
        let qos = if seed % 2 == 0 {
            QoS::AtLeastOnce
        } else {
            QoS::ExactlyOnce
        };
        let version = if seed % 3 == 0 { Version::V311 } else { Version::V5 };
        let house = House::open(backing, |settings| {
            settings.session.inflight = 1 + seed as u16 * 7
        });
        if seed >= 2 {
            house.store.linger(Duration::from_micros(300));
        }
        one_run(&house, qos, version, seed, 500);
        assert_eq!(house.not_kept(NotKept::Damaged), 0);
        assert_eq!(house.figures().protocol_errors, 0);
    }
}

fn one_run(house: &House, qos: QoS, version: Version, seed: u64, count: u32) {
    let connect = Connect::new(version, "kept").persistent();
    let mut first = house.client(&connect);
    first.subscribe(&[("t/+", qos), ("t/#", qos), ("t/1", qos)]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| {
                let address = house.address;
                scope.spawn(move || publish_all(address, publisher, qos, count))
            })
            .collect();
        let reader = scope.spawn(|| {
            let mut reader = Reader::new(qos, count);
            reader.run(house.address, &connect, Chance::new(seed), &done);
        });
        for publisher in running {
            publisher.join().expect("a publisher that ends");
        }
        done.store(true, Ordering::SeqCst);
        reader.join().expect("a reader that ends");
    });
    let mut last = house.client(&connect);
    last.send(&restante_codec::client::PINGREQ).expect("open");
    loop {
        match last.expect() {
            Received::PingResp => return,
            // An exchange whose last step was withheld.
            Received::Ack(ack) if ack.kind == AckKind::PubRel => {}
            other => panic!("everything was taken, and now came {other:?}"),
        }
    }
}

/// Publishes numbers on two topics, some in flight at once.
fn publish_all(address: SocketAddr, publisher: u32, qos: QoS, count: u32) {
    let mut client = Client::connect(address, &Connect::v5(&format!("p{publisher}")));
    let mut open = 0;
    for number in 0..count {
        let topic = format!("t/{}", number % 2);
        let payload = format!("{publisher} {number}");
        let id = number as u16 + 1;
        match qos {
            QoS::ExactlyOnce => client.publish(&Publish::qos2(id, &topic, payload.as_bytes())),
            _ => client.publish(&Publish::qos1(id, &topic, payload.as_bytes())),
        }
        open += 1;
        while open >= 8 || (number + 1 == count && open > 0) {
            match client.expect() {
                Received::Ack(ack) if ack.kind == AckKind::PubRec => {
                    client.ack(AckKind::PubRel, ack.packet_id);
                }
                Received::Ack(ack) => {
                    assert!(ack.reason < 0x80, "{ack:?}");
                    open -= 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// A client that keeps what MQTT says it must keep across its connections.
struct Reader {
    qos: QoS,
    count: u32,
    /// The next number by publisher and topic.
    next: HashMap<(u32, String), u32>,
    /// QoS 2: packet ids that wait for PUBREL.
    unreleased: HashMap<u16, Vec<u8>>,
}

impl Reader {
    fn new(qos: QoS, count: u32) -> Reader {
        Reader {
            qos,
            count,
            next: HashMap::new(),
            unreleased: HashMap::new(),
        }
    }

    fn is_complete(&self) -> bool {
        self.next.len() == 2 * PUBLISHERS as usize && self.next.values().all(|&next| next >= self.count)
    }

    fn run(&mut self, address: SocketAddr, connect: &Connect, mut chance: Chance, done: &AtomicBool) {
        let deadline = Instant::now() + 3 * PATIENCE;
        while !self.is_complete() {
            assert!(Instant::now() < deadline, "got no further than {:?}", self.next);
            let mut connect = connect.clone();
            if connect.version == Version::V5 && chance.below(2) == 0 {
                connect.receive_maximum = Some(1 + chance.below(30) as u16);
            }
            let mut client = Client::connect(address, &connect);
            assert!(client.session_present());
            // To the end, when the publishers have ended; else cut somewhere.
            let life = match done.load(Ordering::SeqCst) && chance.below(2) == 0 {
                true => u64::MAX,
                false => chance.below(60),
            };
            self.one_connection(&mut client, &mut chance, life);
            match chance.below(3) {
                0 => client.disconnect(),
                // The next connection takes over from this one.
                1 => std::mem::forget(client),
                _ => client.cut(),
            }
        }
    }

    fn one_connection(&mut self, client: &mut Client, chance: &mut Chance, life: u64) {
        let withholds = chance.below(4) == 0;
        let mut fresh = None;
        for _ in 0..life {
            if self.is_complete() && self.unreleased.is_empty() {
                return;
            }
            let packet = match client.receive(Duration::from_millis(150)) {
                Ok(packet) => packet,
                Err(restante_testkit::Ended::Silent) => return,
                Err(other) => panic!("{other}"),
            };
            let withheld = withholds && chance.below(5) == 0;
            match packet {
                Received::Publish(message) => self.take(client, &message, &mut fresh, withheld),
                Received::Ack(ack) if ack.kind == AckKind::PubRel => {
                    self.unreleased.remove(&ack.packet_id);
                    if !withheld {
                        client.ack(AckKind::PubComp, ack.packet_id);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn take(&mut self, client: &mut Client, message: &Message, fresh: &mut Option<()>, withheld: bool) {
        assert_eq!(message.qos, self.qos);
        if message.dup {
            assert!(fresh.is_none(), "sent again behind what is new: {message:?}");
        } else {
            *fresh = Some(());
        }
        let is_repeat = self.unreleased.contains_key(&message.packet_id);
        if is_repeat {
            assert!(message.dup, "the id was not free: {message:?}");
            assert_eq!(self.unreleased[&message.packet_id], message.payload);
        } else {
            self.count(message);
        }
        if self.qos == QoS::ExactlyOnce {
            self.unreleased.insert(message.packet_id, message.payload.clone());
        }
        if !withheld {
            let kind = match self.qos {
                QoS::ExactlyOnce => AckKind::PubRec,
                _ => AckKind::PubAck,
            };
            client.ack(kind, message.packet_id);
        }
    }

    fn count(&mut self, message: &Message) {
        let text = String::from_utf8_lossy(&message.payload).into_owned();
        let (publisher, number) = text.split_once(' ').expect("two numbers");
        let (publisher, number): (u32, u32) = (
            publisher.parse().expect("a number"),
            number.parse().expect("a number"),
        );
        let next = self
            .next
            .entry((publisher, message.topic.clone()))
            .or_insert(number % 2);
        if number == *next {
            *next += 2;
            return;
        }
        // QoS 1 may bring it again; nothing may bring what is further on.
        assert!(
            self.qos == QoS::AtLeastOnce && number < *next && message.dup,
            "expected {next} of publisher {publisher}, got {message:?}"
        );
    }
}

fn racing_connections_with_one_id_leave_one_owner_and_lose_nothing(backing: Backing) {
    const COUNT: u32 = 400;
    let house = House::open(backing, |_| {});
    let connect = Connect::v5("kept").persistent();
    house.client(&connect).subscribe(&[("t/#", QoS::AtLeastOnce)]);
    let address = house.address;
    let done = AtomicBool::new(false);
    let seen: Vec<_> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = Vec::new();
                    while !done.load(Ordering::SeqCst) {
                        let Ok(mut client) = Client::try_connect(address, &connect) else {
                            continue;
                        };
                        while let Ok(packet) = client.receive(Duration::from_millis(50)) {
                            if let Received::Publish(message) = packet {
                                seen.push(message.payload.clone());
                                let mut ack = Vec::new();
                                restante_testkit::client::write_ack(
                                    Version::V5,
                                    AckKind::PubAck,
                                    message.packet_id,
                                    0,
                                    &mut ack,
                                );
                                if client.send(&ack).is_err() {
                                    break;
                                }
                            }
                        }
                    }
                    seen
                })
            })
            .collect();
        publish_all(address, 0, QoS::AtLeastOnce, COUNT);
        std::thread::sleep(Duration::from_millis(200));
        done.store(true, Ordering::SeqCst);
        racers
            .into_iter()
            .flat_map(|racer| racer.join().expect("no panic"))
            .collect()
    });
    let mut last = house.client(&connect);
    let mut seen: std::collections::HashSet<Vec<u8>> = seen.into_iter().collect();
    while let Ok(Received::Publish(message)) = last.receive(Duration::from_millis(200)) {
        last.ack(AckKind::PubAck, message.packet_id);
        seen.insert(message.payload);
    }
    assert_eq!(seen.len(), COUNT as usize);
    last.disconnect();
    house.until("one session, absent, and nobody connected", |house| {
        let figures = house.figures();
        (
            figures.sessions_absent,
            figures.sessions_present,
            figures.connections,
        ) == (1, 0, 0)
    });
}
