//! One subscriber: acknowledges what comes and checks it by number.

use std::sync::Arc;

use crate::clock::Clock;
use crate::error::BenchError;
use crate::histogram::Histogram;
use crate::layout::Layout;
use crate::link::{self, Link};
use crate::payload;
use crate::report::Verification;
use crate::sequence::{Arrival, Sequence};
use crate::wire::{self, Frame, Protocol};

/// What all subscribers of a run share.
#[derive(Clone)]
pub(crate) struct Expected {
    pub(crate) layout: Layout,
    pub(crate) protocol: Protocol,
    /// Payload templates of all publishers.
    pub(crate) templates: Arc<[Vec<u8>]>,
}

/// A subscriber and what it has seen.
pub(crate) struct Subscriber {
    pub(crate) link: Link,
    pub(crate) record: Record,
}

/// What one session has received, over one or several connections.
pub(crate) struct Record {
    topic: u32,
    topic_name: String,
    streams: Vec<Sequence>,
    pub(crate) found: Verification,
    /// PUBLISH at QoS 2 whose PUBREL has not come.
    open: u64,
    pub(crate) connack: Option<bool>,
    pub(crate) ponged: bool,
    /// PUBLISH of all kinds on this connection.
    pub(crate) publishes: u64,
}

impl Expected {
    pub(crate) fn new(layout: Layout, protocol: Protocol) -> Expected {
        let templates = (0..layout.publishers)
            .map(|publisher| payload::template(layout.run, publisher, layout.size))
            .collect();
        Expected {
            layout,
            protocol,
            templates,
        }
    }

    /// An empty record for a session.
    pub(crate) fn record(&self, session: u32) -> Record {
        let topic = self.layout.topic_of_session(session);
        Record {
            topic,
            topic_name: self.layout.topic_name(topic),
            streams: (0..self.layout.publishers)
                .map(|publisher| Sequence::of(self.layout.stream(publisher, topic)))
                .collect(),
            found: Verification {
                expected: self.layout.count_of_topic(topic),
                ..Verification::default()
            },
            open: 0,
            connack: None,
            ponged: false,
            publishes: 0,
        }
    }
}

impl Subscriber {
    pub(crate) fn new(link: Link, record: Record) -> Subscriber {
        Subscriber { link, record }
    }

    /// Reads what has come, acknowledges it, and measures publish to arrival into `latency`. Returns true when the
    /// broker has closed.
    pub(crate) fn read(
        &mut self,
        expected: &Expected,
        clock: &Clock,
        scratch: &mut [u8],
        latency: &mut Histogram,
    ) -> Result<bool, BenchError> {
        let record = &mut self.record;
        let client = self.link.client().to_owned();
        // One look at the clock for all packets that are there: read() is called once per wake.
        let now = clock.nanos();
        let closed = self.link.read(scratch, |frame, out| {
            record.take(&frame, expected, &client, now, latency, out)
        })?;
        self.link.flush()?;
        Ok(closed)
    }
}

impl Record {
    /// Whether everything has arrived and every QoS 2 exchange has ended.
    #[inline]
    pub(crate) fn is_complete(&self) -> bool {
        self.found.arrived >= self.found.expected && self.open == 0
    }

    /// What was found, with what is missing counted as lost.
    pub(crate) fn verification(&self) -> Verification {
        Verification {
            lost: self.found.expected.saturating_sub(self.found.arrived),
            ..self.found
        }
    }

    fn take(
        &mut self,
        frame: &Frame<'_>,
        expected: &Expected,
        client: &str,
        now: u64,
        latency: &mut Histogram,
        out: &mut Vec<u8>,
    ) -> Result<(), BenchError> {
        match frame.kind() {
            wire::PUBLISH => {
                let Some((topic, id, payload)) = frame.publish(expected.protocol) else {
                    return Err(unreadable(client, "a PUBLISH without its fields".to_owned()));
                };
                match frame.first & 0b110 {
                    0 => {}
                    2 => wire::put_ack(wire::PUBACK, id, out),
                    _ => {
                        self.open += 1;
                        wire::put_ack(wire::PUBREC, id, out);
                    }
                }
                self.publishes += 1;
                self.check(topic, payload, expected, now, latency);
            }
            wire::PUBREL => {
                self.open = self.open.saturating_sub(1);
                wire::put_ack(wire::PUBCOMP, frame.ack_id(), out);
            }
            wire::CONNACK => self.connack = Some(link::connack(client, frame)?),
            wire::PINGRESP => self.ponged = true,
            wire::SUBACK => {}
            wire::DISCONNECT => {
                let reason = frame.body.first().copied().unwrap_or(0);
                return Err(unreadable(
                    client,
                    format!("DISCONNECT with reason {reason:#04x}"),
                ));
            }
            kind => return Err(unreadable(client, format!("packet type {kind} to a subscriber"))),
        }
        Ok(())
    }

    #[inline]
    fn check(
        &mut self,
        topic: &[u8],
        payload: &[u8],
        expected: &Expected,
        now: u64,
        latency: &mut Histogram,
    ) {
        let Some(mark) = payload::read(payload, &expected.templates) else {
            self.found.damaged += 1;
            return;
        };
        if mark.run != expected.layout.run {
            self.found.foreign += 1;
            return;
        }
        if mark.topic != self.topic || topic != self.topic_name.as_bytes() {
            self.found.damaged += 1;
            return;
        }
        latency.add(now.saturating_sub(mark.sent_nanos));
        let Some(stream) = self.streams.get_mut(mark.publisher as usize) else {
            self.found.foreign += 1;
            return;
        };
        match stream.take(mark.sequence) {
            Arrival::Fresh => self.found.arrived += 1,
            Arrival::Late => {
                self.found.arrived += 1;
                self.found.out_of_order += 1;
            }
            Arrival::Again => self.found.duplicated += 1,
            Arrival::Foreign => self.found.foreign += 1,
        }
    }
}

fn unreadable(client: &str, what: String) -> BenchError {
    BenchError::Unreadable {
        client: client.to_owned(),
        what,
    }
}
