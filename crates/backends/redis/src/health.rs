//! Whether the database is there, which one it is, and what the operator should know about it.

use restante_backend::{contract::Health, trouble::Asked};

use crate::{
    client::{Client, field, text},
    command::{Command, words},
    config::Deployment,
    fault::{away, is_state},
};

/// Asks every master in one round trip each.
pub(crate) async fn ask(client: &Client) -> Asked<Health> {
    let mut servers = Vec::new();
    for node in client.masters().await? {
        let info = |section: &str| Command::keyless("INFO").args([section]);
        let commands = vec![
            Command::keyless("PING"),
            Command::keyless("HELLO"),
            info("server"),
            info("persistence"),
            info("memory"),
        ];
        let mut replies = client.ask_master(&node, commands).await?.into_iter();
        if let Some(Err(error)) = replies.next()
            && (is_state(&error) || error.code() == "NOPERM")
        {
            return Err(away(&format!("redis at {}", node.address()), &error));
        }
        let hello = replies.next().and_then(Result::ok);
        let mut told = String::new();
        let mut refused = None;
        for reply in replies {
            match reply {
                Ok(value) => told.push_str(&text(&value).unwrap_or_default()),
                Err(error) => refused = Some(words(&error)),
            }
        }
        let version = line(&told, "redis_version")
            .map(str::to_owned)
            .or_else(|| hello.as_ref().and_then(|hello| field(hello, "version")));
        servers.push(Server {
            address: node.address().into(),
            version: version.unwrap_or_else(|| "of unknown version".to_owned()),
            told,
            refused,
        });
    }
    let warnings = servers.iter().flat_map(Server::warnings).collect();
    let mut versions: Vec<&str> = servers.iter().map(|server| server.version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    let form = match (client.config().deployment, servers.as_slice()) {
        (Deployment::Sentinel, [master]) => format!(", master {} named by sentinels", master.address),
        (Deployment::Cluster, masters) => format!(", a cluster of {} masters", masters.len()),
        _ => String::new(),
    };
    let mut incarnations: Vec<String> = servers
        .iter()
        .map(|server| server.incarnation(client.losses()))
        .collect();
    incarnations.sort_unstable();
    Ok(Health {
        server: format!("Redis {}{form}", versions.join(" and ")),
        incarnation: incarnations.join(" "),
        warnings,
    })
}

/// What one server told of itself.
struct Server {
    address: Box<str>,
    version: String,
    told: String,
    /// Why it did not tell all.
    refused: Option<String>,
}

impl Server {
    /// The run id changes with every start. A user who may not ask for it gets the count of lost connections instead,
    /// which changes more often than it must.
    fn incarnation(&self, losses: u64) -> String {
        match line(&self.told, "run_id") {
            Some(run_id) => run_id.to_owned(),
            None => format!("{} after {losses} losses", self.address),
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let address = &self.address;
        if line(&self.told, "aof_enabled") == Some("0") {
            warnings.push(format!(
                "redis at {address} can lose what it has acknowledged: it writes no file of commands; \
                 set appendonly yes, and appendfsync everysec or always"
            ));
        }
        let policy = line(&self.told, "maxmemory_policy");
        if line(&self.told, "maxmemory").is_some_and(|max| max != "0")
            && let Some(policy) = policy.filter(|policy| *policy != "noeviction")
        {
            warnings.push(format!(
                "redis at {address} may throw messages away when its memory is full: maxmemory-policy is {policy}; \
                 set noeviction"
            ));
        }
        if let Some(why) = &self.refused {
            warnings.push(format!(
                "redis at {address} does not say whether it can lose what it has acknowledged: INFO is refused ({why})"
            ));
        }
        warnings
    }
}

/// The value of `name:value` in the answer to INFO.
fn line<'a>(told: &'a str, name: &str) -> Option<&'a str> {
    told.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}
