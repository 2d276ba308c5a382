//! A subscriber that comes and goes, dropped at every half-step. Its own half of QoS 2 is what MQTT demands: a packet
//! identifier it has answered with PUBREC is the same message until PUBREL, as long as its session stays.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use restante_codec::packet::AckKind;
use restante_model::QoS;
use restante_testkit::client::write_ack;
use restante_testkit::{Client, Ended, Message, Received};

use crate::chance::Chance;
use crate::ledger::Arrived;
use crate::message::{Numbered, TOPICS};
use crate::roles::Role;
use crate::run::Field;

/// A connection is dropped once in so many steps, at whichever step that is.
const DROP_ONCE_IN: u64 = 400;
/// The longest it stays away.
const AWAY: Duration = Duration::from_millis(400);
/// How long a slow one takes for each message at most.
const SLOW: Duration = Duration::from_millis(3);
/// After publishing, when nothing has come for so long nothing will.
const QUIET: Duration = Duration::from_secs(60);
/// How long it waits for a packet before it looks whether the run is over.
const LOOK: Duration = Duration::from_millis(50);
/// How long nothing must come at the end, when nothing is owed.
const STILL: Duration = Duration::from_millis(400);

pub(crate) struct Subscriber<'a> {
    field: &'a Field,
    chance: Chance,
    pub(crate) role: Role,
    /// Packet identifiers between PUBREC and PUBREL, with what came under them.
    held: BTreeMap<u16, Vec<u8>>,
    connection: u64,
    /// Whether the broker has ever said SUBACK.
    subscribed: bool,
    pub(crate) arrived: Arrived,
    last_packet: Instant,
}

impl<'a> Subscriber<'a> {
    /// Subscribes; absent afterwards. Who comes without a session subscribes each time.
    pub(crate) fn new(field: &'a Field, role: Role, chance: Chance) -> Subscriber<'a> {
        let name = role.connect.client_id.clone();
        let mut subscriber = Subscriber {
            field,
            chance,
            arrived: Arrived::new(name, role.judged_at(), TOPICS.len()),
            role,
            held: BTreeMap::new(),
            connection: 0,
            subscribed: false,
            last_packet: Instant::now(),
        };
        let mut client = Client::connect(field.address(), &subscriber.role.connect);
        let codes = client.subscribe(&subscriber.filters());
        assert!(
            codes.iter().all(|code| *code == subscriber.role.qos as u8),
            "{codes:?}"
        );
        subscriber.subscribed = true;
        client.disconnect();
        subscriber
    }

    /// Receives until everything promised has arrived.
    pub(crate) fn run(mut self) -> Subscriber<'a> {
        while !self.is_over() {
            if let Some(mut client) = self.come() {
                // Ends when the connection is lost, or dropped on purpose.
                let _ = self.serve(&mut client);
                client.cut();
                if !self.field.publishing_is_over() {
                    std::thread::sleep(self.chance.up_to(AWAY));
                }
            }
        }
        self
    }

    /// Comes once more, when everything has arrived. What it has acknowledged on a connection that was lost may come
    /// again; when `nothing` is owed, nothing may.
    pub(crate) fn come_again(&mut self, nothing: bool) {
        let Some(mut client) = self.come() else {
            return self.find("it could not come again".to_owned());
        };
        let before = self.arrived.count();
        let mut open = self.held.len();
        loop {
            match client.receive(STILL) {
                Ok(Received::Publish(message)) if nothing => {
                    let what = Numbered::read(&message.topic, &message.payload);
                    self.find(format!(
                        "nothing was owed, and {what:?} came at {:?}",
                        message.qos
                    ));
                    break;
                }
                Ok(Received::Publish(message)) => {
                    open += usize::from(message.qos == QoS::ExactlyOnce);
                    if self.take(message, &mut client).is_err() {
                        break;
                    }
                }
                Ok(Received::Ack(ack)) if ack.kind == AckKind::PubRel => {
                    open = open.saturating_sub(1);
                    self.held.remove(&ack.packet_id);
                    let _ = self.answer(&mut client, AckKind::PubComp, ack.packet_id);
                }
                Ok(Received::SubAck(..)) => {}
                Ok(other) => self.find(format!("unexpected {other:?}")),
                Err(Ended::Silent) if open > 0 && !nothing => open = 0,
                Err(_) => break,
            }
        }
        if nothing && !self.held.is_empty() {
            self.find(format!("{} messages were never released", self.held.len()));
        }
        if !self.role.shares() && self.arrived.count() != before {
            self.find("messages came after everything promised had arrived".to_owned());
        }
        client.disconnect();
    }

    fn come(&mut self) -> Option<Client> {
        let Ok(mut client) = Client::try_connect(self.field.address(), &self.role.connect) else {
            self.field.pause();
            return None;
        };
        self.connection += 1;
        if self.role.persistent {
            if !client.session_present() {
                self.find("its session was lost".to_owned());
                self.field.give_up();
            }
        } else {
            self.held.clear();
            client.ask_to_subscribe(&self.filters()).ok()?;
        }
        Some(client)
    }

