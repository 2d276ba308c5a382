//! The messages of one keep: one layout, one mode.

use std::{sync::Arc, time::Duration};

use restante_backend::{
    Work,
    messages::{
        Appended, Fetch, Fetched, KeepSpec, KeptMessage, Layout, Mark, Messages, Mode, Place, TopicPage,
    },
    stored_id::StoredId,
    trouble::{Asked, Done, Unfit},
};

use crate::{
    client::{Client, text},
    command::Command,
    config::DEFAULT_TTL,
    fault::away,
    schema::Keys,
};

/// What each layout can do.
pub(crate) const MODES: &[(Layout, Mode)] = &[
    (Layout::Plugin, Mode::Queue),
    (Layout::Plugin, Mode::Pubsub),
    (Layout::Plugin, Mode::History),
    (Layout::Backends, Mode::Queue),
    (Layout::Backends, Mode::Pubsub),
    (Layout::Backends, Mode::Latest),
    (Layout::Backends, Mode::History),
];

/// The messages of one keep.
pub(crate) struct Kept {
    pub(crate) client: Arc<Client>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) layout: Layout,
    pub(crate) mode: Mode,
    pub(crate) ttl: Duration,
}

impl Kept {
    pub(crate) fn new(client: Arc<Client>, keys: Arc<Keys>, spec: &KeepSpec) -> Result<Kept, Unfit> {
        let unfit = |why: String| Err(Unfit { why, at: None });
        if !MODES.contains(&(spec.layout, spec.mode)) {
            return unfit(format!(
                "redis has no keys for mode {:?} in the layout of the plugin; write layout = \"backends\"",
                spec.mode
            ));
        }
        if let Some(name) = spec.templates.keys().next() {
            return unfit(format!("redis has keys and no SQL; take {name} out"));
        }
        let given = [spec.ttl, Some(client.config().message_ttl)]
            .into_iter()
            .flatten();
        let ttl = given
            .into_iter()
            .find(|ttl| !ttl.is_zero())
            .unwrap_or(DEFAULT_TTL);
        Ok(Kept {
            client,
            keys,
            layout: spec.layout,
            mode: spec.mode,
            ttl,
        })
    }

    async fn read_position(&self, client: &str, topic: &str) -> Asked<Option<Place>> {
        let key = self.keys.position(client, topic);
        match self.client.ask_one(Command::new("GET", key.as_bytes())).await? {
            Ok(value) => Ok(text(&value).map(|id| Place {
                id: StoredId::parse(&id),
                row: None,
            })),
            // Not a string, so nobody's position.
            Err(error) if crate::fault::is_wrong_type(&error) => Ok(None),
            Err(error) => Err(away(&format!("the read position {key:?} was not read"), &error)),
        }
    }
}

impl Messages for Kept {
    fn mark(&self) -> Work<'_, Asked<Option<u64>>> {
        // Keys are ids: what is written twice is there once.
        Box::pin(async { Ok(None) })
    }

    fn append<'a>(
        &'a self,
        messages: &'a [KeptMessage],
        _above: Option<u64>,
    ) -> Work<'a, Asked<Vec<Appended>>> {
        Box::pin(self.write(messages))
    }

    fn fetch<'a>(&'a self, fetch: &'a Fetch<'a>) -> Work<'a, Asked<Fetched>> {
        Box::pin(async move {
            match self.mode {
                Mode::Latest => self.fetch_latest(fetch).await,
                Mode::Queue | Mode::Pubsub | Mode::History => self.fetch_indexed(fetch).await,
            }
        })
    }

    fn newest<'a>(&'a self, topic: &'a str) -> Work<'a, Asked<Option<Place>>> {
        Box::pin(async move {
            match self.mode {
                Mode::Latest => self.newest_latest(topic).await,
                Mode::Queue | Mode::Pubsub | Mode::History => self.newest_indexed(topic).await,
            }
        })
    }

    fn delete<'a>(&'a self, gone: &'a [(Box<str>, Place)]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            match self.mode {
                Mode::Latest => self.delete_latest(gone).await,
                Mode::Queue | Mode::Pubsub | Mode::History => self.delete_indexed(gone).await,
            }
        })
    }

    fn position<'a>(&'a self, client: &'a str, topic: &'a str) -> Work<'a, Asked<Option<Place>>> {
        Box::pin(async move {
            if !self.has_positions() {
                return Ok(None);
            }
            self.read_position(client, topic).await
        })
    }

    fn acknowledge<'a>(&'a self, marks: &'a [Mark]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            if !self.has_positions() {
                return Ok(marks.iter().map(|_| Ok(())).collect());
            }
            self.write_positions(marks).await
        })
    }

    fn forget<'a>(&'a self, whose: &'a [(Box<str>, Box<str>)]) -> Work<'a, Asked<Vec<Done>>> {
        Box::pin(async move {
            if !self.has_positions() {
                return Ok(whose.iter().map(|_| Ok(())).collect());
            }
            self.forget_positions(whose).await
        })
    }

    fn topics<'a>(&'a self, after: Option<&'a str>, max: usize) -> Work<'a, Asked<Option<TopicPage>>> {
        Box::pin(self.scan(after, max))
    }
}
