//! Wills whose delay runs: one for each absent session, found by time and by session.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use restante_model::{SessionId, UnixMillis};

/// Bounded by the number of sessions: a session has one will, and each absence a delay of its own.
#[derive(Default)]
pub(crate) struct DueWills {
    by_time: BTreeMap<(UnixMillis, SessionId), Arc<str>>,
    due_at: HashMap<SessionId, UnixMillis>,
}

impl DueWills {
    /// The will of a session falls due then, whatever was said before.
    pub(crate) fn set(&mut self, session: SessionId, at: UnixMillis, client_id: Arc<str>) {
        self.remove(session);
        self.due_at.insert(session, at);
        self.by_time.insert((at, session), client_id);
    }

    /// The client is back in time [MQTT-3.1.3-9], or its session is over.
    pub(crate) fn remove(&mut self, session: SessionId) {
        if let Some(at) = self.due_at.remove(&session) {
            self.by_time.remove(&(at, session));
        }
    }

    /// Takes the first that is due.
    pub(crate) fn take_due(&mut self, now: UnixMillis) -> Option<(SessionId, Arc<str>)> {
        let first = self.by_time.first_entry().filter(|first| first.key().0 <= now)?;
        let ((_, session), client_id) = first.remove_entry();
        self.due_at.remove(&session);
        Some((session, client_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_one_will_at_its_latest_time() {
        let mut wills = DueWills::default();
        let id: Arc<str> = "c".into();
        wills.set(SessionId(1), UnixMillis(10), id.clone());
        wills.set(SessionId(2), UnixMillis(20), id.clone());
        wills.set(SessionId(1), UnixMillis(30), id.clone());
        wills.set(SessionId(3), UnixMillis(5), id);
        wills.remove(SessionId(3));
        let mut due = |now| wills.take_due(UnixMillis(now)).map(|(session, _)| session.0);
        assert_eq!((due(19), due(20), due(20)), (None, Some(2), None));
        assert_eq!((due(30), due(u64::MAX)), (Some(1), None));
        assert!(wills.due_at.is_empty() && wills.by_time.is_empty());
    }
}
