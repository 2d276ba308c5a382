//! The newest message of each topic.

use super::{
    Case, Trial, Verdict, cases, ensure,
    messages::{Maker, all, append, same, taken, there},
};
use crate::messages::{Messages, Place};

pub(crate) const CASES: &[Case] = cases! {
    only_the_newest_stays
    an_older_one_that_comes_late_replaces_nothing
    an_acknowledged_one_is_gone
    acknowledging_an_older_one_leaves_the_newest
    topics_have_their_own
    odd_payloads_are_kept
};

async fn only_the_newest_stays(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let sent = Maker::new().several("latest", 5);
    append(&*messages, &sent[..3], None).await?;
    is(&*messages, "latest", &sent[2..3]).await?;
    append(&*messages, &sent[3..], None).await?;
    is(&*messages, "latest", &sent[4..]).await?;
    let newest = there(messages.newest("latest").await)?;
    ensure!(
        newest.map(|place| place.id) == Some(sent[4].id.clone()),
        "the newest is another"
    );
    Ok(())
}

async fn an_older_one_that_comes_late_replaces_nothing(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let sent = Maker::new().several("late", 3);
    append(&*messages, &[sent[2].clone(), sent[1].clone()], None).await?;
    is(&*messages, "late", &sent[2..]).await?;
    append(&*messages, &sent[..2], None).await?;
    is(&*messages, "late", &sent[2..]).await
}

async fn an_acknowledged_one_is_gone(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let sent = Maker::new().several("acknowledged", 2);
    append(&*messages, &sent, None).await?;
    let found = all(&*messages, "acknowledged", None, 10).await?;
    same(&found, &sent[1..])?;
    let gone = [("acknowledged".into(), found[0].place.clone())];
    taken(1, &there(messages.delete(&gone).await)?)?;
    is(&*messages, "acknowledged", &[]).await?;
    taken(1, &there(messages.delete(&gone).await)?)
}

async fn acknowledging_an_older_one_leaves_the_newest(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let sent = Maker::new().several("older", 2);
    append(&*messages, &sent[..1], None).await?;
    let found = all(&*messages, "older", None, 10).await?;
    append(&*messages, &sent[1..], None).await?;
    let by_id = Place {
        id: sent[0].id.clone(),
        row: None,
    };
    for place in [found[0].place.clone(), by_id] {
        taken(1, &there(messages.delete(&[("older".into(), place)]).await)?)?;
        is(&*messages, "older", &sent[1..]).await?;
    }
    Ok(())
}

async fn topics_have_their_own(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let mut maker = Maker::new();
    let sent: Vec<_> = ["Room", "room", "it's", "${topic}"]
        .iter()
        .map(|topic| maker.next(topic, "x"))
        .collect();
    append(&*messages, &sent, None).await?;
    for message in &sent {
        is(&*messages, &message.topic, std::slice::from_ref(message)).await?;
    }
    is(&*messages, "nobody", &[]).await
}

async fn odd_payloads_are_kept(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let mut maker = Maker::new();
    append(&*messages, &[maker.next("odd", "not empty")], None).await?;
    let empty = maker.next("odd", "");
    append(&*messages, std::slice::from_ref(&empty), None).await?;
    is(&*messages, "odd", &[empty]).await?;
    if trial.any_payload {
        let bytes = maker.next("odd", (0..=255).collect::<Vec<u8>>());
        append(&*messages, std::slice::from_ref(&bytes), None).await?;
        is(&*messages, "odd", &[bytes]).await?;
    }
    Ok(())
}

async fn is(messages: &dyn Messages, topic: &str, expected: &[crate::messages::KeptMessage]) -> Verdict {
    same(&all(messages, topic, None, 10).await?, expected).map_err(|why| format!("topic {topic:?}: {why}"))
}
