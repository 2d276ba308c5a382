//! What one present session is fed from: the store while it is behind, a bounded ring in memory when it has caught up.
//!
//! The switch happens at one sequence (K3): at or below it messages come from the store, above it from the ring. A
//! ring that overflows is emptied and its reader becomes a reader of the store again (K26); a receiver that has
//! nothing in the store (K18) loses messages by policy instead.
//!
//! ```text
//!            ring overflowed, new subscription
//!   Live  ─────────────────────────────────────►  Store { asked? }
//!     ▲                                               │ page
//!     └───────────────────────────────────────────────┘
//!        page ends at or above `complete_from`
//! ```

use std::{collections::VecDeque, rc::Rc, sync::Arc};

use restante_model::{Cursor, MessageId, NotKept, Seq, SubscriptionOptions};
use restante_store::contract::{Entry, Page, QueueLimits, WhenFull};

use crate::{
    live::{LiveMessage, MessageView},
    ranges,
};

/// Messages a present persistent session may have waiting in memory.
const RING_MESSAGES_MAX: usize = 1024;
/// Bytes of them.
const RING_BYTES_MAX: usize = 1 << 20;

/// The source of one session's QoS 1 and 2 messages.
pub(crate) struct Feed {
    mode: Mode,
    /// Everything at or below was taken: in flight, done, or passed for good.
    passed: Seq,
    /// Above `passed`: acknowledged before this connection, or bound to a packet id since then.
    done_above: Vec<(Seq, Seq)>,
    page: VecDeque<Entry>,
    page_through: Seq,
    page_end: bool,
    /// The page that was asked for counts up to here only.
    clamp: Option<Seq>,
    /// The filters of the page's spans, in their order.
    page_filters: Rc<[Box<str>]>,
    ring: VecDeque<Ringed>,
    ring_bytes: usize,
    /// Everything above that was meant for this session is in the ring.
    complete_from: Seq,
    limits: RingLimits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Live,
    Store { asked: bool },
}

/// What happens when the ring is full.
#[derive(Clone, Copy, Debug)]
enum RingLimits {
    /// The store has everything: become its reader.
    Persistent,
    /// There is nothing else: drop by policy (K18).
    Volatile(QueueLimits),
}

/// A message in the ring.
pub(crate) struct Ringed {
    pub(crate) seq: Seq,
    /// Which one it is, where somebody is told of its acknowledgement.
    pub(crate) id: Option<MessageId>,
    pub(crate) message: Arc<LiveMessage>,
    /// The options it was matched under.
    pub(crate) options: Box<[SubscriptionOptions]>,
}

impl Ringed {
    pub(crate) fn view(&self) -> MessageView<'_> {
        MessageView {
            id: self.id,
            ..self.message.view()
        }
    }
}

/// What comes next.
pub(crate) enum Next {
    Stored(Entry, Rc<[Box<str>]>),
    Live(Ringed),
    /// Ask the store for the next page.
    Ask,
    /// Nothing now.
    Nothing,
}

impl Feed {
    /// A session that keeps nothing in the store.
    pub(crate) fn volatile(limits: QueueLimits) -> Feed {
        Feed::new(Mode::Live, &Cursor::default(), RingLimits::Volatile(limits))
    }

    /// A persistent session that goes on from its cursor, once [`Feed::begin`] is called. What is `bound` (ranges,
    /// ascending) is sent again by whoever holds the bindings, and never by the feed.
    pub(crate) fn persistent(cursor: &Cursor, bound: &[(Seq, Seq)]) -> Feed {
        let mut feed = Feed::new(Mode::Store { asked: true }, cursor, RingLimits::Persistent);
        feed.done_above = ranges::merge(cursor.above(), bound);
        feed.pass(cursor.low());
        feed
    }

    /// From now on the feed gives messages. Everything above `complete_from` was planned with this session present.
    pub(crate) fn begin(&mut self, complete_from: Seq) {
        if matches!(self.limits, RingLimits::Persistent) {
            self.complete_from = self.complete_from.max(complete_from);
            self.mode = Mode::Store { asked: false };
        }
    }

