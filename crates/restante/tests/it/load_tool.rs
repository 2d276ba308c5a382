//! `restante bench`: what it says when something is not as hoped, and with which exit code it ends.

use std::{net::TcpListener, path::Path};

use crate::program::{Said, Serving, command, run};

const MEMORY: &str =
    "store = \"memory\"\n[listen]\nmqtt = [\"127.0.0.1:0\"]\n[session]\nmax_mqueue_len = 2000\n";

fn bench(arguments: &[&str]) -> Said {
    run(Path::new("."), &[&["bench"], arguments].concat())
}

#[test]
fn a_broker_that_is_not_there_is_a_failure_and_wrong_arguments_are_not() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let nobody = format!("127.0.0.1:{port}");
    let said = bench(&["connect", "--sessions", "1", "--quiet", "--address", &nobody]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.err.contains(&format!("cannot connect: address={nobody}: ")),
        "{said:?}"
    );
    let said = bench(&["drain", "--address", &nobody]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let said = bench(&["connect", "--address", "127.0.0.1:99999"]);
    assert_eq!(said.code, Some(2), "{said:?}");
}

#[test]
fn losses_by_a_queue_limit_are_explained_and_what_stays_can_be_cleared() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("restante.toml"), MEMORY).unwrap();
    let mut serving = Serving::start(&mut command(folder.path(), &["serve"]));
    let port = serving.address("listening").port();
    // By its name.
    let address = format!("localhost:{port}");
    let with = |arguments: &[&str]| {
        let place = ["--address", &address, "--quiet"];
        let shape = ["--sessions", "1", "--messages", "3000"];
        bench(&[&arguments[..1], &place, &shape, &arguments[1..]].concat())
    };
    let said = with(&["ingest", "--drain", "--quiet-seconds", "1"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("2000 of 3000 arrived; lost 1000"), "{said:?}");
    assert!(
        said.out
            .contains("note: up to 3000 messages waited for one session"),
        "{said:?}"
    );
    assert!(said.out.contains("session.max_mqueue_len"), "{said:?}");
    assert!(!said.out.contains("stay in the broker"), "{said:?}");

    let said = with(&["ingest"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let clear = said.out.split("to clear them: restante ").nth(1).unwrap();
    let clear: Vec<&str> = clear.lines().next().unwrap().split(' ').collect();
    let said = run(Path::new("."), &clear);
    assert_eq!(said.code, Some(0), "{said:?}");
    // A drain of the same run finds nobody any more.
    let number = clear[clear.iter().position(|word| *word == "--run").unwrap() + 1];
    let said = with(&["drain", "--run", number, "--quiet-seconds", "1"]);
    assert!(
        said.out.contains("1 sessions were unknown to the broker"),
        "{said:?}"
    );
}
