//! A database in memory that fails when it is told to: what the broker does with its outbox is tested against it, the
//! real ones have tests of their own.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use restante_backend::{
    Backend, Work,
    capability::Capabilities,
    contract::Health,
    messages::{
        Appended, Fetch, Fetched, FetchedMessage, KeepSpec, KeptMessage, Mark, Messages, Place, TopicPage,
    },
    statement::Statements,
    tables::{Presence, Retained, Schema, Standing, SubscriptionRow, Subscriptions},
    trouble::{Asked, Away, Done, Refused, Unfit},
};
use restante_model::{Layout, Mode};

/// The database.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) state: Mutex<State>,
    /// Nothing is answered.
    pub(crate) away: AtomicBool,
    /// The next so many appends are done, and their answers lost.
    pub(crate) lose_replies: AtomicU64,
    /// Fetches are not answered, everything else is.
    pub(crate) away_for_fetches: AtomicBool,
    /// A row that fetches do not see yet, while later ones are there already; 0 is none.
    pub(crate) unseen: AtomicU64,
    /// Fetches have read, and their answers are on their way.
    pub(crate) holds_fetches: AtomicBool,
    /// Calls of `fetch` that have read.
    pub(crate) fetches: AtomicU64,
    /// Calls of `append`.
    pub(crate) appends: AtomicU64,
}

/// What is in it.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) rows: BTreeMap<u64, KeptMessage>,
    pub(crate) next: u64,
    pub(crate) positions: BTreeMap<(Box<str>, Box<str>), Place>,
    pub(crate) subscriptions: BTreeMap<(Box<str>, Box<str>), SubscriptionRow>,
    pub(crate) standings: BTreeMap<Box<str>, Standing>,
}

impl Shelf {
    /// Payloads of a topic, in order.
    pub(crate) fn payloads(&self, topic: &str) -> Vec<String> {
        let state = self.state.lock();
        let of_topic = state.rows.values().filter(|row| &*row.topic == topic);
        of_topic
            .map(|row| String::from_utf8(row.payload.to_vec()).unwrap())
            .collect()
    }

    /// Waits until it is as asked.
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&State) -> bool) {
        let until = Instant::now() + restante_testkit::client::PATIENCE;
        while !is_so(&self.state.lock()) {
            assert!(
                Instant::now() < until,
                "waited for {what}: {:?}",
                self.state.lock().rows
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until so many fetches have read.
    pub(crate) fn wait_for_fetches(&self, count: u64) {
        self.wait_until("fetches", |_| self.fetches.load(SeqCst) >= count);
    }

    fn asked<T>(&self, answer: impl FnOnce(&mut State) -> T) -> Asked<T> {
        match self.away.load(SeqCst) {
            true => Err(Away {
                why: "the shelf is away".into(),
            }),
            false => Ok(answer(&mut self.state.lock())),
        }
    }
}

const SHELF: Capabilities = Capabilities {
    kind: "shelf",
    modes: &[(Layout::Plugin, Mode::Queue), (Layout::Plugin, Mode::Pubsub)],
    functions: &[],
    statements: None,
    templates: &[],
    schema: false,
};

/// The pool, and everything in it.
#[derive(Clone)]
pub(crate) struct ShelfPool(pub(crate) Arc<Shelf>);

impl Backend for ShelfPool {
    fn capabilities(&self) -> &'static Capabilities {
        &SHELF
    }

    fn health(&self) -> Work<'_, Asked<Health>> {
        Box::pin(async {
            self.0.asked(|_| Health {
                server: "shelf".into(),
                incarnation: "1".into(),
                warnings: Vec::new(),
            })
        })
    }

    fn messages(&self, _: &KeepSpec) -> Result<Arc<dyn Messages>, Unfit> {
        Ok(Arc::new(self.clone()))
    }

    fn subscriptions(&self, _: &KeepSpec) -> Result<Arc<dyn Subscriptions>, Unfit> {
        Ok(Arc::new(self.clone()))
    }

    fn retained(&self) -> Option<Arc<dyn Retained>> {
        None
    }

    fn presence(&self) -> Option<Arc<dyn Presence>> {
        Some(Arc::new(self.clone()))
    }

    fn statements(&self) -> Option<Arc<dyn Statements>> {
        None
    }

    fn schema(&self) -> Option<Arc<dyn Schema>> {
        None
    }
}

