//! A publisher that keeps its session, and after each loss sends again what was not acknowledged: in order, with DUP,
//! under the same packet identifiers (K52).

use std::collections::VecDeque;
use std::time::Duration;

use restante_codec::packet::{AckKind, Version};
use restante_model::QoS;
use restante_testkit::client::write_ack;
use restante_testkit::received::Ack;
use restante_testkit::{Client, Connect, Ended, Publish, Received};

use crate::ledger::Promised;
use crate::message::Numbered;
use crate::run::{Field, PACE};

/// Reason code of MQTT 5.0.
const PACKET_ID_NOT_FOUND: u8 = 0x92;
/// Messages in flight.
const WINDOW: usize = 20;
/// Messages made between two looks at what has come.
const BURST: usize = 8;

/// One message on its way.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    number: u64,
    packet_id: u16,
    /// PUBREC has come: only PUBREL is sent again.
    received: bool,
}

pub(crate) struct Publisher<'a> {
    field: &'a Field,
    index: usize,
    qos: QoS,
    connect: Connect,
    in_flight: VecDeque<InFlight>,
    next_id: u16,
    promised: Promised,
    /// Whether the broker has ever said that it has a session.
    known: bool,
}

impl<'a> Publisher<'a> {
    pub(crate) fn new(field: &'a Field, index: usize, qos: QoS) -> Publisher<'a> {
        let name = format!("kill-publisher-{index}");
        let connect = if index.is_multiple_of(3) {
            Connect::v5(&name)
        } else {
            Connect::v311(&name)
        };
        Publisher {
            field,
            index,
            qos,
            connect: connect.persistent(),
            in_flight: VecDeque::new(),
            next_id: 0,
            promised: Promised::default(),
            known: false,
        }
    }

    /// Publishes until told to stop, then until everything is acknowledged.
    pub(crate) fn run(mut self) -> Promised {
        while !self.field.time_is_up() {
            if self.field.publishing_is_over() && self.in_flight.is_empty() {
                return self.promised;
            }
            let Ok(mut client) = Client::try_connect(self.field.address(), &self.connect) else {
                self.field.pause();
                continue;
            };
            if self.known && !client.session_present() {
                let sentence = format!("publisher {}: its session was lost", self.index);
                self.promised.findings.push(sentence);
                self.field.give_up();
            }
            self.known = true;
            // Ends when the connection is lost.
            let _ = self.serve(&mut client);
        }
        let sentence = format!(
            "publisher {}: {} messages were never acknowledged",
            self.index,
            self.in_flight.len()
        );
        self.promised.findings.push(sentence);
        self.promised
    }

    fn serve(&mut self, client: &mut Client) -> Result<(), Ended> {
        self.send_again(client)?;
        loop {
            if self.field.time_is_up() || (self.field.publishing_is_over() && self.in_flight.is_empty()) {
                return Ok(());
            }
            if !self.field.publishing_is_over() {
                self.send_new(client)?;
            }
            let mut limit = PACE;
            loop {
                match client.receive(limit) {
                    Ok(Received::Ack(ack)) => self.take(ack, client)?,
                    Ok(other) => {
                        let sentence = format!("publisher {}: unexpected {other:?}", self.index);
                        self.promised.findings.push(sentence);
                    }
                    Err(Ended::Silent) => break,
                    Err(Ended::Malformed(what)) => {
                        self.promised
                            .findings
                            .push(format!("publisher {}: {what}", self.index));
                        return Err(Ended::Closed);
                    }
                    Err(ended) => return Err(ended),
                }
                // What is there already is taken without waiting for more.
                limit = Duration::from_micros(50);
            }
        }
    }

    /// [MQTT-4.4.0-1]: unacknowledged PUBLISH and PUBREL, with their identifiers, in order.
    fn send_again(&mut self, client: &mut Client) -> Result<(), Ended> {
        let mut bytes = Vec::new();
        for one in &self.in_flight {
            if one.received {
                write_ack(self.version(), AckKind::PubRel, one.packet_id, 0, &mut bytes);
            } else {
                self.promised.sent_again.insert(one.number);
                self.publish(one).dup().write(self.version(), &mut bytes);
            }
        }
        client.send(&bytes).map_err(Ended::Broken)
    }

    fn send_new(&mut self, client: &mut Client) -> Result<(), Ended> {
        let mut bytes = Vec::new();
        for _ in 0..BURST.min(WINDOW.saturating_sub(self.in_flight.len())) {
            self.next_id = self.next_id % 1_000 + 1;
            let one = InFlight {
                number: self.promised.sent,
                packet_id: self.next_id,
                received: false,
            };
            self.promised.sent += 1;
            // In flight before it is written: half of it may go out before the connection breaks.
            self.in_flight.push_back(one);
            self.publish(&one).write(self.version(), &mut bytes);
        }
        client.send(&bytes).map_err(Ended::Broken)
    }

    fn take(&mut self, ack: Ack, client: &mut Client) -> Result<(), Ended> {
        let Some(at) = self
            .in_flight
            .iter()
            .position(|one| one.packet_id == ack.packet_id)
        else {
            // A PUBCOMP may answer a PUBREL that was sent twice; everything else was not asked for.
            if ack.kind != AckKind::PubComp {
                let sentence = format!("publisher {}: {ack:?} answers nothing in flight", self.index);
                self.promised.findings.push(sentence);
            }
            return Ok(());
        };
        // "Packet identifier not found" answers a PUBREL whose first PUBCOMP was lost: not an error in recovery.
        let is_recovery = ack.kind == AckKind::PubComp && ack.reason == PACKET_ID_NOT_FOUND;
        if ack.reason >= 0x80 && !is_recovery {
            self.promised
                .findings
                .push(format!("publisher {}: refused: {ack:?}", self.index));
        }
        let number = self.in_flight[at].number;
        match (ack.kind, self.qos) {
            (AckKind::PubAck, QoS::AtLeastOnce) => {
                self.promised.acknowledged.insert(number);
                self.field.acknowledged();
                self.in_flight.remove(at);
            }
            (AckKind::PubRec, QoS::ExactlyOnce) => {
                self.promised.acknowledged.insert(number);
                self.field.acknowledged();
                self.in_flight[at].received = true;
                let mut bytes = Vec::new();
                write_ack(self.version(), AckKind::PubRel, ack.packet_id, 0, &mut bytes);
                client.send(&bytes).map_err(Ended::Broken)?;
            }
            (AckKind::PubComp, QoS::ExactlyOnce) if self.in_flight[at].received => {
                self.in_flight.remove(at);
            }
            _ => {
                let sentence = format!(
                    "publisher {}: {ack:?} does not belong to its QoS or step",
                    self.index
                );
                self.promised.findings.push(sentence);
            }
        }
        Ok(())
    }

    fn publish(&self, one: &InFlight) -> Publish {
        let message = Numbered {
            publisher: self.index,
            number: one.number,
        };
        let (topic, payload) = (Numbered::topic(self.index), message.payload());
        match self.qos {
            QoS::ExactlyOnce => Publish::qos2(one.packet_id, &topic, &payload),
            _ => Publish::qos1(one.packet_id, &topic, &payload),
        }
    }

    fn version(&self) -> Version {
        self.connect.version
    }
}
