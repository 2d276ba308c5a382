//! Messages on their way in, and out for good: append, delete, read positions.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redis::ServerError;
use restante_backend::{
    Work,
    messages::{Appended, KeptMessage, Layout, Mark, Mode, Place},
    trouble::{Asked, Done},
};
use restante_model::UnixMillis;

use crate::{
    command::{Command, Reply},
    fault::{is_wrong_type, verdicts},
    hash::{self, FIELDS, possible_ids, written_id},
    kept::Kept,
    together::together,
};

/// Messages of one pipeline.
const PIPELINE_MESSAGES: usize = 128;
/// Bytes of payload after which a pipeline is full.
const PIPELINE_BYTES: usize = 4 << 20;
/// Pipelines that are on their way at once.
const PIPELINES: usize = 4;

/// The lowest score that is a time in milliseconds: what others put there instead of a time (the back ends wrote 1) is
/// never trimmed by age.
const FIRST_TIME: &str = "100000000000";

impl Kept {
    /// Hash first, index second: a crash between the two leaves a hash that expires, and never an index entry without
    /// a message. In a cluster, where the two lie on different servers, the second waits for the first.
    pub(crate) async fn append_indexed(&self, messages: &[KeptMessage]) -> Asked<Vec<Appended>> {
        let chunks = chunks(messages);
        let mut rows = Vec::with_capacity(messages.len());
        for wave in chunks.chunks(PIPELINES) {
            let work = wave.iter().map(|&chunk| {
                let work: Work<'_, _> = Box::pin(self.append_chunk(chunk));
                work
            });
            for written in together(work).await {
                rows.extend(written?);
            }
        }
        let verdicts = verdicts(rows, |row| {
            let message = &messages[row];
            let key = self.keys.message(&written_id(&message.id));
            format!("message {key:?} of topic {:?} was not stored", message.topic)
        })?;
        Ok(verdicts.into_iter().map(|row| row.map(|()| None)).collect())
    }

    async fn append_chunk(&self, messages: &[KeptMessage]) -> Asked<Vec<Result<(), ServerError>>> {
        let now = now();
        let ids: Vec<Box<str>> = messages.iter().map(|message| written_id(&message.id)).collect();
        let (mut hashes, mut index) = (Vec::new(), Vec::new());
        for (message, id) in messages.iter().zip(&ids) {
            let key = self.keys.message(id);
            let written = Command::new("HSET", key.as_bytes());
            hashes.push(hash::write(written, id, message, self.layout));
            hashes.push(self.expire(&key, message.arrived, now));
            index.push(
                Command::new("ZADD", self.keys.index(&message.topic).as_bytes())
                    .arg(score(message).to_string().as_bytes())
                    .arg(id.as_bytes()),
            );
        }
        let topics: BTreeSet<&str> = messages.iter().map(|message| &*message.topic).collect();
        let oldest = now.0.saturating_sub(millis(self.ttl));
        index.extend(topics.iter().map(|topic| {
            Command::new("ZREMRANGEBYSCORE", self.keys.index(topic).as_bytes())
                .args([FIRST_TIME, oldest.to_string().as_str()])
        }));

        let (hashes, index) = if self.client.is_cluster() {
            let hashes = self.client.ask(hashes).await?;
            (hashes, self.client.ask(index).await?)
        } else {
            let boundary = hashes.len();
            hashes.append(&mut index);
            let mut hashes = self.client.ask(hashes).await?;
            let index = hashes.split_off(boundary);
            (hashes, index)
        };
        self.judge(messages, &ids, hashes, index).await
    }

    /// A verdict for each message, and nothing left of those that were refused.
    async fn judge(
        &self,
        messages: &[KeptMessage],
        ids: &[Box<str>],
        hashes: Vec<Reply>,
        index: Vec<Reply>,
    ) -> Asked<Vec<Result<(), ServerError>>> {
        let (mut rows, mut undo) = (Vec::with_capacity(messages.len()), Vec::new());
        let mut hashes = hashes.into_iter();
        let mut index = index.into_iter();
        for (message, id) in messages.iter().zip(ids) {
            let stored = both(hashes.next(), hashes.next());
            let listed = both(index.next(), None);
            if stored.is_err() && listed.is_ok() {
                let key = self.keys.index(&message.topic);
                undo.push(Command::new("ZREM", key.as_bytes()).arg(id.as_bytes()));
            }
            if stored.is_ok() && listed.is_err() {
                undo.push(self.erase(id));
            }
            rows.push(stored.and(listed));
        }
        // A trim that failed is said by the ZADD of the same key.
        if !undo.is_empty() {
            self.client.ask(undo).await?;
        }
        Ok(rows)
    }

