//! The retained messages: bodies and all, one copy; and those that were replaced while somebody still has them in
//! flight (K15).

use std::{
    borrow::Borrow,
    collections::{BTreeSet, HashMap, HashSet},
    ops::Bound,
    sync::Arc,
};

use restante_model::{MessageId, QoS, Seq, UnixMillis, filter};

use crate::{
    contract::RetainedRequest, image::StoredMessage, log::state::StoredImage, parts::Parts,
    record::MessageRecord,
};

use super::table::IdMap;

/// One retained message.
#[derive(Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) seq: Seq,
    pub(crate) id: MessageId,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) deadline: UnixMillis,
    parts: Parts,
}

impl Kept {
    pub(crate) fn new(seq: Seq, id: MessageId, message: &MessageRecord<'_>) -> Kept {
        Kept {
            seq,
            id,
            qos: message.qos,
            retain: message.retain,
            deadline: message.deadline,
            parts: Parts::copy(message.sender, message.topic, message.properties, message.payload),
        }
    }

    /// One that was read from a checkpoint.
    pub(crate) fn from_image(image: &StoredImage<'_>) -> Kept {
        let topic = image.topic.as_bytes();
        Kept {
            seq: image.seq,
            id: image.id,
            qos: image.qos,
            retain: image.retain,
            deadline: image.deadline,
            parts: Parts::copy(image.sender, topic, image.properties, image.payload),
        }
    }

    pub(crate) fn topic(&self) -> &str {
        std::str::from_utf8(self.parts.topic()).unwrap_or_default()
    }

    /// Bytes of its fields.
    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }

    pub(crate) fn stored(&self) -> StoredMessage {
        StoredMessage {
            seq: self.seq,
            id: self.id,
            qos: self.qos,
            retain: self.retain,
            deadline: self.deadline,
            parts: self.parts.clone(),
        }
    }
}

/// A page of retained messages under construction.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) messages: Vec<Arc<Kept>>,
    /// The last topic that was looked at.
    pub(crate) at: Option<Box<str>>,
    /// The next one that matches does not fit any more.
    pub(crate) is_full: bool,
    bytes: usize,
}

impl Found {
    /// Behind what earlier pages have shown.
    pub(crate) fn after(topic: Option<Box<str>>) -> Found {
        Found {
            at: topic,
            ..Found::default()
        }
    }

    fn has_room(&self, kept: &Kept, request: &RetainedRequest) -> bool {
        self.messages.is_empty()
            || (self.messages.len() < request.messages_max && self.bytes + kept.len() <= request.bytes_max)
    }
}

/// Orders retained messages by topic, so that the topic stands in memory once.
#[derive(Debug)]
struct ByTopic(Arc<Kept>);

impl Borrow<str> for ByTopic {
    fn borrow(&self) -> &str {
        self.0.topic()
    }
}

impl PartialEq for ByTopic {
    fn eq(&self, other: &Self) -> bool {
        self.0.topic() == other.0.topic()
    }
}

impl Eq for ByTopic {}

impl PartialOrd for ByTopic {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByTopic {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.topic().cmp(other.0.topic())
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    topics: BTreeSet<ByTopic>,
    /// By sequence, for bindings.
    seqs: IdMap<Arc<Kept>>,
    /// Those that expire, soonest first.
    deadlines: BTreeSet<(UnixMillis, Seq)>,
    /// Bound to somebody, whether or not still retained; with the number of bindings.
    held: HashMap<Seq, (Arc<Kept>, u32)>,
    bytes: u64,
    /// Topics that changed since the last checkpoint began.
    pub(crate) dirty: HashSet<Box<str>>,
}

impl Retained {
    /// Sets a topic's message.
    pub(crate) fn set(&mut self, kept: Kept) {
        let kept = Arc::new(kept);
        self.clear(kept.topic());
        self.dirty.insert(kept.topic().into());
        self.put(kept);
    }

    /// Sets one that was read from a checkpoint.
    pub(crate) fn put(&mut self, kept: Arc<Kept>) {
        if kept.deadline != UnixMillis::NEVER {
            self.deadlines.insert((kept.deadline, kept.seq));
        }
        self.bytes += kept.len() as u64;
        self.seqs.insert(kept.seq.0, kept.clone());
        self.topics.insert(ByTopic(kept));
    }

    /// Clears a topic.
    pub(crate) fn clear(&mut self, topic: &str) {
        let Some(ByTopic(kept)) = self.topics.take(topic) else {
            return;
        };
        self.dirty.insert(topic.into());
        self.seqs.remove(&kept.seq.0);
        self.deadlines.remove(&(kept.deadline, kept.seq));
        self.bytes -= kept.len() as u64;
    }

