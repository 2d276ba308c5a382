//! Whether values that are right by themselves also fit together, and what is allowed but unwise.

use std::net::{IpAddr, SocketAddr};

use restante_broker::settings::WhenFull;

use super::{
    Reading,
    draft::{AllowAnonymous, Draft, LogStoreSettings, MemoryStoreSettings, StoreKind, SyncPolicy},
    problem::Problem,
};

/// A segment holds at least this many of the largest packets, or sealing it would waste most of it.
const PACKETS_PER_SEGMENT_MIN: u64 = 2;

/// Whether only this machine can reach the address.
pub fn is_loopback(address: &SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V6(ip) => ip.to_canonical().is_loopback(),
        ip => ip.is_loopback(),
    }
}

/// Refuses what does not fit together. Looks only at settings that were read without a mistake.
pub(super) fn refuse(reading: &mut Reading) {
    let draft = &reading.draft;
    let mut found = Vec::new();
    if draft.allow_anonymous == AllowAnonymous::Loopback && !reading.is_wrong("listen.allow_anonymous") {
        let mqtt = draft.broker.mqtt.iter().map(|address| ("listen.mqtt", address));
        let http = draft.http.iter().map(|address| ("listen.http", address));
        for (key, address) in mqtt.chain(http).filter(|(_, address)| !is_loopback(address)) {
            found.push(
                Problem::new(
                    &reading.origin(key),
                    key,
                    format!("other machines can reach {address}, and nobody is asked who they are"),
                )
                .hint(
                    "to allow that, add this line to the section [listen]: allow_anonymous = \"everywhere\"",
                ),
            );
        }
    }
    if let Some(http) = draft.http
        && http.port() != 0
        && let Some(mqtt) = draft.broker.mqtt.iter().find(|mqtt| **mqtt == http)
    {
        found.push(Problem::new(
            &reading.origin("listen.http"),
            "listen.http",
            format!("{mqtt} already serves MQTT"),
        ));
    }
    let packet = u64::from(draft.broker.session.packet_size_max);
    if draft.store == StoreKind::Log && draft.log_store.segment_bytes < packet * PACKETS_PER_SEGMENT_MIN {
        found.push(
            Problem::new(
                &reading.origin("log_store.segment_bytes"),
                "log_store.segment_bytes",
                "a segment must hold two packets of session.max_packet_size",
            )
            .hint("make segment_bytes larger or max_packet_size smaller"),
        );
    }
    found.retain(|problem| !reading.is_wrong(&problem.key));
    reading.problems.extend(found);
}

/// What somebody may want, and most would not.
pub(super) fn warn(reading: &mut Reading) {
    let draft = &reading.draft;
    let mut found: Vec<(&str, String)> = Vec::new();
    if draft.store == StoreKind::Memory {
        found.push((
            "store",
            "messages are kept in memory only: a restart loses everything".to_owned(),
        ));
        if draft.log_store != LogStoreSettings::default() {
            found.push((
                "store",
                "the section [log_store] has no effect with store = \"memory\"".to_owned(),
            ));
        }
    } else {
        warn_durability(draft, &mut found);
        if draft.memory_store != MemoryStoreSettings::default() {
            found.push((
                "store",
                "the section [memory_store] has no effect with store = \"log\"".to_owned(),
            ));
        }
    }
    let session = &draft.broker.session;
    if session.queue.messages_max == 0 && session.queue.bytes_max == 0 {
        let what = "a queue without any limit: one absent session can fill the disk";
        found.push(("session.max_mqueue_len", what.to_owned()));
    }
    if session.queue.when_full == WhenFull::RejectPublisher {
        let what = "one absent session with a full queue stops everybody who publishes to its filters";
        found.push(("session.when_full", what.to_owned()));
    }
    if session.session_expiry == 0 {
        let what = "sessions of 3.1 and 3.1.1 clients end with their connection: nothing waits for them";
        found.push(("session.session_expiry_interval", what.to_owned()));
    }
    if session.session_expiry_max == 0 {
        let what = "sessions of 5.0 clients end with their connection: nothing waits for them";
        found.push(("session.max_session_expiry_interval", what.to_owned()));
    }
    if session.inflight > session.inflight_max {
        let what = format!(
            "max_inflight_limit ({}) is below it and counts",
            session.inflight_max
        );
        found.push(("session.max_inflight", what));
    }
    for address in draft.broker.mqtt.iter().filter(|address| !is_loopback(address)) {
        found.push((
            "listen.mqtt",
            format!("anybody who reaches {address} may publish and subscribe"),
        ));
    }
    for address in draft.http.iter().filter(|address| !is_loopback(address)) {
        found.push((
            "listen.http",
            format!("anybody who reaches {address} may read the metrics"),
        ));
    }
    let warnings: Vec<Problem> = found
        .into_iter()
        .map(|(key, what)| Problem::new(&reading.origin(key), key, what))
        .collect();
    reading.warnings.extend(warnings);
}

fn warn_durability(draft: &Draft, found: &mut Vec<(&str, String)>) {
    match draft.sync {
        SyncPolicy::Always => {}
        SyncPolicy::Interval => found.push((
            "sync",
            format!(
                "a power cut may lose what was acknowledged in the last {} ms and the sync under way",
                draft.sync_interval_millis
            ),
        )),
        SyncPolicy::Never => {
            found.push((
                "sync",
                "a power cut may lose acknowledged messages of half a minute or more".to_owned(),
            ));
        }
    }
    if ["/tmp", "/dev/shm", "/run", "/var/run"]
        .iter()
        .any(|folder| draft.data_dir.starts_with(folder))
    {
        let what = format!("{} is emptied when the machine starts", draft.data_dir.display());
        found.push(("data_dir", what));
    }
    if draft.log_store.free_bytes_min == 0 {
        let what = "the disk may become full: a full disk can only be drained with the store's own reserve";
        found.push(("log_store.min_free_bytes", what.to_owned()));
    }
}
