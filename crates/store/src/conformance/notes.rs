//! Behaviours: notes (K5).

use restante_model::{QueueId, Seq, SessionId, UnixMillis};

use crate::{
    change::{Change, NOTE_KEY_BYTES_MAX, NOTE_VALUE_BYTES_MAX},
    contract::NotesRequest,
};

use super::{
    OpenSettings, Place,
    driver::{Driver, plain, subscribe},
};

fn set(driver: &Driver, key: &str, value: &[u8]) -> Seq {
    driver.change(&Change::Noted { key, value })
}

/// All whose keys begin with this, by pages of so many.
fn found(driver: &Driver, prefix: &str, notes_max: usize) -> Vec<(String, Vec<u8>)> {
    let notes = driver.notes_by(prefix, notes_max).into_iter();
    notes.map(|note| (note.key.into(), note.value.into())).collect()
}

fn pairs(expected: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
    let owned = |&(key, value): &(&str, &[u8])| (key.to_owned(), value.to_vec());
    expected.iter().map(owned).collect()
}

/// A value is set, replaced, and removed by an empty one.
pub fn set_replace_and_remove(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    set(&driver, "b", b"1");
    set(&driver, "a", &[0, 0xff, 0xfe]);
    assert_eq!(
        found(&driver, "", 10),
        pairs(&[("a", &[0, 0xff, 0xfe]), ("b", b"1")])
    );
    set(&driver, "b", b"a longer one");
    assert_eq!(found(&driver, "b", 10), pairs(&[("b", b"a longer one")]));
    set(&driver, "a", b"");
    set(&driver, "never there", b"");
    assert_eq!(found(&driver, "", 10), pairs(&[("b", b"a longer one")]));
    // In one batch the last one counts.
    driver.commit(|batch| {
        for (key, value) in [("c", &b"1"[..]), ("b", b""), ("c", b"2"), ("b", b"again")] {
            batch.change(&Change::Noted { key, value });
        }
    });
    assert_eq!(found(&driver, "", 10), pairs(&[("b", b"again"), ("c", b"2")]));
}

/// Keys of one prefix, ascending by their bytes, each once, whatever the length of the pages.
pub fn notes_come_by_prefix_and_page(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    driver.commit(|batch| {
        for number in (0..60).rev() {
            let key = format!("position/doors/{number:02}/ü");
            let value = [number as u8 + 1];
            batch.change(&Change::Noted {
                key: &key,
                value: &value,
            });
        }
        for key in ["position/door", "position/doors", "position/doors0", "mark"] {
            batch.change(&Change::Noted { key, value: b"x" });
        }
    });
    let expected: Vec<_> = (0..60)
        .map(|number| (format!("position/doors/{number:02}/ü"), vec![number + 1]))
        .collect();
    for page in [1, 7, 59, 60, 61] {
        assert_eq!(found(&driver, "position/doors/", page), expected, "page {page}");
    }
    assert_eq!(found(&driver, "", 1000).len(), 64);
    assert_eq!(
        found(&driver, "position/doors0", 5),
        pairs(&[("position/doors0", b"x")])
    );
    assert_eq!(found(&driver, "none", 5), []);
}

/// A page holds no more bytes than was asked for, but for its first note.
pub fn pages_of_notes_are_bounded(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    for key in ["a", "b", "c", "d"] {
        set(&driver, key, &[1; 99]);
    }
    let page = |bytes_max, after: Option<&str>| {
        let request = NotesRequest {
            prefix: "".into(),
            after: after.map(Box::from),
            notes_max: usize::MAX,
            bytes_max,
            applied: driver.store().durable(),
        };
        let page = driver.notes_page(request);
        let keys: String = page.notes.iter().map(|note| &*note.key).collect();
        (keys, page.after.map(String::from))
    };
    assert_eq!(page(250, None), ("ab".into(), Some("b".into())));
    assert_eq!(page(250, Some("b")), ("cd".into(), None));
    assert_eq!(page(1, Some("a")), ("b".into(), Some("b".into())));
    // What it ended with may be gone by now.
    set(&driver, "b", b"");
    assert_eq!(page(1, Some("b")), ("c".into(), Some("c".into())));
}

