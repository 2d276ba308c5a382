//! Messages on their way out: pages of a topic's backlog in the order of their ids.
//!
//! What we write has the id's milliseconds as its score and sorts by its text, so the index is in order by itself. What
//! others wrote may have another text, whose order is no order, and a score that is 1 and no time at all (BEHAVIOUR
//! 2.4, 2.5). So members are read in windows by score, those without a time beside them, and sorted by what their ids
//! mean; where a window holds members of others, its last second waits for the next window.

use redis::Value;
use restante_backend::{
    messages::{Fetch, Fetched, FetchedMessage, Layout, Place},
    stored_field::is_fine_time,
    stored_id::{StoredId, base62},
    trouble::Asked,
};
use restante_model::UnixMillis;

use crate::{
    client::text,
    command::{Command, Reply},
    fault::{away, is_state, is_wrong_type},
    hash,
    kept::Kept,
    write::age,
};

/// Members of a first window; later ones grow until there is something to give.
const WINDOW_MIN: usize = 256;
/// Hashes that are read in one round trip.
const HASHES: usize = 256;
/// How far the times of ids that others wrote may stand out of the order of their scores, in microseconds.
const DISORDER: u64 = 1_000_000;
/// Sentences about keys that cannot be read in one page; more are only counted.
const UNREADABLE_MAX: usize = 100;

/// Place in the order of a topic: time in microseconds, number, text.
type Key = (u64, u128, Box<str>);

/// An entry of the index.
struct Member {
    id: StoredId,
    key: Key,
    /// In milliseconds, where it is a time.
    score: Option<u64>,
}

impl Member {
    fn new(text: &str, score: f64) -> Member {
        let id = StoredId::parse(text);
        let score = is_fine_time(score).then_some(score as u64);
        let micros = id.time().map(|time| time.0);
        Member {
            key: (
                micros
                    .or(score.map(|score| score.saturating_mul(1000)))
                    .unwrap_or(0),
                id.number().map_or(0, |number| number.0),
                text.into(),
            ),
            id,
            score,
        }
    }

    /// Whether its place in the index is its place in the order.
    fn is_in_order(&self) -> bool {
        self.score == Some(self.key.0 / 1000) && self.id.text().len() == base62::DIGITS
    }
}

/// Part of an index, in order, behind some place.
struct Window {
    members: Vec<Member>,
    /// There is nothing behind it.
    whole: bool,
}

impl Kept {
    pub(crate) async fn fetch_indexed(&self, fetch: &Fetch<'_>) -> Asked<Fetched> {
        let mut fetched = Fetched::default();
        let mut unread = 0;
        let mut after = match fetch.after {
            Some(place) => self.key_of(fetch.topic, place, &mut fetched).await?,
            None => None,
        };
        let mut limit = fetch.messages_max.saturating_add(1).max(WINDOW_MIN);
        loop {
            let Some(window) = self.window(fetch, after.as_ref(), limit, &mut fetched).await? else {
                return Ok(fetched);
            };
            if window.members.is_empty() && !window.whole {
                limit = limit.saturating_mul(2);
                continue;
            }
            let mut looked_at = 0;
            while looked_at < window.members.len() && fetched.messages.len() < fetch.messages_max {
                let room = (fetch.messages_max - fetched.messages.len()).min(HASHES);
                let end = looked_at.saturating_add(room).min(window.members.len());
                self.read_hashes(fetch, &window.members[looked_at..end], &mut fetched, &mut unread)
                    .await?;
                looked_at = end;
            }
            if looked_at > 0 {
                after = window.members.get(looked_at - 1).map(|member| member.key.clone());
            }
            let all = looked_at == window.members.len();
            if fetched.messages.len() >= fetch.messages_max || all && window.whole {
                fetched.more = !(all && window.whole);
                break;
            }
        }
        if unread > 0 {
            fetched.unreadable.push(format!(
                "{unread} more keys of topic {:?} cannot be read",
                fetch.topic
            ));
        }
        Ok(fetched)
    }

