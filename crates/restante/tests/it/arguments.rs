//! Arguments, `check` and `config`: what goes where, and the exit codes.

use std::{fs, path::Path, process::Stdio};

use crate::program::{command, run, said};

const SOME_MISTAKES: &str = "[session]\nmax_mqueue_length = 5\nreceive_maximum = 0\n";

fn folder(file: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("restante.toml"), file).unwrap();
    folder
}

#[test]
fn version_and_help_are_answers() {
    let said = run(Path::new("."), &["--version"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert_eq!(said.out, format!("restante {}\n", env!("CARGO_PKG_VERSION")));
    let said = run(Path::new("."), &["--help"]);
    assert_eq!(said.code, Some(0));
    assert!(
        said.out.contains("Exit codes: 0 ") && said.out.contains("serve"),
        "{said:?}"
    );
}

#[test]
fn wrong_arguments_are_usage_errors() {
    for arguments in [
        &["serv"][..],
        &["serve", "--confg", "x"],
        &["config"],
        &["check", "a", "b"],
    ] {
        let said = run(Path::new("."), arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(!said.err.is_empty());
    }
}

#[test]
fn check_says_good_or_everything_that_is_wrong() {
    let good = folder("[session]\nmax_mqueue_len = 5\n");
    let said = run(good.path(), &["check"]);
    assert_eq!(
        (said.code, said.out.as_str(), said.err.as_str()),
        (Some(0), "restante.toml: good\n", "")
    );

    let bad = folder(SOME_MISTAKES);
    let said = run(bad.path(), &["check", "restante.toml"]);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
    assert_eq!(
        said.err.lines().collect::<Vec<_>>(),
        [
            "restante.toml:2:1: session.max_mqueue_length: there is no such setting; did you mean max_mqueue_len?",
            "restante.toml:3:19: session.receive_maximum: 0 is out of range; it takes 1 to 65535",
            "restante.toml: 2 mistakes",
        ]
    );

    let trap = folder("sync = \"never\"\n");
    let said = run(trap.path(), &["check"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(0), "restante.toml: good, with a warning\n")
    );
    assert!(
        said.err
            .starts_with("warning: restante.toml:1:8: sync: a power cut may lose"),
        "{said:?}"
    );
}

#[test]
fn check_knows_keeps_and_hooks() {
    let keep =
        "[backend.redis.main]\nmessage_ttl = \"7d\"\n[[keep]]\ntopics = [\"t/#\"]\nin = \"redis.main\"\n";
    let good = folder(keep);
    let said = run(good.path(), &["check"]);
    assert_eq!(
        (said.code, said.out.as_str(), said.err.as_str()),
        (Some(0), "restante.toml: good\n", "")
    );

    let trap = folder(&keep.replace("7d", "2h"));
    let said = run(trap.path(), &["check"]);
    assert_eq!(said.code, Some(0));
    assert!(
        said.err
            .starts_with("warning: restante.toml:3:1: keep.ttl: messages stay for 2h"),
        "{said:?}"
    );

    let bad = folder(&keep.replace("in = \"redis.main\"", "in = \"redis.mian\"\nmodes = 1"));
    let said = run(bad.path(), &["check"]);
    assert_eq!(said.code, Some(2));
    assert_eq!(
        said.err.lines().collect::<Vec<_>>(),
        [
            "restante.toml:5:6: keep.in: there is no pool \"redis.mian\"; did you mean \"redis.main\"?",
            "restante.toml:6:1: keep.modes: there is no such setting; did you mean mode?",
            "restante.toml: 2 mistakes",
        ]
    );
}

#[test]
fn a_named_file_must_be_there_and_an_unnamed_one_need_not() {
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(run(empty.path(), &["check"]).code, Some(0));
    for arguments in [
        ["check", "missing.toml"].as_slice(),
        &["serve", "--config", "missing.toml"],
    ] {
        let said = run(empty.path(), arguments);
        assert_eq!(said.code, Some(2));
        assert!(
            said.err.starts_with("missing.toml:1:1: cannot read the file: "),
            "{said:?}"
        );
    }
}

/// Nobody has to remember which command takes the file in which way.
#[test]
fn every_command_takes_the_file_with_and_without_its_option() {
    let folder = folder("");
    fs::write(folder.path().join("other.toml"), SOME_MISTAKES).unwrap();
    for command in [&["check"][..], &["config", "show"], &["serve"]] {
        for file in [&["other.toml"][..], &["--config", "other.toml"]] {
            let said = run(folder.path(), &[command, file].concat());
            assert_eq!(said.code, Some(2), "{command:?} {file:?}: {said:?}");
            assert!(said.err.starts_with("other.toml:2:1: "), "{said:?}");
        }
        let both = run(
            folder.path(),
            &[command, &["other.toml", "--config", "other.toml"]].concat(),
        );
        assert!(both.err.contains("cannot be used with"), "{both:?}");
    }
}

#[test]
fn serve_refuses_what_check_refuses() {
    let bad = folder(SOME_MISTAKES);
    for arguments in [&[][..], &["serve"], &["config", "show"]] {
        let said = run(bad.path(), arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
        assert_eq!(said.err.lines().count(), 2, "{said:?}");
    }
    let open = folder("[listen]\nmqtt = [\"0.0.0.0:0\"]\n");
    let said = run(open.path(), &["serve"]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err
            .contains("add this line to the section [listen]: allow_anonymous = \"everywhere\""),
        "{said:?}"
    );
}

#[test]
fn the_environment_overrides_and_is_checked() {
    let file = folder("[session]\nmax_mqueue_len = 5\n");
    let said_with =
        |name: &str, value: &str| said(command(file.path(), &["config", "show"]).env(name, value));
    let shown = said_with("RESTANTE__SESSION__MAX_MQUEUE_LEN", "7");
    assert_eq!(shown.code, Some(0));
    let line = shown
        .out
        .lines()
        .find(|line| line.starts_with("max_mqueue_len"))
        .unwrap();
    assert!(line.starts_with("max_mqueue_len = 7 "), "{line}");
    assert!(line.ends_with("# RESTANTE__SESSION__MAX_MQUEUE_LEN"), "{line}");
    let refused = said_with("RESTANTE__SESSION__MAX_QUEUE_LEN", "7");
    assert_eq!(refused.code, Some(2));
    assert_eq!(
        refused.err,
        "RESTANTE__SESSION__MAX_QUEUE_LEN: there is no such setting; did you mean RESTANTE__SESSION__MAX_MQUEUE_LEN?\n"
    );
}

/// `restante config reference | head -1` must not end in a panic.
#[test]
fn a_reader_that_leaves_is_no_failure() {
    let mut child = command(Path::new("."), &["config", "reference"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