    /// Removes up to `most` that have expired.
    pub(crate) fn expire(&mut self, now: UnixMillis, most: usize) {
        for _ in 0..most {
            let Some(&(_, seq)) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now) else {
                return;
            };
            match self.seqs.get(&seq.0).cloned() {
                Some(kept) => self.clear(kept.topic()),
                None => drop(self.deadlines.pop_first()),
            }
        }
    }

    pub(crate) fn get(&self, topic: &str) -> Option<&Arc<Kept>> {
        self.topics.get(topic).map(|found| &found.0)
    }

    /// Looks through up to `most` topics behind where a page has come to, for messages that belong into it. Answers
    /// whether there may be more to look through.
    pub(crate) fn look(
        &self,
        request: &RetainedRequest,
        page: &mut Found,
        now: UnixMillis,
        most: usize,
    ) -> bool {
        let is_wanted = |kept: &Kept| kept.seq <= request.to && kept.deadline > now;
        let filter = request.topic_filter.as_str();
        if !filter.contains(['+', '#']) {
            let one = self.topics.get(filter).map(|found| &found.0);
            let one = one.filter(|kept| page.at.is_none() && is_wanted(kept));
            page.messages.extend(one.cloned());
            return false;
        }
        let literal = filter.split(['+', '#']).next().unwrap_or_default();
        // `a/#` matches `a` too: the separator before the wildcard is not part of what all topics begin with.
        let prefix = literal.strip_suffix('/').unwrap_or(literal);
        let from = match &page.at {
            Some(topic) => Bound::Excluded(&**topic),
            None => Bound::Included(prefix),
        };
        let mut before = None;
        for (count, ByTopic(kept)) in self.topics.range::<str, _>((from, Bound::Unbounded)).enumerate() {
            let topic = kept.topic();
            if !topic.starts_with(prefix) {
                return false;
            }
            let fits = is_wanted(kept) && filter::matches(filter, topic);
            page.is_full = fits && !page.has_room(kept, request);
            if count == most || page.is_full {
                page.at = before.map(Box::from).or(page.at.take());
                return true;
            }
            if fits {
                page.bytes += kept.len();
                page.messages.push(kept.clone());
            }
            before = Some(topic);
        }
        false
    }

    /// A delivery of this sequence begins: if it is a retained message it stays readable until [`Retained::release`].
    pub(crate) fn hold(&mut self, seq: Seq) {
        if let Some((_, holders)) = self.held.get_mut(&seq) {
            *holders += 1;
        } else if let Some(kept) = self.seqs.get(&seq.0) {
            self.held.insert(seq, (kept.clone(), 1));
        }
    }

    /// A delivery is over.
    pub(crate) fn release(&mut self, seq: Seq) {
        if let Some((_, holders)) = self.held.get_mut(&seq) {
            *holders = holders.saturating_sub(1);
            if *holders == 0 {
                self.held.remove(&seq);
            }
        }
    }

    /// One that a checkpoint says was held; by whom, the sessions say.
    pub(crate) fn put_held(&mut self, kept: Arc<Kept>) {
        self.held.entry(kept.seq).or_insert((kept, 0));
    }

    /// Lets go what no session turned out to hold.
    pub(crate) fn drop_unheld(&mut self) {
        self.held.retain(|_, (_, holders)| *holders > 0);
    }

    /// A message that is held, or retained.
    pub(crate) fn by_seq(&self, seq: Seq) -> Option<&Arc<Kept>> {
        self.held
            .get(&seq)
            .map(|(kept, _)| kept)
            .or_else(|| self.seqs.get(&seq.0))
    }