    /// The members behind a place, sorted; `None` when the index cannot be read, which is then said.
    async fn window(
        &self,
        fetch: &Fetch<'_>,
        after: Option<&Key>,
        limit: usize,
        fetched: &mut Fetched,
    ) -> Asked<Option<Window>> {
        let key = self.keys.index(fetch.topic);
        let since = fetch
            .since
            .map_or(0, |since| since.0.saturating_sub(DISORDER / 1000));
        // A score is never before its id's time.
        let from = after
            .map_or(0, |(micros, ..)| micros / 1000)
            .max(since)
            .max(first_time());
        let replies = self
            .client
            .ask(vec![
                range(&key, "-inf", &format!("({}", first_time()), None),
                range(&key, &from.to_string(), "+inf", Some(limit)),
            ])
            .await?;
        let mut lists = Vec::new();
        for reply in replies {
            match reply {
                Ok(value) => lists.push(scored(&value, &key)),
                Err(error) if is_wrong_type(&error) => {
                    let sentence = format!(
                        "{key:?} is no index of a topic: it is a key of another type than a sorted set"
                    );
                    fetched.unreadable.push(sentence);
                    return Ok(None);
                }
                Err(error) => return Err(away(&format!("the index {key:?} was not read"), &error)),
            }
        }
        let timed = lists.pop().unwrap_or_default();
        let low = lists.pop().unwrap_or_default();
        let whole = timed.count < limit;
        for sentence in low.unreadable.into_iter().chain(timed.unreadable) {
            if fetched.unreadable.len() < UNREADABLE_MAX && !fetched.unreadable.contains(&sentence) {
                fetched.unreadable.push(sentence);
            }
        }
        let (mut members, timed) = (low.members, timed.members);
        let horizon = if whole {
            u64::MAX
        } else {
            let last = timed
                .last()
                .and_then(|member| member.score)
                .unwrap_or(0)
                .saturating_mul(1000);
            if timed.iter().chain(&members).all(Member::is_in_order) {
                // The last millisecond as far as it was read: ids of one millisecond are in order too.
                last + 999
            } else {
                last.saturating_sub(DISORDER)
            }
        };
        members.extend(timed);
        members.retain(|member| member.key.0 <= horizon && after.is_none_or(|after| member.key > *after));
        members.sort_by(|one, two| one.key.cmp(&two.key));
        Ok(Some(Window { members, whole }))
    }

    /// Reads the hashes of members; those of members without one are taken out of the index.
    async fn read_hashes(
        &self,
        fetch: &Fetch<'_>,
        members: &[Member],
        fetched: &mut Fetched,
        unread: &mut usize,
    ) -> Asked<()> {
        let keys: Vec<String> = members
            .iter()
            .map(|member| self.keys.message(member.id.text()))
            .collect();
        let commands = keys.iter().map(|key| Command::new("HGETALL", key.as_bytes()));
        let replies = self.client.ask(commands.collect()).await?;
        let mut gone = Vec::new();
        for ((member, key), reply) in members.iter().zip(&keys).zip(replies) {
            if let Some(state) = reply.as_ref().err().filter(|error| is_state(error)) {
                return Err(away(&format!("{key:?} was not read"), state));
            }
            match hash::read(key, Some(member.id.text()), fetch.topic, reply) {
                Ok(Some(message))
                    if fetch
                        .since
                        .is_some_and(|since| message.arrived < floor(since, self)) => {}
                Ok(Some(message)) => fetched.messages.push(FetchedMessage {
                    place: Place {
                        id: member.id.clone(),
                        row: None,
                    },
                    message,
                }),
                Ok(None) => gone.push(member.id.text()),
                Err(sentence) if fetched.unreadable.len() < UNREADABLE_MAX => {
                    fetched.unreadable.push(sentence)
                }
                Err(_) => *unread += 1,
            }
        }
        if !gone.is_empty() {
            let index = self.keys.index(fetch.topic);
            // Whether it is done now or by the next who comes by does not matter.
            let _ = self
                .client
                .ask_one(Command::new("ZREM", index.as_bytes()).args(gone))
                .await?;
        }
        Ok(())
    }

    /// Where a place stands in the order. An id that means no time is looked for; one that is not found is before
    /// everything, so that nothing that came later is hidden (K51).
    async fn key_of(&self, topic: &str, place: &Place, fetched: &mut Fetched) -> Asked<Option<Key>> {
        if let Some(number) = place.id.number() {
            // Greater than any text: this very message is not behind itself, in whatever form its id is written.
            return Ok(Some((number.micros(), number.0, "\u{10FFFF}".into())));
        }
        let fetch = Fetch {
            topic,
            after: None,
            since: None,
            messages_max: 0,
        };
        let window = self.window(&fetch, None, usize::MAX >> 1, fetched).await?;
        let members = window.map_or(Vec::new(), |window| window.members);
        let found = members.into_iter().find(|member| member.id == place.id);
        Ok(found.map(|member| member.key))
    }

    pub(crate) async fn newest_indexed(&self, topic: &str) -> Asked<Option<Place>> {
        let key = self.keys.index(topic);
        let last = Command::new("ZRANGE", key.as_bytes()).args(["-1", "-1", "WITHSCORES"]);
        let low = range(&key, "-inf", &format!("({}", first_time()), None);
        let mut members = Vec::new();
        for reply in self.client.ask(vec![last, low]).await? {
            match reply {
                Ok(value) => members.extend(scored(&value, &key).members),
                Err(error) if is_wrong_type(&error) => return Ok(None),
                Err(error) => return Err(away(&format!("the index {key:?} was not read"), &error)),
            }
        }
        let newest = members.into_iter().max_by(|one, two| one.key.cmp(&two.key));
        Ok(newest.map(|member| Place {
            id: member.id,
            row: None,
        }))
    }

