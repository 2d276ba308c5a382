//! A persistent subscriber that is dropped at every half-step, and whose own half of QoS 2 is what MQTT demands: a
//! packet identifier it has answered with PUBREC is the same message until PUBREL.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use restante_codec::packet::AckKind;
use restante_model::QoS;
use restante_testkit::client::write_ack;
use restante_testkit::{Client, Connect, Ended, Message, Received};

use crate::chance::Chance;
use crate::ledger::Arrived;
use crate::message::Numbered;
use crate::run::{FILTER, Field};

/// A connection is dropped once in so many steps, at whichever step that is.
const DROP_ONCE_IN: u64 = 600;
/// The longest it stays away.
const AWAY: Duration = Duration::from_millis(250);
/// After publishing, when nothing has come for so long nothing will. What is lost is known before: it is missing while
/// the last of its publisher is there.
const QUIET: Duration = Duration::from_secs(100);
/// How long it waits for a packet before it looks whether the run is over.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) struct Subscriber<'a> {
    field: &'a Field,
    chance: Chance,
    connect: Connect,
    qos: QoS,
    /// Packet identifiers between PUBREC and PUBREL, with what came under them.
    held: BTreeMap<u16, Vec<u8>>,
    connection: u64,
    arrived: Arrived,
    last_packet: Instant,
}

impl<'a> Subscriber<'a> {
    /// Makes its session and subscribes; absent afterwards.
    pub(crate) fn new(
        field: &'a Field,
        index: usize,
        qos: QoS,
        publishers: usize,
        chance: Chance,
    ) -> Subscriber<'a> {
        let name = format!("kill-subscriber-{index}");
        let connect = match index % 3 {
            0 => Connect::v5(&name).receive_maximum(50),
            1 => Connect::v311(&name),
            _ => Connect::v31(&name),
        };
        let connect = connect.persistent();
        let mut client = Client::connect(field.address(), &connect);
        assert_eq!(client.subscribe(&[(FILTER, qos)]), [qos as u8]);
        client.disconnect();
        Subscriber {
            field,
            chance,
            connect,
            qos,
            held: BTreeMap::new(),
            connection: 0,
            arrived: Arrived::new(name, qos, publishers),
            last_packet: Instant::now(),
        }
    }

    /// Receives until everything promised has arrived, then comes once more and must get nothing.
    pub(crate) fn run(mut self) -> Arrived {
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
        if self.has_all() {
            match self.held.len() {
                0 => self.come_once_more(),
                held => self.find(format!("{held} messages were never released")),
            }
        }
        self.arrived
    }

    fn come(&mut self) -> Option<Client> {
        let Ok(client) = Client::try_connect(self.field.address(), &self.connect) else {
            self.field.pause();
            return None;
        };
        self.connection += 1;
        // 3.1 has no way to say it.
        let says = self.connect.version != restante_codec::packet::Version::V31;
        if says && !client.session_present() {
            self.find("its session was lost".to_owned());
            self.field.give_up();
        }
        Some(client)
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
                Ok(other) => self.find(format!("unexpected {other:?}")),
                Err(Ended::Silent) => {}
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

    /// While messages are published, and the broker killed, a subscriber may not get through for any time.
    fn is_quiet(&self) -> bool {
        let promises = self.field.promises();
        promises.is_some_and(|promises| self.last_packet.max(promises.since).elapsed() > QUIET)
    }

    fn has_the_last_of_all(&self) -> bool {
        self.field.promises().is_some_and(|promises| {
            (0..)
                .zip(&promises.numbers)
                .all(|(publisher, numbers)| self.arrived.has_come_to(publisher, numbers.last()))
        })
    }

    fn has_all(&self) -> bool {
        self.field.promises().is_some_and(|promises| {
            (0..)
                .zip(&promises.numbers)
                .all(|(publisher, numbers)| self.arrived.has_all(publisher, numbers))
        })
    }

    fn take(&mut self, message: Message, client: &mut Client) -> Result<(), Ended> {
        // Dropped before it took the message: it never had it.
        self.drop_by_chance()?;
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
        if message.qos > self.qos {
            self.find(format!("handed over above its QoS: {:?}", message.qos));
        }
        match Numbered::read(&message.topic, &message.payload) {
            Some(numbered) => self.arrived.take(numbered, self.connection),
            None => self.find(format!("damaged: {message:?}")),
        }
    }

    /// Nothing more may come: not now, and not after a reconnect.
    fn come_once_more(&mut self) {
        let before = self.arrived.count();
        for _ in 0..2 {
            let Some(mut client) = self.come() else { continue };
            loop {
                match client.receive(4 * LOOK) {
                    // PUBCOMP or PUBACK of before may have been lost with the connection.
                    Ok(Received::Ack(ack)) if ack.kind == AckKind::PubRel => {
                        let _ = self.answer(&mut client, AckKind::PubComp, ack.packet_id);
                    }
                    Ok(Received::Publish(message)) if message.qos == QoS::AtLeastOnce => {
                        self.record(&message);
                        let _ = self.answer(&mut client, AckKind::PubAck, message.packet_id);
                    }
                    Ok(other) => self.find(format!("after everything had arrived: {other:?}")),
                    Err(_) => break,
                }
            }
            client.disconnect();
        }
        if self.arrived.count() != before {
            self.find("messages came after everything promised had arrived".to_owned());
        }
    }

    fn answer(&mut self, client: &mut Client, kind: AckKind, packet_id: u16) -> Result<(), Ended> {
        let mut bytes = Vec::new();
        write_ack(self.connect.version, kind, packet_id, 0, &mut bytes);
        client.send(&bytes).map_err(Ended::Broken)
    }

    fn drop_by_chance(&mut self) -> Result<(), Ended> {
        let happens = !self.field.publishing_is_over() && self.chance.once_in(DROP_ONCE_IN);
        if happens { Err(Ended::Closed) } else { Ok(()) }
    }

    fn find(&mut self, what: String) {
        let sentence = format!("{}: {what}", self.arrived.name);
        self.arrived.findings.push(sentence);
    }
}
