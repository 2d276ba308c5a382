//! Reading: pages of a topic, places, read positions.

use bytes::Bytes;
use restante_backend::{
    messages::{Fetch, Fetched, Place, TopicPage},
    sql::{
        Failed,
        civil::Civil,
        layout::MESSAGES,
        page::{Newest, Page},
        row::Row,
        table::Kind,
    },
    stored_id::StoredId,
    template::sql::SqlTemplate,
    trouble::Asked,
};

use crate::{
    client::{Client, Lease},
    failure::is_forbidden,
    payload,
    schema::table,
    values::{Bound, number, text},
};

/// The answer of a read. What cannot be read at all now, a table that is missing among it, may be there later.
pub(crate) fn answered<T>(client: &Client, result: Result<T, Failed>) -> Asked<T> {
    result.map_err(|failed| {
        client.forget_tables();
        match failed {
            Failed::Away(away) => away,
            Failed::Rows { why, .. } | Failed::Statement(why) => client.away(&why),
        }
    })
}

/// A page by the documented table.
pub(crate) async fn fetch(client: &Client, fetch: &Fetch<'_>) -> Asked<Fetched> {
    let lease = client.lease().await?;
    let messages = answered(client, table(client, &lease, &MESSAGES).await)?;
    let columns = [
        "id", "msgid", "topic", "sender", "qos", "retain", "payload", "arrived",
    ];
    let there: Vec<&str> = columns
        .into_iter()
        .filter(|column| messages.has(column))
        .collect();
    let by_time = fetch.since.filter(|_| messages.kind("arrived") == Kind::Time);
    let sql = format!(
        "SELECT {} FROM mqtt_msg WHERE topic = $1 AND id > $2::bigint{} ORDER BY id LIMIT $3",
        there.join(", "),
        if by_time.is_some() {
            " AND arrived >= $4"
        } else {
            ""
        }
    );
    let mut after = match fetch.after {
        None => 0,
        Some(place) => row_of(client, &lease, fetch.topic, place).await?,
    };
    let limit = fetch.messages_max.saturating_add(1);
    let encoding = client.encoding;
    let is_text = messages.kind("payload") == Kind::Text;
    let decode = move |stored: Bytes| {
        if is_text {
            payload::decode(stored, encoding)
        } else {
            stored
        }
    };
    let mut page = Page::new(fetch, "mqtt_msg", &decode);
    // Goes on where all of a page was unreadable.
    loop {
        let mut values = vec![text(fetch.topic), number(after), number(limit as u64)];
        values.extend(by_time.map(|since| Bound::Text(Civil::of(since).to_string())));
        let rows = answered(client, lease.rows(&sql, &values).await)?;
        rows.iter().for_each(|row| page.take(row));
        let last = rows
            .iter()
            .rev()
            .find_map(|row| row.cell("id").number().ok().flatten());
        match last {
            Some(last) if rows.len() == limit && page.len() < fetch.messages_max => after = last,
            _ => break,
        }
    }
    lease.release();
    Ok(page.into_fetched())
}

/// A page by the user's own SELECT, which gives all of a topic in any order.
pub(crate) async fn fetch_by(client: &Client, select: &SqlTemplate, fetch: &Fetch<'_>) -> Asked<Fetched> {
    let encoding = client.encoding;
    let decode = move |stored: Bytes| payload::decode(stored, encoding);
    let mut page = Page::new(fetch, "select_message_sql", &decode);
    by_template(client, select, fetch.topic, |row| page.take(&row)).await?;
    Ok(page.into_fetched())
}

/// The newest message of a topic.
pub(crate) async fn newest(client: &Client, topic: &str) -> Asked<Option<Place>> {
    let lease = client.lease().await?;
    let sql = "SELECT id, msgid FROM mqtt_msg WHERE topic = $1 ORDER BY id DESC LIMIT 1";
    let rows = answered(client, lease.rows(sql, &[text(topic)]).await)?;
    lease.release();
    let mut newest = Newest::new(topic, "mqtt_msg");
    rows.iter().for_each(|row| newest.take(row));
    Ok(newest.into_place())
}

/// The same by the user's own SELECT.
pub(crate) async fn newest_by(client: &Client, select: &SqlTemplate, topic: &str) -> Asked<Option<Place>> {
    let mut newest = Newest::new(topic, "select_message_sql");
    by_template(client, select, topic, |row| newest.take(&row)).await?;
    Ok(newest.into_place())
}

async fn by_template(
    client: &Client,
    select: &SqlTemplate,
    topic: &str,
    take: impl FnMut(Row) + Send,
) -> Asked<()> {
    let lease = client.lease().await?;
    let values: Vec<Bound> = select.variables.iter().map(|_| text(topic)).collect();
    answered(client, lease.each_row(&select.text, &values, take).await)?;
    lease.release();
    Ok(())
}

