//! Identifiers: where a message stands (`Seq`), which one it is (`MessageId`), whose it is.

use std::fmt;

/// Position of a message or of a state change in the one total order of a broker (K3, K13).
///
/// The high 20 bits are the boot epoch, the low 44 bits count within it, so a sequence that was handed out and then
/// lost in a crash is never given to another message (K4). Rises strictly; gaps mean nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// Before everything.
    pub const ZERO: Seq = Seq(0);
    /// After everything.
    pub const MAX: Seq = Seq(u64::MAX);
    /// How many bits count within one boot.
    pub const COUNTER_BITS: u32 = 44;

    /// The first sequence of a boot epoch.
    pub const fn first_of_boot(epoch: u32) -> Seq {
        Seq((epoch as u64) << Self::COUNTER_BITS)
    }

    /// The boot epoch this sequence was given in.
    pub const fn boot(self) -> u32 {
        (self.0 >> Self::COUNTER_BITS) as u32
    }

    /// The sequence `n` places later.
    pub const fn plus(self, n: u64) -> Seq {
        Seq(self.0 + n)
    }
}

impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `boot:counter`, as operators see it in `store inspect`.
impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.boot(), self.0 & ((1 << Self::COUNTER_BITS) - 1))
    }
}

/// A session that the store knows. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// The queue of one filter (or of one shared group's filter). Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u64);

/// The identity of a message: 64 bits of microseconds, 48 bits of node, 16 bits of sequence (BEHAVIOUR 2.4).
///
/// Rises strictly within a node, also when its clock steps back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u128);

impl MessageId {
    /// Puts an id together. Only the low 48 bits of `node` count.
    pub const fn new(micros: u64, node: u64, sequence: u16) -> MessageId {
        MessageId(((micros as u128) << 64) | (((node & 0xFFFF_FFFF_FFFF) as u128) << 16) | sequence as u128)
    }

    /// When the message was published, in microseconds since 1970.
    pub const fn micros(self) -> u64 {
        (self.0 >> 64) as u64
    }
}

/// 32 upper-case hexadecimal digits, which sort as time.
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032X}", self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_of_a_later_boot_is_greater() {
        let late_in_first = Seq::first_of_boot(1).plus((1 << 44) - 1);
        assert!(late_in_first < Seq::first_of_boot(2));
        assert_eq!(late_in_first.boot(), 1);
        assert_eq!(Seq::first_of_boot(3).plus(7).to_string(), "3:7");
    }

    #[test]
    fn message_ids_have_the_documented_layout() {
        // BEHAVIOUR appendix A, the base64 sample.
        let id = MessageId::new(0x0005_44C2_6D25_6B84, 0x6E7E_0000_05E2, 1);
        assert_eq!(id.to_string(), "000544C26D256B846E7E000005E20001");
        assert_eq!(id.micros(), 1_482_976_729_066_372);
    }
}
