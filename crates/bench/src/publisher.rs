//! One publisher in a closed loop: never more than its window in flight.

use std::sync::Arc;

use crate::clock::Clock;
use crate::error::BenchError;
use crate::histogram::Histogram;
use crate::layout::Layout;
use crate::link::{Link, OUT_BYTES_MAX};
use crate::payload;
use crate::wire::{self, Frame, Protocol};

/// Frames with everything but topic number, packet identifier and the payload's marks already in place.
#[derive(Clone)]
pub(crate) struct FrameTemplate {
    bytes: Vec<u8>,
    digits_at: usize,
    id_at: Option<usize>,
    payload_at: usize,
}

/// The eight digits that end each topic's name.
pub(crate) type TopicDigits = Arc<[[u8; 8]]>;

/// Which message comes next, in the order of [`Layout`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct NextMessage {
    pub(crate) topic: u32,
    pub(crate) sequence: u64,
    topics: u32,
    first_topic: u32,
    pub(crate) left: u64,
}

/// A publisher and its connection.
pub(crate) struct Publisher {
    pub(crate) link: Link,
    template: FrameTemplate,
    digits: TopicDigits,
    next: NextMessage,
    qos: u8,
    /// When the message under each packet identifier was made.
    sent_nanos: Vec<u64>,
    /// Identifiers that are free, oldest first.
    free: std::collections::VecDeque<u16>,
    window: usize,
    /// Acknowledged (QoS 0: made).
    pub(crate) done: u64,
    pub(crate) refused: u64,
    pub(crate) latency: Histogram,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Publishing,
    /// QoS 0: everything is made, and the broker was asked whether it has read it.
    Flushing,
    Finished,
}

impl FrameTemplate {
    pub(crate) fn new(layout: &Layout, protocol: Protocol, publisher: u32, qos: u8) -> FrameTemplate {
        let topic = layout.topic_name(0);
        let payload = payload::template(layout.run, publisher, layout.size);
        let id_bytes = if qos == 0 { 0 } else { 2 };
        let property_bytes = usize::from(protocol == Protocol::V5);
        let mut bytes = vec![0x30 | qos << 1];
        wire::put_varint(
            2 + topic.len() + id_bytes + property_bytes + payload.len(),
            &mut bytes,
        );
        bytes.extend_from_slice(&(topic.len() as u16).to_be_bytes());
        bytes.extend_from_slice(topic.as_bytes());
        let digits_at = bytes.len() - 8;
        let id_at = (qos > 0).then_some(bytes.len());
        bytes.resize(bytes.len() + id_bytes + property_bytes, 0);
        let payload_at = bytes.len();
        bytes.extend_from_slice(&payload);
        FrameTemplate {
            bytes,
            digits_at,
            id_at,
            payload_at,
        }
    }

    /// Appends one frame: a copy and four patches.
    #[inline]
    pub(crate) fn append(
        &self,
        digits: &[u8; 8],
        message: &NextMessage,
        id: u16,
        nanos: u64,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let frame = &mut out[start..];
        frame[self.digits_at..self.digits_at + 8].copy_from_slice(digits);
        if let Some(at) = self.id_at {
            frame[at..at + 2].copy_from_slice(&id.to_be_bytes());
        }
        payload::patch(
            &mut frame[self.payload_at..],
            message.topic,
            message.sequence,
            nanos,
        );
    }
}

/// The digits of all topics.
pub(crate) fn topic_digits(topics: u32) -> TopicDigits {
    let digits = |topic: u32| {
        let mut digits = [b'0'; 8];
        let mut rest = topic;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        digits
    };
    (0..topics).map(digits).collect()
}

impl NextMessage {
    pub(crate) fn first(layout: &Layout, publisher: u32) -> NextMessage {
        let first_topic = layout.first_topic_of(publisher);
        NextMessage {
            topic: first_topic,
            sequence: 0,
            topics: layout.topics,
            first_topic,
            left: layout.messages_of(publisher),
        }
    }

    #[inline]
    pub(crate) fn advance(&mut self) {
        self.left -= 1;
        self.topic += 1;
        if self.topic == self.topics {
            self.topic = 0;
        }
        if self.topic == self.first_topic {
            self.sequence += 1;
        }
    }
}

impl Publisher {
    /// `link` must be past its CONNACK.
    pub(crate) fn new(
        link: Link,
        layout: &Layout,
        protocol: Protocol,
        publisher: u32,
        qos: u8,
        window: u16,
        digits: TopicDigits,
    ) -> Publisher {
        Publisher {
            link,
            template: FrameTemplate::new(layout, protocol, publisher, qos),
            digits,
            next: NextMessage::first(layout, publisher),
            qos,
            sent_nanos: vec![0; usize::from(window) + 1],
            free: (1..=window).collect(),
            window: usize::from(window),
            done: 0,
            refused: 0,
            latency: Histogram::new(),
            stage: Stage::Publishing,
        }
    }

    /// Whether everything was published and acknowledged.
    pub(crate) fn is_finished(&self) -> bool {
        self.stage == Stage::Finished
    }

    /// Messages made so far.
    pub(crate) fn made(&self, layout: &Layout, publisher: u32) -> u64 {
        layout.messages_of(publisher) - self.next.left
    }

