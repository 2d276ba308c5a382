//! The process dies at random moments, and everybody comes back: publishers keep their session and send what was not
//! answered again with DUP and the same id, subscribers keep what MQTT says they must (K52). The log store only.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use restante_codec::packet::{AckKind, Version};
use restante_model::QoS;
use restante_testkit::{Client, Connect, Ended, Publish, Received, client::write_ack};

use crate::house::{Backing, Chance, House};

#[test]
fn k01_k10_k52_qos_2_is_exactly_once_whenever_the_process_dies() {
    for seed in 0..2 {
        many_lives(QoS::ExactlyOnce, "t", seed);
    }
}

#[test]
fn k01_k08_k52_qos_1_is_at_least_once_whenever_the_process_dies() {
    many_lives(QoS::AtLeastOnce, "t", 7);
}

#[test]
fn k27_k52_a_shared_group_keeps_its_promises_whenever_the_process_dies() {
    for seed in 0..2 {
        many_lives(QoS::ExactlyOnce, "$share/crew/t", 20 + seed);
    }
}

fn many_lives(qos: QoS, filter: &str, seed: u64) {
    const LIVES: u32 = 8;
    let mut chance = Chance::new(seed);
    let mut house = House::open(Backing::Log, |settings| settings.session.queue.messages_max = 0);
    let mut publisher = Publisher::default();
    let mut subscriber = Subscriber::default();
    house.client(&Subscriber::connect()).subscribe(&[(filter, qos)]);
    for life in 0..=LIVES {
        let is_last = life == LIVES;
        let dying = AtomicBool::new(false);
        let time = Duration::from_millis(10 + chance.below(60));
        std::thread::scope(|scope| {
            let address = house.address;
            let (dying, publisher, subscriber) = (&dying, &mut publisher, &mut subscriber);
            let mut left = Chance::new(seed * 1000 + u64::from(life));
            scope.spawn(move || publisher.live(address, qos, dying));
            scope.spawn(move || subscriber.live(address, dying, &mut left));
            std::thread::sleep(time);
            if !is_last {
                house.store.cut();
            }
            dying.store(true, Ordering::SeqCst);
        });
        if !is_last {
            house = house.crash_and_start(|_| {});
        }
    }
    // In peace: the publisher comes to an end, and the subscriber has everything.
    publisher.finish(house.address, qos);
    subscriber.finish(house.address, qos, publisher.next);
    for number in 0..publisher.next {
        let times = subscriber.times.get(&number).copied().unwrap_or_default();
        match qos {
            QoS::ExactlyOnce => assert_eq!(times, 1, "message {number} of {} (seed {seed})", publisher.next),
            _ => assert!(times >= 1, "message {number} of {} (seed {seed})", publisher.next),
        }
    }
    assert!(publisher.next > 0);
}

/// A publisher that follows MQTT: what is not answered is sent again, in order, with DUP and the same id.
#[derive(Default)]
struct Publisher {
    /// The next number.
    next: u32,
    /// By number: the packet id, and whether PUBREC came.
    open: BTreeMap<u32, (u16, bool)>,
    last_id: u16,
}

impl Publisher {
    fn connect() -> Connect {
        Connect::v5("publisher").persistent()
    }

    fn live(&mut self, address: SocketAddr, qos: QoS, dying: &AtomicBool) {
        let Ok(mut client) = Client::try_connect(address, &Publisher::connect()) else {
            return;
        };
        if self.resend(&mut client, qos).is_err() {
            return;
        }
        while !dying.load(Ordering::SeqCst) {
            if self.open.len() < 20 {
                let id = self.free_id();
                self.open.insert(self.next, (id, false));
                let number = self.next;
                self.next += 1;
                if send(&mut client, qos, id, number, false).is_err() {
                    return;
                }
            }
            if self.take(&mut client, Duration::from_micros(200)).is_err() {
                return;
            }
        }
        client.cut();
    }

    fn finish(&mut self, address: SocketAddr, qos: QoS) {
        let mut client = Client::connect(address, &Publisher::connect());
        self.resend(&mut client, qos).expect("an open connection");
        while !self.open.is_empty() {
            self.take(&mut client, crate::house::PATIENCE).expect("answers");
        }
    }

    fn resend(&mut self, client: &mut Client, qos: QoS) -> Result<(), Ended> {
        for (&number, &(id, received)) in &self.open {
            if received {
                ack(client, AckKind::PubRel, id)?;
            } else {
                send(client, qos, id, number, client.session_present())?;
            }
        }
        Ok(())
    }

