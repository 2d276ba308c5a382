//! What stands beside the messages: health, schema, subscriptions, retained messages, presence.

use restante_model::{QoS, UnixMillis};

use super::{
    Case, Trial, Verdict, cases, ensure,
    messages::{Maker, same_message, taken, there},
};
use crate::tables::{Standing, SubscriptionRow, Subscriptions};

pub(crate) const CASES: &[Case] = cases! {
    health_names_the_server_and_its_incarnation
    the_schema_is_printed_installed_and_found_right
    what_is_claimed_is_there
    subscriptions_are_read_as_they_were_written
    subscriptions_are_removed
    filters_that_differ_by_a_hair_are_two
    c07_a_retained_message_is_found_and_replaced
    a_retained_message_is_cleared
    presence_pages_through_those_who_are_connected
    presence_follows_clients_as_they_come_and_go
};

async fn health_names_the_server_and_its_incarnation(trial: Trial) -> Verdict {
    let one = there(trial.backend.health().await)?;
    let two = there(trial.backend.health().await)?;
    ensure!(
        one.server.chars().any(|c| c.is_ascii_digit()),
        "{:?} names no version",
        one.server
    );
    ensure!(!one.incarnation.is_empty(), "the server has no incarnation");
    ensure!(
        one.incarnation == two.incarnation,
        "a server that stood still is another"
    );
    Ok(())
}

async fn the_schema_is_printed_installed_and_found_right(trial: Trial) -> Verdict {
    let capable = trial.backend.capabilities().schema;
    let Some(schema) = trial.backend.schema() else {
        ensure!(!capable, "a schema is claimed, and there is none");
        return Ok(());
    };
    ensure!(capable, "there is a schema that is not claimed");
    ensure!(
        !schema.print(&trial.spec).trim().is_empty(),
        "the schema is empty"
    );
    there(schema.install(&trial.spec).await)?;
    there(schema.install(&trial.spec).await)?;
    let differences = there(schema.check(&trial.spec).await)?;
    ensure!(
        differences.is_empty(),
        "what was installed is found wrong: {differences:?}"
    );
    Ok(())
}

async fn what_is_claimed_is_there(trial: Trial) -> Verdict {
    let capabilities = trial.backend.capabilities();
    for &(layout, mode) in capabilities.modes {
        let mut spec = trial.spec.clone();
        (spec.layout, spec.mode) = (layout, mode);
        let made = trial.backend.messages(&spec);
        ensure!(made.is_ok(), "{layout:?} {mode:?} is claimed and refused");
    }
    let claims = capabilities.statements.is_some();
    ensure!(
        claims == trial.backend.statements().is_some(),
        "statements are claimed or there, not both"
    );
    let unknown = crate::messages::KeepSpec {
        templates: [("no_such_template".to_owned(), "x".to_owned())].into(),
        ..trial.spec.clone()
    };
    ensure!(
        trial.backend.messages(&unknown).is_err(),
        "a template that there is not is taken"
    );
    Ok(())
}

fn row(client: &str, filter: &str, qos: QoS) -> SubscriptionRow {
    SubscriptionRow {
        client: client.into(),
        filter: filter.into(),
        qos,
    }
}

async fn has(subscriptions: &dyn Subscriptions, client: &str, expected: &[SubscriptionRow]) -> Verdict {
    let (mut rows, unreadable) = there(subscriptions.of(client).await)?;
    ensure!(
        unreadable.is_empty(),
        "what was written here cannot be read: {unreadable:?}"
    );
    let mut expected = expected.to_vec();
    rows.sort_by(|one, two| one.filter.cmp(&two.filter));
    expected.sort_by(|one, two| one.filter.cmp(&two.filter));
    ensure!(
        rows == expected,
        "client {client:?} has {rows:?}, not {expected:?}"
    );
    Ok(())
}

async fn subscriptions_are_read_as_they_were_written(trial: Trial) -> Verdict {
    let subscriptions = trial
        .backend
        .subscriptions(&trial.spec)
        .map_err(|unfit| unfit.why)?;
    has(&*subscriptions, "nobody", &[]).await?;
    let rows = [
        row("a", "t/#", QoS::AtLeastOnce),
        row("a", "+/x", QoS::AtMostOnce),
        row("it's ${clientid}", "t/'\"", QoS::ExactlyOnce),
    ];
    taken(3, &there(subscriptions.write(&rows).await)?)?;
    has(&*subscriptions, "a", &rows[..2]).await?;
    has(&*subscriptions, "it's ${clientid}", &rows[2..]).await?;
    let changed = [
        row("a", "t/#", QoS::ExactlyOnce),
        row("a", "new", QoS::AtLeastOnce),
    ];
    taken(2, &there(subscriptions.write(&changed).await)?)?;
    taken(2, &there(subscriptions.write(&changed).await)?)?;
    has(
        &*subscriptions,
        "a",
        &[changed[0].clone(), changed[1].clone(), rows[1].clone()],
    )
    .await
}

async fn subscriptions_are_removed(trial: Trial) -> Verdict {
    let subscriptions = trial
        .backend
        .subscriptions(&trial.spec)
        .map_err(|unfit| unfit.why)?;
    let rows = [
        row("a", "one", QoS::AtLeastOnce),
        row("a", "two", QoS::AtLeastOnce),
        row("b", "one", QoS::AtLeastOnce),
    ];
    taken(3, &there(subscriptions.write(&rows).await)?)?;
    let gone = [
        ("a".into(), "one".into()),
        ("a".into(), "never".into()),
        ("nobody".into(), "one".into()),
    ];
    taken(3, &there(subscriptions.remove(&gone).await)?)?;
    taken(3, &there(subscriptions.remove(&gone).await)?)?;
    has(&*subscriptions, "a", &rows[1..2]).await?;
    has(&*subscriptions, "b", &rows[2..]).await?;
    taken(0, &there(subscriptions.remove(&[]).await)?)?;
    taken(0, &there(subscriptions.write(&[]).await)?)
}

