//! Whether values that are right by themselves also fit together, and what is allowed but unwise.

use std::net::{IpAddr, SocketAddr};

use restante_broker::settings::WhenFull;

use super::{
    Reading,
    declared::Setting,
    draft::{AllowAnonymous, Draft, LogStoreSettings, MemoryStoreSettings, StoreKind, SyncPolicy},
    number::{Span, Unit},
    problem::{Origin, Problem},
    settings::settings,
};

/// A segment holds at least this many of the largest packets, or sealing it would waste most of it.
const PACKETS_PER_SEGMENT_MIN: u64 = 2;

/// Bytes of message files below which nothing is ever taken: this many segments, and room for the images of sessions,
/// queues and retained messages. At half of it messages are taken again after the store was full.
const SEGMENTS_MIN: u64 = 4;
const STATE_BYTES_MIN: u64 = 64 << 20;

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
    found.extend(refuse_sizes(reading));
    found.retain(|problem| !reading.is_wrong(&problem.key));
    reading.problems.extend(found);
}

/// The files of the log: nothing to refuse for a store in memory.
fn refuse_sizes(reading: &Reading) -> Vec<Problem> {
    let draft = &reading.draft;
    let mut found = Vec::new();
    if draft.store != StoreKind::Log || reading.is_wrong("store") {
        return found;
    }
    let mut refuse = |keys: &[&str], what: String, hint: String| {
        if !keys.iter().any(|key| reading.is_wrong(key)) {
            let key = reading.written(keys);
            found.push(Problem::new(&reading.origin(key), key, what).hint(hint));
        }
    };
    let segment = draft.log_store.segment_bytes;
    let packets = u64::from(draft.broker.session.packet_size_max) * PACKETS_PER_SEGMENT_MIN;
    if segment < packets {
        refuse(
            &["log_store.segment_bytes", "session.max_packet_size"],
            "a segment must hold two packets of session.max_packet_size".to_owned(),
            format!(
                "make segment_bytes at least {} or max_packet_size smaller",
                size(packets)
            ),
        );
    }
    let needed = segment * SEGMENTS_MIN + STATE_BYTES_MIN;
    if (1..needed).contains(&draft.log_store.store_bytes_max) {
        refuse(
            &["log_store.max_store_bytes", "log_store.segment_bytes"],
            format!(
                "{} cannot hold {SEGMENTS_MIN} segments of {} and {} of state",
                size(draft.log_store.store_bytes_max),
                size(segment),
                size(STATE_BYTES_MIN)
            ),
            format!(
                "make max_store_bytes at least {} or segment_bytes smaller",
                size(needed)
            ),
        );
    }
    found
}

/// What somebody may want, and most would not.
pub(super) fn warn(reading: &mut Reading) {
    let draft = &reading.draft;
    let (log_section, memory_section) = (
        written_in(reading, "log_store"),
        written_in(reading, "memory_store"),
    );
    let mut found: Vec<(&str, String)> = Vec::new();
    if draft.store == StoreKind::Memory {
        found.push((
            "store",
            "messages are kept in memory only: a restart loses everything".to_owned(),
        ));
        if draft.log_store != LogStoreSettings::default() {
            found.push((
                &log_section,
                "the section [log_store] has no effect with store = \"memory\"".to_owned(),
            ));
        }
    } else {
        warn_durability(draft, &mut found);
        if draft.memory_store != MemoryStoreSettings::default() {
            found.push((
                &memory_section,
                "the section [memory_store] has no effect with store = \"log\"".to_owned(),
            ));
        }
    }
    let session = &draft.broker.session;
    if session.queue.messages_max == 0 && session.queue.bytes_max == 0 {
        let what = "a queue without any limit: one absent session can fill the disk";
        let keys = ["session.max_mqueue_len", "session.max_mqueue_bytes"];
        found.push((reading.written(&keys), what.to_owned()));
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
        let keys = ["session.max_inflight", "session.max_inflight_limit"];
        let what = format!(
            "max_inflight_limit ({}) is below max_inflight ({}) and counts",
            session.inflight_max, session.inflight
        );
        found.push((reading.written(&keys), what));
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

/// The first setting of a section that somebody wrote.
fn written_in(reading: &Reading, section: &str) -> String {
    let keys = settings()
        .filter(|setting| setting.section == section)
        .map(Setting::key);
    let mut written = keys.filter(|key| reading.origin(key) != Origin::Default);
    written.next().unwrap_or_else(|| "store".to_owned())
}

/// A size as the file would have it, without quotes.
fn size(bytes: u64) -> String {
    const PLAIN: Span = Span {
        unit: Unit::Bytes,
        min: 0,
        max: u64::MAX,
        unlimited: None,
    };
    PLAIN.show(bytes).trim_matches('"').to_owned()
}

fn warn_durability(draft: &Draft, found: &mut Vec<(&str, String)>) {
    if draft.sync != SyncPolicy::Interval
        && draft.sync_interval_millis != Draft::default().sync_interval_millis
    {
        found.push((
            "sync_interval",
            "it has no effect without sync = \"interval\"".to_owned(),
        ));
    }
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