    fn take(&mut self, client: &mut Client, wait: Duration) -> Result<(), Ended> {
        match client.receive(wait) {
            // The last word of a process that is dead already, as far as its store is concerned.
            Ok(Received::Ack(answer)) if answer.reason == 0x83 => Err(Ended::Closed),
            Ok(Received::Ack(answer)) => {
                let found = self.open.iter().find(|(_, open)| open.0 == answer.packet_id);
                let number = *found.expect("an id of ours").0;
                if answer.kind == AckKind::PubRec {
                    self.open.insert(number, (answer.packet_id, true));
                    ack(client, AckKind::PubRel, answer.packet_id)?;
                } else {
                    self.open.remove(&number);
                }
                Ok(())
            }
            Ok(Received::Disconnect(_)) => Err(Ended::Closed),
            Ok(other) => panic!("{other:?}"),
            Err(Ended::Silent) => Ok(()),
            Err(ended) => Err(ended),
        }
    }

    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.open.values().all(|open| open.0 != self.last_id) {
                return self.last_id;
            }
        }
    }
}

/// A subscriber that follows MQTT.
#[derive(Default)]
struct Subscriber {
    times: HashMap<u32, u32>,
    unreleased: HashSet<u16>,
}

impl Subscriber {
    fn connect() -> Connect {
        Connect::v5("subscriber").persistent().receive_maximum(10)
    }

    fn live(&mut self, address: SocketAddr, dying: &AtomicBool, chance: &mut Chance) {
        while !dying.load(Ordering::SeqCst) {
            let Ok(mut client) = Client::try_connect(address, &Subscriber::connect()) else {
                return;
            };
            assert!(client.session_present());
            for _ in 0..chance.below(100) {
                match self.take(&mut client, Duration::from_millis(2)) {
                    Ok(()) | Err(Ended::Silent) if dying.load(Ordering::SeqCst) => break,
                    Ok(()) | Err(Ended::Silent) => {}
                    Err(_) => break,
                }
            }
            client.cut();
        }
    }

    fn finish(&mut self, address: SocketAddr, qos: QoS, count: u32) {
        let mut client = Client::connect(address, &Subscriber::connect());
        while self.times.len() < count as usize || !self.unreleased.is_empty() {
            self.take(&mut client, crate::house::PATIENCE)
                .unwrap_or_else(|ended| panic!("{ended} with {} of {count}", self.times.len()));
        }
        if qos == QoS::ExactlyOnce {
            client.expect_nothing();
        }
    }

    fn take(&mut self, client: &mut Client, wait: Duration) -> Result<(), Ended> {
        match client.receive(wait)? {
            Received::Publish(message) if message.qos == QoS::ExactlyOnce => {
                if self.unreleased.insert(message.packet_id) {
                    self.count(&message.payload);
                }
                ack(client, AckKind::PubRec, message.packet_id)
            }
            Received::Publish(message) => {
                self.count(&message.payload);
                ack(client, AckKind::PubAck, message.packet_id)
            }
            Received::Ack(answer) if answer.kind == AckKind::PubRel => {
                self.unreleased.remove(&answer.packet_id);
                ack(client, AckKind::PubComp, answer.packet_id)
            }
            Received::Disconnect(_) => Err(Ended::Closed),
            other => panic!("{other:?}"),
        }
    }

    fn count(&mut self, payload: &[u8]) {
        let number = String::from_utf8_lossy(payload).parse().expect("a number");
        *self.times.entry(number).or_default() += 1;
    }
}

fn send(client: &mut Client, qos: QoS, id: u16, number: u32, dup: bool) -> Result<(), Ended> {
    let payload = number.to_string();
    let mut publish = match qos {
        QoS::ExactlyOnce => Publish::qos2(id, "t", payload.as_bytes()),
        _ => Publish::qos1(id, "t", payload.as_bytes()),
    };
    publish.dup = dup;
    let mut bytes = Vec::new();
    publish.write(Version::V5, &mut bytes);
    client.send(&bytes).map_err(Ended::Broken)
}

fn ack(client: &mut Client, kind: AckKind, id: u16) -> Result<(), Ended> {
    let mut bytes = Vec::new();
    write_ack(Version::V5, kind, id, 0, &mut bytes);
    client.send(&bytes).map_err(Ended::Broken)
}
