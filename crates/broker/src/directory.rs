//! Who is who: every client id that is connected or has a session, and which connection owns it.
//!
//! A client id has at most one owner. A newcomer claims it; if somebody owns it, the owner is told to leave, writes
//! what it has to write, releases, and only then does the newcomer go on: an older connection can write nothing more
//! for a session it lost.

use std::{collections::BTreeMap, sync::Arc};

use hashbrown::HashMap;
use restante_model::{SessionId, UnixMillis};
use tokio::sync::oneshot;

use crate::router::Address;

/// What is known of one client id. Small: there are millions, nearly all of absent sessions.
#[derive(Default)]
struct Entry {
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

    fn set_session(&mut self, session: Option<SessionId>) {
        self.session = session.map_or(0, |session| session.0);
    }
}

/// All client ids.
#[derive(Default)]
pub(crate) struct Directory {
    entries: HashMap<Arc<str>, Entry>,
    /// Sessions without an owner that expire some day, soonest first.
    due: BTreeMap<(UnixMillis, SessionId), Arc<str>>,
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
    /// Takes an id.
    pub(crate) fn claim(&mut self, client_id: &Arc<str>, who: Address) -> Claim {
        let entry = self.entries.entry(client_id.clone()).or_default();
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
        if let Some(session) = entry.session() {
            self.due.remove(&(entry.expires, session));
        }
        Claim::Granted(entry.session())
    }

    /// The owner has (or no longer has) a session under this id.
    pub(crate) fn set_session(&mut self, client_id: &str, session: Option<SessionId>) {
        if let Some(entry) = self.entries.get_mut(client_id) {
            self.persistent += usize::from(session.is_some());
            self.persistent -= usize::from(entry.session != 0);
            entry.set_session(session);
        }
    }

    /// The owner leaves. What it wrote last must have been submitted before.
    pub(crate) fn release(&mut self, client_id: &Arc<str>, who: Address, leaving: Leaving) {
        let Some(entry) = self.entries.get_mut(client_id) else {
            return;
        };
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
            Leaving::Gone | Leaving::AsBefore => {
                self.entries.remove(client_id);
            }
            Leaving::Absent(session, until) => {
                self.persistent += 1;
                entry.set_session(Some(session));
                entry.expires = until;
                self.will_expire(client_id.clone(), session, until);
            }
        }
    }

    /// Puts back an absent session that the store remembers.
    pub(crate) fn restore(&mut self, client_id: &str, session: SessionId, expires: UnixMillis) {
        self.persistent += 1;
        let entry = Entry {
            session: session.0,
            expires,
            owned: None,
        };
        let client_id: Arc<str> = client_id.into();
        self.entries.insert(client_id.clone(), entry);
        self.will_expire(client_id, session, expires);
    }

    fn will_expire(&mut self, client_id: Arc<str>, session: SessionId, at: UnixMillis) {
        if at != UnixMillis::NEVER {
            self.due.insert((at, session), client_id);
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
            && let Some(first) = self.due.first_entry()
            && first.key().0 <= now
        {
            let ((_, session), client_id) = first.remove_entry();
            if let Some(entry) = self.entries.get_mut(&client_id) {
                let waiting = Vec::new();
                entry.owned = Some(Box::new(Owned { owner: who, waiting }));
                ended.push((client_id, session));
            }
        }
        ended
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
    }

    #[test]
    fn k16_expired_sessions_are_claimed_in_slices() {
        let mut directory = Directory::default();
        for n in 0..10 {
            directory.restore(
                &format!("c{n}"),
                SessionId(n),
                UnixMillis(if n < 7 { 5 } else { 500 }),
            );
        }
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
        let mut directory = Directory::default();
        let (back, gone): (Arc<str>, Arc<str>) = ("back".into(), "gone".into());
        directory.restore(&back, SessionId(1), UnixMillis(5));
        directory.restore(&gone, SessionId(2), UnixMillis(6));
        directory.restore("for ever", SessionId(3), UnixMillis::NEVER);
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