    fn filters(&self) -> Vec<(&'static str, QoS)> {
        let filters = self.role.filters.iter();
        filters.map(|filter| (*filter, self.role.qos)).collect()
    }

    fn serve(&mut self, client: &mut Client) -> Result<(), Ended> {
        while !self.is_over() {
            let received = client.receive(LOOK);
            if received.is_ok() {
                self.last_packet = Instant::now();
            }
            match received {
                Ok(Received::Publish(message)) => self.take(message, client)?,
                Ok(Received::Ack(ack)) if ack.kind == AckKind::PubRel => {
                    self.drop_by_chance()?;
                    // PUBCOMP even for what is not held: the answer before may have been lost [MQTT-4.3.3-11].
                    self.held.remove(&ack.packet_id);
                    self.answer(client, AckKind::PubComp, ack.packet_id)?;
                }
                Ok(Received::SubAck(..)) => {}
                Ok(other) => self.find(format!("unexpected {other:?}")),
                Err(Ended::Silent) => self.drop_by_chance()?,
                Err(Ended::Malformed(what)) => {
                    self.find(what);
                    return Err(Ended::Closed);
                }
                Err(ended) => return Err(ended),
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        // Each publisher's messages come in order, so what is missing behind the last of them is lost.
        let has_come = || self.has_the_last_of_all() && (self.held.is_empty() || !self.has_all());
        self.field.time_is_up() || self.is_quiet() || has_come()
    }

    /// While messages are published and things fail, a subscriber may not get through for any time.
    fn is_quiet(&self) -> bool {
        let promises = self.field.promises();
        promises.is_some_and(|promises| self.last_packet.max(promises.since).elapsed() > QUIET)
    }

    fn has_the_last_of_all(&self) -> bool {
        let Some(promises) = self.field.promises() else {
            return false;
        };
        if self.role.shares() {
            return self.field.shared_has_all();
        }
        let mine = self.role.publishers.clone();
        mine.into_iter().all(|publisher| {
            let numbers = promises.numbers.get(publisher);
            numbers.is_some_and(|numbers| self.arrived.has_come_to(publisher, numbers.last()))
        })
    }

    fn has_all(&self) -> bool {
        let Some(promises) = self.field.promises() else {
            return false;
        };
        if self.role.shares() {
            return self.field.shared_has_all();
        }
        let mine = self.role.publishers.clone();
        mine.into_iter().all(|publisher| {
            let numbers = promises.numbers.get(publisher);
            numbers.is_some_and(|numbers| self.arrived.has_all(publisher, numbers))
        })
    }

    fn take(&mut self, message: Message, client: &mut Client) -> Result<(), Ended> {
        // Dropped before it took the message: it never had it.
        self.drop_by_chance()?;
        if self.role.slow && !self.field.publishing_is_over() {
            std::thread::sleep(self.chance.up_to(SLOW));
        }
        match message.qos {
            QoS::AtMostOnce => self.find(format!("handed over at QoS 0: {:?}", message.topic)),
            QoS::AtLeastOnce => {
                self.record(&message);
                // Dropped before it acknowledged: it comes again.
                self.drop_by_chance()?;
                self.answer(client, AckKind::PubAck, message.packet_id)?;
            }
            QoS::ExactlyOnce => {
                match self.held.get(&message.packet_id) {
                    Some(held) if *held == message.payload => {}
                    Some(_) => self.find(format!(
                        "packet identifier {} was used again before PUBREL",
                        message.packet_id
                    )),
                    None => self.record(&message),
                }
                self.held.insert(message.packet_id, message.payload);
                // Dropped between taking and PUBREC.
                self.drop_by_chance()?;
                self.answer(client, AckKind::PubRec, message.packet_id)?;
                // Dropped between PUBREC and PUBREL.
                self.drop_by_chance()?;
            }
        }
        Ok(())
    }

    fn record(&mut self, message: &Message) {
        if message.qos > self.role.qos {
            self.find(format!("handed over above its QoS: {:?}", message.qos));
        }
        match Numbered::read(&message.topic, &message.payload) {
            Some(numbered) => {
                if !self.role.publishers.contains(&numbered.publisher) {
                    self.find(format!("of a topic it has not subscribed to: {numbered:?}"));
                }
                self.arrived.take(numbered, self.connection);
                if self.role.shares() {
                    self.field.shared_took(numbered);
                }
            }
            None => self.find(format!("damaged: {message:?}")),
        }
    }

    fn answer(&mut self, client: &mut Client, kind: AckKind, packet_id: u16) -> Result<(), Ended> {
        let mut bytes = Vec::new();
        write_ack(self.role.connect.version, kind, packet_id, 0, &mut bytes);
        client.send(&bytes).map_err(Ended::Broken)
    }

    fn drop_by_chance(&mut self) -> Result<(), Ended> {
        let happens = !self.field.publishing_is_over() && self.chance.once_in(DROP_ONCE_IN);
        if happens { Err(Ended::Closed) } else { Ok(()) }
    }

    pub(crate) fn find(&mut self, what: String) {
        let sentence = format!("{}: {what}", self.arrived.name);
        self.arrived.findings.push(sentence);
    }
}
