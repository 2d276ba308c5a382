//! What strangers send: noise, silence, announcements with nothing behind them. Nobody else notices.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use restante_codec::table::{LIMITS, rows};

use crate::house::*;
use crate::say;

/// Numbers that look like chance and are the same each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn bytes(&mut self, up_to: u64) -> Vec<u8> {
        let length = self.next() % up_to;
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// A client that goes on as if nothing were.
fn check_service(broker: &InProcess) {
    let mut client = broker.connect(&Connect::v5("witness"));
    client.subscribe(&[("witness", Q0)]);
    for qos in [Q0, Q1, Q2] {
        send(&mut broker.connect(&Connect::v311("other")), qos, "witness", b"x");
        assert_eq!(payloads(&mut client, 1), ["x"]);
    }
}

/// Noise, before and after CONNECT, in every version.
#[test]
fn random_bytes_harm_nobody() {
    let broker = InProcess::start();
    let mut chance = Chance(7);
    for n in 0..600 {
        let mut client = broker.open();
        let version = VERSIONS[n % 3];
        let mut bytes = match n % 4 {
            0 => Vec::new(),
            _ => Connect::new(version, "noise").bytes(),
        };
        // The first byte of a packet that may come, so that more of the noise is looked at.
        bytes.push([0x10, 0x30, 0x32, 0x82, 0xa2, 0x40, 0x62, 0xc0, 0xe0, 0xf0][chance.next() as usize % 10]);
        bytes.extend(chance.bytes(300));
        // The broker may close meanwhile.
        let _ = client.send(&bytes);
        client.cut();
    }
    broker.wait_for_connections(0);
    check_service(&broker);
}

/// Good packets with one byte changed, one left out, or one too many.
#[test]
fn damaged_packets_harm_nobody() {
    let broker = InProcess::with(|settings| settings.session.packet_size_max = LIMITS.packet_size_max);
    let mut chance = Chance(11);
    for row in rows()
        .iter()
        .filter(|row| !row.bytes.is_empty() && row.bytes.len() < 400)
    {
        for damage in 0..3 {
            let mut bytes = row.bytes.clone();
            let at = chance.next() as usize % bytes.len();
            match damage {
                0 => bytes[at] ^= 1 << (chance.next() % 8),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, chance.next() as u8),
            }
            let mut client = match row.version {
                Some(version) => broker.connect(&Connect::new(version, row.name)),
                None => broker.open(),
            };
            let _ = client.send(&bytes);
            client.cut();
        }
    }
    broker.wait_for_connections(0);
    check_service(&broker);
}

/// Who does not finish a CONNECT in time goes; dribbling does not help [MQTT-3.1.4-1]ff.
#[test]
fn a_connect_that_does_not_come_is_not_waited_for() {
    let broker = InProcess::with(|settings| settings.limits.connect_timeout = 2);
    let connect = Connect::v5("slow").will(Will::new("w", &[b'x'; 200])).bytes();
    let began = Instant::now();
    let mut clients: Vec<_> = (0..60)
        .map(|n| {
            let mut client = broker.open();
            client.must_send(&connect[..n.min(connect.len() - 1)]);
            client
        })
        .collect();
    let mut dribbling = broker.open();
    let dribbler = std::thread::spawn(move || {
        for byte in &connect {
            if dribbling.send(&[*byte]).is_err() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(40));
        }
        false
    });
    check_service(&broker);
    for client in &mut clients {
        client.expect_closed();
    }
    assert!(began.elapsed() >= Duration::from_millis(1900));
    assert!(
        dribbler.join().expect("ends"),
        "the dribbling client was served to its end"
    );
}

/// Kilobytes of `VmRSS` or `VmSize`.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with(what))
        .expect("the line");
    line.split_whitespace()
        .nth(1)
        .expect("a number")
        .parse()
        .expect("a number")
}

