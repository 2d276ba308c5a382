//! Who is who: every client id that is connected or has a session, and which connection owns it.
//!
//! A client id has at most one owner. A newcomer claims it; if somebody owns it, the owner is told to leave, writes
//! what it has to write, releases, and only then does the newcomer go on: an older connection can write nothing more
//! for a session it lost.

use std::{collections::BTreeSet, hash::BuildHasher, sync::Arc};

use hashbrown::{DefaultHashBuilder, HashTable};
use restante_model::{SessionId, UnixMillis};
use slab::Slab;
use tokio::sync::oneshot;

use crate::router::Address;

/// What is known of one client id. Small: there are millions, nearly all of absent sessions.
struct Entry {
    client_id: Box<str>,
    /// 0 = none; sessions are numbered from 1.
    session: u64,
    /// When the session ends if nobody comes; meaningless while owned.
    expires: UnixMillis,
    owned: Option<Box<Owned>>,
}

/// Who has an id now.
struct Owned {
    owner: Address,
    /// Newcomers that wait for the owner to leave. As many as there are connections with this id.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Entry {
    fn session(&self) -> Option<SessionId> {
        (self.session != 0).then_some(SessionId(self.session))
    }
}

/// Place of an entry.
type Slot = u32;

/// All client ids.
#[derive(Default)]
pub(crate) struct Directory {
    entries: Slab<Entry>,
    /// The entries by client id.
    names: HashTable<Slot>,
    hasher: DefaultHashBuilder,
    /// Sessions without an owner that expire some day, soonest first.
    due: BTreeSet<(UnixMillis, Slot)>,
    persistent: usize,
}

/// The answer to a claim.
pub(crate) enum Claim {
    /// The id is the claimant's now; this is the session that exists, if any.
    Granted(Option<SessionId>),
    /// Somebody else has it: tell them to leave, wait, claim again.
    Owned(Address, oneshot::Receiver<()>),
}

/// How an owner leaves an id behind.
pub(crate) enum Leaving {
    /// Nothing remains.
    Gone,
    /// The session waits until then.
    Absent(SessionId, UnixMillis),
    /// Whatever was there when the id was claimed.
    AsBefore,
}

impl Directory {
    /// Puts back the absent sessions that the store remembers, of different clients.
    pub(crate) fn of_absent(sessions: Vec<(Box<str>, SessionId, UnixMillis)>) -> Directory {
        let mut directory = Directory {
            entries: Slab::with_capacity(sessions.len()),
            persistent: sessions.len(),
            ..Directory::default()
        };
        let mut due = Vec::with_capacity(sessions.len());
        for (client_id, session, expires) in sessions {
            let slot = directory.insert(client_id);
            let entry = &mut directory.entries[slot as usize];
            entry.session = session.0;
            entry.expires = expires;
            if expires != UnixMillis::NEVER {
                due.push((expires, slot));
            }
        }
        // All at once, because a tree that is filled in order is half empty.
        directory.due = due.into_iter().collect();
        directory
    }

    /// Takes an id.
    pub(crate) fn claim(&mut self, client_id: &str, who: Address) -> Claim {
        let slot = match self.find(client_id) {
            Some(slot) => slot,
            None => self.insert(client_id.into()),
        };
        let entry = &mut self.entries[slot as usize];
        if let Some(owned) = &mut entry.owned {
            if owned.owner == who {
                return Claim::Granted(entry.session());
            }
            let (told, wait) = oneshot::channel();
            owned.waiting.push(told);
            return Claim::Owned(owned.owner, wait);
        }
        let waiting = Vec::new();
        entry.owned = Some(Box::new(Owned { owner: who, waiting }));
        self.due.remove(&(entry.expires, slot));
        Claim::Granted(entry.session())
    }

    /// The owner has (or no longer has) a session under this id.
    pub(crate) fn set_session(&mut self, client_id: &str, session: Option<SessionId>) {
        if let Some(slot) = self.find(client_id) {
            let entry = &mut self.entries[slot as usize];
            self.persistent += usize::from(session.is_some());
            self.persistent -= usize::from(entry.session != 0);
            entry.session = session.map_or(0, |session| session.0);
        }
    }

    /// The owner leaves. What it wrote last must have been submitted before.
    pub(crate) fn release(&mut self, client_id: &str, who: Address, leaving: Leaving) {
        let Some(slot) = self.find(client_id) else {
            return;
        };
        let entry = &mut self.entries[slot as usize];
        let Some(owned) = entry.owned.take_if(|owned| owned.owner == who) else {
            return;
        };
        for waiting in owned.waiting {
            // A newcomer that gave up is no error.
            let _ = waiting.send(());
        }
        let leaving = match (leaving, entry.session()) {
            (Leaving::AsBefore, Some(session)) => Leaving::Absent(session, entry.expires),
            (Leaving::AsBefore, None) => Leaving::Gone,
            (leaving, _) => leaving,
        };
        self.persistent -= usize::from(entry.session != 0);
        match leaving {
            Leaving::Gone | Leaving::AsBefore => self.remove(slot),
            Leaving::Absent(session, until) => {
                self.persistent += 1;
                entry.session = session.0;
                entry.expires = until;
                if until != UnixMillis::NEVER {
                    self.due.insert((until, slot));
                }
            }
        }
    }

    /// Persistent sessions, present and absent.
    pub(crate) fn persistent(&self) -> usize {
        self.persistent
    }

