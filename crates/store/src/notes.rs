//! Notes: a small map from key to value, as both stores hold it in memory (K5).

use std::{
    collections::{BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
};

use crate::{
    change::{NOTE_KEY_BYTES_MAX, NOTE_VALUE_BYTES_MAX},
    contract::{Note, NotesPage, NotesRequest},
};

/// Most notes of one page, and most bytes of them, whatever is asked for: so that nobody is held up for long.
const PAGE_NOTES_MAX: usize = 4096;
const PAGE_BYTES_MAX: usize = 256 << 10;

/// What a note costs beside its bytes: its places in both tables, two allocations and their counts. Measured with half a
/// million.
pub(crate) const NOTE_OVERHEAD_BYTES: u64 = 150;

/// Whether a note may be kept. A value of length 0 removes one.
pub(crate) fn fits(key: &str, value: &[u8]) -> bool {
    !key.is_empty() && key.len() <= NOTE_KEY_BYTES_MAX && value.len() <= NOTE_VALUE_BYTES_MAX
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Apart from their order: most changes are of a value that is there, and need no search among the keys.
    values: HashMap<Arc<str>, Box<[u8]>>,
    keys: BTreeSet<Arc<str>>,
    bytes: u64,
}

impl Notes {
    /// Sets a note, or removes it if the value is empty. One that is too long changes nothing. Answers the key if
    /// anything changed.
    pub(crate) fn set(&mut self, key: &str, value: &[u8]) -> Option<Arc<str>> {
        if !fits(key, value) {
            return None;
        }
        if value.is_empty() {
            let (known, old) = self.values.remove_entry(key)?;
            self.keys.remove(key);
            self.bytes -= (known.len() + old.len()) as u64;
            return Some(known);
        }
        if let Some(old) = self.values.get_mut(key) {
            self.bytes = self.bytes - old.len() as u64 + value.len() as u64;
            // Nearly always as long as before: a position, a mark.
            match old.len() == value.len() {
                true => old.copy_from_slice(value),
                false => *old = value.into(),
            }
            return self.values.get_key_value(key).map(|(known, _)| known.clone());
        }
        let key: Arc<str> = key.into();
        self.bytes += (key.len() + value.len()) as u64;
        self.keys.insert(key.clone());
        self.values.insert(key.clone(), value.into());
        Some(key)
    }

    /// The value of a note.
    pub(crate) fn get(&self, key: &str) -> Option<&[u8]> {
        self.values.get(key).map(|value| &**value)
    }

    /// The first one with a key after this one, or the first of all.
    pub(crate) fn next(&self, after: Option<&str>) -> Option<(&Arc<str>, &[u8])> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.from(from).next()
    }

    fn from<'a>(&'a self, from: Bound<&str>) -> impl Iterator<Item = (&'a Arc<str>, &'a [u8])> + use<'a> {
        let keys = self.keys.range::<str, _>((from, Bound::Unbounded));
        keys.filter_map(|key| Some((key, self.get(key)?)))
    }

    /// A page.
    pub(crate) fn page(&self, request: &NotesRequest) -> NotesPage {
        let prefix = &*request.prefix;
        let from = match request.after.as_deref().filter(|&after| after >= prefix) {
            Some(after) => Bound::Excluded(after),
            None => Bound::Included(prefix),
        };
        let notes_max = request.notes_max.min(PAGE_NOTES_MAX);
        let bytes_max = request.bytes_max.min(PAGE_BYTES_MAX);
        let mut page = NotesPage::default();
        let mut bytes = 0;
        for (key, value) in self.from(from).take_while(|(key, _)| key.starts_with(prefix)) {
            bytes += key.len() + value.len();
            if let Some(last) = page.notes.last()
                && (page.notes.len() >= notes_max || bytes > bytes_max)
            {
                page.after = Some(last.key.clone());
                break;
            }
            page.notes.push(Note {
                key: (&**key).into(),
                value: value.into(),
            });
        }
        page
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Bytes of their keys and values.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use restante_model::Seq;

    use super::*;

    fn request(prefix: &str, after: Option<&str>) -> NotesRequest {
        NotesRequest {
            prefix: prefix.into(),
            after: after.map(Box::from),
            notes_max: usize::MAX,
            bytes_max: usize::MAX,
            applied: Seq::ZERO,
        }
    }

    fn keys(notes: &Notes, prefix: &str, after: Option<&str>) -> Vec<String> {
        let page = notes.page(&request(prefix, after));
        page.notes.iter().map(|note| note.key.to_string()).collect()
    }

    #[test]
    fn bytes_are_counted_and_what_is_removed_is_gone() {
        let mut notes = Notes::default();
        assert_eq!(notes.set("key", b"12").as_deref(), Some("key"));
        assert_eq!(notes.set("key", b"12345").as_deref(), Some("key"));
        notes.set("other", b"1");
        assert_eq!((notes.len(), notes.bytes()), (2, 3 + 5 + 5 + 1));
        assert_eq!(notes.set("key", b"").as_deref(), Some("key"));
        assert_eq!(notes.set("key", b""), None);
        assert_eq!((notes.len(), notes.bytes(), notes.get("key")), (1, 6, None));
    }

    #[test]
    fn what_is_too_long_changes_nothing() {
        let mut notes = Notes::default();
        let (key, value) = ("k".repeat(NOTE_KEY_BYTES_MAX), vec![1; NOTE_VALUE_BYTES_MAX]);
        assert!(notes.set(&key, &value).is_some());
        assert!(notes.set(&(key.clone() + "k"), b"1").is_none());
        assert!(notes.set(&key, &[value.as_slice(), b"1"].concat()).is_none());
        assert!(notes.set("", b"1").is_none());
        assert_eq!((notes.len(), notes.get(&key)), (1, Some(&*value)));
        // It does not fit into a page, and is given all the same.
        assert_eq!(keys(&notes, "", None), [key]);
    }

    #[test]
    fn a_page_holds_one_prefix_and_begins_after_a_key() {
        let mut notes = Notes::default();
        for key in ["a", "a/1", "a/2", "a0", "b"] {
            notes.set(key, b"1");
        }
        assert_eq!(keys(&notes, "a/", None), ["a/1", "a/2"]);
        assert_eq!(keys(&notes, "a/", Some("a/1")), ["a/2"]);
        assert_eq!(keys(&notes, "a/", Some("a/2")), [""; 0]);
        assert_eq!(keys(&notes, "a/", Some("a")), ["a/1", "a/2"]);
        assert_eq!(keys(&notes, "a/", Some("b")), [""; 0]);
        assert_eq!(keys(&notes, "", None), ["a", "a/1", "a/2", "a0", "b"]);
    }

    #[test]
    fn a_page_is_bounded_whatever_is_asked_for() {
        let mut notes = Notes::default();
        for number in 0..PAGE_NOTES_MAX + 10 {
            notes.set(&format!("{number:06}"), b"1");
        }
        let page = notes.page(&request("", None));
        assert_eq!(page.notes.len(), PAGE_NOTES_MAX);
        assert_eq!(page.after.as_ref(), page.notes.last().map(|note| &note.key));
        let rest = notes.page(&request("", page.after.as_deref()));
        assert_eq!((rest.notes.len(), rest.after), (10, None));
    }
}
