//! Who does not come in, and whose messages are not taken, leaves a line and a count.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::{
    program::{Serving, rest},
    serving::{MEMORY, connect, get, in_folder},
};

/// CONNECT of a 3.1.1 client: clean session, client id "o".
const OLD: &[u8] = b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01o";

fn say(serving: &mut Serving, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(serving.address("listening")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// Says something and is thrown out; the address it came from.
fn thrown_out(serving: &mut Serving, bytes: &[u8]) -> String {
    let stream = say(serving, bytes);
    let address = stream.local_addr().unwrap();
    rest(stream);
    format!(" address={address} ")
}

fn metric(serving: &mut Serving, name: &str) -> u64 {
    let page = get(serving, "/metrics");
    let line = page
        .lines()
        .find(|line| line.split(' ').next() == Some(name))
        .unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn other_protocols_on_the_mqtt_port_are_told_and_counted() {
    let (_folder, mut command) = in_folder(&format!("{MEMORY}[limits]\nconnect_timeout = \"1h\"\n"));
    let mut serving = Serving::start(&mut command);
    let hello = [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &[7; 507]].concat();
    for (bytes, looks_like) in [
        (&hello[..], "looks_like=TLS"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "looks_like=HTTP"),
        (b"\x30\x03\0\x01t", "the first packet must be CONNECT"),
    ] {
        let address = thrown_out(&mut serving, bytes);
        let line = serving.line(address.trim_end());
        assert!(
            line.contains(" INFO ") && line.contains("code=not-mqtt"),
            "{line}"
        );
        assert!(line.contains(looks_like), "{line}");
    }
    // MQTT of a version that nobody speaks.
    let address = thrown_out(&mut serving, b"\x10\x0d\0\x04MQTT\x09\x02\0\0\0\x01o");
    let line = serving.line(address.trim_end());
    assert!(line.contains("code=connect-refused"), "{line}");
    assert!(line.contains("reason=0x84") && line.contains("level 9"), "{line}");
    // A session is refused by its terms: without a client id a 3.1.1 client may not keep one.
    let address = thrown_out(&mut serving, b"\x10\x0c\0\x04MQTT\x04\0\0\0\0\0");
    let line = serving.line(address.trim_end());
    assert!(
        line.contains("code=connect-refused") && line.contains("reason=0x85"),
        "{line}"
    );
    assert_eq!(metric(&mut serving, "restante_protocol_errors_total"), 4);
    assert_eq!(metric(&mut serving, "restante_connections_refused_total"), 5);
}

#[test]
fn who_never_finishes_a_connect_is_told_and_broke_nothing() {
    let (_folder, mut command) = in_folder(&format!("{MEMORY}[limits]\nconnect_timeout = 1\n"));
    let mut serving = Serving::start(&mut command);
    let address = thrown_out(&mut serving, b"\x10\x0d\0\x04MQ");
    let line = serving.line(address.trim_end());
    assert!(line.contains("code=connect-timeout"), "{line}");
    assert_eq!(metric(&mut serving, "restante_connections_refused_total"), 1);
    assert_eq!(metric(&mut serving, "restante_protocol_errors_total"), 0);
}

#[test]
fn a_packet_too_large_is_told_in_words() {
    let (_folder, mut command) = in_folder(&format!("{MEMORY}[session]\nmax_packet_size = \"1KiB\"\n"));
    let mut serving = Serving::start(&mut command);
    let mut client = connect(&mut serving);
    client.write_all(b"\x30\xff\x7f").unwrap();
    rest(client);
    let line = serving.line("code=protocol-violation");
    assert!(
        line.contains("the client broke the protocol: packet too large"),
        "{line}"
    );
    assert!(
        line.contains("reason=0x95") && line.contains("address=127.0.0.1:"),
        "{line}"
    );
}

#[test]
fn refused_publishes_are_told_in_both_versions_and_once_in_a_row() {
    let (_folder, mut command) = in_folder(&format!(
        "{MEMORY}[limits]\nmax_retained = 0\n[log]\nlevel = \"debug\"\n"
    ));
    let mut serving = Serving::start(&mut command);
    let mut client = connect(&mut serving);
    let mut answers = [0; 5];
    for _ in 0..3 {
        // Retained, QoS 1.
        client.write_all(b"\x33\x07\0\x01t\0\x01\0x").unwrap();
        client.read_exact(&mut answers).unwrap();
        assert_eq!((answers[0], answers[4]), (0x40, 0x97));
    }
    client.write_all(b"\xe0\0").unwrap();
    rest(client);
    let mut old = say(&mut serving, OLD);
    let mut connack = [0; 4];
    old.read_exact(&mut connack).unwrap();
    old.write_all(b"\x33\x06\0\x01t\0\x01x").unwrap();
    assert_eq!(rest(old), [0; 0]);
    let line = serving.line(" client=o ");
    assert!(line.contains("code=publish-not-kept"), "{line}");
    assert!(line.contains("reason=publish-refused answer=0x97"), "{line}");
    assert!(line.contains("cannot be told"), "{line}");
    let of_new = |line: &&String| line.contains(" client=c");
    let lines: Vec<&String> = serving.seen.iter().filter(of_new).collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("code=publish-not-kept"), "{lines:#?}");
    assert!(
        lines[0].contains("reason=publish-refused answer=0x97"),
        "{lines:#?}"
    );
    assert!(lines[0].contains("the client is told"), "{lines:#?}");
    // Words, and no structures of the program.
    assert!(lines[1].contains("the client said goodbye"), "{lines:#?}");
}