/// Where a collation folds two filters into one row, the second must be refused and not take the first one's place.
async fn filters_that_differ_by_a_hair_are_two(trial: Trial) -> Verdict {
    let subscriptions = trial
        .backend
        .subscriptions(&trial.spec)
        .map_err(|unfit| unfit.why)?;
    let rows = [
        row("a", "Room", QoS::AtLeastOnce),
        row("a", "room", QoS::ExactlyOnce),
    ];
    let mut expected = Vec::new();
    for row in &rows {
        let answers = there(subscriptions.write(std::slice::from_ref(row)).await)?;
        ensure!(
            answers.len() == 1,
            "{} answers to one subscription",
            answers.len()
        );
        if answers[0].is_ok() {
            expected.push(row.clone());
        }
    }
    ensure!(!expected.is_empty(), "both were refused");
    has(&*subscriptions, "a", &expected).await
}

async fn c07_a_retained_message_is_found_and_replaced(trial: Trial) -> Verdict {
    let Some(retained) = trial.backend.retained() else {
        return Ok(());
    };
    let mut maker = Maker::new();
    let mut sent: Vec<_> = ["a", "A", "it's ${topic}", "a/b"]
        .iter()
        .map(|topic| maker.next(topic, "one"))
        .collect();
    for message in &mut sent {
        message.retain = true;
    }
    taken(4, &there(retained.set(&sent).await)?)?;
    for message in &sent {
        match there(retained.lookup(&message.topic).await)? {
            Ok(Some(found)) => same_message(&found, message)?,
            other => {
                return Err(format!(
                    "the retained message of {:?} is {other:?}",
                    message.topic
                ));
            }
        }
    }
    let mut newer = maker.next("a", "two");
    newer.retain = true;
    taken(1, &there(retained.set(std::slice::from_ref(&newer)).await)?)?;
    match there(retained.lookup("a").await)? {
        Ok(Some(found)) => same_message(&found, &newer),
        other => Err(format!("the retained message that was replaced is {other:?}")),
    }
}

async fn a_retained_message_is_cleared(trial: Trial) -> Verdict {
    let Some(retained) = trial.backend.retained() else {
        return Ok(());
    };
    let mut maker = Maker::new();
    let mut sent = [maker.next("clear", "x"), maker.next("stay", "y")];
    for message in &mut sent {
        message.retain = true;
    }
    taken(2, &there(retained.set(&sent).await)?)?;
    let topics = ["clear".into(), "never".into()];
    taken(2, &there(retained.clear(&topics).await)?)?;
    taken(2, &there(retained.clear(&topics).await)?)?;
    let gone = there(retained.lookup("clear").await)?;
    ensure!(gone == Ok(None), "what was cleared is {gone:?}");
    match there(retained.lookup("stay").await)? {
        Ok(Some(found)) => same_message(&found, &sent[1])?,
        other => return Err(format!("what was not cleared is {other:?}")),
    }
    taken(0, &there(retained.set(&[]).await)?)?;
    taken(0, &there(retained.clear(&[]).await)?)
}

fn standing(client: &str, online: bool) -> Standing {
    Standing {
        client: client.into(),
        online,
        since: UnixMillis(1_481_685_802_000),
    }
}

async fn presence_pages_through_those_who_are_connected(trial: Trial) -> Verdict {
    let Some(presence) = trial.backend.presence() else {
        return Ok(());
    };
    let mut names: Vec<String> = (0..25).map(|number| format!("client'{number:02}")).collect();
    let standings: Vec<_> = names.iter().map(|name| standing(name, true)).collect();
    taken(25, &there(presence.record("here", &standings).await)?)?;
    taken(
        1,
        &there(presence.record("elsewhere", &[standing("stranger", true)]).await)?,
    )?;
    let mut found: Vec<String> = Vec::new();
    loop {
        let after = found.last().cloned();
        let page = there(presence.online("here", after.as_deref(), 10).await)?;
        ensure!(
            page.len() <= 10,
            "a page of {} where 10 were asked for",
            page.len()
        );
        if page.is_empty() {
            break;
        }
        found.extend(page.into_iter().map(String::from));
        ensure!(found.len() <= 100, "the list of clients has no end");
    }
    found.sort_unstable();
    names.sort_unstable();
    ensure!(found == names, "connected are {found:?}, not {names:?}");
    Ok(())
}

async fn presence_follows_clients_as_they_come_and_go(trial: Trial) -> Verdict {
    let Some(presence) = trial.backend.presence() else {
        return Ok(());
    };
    let online = async |expected: &[&str]| {
        let mut found = there(presence.online("here", None, 100).await)?;
        found.sort_unstable();
        let found: Vec<&str> = found.iter().map(|name| &**name).collect();
        ensure!(found == expected, "connected are {found:?}, not {expected:?}");
        Ok(())
    };
    taken(
        2,
        &there(
            presence
                .record("here", &[standing("a", true), standing("b", true)])
                .await,
        )?,
    )?;
    online(&["a", "b"]).await?;
    taken(1, &there(presence.record("here", &[standing("a", false)]).await)?)?;
    online(&["b"]).await?;
    taken(
        2,
        &there(
            presence
                .record("here", &[standing("a", true), standing("b", false)])
                .await,
        )?,
    )?;
    taken(
        2,
        &there(
            presence
                .record("here", &[standing("a", true), standing("b", false)])
                .await,
        )?,
    )?;
    online(&["a"]).await?;
    taken(0, &there(presence.record("here", &[]).await)?)
}