    fn new(mode: Mode, cursor: &Cursor, limits: RingLimits) -> Feed {
        Feed {
            mode,
            passed: cursor.low(),
            done_above: Vec::new(),
            page: VecDeque::new(),
            page_through: Seq::ZERO,
            page_end: false,
            clamp: None,
            page_filters: Rc::from([]),
            ring: VecDeque::new(),
            ring_bytes: 0,
            complete_from: Seq::ZERO,
            limits,
        }
    }

    /// A subscription was added: a page that was asked for without it says nothing about what came behind `floor`,
    /// the last sequence given before the router knew the subscription. When live, the ring has everything already.
    pub(crate) fn subscription_added(&mut self, floor: Seq) {
        match self.mode {
            Mode::Live => {}
            Mode::Store { asked: true } => {
                self.clamp = Some(self.clamp.map_or(floor, |known| known.min(floor)))
            }
            Mode::Store { asked: false } => self.cut_page(floor),
        }
    }

    fn cut_page(&mut self, floor: Seq) {
        if self.page_through > floor {
            self.page.retain(|entry| entry.seq <= floor);
            self.page_through = floor;
            self.page_end = false;
        }
    }

    /// Whether nothing is waiting and nothing is behind: a live message may go straight out.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.mode == Mode::Live && self.ring.is_empty()
    }

    /// Messages in the ring: all that a volatile session waits for.
    pub(crate) fn ringed(&self) -> u64 {
        self.ring.len() as u64
    }

    /// Takes out of the ring what is not wanted any more.
    pub(crate) fn forget(&mut self, is_wanted: impl Fn(Seq, &LiveMessage) -> bool) {
        let bytes = &mut self.ring_bytes;
        self.ring.retain(|ringed| {
            let stays = is_wanted(ringed.seq, &ringed.message);
            *bytes -= if stays { 0 } else { ringed.message.cost() };
            stays
        });
    }

    /// Whether a message that comes live was taken from the store already. (What a volatile session is given comes
    /// live only, and twice under one sequence when it matches a plain and a shared filter.)
    pub(crate) fn has_passed(&self, seq: Seq) -> bool {
        matches!(self.limits, RingLimits::Persistent) && seq <= self.passed
    }

    /// Takes a live message in. Answers what was lost, and how many.
    pub(crate) fn offer(&mut self, ringed: Ringed) -> Option<(NotKept, u64)> {
        let cost = ringed.message.cost();
        let mut lost = None;
        match self.limits {
            RingLimits::Persistent => {
                if self.is_full(cost, RING_MESSAGES_MAX as u64, RING_BYTES_MAX as u64) {
                    self.complete_from = ringed.seq;
                    self.ring.clear();
                    self.ring_bytes = 0;
                    if self.mode == Mode::Live {
                        self.mode = Mode::Store { asked: false };
                    }
                    return None;
                }
            }
            RingLimits::Volatile(limits) => {
                let mut evicted = 0;
                while self.is_full(cost, limits.messages_max, limits.bytes_max) {
                    if limits.when_full != WhenFull::DropOldest {
                        return Some((NotKept::QueueFull, 1));
                    }
                    self.pop_ring();
                    evicted += 1;
                }
                lost = (evicted > 0).then_some((NotKept::Evicted, evicted));
            }
        }
        self.ring_bytes += cost;
        self.ring.push_back(ringed);
        lost
    }

    /// Whether one more of this cost is too much. One is always taken.
    fn is_full(&self, cost: usize, messages_max: u64, bytes_max: u64) -> bool {
        let (messages, bytes) = (self.ring.len() as u64, (self.ring_bytes + cost) as u64);
        messages > 0
            && ((messages_max > 0 && messages >= messages_max) || (bytes_max > 0 && bytes > bytes_max))
    }

    /// The page that was asked for.
    pub(crate) fn take_page(&mut self, page: Page) {
        self.page = page.entries.into();
        self.page_through = page.through;
        self.page_end = page.end;
        self.mode = Mode::Store { asked: false };
        if let Some(floor) = self.clamp.take() {
            self.cut_page(floor);
        }
        if self.page.is_empty() {
            self.finish_page();
        }
    }

    /// What the next read should begin behind, the ranges it should leave out, and how far the store must have got
    /// before it answers. To be called on [`Next::Ask`].
    pub(crate) fn ask(&mut self, filters: Rc<[Box<str>]>) -> (Seq, &[(Seq, Seq)], Seq) {
        self.mode = Mode::Store { asked: true };
        self.page_filters = filters;
        (self.passed, &self.done_above, self.complete_from)
    }

    /// What comes next. What is answered counts as taken.
    pub(crate) fn next(&mut self) -> Next {
        loop {
            if let Some(entry) = self.page.pop_front() {
                self.pass(entry.seq);
                if self.page.is_empty() {
                    self.finish_page();
                }
                return Next::Stored(entry, self.page_filters.clone());
            }
            match self.mode {
                Mode::Store { asked: true } => return Next::Nothing,
                Mode::Store { asked: false } => return Next::Ask,
                Mode::Live => {
                    let Some(ringed) = self.pop_ring() else {
                        return Next::Nothing;
                    };
                    if ringed.seq > self.passed || matches!(self.limits, RingLimits::Volatile(_)) {
                        self.pass(ringed.seq);
                        return Next::Live(ringed);
                    }
                }
            }
        }
    }

    /// A live message went straight out.
    pub(crate) fn pass(&mut self, seq: Seq) {
        self.passed = self.passed.max(seq);
        let gone = self.done_above.partition_point(|&(_, last)| last <= self.passed);
        self.done_above.drain(..gone);
    }

    /// Everything at or below was taken.
    pub(crate) fn passed(&self) -> Seq {
        self.passed
    }

    /// The cursor to store while these sequences (ascending) are in flight and no binding in the store holds them
    /// (K13).
    pub(crate) fn cursor(&self, in_flight: &[Seq]) -> Cursor {
        let first = in_flight.iter().copied().find(|&seq| seq <= self.passed);
        let low = first.map_or(self.passed, |seq| Seq(seq.0 - 1));
        let mut above = Vec::new();
        if let Some(first) = first {
            let mut from = first;
            for &seq in in_flight.iter().filter(|&&seq| seq > first && seq <= self.passed) {
                ranges::push(&mut above, Seq(from.0 + 1), Seq(seq.0 - 1));
                from = seq;
            }
            ranges::push(&mut above, Seq(from.0 + 1), self.passed);
        }
        for &(first, last) in &self.done_above {
            ranges::push(&mut above, first.max(Seq(self.passed.0 + 1)), last);
        }
        if above.len() > restante_model::cursor::RANGES_MAX {
            above.truncate(restante_model::cursor::RANGES_MAX);
        }
        let mut cursor = Cursor::from_parts(low, above).unwrap_or_else(|| Cursor::at(low));
        cursor.advance(low);
        cursor
    }

    fn finish_page(&mut self) {
        self.pass(self.page_through);
        if self.page_end && self.page_through >= self.complete_from {
            self.mode = Mode::Live;
            let gone = self.ring.partition_point(|ringed| ringed.seq <= self.passed);
            self.ring_bytes -= self
                .ring
                .drain(..gone)
                .map(|ringed| ringed.message.cost())
                .sum::<usize>();
        }
    }

    fn pop_ring(&mut self) -> Option<Ringed> {
        let ringed = self.ring.pop_front()?;
        self.ring_bytes -= ringed.message.cost();
        Some(ringed)
    }
}

