//! Damage: what is torn is cut, what is damaged is set aside and told, and the rest is there.

use restante_store::{
    contract::{Store, StoreError},
    sim::SimDisk,
};

use crate::on_disk::{all, files, open, settings, try_open};

/// Bytes of a file header and of a block header.
const HEADERS: u64 = 512 + 56;

#[test]
fn a_torn_commit_is_cut_and_never_comes_back() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.publish(&[1], 0..30);
    // The power goes while the commit of 20..30 is on its way: part of it was written.
    let disk = disk.what_if(1);
    drop(store);
    let name = newest_segment(&disk);
    let place = last_message(&disk, &name);
    assert!(disk.flip(&name, place, 3));
    let store = open(&disk);
    assert_eq!(store.numbers(1), all(0..20));
    assert!(
        store.findings.iter().any(|finding| finding.contains("cut off")),
        "{:?}",
        store.findings
    );
    assert_eq!(store.store.figures().damaged, 0);
    store.publish(&[1], 30..40);
    drop(store);
    // The cut bytes are right again, and stay cut.
    disk.flip(&name, place, 3);
    let store = open(&disk);
    let expected: Vec<_> = (0..20).chain(30..40).map(Some).collect();
    assert_eq!(store.numbers(1), expected);
}

#[test]
fn a_damaged_record_in_the_middle_is_set_aside_and_told() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.publish(&[1], 0..30);
    drop(store);
    let name = newest_segment(&disk);
    // In the first commit of messages: two later ones say that it had been durable.
    let place = find(&disk, &name, 4);
    assert!(disk.flip(&name, place, 1));
    let store = open(&disk);
    let told = store
        .findings
        .iter()
        .any(|finding| finding.contains("damaged") && finding.contains(&name));
    assert!(told, "{:?}", store.findings);
    let numbers = store.numbers(1);
    let expected: Vec<_> = (0..30).filter(|&number| number != 4).map(Some).collect();
    assert_eq!(numbers, expected);
    assert_eq!(store.store.figures().damaged, 1);
}

#[test]
fn a_damaged_record_of_a_sealed_segment_is_told_when_it_is_read() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.publish(&[1], 0..400);
    store.close();
    let name = files(&disk, "log-", ".seg").into_iter().next().unwrap();
    let place = find(&disk, &name, 7);
    assert!(disk.flip(&name, place, 1));
    let store = open(&disk);
    let mut expected = all(0..400);
    expected[7] = None;
    assert_eq!(store.numbers(1), expected);
    assert_eq!(store.store.figures().damaged, 1);
    // It is passed like any other: what follows is not blocked.
    assert_eq!(store.entries(1).len(), 400);
}

#[test]
fn a_damaged_index_is_made_again() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.publish(&[1], 0..400);
    store.close();
    let written = |name: &String| !bytes(&disk, name).is_empty();
    let indexes: Vec<_> = files(&disk, "log-", ".idx").into_iter().filter(written).collect();
    for (number, name) in indexes.iter().enumerate() {
        // In the header of one, in the directory of the next, in the entries of the others.
        let place = [20, 100, 96 + 40 + 20, 96 + 40 + 200][number.min(3)];
        assert!(disk.flip(name, place, 2), "{name}");
    }
    let store = open(&disk);
    assert_eq!(store.numbers(1), all(0..400));
    assert_eq!(store.store.figures().damaged, 0);
    let told = store.findings.iter().filter(|finding| finding.contains("index"));
    assert_eq!(told.count(), 2, "{:?}", store.findings);
    drop(store);
    assert_eq!(open(&disk).numbers(1), all(0..400));
}

#[test]
fn damage_at_the_end_of_a_segment_is_told_from_the_end() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.publish(&[1], 0..400);
    drop(store);
    let holds_the_last = |name: &String| place_of(&disk, name, 399).is_some();
    let name = files(&disk, "log-", ".seg")
        .into_iter()
        .rfind(holds_the_last)
        .expect("a segment");
    let place = find(&disk, &name, 399);
    assert!(disk.flip(&name, place, 0));
    let store = open(&disk);
    let expected: Vec<_> = (0..400).map(Some).filter(|number| *number != Some(399)).collect();
    assert_eq!(store.numbers(1), expected);
    assert_eq!(store.store.figures().damaged, 1);
}

#[test]
fn a_missing_index_is_made_again() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.publish(&[1], 0..400);
    store.close();
    for name in files(&disk, "log-", ".idx") {
        restante_store::io::Disk::remove(&disk, &name).unwrap();
    }
    let store = open(&disk);
    assert_eq!(store.numbers(1), all(0..400));
    assert_eq!(store.findings, [""; 0]);
}

#[test]
fn a_damaged_checkpoint_costs_what_it_held_and_no_more() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    for number in 1..=3 {
        store.subscribe(number);
    }
    store.publish(&[1, 2, 3], 0..10);
    store.close();
    let name = files(&disk, "state-", ".st").into_iter().next().unwrap();
    assert!(disk.flip(&name, HEADERS + 30, 0));
    let store = open(&disk);
    assert!(
        store.findings.iter().any(|finding| finding.contains(&name)),
        "{:?}",
        store.findings
    );
    let there = (1..=3)
        .filter(|&queue| store.numbers(queue) == all(0..10))
        .count();
    assert!(there >= 2, "one record was damaged, {there} queues are there");
}

