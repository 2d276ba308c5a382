//! A backlog: what was appended is fetched, in order, once, until it is deleted.

use restante_model::UnixMillis;

use super::{
    Case, Trial, Verdict, cases, ensure,
    messages::{Maker, all, append, page, same, taken, there},
};
use crate::{
    messages::{Fetch, Place},
    stored_id::StoredId,
};

pub(crate) const CASES: &[Case] = cases! {
    what_is_appended_is_fetched_in_order
    pages_follow_one_another
    ids_of_one_moment_keep_their_order
    a_slice_in_any_order_of_topics_is_kept_in_theirs
    k36_appending_again_does_not_double
    what_arrived_before_is_left_out
    deleted_messages_are_gone_and_others_stay
    k36_a_message_whose_row_is_unknown_is_deleted
    deleting_again_is_done
    the_newest_is_the_last_one
    k46_a_deleted_message_may_be_appended_again
    nothing_is_answered_with_nothing
    k38_topics_with_messages_are_listed
};

pub(crate) const HISTORY_CASES: &[Case] = cases! {
    history_takes_what_it_is_given
};

async fn what_is_appended_is_fetched_in_order(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let sent = Maker::new().several("a/b", 12);
    append(&*messages, &sent[..8], None).await?;
    append(&*messages, &sent[8..], None).await?;
    same(&all(&*messages, "a/b", None, 100).await?, &sent)
}

async fn pages_follow_one_another(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let sent = Maker::new().several("pages", 25);
    append(&*messages, &sent, None).await?;
    let first = page(&*messages, "pages", None, 10).await?;
    ensure!(
        first.more,
        "a first page of 10 out of 25 says that there is nothing more"
    );
    same(&first.messages, &sent[..10])?;
    for size in [1, 5, 10, 25, 26] {
        let found = all(&*messages, "pages", None, size).await?;
        same(&found, &sent).map_err(|why| format!("in pages of {size}: {why}"))?;
    }
    let last = page(&*messages, "pages", Some(&first.messages[9].place), 100).await?;
    ensure!(!last.more, "the last page says that there is more");
    same(&last.messages, &sent[10..])
}

async fn ids_of_one_moment_keep_their_order(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let mut maker = Maker::new();
    let sent: Vec<_> = (0..40).map(|_| maker.same_moment("moment")).collect();
    append(&*messages, &sent, None).await?;
    same(&all(&*messages, "moment", None, 7).await?, &sent)
}

async fn a_slice_in_any_order_of_topics_is_kept_in_theirs(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let mut maker = Maker::new();
    let topics = ["one", "two", "three", "four", "five", "six", "seven"];
    let sent: Vec<_> = (0..1_000usize)
        .map(|number| maker.next(topics[number * number % 7 % topics.len()], number.to_string()))
        .collect();
    append(&*messages, &sent, None).await?;
    for topic in topics {
        let expected: Vec<_> = sent
            .iter()
            .filter(|message| &*message.topic == topic)
            .cloned()
            .collect();
        let found = all(&*messages, topic, None, 300).await?;
        same(&found, &expected).map_err(|why| format!("topic {topic:?}: {why}"))?;
    }
    Ok(())
}

async fn k36_appending_again_does_not_double(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let sent = Maker::new().several("again", 9);
    append(&*messages, &sent[..2], None).await?;
    let mark = there(messages.mark().await)?;
    append(&*messages, &sent[2..6], None).await?;
    // The reply was lost; the batch comes again, with some that follow.
    append(&*messages, &sent[2..], mark).await?;
    append(&*messages, &sent[2..], mark).await?;
    same(&all(&*messages, "again", None, 100).await?, &sent)
}

async fn what_arrived_before_is_left_out(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let mut maker = Maker::new();
    let sent = [
        maker.next("since", "early"),
        maker.after_seconds(10, "since"),
        maker.after_seconds(10, "since"),
    ];
    append(&*messages, &sent, None).await?;
    let since = UnixMillis(sent[1].arrived.0 - 3_000);
    let fetch = Fetch {
        topic: "since",
        after: None,
        since: Some(since),
        messages_max: 10,
    };
    let fetched = there(messages.fetch(&fetch).await)?;
    same(&fetched.messages, &sent[1..])
}

async fn deleted_messages_are_gone_and_others_stay(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let mut maker = Maker::new();
    let sent = maker.several("gone", 6);
    let other = maker.several("other", 2);
    append(&*messages, &[sent.clone(), other.clone()].concat(), None).await?;
    let found = all(&*messages, "gone", None, 100).await?;
    same(&found, &sent)?;
    let gone: Vec<(Box<str>, Place)> = [1, 3, 4]
        .iter()
        .map(|&at: &usize| ("gone".into(), found[at].place.clone()))
        .collect();
    taken(gone.len(), &there(messages.delete(&gone).await)?)?;
    let left = [sent[0].clone(), sent[2].clone(), sent[5].clone()];
    same(&all(&*messages, "gone", None, 100).await?, &left)?;
    same(&all(&*messages, "other", None, 100).await?, &other)
}