#[cfg(test)]
mod tests {
    use restante_model::{QoS, UnixMillis};

    use super::*;

    fn ringed(seq: u64) -> Ringed {
        let view = MessageView {
            qos: QoS::AtLeastOnce,
            retain: false,
            stored: true,
            id: None,
            deadline: UnixMillis::NEVER,
            sender: b"p",
            topic: b"t",
            properties: b"",
            payload: b"x",
        };
        let message = Arc::new(LiveMessage::new(&view, "p".into()));
        Ringed {
            seq: Seq(seq),
            id: None,
            message,
            options: Box::default(),
        }
    }

    fn stored(seq: u64) -> Entry {
        Entry {
            seq: Seq(seq),
            spans: 1,
            spans_beyond: Vec::new(),
            message: Err(NotKept::Damaged),
        }
    }

    fn begun(cursor: Cursor, complete_from: u64) -> Feed {
        let mut feed = Feed::persistent(&cursor, &[]);
        feed.begin(Seq(complete_from));
        feed
    }

    fn drain(feed: &mut Feed) -> Vec<u64> {
        let mut taken = Vec::new();
        loop {
            match feed.next() {
                Next::Stored(entry, _) => taken.push(entry.seq.0),
                Next::Live(ringed) => taken.push(ringed.seq.0),
                Next::Ask | Next::Nothing => return taken,
            }
        }
    }

