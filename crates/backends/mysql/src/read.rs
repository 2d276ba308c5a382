//! Reading: pages of a topic, places, read positions.

use bytes::Bytes;
use restante_backend::{
    messages::{Fetch, Fetched, Place, TopicPage},
    sql::{
        Failed,
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
    schema::table,
    values::{number, params, text, time},
};

/// `column` is exactly this text, whatever the collation takes for the same. Stands beside `column = ?`, which is what
/// an index is good for.
pub(crate) fn exactly(column: &str) -> String {
    format!("CAST(CONVERT({column} USING utf8mb4) AS BINARY) = CAST(? AS BINARY)")
}

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
    let mut lease = client.lease().await?;
    let messages = answered(client, table(client, &mut lease, &MESSAGES).await)?;
    let columns = [
        "id", "msgid", "topic", "sender", "qos", "retain", "payload", "arrived",
    ];
    let there: Vec<&str> = columns
        .into_iter()
        .filter(|column| messages.has(column))
        .collect();
    let by_time = fetch.since.filter(|_| messages.kind("arrived") == Kind::Time);
    let sql = format!(
        "SELECT {} FROM mqtt_msg WHERE topic = ? AND {} AND id > ?{} ORDER BY id LIMIT ?",
        there.join(", "),
        exactly("topic"),
        if by_time.is_some() {
            " AND arrived >= ?"
        } else {
            ""
        }
    );
    let mut after = match fetch.after {
        None => 0,
        Some(place) => row_of(client, &mut lease, fetch.topic, place).await?,
    };
    let limit = fetch.messages_max.saturating_add(1);
    let mut page = Page::new(fetch, "mqtt_msg", &|payload: Bytes| payload);
    // Goes on where all of a page was unreadable.
    loop {
        let mut values = vec![text(fetch.topic), text(fetch.topic), number(after)];
        values.extend(by_time.map(time));
        values.push(number(limit as u64));
        let rows = match lease.rows(&sql, params(values)).await {
            // A topic that the column's character set cannot even be asked for.
            Err(Failed::Rows { .. }) => Vec::new(),
            other => answered(client, other)?,
        };
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
    let mut page = Page::new(fetch, "select_message_sql", &|payload: Bytes| payload);
    by_template(client, select, fetch.topic, |row| page.take(&row)).await?;
    Ok(page.into_fetched())
}

/// The newest message of a topic.
pub(crate) async fn newest(client: &Client, topic: &str) -> Asked<Option<Place>> {
    let mut lease = client.lease().await?;
    let sql = format!(
        "SELECT id, msgid FROM mqtt_msg WHERE topic = ? AND {} ORDER BY id DESC LIMIT 1",
        exactly("topic")
    );
    let rows = lease.rows(&sql, params(vec![text(topic), text(topic)])).await;
    let rows = answered(client, rows)?;
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
    let mut lease = client.lease().await?;
    let values = select.variables.iter().map(|_| text(topic)).collect();
    let read = lease.each_row(&select.text, params(values), take).await;
    answered(client, read)?;
    lease.release();
    Ok(())
}

/// The number of a place's row; 0 where it is in no row of this topic any more.
async fn row_of(client: &Client, lease: &mut Lease<'_>, topic: &str, place: &Place) -> Asked<u64> {
    if let Some(row) = place.row {
        return Ok(row);
    }
    let sql = format!(
        "SELECT id FROM mqtt_msg WHERE topic = ? AND {} AND msgid = ? ORDER BY id DESC LIMIT 1",
        exactly("topic")
    );
    let values = vec![text(topic), text(topic), text(place.id.text())];
    let rows = answered(client, lease.rows(&sql, params(values)).await)?;
    Ok(rows
        .first()
        .and_then(|row| row.cell("id").number().ok().flatten())
        .unwrap_or(0))
}

/// The highest row number.
pub(crate) async fn highest(client: &Client, lease: &mut Lease<'_>) -> Asked<u64> {
    let rows = lease
        .rows("SELECT MAX(id) AS id FROM mqtt_msg", params(Vec::new()))
        .await;
    let rows = answered(client, rows)?;
    Ok(rows
        .first()
        .and_then(|row| row.cell("id").number().ok().flatten())
        .unwrap_or(0))
}

/// A read position. One beyond the last row would hide what is still to come, and means the last row (K51).
pub(crate) async fn position(client: &Client, whose: &str, topic: &str) -> Asked<Option<Place>> {
    let mut lease = client.lease().await?;
    let sql = "SELECT clientid, topic, mid FROM mqtt_acked WHERE clientid = ? AND topic = ?";
    let rows = lease.rows(sql, params(vec![text(whose), text(topic)])).await;
    let rows = answered(client, rows)?;
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
    let row = mark.min(highest(client, &mut lease).await?);
    let sql = "SELECT msgid FROM mqtt_msg WHERE id = ?";
    let rows = answered(client, lease.rows(sql, params(vec![number(row)])).await)?;
    lease.release();
    let id = rows
        .first()
        .and_then(|row| row.cell("msgid").text().ok().flatten());
    Ok(Some(Place {
        id: StoredId::parse(&id.unwrap_or_else(|| format!("#{row}"))),
        row: Some(row),
    }))
}

/// A page of the topics that have messages. By the collation's order, so that the index can be used; those that it
/// takes for the same are on one page, which may hold a few more than asked for because of it.
pub(crate) async fn topics(client: &Client, after: Option<&str>, max: usize) -> Asked<Option<TopicPage>> {
    let mut lease = client.lease().await?;
    let behind = if after.is_some() { "topic > ?" } else { "TRUE" };
    let ends = format!("SELECT DISTINCT topic FROM mqtt_msg WHERE {behind} ORDER BY topic LIMIT ?");
    let mut values: Vec<_> = after.map(text).into_iter().collect();
    values.push(number(max as u64));
    let rows = lease.rows(&ends, params(values)).await;
    if rows.as_ref().is_err_and(is_forbidden) {
        lease.release();
        return Ok(None);
    }
    let rows = answered(client, rows)?;
    let last = rows
        .last()
        .and_then(|row| row.cell("topic").text().ok().flatten());
    let Some(last) = last else {
        lease.release();
        return Ok(Some(TopicPage::default()));
    };
    let all = format!(
        "SELECT DISTINCT CAST(CONVERT(topic USING utf8mb4) AS BINARY) AS topic FROM mqtt_msg \
         WHERE {behind} AND topic <= ?"
    );
    let mut values: Vec<_> = after.map(text).into_iter().collect();
    values.push(text(&last));
    let found = answered(client, lease.rows(&all, params(values)).await)?;
    lease.release();
    Ok(Some(TopicPage {
        topics: found
            .iter()
            .filter_map(|row| row.cell("topic").text().ok().flatten())
            .collect(),
        after: (rows.len() == max).then_some(last),
    }))
}

/// Which of these ids are in rows above a mark, with the rows' numbers (K36).
pub(crate) async fn above(
    client: &Client,
    lease: &mut Lease<'_>,
    mark: u64,
    ids: &[&StoredId],
) -> Asked<Vec<(StoredId, u64)>> {
    let mut found = Vec::new();
    for some in ids.chunks(IDS_AT_ONCE) {
        // Always as many, so that the statement is prepared once.
        let padded = some
            .iter()
            .chain(std::iter::repeat_n(&some[0], IDS_AT_ONCE - some.len()));
        let mut values = vec![number(mark)];
        values.extend(padded.map(|id| text(id.text())));
        let sql = format!(
            "SELECT id, msgid FROM mqtt_msg WHERE id > ? AND msgid IN ({})",
            vec!["?"; IDS_AT_ONCE].join(", ")
        );
        for row in answered(client, lease.rows(&sql, params(values)).await)? {
            if let (Ok(Some(row)), Ok(Some(id))) = (row.cell("id").number(), row.cell("msgid").text()) {
                found.push((StoredId::parse(&id), row));
            }
        }
    }
    Ok(found)
}

/// Ids that are looked for by one command.
const IDS_AT_ONCE: usize = 128;