    pub(crate) async fn fetch_latest(&self, fetch: &Fetch<'_>) -> Asked<Fetched> {
        let mut fetched = Fetched::default();
        let key = self.keys.latest(fetch.topic);
        let reply = self
            .client
            .ask_one(Command::new("HGETALL", key.as_bytes()))
            .await?;
        if let Some(state) = reply.as_ref().err().filter(|error| is_state(error)) {
            return Err(away(&format!("{key:?} was not read"), state));
        }
        match hash::read(&key, None, fetch.topic, reply) {
            Ok(Some(message)) => {
                let behind = fetch.after.is_none_or(|after| match after.id.number() {
                    Some(number) => age(&message) > (number.micros(), number.0),
                    None => message.id != after.id,
                });
                let late = fetch
                    .since
                    .is_none_or(|since| message.arrived >= floor(since, self));
                if behind && late && fetch.messages_max > 0 {
                    fetched.messages.push(FetchedMessage {
                        place: Place {
                            id: message.id.clone(),
                            row: None,
                        },
                        message,
                    });
                }
            }
            Ok(None) => {}
            Err(sentence) => fetched.unreadable.push(sentence),
        }
        Ok(fetched)
    }

    pub(crate) async fn newest_latest(&self, topic: &str) -> Asked<Option<Place>> {
        let key = self.keys.latest(topic);
        match self
            .client
            .ask_one(Command::new("HMGET", key.as_bytes()).args(["id"]))
            .await?
        {
            Ok(value) => Ok(first_id(&value).map(|id| Place { id, row: None })),
            Err(error) if is_wrong_type(&error) => Ok(None),
            Err(error) => Err(away(&format!("{key:?} was not read"), &error)),
        }
    }

    /// How old the newest messages of topics are.
    pub(crate) async fn latest_ids<'t>(
        &self,
        topics: impl Iterator<Item = &'t str>,
    ) -> Asked<Vec<Option<(u64, u128)>>> {
        let commands = topics.map(|topic| {
            let key = self.keys.latest(topic);
            Command::new("HMGET", key.as_bytes()).args(["id"])
        });
        let replies = self.client.ask(commands.collect()).await?;
        let number = |reply: Reply| {
            let number = first_id(&reply.ok()?)?.number()?;
            Some((number.micros(), number.0))
        };
        Ok(replies.into_iter().map(number).collect())
    }
}

/// The id in the answer to HMGET.
pub(crate) fn first_id(value: &Value) -> Option<StoredId> {
    match value {
        Value::Array(values) => values.first().and_then(text).map(|id| StoredId::parse(&id)),
        _ => None,
    }
}

/// The layout of the back ends keeps whole seconds.
fn floor(since: UnixMillis, kept: &Kept) -> UnixMillis {
    match kept.layout {
        Layout::Plugin => since,
        Layout::Backends => UnixMillis(since.0 / 1000 * 1000),
    }
}

fn first_time() -> u64 {
    100_000_000_000
}

fn range(key: &str, from: &str, to: &str, limit: Option<usize>) -> Command {
    let command = Command::new("ZRANGE", key.as_bytes()).args([from, to, "BYSCORE"]);
    match limit {
        Some(limit) => command.args(["LIMIT", "0", limit.to_string().as_str(), "WITHSCORES"]),
        None => command.args(["WITHSCORES"]),
    }
}

/// What a range of an index holds.
#[derive(Default)]
struct Scored {
    members: Vec<Member>,
    /// Entries, those that cannot be read among them.
    count: usize,
    unreadable: Vec<String>,
}

/// Members and scores. A member that is no text is no id of anything.
fn scored(value: &Value, key: &str) -> Scored {
    let Value::Array(items) = value else {
        return Scored::default();
    };
    let mut scored = Scored {
        count: items.len() / 2,
        ..Scored::default()
    };
    for pair in items.chunks(2) {
        let score = match pair.get(1) {
            Some(Value::Double(score)) => Some(*score),
            other => other.and_then(text).and_then(|text| text.parse().ok()),
        };
        match (text(&pair[0]), score) {
            (Some(member), Some(score)) => scored.members.push(Member::new(&member, score)),
            _ => scored.unreadable.push(format!(
                "the index {key:?} has a member that is no text, and so no id"
            )),
        }
    }
    scored
}