    /// Those that are held.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Arc<Kept>> {
        self.held.values().map(|(kept, _)| kept)
    }

    /// Those with topics after this one, ascending.
    pub(crate) fn after(&self, topic: Option<&str>) -> impl Iterator<Item = &Arc<Kept>> {
        let from = topic.map_or(Bound::Unbounded, Bound::Excluded);
        self.topics
            .range::<str, _>((from, Bound::Unbounded))
            .map(|found| &found.0)
    }

    pub(crate) fn len(&self) -> usize {
        self.topics.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{batch::Batch, change::NewMessage, record::Body};

    fn kept(seq: u64, topic: &str, deadline: UnixMillis) -> Kept {
        let mut batch = Batch::default();
        batch.message(&NewMessage {
            queues: &[],
            qos: QoS::AtLeastOnce,
            retain: true,
            set_retained: true,
            deadline,
            sender: "s",
            topic,
            properties: &[1],
            payload: &[2, 3],
            receipt: None,
        });
        match batch.records().next().map(|record| record.body) {
            Some(Body::Message(message)) => Kept::new(Seq(seq), MessageId(seq.into()), &message),
            other => panic!("{other:?}"),
        }
    }

    fn request(filter: &str, messages_max: usize) -> RetainedRequest {
        RetainedRequest {
            topic_filter: filter.into(),
            after: None,
            to: Seq::MAX,
            messages_max,
            bytes_max: usize::MAX,
            applied: Seq::ZERO,
        }
    }

    fn look(filter: &str, now: UnixMillis, retained: &Retained) -> Vec<u64> {
        let mut page = Found::default();
        assert!(!retained.look(&request(filter, 1000), &mut page, now, 1000));
        page.messages.iter().map(|kept| kept.seq.0).collect()
    }

    /// All, by pages and slices of these lengths.
    fn seqs(retained: &Retained, filter: &str, page: usize, slice: usize) -> Vec<u64> {
        let request = request(filter, page);
        let mut all = Vec::new();
        let mut found = Found::default();
        loop {
            let more = retained.look(&request, &mut found, UnixMillis(0), slice);
            assert!(found.messages.len() <= page);
            if !more || found.is_full {
                all.extend(found.messages.iter().map(|kept| kept.seq.0));
                found = Found::after(found.at);
            }
            if !more {
                return all;
            }
        }
    }

    #[test]
    fn wildcards_find_what_the_filter_matches() {
        let mut retained = Retained::default();
        for (seq, topic) in ["b", "a", "a/b", "a/c/d", "ab", "$SYS/a"].into_iter().enumerate() {
            retained.set(kept(seq as u64, topic, UnixMillis::NEVER));
        }
        let found = |filter: &str| seqs(&retained, filter, 1000, 1000);
        assert_eq!(found("a/#"), [1, 2, 3]);
        assert_eq!(found("#"), [1, 2, 3, 4, 0]);
        assert_eq!(found("+"), [1, 4, 0]);
        assert_eq!(found("a"), [1]);
        assert_eq!(found("$SYS/#"), [5]);
        let stored = retained.get("a/b").unwrap().stored();
        assert_eq!(
            (stored.parts.topic(), stored.parts.sender()),
            (&b"a/b"[..], &b"s"[..])
        );
        assert_eq!(
            (stored.parts.properties(), stored.parts.payload()),
            (&[1][..], &[2, 3][..])
        );
    }

    #[test]
    fn pages_and_slices_of_any_length_show_the_same() {
        let mut retained = Retained::default();
        for number in 0..40_u64 {
            retained.set(kept(number, &format!("t/{number:02}"), UnixMillis::NEVER));
            retained.set(kept(100 + number, &format!("t/{number:02}/x"), UnixMillis::NEVER));
        }
        let all: Vec<u64> = (0..40).collect();
        for page in [1, 2, 7, 40, 41] {
            for slice in [1, 3, 80, 81] {
                assert_eq!(seqs(&retained, "t/+", page, slice), all, "{page} {slice}");
            }
        }
    }

    #[test]
    fn the_expired_go_and_bytes_are_counted() {
        let mut retained = Retained::default();
        retained.set(kept(1, "late", UnixMillis(200)));
        retained.set(kept(2, "soon", UnixMillis(100)));
        retained.set(kept(3, "soon", UnixMillis(150)));
        assert_eq!(retained.bytes(), 2 * (4 + 1 + 1 + 2));
        assert_eq!(look("soon", UnixMillis(150), &retained), [0_u64; 0]);
        assert_eq!(look("soon", UnixMillis(149), &retained), [3]);
        retained.expire(UnixMillis(150), 10);
        assert_eq!((retained.len(), retained.bytes()), (1, 8));
        retained.expire(UnixMillis(250), 10);
        assert_eq!((retained.len(), retained.bytes()), (0, 0));
    }

    #[test]
    fn k15_what_is_in_flight_outlives_its_replacement() {
        let mut retained = Retained::default();
        retained.set(kept(1, "t", UnixMillis::NEVER));
        retained.hold(Seq(1));
        retained.hold(Seq(1));
        retained.set(kept(2, "t", UnixMillis::NEVER));
        retained.release(Seq(1));
        assert_eq!(retained.by_seq(Seq(1)).unwrap().seq, Seq(1));
        retained.release(Seq(1));
        assert!(retained.by_seq(Seq(1)).is_none());
        assert!(retained.by_seq(Seq(2)).is_some());
    }
}
