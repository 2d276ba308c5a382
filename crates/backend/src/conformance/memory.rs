//! A backend in memory, to hold the suite against: whole, or with one flaw on purpose.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use restante_model::UnixMillis;

use crate::{
    Backend, Work,
    capability::{Capabilities, StatementForm},
    contract::Health,
    messages::{
        Appended, Fetch, Fetched, FetchedMessage, KeepSpec, KeptMessage, Layout, Mark, Messages, Mode, Place,
        TopicPage,
    },
    statement::{Execution, StatementId, Statements},
    tables::{Presence, Retained, Schema, Standing, SubscriptionRow, Subscriptions},
    template::command::CommandTemplate,
    trouble::{Asked, Done, Refused, Unfit},
};

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    DeletesDropped,
    DeletesTheWholeTopic,
    AppendsDoubled,
    AppendsTwiceWithoutMark,
    TwoSwapped,
    OneLost,
    PagesOverlap,
    PagesSkipOne,
    MoreIsNeverSaid,
    SinceIgnored,
    TopicsFolded,
    SpacesTrimmed,
    PayloadCut,
    EmptyPayloadLost,
    TopicCut,
    RefusedWithItsNeighbours,
    SenderForgotten,
    QosForgotten,
    RetainForgotten,
    TimeForgotten,
    NewestIsOldest,
    PositionForgotten,
    PositionShared,
    ForgetIgnored,
    LatestIsLast,
    LatestDeletedByAnyId,
    RetainedNotReplaced,
    ClearIgnored,
    SubscriptionsNotRemoved,
    SubscriptionQosKept,
    PresenceStays,
    PresencePagesRepeat,
    StatementErrorsHidden,
    StatementErrorsSpread,
    IncarnationWanders,
    TopicsRepeatTheFirstPage,
}

#[derive(Default)]
struct State {
    rows: Vec<(u64, KeptMessage)>,
    next_row: u64,
    latest: BTreeMap<String, KeptMessage>,
    positions: BTreeMap<(String, String), Place>,
    retained: BTreeMap<String, KeptMessage>,
    subscriptions: BTreeMap<(String, String), SubscriptionRow>,
    online: BTreeMap<(String, String), UnixMillis>,
    prepared: Vec<String>,
    asked: u64,
}

/// The backend in memory. Clones share what is in it.
#[derive(Clone)]
pub(crate) struct Memory {
    state: Arc<Mutex<State>>,
    flaw: Flaw,
    mode: Mode,
}

static CAPABILITIES: Capabilities = Capabilities {
    kind: "memory",
    modes: &[
        (Layout::Backends, Mode::Queue),
        (Layout::Backends, Mode::Pubsub),
        (Layout::Backends, Mode::Latest),
        (Layout::Backends, Mode::History),
        (Layout::Plugin, Mode::Queue),
    ],
    functions: &[],
    statements: Some(StatementForm::Commands),
    templates: &[],
    schema: true,
};

/// Longest topic and sender, as tables have them.
const WIDTH: usize = 180;

