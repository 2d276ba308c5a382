//! Nothing disappears: at rest, every message that somebody was owed has been acknowledged, still waits, or was counted
//! under the word by which it ended (K30). Sessions subscribe, unsubscribe, leave in every way, come back, acknowledge or
//! do not, are cleared and expire, by chance; the broker's counters are compared with a model that knows only what was
//! published and who was subscribed then.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use restante_codec::{
    client::{PINGREQ, subscribe, unsubscribe},
    packet::{AckKind, Subscribe, Unsubscribe},
};
use restante_model::{Filter, NotKept, QoS, SubscriptionOptions};
use restante_testkit::{Client, Connect, Message, Publish, Received, sending::identifier};

use crate::house::{Backing, Chance, House, PATIENCE};

on_each_store! {
    k30_each_end_has_its_word
    k30_what_was_acknowledged_or_is_in_flight_is_counted_right_when_a_session_ends
    k30_a_session_that_is_not_persistent_ends_with_what_it_waits_for
    k30_what_is_owed_is_acknowledged_waits_or_is_counted
    k30_what_is_owed_to_shared_groups_is_acknowledged_waits_or_is_counted
}

/// Overlapping, so that a message is owed once under several filters and ends with the last of them.
const FILTERS: &[&str] = &["t/+", "t/#", "t/1", "t/2", "u"];
const SHARED: &[&str] = &["$share/g/t/+", "$share/h/t/1", "u"];
const TOPICS: &[&str] = &["t/1", "t/2", "t/3", "u"];
const MEMBERS: usize = 4;
const STEPS: u32 = 200;

/// The words under which what is owed may end here.
const ENDS: [NotKept; 5] = [
    NotKept::Acknowledged,
    NotKept::RefusedByClient,
    NotKept::Unsubscribed,
    NotKept::SessionExpired,
    NotKept::SessionCleared,
];

fn k30_what_is_owed_is_acknowledged_waits_or_is_counted(backing: Backing) {
    for seed in 0..5 {
        Run::new(backing, seed, FILTERS).play();
    }
}

fn k30_what_is_owed_to_shared_groups_is_acknowledged_waits_or_is_counted(backing: Backing) {
    for seed in 100..105 {
        Run::new(backing, seed, SHARED).play();
    }
}

/// How many were counted as unsubscribed, expired and cleared.
fn ended(house: &House) -> [u64; 3] {
    [
        NotKept::Unsubscribed,
        NotKept::SessionExpired,
        NotKept::SessionCleared,
    ]
    .map(|word| house.not_kept(word))
}

fn until_ended(house: &House, expected: [u64; 3]) {
    house.until(&format!("{expected:?} have ended"), |house| {
        ended(house) == expected
    });
}

fn k30_each_end_has_its_word(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    let subscribed = |id: &str, filter: &str, expiry: u32| {
        let mut client = house.client(&Connect::v5(id).persistent().session_expiry(expiry));
        client.subscribe(&[(filter, QoS::AtLeastOnce)]);
        client.disconnect();
    };
    subscribed("cleared", "t", 3600);
    subscribed("unsubscribes", "t", 3600);
    subscribed("shares", "$share/g/t", 3600);
    subscribed("shares too", "$share/g/t", 3600);
    subscribed("stays", "t", 3600);
    for number in 0..7 {
        publisher.publish_acked("t", &[number]);
    }
    assert_eq!(ended(&house), [0, 0, 0]);
    house.client(&Connect::v5("cleared")).disconnect();
    until_ended(&house, [0, 0, 7]);
    // Whoever sees nothing of them cannot acknowledge them.
    let mut client = house.client(&Connect::v5("unsubscribes").persistent().receive_maximum(2));
    let begun = [client.expect_publish(), client.expect_publish()];
    client.unsubscribe(&["t"]);
    until_ended(&house, [5, 0, 7]);
    for message in &begun {
        client.ack(AckKind::PubAck, message.packet_id);
    }
    client.expect_nothing();
    // A group goes on while anybody is left, and ends with the last one under the word of its end.
    house.client(&Connect::v5("shares")).disconnect();
    until_ended(&house, [5, 0, 7]);
    house.client(&Connect::v5("shares too")).disconnect();
    until_ended(&house, [5, 0, 14]);
    // What expires is counted when it does, and not what came behind it.
    let expires = Connect::v5("expires").persistent().session_expiry(1);
    let mut client = house.client(&expires.receive_maximum(1));
    client.subscribe(&[("t", QoS::AtLeastOnce)]);
    for number in 0..3 {
        publisher.publish_acked("t", &[number]);
    }
    client.expect_publish();
    client.cut();
    until_ended(&house, [5, 3, 14]);
    publisher.publish_acked("t", b"behind");
    let got = house
        .client(&Connect::v5("stays").persistent())
        .take_publishes(11);
    assert_eq!(got[10].payload, b"behind");
    assert_eq!(ended(&house), [5, 3, 14]);
}