async fn k36_a_message_whose_row_is_unknown_is_deleted(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let sent = Maker::new().several("rowless", 3);
    append(&*messages, &sent, None).await?;
    let place = Place {
        id: sent[1].id.clone(),
        row: None,
    };
    taken(1, &there(messages.delete(&[("rowless".into(), place)]).await)?)?;
    let left = [sent[0].clone(), sent[2].clone()];
    same(&all(&*messages, "rowless", None, 100).await?, &left)
}

async fn deleting_again_is_done(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let sent = Maker::new().several("twice", 2);
    append(&*messages, &sent, None).await?;
    let found = all(&*messages, "twice", None, 100).await?;
    let gone = [("twice".into(), found[0].place.clone())];
    taken(1, &there(messages.delete(&gone).await)?)?;
    taken(1, &there(messages.delete(&gone).await)?)?;
    let never = Place {
        id: StoredId::parse("nothing was ever called so"),
        row: None,
    };
    taken(1, &there(messages.delete(&[("nowhere".into(), never)]).await)?)?;
    same(&all(&*messages, "twice", None, 100).await?, &sent[1..])
}

async fn the_newest_is_the_last_one(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let none = there(messages.newest("newest").await)?;
    ensure!(none.is_none(), "the newest message of an empty topic is {none:?}");
    let mut maker = Maker::new();
    let sent = maker.several("newest", 5);
    let other = maker.several("newer", 1);
    append(&*messages, &[sent.clone(), other].concat(), None).await?;
    let newest = there(messages.newest("newest").await)?;
    let Some(newest) = newest else {
        return Err("a topic with messages has no newest".to_owned());
    };
    ensure!(
        newest.id == sent[4].id,
        "the newest is {:?}, not {:?}",
        newest.id,
        sent[4].id
    );
    let later = maker.several("newest", 2);
    append(&*messages, &later, None).await?;
    same(&all(&*messages, "newest", Some(newest), 100).await?, &later)
}

async fn k46_a_deleted_message_may_be_appended_again(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let sent = Maker::new().several("back", 2);
    append(&*messages, &sent, None).await?;
    let found = all(&*messages, "back", None, 100).await?;
    let gone: Vec<(Box<str>, Place)> = found
        .into_iter()
        .map(|found| ("back".into(), found.place))
        .collect();
    taken(2, &there(messages.delete(&gone).await)?)?;
    same(&all(&*messages, "back", None, 100).await?, &[])?;
    append(&*messages, &sent, None).await?;
    same(&all(&*messages, "back", None, 100).await?, &sent)
}

async fn nothing_is_answered_with_nothing(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    append(&*messages, &[], None).await?;
    taken(0, &there(messages.delete(&[]).await)?)?;
    taken(0, &there(messages.acknowledge(&[]).await)?)?;
    taken(0, &there(messages.forget(&[]).await)?)?;
    let empty = page(&*messages, "nobody was here", None, 10).await?;
    ensure!(
        empty.messages.is_empty() && !empty.more,
        "an empty topic has {} messages",
        empty.messages.len()
    );
    let position = there(messages.position("nobody", "nobody was here").await)?;
    ensure!(position.is_none(), "nobody has read up to {position:?}");
    Ok(())
}

async fn k38_topics_with_messages_are_listed(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let mut maker = Maker::new();
    let mut expected: Vec<String> = (0..23).map(|number| format!("list/{number:02}")).collect();
    let sent: Vec<_> = expected
        .iter()
        .flat_map(|topic| maker.several(topic, 2))
        .collect();
    append(&*messages, &sent, None).await?;
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    for _ in 0..1_000 {
        let Some(page) = there(messages.topics(after.as_deref(), 5).await)? else {
            // Its user may not list them.
            return Ok(());
        };
        found.extend(page.topics);
        after = page.after;
        if after.is_none() {
            break;
        }
    }
    ensure!(after.is_none(), "the list of topics has no end");
    found.sort_unstable();
    found.dedup();
    expected.sort_unstable();
    ensure!(found == expected, "the topics are {found:?}, not {expected:?}");
    Ok(())
}

async fn history_takes_what_it_is_given(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let sent = Maker::new().several("history", 20);
    let mark = there(messages.mark().await)?;
    append(&*messages, &sent, None).await?;
    append(&*messages, &sent, mark).await
}