impl Memory {
    pub(crate) fn new(flaw: Flaw) -> Memory {
        Memory {
            state: Arc::default(),
            flaw,
            mode: Mode::Queue,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn topic(&self, topic: &str) -> String {
        match self.flaw {
            Flaw::TopicsFolded => topic.to_lowercase(),
            Flaw::SpacesTrimmed => topic.trim_end().to_owned(),
            _ => topic.to_owned(),
        }
    }

    fn matches(&self, message: &KeptMessage, topic: &str) -> bool {
        self.topic(&message.topic) == self.topic(topic)
    }

    fn stored(&self, message: &KeptMessage) -> KeptMessage {
        let mut message = message.clone();
        match self.flaw {
            Flaw::PayloadCut => message.payload.truncate(60_000),
            Flaw::SenderForgotten => message.sender = "".into(),
            Flaw::QosForgotten => message.qos = Default::default(),
            Flaw::RetainForgotten => message.retain = false,
            Flaw::TimeForgotten => message.arrived = UnixMillis(0),
            _ => {}
        }
        message
    }

    fn append_one(&self, state: &mut State, message: &KeptMessage, above: Option<u64>) -> Appended {
        let too_long = message.topic.len() > WIDTH || message.sender.len() > WIDTH;
        if too_long && !self.is(Flaw::TopicCut) {
            return Err(Refused {
                why: "the topic or the sender is too long for its column".to_owned(),
            });
        }
        let mut message = self.stored(message);
        if too_long {
            message.topic = message.topic.chars().take(WIDTH).collect::<String>().into();
        }
        if self.mode == Mode::Latest {
            let newer = state
                .latest
                .get(&*message.topic)
                .is_some_and(|there| there.id.number() > message.id.number());
            if !newer || self.is(Flaw::LatestIsLast) {
                state.latest.insert(message.topic.to_string(), message);
            }
            return Ok(None);
        }
        let known = above.and_then(|above| {
            state
                .rows
                .iter()
                .find(|(row, there)| *row > above && there.id == message.id)
                .map(|(row, _)| *row)
        });
        if let (Some(row), false) = (known, self.is(Flaw::AppendsTwiceWithoutMark)) {
            return Ok(Some(row));
        }
        let empty = message.payload.is_empty() && self.is(Flaw::EmptyPayloadLost);
        let lost = self.is(Flaw::OneLost) && state.next_row % 7 == 4;
        let times = if self.is(Flaw::AppendsDoubled) { 2 } else { 1 };
        for _ in 0..times {
            state.next_row += 1;
            let row = state.next_row;
            if !empty && !lost {
                state.rows.push((row, message.clone()));
            }
        }
        Ok(Some(state.next_row))
    }

    fn backlog(&self, state: &State, topic: &str) -> Vec<(u64, KeptMessage)> {
        let mut rows: Vec<_> = match self.mode {
            Mode::Latest => state
                .latest
                .get(topic)
                .map(|message| (0, message.clone()))
                .into_iter()
                .collect(),
            _ => state
                .rows
                .iter()
                .filter(|(_, message)| self.matches(message, topic))
                .cloned()
                .collect(),
        };
        rows.sort_by_key(|(_, message)| message.id.number());
        if self.is(Flaw::TwoSwapped) && rows.len() > 2 {
            rows.swap(1, 2);
        }
        rows
    }
}

impl Messages for Memory {
    fn mark(&self) -> Work<'_, Asked<Option<u64>>> {
        Box::pin(async { Ok(Some(self.state().next_row)) })
    }

    fn append<'a>(
        &'a self,
        messages: &'a [KeptMessage],
        above: Option<u64>,
    ) -> Work<'a, Asked<Vec<Appended>>> {
        Box::pin(async move {
            let mut state = self.state();
            let too_long = messages.iter().any(|message| message.topic.len() > WIDTH);
            if too_long && self.is(Flaw::RefusedWithItsNeighbours) {
                let why = "a row of the slice is too long".to_owned();
                return Ok(messages
                    .iter()
                    .map(|_| Err(Refused { why: why.clone() }))
                    .collect());
            }
            Ok(messages
                .iter()
                .map(|message| self.append_one(&mut state, message, above))
                .collect())
        })
    }

    fn fetch<'a>(&'a self, fetch: &'a Fetch<'a>) -> Work<'a, Asked<Fetched>> {
        Box::pin(async move {
            let state = self.state();
            let mut rows = self.backlog(&state, fetch.topic);
            if let Some(number) = fetch.after.and_then(|after| after.id.number()) {
                rows.retain(|(_, message)| match self.flaw {
                    Flaw::PagesOverlap => message.id.number() >= Some(number),
                    _ => message.id.number() > Some(number),
                });
                if self.is(Flaw::PagesSkipOne) && rows.len() > 1 {
                    rows.remove(0);
                }
            }
            if let (Some(since), false) = (fetch.since, self.is(Flaw::SinceIgnored)) {
                rows.retain(|(_, message)| message.arrived >= since);
            }
            let more = rows.len() > fetch.messages_max && !self.is(Flaw::MoreIsNeverSaid);
            rows.truncate(fetch.messages_max);
            let messages = rows.into_iter().map(|(row, message)| FetchedMessage {
                place: Place {
                    id: message.id.clone(),
                    row: Some(row),
                },
                message,
            });
            Ok(Fetched {
                messages: messages.collect(),
                more,
                unreadable: Vec::new(),
            })
        })
    }

    fn newest<'a>(&'a self, topic: &'a str) -> Work<'a, Asked<Option<Place>>> {
        Box::pin(async move {
            let rows = self.backlog(&self.state(), topic);
            let newest = if self.is(Flaw::NewestIsOldest) {
                rows.first()
            } else {
                rows.last()
            };
            Ok(newest.map(|(row, message)| Place {
                id: message.id.clone(),
                row: Some(*row),
            }))
        })
    }

    fn delete<'a>(&'a self, gone: &'a [(Box<str>, Place)]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            let mut state = self.state();
            for (topic, place) in gone {
                if self.is(Flaw::DeletesDropped) {
                    continue;
                }
                let whole = self.is(Flaw::DeletesTheWholeTopic);
                state.rows.retain(|(_, message)| {
                    !(self.matches(message, topic) && (message.id == place.id || whole))
                });
                let latest = state.latest.get(&**topic);
                let any = self.is(Flaw::LatestDeletedByAnyId);
                if latest.is_some_and(|latest| latest.id == place.id || any) {
                    state.latest.remove(&**topic);
                }
            }
            Ok(gone.iter().map(|_| Ok(())).collect())
        })
    }

    fn position<'a>(&'a self, client: &'a str, topic: &'a str) -> Work<'a, Asked<Option<Place>>> {
        Box::pin(async move { Ok(self.state().positions.get(&self.reader(client, topic)).cloned()) })
    }

    fn acknowledge<'a>(&'a self, marks: &'a [Mark]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            let mut state = self.state();
            for mark in marks {
                if !self.is(Flaw::PositionForgotten) && self.mode == Mode::Pubsub {
                    state
                        .positions
                        .insert(self.reader(&mark.client, &mark.topic), mark.place.clone());
                }
            }
            Ok(marks.iter().map(|_| Ok(())).collect())
        })
    }

    fn forget<'a>(&'a self, whose: &'a [(Box<str>, Box<str>)]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            let mut state = self.state();
            for (client, topic) in whose {
                if !self.is(Flaw::ForgetIgnored) {
                    state.positions.remove(&self.reader(client, topic));
                }
            }
            Ok(whose.iter().map(|_| Ok(())).collect())
        })
    }

    fn topics<'a>(&'a self, after: Option<&'a str>, max: usize) -> Work<'a, Asked<Option<TopicPage>>> {
        Box::pin(async move {
            let state = self.state();
            let mut topics: Vec<String> = state
                .rows
                .iter()
                .map(|(_, message)| message.topic.to_string())
                .collect();
            topics.sort_unstable();
            topics.dedup();
            if !self.is(Flaw::TopicsRepeatTheFirstPage) {
                topics.retain(|topic| after.is_none_or(|after| topic.as_str() > after));
            }
            let more = topics.len() > max;
            topics.truncate(max);
            let after = if more { topics.last().cloned() } else { None };
            Ok(Some(TopicPage { topics, after }))
        })
    }
}