fn k30_what_was_acknowledged_or_is_in_flight_is_counted_right_when_a_session_ends(backing: Backing) {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let house = House::open(backing, |_| {});
        let mut publisher = house.publisher("p");
        let mut client = house.client(&Connect::v5("kept").persistent().receive_maximum(4));
        client.subscribe(&[("t", qos)]);
        for number in 0..10 {
            publisher.publish_completed("t", &[number]);
        }
        let begun: Vec<Message> = (0..4).map(|_| client.expect_publish()).collect();
        let answer = match qos {
            QoS::ExactlyOnce => AckKind::PubRec,
            _ => AckKind::PubAck,
        };
        client.ack(answer, begun[0].packet_id);
        house.until_not_kept(NotKept::Acknowledged, 1);
        // Nine are left: some on their way to the client, the others not.
        client.disconnect_with(0, Some(0));
        until_ended(&house, [0, 0, 9]);
        assert_eq!(house.not_kept(NotKept::Acknowledged), 1);
    }
}

fn k30_a_session_that_is_not_persistent_ends_with_what_it_waits_for(backing: Backing) {
    let house = House::open(backing, |_| {});
    let mut publisher = house.publisher("p");
    for (says_goodbye, expected) in [(true, [0, 0, 5]), (false, [0, 5, 5])] {
        let mut client = house.client(&Connect::v5("volatile").receive_maximum(2));
        client.subscribe(&[("t", QoS::AtLeastOnce), ("end", QoS::AtMostOnce)]);
        for number in 0..6 {
            publisher.publish_acked("t", &[number]);
        }
        let first = client.expect_publish();
        client.expect_publish();
        // Waits for nothing, so all that came before it is here, in the ring.
        publisher.publish(&Publish::qos0("end", b""));
        assert_eq!(client.expect_publish().topic, "end");
        client.ack(AckKind::PubAck, first.packet_id);
        client.expect_publish();
        match says_goodbye {
            true => client.disconnect(),
            false => client.cut(),
        }
        until_ended(&house, expected);
    }
}

struct Run {
    house: House,
    seed: u64,
    chance: Chance,
    filters: &'static [&'static str],
    publisher: Client,
    members: Vec<Member>,
    owed: u64,
    published: u32,
}

/// A client that keeps its session until it says otherwise.
struct Member {
    id: String,
    client: Option<Client>,
    has_session: bool,
    /// What its session is subscribed to.
    subscribed: Vec<(&'static str, QoS)>,
    /// Messages that have come and were not answered.
    unanswered: VecDeque<Message>,
}

impl Run {
    fn new(backing: Backing, seed: u64, filters: &'static [&'static str]) -> Run {
        let house = House::open(backing, |settings| {
            settings.session.queue.messages_max = 0;
            settings.session.queue.bytes_max = 0;
        });
        let members = (0..MEMBERS).map(|number| Member {
            id: format!("m{number}"),
            client: None,
            has_session: false,
            subscribed: Vec::new(),
            unanswered: VecDeque::new(),
        });
        Run {
            publisher: house.publisher("p"),
            members: members.collect(),
            house,
            seed,
            chance: Chance::new(seed),
            filters,
            owed: 0,
            published: 0,
        }
    }

    fn play(mut self) {
        for step in 0..STEPS {
            let who = self.chance.below(MEMBERS as u64) as usize;
            match self.chance.below(32) {
                0..10 => self.publish(),
                10..15 => self.answer(who),
                15..21 => self.subscribe(who),
                21..25 => self.unsubscribe(who),
                25..28 => self.leave(who),
                28 => self.clear(who),
                29 => self.end(who),
                30 if step % 4 == 0 => self.expire(who),
                _ => drop(self.present(who)),
            }
        }
        self.come_to_rest();
    }

