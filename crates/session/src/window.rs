//! The deliveries of one session in the order they were sent, each found by its packet id.
//!
//! A slab whose entries are linked in order, and a table from packet ids to slots: adding at the end, finding and
//! removing anywhere take constant time, and memory is what the fullest moment took (32 to 40 bytes per delivery).
//! Bounded by the number of packet ids, 65,535.

use restante_model::{Binding, QoS, Seq};

use crate::packet_id_table::PacketIdTable;

/// No slot. Slots go up to 65,534.
const NONE: u16 = u16::MAX;

/// Place of a delivery, good until that delivery is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u16);

#[derive(Debug)]
pub(crate) struct Window {
    entries: Vec<Entry>,
    by_packet_id: PacketIdTable,
    first: u16,
    last: u16,
    /// First of the free slots, linked by `after`.
    free: u16,
    /// How many wait to be sent again.
    waiting: usize,
}

/// Where a delivery stands on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It began on an earlier connection and waits to be sent again.
    Waiting,
    /// It began on an earlier connection and went out again, or need not.
    SentAgain,
    /// It began on this one.
    New,
    /// It began on this one, and its binding was stored before the connection's end.
    Bound,
}

#[derive(Debug)]
struct Entry {
    seq: Seq,
    packet_id: u16,
    before: u16,
    after: u16,
    qos: QoS,
    released: bool,
    retain: bool,
    aside: bool,
    standing: Standing,
}

impl Window {
    pub(crate) fn new() -> Window {
        Window {
            entries: Vec::new(),
            by_packet_id: PacketIdTable::default(),
            first: NONE,
            last: NONE,
            free: NONE,
            waiting: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_packet_id.len()
    }

    /// How many wait to be sent again.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(crate) fn has_packet_id(&self, packet_id: u16) -> bool {
        self.by_packet_id.contains(packet_id)
    }

    /// Adds at the end; false (and no change) when the packet id is 0 or taken.
    pub(crate) fn push(&mut self, binding: Binding, standing: Standing) -> bool {
        let slot = match self.free {
            NONE => self.entries.len() as u16,
            free => free,
        };
        if !self.by_packet_id.insert(binding.packet_id, slot) {
            return false;
        }
        let entry = Entry {
            seq: binding.seq,
            packet_id: binding.packet_id,
            before: self.last,
            after: NONE,
            qos: binding.qos,
            released: binding.released,
            retain: binding.retain,
            aside: binding.aside,
            standing,
        };
        match self.entries.get_mut(usize::from(slot)) {
            Some(place) => {
                self.free = place.after;
                *place = entry;
            }
            None => self.entries.push(entry),
        }
        match self.entries.get_mut(usize::from(self.last)) {
            Some(last) => last.after = slot,
            None => self.first = slot,
        }
        self.last = slot;
        self.waiting += usize::from(standing == Standing::Waiting);
        true
    }

    pub(crate) fn find(&self, packet_id: u16) -> Option<Slot> {
        self.by_packet_id.get(packet_id).map(Slot)
    }

    pub(crate) fn get(&self, slot: Slot) -> Binding {
        self.entries[usize::from(slot.0)].binding()
    }

    pub(crate) fn standing(&self, slot: Slot) -> Standing {
        self.entries[usize::from(slot.0)].standing
    }

    /// The delivery waits no more.
    pub(crate) fn sent(&mut self, slot: Slot) {
        let standing = &mut self.entries[usize::from(slot.0)].standing;
        if *standing == Standing::Waiting {
            *standing = Standing::SentAgain;
            self.waiting -= 1;
        }
    }

    /// The binding of a new delivery is stored.
    pub(crate) fn bind(&mut self, slot: Slot) {
        let standing = &mut self.entries[usize::from(slot.0)].standing;
        if *standing == Standing::New {
            *standing = Standing::Bound;
        }
    }

    pub(crate) fn release(&mut self, slot: Slot) {
        self.entries[usize::from(slot.0)].released = true;
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Binding {
        self.sent(slot);
        let at = usize::from(slot.0);
        let (before, after) = (self.entries[at].before, self.entries[at].after);
        match self.entries.get_mut(usize::from(before)) {
            Some(entry) => entry.after = after,
            None => self.first = after,
        }
        match self.entries.get_mut(usize::from(after)) {
            Some(entry) => entry.before = before,
            None => self.last = before,
        }
        self.entries[at].after = self.free;
        self.free = slot.0;
        let binding = self.entries[at].binding();
        self.by_packet_id.remove(binding.packet_id);
        binding
    }

    pub(crate) fn first(&self) -> Option<Slot> {
        slot(self.first)
    }

    pub(crate) fn after(&self, at: Slot) -> Option<Slot> {
        slot(self.entries[usize::from(at.0)].after)
    }

    /// All, in the order they were sent.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Binding> + '_ {
        std::iter::successors(self.first(), |&at| self.after(at)).map(|at| self.get(at))
    }
}

impl Entry {
    fn binding(&self) -> Binding {
        Binding {
            seq: self.seq,
            packet_id: self.packet_id,
            qos: self.qos,
            released: self.released,
            retain: self.retain,
            aside: self.aside,
        }
    }
}

fn slot(number: u16) -> Option<Slot> {
    (number != NONE).then_some(Slot(number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn binding(packet_id: u16) -> Binding {
        Binding {
            seq: Seq(u64::from(packet_id) * 10),
            packet_id,
            qos: QoS::AtLeastOnce,
            released: false,
            retain: false,
            aside: false,
        }
    }

    proptest! {
        #[test]
        fn keeps_the_order_of_sending_whatever_is_removed(
            steps in prop::collection::vec((any::<bool>(), 0..40u16), 1..300)
        ) {
            let mut window = Window::new();
            let mut naive: Vec<u16> = Vec::new();
            for (add, id) in steps {
                if add {
                    let fits = id != 0 && !naive.contains(&id);
                    prop_assert_eq!(window.push(binding(id), Standing::Waiting), fits);
                    if fits {
                        naive.push(id);
                    }
                } else if let Some(slot) = window.find(id) {
                    prop_assert_eq!(window.remove(slot), binding(id));
                    naive.retain(|&other| other != id);
                } else {
                    prop_assert!(!naive.contains(&id));
                }
                let ids: Vec<u16> = window.iter().map(|binding| binding.packet_id).collect();
                prop_assert_eq!(&ids, &naive);
                prop_assert_eq!((window.len(), window.waiting()), (naive.len(), naive.len()));
                prop_assert_eq!(window.has_packet_id(id), naive.contains(&id));
            }
            prop_assert!(window.entries.len() <= 39);
        }
    }
}
