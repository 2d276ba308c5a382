//! What was promised, what arrived, and whether the two agree.

use std::collections::BTreeSet;
use std::fmt;

use restante_model::QoS;

use crate::message::Numbered;

/// Findings written out; the rest is only counted.
const SHOWN: usize = 20;

/// What a publisher was promised.
#[derive(Debug, Default)]
pub(crate) struct Promised {
    /// How many were sent: the numbers below this.
    pub(crate) sent: u64,
    /// Numbers with a PUBACK or PUBREC.
    pub(crate) acknowledged: BTreeSet<u64>,
    /// Numbers that were sent more than once.
    pub(crate) sent_again: BTreeSet<u64>,
    pub(crate) findings: Vec<String>,
}

/// What one subscriber has seen of one publisher.
#[derive(Clone, Debug, Default)]
struct Stream {
    /// Numbers seen, each with the connection on which it was first seen.
    seen: std::collections::BTreeMap<u64, u64>,
    /// Numbers that came more than once, and whether all within one connection.
    repeats: Vec<(u64, Repeat)>,
    highest: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeat {
    /// The first was on an earlier connection.
    AfterReconnect,
    /// Both on one connection.
    SameConnection,
}

/// What one subscriber has seen.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) name: String,
    pub(crate) qos: QoS,
    streams: Vec<Stream>,
    /// What came first after something newer.
    disorder: Vec<String>,
    pub(crate) findings: Vec<String>,
}

impl Arrived {
    pub(crate) fn new(name: String, qos: QoS, publishers: usize) -> Arrived {
        Arrived {
            name,
            qos,
            streams: vec![Stream::default(); publishers],
            disorder: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// A message was handed over on the `connection`-th connection.
    pub(crate) fn take(&mut self, message: Numbered, connection: u64) {
        let Some(stream) = self.streams.get_mut(message.publisher) else {
            self.findings.push(format!(
                "{}: from a publisher that is not there: {message:?}",
                self.name
            ));
            return;
        };
        if let Some(first) = stream.seen.get(&message.number) {
            let repeat = if *first == connection {
                Repeat::SameConnection
            } else {
                Repeat::AfterReconnect
            };
            stream.repeats.push((message.number, repeat));
            return;
        }
        if stream.highest.is_some_and(|highest| message.number < highest) {
            self.disorder.push(format!(
                "{}: out of order: {message:?} came first after number {:?}",
                self.name, stream.highest
            ));
        }
        stream.highest = stream.highest.max(Some(message.number));
        stream.seen.insert(message.number, connection);
    }

    /// Whether everything of the given numbers has arrived.
    pub(crate) fn has_all(&self, publisher: usize, numbers: &BTreeSet<u64>) -> bool {
        self.streams
            .get(publisher)
            .is_some_and(|stream| numbers.iter().all(|number| stream.seen.contains_key(number)))
    }

    /// Whether this number of a publisher, or a later one, has arrived.
    pub(crate) fn has_come_to(&self, publisher: usize, number: Option<&u64>) -> bool {
        self.streams
            .get(publisher)
            .is_some_and(|stream| stream.highest >= number.copied())
    }

    /// Different messages that have arrived.
    pub(crate) fn count(&self) -> usize {
        self.streams.iter().map(|stream| stream.seen.len()).sum()
    }
}

/// The result of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) kills: u64,
    pub(crate) acknowledged: u64,
    pub(crate) delivered: u64,
    /// Copies at QoS 1 that a resend explains.
    pub(crate) repeated: u64,
    /// Sessions that were promised, or whose end was.
    pub(crate) guests: usize,
    /// Messages that were acknowledged and never handed over, once for each subscriber.
    lost: u64,
    pub(crate) findings: Vec<String>,
}

impl Outcome {
    pub(crate) fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether something was lost, as opposed to a broker that did not start or did not answer.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost > 0
    }

    /// Something that was acknowledged has come to nobody.
    pub(crate) fn lose(&mut self, sentence: String) {
        self.lost += 1;
        self.findings.push(sentence);
    }

    /// Compares what one subscriber got with what publishers were promised, and with their order where that is
    /// promised too.
    pub(crate) fn judge(&mut self, promised: &[(QoS, Promised)], arrived: &Arrived, in_order: bool) {
        self.findings.extend(arrived.findings.iter().cloned());
        if in_order {
            self.findings.extend(arrived.disorder.iter().cloned());
        }
        for (publisher, (qos, promised)) in promised.iter().enumerate() {
            let stream = &arrived.streams[publisher];
            self.delivered += stream.seen.len() as u64;
            for number in promised
                .acknowledged
                .iter()
                .filter(|number| !stream.seen.contains_key(number))
            {
                let name = &arrived.name;
                self.lose(format!(
                    "{name}: lost: number {number} of publisher {publisher} was acknowledged"
                ));
            }
            if let Some(number) = stream.seen.keys().find(|number| **number >= promised.sent) {
                self.findings.push(format!(
                    "{}: number {number} of publisher {publisher} was never sent",
                    arrived.name
                ));
            }
            let exactly_once = arrived.qos.min(*qos) == QoS::ExactlyOnce;
            for (number, repeat) in &stream.repeats {
                let explained = *repeat == Repeat::AfterReconnect || promised.sent_again.contains(number);
                if exactly_once || !explained {
                    self.findings.push(format!(
                        "{}: doubled: number {number} of publisher {publisher}, {repeat:?}, QoS {:?}",
                        arrived.name,
                        arrived.qos.min(*qos)
                    ));
                } else {
                    self.repeated += 1;
                }
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{} kills, {} messages acknowledged, {} handed over, {} again at QoS 1, {} guests, {} findings",
            self.kills,
            self.acknowledged,
            self.delivered,
            self.repeated,
            self.guests,
            self.findings.len()
        )?;
        for finding in self.findings.iter().take(SHOWN) {
            writeln!(formatter, "  {finding}")?;
        }
        Ok(())
    }
}
