use super::*;

#[test]
fn pools_whose_settings_do_not_fit_together() {
    let redis = |text: &str| {
        let report = read(&format!("[backend.redis.a]\n{text}"));
        let problems = report.result.err().unwrap_or_default();
        problems
            .iter()
            .chain(&report.warnings)
            .map(Problem::to_string)
            .collect::<Vec<_>>()
    };
    let check = |text: &str, expected: &[&str]| assert_eq!(redis(text), expected, "{text}");
    check(
        "mode = \"sentinel\"",
        &[
            "restante.toml:2:8: backend.redis.a.mode: mode = \"sentinel\" needs master_name; name the primary as the \
           sentinels do, like master_name = \"mymaster\"",
        ],
    );
    check(
        "servers = [\"a:1\", \"b:2\"]",
        &[
            "restante.toml:2:11: backend.redis.a.servers: a single server cannot be several; name one, or write mode = \
           \"sentinel\" or \"cluster\"",
        ],
    );
    check(
        "servers = []",
        &[
            "restante.toml:2:11: backend.redis.a.servers: the list is empty; name a server, like \"127.0.0.1:6379\"",
        ],
    );
    check(
        "mode = \"cluster\"\nservers = [\"a:1\", \"[::1]:2\"]\nchannel = \"x\"",
        &["restante.toml:4:11: backend.redis.a.channel: a cluster has no command channel; leave it out"],
    );
    check(
        "mode = \"cluster\"\ndatabase = 2",
        &["restante.toml:3:12: backend.redis.a.database: it has no effect: a cluster has only database 0"],
    );
    check(
        "channel = \"x\"\nchannel_out = \"x\"",
        &[
            "restante.toml:3:15: backend.redis.a.channel_out: it is the channel that we listen to: we would hear \
           ourselves; take another one",
        ],
    );
    check(
        "master_name = \"m\"\nmessage_key_prefix = \"\"",
        &[
            "restante.toml:3:22: backend.redis.a.message_key_prefix: it cannot be empty: our keys would lie among \
           those of others",
        ],
    );
    check(
        "master_name = \"m\"",
        &["restante.toml:2:15: backend.redis.a.master_name: it has no effect without mode = \"sentinel\""],
    );
    check(
        "tls = { certificate = \"c.pem\", verify = false }",
        &[
            "restante.toml:2:1: backend.redis.a.tls: there is a certificate and no key; both belong together; name both \
           or neither",
        ],
    );
    check(
        "tls = { verify = false }",
        &[
            "restante.toml:2:1: backend.redis.a.tls: the server's certificate is not checked: anybody in between can \
           read along",
        ],
    );
    check(
        "tls = true",
        &["restante.toml:2:7: backend.redis.a.tls: expected a table like tls = { … }, found true or false"],
    );
    for (server, what) in [
        ("a", "\"a\" has no port; write it like 127.0.0.1:6379"),
        (
            "::1:5",
            "\"::1:5\" is not a host with a port, like 127.0.0.1:6379",
        ),
        ("a:0", "\"a:0\": \"0\" is not a port; it takes 1 to 65535"),
    ] {
        check(
            &format!("servers = [\"{server}\"]"),
            &[&format!("restante.toml:2:12: backend.redis.a.servers: {what}")],
        );
    }
}

#[test]
fn k48_tls_is_there_or_not() {
    let tls = |text: &str| {
        let config = read(&format!("[backend.mysql.a]\n{text}")).result.unwrap();
        config.keeping().pools[0].basis().tls.clone()
    };
    assert_eq!(tls(""), None);
    assert_eq!(tls("tls = {}"), Some(crate::config::Tls::default()));
    assert_eq!(
        tls("[backend.mysql.a.tls]\nca = \"ca.pem\"").unwrap().ca,
        "ca.pem"
    );
}

#[test]
fn kinds_and_names_of_pools() {
    let wrong = |text: &str| {
        let problems = read(text).result.unwrap_err();
        problems.iter().map(Problem::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        wrong("[backend.rediss.a]\n[backend.mysql.\"a b\"]\n[backend.pgsql.a]\n[backend.mongo.a]\n"),
        [
            "restante.toml:1:10: backend.rediss: there is no such kind of backend; did you mean redis?",
            "restante.toml:2:16: backend.mysql.a b: a pool's name has 1 to 64 letters, digits, '-' and '_'",
            "restante.toml:3:10: backend.pgsql: there is no such kind of backend; did you mean postgres?",
            "restante.toml:4:10: backend.mongo: there is no such kind of backend; there are redis, mysql, postgres",
        ]
    );
    for (text, place) in [
        (
            "[backend]\nredis = 5",
            "restante.toml:2:1: backend.redis: expected a pool, found an integer",
        ),
        (
            "backend = 5",
            "restante.toml:1:1: backend: expected a pool, found an integer",
        ),
        (
            "[backend.redis]\nservers = []",
            "restante.toml:2:1: backend.redis.servers: expected a pool, found a list",
        ),
        (
            "[keep]\nin = \"embedded\"",
            "restante.toml:1:1: keep: there may be more than one of these; write [[keep]]",
        ),
        (
            "hook = [1]",
            "restante.toml:1:8: hook: there may be more than one of these; write [[hook]]",
        ),
        (
            "[[kep]]",
            "restante.toml:1:3: kep: there is no such section; did you mean [[keep]]?",
        ),
    ] {
        assert!(wrong(text)[0].starts_with(place), "{text}: {:?}", wrong(text));
    }
}

#[test]
fn passwords_are_read_and_never_shown() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    let text = format!(
        "[backend.redis.a]\nmode = \"sentinel\"\nmaster_name = \"m\"\npassword_file = {0:?}\nsentinel_password_file = \
         {0:?}\n",
        path.display().to_string()
    );
    let problems = read(&text).result.unwrap_err();
    assert_eq!(problems.len(), 2);
    assert!(
        problems[0]
            .to_string()
            .starts_with("restante.toml:4:17: backend.redis.a.password_file: cannot read "),
        "{problems:?}"
    );
    std::fs::write(&path, "hush hush\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let report = read(&text);
    assert_eq!(report.warnings.len(), 2);
    assert!(report.warnings[0].what.contains("others may read"));
    let config = report.result.unwrap();
    assert_eq!(config.keeping().pools[0].basis().password.reveal(), "hush hush");
    assert!(!config.show().contains("hush") && !format!("{config:?}").contains("hush"));
}
