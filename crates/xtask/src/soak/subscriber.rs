//! A persistent subscriber to all publishers, and how it comes and goes.

use std::{
    collections::HashSet,
    sync::atomic::Ordering::Relaxed,
    thread,
    time::{Duration, Instant},
};

use restante_codec::packet::AckKind;
use restante_model::QoS;
use restante_testkit::{Client, Connect, Ended, Received, received::Message};

use super::{
    QUALITIES,
    chance::Chance,
    field::Field,
    publisher::{payload, topic},
};

/// How long it waits for a message before it looks around.
const LOOK: Duration = Duration::from_millis(100);

/// How often it comes and goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Habit {
    /// Only when the broker goes.
    Stays,
    /// Some messages here, some moments away.
    Wanders,
    /// Away for long, and back for what has waited.
    Sleeps,
}

pub(crate) struct Subscriber<'a> {
    field: &'a Field,
    name: String,
    habit: Habit,
    qos: QoS,
    connect: Connect,
    chance: Chance,
    /// The next number of each publisher.
    next: Vec<u64>,
    /// Packet identifiers that were answered with PUBREC and not yet released: what comes under them again is the same.
    unreleased: HashSet<u16>,
    known: bool,
}

impl<'a> Subscriber<'a> {
    pub(crate) fn new(
        field: &'a Field,
        number: usize,
        habit: Habit,
        qos: QoS,
        chance: Chance,
    ) -> Subscriber<'a> {
        let name = format!("soak-{habit:?}-{number}").to_lowercase();
        let connect = if number.is_multiple_of(2) {
            Connect::v5(&name)
        } else {
            Connect::v311(&name)
        };
        Subscriber {
            field,
            name,
            habit,
            qos,
            connect: connect.persistent(),
            chance,
            next: vec![0; QUALITIES.len()],
            unreleased: HashSet::new(),
            known: false,
        }
    }

    /// Until everything that was sent has come.
    pub(crate) fn run(mut self) {
        while !self.is_done() {
            let Ok(mut client) = Client::try_connect(self.field.address(), &self.connect) else {
                self.field.pause();
                continue;
            };
            self.field.connections.fetch_add(1, Relaxed);
            if self.known && !client.session_present() {
                return self.field.find(format!("{}: its session is gone", self.name));
            }
            if !self.known {
                client.subscribe(&[("soak/numbers/+", self.qos)]);
                self.known = true;
                self.field.subscribed();
            }
            let until = self.stays_until();
            if let Err(Ended::Malformed(what)) = self.serve(&mut client, until) {
                return self.field.find(format!("{}: {what}", self.name));
            }
            if self.chance.once_in(2) {
                client.cut();
            } else {
                drop(client);
            }
            self.stay_away();
        }
    }

    /// Whether all has come; waiting for it in vain is found.
    fn is_done(&self) -> bool {
        let Some((sent, deadline)) = self.field.sent() else {
            return false;
        };
        if self.next == *sent {
            return true;
        }
        let late = Instant::now() > *deadline;
        if late {
            self.field.find(format!(
                "{}: has {:?} of {sent:?} in the end",
                self.name, self.next
            ));
        }
        late
    }

    fn serve(&mut self, client: &mut Client, until: Instant) -> Result<(), Ended> {
        while !self.is_done() && (Instant::now() < until || self.field.sent().is_some()) {
            match client.receive(LOOK) {
                Ok(Received::Publish(message)) => self.take(&message, client)?,
                Ok(Received::Ack(ack)) if ack.kind == AckKind::PubRel => {
                    self.unreleased.remove(&ack.packet_id);
                    answer(client, self.connect.version, AckKind::PubComp, ack.packet_id)?;
                }
                Ok(Received::Disconnect(_)) => return Ok(()),
                Ok(other) => return Err(Ended::Malformed(format!("{other:?} came to a subscriber"))),
                Err(Ended::Silent) => {}
                Err(ended) => return Err(ended),
            }
        }
        Ok(())
    }

    fn take(&mut self, message: &Message, client: &mut Client) -> Result<(), Ended> {
        match message.qos {
            QoS::ExactlyOnce => {
                if self.unreleased.insert(message.packet_id) {
                    self.count(message)?;
                }
                answer(client, self.connect.version, AckKind::PubRec, message.packet_id)
            }
            QoS::AtLeastOnce => {
                self.count(message)?;
                answer(client, self.connect.version, AckKind::PubAck, message.packet_id)
            }
            QoS::AtMostOnce => Err(Ended::Malformed(format!("{message:?} came at QoS 0"))),
        }
    }

    /// The number must be the next; at QoS 1 it may be an earlier one.
    fn count(&mut self, message: &Message) -> Result<(), Ended> {
        let publisher = (0..self.next.len()).find(|publisher| topic(*publisher) == message.topic);
        let number = message
            .payload
            .first_chunk()
            .map(|bytes| u64::from_be_bytes(*bytes));
        let (Some(publisher), Some(number)) = (publisher, number) else {
            return Err(Ended::Malformed(format!("nobody sent {message:?}")));
        };
        if message.payload != payload(number) || message.qos != self.qos.min(QUALITIES[publisher]) {
            return Err(Ended::Malformed(format!(
                "number {number} of {publisher} was changed: {message:?}"
            )));
        }
        let next = &mut self.next[publisher];
        if number == *next {
            *next += 1;
            self.field.handed_over.fetch_add(1, Relaxed);
        } else if number < *next && message.qos == QoS::AtLeastOnce {
            self.field.repeated.fetch_add(1, Relaxed);
        } else {
            let sentence = format!(
                "number {number} of {publisher} came at {:?} for number {next}",
                message.qos
            );
            return Err(Ended::Malformed(sentence));
        }
        Ok(())
    }

    fn stays_until(&mut self) -> Instant {
        let most = match self.habit {
            Habit::Stays => return Instant::now() + Duration::from_secs(86_400),
            Habit::Wanders => Duration::from_secs(3),
            Habit::Sleeps => Duration::from_secs(10),
        };
        Instant::now() + self.chance.up_to(most)
    }

    fn stay_away(&mut self) {
        let most = match self.habit {
            Habit::Stays => Duration::ZERO,
            Habit::Wanders => Duration::from_secs(2),
            Habit::Sleeps => Duration::from_secs(30),
        };
        let until = Instant::now() + self.chance.up_to(most);
        while Instant::now() < until && self.field.sent().is_none() {
            thread::sleep(LOOK);
        }
    }
}

fn answer(
    client: &mut Client,
    version: restante_codec::packet::Version,
    kind: AckKind,
    packet_id: u16,
) -> Result<(), Ended> {
    let mut bytes = Vec::new();
    restante_testkit::client::write_ack(version, kind, packet_id, 0, &mut bytes);
    client.send(&bytes).map_err(Ended::Broken)
}
