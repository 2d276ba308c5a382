//! Sessions that are opened, used once and left, and now and then ended, while the broker is killed: what their CONNACK,
//! SUBACK and PUBACK promised is there at the end, and what was ended is not.

use std::collections::BTreeSet;
use std::time::Duration;

use restante_codec::client as codec;
use restante_codec::packet::{AckKind, Subscribe};
use restante_model::{QoS, SubscriptionOptions};
use restante_testkit::client::PATIENCE;
use restante_testkit::sending::identifier;
use restante_testkit::{Client, Connect, Ended, Publish, Received};

use crate::run::Field;

/// Between two guests; bounds their number.
const BETWEEN: Duration = Duration::from_millis(10);
/// One guest in so many ends its session once it is promised.
const ENDS_ONCE_IN: usize = 4;

/// How far a guest's promises go; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Promised {
    Nothing,
    /// CONNACK: a session.
    Session,
    /// SUBACK.
    Subscription,
    /// PUBACK of a message that is retained, and that waits for the guest itself.
    Message,
    /// It was asked for the end of the session, and has not answered.
    PerhapsEnded,
    /// CONNACK of a clean start: no session any more.
    Ended,
}

pub(crate) struct Guests<'a> {
    field: &'a Field,
    promised: Vec<Promised>,
    pub(crate) findings: Vec<String>,
}

