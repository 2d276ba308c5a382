//! A publisher that keeps its session and, after each loss of its connection, sends again what was not acknowledged: in
//! order, with DUP, under the same packet identifiers.

use std::{collections::VecDeque, sync::atomic::Ordering::Relaxed, time::Duration};

use restante_codec::packet::AckKind;
use restante_model::QoS;
use restante_testkit::{Client, Connect, Ended, Publish, Received, client::write_ack, received::Ack};

use super::{chance::Chance, field::Field};

/// Messages in flight.
const WINDOW: usize = 50;

/// How long it takes what comes before it publishes more: this bounds its rate to some thousand messages a second.
const LOOK: Duration = Duration::from_millis(20);

/// Bytes of a payload: the number, and what follows from it.
const PAYLOAD: usize = 200;

pub(crate) struct Publisher<'a> {
    field: &'a Field,
    number: usize,
    qos: QoS,
    connect: Connect,
    chance: Chance,
    sent: u64,
    next_id: u16,
    in_flight: VecDeque<InFlight>,
    known: bool,
}

struct InFlight {
    number: u64,
    packet_id: u16,
    /// PUBREC has come: only PUBREL is sent again.
    received: bool,
}

impl<'a> Publisher<'a> {
    pub(crate) fn new(field: &'a Field, number: usize, qos: QoS, chance: Chance) -> Publisher<'a> {
        let name = format!("soak-publisher-{number}");
        let connect = if number < 2 {
            Connect::v311(&name)
        } else {
            Connect::v5(&name)
        };
        Publisher {
            field,
            number,
            qos,
            connect: connect.persistent(),
            chance,
            sent: 0,
            next_id: 0,
            in_flight: VecDeque::new(),
            known: false,
        }
    }

    /// Publishes until told to stop and all is acknowledged; returns how many.
    pub(crate) fn run(mut self) -> u64 {
        while !self.field.all_have_subscribed() {
            self.field.pause();
        }
        while !self.is_done() {
            let Ok(mut client) = Client::try_connect(self.field.address(), &self.connect) else {
                self.field.pause();
                continue;
            };
            self.field.connections.fetch_add(1, Relaxed);
            if self.known && !client.session_present() {
                self.field
                    .find(format!("publisher {}: its session is gone", self.number));
            }
            self.known = true;
            if let Err(Ended::Malformed(what)) = self.serve(&mut client) {
                self.field.find(format!("publisher {}: {what}", self.number));
            }
            client.cut();
        }
        self.sent
    }

    fn is_done(&self) -> bool {
        self.field.publishing_is_over() && self.in_flight.is_empty()
    }

    /// Until the connection is lost, or left on a whim.
    fn serve(&mut self, client: &mut Client) -> Result<(), Ended> {
        let mut bytes = Vec::new();
        for one in &self.in_flight {
            if one.received {
                write_ack(
                    self.connect.version,
                    AckKind::PubRel,
                    one.packet_id,
                    0,
                    &mut bytes,
                );
            } else {
                self.packet(one).dup().write(self.connect.version, &mut bytes);
            }
        }
        client.send(&bytes).map_err(Ended::Broken)?;
        while !self.is_done() && !self.chance.once_in(2000) {
            bytes.clear();
            while self.in_flight.len() < WINDOW && !self.field.publishing_is_over() {
                self.next_id = self.next_id % 10_000 + 1;
                let one = InFlight {
                    number: self.sent,
                    packet_id: self.next_id,
                    received: false,
                };
                self.packet(&one).write(self.connect.version, &mut bytes);
                // In flight before it is sent: a part may go out and the rest may not.
                self.in_flight.push_back(one);
                self.sent += 1;
            }
            client.send(&bytes).map_err(Ended::Broken)?;
            loop {
                match client.receive(LOOK) {
                    Ok(Received::Ack(ack)) => self.take(&ack, client)?,
                    Ok(Received::Disconnect(_)) | Err(Ended::Silent) => break,
                    Ok(other) => return Err(Ended::Malformed(format!("{other:?} came to a publisher"))),
                    Err(ended) => return Err(ended),
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, ack: &Ack, client: &mut Client) -> Result<(), Ended> {
        let Some(at) = self
            .in_flight
            .iter()
            .position(|one| one.packet_id == ack.packet_id)
        else {
            return Err(Ended::Malformed(format!("{ack:?} answers nothing")));
        };
        match (self.qos, ack.kind, ack.reason) {
            (QoS::AtLeastOnce, AckKind::PubAck, ..0x80) => {
                self.field.acknowledged.fetch_add(1, Relaxed);
                self.in_flight.remove(at);
            }
            (QoS::ExactlyOnce, AckKind::PubRec, ..0x80) => {
                self.field.acknowledged.fetch_add(1, Relaxed);
                self.in_flight[at].received = true;
                let mut bytes = Vec::new();
                write_ack(
                    self.connect.version,
                    AckKind::PubRel,
                    ack.packet_id,
                    0,
                    &mut bytes,
                );
                client.send(&bytes).map_err(Ended::Broken)?;
            }
            (QoS::ExactlyOnce, AckKind::PubComp, _) if self.in_flight[at].received => {
                self.in_flight.remove(at);
            }
            _ => return Err(Ended::Malformed(format!("{ack:?} at {:?}", self.qos))),
        }
        Ok(())
    }

    fn packet(&self, one: &InFlight) -> Publish {
        let (topic, payload) = (topic(self.number), payload(one.number));
        match self.qos {
            QoS::ExactlyOnce => Publish::qos2(one.packet_id, &topic, &payload),
            _ => Publish::qos1(one.packet_id, &topic, &payload),
        }
    }
}

/// The topic of a publisher.
pub(crate) fn topic(publisher: usize) -> String {
    format!("soak/numbers/{publisher}")
}

/// What a message says: its number, over and over.
pub(crate) fn payload(number: u64) -> Vec<u8> {
    number.to_be_bytes().repeat(PAYLOAD / 8)
}