    /// Claims for `who` up to `slice` sessions that have expired, those that did so first. Costs what it answers, however
    /// many sessions there are (K16).
    pub(crate) fn expired(
        &mut self,
        now: UnixMillis,
        slice: usize,
        who: Address,
    ) -> Vec<(Arc<str>, SessionId)> {
        let mut ended = Vec::new();
        while ended.len() < slice
            && let Some(&(at, slot)) = self.due.first()
            && at <= now
        {
            self.due.pop_first();
            let entry = &mut self.entries[slot as usize];
            let waiting = Vec::new();
            entry.owned = Some(Box::new(Owned { owner: who, waiting }));
            ended.push((Arc::from(&*entry.client_id), SessionId(entry.session)));
        }
        ended
    }

    fn find(&self, client_id: &str) -> Option<Slot> {
        let is_it = |&slot: &Slot| *self.entries[slot as usize].client_id == *client_id;
        self.names.find(self.hasher.hash_one(client_id), is_it).copied()
    }

    fn insert(&mut self, client_id: Box<str>) -> Slot {
        let hash = self.hasher.hash_one(&*client_id);
        let slot = self.entries.insert(Entry {
            client_id,
            session: 0,
            expires: UnixMillis::NEVER,
            owned: None,
        }) as Slot;
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash_of = |&slot: &Slot| hasher.hash_one(&*entries[slot as usize].client_id);
        self.names.insert_unique(hash, slot, hash_of);
        slot
    }

    fn remove(&mut self, slot: Slot) {
        let entry = self.entries.remove(slot as usize);
        let hash = self.hasher.hash_one(&*entry.client_id);
        if let Ok(found) = self.names.find_entry(hash, |&known| known == slot) {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Address = Address {
        runtime: 0,
        slot: 1,
        tenant: 1,
    };
    const YOU: Address = Address {
        runtime: 1,
        slot: 1,
        tenant: 1,
    };

    #[test]
    fn a_newcomer_waits_until_the_owner_has_left() {
        let mut directory = Directory::default();
        let id: Arc<str> = "door-7".into();
        assert!(matches!(directory.claim(&id, ME), Claim::Granted(None)));
        let Claim::Owned(owner, mut wait) = directory.claim(&id, YOU) else {
            panic!("granted twice")
        };
        assert_eq!(owner, ME);
        assert!(wait.try_recv().is_err());
        directory.release(&id, YOU, Leaving::Gone);
        assert!(wait.try_recv().is_err(), "only the owner releases");
        directory.release(&id, ME, Leaving::Absent(SessionId(4), UnixMillis(9)));
        assert!(wait.try_recv().is_ok());
        assert!(matches!(
            directory.claim(&id, YOU),
            Claim::Granted(Some(SessionId(4)))
        ));
        assert_eq!(directory.persistent(), 1);
        directory.release(&id, YOU, Leaving::AsBefore);
        assert!(matches!(
            directory.claim(&id, ME),
            Claim::Granted(Some(SessionId(4)))
        ));
        directory.release(&id, ME, Leaving::Gone);
        assert_eq!((directory.persistent(), directory.entries.len()), (0, 0));
        assert!(directory.names.is_empty() && directory.due.is_empty());
    }

    #[test]
    fn clients_are_told_apart_while_they_come_and_go() {
        let mut directory = Directory::default();
        let name = |n: u64| format!("client-{n}");
        for n in 0..1_000 {
            directory.claim(&name(n), ME);
            let leaving = match n % 3 {
                0 => Leaving::Gone,
                _ => Leaving::Absent(SessionId(n + 1), UnixMillis(n)),
            };
            directory.release(&name(n), ME, leaving);
        }
        for n in 0..1_000 {
            let expected = (n % 3 > 0).then_some(SessionId(n + 1));
            assert!(matches!(directory.claim(&name(n), ME), Claim::Granted(found) if found == expected));
        }
        assert_eq!((directory.persistent(), directory.due.len()), (666, 0));
    }

    #[test]
    fn k16_expired_sessions_are_claimed_in_slices() {
        let due = |n: u64| UnixMillis(if n < 7 { 5 } else { 500 });
        let absent = |n| (format!("c{n}").into(), SessionId(n + 1), due(n));
        let mut directory = Directory::of_absent((0..10).map(absent).collect());
        let mut ended = Vec::new();
        for _ in 0..4 {
            let slice = directory.expired(UnixMillis(10), 2, ME);
            assert!(slice.len() <= 2);
            ended.extend(slice);
        }
        assert_eq!(ended.len(), 7);
        assert!(directory.expired(UnixMillis(10), 100, ME).is_empty(), "each once");
        assert_eq!(directory.due.len(), 3);
    }

    #[test]
    fn k16_only_who_is_away_expires() {
        let (back, gone): (Arc<str>, Arc<str>) = ("back".into(), "gone".into());
        let mut directory = Directory::of_absent(vec![
            ("back".into(), SessionId(1), UnixMillis(5)),
            ("gone".into(), SessionId(2), UnixMillis(6)),
            ("for ever".into(), SessionId(3), UnixMillis::NEVER),
        ]);
        assert!(matches!(
            directory.claim(&back, YOU),
            Claim::Granted(Some(SessionId(1)))
        ));
        assert_eq!(
            directory.expired(UnixMillis(10), 100, ME),
            [(gone.clone(), SessionId(2))]
        );
        assert!(matches!(directory.claim(&gone, YOU), Claim::Owned(ME, _)));
        directory.release(&gone, ME, Leaving::Gone);
        directory.release(&back, YOU, Leaving::Absent(SessionId(1), UnixMillis(20)));
        assert!(directory.expired(UnixMillis(19), 100, ME).is_empty());
        assert_eq!(directory.expired(UnixMillis(20), 100, ME), [(back, SessionId(1))]);
        assert_eq!(directory.persistent(), 2);
    }
}