#[test]
fn a_segment_with_a_damaged_header_is_set_aside_and_the_rest_is_there() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    let last = store.publish(&[1], 0..400);
    store.close();
    let name = files(&disk, "log-", ".seg").into_iter().nth(1).unwrap();
    assert!(disk.flip(&name, 20, 0));
    let store = open(&disk);
    assert!(
        store.findings.iter().any(|finding| finding.contains("set aside")),
        "{:?}",
        store.findings
    );
    let numbers = store.numbers(1);
    assert!(numbers.len() > 200 && numbers.len() < 400 && numbers.iter().all(Option::is_some));
    assert!(store.store.figures().damaged > 0);
    assert_eq!(files(&disk, "log-", ".damaged").len(), 1);
    assert!(store.publish(&[1], 400..410) > last);
}

#[test]
fn the_manifest_can_be_lost() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    let last = store.publish(&[1], 0..30);
    drop(store);
    assert!(disk.flip("manifest", 24, 0));
    let store = open(&disk);
    assert!(
        store.findings.iter().any(|finding| finding.contains("manifest")),
        "{:?}",
        store.findings
    );
    assert_eq!(store.numbers(1), all(0..30));
    let next = store.publish(&[1], 30..31);
    assert!(
        next.boot() > last.boot() + 1,
        "what the lost manifest may have given out is not given again (K4)"
    );
}

#[test]
fn old_contents_of_a_reused_file_are_not_read() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    let last = store.publish(&[1], 0..1000);
    store.acknowledge(1, last);
    store.sweep_until("segments are taken back, and kept for reuse", || {
        store.segments() <= 2 && !files(&disk, "spare-", "").is_empty()
    });
    let before = files(&disk, "log-", ".seg");
    // Into reused files now, and not to their ends.
    store.publish(&[1], 1000..1200);
    let begun = |name: &String| !before.contains(name);
    assert!(files(&disk, "log-", ".seg").iter().any(begun));
    drop(store);
    let store = open(&disk);
    // What was acknowledged may show up again until the sweep has looked, and is owed to nobody.
    let owed: Vec<_> = store
        .numbers(1)
        .into_iter()
        .filter(|number| *number >= Some(1000))
        .collect();
    assert_eq!(owed, all(1000..1200));
    assert_eq!(
        (store.findings.len(), store.store.figures().damaged),
        (0, 0),
        "{:?}",
        store.findings
    );
}

#[test]
fn a_newer_format_is_refused() {
    let disk = SimDisk::new(1);
    open(&disk).close();
    let file = restante_store::io::Disk::open(&disk, "manifest").unwrap();
    let mut bytes = [0; 40];
    file.read_at(0, &mut bytes).unwrap();
    bytes[12] = 9;
    let crc = crc32c::crc32c(&bytes[12..]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    file.write_at(0, &[std::io::IoSlice::new(&bytes)]).unwrap();
    let refused = try_open(std::sync::Arc::new(disk), settings()).err();
    assert!(
        matches!(
            refused,
            Some(StoreError::NewerFormat {
                found: 9,
                known: 2,
                ..
            })
        ),
        "{refused:?}"
    );
}

/// The newest segment that has blocks.
fn newest_segment(disk: &SimDisk) -> String {
    let begun = |name: &String| bytes(disk, name)[512..516] == *b"RBLK";
    files(disk, "log-", ".seg")
        .into_iter()
        .rfind(begun)
        .expect("a segment with blocks")
}

fn bytes(disk: &SimDisk, name: &str) -> Vec<u8> {
    let file = restante_store::io::Disk::open(disk, name).expect("the file opens");
    let mut bytes = vec![0; file.len().expect("the file has a length") as usize];
    file.read_at(0, &mut bytes).expect("the file is read");
    bytes
}

/// A place in the payload of a numbered message.
fn find(disk: &SimDisk, name: &str, number: u64) -> u64 {
    place_of(disk, name, number).expect("the message is there")
}

/// The same, if the segment holds it.
fn place_of(disk: &SimDisk, name: &str, number: u64) -> Option<u64> {
    let needle = number.to_le_bytes();
    let bytes = bytes(disk, name);
    let is_payload = |at: &usize| bytes[at + 8..at + 480].iter().all(|&byte| byte == number as u8);
    let places = (0..bytes.len().saturating_sub(480)).filter(|&at| bytes[at..at + 8] == needle);
    Some(places.into_iter().find(is_payload)? as u64 + 100)
}

/// A place in the payload of the last message of a segment.
fn last_message(disk: &SimDisk, name: &str) -> u64 {
    let bytes = bytes(disk, name);
    // Behind it there may be the mark at the end.
    let mark = bytes
        .windows(4)
        .rposition(|four| four == b"RBLK")
        .filter(|&at| bytes[at + 28..at + 32] == [0; 4]);
    let end = mark.unwrap_or(bytes.len());
    bytes[..end]
        .iter()
        .rposition(|&byte| byte != 0)
        .expect("a message") as u64
        - 50
}
