//! Slices of work are asked of their pool, one kind after another.
//!
//! A slice that was answered is taken out, so that what is asked again after the database was away is only what it has
//! not answered. What it refuses for good becomes a dead letter (K50).

use std::sync::atomic::Ordering;

use hashbrown::HashMap;
use restante_backend::{
    messages::{KeptMessage, Place},
    trouble::{Asked, Away, Done},
};
use restante_model::MessageId;

use super::{
    keeper::Keeping,
    pool::Pool,
    reduce::{ByKeep, Record, Slices},
    topics::Added,
};

/// Rows remembered by message, so that deletes and read positions find them; beyond, half are forgotten at a time, and
/// the backend looks for itself.
const ROWS_MAX: usize = 65_536;

/// Asks a pool; remembers what helps the next time.
pub(crate) struct Performer<'a> {
    keeping: &'a Keeping,
    pool: &'a Pool,
    rows: Rows,
    /// Row numbers that everything unconfirmed is above, by keep (K36).
    marks: HashMap<usize, u64>,
    /// Appends may have been done before: the database was away.
    may_repeat: bool,
    /// What has come of it since it was last taken out.
    pub(crate) outcome: Outcome,
}

/// What is to be committed with the drain's cursor.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What was refused.
    pub(crate) dead: Vec<DeadLetter>,
    /// Marks that have risen, by keep.
    pub(crate) marks: Vec<(usize, u64)>,
    /// Topics that have got a backlog, by keep.
    pub(crate) topics: Vec<(usize, Box<str>)>,
}

/// What a database refuses for good.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetter {
    /// The message, if it is one.
    pub(crate) message: Option<KeptMessage>,
    /// What was asked, in words.
    pub(crate) what: String,
    /// The database's words.
    pub(crate) why: String,
}

impl DeadLetter {
    /// A record that is not to wait any longer.
    pub(crate) fn given_up(record: Record, why: &str) -> DeadLetter {
        let (message, what) = match record {
            Record::Message(message) => {
                let what = format!("message topic={}", message.topic);
                (Some(message), what)
            }
            Record::Event(event, _) => (None, format!("event {event:?}")),
        };
        DeadLetter {
            message,
            what,
            why: why.into(),
        }
    }
}

/// Row numbers by message: two generations, of which the older one is forgotten.
#[derive(Default)]
struct Rows {
    young: HashMap<MessageId, u64>,
    old: HashMap<MessageId, u64>,
}

impl Rows {
    fn add(&mut self, id: MessageId, row: u64) {
        if self.young.len() >= ROWS_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, row);
    }

    fn complete(&self, place: &mut Place) {
        if let (None, Some(number)) = (place.row, place.id.number()) {
            place.row = self.young.get(&number).or_else(|| self.old.get(&number)).copied();
        }
    }
}