/// The longest are kept, what is longer changes nothing.
pub fn a_note_beyond_its_bounds_changes_nothing(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    let (key, value) = ("k".repeat(NOTE_KEY_BYTES_MAX), vec![1; NOTE_VALUE_BYTES_MAX]);
    set(&driver, &key, &value);
    set(&driver, &(key.clone() + "k"), b"1");
    set(&driver, &key, &vec![2; NOTE_VALUE_BYTES_MAX + 1]);
    set(&driver, "", b"1");
    let notes = driver.notes_by("", 10);
    assert_eq!(notes.len(), 1);
    assert!(*notes[0].key == *key && *notes[0].value == *value);
}

/// A read waits for what it names.
pub fn notes_wait_for_what_they_name(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    for number in 0..50_u8 {
        let value = [number + 1];
        let span = driver.submit(|batch| {
            batch.change(&Change::Noted {
                key: "mark",
                value: &value,
            });
        });
        let page = driver.notes_page(NotesRequest {
            prefix: "mark".into(),
            after: None,
            notes_max: 1,
            bytes_max: usize::MAX,
            applied: span.last,
        });
        assert_eq!(*page.notes[0].value, value);
    }
}

/// A note stands beside the message of its batch, and nothing that ends takes it away.
pub fn k05_a_note_comes_with_its_batch_and_belongs_to_nobody(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    let (session, queue) = (SessionId(1), QueueId(1));
    subscribe(&driver, session, queue, "t/#");
    let span = driver.commit(|batch| {
        batch.message(&plain(&[queue], b"one"));
        batch.change(&Change::Noted {
            key: "mark/t",
            value: b"one",
        });
        batch.message(&plain(&[queue], b"two"));
    });
    assert_eq!(driver.queue(queue), [span.first, span.last]);
    assert_eq!(found(&driver, "", 10), pairs(&[("mark/t", b"one")]));
    driver.commit(|batch| {
        batch.change(&Change::SessionEnded { session });
        batch.change(&Change::QueueClosed { queue });
    });
    driver.tick(UnixMillis(1_792_000_001_000));
    assert_eq!(found(&driver, "", 10), pairs(&[("mark/t", b"one")]));
}

/// Notes and their bytes are counted.
pub fn figures_count_notes(place: &dyn Place) {
    let driver = Driver::open(place, &OpenSettings::unlimited());
    let counted = |expected: (u64, u64)| {
        driver.until("the figures have come", || {
            let figures = driver.store().figures();
            (figures.notes, figures.note_bytes) == expected
        });
    };
    set(&driver, "one", b"12345");
    set(&driver, "two", b"1");
    counted((2, 12));
    set(&driver, "one", b"1");
    counted((2, 8));
    set(&driver, "two", b"");
    counted((1, 4));
}

/// What was noted is there after a restart, what was removed is not, however much was written in between.
pub fn k05_notes_are_kept(place: &dyn Place) {
    if !place.persists() {
        return;
    }
    let settings = OpenSettings::unlimited();
    let mut expected = Vec::new();
    for life in 0..4_u8 {
        let driver = Driver::open(place, &settings);
        assert_eq!(found(&driver, "", 7), expected, "life {life}");
        driver.commit(|batch| {
            for number in 0..40_u8 {
                let (key, value) = (format!("{number:02}"), [life + 1, number]);
                let value = if number % 4 == life { &[][..] } else { &value };
                batch.change(&Change::Noted { key: &key, value });
            }
        });
        expected = found(&driver, "", 100);
        assert_eq!(expected.len(), 30);
        driver.store().close().expect("the store closes");
    }
    let driver = Driver::open(place, &settings);
    assert_eq!(found(&driver, "", 7), expected);
}
