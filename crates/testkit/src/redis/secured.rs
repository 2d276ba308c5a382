//! A Redis that speaks TLS only, asks for a certificate, and knows two users: one who may do everything, and one who
//! may run exactly the commands of the plugin's documentation (K45).

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{RedisNode, programs};
use crate::{ports, tools};

/// What the plugin's documentation asks for (seed 1), and what any connection needs.
const USER_RULES: &str = "user restante on >restante-secret resetkeys resetchannels ~mqtt:sub:* ~mqtt:msg:* -@all \
    +hset +hdel +hgetall +hmset +del +expire +zadd +zrange +zremrangebyscore +zrem \
    +auth +hello +select +ping";

/// Ports tried before giving up.
const PORTS_TRIED: u32 = 5;

/// A Redis behind TLS with users; gone at drop.
#[derive(Debug)]
pub struct SecuredRedis {
    node: RedisNode,
    folder: TempDir,
}

impl SecuredRedis {
    /// The name of the user who may do little; `default` is shut.
    pub const USER: &'static str = "restante";
    /// That user's password.
    pub const PASSWORD: &'static str = "restante-secret";
    /// A name in the server's certificate, beside 127.0.0.1.
    pub const NAME: &'static str = "redis.test";

    /// Starts one; `None` when it or openssl is not installed, which is said.
    ///
    /// # Panics
    /// When they are installed and it does not come up; when one is not and `CI=true`.
    pub fn start() -> Option<SecuredRedis> {
        let programs = programs()?;
        let openssl = tools::program("openssl")?;
        let folder = TempDir::new().expect("make a temporary folder");
        make_certificates(&openssl, folder.path());
        let rules = format!("user default off\nuser owner on >owner-secret ~* &* +@all\n{USER_RULES}\n");
        let users = folder.path().join("users.acl");
        fs::write(&users, rules).expect("write the users");

        let file = |name: &str| folder.path().join(name).display().to_string();
        let files = [file("ca.pem"), file("client.pem"), file("client.key")];
        let entrance = [
            "--tls",
            "--cacert",
            &files[0],
            "--cert",
            &files[1],
            "--key",
            &files[2],
            "--user",
            "owner",
            "--pass",
            "owner-secret",
            "--no-auth-warning",
        ];
        for _ in 0..PORTS_TRIED {
            let port = ports::recently_free();
            let arguments = [
                "--port",
                "0",
                "--tls-port",
                &port.to_string(),
                "--tls-ca-cert-file",
                &file("ca.pem"),
                "--tls-cert-file",
                &file("server.pem"),
                "--tls-key-file",
                &file("server.key"),
                "--aclfile",
                &users.display().to_string(),
            ]
            .map(str::to_owned);
            if let Some(node) = RedisNode::try_start(&programs, port, arguments.to_vec(), &entrance) {
                return Some(SecuredRedis { node, folder });
            }
        }
        panic!("redis did not come up with TLS on any of {PORTS_TRIED} ports");
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.node.address()
    }

    /// As the user who may do everything.
    pub fn cli(&self, command: &[&str]) -> String {
        self.node.cli(command)
    }

    /// The certificate of the authority.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The certificate and key of a client.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        (
            self.folder.path().join("client.pem"),
            self.folder.path().join("client.key"),
        )
    }
}

/// An authority, a server and a client signed by it, keys of P-256.
pub(crate) fn make_certificates(openssl: &Path, folder: &Path) {
    let run = |arguments: &[&str]| {
        let output = Command::new(openssl)
            .args(arguments)
            .current_dir(folder)
            .stdin(std::process::Stdio::null())
            .output()
            .expect("run openssl");
        assert!(
            output.status.success(),
            "openssl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    let mut authority = vec![
        "req",
        "-x509",
        "-days",
        "30",
        "-subj",
        "/CN=an authority for tests",
    ];
    authority.extend_from_slice(&key);
    authority.extend_from_slice(&["-keyout", "ca.key", "-out", "ca.pem"]);
    run(&authority);
    for (name, subject, more) in [
        (
            "server",
            "/CN=redis",
            "subjectAltName=IP:127.0.0.1,DNS:redis.test\n",
        ),
        ("client", "/CN=client", "extendedKeyUsage=clientAuth\n"),
    ] {
        let file = |end: &str| format!("{name}.{end}");
        fs::write(folder.join(file("ext")), more).expect("write an extension");
        let mut request = vec!["req", "-subj", subject];
        let (key_file, request_file) = (file("key"), file("csr"));
        request.extend_from_slice(&key);
        request.extend_from_slice(&["-keyout", &key_file, "-out", &request_file]);
        run(&request);
        run(&[
            "x509",
            "-req",
            "-days",
            "30",
            "-in",
            &request_file,
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-extfile",
            &file("ext"),
            "-out",
            &file("pem"),
        ]);
    }
}