    fn publish(&mut self) {
        for _ in 0..1 + self.chance.below(12) {
            let topic = TOPICS[self.chance.below(TOPICS.len() as u64) as usize];
            self.owed += self.owed_to(topic);
            self.published += 1;
            let payload = self.published.to_string();
            match self.chance.below(2) {
                0 => self.publisher.publish_acked(topic, payload.as_bytes()),
                _ => self.publisher.publish_completed(topic, payload.as_bytes()),
            }
        }
    }

    /// To how many sessions and groups a message of this topic is owed now.
    fn owed_to(&self, topic: &str) -> u64 {
        let mut groups: Vec<&str> = Vec::new();
        let mut sessions = 0;
        for member in &self.members {
            let mut is_owed = false;
            for (text, qos) in &member.subscribed {
                let filter = Filter::parse(text, true).expect("a filter");
                if *qos == QoS::AtMostOnce || !filter.matches(topic) {
                    continue;
                }
                match filter.share() {
                    None => is_owed = true,
                    Some(_) if !groups.contains(text) => groups.push(text),
                    Some(_) => {}
                }
            }
            sessions += u64::from(is_owed);
        }
        sessions + groups.len() as u64
    }

    /// The member, connected.
    fn present(&mut self, who: usize) -> &mut Member {
        let window = 1 + self.chance.below(20) as u16;
        self.return_with(who, window)
    }

    fn return_with(&mut self, who: usize, window: u16) -> &mut Member {
        let member = &mut self.members[who];
        if member.client.is_none() {
            let connect = Connect::v5(&member.id).persistent().receive_maximum(window);
            let client = self.house.client(&connect);
            assert_eq!(client.session_present(), member.has_session, "seed {}", self.seed);
            member.client = Some(client);
            member.has_session = true;
        }
        member
    }

    fn subscribe(&mut self, who: usize) {
        let filter = self.filters[self.chance.below(self.filters.len() as u64) as usize];
        let qos = match self.chance.below(5) {
            // At QoS 0 a member takes of what is owed to its group without owing an answer.
            0 if !filter.starts_with('$') => QoS::AtMostOnce,
            1 | 2 => QoS::ExactlyOnce,
            _ => QoS::AtLeastOnce,
        };
        let member = self.present(who);
        let options = SubscriptionOptions {
            qos,
            ..SubscriptionOptions::default()
        };
        let packet = Subscribe {
            packet_id: identifier(1),
            filters: vec![(filter, options)],
        };
        let mut bytes = Vec::new();
        subscribe(member.version(), &packet, &mut bytes).expect("MQTT can say this");
        member.send(&bytes);
        member.take_until(|packet| matches!(packet, Received::SubAck(_, codes) if *codes == [qos as u8]));
        member.subscribed.retain(|(known, _)| *known != filter);
        member.subscribed.push((filter, qos));
    }

    fn unsubscribe(&mut self, who: usize) {
        if self.members[who].subscribed.is_empty() {
            return;
        }
        self.present(who);
        let count = self.members[who].subscribed.len() as u64;
        let (filter, _) = self.members[who].subscribed[self.chance.below(count) as usize];
        if self.chance.below(2) == 0 {
            // So that something is on its way when the subscription ends.
            self.publish();
        }
        let member = &mut self.members[who];
        let packet = Unsubscribe {
            packet_id: identifier(2),
            filters: vec![filter],
        };
        let mut bytes = Vec::new();
        unsubscribe(member.version(), &packet, &mut bytes).expect("MQTT can say this");
        member.send(&bytes);
        member.take_until(|packet| matches!(packet, Received::UnsubAck(..)));
        member.subscribed.retain(|(known, _)| *known != filter);
    }

    /// Answers some of what has come: takes most, refuses a few, leaves the rest.
    fn answer(&mut self, who: usize) {
        let most = self.chance.below(30);
        let refuses = self.chance.below(4) == 0;
        let member = self.present(who);
        member.take_for(Duration::from_millis(10));
        for number in 0..most {
            let Some(message) = member.unanswered.pop_front() else {
                return;
            };
            let reason = if refuses && number % 5 == 4 { 0x80 } else { 0 };
            member.answer(&message, reason);
        }
    }

    /// The connection ends, the session stays.
    fn leave(&mut self, who: usize) {
        let cuts = self.chance.below(2) == 0;
        let member = &mut self.members[who];
        member.unanswered.clear();
        match member.client.take() {
            Some(client) if cuts => client.cut(),
            Some(client) => client.disconnect(),
            None => {}
        }
    }

