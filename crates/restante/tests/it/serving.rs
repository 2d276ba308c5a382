//! Start, signals and stop of a broker process.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::program::{Serving, command, rest, said};

pub(crate) const MEMORY: &str =
    "store = \"memory\"\n[listen]\nmqtt = [\"127.0.0.1:0\"]\nhttp = \"127.0.0.1:0\"\n";

/// CONNECT of a 5.0 client: clean start, keep-alive 60 s, client id "c".
pub(crate) const CONNECT: [u8; 16] = [0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 1, b'c'];

pub(crate) fn in_folder(file: &str) -> (TempDir, Command) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("restante.toml"), file).unwrap();
    let command = command(folder.path(), &["serve"]);
    (folder, command)
}

pub(crate) fn connect(serving: &mut Serving) -> TcpStream {
    let mut stream = TcpStream::connect(serving.address("listening")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(&CONNECT).unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    let mut body = vec![0; usize::from(head[1])];
    stream.read_exact(&mut body).unwrap();
    assert_eq!((head[0], body[1]), (0x20, 0), "CONNACK with success");
    stream
}

pub(crate) fn get(serving: &mut Serving, path: &str) -> String {
    let mut stream = TcpStream::connect(serving.address("http-listening")).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    String::from_utf8(rest(stream)).unwrap()
}

#[test]
fn it_serves_says_how_to_try_it_and_stops_on_sigterm() {
    let (_folder, mut command) = in_folder(MEMORY);
    let mut serving = Serving::start(&mut command);
    let client = connect(&mut serving);
    let port = serving.address("listening").port();
    serving.line(&format!("mosquitto_sub -p {port} -i phone -c -q 1"));
    serving.line(&format!("mosquitto_pub -p {port} -q 1"));
    assert!(get(&mut serving, "/livez").starts_with("HTTP/1.1 200 "));
    assert!(get(&mut serving, "/readyz").starts_with("HTTP/1.1 200 "));
    let metrics = get(&mut serving, "/metrics");
    assert!(metrics.contains("\nrestante_connections 1\n"), "{metrics}");
    assert!(metrics.contains("\nrestante_ready 1\n"), "{metrics}");

    serving.line("code=started");
    serving.signal("TERM");
    let last_words = rest(client);
    assert_eq!(
        (last_words[0], last_words[2]),
        (0xE0, 0x8B),
        "DISCONNECT: server shutting down"
    );
    let (status, lines) = serving.end();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    assert!(lines.last().unwrap().contains("code=stopped"), "{lines:#?}");
}

#[test]
fn sigint_stops_and_sighup_does_not() {
    let (_folder, mut command) = in_folder(MEMORY);
    let mut serving = Serving::start(&mut command);
    serving.line("code=started");
    serving.signal("HUP");
    serving.line("code=reload-ignored");
    serving.signal("INT");
    let (status, lines) = serving.end();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("code=stopping signal=SIGINT")),
        "{lines:#?}"
    );
}

#[test]
fn a_port_in_use_is_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (key, value, what) in [
        ("MQTT", address.to_string(), "cannot listen for MQTT on"),
        ("HTTP", address.to_string(), "cannot serve HTTP on"),
    ] {
        let (_folder, mut command) = in_folder(MEMORY);
        let said = said(command.env(format!("RESTANTE__LISTEN__{key}"), value));
        assert_eq!(said.code, Some(1), "{said:?}");
        let errors: Vec<&str> = said.err.lines().filter(|line| line.contains(" ERROR ")).collect();
        assert_eq!(errors.len(), 1, "{said:?}");
        assert!(errors[0].contains(&format!("{what} {address}: ")), "{said:?}");
        assert!(errors[0].ends_with("code=start-failed"), "{said:?}");
    }
}

#[test]
fn traps_are_in_the_log() {
    let (_folder, mut command) = in_folder(MEMORY);
    let mut serving = Serving::start(&mut command);
    let line = serving.line("code=config-warning");
    assert!(line.contains("a restart loses everything"), "{line}");
}

/// No disk has so much room: the store is full from the start.
const FULL: &str = "data_dir = \"data\"\n[listen]\nmqtt = [\"127.0.0.1:0\"]\nhttp = \"127.0.0.1:0\"\n\
                    [log_store]\nmin_free_bytes = \"1024TiB\"\nsegment_bytes = \"4MiB\"\n";

#[test]
fn k09_a_full_disk_is_told_and_begins_nothing_new() {
    let (_folder, mut command) = in_folder(FULL);
    let mut serving = Serving::start(&mut command);
    let line = serving.line("code=store-full");
    assert!(
        line.contains(" WARN ") && line.contains("free some space"),
        "{line}"
    );
    let _who_wants_nothing_kept = connect(&mut serving);
    let mut stream = TcpStream::connect(serving.address("listening")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // 3.1.1, to be kept.
    let kept = [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 60, 0, 1, b'k'];
    stream.write_all(&kept).unwrap();
    assert_eq!(rest(stream), [0x20, 2, 0, 3]);
    let ready = get(&mut serving, "/readyz");
    assert!(
        ready.starts_with("HTTP/1.1 503 ") && ready.contains("free some space"),
        "{ready}"
    );
    assert!(get(&mut serving, "/livez").starts_with("HTTP/1.1 200 "));
    serving.signal("TERM");
    let (status, lines) = serving.end();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.contains("code=store-full"))
            .count(),
        1
    );
}

