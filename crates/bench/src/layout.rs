//! Who sends what to whom: the arithmetic that lets a second run know what a first one left behind.
//!
//! Publisher `p` sends its `i`-th message to topic `(p + i) mod topics`; session `s` subscribes topic
//! `s mod topics`. So the count of each stream (publisher, topic) follows from the arguments alone.

/// The shape of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Marks topics, client ids and payloads, so that runs on one broker do not mix.
    pub(crate) run: u32,
    pub(crate) publishers: u32,
    pub(crate) topics: u32,
    pub(crate) sessions: u32,
    /// All publishers together.
    pub(crate) messages: u64,
    /// Bytes of a payload.
    pub(crate) size: usize,
}

impl Layout {
    /// Messages of one publisher.
    pub(crate) fn messages_of(&self, publisher: u32) -> u64 {
        let publishers = u64::from(self.publishers);
        self.messages / publishers + u64::from(u64::from(publisher) < self.messages % publishers)
    }

    /// The topic of a publisher's first message.
    pub(crate) fn first_topic_of(&self, publisher: u32) -> u32 {
        publisher % self.topics
    }

    /// The topic that a session subscribes.
    pub(crate) fn topic_of_session(&self, session: u32) -> u32 {
        session % self.topics
    }

    /// Messages of one publisher to one topic.
    pub(crate) fn stream(&self, publisher: u32, topic: u32) -> u64 {
        let (total, topics) = (self.messages_of(publisher), u64::from(self.topics));
        let first = (u64::from(topic) + topics - u64::from(self.first_topic_of(publisher))) % topics;
        if first >= total {
            0
        } else {
            (total - first).div_ceil(topics)
        }
    }

    /// Messages to one topic.
    pub(crate) fn count_of_topic(&self, topic: u32) -> u64 {
        (0..self.publishers)
            .map(|publisher| self.stream(publisher, topic))
            .sum()
    }

    /// Messages that all sessions together must receive.
    pub(crate) fn deliveries(&self) -> u64 {
        (0..self.topics.min(self.sessions))
            .map(|topic| {
                let readers = (self.sessions - topic).div_ceil(self.topics);
                self.count_of_topic(topic) * u64::from(readers)
            })
            .sum()
    }

    /// The topic's name: always equally long, so that frames can be patched.
    pub(crate) fn topic_name(&self, topic: u32) -> String {
        format!("bench/{:08x}/{topic:08}", self.run)
    }

    /// The client identifier of a session: 22 bytes, which 3.1 takes too.
    pub(crate) fn session_name(&self, session: u32) -> String {
        format!("b{:08x}s{session}", self.run)
    }

    /// The client identifier of a publisher.
    pub(crate) fn publisher_name(&self, publisher: u32) -> String {
        format!("b{:08x}p{publisher}", self.run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula_counts_what_publishers_send() {
        for (publishers, topics, sessions, messages) in
            [(1, 1, 1, 10), (4, 3, 7, 101), (3, 5, 5, 2), (7, 2, 9, 50)]
        {
            let layout = Layout {
                run: 1,
                publishers,
                topics,
                sessions,
                messages,
                size: 64,
            };
            let mut sent = vec![vec![0u64; topics as usize]; publishers as usize];
            for publisher in 0..publishers {
                for index in 0..layout.messages_of(publisher) {
                    let topic = (u64::from(layout.first_topic_of(publisher)) + index) % u64::from(topics);
                    sent[publisher as usize][topic as usize] += 1;
                }
            }
            let mut deliveries = 0;
            for topic in 0..topics {
                let expected: u64 = sent.iter().map(|of| of[topic as usize]).sum();
                assert_eq!(layout.count_of_topic(topic), expected);
                let readers = (0..sessions)
                    .filter(|&s| layout.topic_of_session(s) == topic)
                    .count();
                deliveries += expected * readers as u64;
            }
            assert_eq!(layout.deliveries(), deliveries);
            assert_eq!(
                (0..topics).map(|topic| layout.count_of_topic(topic)).sum::<u64>(),
                messages
            );
        }
    }
}