impl<'a> Performer<'a> {
    /// `marks` as they were noted before the start.
    pub(crate) fn new(keeping: &'a Keeping, pool: &'a Pool, marks: HashMap<usize, u64>) -> Performer<'a> {
        Performer {
            keeping,
            pool,
            rows: Rows::default(),
            marks,
            may_repeat: false,
            outcome: Outcome::default(),
        }
    }

    /// Finds the marks of keeps that have none, before anything is appended to them for the first time. Answers whether
    /// there are new ones, which must be durable before [`Performer::perform`].
    pub(crate) async fn prepare(&mut self, slices: &Slices) -> Asked<bool> {
        let mut any = false;
        for (keep, _) in &slices.appends {
            if self.marks.contains_key(keep) {
                continue;
            }
            if let Some(mark) = self.keeping.keeps[*keep].setup.messages.mark().await? {
                self.marks.insert(*keep, mark);
                self.outcome.marks.push((*keep, mark));
                any = true;
            }
        }
        Ok(any)
    }

    /// Whether what was sent before may be sent again as it is: nothing is appended by row numbers.
    pub(crate) fn is_keyed(&self) -> bool {
        self.marks.is_empty()
    }

    /// Asks for everything in the slices. On `Away` what is left in them is to be asked again. `may_repeat`: it may have
    /// been asked before.
    pub(crate) async fn perform(&mut self, slices: &mut Slices, may_repeat: bool) -> Asked<()> {
        self.may_repeat |= may_repeat;
        let done = self.all(slices).await;
        self.may_repeat = done.is_err();
        done
    }

    async fn all(&mut self, slices: &mut Slices) -> Asked<()> {
        self.append(&mut slices.appends).await?;
        self.retained(slices).await?;
        self.positions(slices).await?;
        self.delete(&mut slices.deletes).await?;
        self.presence(slices).await?;
        self.subscriptions(slices).await?;
        self.run(slices).await
    }

    async fn append(&mut self, appends: &mut ByKeep<KeptMessage>) -> Asked<()> {
        while let Some((keep, waiting)) = appends.last_mut() {
            let keep = *keep;
            let kept = &self.keeping.keeps[keep];
            let count = waiting.len().min(kept.setup.batch.max(1));
            let messages = &waiting[..count];
            let above = self.marks.get(&keep).copied().filter(|_| self.may_repeat);
            let answers = kept.setup.messages.append(messages, above).await?;
            expect(answers.len(), messages.len(), "append")?;
            let mut highest = None;
            for (message, answer) in messages.iter().zip(answers) {
                match answer {
                    Ok(row) => {
                        highest = highest.max(row);
                        if let (Some(number), Some(row)) = (message.id.number(), row) {
                            self.rows.add(number, row);
                        }
                        match kept.topics.add(&message.topic) {
                            Added::Known => {}
                            Added::New => self.outcome.topics.push((keep, message.topic.clone())),
                            Added::NoRoom => kept.tell_of_too_many_topics(),
                        }
                        self.sent(1);
                    }
                    Err(refused) => self.outcome.dead.push(DeadLetter {
                        what: format!("append to {} topic={}", kept.setup.name, message.topic),
                        why: refused.why,
                        message: Some(message.clone()),
                    }),
                }
            }
            if let Some(highest) = highest
                && self.marks.get(&keep).is_some_and(|mark| *mark < highest)
            {
                self.marks.insert(keep, highest);
                self.outcome.marks.push((keep, highest));
            }
            waiting.drain(..count);
            if waiting.is_empty() {
                appends.pop();
            }
        }
        Ok(())
    }

    async fn retained(&mut self, slices: &mut Slices) -> Asked<()> {
        let Some(table) = self.pool.backend.retained() else {
            return Ok(());
        };
        if !slices.retained.is_empty() {
            let answers = table.set(&slices.retained).await?;
            let what = |at: usize| format!("set the retained message topic={}", slices.retained[at].topic);
            self.answered(answers, slices.retained.len(), what)?;
            slices.retained.clear();
        }
        if !slices.cleared.is_empty() {
            let answers = table.clear(&slices.cleared).await?;
            let what = |at: usize| format!("clear the retained message topic={}", slices.cleared[at]);
            self.answered(answers, slices.cleared.len(), what)?;
            slices.cleared.clear();
        }
        Ok(())
    }

    async fn positions(&mut self, slices: &mut Slices) -> Asked<()> {
        while let Some((keep, marks)) = slices.marks.last_mut() {
            for mark in marks.iter_mut() {
                self.rows.complete(&mut mark.place);
            }
            let answers = self.keeping.keeps[*keep]
                .setup
                .messages
                .acknowledge(marks)
                .await?;
            let what = |at: usize| {
                let mark = &marks[at];
                format!(
                    "write a read position client={} topic={}",
                    mark.client, mark.topic
                )
            };
            self.answered(answers, marks.len(), what)?;
            slices.marks.pop();
        }
        while let Some((keep, whose)) = slices.forgotten.last() {
            let answers = self.keeping.keeps[*keep].setup.messages.forget(whose).await?;
            let what = |at: usize| {
                let (client, topic) = &whose[at];
                format!("forget a read position client={client} topic={topic}")
            };
            self.answered(answers, whose.len(), what)?;
            slices.forgotten.pop();
        }
        Ok(())
    }

    async fn delete(&mut self, deletes: &mut ByKeep<(Box<str>, Place)>) -> Asked<()> {
        while let Some((keep, gone)) = deletes.last_mut() {
            for (_, place) in gone.iter_mut() {
                self.rows.complete(place);
            }
            let kept = &self.keeping.keeps[*keep];
            let answers = kept.setup.messages.delete(gone).await?;
            for (topic, place) in gone.iter() {
                self.keeping.leases.done(*keep, topic, &place.id);
            }
            let what = |at: usize| {
                let (topic, place) = &gone[at];
                format!(
                    "delete from {} topic={topic} id={}",
                    kept.setup.name,
                    place.id.text()
                )
            };
            self.answered(answers, gone.len(), what)?;
            deletes.pop();
        }
        Ok(())
    }

    async fn presence(&mut self, slices: &mut Slices) -> Asked<()> {
        let Some(table) = self.pool.backend.presence() else {
            return Ok(());
        };
        for standings in [&mut slices.visits, &mut slices.standings] {
            if standings.is_empty() {
                continue;
            }
            let answers = table.record(&self.keeping.node, standings).await?;
            let what = |at: usize| format!("write how a client stands client={}", standings[at].client);
            self.answered(answers, standings.len(), what)?;
            standings.clear();
        }
        Ok(())
    }

    async fn subscriptions(&mut self, slices: &mut Slices) -> Asked<()> {
        while let Some((keep, rows)) = slices.subscriptions.last() {
            if let Some(table) = &self.keeping.keeps[*keep].setup.subscriptions {
                let answers = table.write(rows).await?;
                let what = |at: usize| {
                    let row = &rows[at];
                    format!("write a subscription client={} filter={}", row.client, row.filter)
                };
                self.answered(answers, rows.len(), what)?;
            }
            slices.subscriptions.pop();
        }
        while let Some((keep, whose)) = slices.unsubscribed.last() {
            if let Some(table) = &self.keeping.keeps[*keep].setup.subscriptions {
                let answers = table.remove(whose).await?;
                let what = |at: usize| {
                    let (client, filter) = &whose[at];
                    format!("remove a subscription client={client} filter={filter}")
                };
                self.answered(answers, whose.len(), what)?;
            }
            slices.unsubscribed.pop();
        }
        Ok(())
    }

    async fn run(&mut self, slices: &mut Slices) -> Asked<()> {
        let Some(statements) = self.pool.backend.statements() else {
            return Ok(());
        };
        if !slices.runs.is_empty() {
            let answers = statements.run(&slices.runs).await?;
            let what = |at: usize| format!("run statement {}", slices.runs[at].statement.0);
            self.answered(answers, slices.runs.len(), what)?;
            slices.runs.clear();
        }
        Ok(())
    }

    /// Counts what was done; what was refused becomes dead letters.
    fn answered(&mut self, answers: Vec<Done>, asked: usize, what: impl Fn(usize) -> String) -> Asked<()> {
        expect(answers.len(), asked, "do something")?;
        let mut done = 0;
        for (at, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(()) => done += 1,
                Err(refused) => self.outcome.dead.push(DeadLetter {
                    message: None,
                    what: what(at),
                    why: refused.why,
                }),
            }
        }
        self.sent(done);
        Ok(())
    }

    fn sent(&self, count: u64) {
        self.pool.figures.sent.fetch_add(count, Ordering::Relaxed);
    }
}

/// A backend that answers for more or fewer than it was asked has answered nothing.
fn expect(answers: usize, asked: usize, what: &str) -> Asked<()> {
    match answers == asked {
        true => Ok(()),
        false => Err(Away {
            why: format!(
                "the backend gave {answers} answers when asked to {what} {asked} times, a mistake of the program"
            ),
        }),
    }
}