#[test]
fn a_data_folder_that_is_replaced_is_a_failed_store() {
    let (folder, mut command) = in_folder(&FULL.replace("1024TiB", "1MiB"));
    let mut serving = Serving::start(&mut command);
    serving.line("code=started");
    assert!(get(&mut serving, "/livez").starts_with("HTTP/1.1 200 "));
    // Its lock alone would let a second broker in.
    fs::remove_file(folder.path().join("data/lock")).unwrap();
    let line = serving.line("code=store-failed");
    assert!(
        line.contains(" ERROR ") && line.contains("was removed or replaced"),
        "{line}"
    );
    assert!(get(&mut serving, "/livez").starts_with("HTTP/1.1 503 "));
    serving.signal("TERM");
    let (status, lines) = serving.end();
    assert_eq!(status.code(), Some(1), "{lines:#?}");
}

#[test]
fn json_lines_are_all_there_is() {
    let (_folder, mut command) = in_folder(&format!("{MEMORY}[log]\nformat = \"json\"\n"));
    let mut serving = Serving::start(&mut command);
    serving.line("\"code\":\"started\"");
    serving.signal("TERM");
    let (status, lines) = serving.end();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    for line in lines {
        assert!(
            line.starts_with("{\"timestamp\":") && line.ends_with('}'),
            "{line}"
        );
        assert!(line.contains("\"code\":"), "{line}");
    }
}

/// Started with room for few files, it takes what the system allows. Told to take more connections than that, it warns;
/// by itself it only says how many there is room for. It never takes so many that the store lacks files.
#[test]
fn the_limit_of_open_files_is_raised_and_told() {
    for (chosen, level, told) in [
        (
            "[limits]\nmax_connections = 5000\n",
            " WARN ",
            "files=4096 max_connections=5000 room=3072",
        ),
        ("", " INFO ", "files=4096 room=3072"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("restante.toml"), format!("{MEMORY}{chosen}")).unwrap();
        let script = format!(
            "ulimit -Sn 256; ulimit -Hn 4096; exec {} serve",
            env!("CARGO_BIN_EXE_restante")
        );
        let mut serving = Serving::start(
            Command::new("sh")
                .current_dir(folder.path())
                .args(["-c", &script]),
        );
        let line = serving.line("code=open-files");
        assert!(line.contains(level) && line.contains(told), "{line}");
        serving.line("code=started");
    }
    // Room for 32 connections, and they are counted before the system counts files.
    let (folder, _) = in_folder(MEMORY);
    let script = format!("ulimit -n 64; exec {} serve", env!("CARGO_BIN_EXE_restante"));
    let mut serving = Serving::start(
        Command::new("sh")
            .current_dir(folder.path())
            .args(["-c", &script]),
    );
    let _clients: Vec<TcpStream> = (0..32)
        .map(|n| {
            let mut stream = TcpStream::connect(serving.address("listening")).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let mut named = CONNECT;
            named[15] = b'A' + n;
            stream.write_all(&named).unwrap();
            stream.read_exact(&mut [0; 2]).unwrap();
            stream
        })
        .collect();
    let refused = TcpStream::connect(serving.address("listening")).unwrap();
    assert_eq!(rest(refused), [0; 0]);
    serving.line("code=connections-max");
}

/// Whoever sees the port open may ask for an orderly stop, before the start is over.
#[test]
fn a_signal_as_soon_as_the_port_is_open_is_an_orderly_stop() {
    for _ in 0..10 {
        let (_folder, mut command) = in_folder(MEMORY);
        let mut serving = Serving::start(&mut command);
        serving.line("code=listening ");
        serving.signal("TERM");
        let (status, lines) = serving.end();
        assert_eq!(status.code(), Some(0), "{lines:#?}");
    }
}

/// A terminal and a service manager may both pass on the same wish.
#[test]
fn a_signal_that_comes_twice_at_once_does_not_cut_the_stop_short() {
    let (_folder, mut command) = in_folder(MEMORY);
    let mut serving = Serving::start(&mut command);
    // It does not close its side, so the stop takes a while.
    let _client = connect(&mut serving);
    serving.line("code=started");
    serving.signal("TERM");
    serving.line("code=stopping");
    serving.signal("TERM");
    serving.signal("INT");
    let (status, lines) = serving.end();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
}

#[test]
fn a_start_that_fails_says_what_to_do() {
    let said_in = |setting: &str, value: &str, level: i32, what: &str| {
        let (folder, mut command) =
            in_folder("[listen]\nmqtt = [\"127.0.0.1:0\"]\n[log_store]\nsegment_bytes = \"2MiB\"\n");
        fs::write(folder.path().join("a-file"), "").unwrap();
        let said = said(command.env(setting, value));
        assert_eq!(said.code, Some(level), "{said:?}");
        assert!(said.err.contains(what), "{what}: {said:?}");
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    said_in(
        "RESTANTE__LISTEN__MQTT",
        &taken,
        1,
        "stop what listens there, or change mqtt under [listen]",
    );
    said_in(
        "RESTANTE__LISTEN__HTTP",
        &taken,
        1,
        "stop what listens there, or change http under [listen]",
    );
    said_in("RESTANTE__DATA_DIR", "a-file", 1, "data_dir must name a folder");
    said_in(
        "RESTANTE__DATA_DIR",
        "a-file/data",
        1,
        "data_dir must name a folder",
    );
    // A folder that another one has.
    let (folder, mut command) =
        in_folder("[listen]\nmqtt = [\"127.0.0.1:0\"]\n[log_store]\nsegment_bytes = \"2MiB\"\n");
    let mut serving = Serving::start(&mut command);
    serving.line("code=started");
    let second = said(&mut crate::program::command(folder.path(), &["serve"]));
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(
        second
            .err
            .contains("stop that process, or give each its own data_dir"),
        "{second:?}"
    );
}
