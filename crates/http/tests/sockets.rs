//! The pages through real sockets.

// Helpers of tests unwrap as tests do; clippy knows only the test functions themselves.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{HashMap, HashSet},
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use restante_broker::figures::{BrokerFigures, PoolFigures};
use restante_http::{Bounds, Check, HttpServer, HttpSettings, ProcessFigures, Reach, Source, StartError};
use restante_model::{NotKept, metric};
use restante_store::contract::{Admission, Figures, Waited};

struct Fixed {
    ready: Mutex<Check>,
    admission: Admission,
    broker: BrokerFigures,
    store: Figures,
}

impl Source for Fixed {
    fn live(&self) -> Check {
        Check::Good("alive".to_owned())
    }
    fn ready(&self) -> Check {
        self.ready.lock().clone()
    }
    fn broker(&self) -> BrokerFigures {
        self.broker.clone()
    }
    fn pools(&self) -> Vec<PoolFigures> {
        vec![PoolFigures {
            name: "redis.main".into(),
            records: 17,
            trouble: Some("gone".into()),
            ..PoolFigures::default()
        }]
    }
    fn store(&self) -> Figures {
        self.store.clone()
    }
    fn admission(&self) -> Admission {
        self.admission.clone()
    }
    fn process(&self) -> ProcessFigures {
        ProcessFigures {
            version: "1.2.3",
            uptime: Duration::from_millis(1500),
            log_lines_suppressed: 9,
        }
    }
}

fn source() -> Fixed {
    let mut broker = BrokerFigures {
        connections: 3,
        sessions_present: 2,
        sessions_absent: 40,
        messages_received: [10, 11, 12],
        ..BrokerFigures::default()
    };
    broker.not_kept[NotKept::QueueFull as usize] = 5;
    broker.not_kept[NotKept::MessageExpired as usize] = 2;
    broker.not_kept[NotKept::SessionExpired as usize] = 1;
    let mut store = Figures {
        evicted: 7,
        expired: 3,
        waited: Waited {
            unsubscribed: 4,
            session_expired: 6,
            session_cleared: 8,
        },
        sync_nanos: 2_500_000_000,
        ..Figures::default()
    };
    store.commit_micros[0] = 1;
    store.commit_micros[10] = 4;
    store.commit_micros[23] = 2;
    Fixed {
        ready: Mutex::new(Check::Good("ready".to_owned())),
        admission: Admission::Full {
            why: "the disk is nearly full".into(),
        },
        broker,
        store,
    }
}

fn start_with(source: Arc<Fixed>, bounds: Bounds) -> HttpServer {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    HttpServer::start(
        HttpSettings {
            address,
            reach: Reach::Loopback,
            bounds,
        },
        source,
    )
    .unwrap()
}

fn start() -> HttpServer {
    start_with(Arc::new(source()), Bounds::default())
}

/// Sends bytes and reads until the server closes.
fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        // What was sent beyond the bounds is not read, so the close may come as a reset.
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    String::from_utf8(answer).unwrap()
}

fn get(address: SocketAddr, path: &str) -> String {
    exchange(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    )
}

#[test]
fn health_is_200_or_503_with_a_sentence() {
    let source = Arc::new(source());
    let server = start_with(source.clone(), Bounds::default());
    let answer = get(server.address(), "/livez");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nalive\n"),
        "{answer}"
    );
    let answer = get(server.address(), "/readyz");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nready\n"),
        "{answer}"
    );
    *source.ready.lock() = Check::Bad("the disk failed; restart".to_owned());
    let answer = get(server.address(), "/readyz");
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("\r\n\r\nthe disk failed; restart\n"),
        "{answer}"
    );
    assert!(get(server.address(), "/metrics").contains("\nrestante_ready 0\n"));
    assert!(get(server.address(), "/livez").starts_with("HTTP/1.1 200 "));
    server.stop();
}