/// What is announced and does not come costs nothing. Other tests run in this process: the bounds are wide, and far
/// below the 75 GB that are announced.
#[test]
fn announced_lengths_cost_no_memory() {
    let broker = InProcess::with(|settings| settings.session.packet_size_max = 256 << 20);
    let before = (memory("VmRSS"), memory("VmSize"));
    let length = say::varint(250 << 20);
    let mut clients = Vec::new();
    for n in 0..300 {
        let (mut client, first) = if n % 3 == 0 {
            (broker.open(), 0x10)
        } else {
            (
                broker.connect(&Connect::new(VERSIONS[n % 3], &format!("c{n}"))),
                [0x30, 0x82][n % 2],
            )
        };
        client.must_send(&[&[first][..], &length, b"\0\x04MQTT"].concat());
        clients.push(client);
    }
    check_service(&broker);
    let grown = (
        memory("VmRSS").saturating_sub(before.0),
        memory("VmSize").saturating_sub(before.1),
    );
    assert!(grown.0 < 600 << 10, "{} KiB resident", grown.0);
    assert!(grown.1 < 30 << 20, "{} KiB reserved", grown.1);
}

/// A client that asks and asks and does not read is not read either, and loses no answer when it does read.
#[test]
fn who_does_not_read_is_not_read() {
    let broker = InProcess::start();
    let mut client = broker.connect(&Connect::v311("c"));
    client.expect_nothing();
    drop(client);
    let mut stream = TcpStream::connect(broker.address()).expect("connects");
    stream.write_all(&Connect::v311("c").bytes()).expect("written");
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).expect("CONNACK");
    stream.set_nonblocking(true).expect("set");
    let pings = [0xc0, 0].repeat(32 << 10);
    let mut sent = 0;
    let mut stuck = Instant::now();
    while stuck.elapsed() < Duration::from_millis(300) && sent < 64 << 20 {
        // The halves of a PINGREQ differ: go on where the last write ended.
        match stream.write(&pings[sent % 2..]) {
            Ok(count) => {
                sent += count;
                stuck = Instant::now();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(5))
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(sent < 64 << 20, "the broker reads without end");
    check_service(&broker);
    let mut received = 0;
    let mut buffer = vec![0; 1 << 20];
    let until = Instant::now() + PATIENCE;
    while received < sent / 2 * 2 {
        assert!(Instant::now() < until, "{received} of {sent}");
        match stream.read(&mut buffer) {
            Ok(0) => panic!("closed after {received} of {sent}"),
            Ok(count) => received += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(1))
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Connections beyond the limit are closed, and those that are there go on.
#[test]
fn connections_beyond_the_limit_are_closed() {
    let broker = InProcess::with(|settings| settings.limits.connections_max = 3);
    let mut clients: Vec<_> = (0..3)
        .map(|n| broker.connect(&Connect::v311(&format!("c{n}"))))
        .collect();
    let mut more = broker.open();
    let _ = more.send(&Connect::v311("more").bytes());
    more.expect_closed();
    for client in &mut clients {
        client.expect_nothing();
    }
    clients.pop().expect("one").disconnect();
    broker.wait_for_connections(2);
    broker.connect(&Connect::v311("more")).expect_nothing();
}

/// Who has not said who he is has a place too.
#[test]
fn sockets_without_a_connect_count_towards_the_limit() {
    let broker = InProcess::with(|settings| settings.limits.connections_max = 3);
    let mut silent: Vec<_> = (0..3).map(|_| broker.open()).collect();
    let mut more = broker.open();
    let _ = more.send(&Connect::v311("more").bytes());
    more.expect_closed();
    silent.pop().expect("one").cut();
    // The place is free as soon as the broker has seen that.
    let patience = std::time::Instant::now();
    while Client::try_connect(broker.address(), &Connect::v311("more")).is_err() {
        assert!(patience.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Clients that come and go without a word, by the hundred.
#[test]
fn sockets_that_open_and_close_leave_nothing_behind() {
    let broker = InProcess::start();
    for n in 0..500 {
        let mut client = broker.open();
        if n % 2 == 0 {
            client.must_send(&Connect::v311(&format!("c{}", n % 7)).bytes());
        }
        client.cut();
    }
    broker.wait_for_connections(0);
    check_service(&broker);
}
