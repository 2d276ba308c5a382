//! A disk without a free byte: what frees space finds room, a standstill says so, and a start is possible.

use std::{
    io::{self, IoSlice},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use restante_model::{QoS, Seq, SessionId, UnixMillis};
use restante_store::{
    batch::Batch,
    change::Change,
    contract::{Admission, Store},
    image::Will,
    io::{Disk, DiskFile},
    sim::SimDisk,
};

use crate::on_disk::{LATER, Open, SEGMENT, all, files, open, settings, try_open};

/// Bytes of a will: a change of a session as large as they come.
const WILL: usize = 30_000;

/// Publishes until messages are not taken any more; answers how many, and the sequence of the last.
fn fill(store: &Open, from: u64) -> (u64, Seq) {
    let mut number = from;
    let mut last = Seq::ZERO;
    while store.store.admission() == Admission::Open {
        last = store.publish(&[1], number..number + 20);
        number += 20;
        store.store.tick(LATER);
        assert!(number < 20_000, "the disk is full long before");
    }
    (number, last)
}

/// Spare files, and the segment that was to be next, with its index.
fn not_begun(disk: &SimDisk) -> Vec<String> {
    let has_no_block = |name: &String| {
        let mut first = [0; 4];
        let file = Disk::open(disk, name).unwrap();
        file.read_at(512, &mut first).is_err() || first != *b"RBLK"
    };
    let segments = files(disk, "log-", ".seg").into_iter().filter(has_no_block);
    let with_index = segments.flat_map(|name| [name.replace(".seg", ".idx"), name]);
    with_index.chain(files(disk, "spare-", "")).collect()
}

/// A session comes back with a will; what it had before is replaced.
fn come_back(batch: &mut Batch, session: SessionId, byte: u8) {
    batch.change(&Change::SessionOpened {
        session,
        client_id: "session",
        version: 5,
        expiry: u32::MAX,
        will: Some(Will {
            topic: "will".into(),
            payload: vec![byte; WILL].into(),
            qos: QoS::AtLeastOnce,
            retain: false,
            delay: 0,
            message_expiry: None,
            properties: Default::default(),
        }),
        at: UnixMillis(0),
    });
}

fn is_open(store: &Open) -> bool {
    store.store.admission() == Admission::Open
}

#[test]
fn k09_what_frees_space_finds_room_however_much_sessions_change() {
    let disk = SimDisk::new(1);
    disk.set_capacity(40 * SEGMENT);
    let store = open(&disk);
    store.subscribe(1);
    // A checkpoint of everything takes several segments.
    for session in 10..20 {
        store
            .driver
            .commit(|batch| come_back(batch, SessionId(session), 1));
    }
    let (count, last) = fill(&store, 0);
    // All at once, and more than the disk has: they can only pass because segments are taken back meanwhile.
    let spans: Vec<_> = (0..200u32)
        .map(|round| {
            store
                .driver
                .submit(|batch| come_back(batch, SessionId(10 + u64::from(round % 10)), round as u8))
        })
        .collect();
    let end = spans[spans.len() - 1].last;
    store.sweep_until("all changes are durable", || store.store.durable() >= end);
    assert_eq!(disk.refusals(), 0, "the disk never had to refuse");
    assert_eq!(store.numbers(1), all(0..count));
    store.acknowledge(1, last);
    store.sweep_until("messages are taken again", || is_open(&store));
    assert!(!store.store.figures().stalled);
    drop(store);
    open(&disk).publish(&[1], 0..10);
}

#[test]
fn k09_a_checkpoint_without_room_leaves_nothing_behind() {
    let disk = SimDisk::new(1);
    let tight = Arc::new(NoRoomForState {
        disk: disk.clone(),
        refusals: Arc::default(),
        has_room: AtomicBool::new(false),
    });
    let store = try_open(tight.clone(), settings()).expect("the store opens");
    store.subscribe(1);
    let last = store.publish(&[1], 0..600);
    store.acknowledge(1, last);
    // Segments wait to be taken back, so each tick would try again, but for the pauses that grow.
    for _ in 0..60 {
        store.driver.tick(LATER);
        assert!(files(&disk, "state-", "").len() <= 1, "{:?}", disk.files());
    }
    let refusals = tight.refusals.load(Ordering::SeqCst);
    assert!((2..40).contains(&refusals), "{refusals}");
    assert!(store.segments() > 2);
    tight.has_room.store(true, Ordering::SeqCst);
    store.sweep_until("all is given back", || store.segments() <= 2);
    store.close();
    assert_eq!(files(&disk, "state-", "").len(), 1);
}

/// A disk on which a state file gets its header and nothing more.
struct NoRoomForState {
    disk: SimDisk,
    refusals: Arc<AtomicU64>,
    has_room: AtomicBool,
}

struct NoRoom(Arc<dyn DiskFile>, Arc<AtomicU64>);

impl Disk for NoRoomForState {
    fn create(&self, name: &str, len: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.create(name, len)?;
        match name.starts_with("state-") && !self.has_room.load(Ordering::SeqCst) {
            true => Ok(Arc::new(NoRoom(file, self.refusals.clone()))),
            false => Ok(file),
        }
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.disk.sync_folder()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.disk.free_bytes()
    }
}

impl DiskFile for NoRoom {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bufs: &[IoSlice<'_>]) -> io::Result<()> {
        if offset > 0 {
            self.1.fetch_add(1, Ordering::SeqCst);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.write_at(offset, bufs)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

#[test]
fn k09_a_standstill_is_told_and_ends_with_space() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.subscribe(1);
    store.publish(&[1], 0..10);
    disk.set_capacity(disk.used());
    let spans: Vec<_> = (0..12u8)
        .map(|round| store.driver.submit(|batch| come_back(batch, SessionId(1), round)))
        .collect();
    let end = spans[spans.len() - 1].last;
    store.sweep_until("the store stands still", || store.store.figures().stalled);
    // Whoever looks finds the reason, also after the house has looked.
    for _ in 0..5 {
        store.driver.tick(LATER);
        match store.store.admission() {
            Admission::Full { why } => assert!(why.contains("nothing is acknowledged until"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(store.store.durable() < end);
    disk.set_capacity(u64::MAX);
    store.sweep_until("all is durable", || store.store.durable() >= end);
    store.sweep_until("messages are taken again", || is_open(&store));
    assert!(!store.store.figures().stalled);
    assert_eq!(store.numbers(1), all(0..10));
}

#[test]
fn k09_a_start_without_a_free_byte_lets_clients_fetch_their_messages() {
    for with_litter in [false, true] {
        let disk = SimDisk::new(1);
        let store = open(&disk);
        store.subscribe(1);
        let last = store.publish(&[1], 0..300);
        if with_litter {
            // What others have left: checkpoints that were begun, and an index.
            for name in [
                "state-0000001-00000998.st",
                "state-0000001-00000999.st",
                "log-0000001-00000001.idx.new",
            ] {
                disk.create(name, 0).unwrap();
            }
        }
        // Somebody else takes all that is left, and the broker is killed.
        let disk = disk.kill();
        drop(store);
        if !with_litter {
            // Nothing stands ready: the end of the last segment is all there is.
            for name in not_begun(&disk) {
                // The index comes after the segment.
                _ = disk.remove(&name);
            }
        }
        disk.set_capacity(disk.used());
        let store = open(&disk);
        assert_eq!(store.numbers(1), all(0..300));
        assert_eq!(
            files(&disk, "state-0000001-0000099", ""),
            [""; 0],
            "leftovers are removed"
        );
        store.acknowledge(1, last);
        // What is drained makes room, also for the next start.
        store.sweep_until("segments are taken back", || store.segments() <= 2);
        let disk = disk.kill();
        drop(store);
        let store = open(&disk);
        disk.set_capacity(u64::MAX);
        store.sweep_until("messages are taken again", || is_open(&store));
        assert!(store.publish(&[1], 300..310) > last);
    }
}

#[test]
fn k09_files_kept_for_reuse_do_not_keep_a_small_disk_full() {
    // Ten segments, less what the manifest and a checkpoint take.
    let disk = SimDisk::new(1);
    disk.set_capacity(10 * SEGMENT);
    let store = open(&disk);
    store.subscribe(1);
    for _ in 0..3 {
        let (count, last) = fill(&store, 0);
        assert!(count > 100, "{count}");
        store.acknowledge(1, last);
        store.sweep_until("messages are taken again", || is_open(&store));
    }
    // Also those that an earlier life kept, with more room.
    drop(store);
    disk.set_capacity(u64::MAX);
    let store = open(&disk);
    let last = store.publish(&[1], 0..1000);
    store.acknowledge(1, last);
    store.sweep_until("files are kept for reuse", || {
        files(&disk, "spare-", "").len() > 2
    });
    store.close();
    disk.set_capacity(disk.used().max(10 * SEGMENT));
    let store = open(&disk);
    store.sweep_until("messages are taken again", || is_open(&store));
}