#[test]
fn other_pages_and_methods_are_refused() {
    let server = start();
    let answer = get(server.address(), "/");
    assert!(
        answer.starts_with("HTTP/1.1 404 ") && answer.contains("/metrics"),
        "{answer}"
    );
    let post = "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert!(exchange(server.address(), post).starts_with("HTTP/1.1 405 "));
    assert!(exchange(server.address(), "\x10\x20nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
    server.stop();
}

#[test]
fn metrics_are_all_there_and_well_formed() {
    let server = start();
    let answer = get(server.address(), "/metrics");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    let (mut kinds, mut series) = (HashMap::new(), HashMap::new());
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(kinds.insert(name, kind).is_none(), "{name} twice");
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap();
            assert!(series.insert(name, value).is_none(), "{name} twice");
            let bare = name.split('{').next().unwrap();
            let base = bare.trim_end_matches("_bucket").trim_end_matches("_count");
            assert!(
                kinds.contains_key(bare) || kinds.get(base) == Some(&"histogram"),
                "{name} has no type"
            );
        }
    }
    let declared: HashSet<&str> = metric::ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(kinds.keys().copied().collect::<HashSet<_>>(), declared);
    for (name, value) in [
        ("restante_build_info{version=\"1.2.3\"}", 1.0),
        ("restante_uptime_seconds", 1.5),
        ("restante_ready", 1.0),
        ("restante_connections", 3.0),
        ("restante_sessions{state=\"present\"}", 2.0),
        ("restante_sessions{state=\"absent\"}", 40.0),
        ("restante_messages_received_total{qos=\"2\"}", 12.0),
        ("restante_messages_not_kept_total{reason=\"queue-full\"}", 5.0),
        ("restante_messages_not_kept_total{reason=\"evicted\"}", 7.0),
        (
            "restante_messages_not_kept_total{reason=\"message-expired\"}",
            5.0,
        ),
        // What the store has counted when sessions and subscriptions ended is among them (K30).
        ("restante_messages_not_kept_total{reason=\"unsubscribed\"}", 4.0),
        (
            "restante_messages_not_kept_total{reason=\"session-expired\"}",
            7.0,
        ),
        (
            "restante_messages_not_kept_total{reason=\"session-cleared\"}",
            8.0,
        ),
        ("restante_store_admission{state=\"open\"}", 0.0),
        ("restante_store_admission{state=\"full\"}", 1.0),
        ("restante_store_sync_seconds_total", 2.5),
        ("restante_store_commit_seconds_bucket{le=\"0.000001\"}", 1.0),
        ("restante_store_commit_seconds_bucket{le=\"0.000512\"}", 1.0),
        ("restante_store_commit_seconds_bucket{le=\"0.001024\"}", 5.0),
        ("restante_store_commit_seconds_bucket{le=\"+Inf\"}", 7.0),
        ("restante_store_commit_seconds_count", 7.0),
        ("restante_outbox_records{pool=\"redis.main\"}", 17.0),
        ("restante_backend_up{pool=\"redis.main\"}", 0.0),
        ("restante_log_lines_suppressed_total", 9.0),
    ] {
        assert_eq!(series.get(name), Some(&value), "{name}");
    }
    let reasons = series
        .keys()
        .filter(|name| name.starts_with("restante_messages_not_kept_total"))
        .count();
    assert_eq!(
        reasons,
        NotKept::ALL.len() - 1,
        "acknowledged is not among what was not kept"
    );
    server.stop();
}

#[test]
fn one_connection_asks_more_than_once() {
    let server = start();
    let first = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = exchange(server.address(), &format!("{first}{last}"));
    assert!(
        answer.contains("alive\n") && answer.ends_with("ready\n"),
        "{answer}"
    );
    server.stop();
}

#[test]
fn heads_beyond_the_bounds_are_refused() {
    let server = start();
    let long = format!(
        "GET /livez HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "a".repeat(100 << 10)
    );
    assert!(exchange(server.address(), &long).starts_with("HTTP/1.1 431 "));
    let many = format!("GET /livez HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: a\r\n".repeat(100));
    assert!(exchange(server.address(), &many).starts_with("HTTP/1.1 431 "));
    server.stop();
}

#[test]
fn who_says_nothing_or_stays_for_ever_is_closed() {
    let soon = Duration::from_millis(50);
    let server = start_with(
        Arc::new(source()),
        Bounds {
            request_timeout: soon,
            ..Bounds::default()
        },
    );
    exchange(server.address(), "");
    exchange(server.address(), "GET /livez HTTP/1.1\r\nHo");
    server.stop();
    let server = start_with(
        Arc::new(source()),
        Bounds {
            connection_lifetime: soon,
            ..Bounds::default()
        },
    );
    let answer = exchange(server.address(), "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.contains("alive\n"), "{answer}");
    server.stop();
}

#[test]
fn who_keeps_a_place_gives_way_to_who_asks() {
    let server = start_with(
        Arc::new(source()),
        Bounds {
            connections_max: 8,
            ..Bounds::default()
        },
    );
    // Half a head each, or a request whose answer is not read: more of them than there are places.
    let halves: Vec<TcpStream> = (0..40)
        .map(|number| {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            let request: &[u8] = match number % 2 {
                0 => b"GET /livez HTTP/1.1\r\nHo",
                _ => b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
            };
            // One that gave way already may refuse it.
            let _ = stream.write_all(request);
            stream
        })
        .collect();
    for _ in 0..20 {
        assert!(get(server.address(), "/livez").ends_with("alive\n"));
    }
    drop(halves);
    server.stop();
}

#[test]
fn stop_closes_the_port_and_idle_connections() {
    let server = start();
    let address = server.address();
    let mut idle = TcpStream::connect(address).unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    idle.read_exact(&mut [0; 12]).unwrap();
    server.stop();
    assert!(TcpStream::connect(address).is_err());
    idle.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut rest = String::new();
    idle.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("alive\n"), "{rest}");
}

#[test]
fn an_address_that_others_reach_is_refused_unless_allowed() {
    let address = SocketAddr::from(([0, 0, 0, 0], 0));
    let settings = |reach| HttpSettings {
        address,
        reach,
        bounds: Bounds::default(),
    };
    let error = HttpServer::start(settings(Reach::Loopback), Arc::new(source())).unwrap_err();
    assert!(matches!(error, StartError::NotLoopback { .. }));
    assert!(error.to_string().contains("allow_anonymous = \"everywhere\""));
    HttpServer::start(settings(Reach::Everywhere), Arc::new(source()))
        .unwrap()
        .stop();
}

#[test]
fn a_port_in_use_is_one_sentence() {
    let server = start();
    let address = server.address();
    let settings = HttpSettings {
        address,
        reach: Reach::Loopback,
        bounds: Bounds::default(),
    };
    let error = HttpServer::start(settings, Arc::new(source())).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot serve HTTP on {address}: ")),
        "{error}"
    );
    server.stop();
}