impl Memory {
    fn reader(&self, client: &str, topic: &str) -> (String, String) {
        let client = if self.is(Flaw::PositionShared) { "" } else { client };
        (client.to_owned(), topic.to_owned())
    }
}

impl Subscriptions for Memory {
    fn of<'a>(&'a self, client: &'a str) -> Work<'a, Asked<(Vec<SubscriptionRow>, Vec<String>)>> {
        Box::pin(async move {
            let state = self.state();
            let rows = state
                .subscriptions
                .values()
                .filter(|row| &*row.client == client)
                .cloned()
                .collect();
            Ok((rows, Vec::new()))
        })
    }

    fn write<'a>(&'a self, rows: &'a [SubscriptionRow]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            let mut state = self.state();
            for row in rows {
                let key = (row.client.to_string(), row.filter.to_string());
                if !(self.is(Flaw::SubscriptionQosKept) && state.subscriptions.contains_key(&key)) {
                    state.subscriptions.insert(key, row.clone());
                }
            }
            Ok(rows.iter().map(|_| Ok(())).collect())
        })
    }

    fn remove<'a>(&'a self, whose: &'a [(Box<str>, Box<str>)]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            let mut state = self.state();
            for (client, filter) in whose {
                if !self.is(Flaw::SubscriptionsNotRemoved) {
                    state
                        .subscriptions
                        .remove(&(client.to_string(), filter.to_string()));
                }
            }
            Ok(whose.iter().map(|_| Ok(())).collect())
        })
    }
}

