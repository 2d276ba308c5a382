//! How far one session has acknowledged (K13).

use crate::Seq;

/// The most acknowledged ranges kept above the low-water mark. At the maximum the acknowledgement that would open
/// one more range is not recorded; the message is then sent again after a crash, which QoS 1 allows. Receive
/// maximums bound the number of ranges well below this in practice.
pub const RANGES_MAX: usize = 4096;

/// A low-water mark and the acknowledged ranges above it.
///
/// Everything at or below `low` is done with; above it, what lies in a range is done with. Sequences are global, so
/// one cursor serves all queues of a session, and overlapping filters cannot deliver a message twice.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Cursor {
    low: Seq,
    /// Inclusive ranges above `low`, ascending, neither touching nor overlapping.
    above: Vec<(Seq, Seq)>,
}

impl Cursor {
    /// A cursor that has done with everything up to and including `low`.
    pub fn at(low: Seq) -> Cursor {
        Cursor {
            low,
            above: Vec::new(),
        }
    }

    /// Rebuilds a cursor from its parts, or `None` if the ranges are not in order above `low`.
    pub fn from_parts(low: Seq, above: Vec<(Seq, Seq)>) -> Option<Cursor> {
        let mut end = low;
        for &(first, last) in &above {
            if first <= end || last < first {
                return None;
            }
            end = last;
        }
        Some(Cursor { low, above })
    }

    /// The low-water mark.
    pub fn low(&self) -> Seq {
        self.low
    }

    /// The acknowledged ranges above the low-water mark.
    pub fn above(&self) -> &[(Seq, Seq)] {
        &self.above
    }

    /// Whether a message is done with.
    pub fn contains(&self, seq: Seq) -> bool {
        if seq <= self.low {
            return true;
        }
        let after = self.above.partition_point(|&(first, _)| first <= seq);
        after > 0 && self.above[after - 1].1 >= seq
    }

    /// Records one message as done with, out of order. Answers false when [`RANGES_MAX`] left no room.
    pub fn acknowledge(&mut self, seq: Seq) -> bool {
        if self.contains(seq) {
            return true;
        }
        let at = self.above.partition_point(|&(first, _)| first <= seq);
        if at == self.above.len() && at > 0 && self.above[at - 1].1.0 + 1 == seq.0 {
            self.above[at - 1].1 = seq;
            return true;
        }
        if self.above.len() >= RANGES_MAX {
            return false;
        }
        self.above.insert(at, (seq, seq));
        true
    }

    /// Moves the low-water mark up to `low`: nothing at or below it is owed any more.
    pub fn advance(&mut self, low: Seq) {
        if low <= self.low {
            return;
        }
        self.low = low;
        let gone = self.above.partition_point(|&(_, last)| last <= low);
        self.above.drain(..gone);
        if let Some(range) = self.above.first_mut()
            && range.0 <= low
        {
            self.low = range.1;
            self.above.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k13_out_of_order_acknowledgements_are_remembered() {
        let mut cursor = Cursor::at(Seq(10));
        assert!(cursor.acknowledge(Seq(15)));
        assert!(cursor.acknowledge(Seq(12)));
        assert!(cursor.acknowledge(Seq(16)));
        assert_eq!(cursor.above(), [(Seq(12), Seq(12)), (Seq(15), Seq(16))]);
        assert!(cursor.contains(Seq(9)) && cursor.contains(Seq(16)) && !cursor.contains(Seq(13)));
        cursor.advance(Seq(15));
        assert_eq!((cursor.low(), cursor.above().len()), (Seq(16), 0));
        cursor.advance(Seq(3));
        assert_eq!(cursor.low(), Seq(16));
    }

    #[test]
    fn parts_are_checked() {
        assert!(Cursor::from_parts(Seq(5), vec![(Seq(7), Seq(9)), (Seq(11), Seq(11))]).is_some());
        assert!(Cursor::from_parts(Seq(5), vec![(Seq(5), Seq(9))]).is_none());
        assert!(Cursor::from_parts(Seq(5), vec![(Seq(9), Seq(7))]).is_none());
    }
}
