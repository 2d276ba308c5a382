//! Topic aliases towards the client.
//!
//! Belongs to one connection and starts empty with it `[MQTT-3.3.2-7]`. Bounded by [`ALIASES_MAX`] topics of at most
//! [`TOPIC_BYTES_MAX`] bytes: 64 KiB.

/// The most aliases used, whatever the client allows: they are searched one by one.
pub const ALIASES_MAX: u16 = 64;
/// Longer topics get no alias, in bytes: bounds the memory.
pub const TOPIC_BYTES_MAX: usize = 1024;
/// Bytes that [`AliasUse::Assign`] adds to a packet.
pub const PROPERTY_BYTES: usize = 3;
/// Shorter topics get no alias, in bytes.
pub const TOPIC_BYTES_MIN: usize = 6;

/// How many topics seen once are remembered, to know them when they come again.
const SEEN_ONCE: usize = 64;
/// An alias goes to another topic when it was not used for this many picks per alias. Keeps topics that take turns
/// from pushing each other out all the time.
const IDLE_PICKS_PER_ALIAS: u64 = 8;

/// How a topic is written in a PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasUse {
    /// The topic name, no alias.
    Full,
    /// The topic name and this alias, which stands for it from now on.
    Assign(u16),
    /// An empty topic name and this alias.
    Known(u16),
}

/// The aliases in use on one connection.
#[derive(Debug)]
pub struct OutAliases {
    max: usize,
    picks: u64,
    /// Hashes beside the names: the search reads these only.
    hashes: Vec<u64>,
    /// `entries[i]` has alias `i + 1`.
    entries: Vec<Entry>,
    /// Hashes of topics seen once, by their low bits. Empty until the first pick.
    seen_once: Vec<u64>,
}

#[derive(Debug)]
struct Entry {
    topic: Box<str>,
    last_pick: u64,
}

impl OutAliases {
    /// No aliases yet; at most `max` and [`ALIASES_MAX`]. With 0 every topic is [`AliasUse::Full`] and nothing is
    /// allocated.
    pub fn new(max: u16) -> OutAliases {
        OutAliases {
            max: usize::from(max.min(ALIASES_MAX)),
            picks: 0,
            hashes: Vec::new(),
            entries: Vec::new(),
            seen_once: Vec::new(),
        }
    }

    /// Chooses how to write a topic. A topic gets an alias when it comes a second time, so that topics that never
    /// come again cost nothing.
    ///
    /// The packet must then really be sent, and in the order of the picks: after [`AliasUse::Assign`] the client is
    /// taken to know the alias. So a packet that is only just small enough for the client `[MQTT-3.1.2-24]` is not to
    /// be asked about: it may grow by [`PROPERTY_BYTES`].
    pub fn pick(&mut self, topic: &str) -> AliasUse {
        if self.max == 0 || topic.len() < TOPIC_BYTES_MIN || topic.len() > TOPIC_BYTES_MAX {
            return AliasUse::Full;
        }
        self.picks += 1;
        let hash = hash(topic.as_bytes());
        if let Some(at) = self.find(topic, hash) {
            self.entries[at].last_pick = self.picks;
            return AliasUse::Known(number(at));
        }
        if !self.is_seen_again(hash) {
            return AliasUse::Full;
        }
        match self.place() {
            Some(at) => AliasUse::Assign(self.assign(at, topic, hash)),
            None => AliasUse::Full,
        }
    }

    fn find(&self, topic: &str, hash: u64) -> Option<usize> {
        let same = |&at: &usize| self.hashes[at] == hash && &*self.entries[at].topic == topic;
        (0..self.hashes.len()).find(same)
    }

    fn is_seen_again(&mut self, hash: u64) -> bool {
        if self.seen_once.is_empty() {
            self.seen_once = vec![0; SEEN_ONCE];
        }
        let seen = &mut self.seen_once[hash as usize % SEEN_ONCE];
        std::mem::replace(seen, hash) == hash
    }