impl Retained for Memory {
    fn set<'a>(&'a self, messages: &'a [KeptMessage]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            let mut state = self.state();
            for message in messages {
                let topic = message.topic.to_string();
                if !(self.is(Flaw::RetainedNotReplaced) && state.retained.contains_key(&topic)) {
                    state.retained.insert(topic, self.stored(message));
                }
            }
            Ok(messages.iter().map(|_| Ok(())).collect())
        })
    }

    fn clear<'a>(&'a self, topics: &'a [Box<str>]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            for topic in topics {
                if !self.is(Flaw::ClearIgnored) {
                    self.state().retained.remove(&**topic);
                }
            }
            Ok(topics.iter().map(|_| Ok(())).collect())
        })
    }

    fn lookup<'a>(&'a self, topic: &'a str) -> Work<'a, Asked<Result<Option<KeptMessage>, String>>> {
        Box::pin(async move { Ok(Ok(self.state().retained.get(topic).cloned())) })
    }
}

impl Presence for Memory {
    fn record<'a>(&'a self, node: &'a str, standings: &'a [Standing]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            let mut state = self.state();
            for standing in standings {
                let key = (node.to_owned(), standing.client.to_string());
                if standing.online {
                    state.online.insert(key, standing.since);
                } else if !self.is(Flaw::PresenceStays) {
                    state.online.remove(&key);
                }
            }
            Ok(standings.iter().map(|_| Ok(())).collect())
        })
    }

    fn online<'a>(
        &'a self,
        node: &'a str,
        after: Option<&'a str>,
        max: usize,
    ) -> Work<'a, Asked<Vec<Box<str>>>> {
        Box::pin(async move {
            let after = after.filter(|_| !self.is(Flaw::PresencePagesRepeat));
            let state = self.state();
            let here = state
                .online
                .keys()
                .filter(|(there, _)| there == node)
                .map(|(_, client)| client);
            let behind = here.filter(|client| after.is_none_or(|after| client.as_str() > after));
            Ok(behind.take(max).map(|client| client.as_str().into()).collect())
        })
    }
}

impl Statements for Memory {
    fn prepare(&self, text: &str, variables: &[&'static str]) -> Result<StatementId, Unfit> {
        let template = CommandTemplate::parse(text, variables)?;
        let mut state = self.state();
        state.prepared.push(template.name().to_owned());
        Ok(StatementId(state.prepared.len() as u32 - 1))
    }

    fn run<'a>(&'a self, executions: &'a [Execution]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            let state = self.state();
            let refuses = |execution: &Execution| state.prepared[execution.statement.0 as usize] == "REFUSE";
            let any = executions.iter().any(refuses);
            let done = executions.iter().map(|execution| {
                let refused = match self.flaw {
                    Flaw::StatementErrorsHidden => false,
                    Flaw::StatementErrorsSpread => any,
                    _ => refuses(execution),
                };
                match refused {
                    true => Err(Refused {
                        why: "the server refuses this statement".to_owned(),
                    }),
                    false => Ok(()),
                }
            });
            Ok(done.collect())
        })
    }
}

impl Schema for Memory {
    fn print(&self, _: &KeepSpec) -> String {
        "nothing but memory".to_owned()
    }

    fn check<'a>(&'a self, _: &'a KeepSpec) -> Work<'a, Asked<Vec<String>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn install<'a>(&'a self, _: &'a KeepSpec) -> Work<'a, Asked<()>> {
        Box::pin(async { Ok(()) })
    }
}

impl Backend for Memory {
    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn health(&self) -> Work<'_, Asked<Health>> {
        Box::pin(async {
            let mut state = self.state();
            state.asked += 1;
            let incarnation = if self.is(Flaw::IncarnationWanders) {
                state.asked
            } else {
                1
            };
            Ok(Health {
                server: "memory 1".to_owned(),
                incarnation: incarnation.to_string(),
                warnings: Vec::new(),
            })
        })
    }

    fn messages(&self, spec: &KeepSpec) -> Result<Arc<dyn Messages>, Unfit> {
        if spec.templates.is_empty() {
            let mode = spec.mode;
            Ok(Arc::new(Memory { mode, ..self.clone() }))
        } else {
            let why = "memory has no templates".to_owned();
            Err(Unfit { why, at: None })
        }
    }

    fn subscriptions(&self, _: &KeepSpec) -> Result<Arc<dyn Subscriptions>, Unfit> {
        Ok(Arc::new(self.clone()))
    }

    fn retained(&self) -> Option<Arc<dyn Retained>> {
        Some(Arc::new(self.clone()))
    }

    fn presence(&self) -> Option<Arc<dyn Presence>> {
        Some(Arc::new(self.clone()))
    }

    fn statements(&self) -> Option<Arc<dyn Statements>> {
        Some(Arc::new(self.clone()))
    }

    fn schema(&self) -> Option<Arc<dyn Schema>> {
        Some(Arc::new(self.clone()))
    }
}
