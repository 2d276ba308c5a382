//! Packet ids towards the client (K10).
//!
//! They are handed out ascending, 1 to 65,535 and round again. So that an id is not given to another message after a
//! crash, the broker stores ahead of use how far they may have been used: a *reservation*, one number, in steps of
//! [`RESERVED_AHEAD`] ids. After a crash the ids go on from the stored number.

/// How many ids one reservation covers. The next one is asked for when less than half of it is left, so that its
/// commit is normally over before the first of its ids is used.
pub const RESERVED_AHEAD: u16 = 2048;

/// The counter of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketIds {
    /// The next id, never 0.
    next: u16,
    /// How many ids from `next` on are reserved.
    reserved: u16,
}

impl PacketIds {
    /// Goes on from a stored reservation; 0 = nothing was ever reserved.
    pub fn resume(stored: u16) -> PacketIds {
        PacketIds {
            next: stored.max(1),
            reserved: 0,
        }
    }

    /// The next id that is not in use. At least one must be free: with none the answer is one that is in use, after
    /// one round.
    pub fn take(&mut self, in_use: impl Fn(u16) -> bool) -> u16 {
        for _ in 1..u16::MAX {
            let id = self.step();
            if !in_use(id) {
                return id;
            }
        }
        self.step()
    }

    /// What to store as the next id that was certainly not used, when it is time to reserve more.
    pub fn reserve(&mut self) -> Option<u16> {
        if self.reserved >= RESERVED_AHEAD / 2 {
            return None;
        }
        self.reserved += RESERVED_AHEAD;
        Some(after(self.next, self.reserved))
    }

    /// The next id to be used. To be stored when the connection ends, so that what was reserved and not used is not
    /// skipped.
    pub fn next(&self) -> u16 {
        self.next
    }

    fn step(&mut self) -> u16 {
        let id = self.next;
        self.next = after(id, 1);
        self.reserved = self.reserved.saturating_sub(1);
        id
    }
}

/// The id `count` places after `id` in the round of 1 to 65,535.
fn after(id: u16, count: u16) -> u16 {
    let place = (u32::from(id) - 1 + u32::from(count)) % u32::from(u16::MAX);
    place as u16 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_round_without_0_and_without_those_in_use() {
        let mut ids = PacketIds::resume(65_534);
        let taken: Vec<u16> = (0..4).map(|_| ids.take(|id| id == 65_535 || id == 2)).collect();
        assert_eq!(taken, [65_534, 1, 3, 4]);
        assert_eq!(PacketIds::resume(0).take(|_| false), 1);
        assert_eq!(PacketIds::resume(7).take(|id| id != 6), 6);
    }

    #[test]
    fn k10_every_id_is_below_what_was_stored_before_its_use() {
        let mut ids = PacketIds::resume(0);
        let mut stored = ids.reserve().unwrap();
        for _ in 0..200_000 {
            let id = ids.take(|_| false);
            // Not used up to here: the distance from the id to the stored one is positive and small.
            let distance = (u32::from(stored) + 65_535 - u32::from(id)) % 65_535;
            assert!(
                (1..=3 * u32::from(RESERVED_AHEAD)).contains(&distance),
                "{id} {stored}"
            );
            if let Some(next) = ids.reserve() {
                stored = next;
            }
        }
    }

    #[test]
    fn k10_after_a_crash_ids_go_on_behind_the_reservation() {
        let mut ids = PacketIds::resume(0);
        let stored = ids.reserve().unwrap();
        let last = (0..100).map(|_| ids.take(|_| false)).last().unwrap();
        assert_eq!((last, ids.reserve()), (100, None));
        assert_eq!(PacketIds::resume(stored).take(|_| false), 1 + RESERVED_AHEAD);
    }
}
