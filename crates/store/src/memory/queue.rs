//! One queue: the messages of one filter in the order of their sequences, as small entries; the bodies are elsewhere.

use std::collections::{BTreeSet, VecDeque};

use restante_model::{Seq, SessionId, UnixMillis};

use super::needs::Needs;

/// A queue.
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    /// No entry expires before this.
    deadline_soonest: UnixMillis,
    /// Who subscribes to it.
    pub(super) readers: BTreeSet<SessionId>,
    /// With `reject-publisher`: no reader is behind this. May lag behind the truth.
    pub(super) slowest: Seq,
    /// What the sweep has found to be needed so far in its round.
    pub(super) needs: Needs,
}

/// A message in a queue.
#[derive(Clone, Copy)]
struct Entry {
    seq: Seq,
    deadline: UnixMillis,
    /// Bytes of all bodies that entered before, so that the bytes of any span are one subtraction.
    bytes_before: u64,
    bytes: u32,
}

impl Entry {
    fn bytes_through(&self) -> u64 {
        self.bytes_before + u64::from(self.bytes)
    }
}

/// Messages and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

/// How far a trim came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trimmed {
    /// To its end; so many entries had expired while somebody needed them.
    Done { expired: u64 },
    /// There is more to do.
    More,
}

impl std::ops::AddAssign for Load {
    fn add_assign(&mut self, other: Load) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

impl Queue {
    pub(super) fn new(at: Seq) -> Queue {
        Queue {
            entries: VecDeque::new(),
            deadline_soonest: UnixMillis::NEVER,
            readers: BTreeSet::new(),
            slowest: at,
            needs: Needs::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Appends a message; sequences only rise.
    pub(super) fn push(&mut self, seq: Seq, body_bytes: usize, deadline: UnixMillis) {
        self.deadline_soonest = self.deadline_soonest.min(deadline);
        self.entries.push_back(Entry {
            seq,
            deadline,
            bytes_before: self.entries.back().map_or(0, Entry::bytes_through),
            bytes: u32::try_from(body_bytes).unwrap_or(u32::MAX),
        });
    }

    /// Where the first entry with a sequence above this one stands.
    pub(super) fn position_after(&self, seq: Seq) -> usize {
        self.entries.partition_point(|entry| entry.seq <= seq)
    }

    /// The sequence at a position.
    pub(super) fn seq_at(&self, position: usize) -> Option<Seq> {
        self.entries.get(position).map(|entry| entry.seq)
    }

    /// Bytes of the body at a position.
    pub(super) fn bytes_at(&self, position: usize) -> u64 {
        self.entries
            .get(position)
            .map_or(0, |entry| u64::from(entry.bytes))
    }

    /// What stands in `from < seq <= to`.
    pub(super) fn load(&self, from: Seq, to: Seq) -> Load {
        let (first, end) = (self.position_after(from), self.position_after(to));
        if first >= end {
            return Load::default();
        }
        Load {
            messages: (end - first) as u64,
            bytes: self.entries[end - 1].bytes_through() - self.entries[first].bytes_before,
        }
    }

    /// Takes the oldest entry out.
    pub(super) fn pop(&mut self) -> Option<Seq> {
        self.entries.pop_front().map(|entry| entry.seq)
    }

    /// Ends a round of the sweep: drops the entries up to `to` that no reader needs, and all that have expired, but
    /// at most about `most`. What went is put into `gone`.
    pub(super) fn trim(&mut self, to: Seq, now: UnixMillis, most: usize, gone: &mut Vec<Seq>) -> Trimmed {
        let mut in_the_middle = self.deadline_soonest <= now;
        if self.needs.asked() {
            let lowest = self.needs.lowest().min(to);
            while let Some(first) = self.entries.front()
                && first.seq <= lowest
            {
                if gone.len() == most {
                    return Trimmed::More;
                }
                gone.push(first.seq);
                self.entries.pop_front();
            }
            in_the_middle |= !self.needs.is_one_tail();
        }
        let needs = std::mem::take(&mut self.needs);
        if !in_the_middle {
            return Trimmed::Done { expired: 0 };
        }
        let needed = |seq: Seq| seq > to || !needs.asked() || needs.contains(seq);
        let expired = self.trim_within(needed, now, gone);
        Trimmed::Done { expired }
    }

    /// The rare case: something in the middle has expired or is not needed, so the rest is written anew.
    fn trim_within(&mut self, needed: impl Fn(Seq) -> bool, now: UnixMillis, gone: &mut Vec<Seq>) -> u64 {
        let mut expired = 0;
        let mut bytes_before = 0;
        let mut deadline_soonest = UnixMillis::NEVER;
        self.entries.retain_mut(|entry| {
            let is_needed = needed(entry.seq);
            if !is_needed || entry.deadline <= now {
                expired += u64::from(is_needed);
                gone.push(entry.seq);
                return false;
            }
            entry.bytes_before = bytes_before;
            bytes_before = entry.bytes_through();
            deadline_soonest = deadline_soonest.min(entry.deadline);
            true
        });
        self.deadline_soonest = deadline_soonest;
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue_of(seqs: std::ops::RangeInclusive<u64>) -> Queue {
        let mut queue = Queue::new(Seq::ZERO);
        for seq in seqs {
            let deadline = if seq % 3 == 0 {
                UnixMillis(100)
            } else {
                UnixMillis::NEVER
            };
            queue.push(Seq(seq), 10, deadline);
        }
        queue
    }

    fn seqs(queue: &Queue) -> Vec<u64> {
        queue.entries.iter().map(|entry| entry.seq.0).collect()
    }

    #[test]
    fn a_span_is_counted_without_walking_it() {
        let mut queue = queue_of(1..=10);
        queue.needs.add(Seq(4), Seq::MAX);
        queue.trim(Seq(10), UnixMillis(0), usize::MAX, &mut Vec::new());
        let all = queue.load(Seq::ZERO, Seq::MAX);
        assert_eq!((all.messages, all.bytes), (6, 60));
        assert_eq!(
            queue.load(Seq(5), Seq(7)),
            Load {
                messages: 2,
                bytes: 20
            }
        );
        assert_eq!(queue.load(Seq(7), Seq(7)), Load::default());
    }

    #[test]
    fn k16_what_nobody_needs_goes_and_what_came_since_stays() {
        let mut queue = queue_of(1..=10);
        queue.needs.ask();
        let mut gone = Vec::new();
        assert_eq!(queue.trim(Seq(8), UnixMillis(0), 5, &mut gone), Trimmed::More);
        assert_eq!(gone.len(), 5);
        let trimmed = queue.trim(Seq(8), UnixMillis(0), usize::MAX, &mut gone);
        assert_eq!((trimmed, gone.len()), (Trimmed::Done { expired: 0 }, 8));
        assert_eq!(seqs(&queue), [9, 10]);
    }

    #[test]
    fn expired_entries_go_from_the_middle_and_are_counted() {
        let mut queue = queue_of(1..=10);
        queue.needs.add(Seq(3), Seq(7));
        let mut gone = Vec::new();
        let trimmed = queue.trim(Seq(10), UnixMillis(100), usize::MAX, &mut gone);
        assert_eq!(trimmed, Trimmed::Done { expired: 1 });
        assert_eq!(seqs(&queue), [4, 5, 7]);
        assert_eq!(gone.len(), 7);
        assert_eq!(
            queue.load(Seq(4), Seq::MAX),
            Load {
                messages: 2,
                bytes: 20
            }
        );
    }

    #[test]
    fn a_queue_without_known_readers_is_left_alone() {
        let mut queue = queue_of(1..=2);
        queue.trim(Seq(10), UnixMillis(0), usize::MAX, &mut Vec::new());
        assert_eq!(queue.len(), 2);
    }
}