/// The number of a place's row; 0 where it is in no row of this topic any more.
async fn row_of(client: &Client, lease: &Lease<'_>, topic: &str, place: &Place) -> Asked<u64> {
    if let Some(row) = place.row {
        return Ok(row);
    }
    let sql = "SELECT id FROM mqtt_msg WHERE topic = $1 AND msgid = $2 ORDER BY id DESC LIMIT 1";
    let rows = answered(
        client,
        lease.rows(sql, &[text(topic), text(place.id.text())]).await,
    )?;
    Ok(rows
        .first()
        .and_then(|row| row.cell("id").number().ok().flatten())
        .unwrap_or(0))
}

/// The highest row number.
pub(crate) async fn highest(client: &Client, lease: &Lease<'_>) -> Asked<u64> {
    let rows = answered(
        client,
        lease.rows("SELECT MAX(id) AS id FROM mqtt_msg", &[]).await,
    )?;
    Ok(rows
        .first()
        .and_then(|row| row.cell("id").number().ok().flatten())
        .unwrap_or(0))
}

/// A read position. One beyond the last row would hide what is still to come, and means the last row (K51).
pub(crate) async fn position(client: &Client, whose: &str, topic: &str) -> Asked<Option<Place>> {
    let lease = client.lease().await?;
    let sql = "SELECT clientid, topic, mid FROM mqtt_acked WHERE clientid = $1 AND topic = $2";
    let rows = answered(client, lease.rows(sql, &[text(whose), text(topic)]).await)?;
    let is = |row: &Row, column: &str, wanted: &str| {
        row.cell(column)
            .text()
            .is_ok_and(|text| text.as_deref() == Some(wanted))
    };
    let found = rows
        .iter()
        .find(|row| is(row, "clientid", whose) && is(row, "topic", topic));
    let mark = found.and_then(|row| row.cell("mid").number().ok().flatten());
    let Some(mark) = mark else {
        lease.release();
        return Ok(None);
    };
    let row = mark.min(highest(client, &lease).await?);
    let sql = "SELECT msgid FROM mqtt_msg WHERE id = $1::bigint";
    let rows = answered(client, lease.rows(sql, &[number(row)]).await)?;
    lease.release();
    let id = rows
        .first()
        .and_then(|row| row.cell("msgid").text().ok().flatten());
    Ok(Some(Place {
        id: StoredId::parse(&id.unwrap_or_else(|| format!("#{row}"))),
        row: Some(row),
    }))
}

/// Jumps from topic to topic through the index; a DISTINCT would read every row of each.
const TOPICS: &str = "WITH RECURSIVE found AS (\
    (SELECT topic FROM mqtt_msg WHERE topic > $1 ORDER BY topic LIMIT 1) UNION ALL \
    SELECT (SELECT m.topic FROM mqtt_msg m WHERE m.topic > found.topic ORDER BY m.topic LIMIT 1) \
    FROM found WHERE found.topic IS NOT NULL) \
    SELECT topic FROM found WHERE topic IS NOT NULL LIMIT $2";

/// A page of the topics that have messages.
pub(crate) async fn topics(client: &Client, after: Option<&str>, max: usize) -> Asked<Option<TopicPage>> {
    let lease = client.lease().await?;
    let values = [text(after.unwrap_or_default()), number(max as u64)];
    let rows = lease.rows(TOPICS, &values).await;
    if rows.as_ref().is_err_and(is_forbidden) {
        return Ok(None);
    }
    let rows = answered(client, rows)?;
    lease.release();
    let topics: Vec<String> = rows
        .iter()
        .filter_map(|row| row.cell("topic").text().ok().flatten())
        .collect();
    Ok(Some(TopicPage {
        after: topics.last().filter(|_| rows.len() == max).cloned(),
        topics,
    }))
}

/// Which of these ids are in rows above a mark, with the rows' numbers (K36).
pub(crate) async fn above(
    client: &Client,
    lease: &Lease<'_>,
    mark: u64,
    ids: &[&StoredId],
) -> Asked<Vec<(StoredId, u64)>> {
    let sql = "SELECT id, msgid FROM mqtt_msg WHERE id > $1::bigint AND msgid = ANY($2::text[])";
    let texts = ids.iter().map(|id| id.text().to_owned()).collect();
    let rows = answered(
        client,
        lease.rows(sql, &[number(mark), Bound::Texts(texts)]).await,
    )?;
    let found = rows.iter().filter_map(|row| {
        let id = row.cell("msgid").text().ok().flatten()?;
        Some((StoredId::parse(&id), row.cell("id").number().ok().flatten()?))
    });
    Ok(found.collect())
}
