//! `store inspect` and `store verify` on what a broker has left, whole and damaged.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::program::{Said, Serving, command, run};

const LOG: &str =
    "[listen]\nmqtt = [\"127.0.0.1:0\"]\n[log_store]\nsegment_bytes = \"2MiB\"\nmin_free_bytes = \"1MiB\"\n";
/// CONNECT of a 3.1.1 client without clean session, client id "c"; SUBSCRIBE to "t" at QoS 1.
const COME: &[u8] = b"\x10\x0d\0\x04MQTT\x04\0\0\0\0\x01c\x82\x06\0\x01\0\x01t\x01";
/// What it publishes to "t" at QoS 1.
const LETTER: &[u8] = b"an uncommon letter";

/// A folder with a store in which one message waits.
fn with_a_store() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("restante.toml"), LOG).unwrap();
    let mut serving = Serving::start(&mut command(folder.path(), &["serve"]));
    let mut stream = TcpStream::connect(serving.address("listening")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(COME).unwrap();
    let mut answers = [0; 4 + 5];
    stream.read_exact(&mut answers).unwrap();
    let length = u8::try_from(2 + 1 + 2 + LETTER.len()).unwrap();
    stream.write_all(&[0x32, length, 0, 1, b't', 0, 9]).unwrap();
    stream.write_all(LETTER).unwrap();
    // Its PUBACK comes when it is durable, its delivery ahead of that.
    let mut seen = Vec::new();
    while !seen.windows(4).any(|bytes| bytes == [0x40, 2, 0, 9]) {
        let mut chunk = [0; 64];
        let count = stream.read(&mut chunk).unwrap();
        assert!(count > 0, "closed before the PUBACK");
        seen.extend_from_slice(&chunk[..count]);
    }
    serving.signal("TERM");
    assert_eq!(serving.end().0.code(), Some(0));
    folder
}

fn tool(folder: &Path, verb: &str) -> Said {
    run(folder, &["store", verb, "restante-data"])
}

fn line<'a>(said: &'a Said, begin: &str) -> &'a str {
    let line = said.out.lines().find(|line| line.starts_with(begin));
    line.unwrap_or_else(|| panic!("no line {begin:?}: {said:?}"))
}

/// The segment that holds the letter, and where.
fn letter(folder: &Path) -> (PathBuf, u64) {
    let files = fs::read_dir(folder.join("restante-data")).unwrap();
    let found = files.map(|entry| entry.unwrap().path()).find_map(|path| {
        let bytes = fs::read(&path).unwrap();
        let at = bytes.windows(LETTER.len()).position(|bytes| bytes == LETTER)?;
        (path.extension()? == "seg").then_some((path, at as u64))
    });
    found.unwrap()
}

#[test]
fn a_whole_store_is_good_and_a_damaged_one_is_not() {
    let folder = with_a_store();
    let seen = tool(folder.path(), "inspect");
    assert_eq!((seen.code, seen.err.as_str()), (Some(0), ""), "{seen:?}");
    assert_eq!(line(&seen, "format"), "format          2, boot epoch 1");
    assert_eq!(
        line(&seen, "sessions"),
        "sessions        1 (1 away, 0 were connected)"
    );
    assert!(!seen.out.contains("report"), "{seen:?}");
    let seen = tool(folder.path(), "verify");
    assert_eq!(seen.code, Some(0), "{seen:?}");
    assert_eq!(seen.out.lines().last(), Some("every record is right"));

    let (segment, at) = letter(folder.path());
    let file = fs::OpenOptions::new().write(true).open(segment).unwrap();
    file.write_at(b"X", at).unwrap();
    let seen = tool(folder.path(), "verify");
    assert_eq!(seen.code, Some(1), "{seen:?}");
    assert!(
        seen.out
            .contains("1 damaged; the broker starts all the same and leaves them out: they are lost"),
        "{seen:?}"
    );
    assert!(seen.out.contains("\ndamaged, or to mend\n"), "{seen:?}");
    assert!(!seen.out.contains("every record is right"), "{seen:?}");
    // The index goes: now a start reads the segment, and an inspection finds the same.
    for entry in fs::read_dir(folder.path().join("restante-data")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "idx") {
            fs::remove_file(path).unwrap();
        }
    }
    let seen = tool(folder.path(), "inspect");
    assert_eq!(seen.code, Some(1), "{seen:?}");
    assert!(seen.out.contains("\na start would report\n"), "{seen:?}");
    assert!(seen.out.contains("are lost"), "{seen:?}");
}

/// What a start mends without losing anything is neither silence nor damage.
#[test]
fn a_lost_manifest_is_to_mend_and_no_record_is_damaged() {
    let folder = with_a_store();
    fs::remove_file(folder.path().join("restante-data/manifest")).unwrap();
    let seen = tool(folder.path(), "verify");
    assert_eq!(seen.code, Some(0), "{seen:?}");
    assert!(
        seen.out.contains(
            "every record is right; a start mends what is listed here\n\nto mend\n  the manifest was missing"
        ),
        "{seen:?}"
    );
    assert_eq!(
        seen.out.matches("the manifest was missing").count(),
        1,
        "{seen:?}"
    );
}

#[test]
fn a_folder_without_a_store_is_told_as_that() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("restante-data");
    fs::create_dir(&data).unwrap();
    for verb in ["inspect", "verify"] {
        let said = tool(folder.path(), verb);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
        let what = format!(
            "restante: cannot {verb} restante-data: there is no store in this folder; give the folder that data_dir \
             names\n"
        );
        assert_eq!(said.err, what);
    }
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0, "nothing was written");
    // A store that has taken nothing yet knows no time.
    let folder = with_a_store();
    fs::remove_dir_all(folder.path().join("restante-data")).unwrap();
    let mut serving = Serving::start(&mut command(folder.path(), &["serve"]));
    serving.line("code=started");
    let said = tool(folder.path(), "inspect");
    assert!(
        said.err.ends_with("stop the broker first, or look at a copy\n"),
        "{said:?}"
    );
    serving.signal("TERM");
    assert_eq!(serving.end().0.code(), Some(0));
    let said = tool(folder.path(), "inspect");
    assert_eq!(line(&said, "last record"), "last record     none");
}