    /// Only the newest of each topic, and only if it is newer than what is there.
    pub(crate) async fn append_latest(&self, messages: &[KeptMessage]) -> Asked<Vec<Appended>> {
        let mut newest: BTreeMap<&str, usize> = BTreeMap::new();
        for (row, message) in messages.iter().enumerate() {
            let kept = newest.entry(&message.topic).or_insert(row);
            if age(message) >= age(&messages[*kept]) {
                *kept = row;
            }
        }
        let candidates: Vec<usize> = newest.into_values().collect();
        let there = self
            .latest_ids(candidates.iter().map(|&row| &*messages[row].topic))
            .await?;
        let now = now();
        let (mut rows, mut commands) = (Vec::new(), Vec::new());
        for (&row, there) in candidates.iter().zip(there) {
            let message = &messages[row];
            if there.is_some_and(|there| there > age(message)) {
                continue;
            }
            let key = self.keys.latest(&message.topic);
            let written = Command::new("HSET", key.as_bytes());
            commands.push(hash::write(
                written,
                &written_id(&message.id),
                message,
                self.layout,
            ));
            commands.push(self.expire(&key, message.arrived, now));
            rows.push(row);
        }
        let mut replies = self.client.ask(commands).await?.into_iter();
        let mut results: Vec<Result<(), ServerError>> = messages.iter().map(|_| Ok(())).collect();
        for row in rows {
            results[row] = both(replies.next(), replies.next());
        }
        let verdicts = verdicts(results, |row| {
            let key = self.keys.latest(&messages[row].topic);
            format!(
                "message {:?} was not stored as the newest in {key:?}",
                messages[row].id
            )
        })?;
        Ok(verdicts.into_iter().map(|row| row.map(|()| None)).collect())
    }

    /// Takes messages away by their fields and not by their keys: where a topic is called like a message, the topic's
    /// index stands under that key, and DEL would take it.
    pub(crate) async fn delete_indexed(&self, gone: &[(Box<str>, Place)]) -> Asked<Vec<Done>> {
        let mut commands = Vec::new();
        let mut counts = Vec::with_capacity(gone.len());
        for (topic, place) in gone {
            let ids = possible_ids(&place.id);
            counts.push(ids.len());
            for id in ids {
                // Index first: whoever reads meanwhile finds no entry without a message.
                let key = self.keys.index(topic);
                commands.push(Command::new("ZREM", key.as_bytes()).arg(id.as_bytes()));
                commands.push(self.erase(&id));
            }
        }
        let mut replies = self.client.ask(commands).await?.into_iter();
        let rows = counts.into_iter().map(|count| {
            (0..2 * count).try_for_each(|_| match replies.next() {
                // What is not ours is not there.
                Some(Err(error)) if !is_wrong_type(&error) => Err(error),
                _ => Ok(()),
            })
        });
        verdicts(rows.collect(), |row| {
            let (topic, place) = &gone[row];
            format!("message {:?} of topic {topic:?} was not deleted", place.id)
        })
    }

    /// Takes the newest messages of topics away, where they still are the ones that are meant.
    pub(crate) async fn delete_latest(&self, gone: &[(Box<str>, Place)]) -> Asked<Vec<Done>> {
        let reads = gone.iter().map(|(topic, _)| {
            let key = self.keys.latest(topic);
            Command::new("HMGET", key.as_bytes()).args(["id"])
        });
        let replies = self.client.ask(reads.collect()).await?;
        let mut rows: Vec<Result<(), ServerError>> = Vec::with_capacity(gone.len());
        let (mut commands, mut deleted) = (Vec::new(), Vec::new());
        for (row, ((topic, place), reply)) in gone.iter().zip(replies).enumerate() {
            match reply {
                Ok(value) => {
                    let there = crate::read::first_id(&value);
                    if there.is_some_and(|there| there == place.id) {
                        let key = self.keys.latest(topic);
                        commands.push(Command::new("HDEL", key.as_bytes()).args(FIELDS));
                        deleted.push(row);
                    }
                    rows.push(Ok(()));
                }
                Err(error) if is_wrong_type(&error) => rows.push(Ok(())),
                Err(error) => rows.push(Err(error)),
            }
        }
        for (row, reply) in deleted.into_iter().zip(self.client.ask(commands).await?) {
            rows[row] = reply.map(drop);
        }
        verdicts(rows, |row| {
            let (topic, place) = &gone[row];
            format!(
                "message {:?} was not deleted as the newest of {topic:?}",
                place.id
            )
        })
    }

