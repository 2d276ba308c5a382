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

const MEMORY: &str = "store = \"memory\"\n[listen]\nmqtt = [\"127.0.0.1:0\"]\nhttp = \"127.0.0.1:0\"\n";

/// CONNECT of a 5.0 client: clean start, keep-alive 60 s, client id "c".
const CONNECT: [u8; 16] = [0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 1, b'c'];

fn in_folder(file: &str) -> (TempDir, Command) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("restante.toml"), file).unwrap();
    let command = command(folder.path(), &["serve"]);
    (folder, command)
}

fn connect(serving: &mut Serving) -> TcpStream {
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

fn get(serving: &mut Serving, path: &str) -> String {
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

/// Started with room for few files, it takes what the system allows; told to take more connections than that, it
/// says so.
#[test]
fn the_limit_of_open_files_is_raised_and_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("restante.toml"),
        format!("{MEMORY}[limits]\nmax_connections = 5000\n"),
    )
    .unwrap();
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
    assert!(line.contains("files=4096 connections_max=5000"), "{line}");
    serving.line("code=started");
}