    #[test]
    fn k03_the_switch_happens_at_one_sequence() {
        let mut feed = begun(Cursor::at(Seq(10)), 20);
        assert!(matches!(feed.next(), Next::Ask));
        feed.ask(Rc::from([]));
        for seq in 18..25 {
            feed.offer(ringed(seq));
        }
        let entries = vec![stored(12), stored(18), stored(19)];
        feed.take_page(Page {
            entries,
            through: Seq(19),
            end: true,
        });
        assert_eq!(
            drain(&mut feed),
            [12, 18, 19],
            "19 is below 20: the ring may lack something"
        );
        feed.ask(Rc::from([]));
        feed.take_page(Page {
            entries: vec![stored(20), stored(21)],
            through: Seq(22),
            end: true,
        });
        assert_eq!(drain(&mut feed), [20, 21, 23, 24], "no gap, no repeat");
        assert!(feed.is_caught_up());
    }

    #[test]
    fn k15_a_page_asked_before_a_subscription_hides_nothing_behind_it() {
        let mut feed = begun(Cursor::at(Seq(10)), 10);
        feed.ask(Rc::from([]));
        feed.subscription_added(Seq(15));
        feed.offer(ringed(17));
        feed.take_page(Page {
            entries: vec![stored(12), stored(18)],
            through: Seq(20),
            end: true,
        });
        assert_eq!(drain(&mut feed), [12]);
        let (after, _, _) = feed.ask(Rc::from([]));
        assert_eq!(after, Seq(15));
        feed.take_page(Page {
            entries: vec![stored(16), stored(17)],
            through: Seq(20),
            end: true,
        });
        assert_eq!(drain(&mut feed), [16, 17]);
    }

    #[test]
    fn k26_a_full_ring_makes_a_reader_of_the_store() {
        let mut feed = begun(Cursor::at(Seq(0)), 0);
        feed.ask(Rc::from([]));
        feed.take_page(Page {
            entries: Vec::new(),
            through: Seq(0),
            end: true,
        });
        assert!(feed.is_caught_up());
        for seq in 1..=RING_MESSAGES_MAX as u64 + 3 {
            assert_eq!(feed.offer(ringed(seq)), None);
        }
        assert!(matches!(feed.next(), Next::Ask));
        let (after, _, applied) = feed.ask(Rc::from([]));
        assert_eq!((after, applied), (Seq(0), Seq(RING_MESSAGES_MAX as u64 + 1)));
    }

    #[test]
    fn k18_a_volatile_receiver_loses_by_policy() {
        let limits = |when_full| QueueLimits {
            messages_max: 2,
            bytes_max: 0,
            when_full,
        };
        let mut feed = Feed::volatile(limits(WhenFull::DropOldest));
        let lost: Vec<_> = (1..=3).map(|seq| feed.offer(ringed(seq))).collect();
        assert_eq!(lost, [None, None, Some((NotKept::Evicted, 1))]);
        assert_eq!(drain(&mut feed), [2, 3]);
        let mut feed = Feed::volatile(limits(WhenFull::DropNewest));
        let lost: Vec<_> = (1..=3).map(|seq| feed.offer(ringed(seq))).collect();
        assert_eq!(lost, [None, None, Some((NotKept::QueueFull, 1))]);
        assert_eq!(drain(&mut feed), [1, 2]);
    }

    #[test]
    fn k13_the_cursor_is_what_is_neither_in_flight_nor_ahead() {
        let cursor = Cursor::from_parts(Seq(5), vec![(Seq(8), Seq(9)), (Seq(30), Seq(31))]).unwrap();
        let mut feed = begun(cursor, 0);
        assert_eq!(feed.cursor(&[]).low(), Seq(5));
        feed.pass(Seq(20));
        let stored = feed.cursor(&[Seq(7), Seq(12), Seq(40)]);
        assert_eq!(stored.low(), Seq(6));
        assert_eq!(
            stored.above(),
            [(Seq(8), Seq(11)), (Seq(13), Seq(20)), (Seq(30), Seq(31))]
        );
        assert_eq!(feed.cursor(&[]).low(), Seq(20));
    }
}