impl Messages for ShelfPool {
    fn mark(&self) -> Work<'_, Asked<Option<u64>>> {
        Box::pin(async { self.0.asked(|state| Some(state.next)) })
    }

    fn append<'a>(
        &'a self,
        messages: &'a [KeptMessage],
        above: Option<u64>,
    ) -> Work<'a, Asked<Vec<Appended>>> {
        Box::pin(async move {
            self.0.appends.fetch_add(1, SeqCst);
            let done = self.0.asked(|state| {
                let append = |message: &KeptMessage| {
                    if message.topic.contains("refused") {
                        return Err(Refused {
                            why: "not that topic".into(),
                        });
                    }
                    let known = above.and_then(|above| {
                        let mut later = state.rows.range(above + 1..);
                        later.find(|(_, row)| row.id == message.id).map(|(row, _)| *row)
                    });
                    if known.is_none() {
                        state.next += 1;
                        state.rows.insert(state.next, message.clone());
                    }
                    Ok(Some(known.unwrap_or(state.next)))
                };
                messages.iter().map(append).collect()
            });
            let lost = self
                .0
                .lose_replies
                .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
            match lost {
                Ok(_) => Err(Away {
                    why: "the reply was lost".into(),
                }),
                Err(_) => done,
            }
        })
    }

    fn fetch<'a>(&'a self, fetch: &'a Fetch<'a>) -> Work<'a, Asked<Fetched>> {
        Box::pin(async move {
            if self.0.away_for_fetches.load(SeqCst) {
                return Err(Away {
                    why: "the shelf lets nobody look".into(),
                });
            }
            let unseen = self.0.unseen.load(SeqCst);
            let found = self.0.asked(|state| {
                let after = fetch.after.map_or(0, |after| {
                    let by_id = || {
                        state
                            .rows
                            .iter()
                            .find(|(_, row)| row.id == after.id)
                            .map(|(row, _)| *row)
                    };
                    after.row.or_else(by_id).unwrap_or(0)
                });
                let found = state.rows.range(after + 1..);
                let found = found.filter(|(number, row)| **number != unseen && &*row.topic == fetch.topic);
                let found = found.filter(|(_, row)| fetch.since.is_none_or(|since| row.arrived >= since));
                let mut messages: Vec<_> = found
                    .map(|(row, message)| FetchedMessage {
                        place: Place {
                            id: message.id.clone(),
                            row: Some(*row),
                        },
                        message: message.clone(),
                    })
                    .collect();
                let more = messages.len() > fetch.messages_max;
                messages.truncate(fetch.messages_max);
                Fetched {
                    messages,
                    more,
                    unreadable: Vec::new(),
                }
            });
            self.0.fetches.fetch_add(1, SeqCst);
            while self.0.holds_fetches.load(SeqCst) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            found
        })
    }

    fn newest<'a>(&'a self, _: &'a str) -> Work<'a, Asked<Option<Place>>> {
        Box::pin(async { self.0.asked(|_| None) })
    }

    fn delete<'a>(&'a self, gone: &'a [(Box<str>, Place)]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            self.0.asked(|state| {
                for (topic, place) in gone {
                    state
                        .rows
                        .retain(|_, row| row.topic != *topic || row.id != place.id);
                }
                gone.iter().map(|_| Ok(())).collect()
            })
        })
    }

    fn position<'a>(&'a self, client: &'a str, topic: &'a str) -> Work<'a, Asked<Option<Place>>> {
        Box::pin(async move {
            self.0
                .asked(|state| state.positions.get(&(client.into(), topic.into())).cloned())
        })
    }

    fn acknowledge<'a>(&'a self, marks: &'a [Mark]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            self.0.asked(|state| {
                for mark in marks {
                    let key = (mark.client.clone(), mark.topic.clone());
                    state.positions.insert(key, mark.place.clone());
                }
                marks.iter().map(|_| Ok(())).collect()
            })
        })
    }

    fn forget<'a>(&'a self, whose: &'a [(Box<str>, Box<str>)]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            self.0.asked(|state| {
                for key in whose {
                    state.positions.remove(key);
                }
                whose.iter().map(|_| Ok(())).collect()
            })
        })
    }

    fn topics<'a>(&'a self, after: Option<&'a str>, max: usize) -> Work<'a, Asked<Option<TopicPage>>> {
        Box::pin(async move {
            self.0.asked(|state| {
                let mut topics: Vec<String> = state.rows.values().map(|row| row.topic.to_string()).collect();
                topics.sort();
                topics.dedup();
                topics.retain(|topic| after.is_none_or(|after| &**topic > after));
                let more = topics.len() > max;
                topics.truncate(max);
                let after = topics.last().filter(|_| more).cloned();
                Some(TopicPage { topics, after })
            })
        })
    }
}

impl Subscriptions for ShelfPool {
    fn of<'a>(&'a self, client: &'a str) -> Work<'a, Asked<(Vec<SubscriptionRow>, Vec<String>)>> {
        Box::pin(async move {
            self.0.asked(|state| {
                let rows = state.subscriptions.values().filter(|row| &*row.client == client);
                (rows.cloned().collect(), Vec::new())
            })
        })
    }

    fn write<'a>(&'a self, rows: &'a [SubscriptionRow]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            self.0.asked(|state| {
                for row in rows {
                    let key = (row.client.clone(), row.filter.clone());
                    state.subscriptions.insert(key, row.clone());
                }
                rows.iter().map(|_| Ok(())).collect()
            })
        })
    }

    fn remove<'a>(&'a self, whose: &'a [(Box<str>, Box<str>)]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            self.0.asked(|state| {
                for key in whose {
                    state.subscriptions.remove(key);
                }
                whose.iter().map(|_| Ok(())).collect()
            })
        })
    }
}

impl Presence for ShelfPool {
    fn record<'a>(&'a self, _: &'a str, standings: &'a [Standing]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            self.0.asked(|state| {
                for standing in standings {
                    state.standings.insert(standing.client.clone(), standing.clone());
                }
                standings.iter().map(|_| Ok(())).collect()
            })
        })
    }

    fn online<'a>(
        &'a self,
        _: &'a str,
        after: Option<&'a str>,
        max: usize,
    ) -> Work<'a, Asked<Vec<Box<str>>>> {
        Box::pin(async move {
            self.0.asked(|state| {
                let online = state.standings.values().filter(|standing| standing.online);
                let online = online.map(|standing| standing.client.clone());
                let behind = online.filter(|client| after.is_none_or(|after| &**client > after));
                behind.take(max).collect()
            })
        })
    }
}
