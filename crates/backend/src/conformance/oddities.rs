//! Topics, payloads and sizes that are not what one thinks of first. Each is kept exactly, or refused with a sentence
//! while its neighbours are kept; nothing is ever cut.

use super::{
    Case, Trial, Verdict, cases, ensure,
    messages::{Maker, all, append, same, there},
};
use crate::messages::{KeptMessage, Messages};

pub(crate) const CASES: &[Case] = cases! {
    topics_with_quotes_and_placeholders_are_only_topics
    topics_that_differ_by_a_hair_are_two
    odd_payloads_come_back_as_they_were
    k11_what_is_too_long_is_refused_and_its_neighbours_kept
    a_publisher_that_nobody_knows_is_empty
};

/// Topics that would be statements, patterns or other topics where somebody pasted, folded or matched them.
const TOPICS: &[&str] = &[
    "it's",
    "\"quoted\"",
    "`ticks`",
    "back\\slash",
    "${topic}",
    "${payload}/${",
    "'; drop table mqtt_msg; --",
    "/*",
    "--",
    "$1/?/:a/%s/%",
    "under_score",
    "a b  c",
    "{tag}",
    "*",
    "[x]",
    "\u{e9}t\u{e9}/\u{1f6b2}",
    "new\nline\ttab",
    "/",
];

async fn topics_with_quotes_and_placeholders_are_only_topics(trial: Trial) -> Verdict {
    each_has_its_own(&trial, TOPICS).await
}

async fn topics_that_differ_by_a_hair_are_two(trial: Trial) -> Verdict {
    let topics = [
        "Room",
        "room",
        "ROOM",
        "room ",
        "room  ",
        " room",
        "roo\u{301}m",
        "ro\u{f3}m",
        "r\u{2168}m",
        "r_om",
    ];
    each_has_its_own(&trial, &topics).await
}

/// One message in each topic, and each fetch, newest and delete finds its own only.
async fn each_has_its_own(trial: &Trial, topics: &[&str]) -> Verdict {
    let messages = trial.messages()?;
    let mut maker = Maker::new();
    let sent: Vec<_> = topics
        .iter()
        .map(|topic| maker.next(topic, (*topic).to_owned()))
        .collect();
    append(&*messages, &sent, None).await?;
    for message in &sent {
        let found = all(&*messages, &message.topic, None, 10).await?;
        same(&found, std::slice::from_ref(message))
            .map_err(|why| format!("topic {:?}: {why}", message.topic))?;
        let newest = there(messages.newest(&message.topic).await)?;
        ensure!(
            newest.as_ref().map(|place| &place.id) == Some(&message.id),
            "the newest of topic {:?} is {newest:?}",
            message.topic
        );
    }
    for (at, message) in sent.iter().enumerate() {
        let found = all(&*messages, &message.topic, None, 10).await?;
        let Some(found) = found.into_iter().next() else {
            return Err(format!(
                "the message of topic {:?} went with that of another",
                message.topic
            ));
        };
        there(messages.delete(&[(message.topic.clone(), found.place)]).await)?;
        let left = all(&*messages, &message.topic, None, 10).await?;
        ensure!(
            left.is_empty(),
            "the message of topic {:?} was not deleted",
            message.topic
        );
        if let Some(next) = sent.get(at + 1) {
            same(
                &all(&*messages, &next.topic, None, 10).await?,
                std::slice::from_ref(next),
            )?;
        }
    }
    Ok(())
}

async fn odd_payloads_come_back_as_they_were(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let mut maker = Maker::new();
    let plain = [
        maker.next("payloads", ""),
        maker.next("payloads", "it's \"quoted\" \\ ${payload} %s ? \u{1f6b2}"),
        maker.next("payloads", "{\"a\":[1,2,{\"b\":null}]}"),
        maker.next("payloads", " \t\r\n "),
    ];
    append(&*messages, &plain, None).await?;
    same(&all(&*messages, "payloads", None, 10).await?, &plain)?;

    let bytes: Vec<u8> = (0..=255).collect();
    let odd = [
        maker.next("odd", "before"),
        maker.next("odd", bytes),
        maker.next("odd", &b"\0"[..]),
        maker.next("odd", &b"\xc3\x28 no text"[..]),
        maker.next("odd", vec![b'x'; 1 << 20]),
        maker.next("odd", "after"),
    ];
    let kept = kept_or_refused(&*messages, &odd).await?;
    let expected = if trial.any_payload { &kept[..4] } else { &kept[..1] };
    ensure!(
        expected.iter().all(|kept| *kept),
        "a payload that can be kept was refused"
    );
    Ok(())
}

async fn k11_what_is_too_long_is_refused_and_its_neighbours_kept(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let mut maker = Maker::new();
    let long_topic = "t/".repeat(100) + &"\u{e9}".repeat(10_000);
    let before = maker.next("long", "before");
    let mut sender = maker.next("long", "the sender is long");
    sender.sender = "\u{e9}".repeat(20_000).into();
    let sent = [
        before,
        sender,
        maker.next(&long_topic, "the topic is long"),
        maker.next(&long_topic[..200], "its beginning"),
        maker.next("long", "after"),
    ];
    let kept = kept_or_refused(&*messages, &sent).await?;
    ensure!(kept[0] && kept[4], "a neighbour was refused");
    Ok(())
}

async fn a_publisher_that_nobody_knows_is_empty(trial: Trial) -> Verdict {
    let messages = trial.messages()?;
    let mut message = Maker::new().next("anonymous", "x");
    message.sender = "".into();
    append(&*messages, std::slice::from_ref(&message), None).await?;
    same(&all(&*messages, "anonymous", None, 10).await?, &[message])
}

/// Appends in one slice. What was taken must come back exactly, what was refused must have a reason and not be there.
/// The first and the last must be taken. Gives back which ones were.
async fn kept_or_refused(messages: &dyn Messages, sent: &[KeptMessage]) -> Result<Vec<bool>, String> {
    let answers = there(messages.append(sent, None).await)?;
    ensure!(
        answers.len() == sent.len(),
        "{} answers to {} messages",
        answers.len(),
        sent.len()
    );
    for answer in &answers {
        if let Err(refused) = answer {
            ensure!(
                refused.why.len() > 10,
                "refused without a sentence: {:?}",
                refused.why
            );
        }
    }
    let kept: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    for message in sent {
        let of_topic = sent
            .iter()
            .zip(&kept)
            .filter(|(other, kept)| other.topic == message.topic && **kept);
        let expected: Vec<_> = of_topic.map(|(message, _)| message.clone()).collect();
        let found = all(messages, &message.topic, None, 10).await?;
        let shown: String = message.topic.chars().take(20).collect();
        same(&found, &expected).map_err(|why| format!("topic {shown:?}…: {why}"))?;
    }
    ensure!(
        kept.first() == Some(&true) && kept.last() == Some(&true),
        "a neighbour was refused"
    );
    Ok(kept)
}