    /// Where the next alias goes: a new one, or the one that was idle longest, if it was idle for long.
    fn place(&self) -> Option<usize> {
        if self.entries.len() < self.max {
            return Some(self.entries.len());
        }
        let (at, oldest) = self
            .entries
            .iter()
            .enumerate()
            .min_by_key(|(_, entry)| entry.last_pick)?;
        let idle = self.picks - oldest.last_pick;
        (idle > IDLE_PICKS_PER_ALIAS * self.max as u64).then_some(at)
    }

    fn assign(&mut self, at: usize, topic: &str, hash: u64) -> u16 {
        let entry = Entry {
            topic: topic.into(),
            last_pick: self.picks,
        };
        if at == self.entries.len() {
            self.entries.push(entry);
            self.hashes.push(hash);
        } else {
            self.entries[at] = entry;
            self.hashes[at] = hash;
        }
        number(at)
    }
}

fn number(at: usize) -> u16 {
    at as u16 + 1
}

/// Not against attackers: a collision costs one comparison of names.
fn hash(bytes: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        state = (state ^ u64::from_le_bytes(word))
            .wrapping_mul(MULTIPLIER)
            .rotate_left(29);
    }
    for &byte in chunks.remainder() {
        state = (state ^ u64::from(byte)).wrapping_mul(MULTIPLIER).rotate_left(29);
    }
    let mixed = (state ^ (state >> 32)).wrapping_mul(MULTIPLIER);
    mixed ^ (mixed >> 29)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn picks(aliases: &mut OutAliases, topics: &[&str]) -> Vec<AliasUse> {
        topics.iter().map(|topic| aliases.pick(topic)).collect()
    }

    #[test]
    fn a_topic_gets_an_alias_when_it_comes_again() {
        let mut aliases = OutAliases::new(2);
        assert_eq!(
            picks(
                &mut aliases,
                &["site/1/door", "site/1/door", "site/1/door", "site/2/door"]
            ),
            [
                AliasUse::Full,
                AliasUse::Assign(1),
                AliasUse::Known(1),
                AliasUse::Full
            ]
        );
        assert_eq!(
            picks(&mut aliases, &["site/2/door", "site/1/door", "site/2/door"]),
            [AliasUse::Assign(2), AliasUse::Known(1), AliasUse::Known(2)]
        );
    }

    #[test]
    fn short_and_very_long_topics_get_none() {
        let mut aliases = OutAliases::new(2);
        let long = "x".repeat(TOPIC_BYTES_MAX + 1);
        for topic in ["a/b", "", &long] {
            assert_eq!(picks(&mut aliases, &[topic; 3]), [AliasUse::Full; 3]);
        }
        assert_eq!(
            picks(&mut OutAliases::new(0), &["site/1/door"; 3]),
            [AliasUse::Full; 3]
        );
    }

    #[test]
    fn topics_in_turn_do_not_push_each_other_out_but_idle_ones_go() {
        let mut aliases = OutAliases::new(2);
        let turn = ["site/1/door", "site/2/door", "site/3/door", "site/4/door"];
        for _ in 0..2 {
            picks(&mut aliases, &turn);
        }
        for _ in 0..20 {
            use AliasUse::{Full, Known};
            assert_eq!(picks(&mut aliases, &turn), [Known(1), Known(2), Full, Full]);
        }
        let others = picks(&mut aliases, &["site/3/door"; 20]);
        assert_eq!(others.last(), Some(&AliasUse::Known(1)));
    }

    proptest! {
        #[test]
        fn mqtt_3_3_2_8_a_client_that_keeps_a_table_always_knows_the_topic(
            max in 0..100u16,
            numbers in prop::collection::vec(prop_oneof![0..4u16, 0..200u16], 1..2000),
        ) {
            let mut aliases = OutAliases::new(max);
            let mut client: BTreeMap<u16, String> = BTreeMap::new();
            for number in numbers {
                let topic = format!("site/{number}/temperature");
                match aliases.pick(&topic) {
                    AliasUse::Full => {}
                    AliasUse::Assign(alias) => {
                        prop_assert!(alias >= 1 && alias <= max);
                        client.insert(alias, topic);
                    }
                    AliasUse::Known(alias) => prop_assert_eq!(client.get(&alias), Some(&topic)),
                }
            }
            prop_assert!(aliases.entries.len() <= usize::from(ALIASES_MAX));
        }
    }
}