    /// A clean start, over a connection or an absent session.
    fn clear(&mut self, who: usize) {
        let member = &mut self.members[who];
        let connect = Connect::v5(&member.id).session_expiry(3600);
        let client = self.house.client(&connect);
        assert!(!client.session_present());
        member.forget();
        member.client = Some(client);
        member.has_session = true;
    }

    /// DISCONNECT with a session expiry of 0.
    fn end(&mut self, who: usize) {
        let member = self.present(who);
        let client = member.client.take().expect("connected");
        client.disconnect_with(0, Some(0));
        member.forget();
    }

    fn expire(&mut self, who: usize) {
        let member = self.present(who);
        let client = member.client.take().expect("connected");
        client.disconnect_with(0, Some(1));
        member.forget();
        let left = self.members.iter().filter(|member| member.has_session).count() as u64;
        self.house.until("the session to expire", |house| {
            let figures = house.figures();
            figures.sessions_absent + figures.sessions_present == left
        });
    }

    /// Everybody leaves; what still waits is what comes when everybody is back.
    fn come_to_rest(mut self) {
        for who in 0..MEMBERS {
            self.leave(who);
        }
        self.house.until("all but the publisher to have left", |house| {
            house.figures().connections == 1
        });
        let before = self.house.not_kept(NotKept::Acknowledged);
        assert!(self.counted() <= self.owed, "{}", self.story());
        for who in 0..MEMBERS {
            if self.members[who].has_session {
                self.return_with(who, 1000);
            }
        }
        let mut waited = 0;
        let deadline = Instant::now() + PATIENCE;
        while self.counted() < self.owed && Instant::now() < deadline {
            for member in self.members.iter_mut().filter(|member| member.client.is_some()) {
                member.take_for(Duration::from_millis(5));
                while let Some(message) = member.unanswered.pop_front() {
                    member.answer(&message, 0);
                    waited += 1;
                }
            }
        }
        for member in self.members.iter_mut().filter(|member| member.client.is_some()) {
            member.send(&PINGREQ);
            member.take_until(|packet| *packet == Received::PingResp);
            assert!(member.unanswered.is_empty(), "more than was owed has come");
        }
        assert_eq!(self.counted(), self.owed, "{}", self.story());
        // The same from the client's side: what came now had neither been acknowledged nor ended before.
        let ended = self.counted() - self.house.not_kept(NotKept::Acknowledged);
        assert_eq!(before + waited + ended, self.owed, "{}", self.story());
        assert_eq!(self.house.not_kept(NotKept::Damaged), 0);
        assert_eq!(self.house.figures().protocol_errors, 0);
    }

    fn counted(&self) -> u64 {
        ENDS.iter().map(|&word| self.house.not_kept(word)).sum()
    }

    fn story(&self) -> String {
        let words = ENDS.map(|word| (word.word(), self.house.not_kept(word)));
        format!(
            "seed {}: {} owed, and counted are {words:?}",
            self.seed, self.owed
        )
    }
}

impl Member {
    fn connected(&mut self) -> &mut Client {
        self.client.as_mut().expect("connected")
    }

    fn version(&mut self) -> restante_codec::packet::Version {
        self.connected().version()
    }

    fn send(&mut self, bytes: &[u8]) {
        self.connected().send(bytes).expect("an open connection");
    }

    fn forget(&mut self) {
        self.has_session = false;
        self.subscribed.clear();
        self.unanswered.clear();
    }

    fn take_until(&mut self, is_it: impl Fn(&Received) -> bool) {
        loop {
            let packet = self.connected().expect();
            if is_it(&packet) {
                return;
            }
            self.take(packet);
        }
    }

    /// Takes what comes until nothing has come for so long.
    fn take_for(&mut self, silence: Duration) {
        while let Ok(packet) = self.connected().receive(silence) {
            self.take(packet);
        }
    }

    fn take(&mut self, packet: Received) {
        match packet {
            Received::Publish(message) if message.qos > QoS::AtMostOnce => self.unanswered.push_back(message),
            Received::Publish(_) => {}
            Received::Ack(ack) if ack.kind == AckKind::PubRel => {
                self.connected().ack(AckKind::PubComp, ack.packet_id);
            }
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, message: &Message, reason: u8) {
        let kind = match message.qos {
            QoS::ExactlyOnce => AckKind::PubRec,
            _ => AckKind::PubAck,
        };
        self.connected().ack_with(kind, message.packet_id, reason);
    }
}
