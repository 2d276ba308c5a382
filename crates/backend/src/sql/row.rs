//! A row as what it means. Columns are found by their names, whatever their order, so that a user's own SELECT can be
//! read; a row that cannot be read is a sentence that names it, and holds up nothing.

use bytes::Bytes;
use restante_model::{QoS, UnixMillis};

use super::cell::Cell;
use crate::{
    messages::{FetchedMessage, KeptMessage, Place},
    stored_id::StoredId,
    tables::SubscriptionRow,
};

/// A row that was read.
#[derive(Clone, Debug)]
pub struct Row {
    /// Column names and values.
    pub cells: Vec<(String, Cell)>,
}

/// How payloads stand in text columns.
pub type Decode<'a> = &'a (dyn Fn(Bytes) -> Bytes + Sync);

impl Row {
    /// The value of a column; NULL when there is none of this name.
    pub fn cell(&self, name: &str) -> &Cell {
        let found = self
            .cells
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or(&Cell::Null, |(_, cell)| cell)
    }

    fn number(&self, table: &str, column: &str) -> Result<Option<u64>, String> {
        self.cell(column)
            .number()
            .map_err(|why| self.unreadable(table, column, &why))
    }

    fn text(&self, table: &str, column: &str) -> Result<Option<String>, String> {
        self.cell(column)
            .text()
            .map_err(|why| self.unreadable(table, column, &why))
    }

    /// Names the row by what it has.
    fn unreadable(&self, table: &str, column: &str, why: &str) -> String {
        let name = match (self.cell("id"), self.cell("msgid")) {
            (Cell::Null, Cell::Null) => "a row".to_owned(),
            (Cell::Null, msgid) => format!("the row with msgid {msgid}"),
            (id, _) => format!("row {id}"),
        };
        format!("{table}: {name} cannot be read: {column} {why}")
    }

    fn qos(&self, table: &str) -> Result<QoS, String> {
        let bits = self.number(table, "qos")?.unwrap_or(0);
        let qos = u8::try_from(bits).ok().and_then(QoS::from_bits);
        qos.ok_or_else(|| self.unreadable(table, "qos", &format!("is {bits}, not 0, 1 or 2")))
    }

    /// A message that waits. `topic` stands for a column of this name that the SELECT left out.
    pub fn message(&self, table: &str, topic: &str, decode: Decode<'_>) -> Result<FetchedMessage, String> {
        let row = self.number(table, "id")?;
        let id = match self.text(table, "msgid")?.filter(|text| !text.is_empty()) {
            Some(text) => StoredId::parse(&text),
            // Two without an id are not the same message.
            None => match row {
                Some(row) => StoredId::parse(&nameless(row)),
                None => return Err(self.unreadable(table, "msgid", "is NULL, and there is no id either")),
            },
        };
        let topic = match self.text(table, "topic")? {
            Some(text) => text,
            None => topic.to_owned(),
        };
        let retain = self.cell("retain").flag();
        let arrived = self.cell("arrived").time();
        let payload = self.cell("payload").bytes();
        let message = KeptMessage {
            topic: topic.into(),
            sender: self.text(table, "sender")?.unwrap_or_default().into(),
            qos: self.qos(table)?,
            retain: retain.map_err(|why| self.unreadable(table, "retain", &why))?,
            payload: decode(payload.map_err(|why| self.unreadable(table, "payload", &why))?),
            arrived: time_of(
                &id,
                arrived.map_err(|why| self.unreadable(table, "arrived", &why))?,
            ),
            id: id.clone(),
        };
        Ok(FetchedMessage {
            place: Place { id, row },
            message,
        })
    }

    /// A subscription. `client` stands for a column that the SELECT left out.
    pub fn subscription(&self, table: &str, client: &str) -> Result<SubscriptionRow, String> {
        let filter = self.text(table, "topic")?;
        let filter = filter.ok_or_else(|| self.unreadable(table, "topic", "is NULL"))?;
        Ok(SubscriptionRow {
            client: self.text(table, "clientid")?.map_or(client.into(), Into::into),
            filter: filter.into(),
            qos: self.qos(table)?,
        })
    }
}

/// What stands for the id of a row that has none.
fn nameless(row: u64) -> String {
    format!("#{row}")
}

/// When a message was published: the table has whole seconds, its id often more.
fn time_of(id: &StoredId, arrived: Option<UnixMillis>) -> UnixMillis {
    let fine = id.number().map(|number| UnixMillis(number.micros() / 1000));
    match (arrived, fine) {
        (Some(arrived), Some(fine)) if arrived.0.abs_diff(fine.0) < 1000 => fine,
        (Some(arrived), _) => arrived,
        (None, Some(fine)) => fine,
        (None, None) => UnixMillis(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[(&str, Cell)]) -> Row {
        Row {
            cells: cells
                .iter()
                .map(|(name, cell)| ((*name).to_owned(), cell.clone()))
                .collect(),
        }
    }

    fn text(text: &'static str) -> Cell {
        Cell::Bytes(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn columns_are_found_by_name_and_nulls_are_none() {
        let read = row(&[
            ("PAYLOAD", text("x")),
            ("msgid", text("abc")),
            ("ID", Cell::Int(7)),
        ]);
        let message = read.message("mqtt_msg", "t", &|bytes| bytes).unwrap();
        assert_eq!((message.place.row, message.message.id.text()), (Some(7), "abc"));
        assert_eq!((&*message.message.topic, &*message.message.sender), ("t", ""));
        assert_eq!(
            (message.message.qos, message.message.retain),
            (QoS::AtMostOnce, false)
        );
    }

    #[test]
    fn what_cannot_be_read_names_table_row_and_column() {
        let cases: &[(&str, Cell, &str)] = &[
            (
                "qos",
                Cell::Int(3),
                "mqtt_msg: row 7 cannot be read: qos is 3, not 0, 1 or 2",
            ),
            (
                "id",
                Cell::Int(-1),
                "row -1 cannot be read: id is -1, not a whole number from 0",
            ),
            ("retain", text("maybe"), "retain is \"maybe\", not a flag"),
            ("arrived", text("soon"), "arrived is \"soon\", not a time"),
            (
                "topic",
                Cell::Bytes(Bytes::from_static(&[0xFF])),
                "topic is not UTF-8",
            ),
            (
                "payload",
                Cell::Other("point".to_owned()),
                "payload is of type point, not bytes",
            ),
        ];
        for (name, cell, sentence) in cases {
            let read = row(&[(name, cell.clone()), ("id", Cell::Int(7)), ("msgid", text("abc"))]);
            let why = read.message("mqtt_msg", "t", &|bytes| bytes).unwrap_err();
            assert!(why.contains(sentence), "{why}");
        }
    }

    #[test]
    fn two_rows_without_an_id_are_two_messages() {
        let one = row(&[("id", Cell::Int(1)), ("msgid", Cell::Null)]);
        let two = row(&[("id", Cell::Int(2)), ("msgid", text(""))]);
        let id = |row: &Row| row.message("mqtt_msg", "t", &|bytes| bytes).unwrap().place.id;
        assert_ne!(id(&one), id(&two));
    }
}