    /// Writes read positions.
    pub(crate) async fn write_positions(&self, marks: &[Mark]) -> Asked<Vec<Done>> {
        let commands = marks.iter().map(|mark| {
            let key = self.keys.position(&mark.client, &mark.topic);
            Command::new("SET", key.as_bytes()).arg(written_id(&mark.place.id).as_bytes())
        });
        let replies = self.client.ask(commands.collect()).await?;
        verdicts(
            replies.into_iter().map(|reply| reply.map(drop)).collect(),
            |row| {
                let mark = &marks[row];
                format!(
                    "the read position {:?} was not written",
                    self.keys.position(&mark.client, &mark.topic)
                )
            },
        )
    }

    /// Forgets read positions.
    pub(crate) async fn forget_positions(&self, whose: &[(Box<str>, Box<str>)]) -> Asked<Vec<Done>> {
        let key = |row: usize| self.keys.position(&whose[row].0, &whose[row].1);
        let commands = (0..whose.len()).map(|row| Command::new("DEL", key(row).as_bytes()));
        let replies = self.client.ask(commands.collect()).await?;
        verdicts(
            replies.into_iter().map(|reply| reply.map(drop)).collect(),
            |row| format!("the read position {:?} was not forgotten", key(row)),
        )
    }

    fn erase(&self, id: &str) -> Command {
        Command::new("HDEL", self.keys.message(id).as_bytes()).args(FIELDS)
    }

    /// What is left of a message's time, in whole seconds, at least one.
    fn expire(&self, key: &str, arrived: UnixMillis, now: UnixMillis) -> Command {
        let age = now.0.saturating_sub(arrived.0);
        let left = millis(self.ttl).saturating_sub(age).div_ceil(1000).max(1);
        Command::new("EXPIRE", key.as_bytes()).args([left.to_string().as_str()])
    }
}

impl Kept {
    /// The append of this mode.
    pub(crate) async fn write(&self, messages: &[KeptMessage]) -> Asked<Vec<Appended>> {
        match self.mode {
            Mode::Latest => self.append_latest(messages).await,
            Mode::Queue | Mode::Pubsub | Mode::History => self.append_indexed(messages).await,
        }
    }

    /// Whether the layout has a place for read positions.
    pub(crate) fn has_positions(&self) -> bool {
        self.layout == Layout::Backends && self.mode != Mode::History
    }
}

/// Where a message stands among others: by its id, or by its time when the id means none.
pub(crate) fn age(message: &KeptMessage) -> (u64, u128) {
    match message.id.number() {
        Some(number) => (number.micros(), number.0),
        None => (message.arrived.0.saturating_mul(1000), 0),
    }
}

/// Milliseconds: those of the id, so that the order of the index, by score and then by text, is the order of the ids.
fn score(message: &KeptMessage) -> u64 {
    age(message).0 / 1000
}

fn both(one: Option<Reply>, two: Option<Reply>) -> Result<(), ServerError> {
    for reply in [one, two].into_iter().flatten() {
        reply?;
    }
    Ok(())
}

fn chunks(messages: &[KeptMessage]) -> Vec<&[KeptMessage]> {
    let mut chunks = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, message) in messages.iter().enumerate() {
        if at > start && (at - start == PIPELINE_MESSAGES || bytes + message.payload.len() > PIPELINE_BYTES) {
            chunks.push(&messages[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += message.payload.len();
    }
    if start < messages.len() {
        chunks.push(&messages[start..]);
    }
    chunks
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The wall clock: what Redis's own is compared with.
fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(millis(since))
}
