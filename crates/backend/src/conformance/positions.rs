//! Read positions: each client has its own in each topic, where the layout has a place for them.

use super::{
    Case, Trial, Verdict, cases, ensure,
    messages::{Maker, all, append, same, taken, there},
};
use crate::messages::{FetchedMessage, KeptMessage, Layout, Mark, Messages};

pub(crate) const CASES: &[Case] = cases! {
    a_position_is_read_where_it_was_written
    positions_move_on
    each_client_and_topic_has_its_own
    c10_a_forgotten_position_is_none
    a_position_outlives_its_message
};

/// Messages in a topic, as sent and as found.
async fn begin(
    trial: &Trial,
    topic: &str,
) -> Result<
    (
        std::sync::Arc<dyn Messages>,
        Vec<KeptMessage>,
        Vec<FetchedMessage>,
    ),
    String,
> {
    let messages = trial.messages()?;
    let sent = Maker::new().several(topic, 6);
    append(&*messages, &sent, None).await?;
    let found = all(&*messages, topic, None, 100).await?;
    same(&found, &sent)?;
    Ok((messages, sent, found))
}

fn mark(client: &str, found: &FetchedMessage) -> Mark {
    Mark {
        client: client.into(),
        topic: found.message.topic.clone(),
        place: found.place.clone(),
    }
}

async fn write(messages: &dyn Messages, marks: &[Mark]) -> Verdict {
    taken(marks.len(), &there(messages.acknowledge(marks).await)?)
}

/// Whether the layout keeps positions; if it does not, there must be none.
async fn keeps(trial: &Trial, messages: &dyn Messages, client: &str, topic: &str) -> Result<bool, String> {
    if trial.spec.layout == Layout::Backends {
        return Ok(true);
    }
    let position = there(messages.position(client, topic).await)?;
    ensure!(
        position.is_none(),
        "a layout without positions has one: {position:?}"
    );
    Ok(false)
}

/// Whether what is fetched from a client's position on is what follows.
async fn follows(messages: &dyn Messages, client: &str, topic: &str, rest: &[KeptMessage]) -> Verdict {
    let Some(position) = there(messages.position(client, topic).await)? else {
        return Err(format!("the position of {client:?} in {topic:?} is lost"));
    };
    same(&all(messages, topic, Some(position), 2).await?, rest)
        .map_err(|why| format!("behind {client:?}: {why}"))
}

async fn a_position_is_read_where_it_was_written(trial: Trial) -> Verdict {
    let (messages, sent, found) = begin(&trial, "read").await?;
    write(&*messages, &[mark("c", &found[2])]).await?;
    if !keeps(&trial, &*messages, "c", "read").await? {
        return Ok(());
    }
    follows(&*messages, "c", "read", &sent[3..]).await
}

async fn positions_move_on(trial: Trial) -> Verdict {
    let (messages, sent, found) = begin(&trial, "move").await?;
    for (at, found) in found.iter().enumerate() {
        write(&*messages, &[mark("c", found)]).await?;
        write(&*messages, &[mark("c", found)]).await?;
        if !keeps(&trial, &*messages, "c", "move").await? {
            return Ok(());
        }
        follows(&*messages, "c", "move", &sent[at + 1..]).await?;
    }
    Ok(())
}

async fn each_client_and_topic_has_its_own(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let mut maker = Maker::new();
    let (one, two) = (maker.several("one", 4), maker.several("it's ${two}", 4));
    append(&*messages, &[one.clone(), two.clone()].concat(), None).await?;
    let found_one = all(&*messages, "one", None, 100).await?;
    let found_two = all(&*messages, "it's ${two}", None, 100).await?;
    same(&found_one, &one)?;
    let marks = [
        mark("a", &found_one[0]),
        mark("b'\"", &found_one[2]),
        mark("a", &found_two[1]),
    ];
    write(&*messages, &marks).await?;
    if !keeps(&trial, &*messages, "a", "one").await? {
        return Ok(());
    }
    follows(&*messages, "a", "one", &one[1..]).await?;
    follows(&*messages, "b'\"", "one", &one[3..]).await?;
    follows(&*messages, "a", "it's ${two}", &two[2..]).await?;
    let none = there(messages.position("b'\"", "it's ${two}").await)?;
    ensure!(
        none.is_none(),
        "a client has a position that it never had: {none:?}"
    );
    Ok(())
}

async fn c10_a_forgotten_position_is_none(trial: Trial) -> Verdict {
    let (messages, sent, found) = begin(&trial, "forget").await?;
    write(&*messages, &[mark("a", &found[0]), mark("b", &found[1])]).await?;
    let whose = [("a".into(), "forget".into()), ("nobody".into(), "forget".into())];
    taken(2, &there(messages.forget(&whose).await)?)?;
    let none = there(messages.position("a", "forget").await)?;
    ensure!(none.is_none(), "a forgotten position is {none:?}");
    if !keeps(&trial, &*messages, "a", "forget").await? {
        return Ok(());
    }
    follows(&*messages, "b", "forget", &sent[2..]).await
}

async fn a_position_outlives_its_message(trial: Trial) -> Verdict {
    let (messages, sent, found) = begin(&trial, "outlive").await?;
    write(&*messages, &[mark("c", &found[2])]).await?;
    let gone: Vec<_> = found[..4]
        .iter()
        .map(|found| ("outlive".into(), found.place.clone()))
        .collect();
    taken(4, &there(messages.delete(&gone).await)?)?;
    // As a position that was remembered by whoever asks.
    let rest = all(&*messages, "outlive", Some(found[2].place.clone()), 100).await?;
    same(&rest, &sent[4..])?;
    if !keeps(&trial, &*messages, "c", "outlive").await? {
        return Ok(());
    }
    match there(messages.position("c", "outlive").await)? {
        Some(_) => follows(&*messages, "c", "outlive", &sent[4..]).await,
        None => Err("the position went with its message".to_owned()),
    }
}
