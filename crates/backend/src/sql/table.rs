//! A table as it is: its columns, how much goes into them, and what is missing or of another type.

use super::layout::Documented;

/// What can be put into a column, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers.
    Integer,
    /// Other numbers.
    Number,
    /// Texts.
    Text,
    /// Any bytes.
    Bytes,
    /// Dates with a time of day.
    Time,
    /// True and false.
    Flag,
    /// Something else.
    Other,
}

/// How much goes into a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// So many characters.
    Characters(u64),
    /// So many bytes.
    Bytes(u64),
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as the server writes it.
    pub type_name: String,
    /// What can be put in.
    pub kind: Kind,
    /// How much; `None` = as much as there is.
    pub width: Option<Width>,
    /// A row that says nothing about it is refused: NOT NULL and no default.
    pub must_be_given: bool,
    /// `Room` and `room` are the same to it.
    pub folds_case: bool,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns; none when there is no such table.
    pub columns: Vec<Column>,
    /// The first column of each index.
    pub indexed: Vec<String>,
}

impl Table {
    /// A column by its name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Whether there is a column of this name.
    pub fn has(&self, name: &str) -> bool {
        self.column(name).is_some()
    }

    /// What a column can hold; [`Kind::Other`] when there is none.
    pub fn kind(&self, name: &str) -> Kind {
        self.column(name).map_or(Kind::Other, |column| column.kind)
    }

    /// Why a value does not go into a column, in a sentence; `None` when it does. Nothing is ever cut.
    pub fn too_long(&self, column: &str, value: &[u8]) -> Option<String> {
        let (room, length, what) = match self.column(column)?.width? {
            Width::Bytes(room) => (room, value.len() as u64, "bytes"),
            Width::Characters(room) => {
                // Bytes that begin a character of UTF-8.
                let count = value.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
                (room, count as u64, "characters")
            }
        };
        (length > room).then(|| {
            format!(
                "{length} {what} do not go into {}.{column}, which takes {room}; widen the column to store this",
                self.name
            )
        })
    }

    /// What differs from the documentation so much that something will not work, a sentence each.
    pub fn differences(&self, documented: &Documented) -> Vec<String> {
        let table = &self.name;
        if self.columns.is_empty() {
            return vec![format!("there is no table {table}; `--install` makes it")];
        }
        let mut found = Vec::new();
        for wanted in documented.columns {
            match self.column(wanted.name) {
                None if wanted.may_be_missing => {}
                None => found.push(format!("table {table} has no column {}", wanted.name)),
                Some(column) if !wanted.kinds.contains(&column.kind) => found.push(format!(
                    "{table}.{} is {}, which cannot hold {}",
                    wanted.name, column.type_name, wanted.holds
                )),
                Some(column) if column.folds_case && wanted.is_case_sensitive => found.push(format!(
                    "{table}.{} takes upper and lower case for the same: of two that differ in nothing else only \
                     one is kept; give it a binary collation",
                    wanted.name
                )),
                Some(_) => {}
            }
        }
        for column in &self.columns {
            let known = documented
                .columns
                .iter()
                .any(|wanted| wanted.name.eq_ignore_ascii_case(&column.name));
            if column.must_be_given && !known {
                found.push(format!(
                    "{table}.{} is NOT NULL and has no default, but nothing writes it: every insert is refused",
                    column.name
                ));
            }
        }
        if let Some(wanted) = documented
            .index
            .filter(|wanted| !self.indexed.iter().any(|had| had == wanted))
        {
            found.push(format!(
                "{table} has no index that begins with {wanted}: reading a backlog goes through the whole table; \
                 create one"
            ));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::layout::{MESSAGES, SUBSCRIPTIONS};

    fn column(name: &str, kind: Kind, width: Option<Width>) -> Column {
        Column {
            name: name.to_owned(),
            type_name: "varchar(4)".to_owned(),
            kind,
            width,
            must_be_given: false,
            folds_case: false,
        }
    }

    #[test]
    fn widths_count_what_the_column_counts() {
        let table = Table {
            name: "t".to_owned(),
            columns: vec![
                column("a", Kind::Text, Some(Width::Characters(4))),
                column("b", Kind::Bytes, Some(Width::Bytes(4))),
                column("c", Kind::Text, None),
            ],
            indexed: Vec::new(),
        };
        assert_eq!(table.too_long("a", "äöüß".as_bytes()), None);
        assert!(
            table
                .too_long("a", "äöüß!".as_bytes())
                .unwrap()
                .contains("t.a, which takes 4")
        );
        assert!(table.too_long("b", "äöü".as_bytes()).unwrap().contains("6 bytes"));
        assert_eq!(table.too_long("c", &[0; 1000]), None);
        assert_eq!(table.too_long("d", &[0; 1000]), None);
    }

    #[test]
    fn differences_that_matter_are_sentences() {
        let mut table = Table {
            name: "mqtt_sub".to_owned(),
            ..Table::default()
        };
        assert!(table.differences(&SUBSCRIPTIONS)[0].contains("no table mqtt_sub"));
        table.columns = vec![
            column("clientid", Kind::Text, None),
            column("topic", Kind::Integer, None),
            Column {
                must_be_given: true,
                ..column("tenant", Kind::Text, None)
            },
        ];
        let found = table.differences(&SUBSCRIPTIONS).join("\n");
        assert!(found.contains("no column qos") && found.contains("mqtt_sub.topic is varchar(4)"));
        assert!(found.contains("mqtt_sub.tenant is NOT NULL"));
        assert!(
            table
                .differences(&MESSAGES)
                .iter()
                .any(|line| line.contains("no index"))
        );
    }
}