    /// Makes and writes what the window and `allowance` (messages) permit.
    pub(crate) fn fill(&mut self, clock: &Clock, mut allowance: u64) -> Result<(), BenchError> {
        loop {
            let before = self.link.out.len();
            self.make(clock.nanos(), &mut allowance);
            let made_some = self.link.out.len() > before;
            self.link.flush()?;
            // At QoS 0 the socket is the only window: go on until it takes no more.
            if self.qos > 0 || !made_some || !self.link.out.is_empty() {
                return Ok(());
            }
        }
    }

    fn make(&mut self, now: u64, allowance: &mut u64) {
        while self.next.left > 0 && *allowance > 0 && self.link.out.len() < OUT_BYTES_MAX {
            let id = if self.qos == 0 {
                self.done += 1;
                0
            } else {
                let Some(id) = self.free.pop_front() else { return };
                self.sent_nanos[usize::from(id)] = now;
                id
            };
            let digits = &self.digits[self.next.topic as usize];
            self.template
                .append(digits, &self.next, id, now, &mut self.link.out);
            self.next.advance();
            *allowance -= 1;
        }
        if self.next.left == 0 && self.stage == Stage::Publishing {
            if self.qos == 0 {
                self.link.out.extend_from_slice(&wire::PINGREQ);
                self.stage = Stage::Flushing;
            } else if self.free.len() == self.window {
                self.stage = Stage::Finished;
            }
        }
    }

    /// Takes the acknowledgements that have come.
    pub(crate) fn read(&mut self, clock: &Clock, scratch: &mut [u8]) -> Result<(), BenchError> {
        let now = clock.nanos();
        let mut taken = Acknowledgements {
            now,
            sent_nanos: &self.sent_nanos,
            free: &mut self.free,
            done: &mut self.done,
            refused: &mut self.refused,
            latency: &mut self.latency,
            ponged: false,
            unexpected: None,
        };
        let closed = self.link.read(scratch, |frame, out| {
            taken.take(&frame, out);
            Ok(())
        })?;
        let (ponged, unexpected) = (taken.ponged, taken.unexpected);
        if let Some(what) = unexpected {
            return Err(BenchError::Unreadable {
                client: self.link.client().to_owned(),
                what,
            });
        }
        if ponged && self.stage == Stage::Flushing {
            self.stage = Stage::Finished;
        }
        if self.qos > 0 && self.next.left == 0 && self.free.len() == self.window {
            self.stage = Stage::Finished;
        }
        if closed && self.stage != Stage::Finished {
            return Err(self.link.closed());
        }
        Ok(())
    }
}

struct Acknowledgements<'a> {
    now: u64,
    sent_nanos: &'a [u64],
    free: &'a mut std::collections::VecDeque<u16>,
    done: &'a mut u64,
    refused: &'a mut u64,
    latency: &'a mut Histogram,
    ponged: bool,
    unexpected: Option<String>,
}

impl Acknowledgements<'_> {
    #[inline]
    fn take(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        let id = frame.ack_id();
        let refused = frame.ack_reason() >= 0x80;
        match frame.kind() {
            wire::PUBACK => {
                self.measure(id);
                self.end(id, refused);
            }
            wire::PUBREC => {
                self.measure(id);
                if refused {
                    self.end(id, true);
                } else {
                    wire::put_ack(wire::PUBREL, id, out);
                }
            }
            wire::PUBCOMP => self.end(id, refused),
            wire::PINGRESP => self.ponged = true,
            wire::DISCONNECT => {
                let reason = frame.body.first().copied().unwrap_or(0);
                self.unexpected = Some(format!("DISCONNECT with reason {reason:#04x}"));
            }
            kind => self.unexpected = Some(format!("packet type {kind} to a publisher")),
        }
    }

    #[inline]
    fn measure(&mut self, id: u16) {
        match self.sent_nanos.get(usize::from(id)) {
            Some(sent) if id != 0 => self.latency.add(self.now.saturating_sub(*sent)),
            _ => self.unexpected = Some(format!("an acknowledgement of packet {id}, which was never sent")),
        }
    }

    #[inline]
    fn end(&mut self, id: u16, refused: bool) {
        self.free.push_back(id);
        *self.done += 1;
        *self.refused += u64::from(refused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_what_the_layout_says() {
        let layout = Layout {
            run: 0xab,
            publishers: 2,
            topics: 3,
            sessions: 3,
            messages: 9,
            size: 48,
        };
        for protocol in [Protocol::V311, Protocol::V5] {
            let template = FrameTemplate::new(&layout, protocol, 1, 1);
            let digits = topic_digits(3);
            let mut next = NextMessage::first(&layout, 1);
            let templates = [0, 1]
                .map(|publisher| payload::template(0xab, publisher, 48))
                .to_vec();
            let mut out = Vec::new();
            while next.left > 0 {
                out.clear();
                template.append(&digits[next.topic as usize], &next, 7, 55, &mut out);
                let wire::Cut::Whole(frame, length) = wire::cut(&out) else {
                    panic!("no whole frame in {out:?}")
                };
                assert_eq!(length, out.len());
                let (topic, id, bytes) = frame.publish(protocol).unwrap();
                assert_eq!(topic, layout.topic_name(next.topic).as_bytes());
                assert_eq!(id, 7);
                let mark = payload::read(bytes, &templates).unwrap();
                assert_eq!(
                    (mark.topic, mark.sequence, mark.sent_nanos),
                    (next.topic, next.sequence, 55)
                );
                next.advance();
            }
        }
    }
}