impl<'a> Guests<'a> {
    pub(crate) fn new(field: &'a Field) -> Guests<'a> {
        Guests {
            field,
            promised: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Guests come and go until publishing is over; then each comes once more.
    pub(crate) fn run(mut self) -> Guests<'a> {
        while !self.field.publishing_is_over() && !self.field.time_is_up() {
            self.promised.push(Promised::Nothing);
            // Ends early when the broker is killed: then less is promised.
            let _ = self.visit(self.promised.len() - 1);
            std::thread::sleep(BETWEEN);
        }
        for guest in 0..self.promised.len() {
            // The first is enough: a message that does not come takes all our patience.
            if !self.findings.is_empty() {
                break;
            }
            let checked = self.check(guest);
            if let Err(ended) = checked
                && !self.field.time_is_up()
            {
                self.find(guest, &format!("cannot look after it: {ended}"));
            }
        }
        if self.findings.is_empty()
            && let Err(ended) = self.check_retained()
            && !self.field.time_is_up()
        {
            let sentence = format!("cannot look after what guests retained: {ended}");
            self.findings.push(sentence);
        }
        self
    }

    /// How many promised something.
    pub(crate) fn count(&self) -> usize {
        let promised = self.promised.iter();
        promised.filter(|promised| **promised > Promised::Nothing).count()
    }

    fn visit(&mut self, guest: usize) -> Result<(), Ended> {
        let mut client = Client::try_connect(self.field.address(), &connect(guest))?;
        self.promised[guest] = Promised::Session;
        subscribe(&mut client, &topic(guest))?;
        self.promised[guest] = Promised::Subscription;
        let mut bytes = Vec::new();
        let publish = Publish::qos1(2, &topic(guest), topic(guest).as_bytes()).retain();
        publish.write(client.version(), &mut bytes);
        client.send(&bytes).map_err(Ended::Broken)?;
        loop {
            match client.receive(PATIENCE)? {
                Received::Ack(ack) if ack.kind == AckKind::PubAck && ack.packet_id == 2 => break,
                // Its own message, which it does not acknowledge: it waits.
                Received::Publish(_) => {}
                other => self.find(guest, &format!("unexpected {other:?}")),
            }
        }
        self.promised[guest] = Promised::Message;
        client.cut();
        if guest % ENDS_ONCE_IN == ENDS_ONCE_IN - 1 {
            self.promised[guest] = Promised::PerhapsEnded;
            // A clean session in 3.1.1, and in 5.0 one that ends with its connection.
            let clean = Connect::new(connect(guest).version, &name(guest));
            Client::try_connect(self.field.address(), &clean)?;
            self.promised[guest] = Promised::Ended;
        }
        Ok(())
    }

    fn check(&mut self, guest: usize) -> Result<(), Ended> {
        let promised = self.promised[guest];
        let mut client = Client::try_connect(self.field.address(), &connect(guest))?;
        let is_there = client.session_present();
        match promised {
            Promised::Nothing | Promised::PerhapsEnded => {}
            Promised::Ended if is_there => self.find(guest, "its session was ended, and is there again"),
            Promised::Ended => {}
            _ if !is_there => self.find(guest, "its session was lost"),
            Promised::Message if !has_message(&mut client, guest)? => {
                self.find(guest, "the message that waited for it was lost");
            }
            _ => {}
        }
        client.cut();
        Ok(())
    }

    /// What was acknowledged is the retained message of its topic.
    fn check_retained(&mut self) -> Result<(), Ended> {
        let promised = (0..).zip(&self.promised);
        let mut missing: BTreeSet<String> = promised
            .filter(|(_, promised)| **promised >= Promised::Message)
            .map(|(guest, _)| topic(guest))
            .collect();
        let mut client = Client::try_connect(self.field.address(), &Connect::v311("kill-guest-after-all"))?;
        subscribe(&mut client, "guest/+")?;
        while !missing.is_empty() {
            match client.receive(PATIENCE) {
                Ok(Received::Publish(message)) => {
                    if message.payload != message.topic.as_bytes() {
                        self.findings.push(format!("damaged: {message:?}"));
                    }
                    missing.remove(&message.topic);
                    client.ack(AckKind::PubAck, message.packet_id);
                }
                Ok(other) => return Err(Ended::Malformed(format!("no PUBLISH but {other:?}"))),
                Err(Ended::Silent) => break,
                Err(ended) => return Err(ended),
            }
        }
        if let Some(topic) = missing.first() {
            let sentence = format!("guests: the retained message of {topic} was lost");
            self.findings.push(sentence);
        }
        Ok(())
    }

    fn find(&mut self, guest: usize, what: &str) {
        let promised = self.promised[guest];
        self.findings
            .push(format!("guest {guest} ({promised:?}): {what}"));
    }
}

fn name(guest: usize) -> String {
    format!("kill-guest-{guest}")
}

fn topic(guest: usize) -> String {
    format!("guest/{guest}")
}

fn connect(guest: usize) -> Connect {
    let connect = match guest.is_multiple_of(2) {
        true => Connect::v5(&name(guest)),
        false => Connect::v311(&name(guest)),
    };
    connect.persistent()
}

/// Subscribes and takes the SUBACK.
fn subscribe(client: &mut Client, filter: &str) -> Result<(), Ended> {
    let options = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        ..SubscriptionOptions::default()
    };
    let subscribe = Subscribe {
        packet_id: identifier(1),
        filters: vec![(filter, options)],
    };
    let mut bytes = Vec::new();
    codec::subscribe(client.version(), &subscribe, &mut bytes).expect("a SUBSCRIBE that MQTT can say");
    client.send(&bytes).map_err(Ended::Broken)?;
    match client.receive(PATIENCE)? {
        Received::SubAck(1, reasons) if reasons == [QoS::AtLeastOnce as u8] => Ok(()),
        other => Err(Ended::Malformed(format!("no SUBACK but {other:?}"))),
    }
}

/// Whether the guest's message comes, and comes whole.
fn has_message(client: &mut Client, guest: usize) -> Result<bool, Ended> {
    match client.receive(PATIENCE) {
        Ok(Received::Publish(message)) => {
            Ok(message.topic == topic(guest) && message.payload == topic(guest).as_bytes())
        }
        Err(Ended::Silent) => Ok(false),
        Ok(other) => Err(Ended::Malformed(format!("no PUBLISH but {other:?}"))),
        Err(ended) => Err(ended),
    }
}
