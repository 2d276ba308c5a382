//! Values to and from the driver's.

use bytes::Bytes;
use mysql_async::{Params, Value as Bound, consts::ColumnType};
use restante_backend::{
    sql::{cell::Cell, civil::Civil, row::Row},
    statement::Value,
};
use restante_model::UnixMillis;

/// A text.
pub(crate) fn text(text: &str) -> Bound {
    Bound::Bytes(text.as_bytes().to_vec())
}

/// A number.
pub(crate) fn number(number: u64) -> Bound {
    Bound::UInt(number)
}

/// A second in UTC.
pub(crate) fn time(time: UnixMillis) -> Bound {
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = Civil::of(time);
    Bound::Date(year, month, day, hour, minute, second, 0)
}

/// A variable's value: booleans as 0 and 1, which every column takes, texts as bytes.
pub(crate) fn bound(value: Value) -> Bound {
    match value {
        Value::Null => Bound::NULL,
        Value::Int(number) => Bound::Int(number),
        Value::Bool(flag) => Bound::Int(i64::from(flag)),
        Value::Text(text) => Bound::Bytes(text.into_string().into_bytes()),
        Value::Bytes(bytes) => Bound::Bytes(bytes.to_vec()),
    }
}

/// Parameters; a statement without any takes none.
pub(crate) fn params(values: Vec<Bound>) -> Params {
    match values.is_empty() {
        true => Params::Empty,
        false => Params::Positional(values),
    }
}

/// About how many bytes a row takes in a packet.
pub(crate) fn size(values: &[Bound]) -> usize {
    values
        .iter()
        .map(|value| match value {
            Bound::Bytes(bytes) => bytes.len() + 10,
            _ => 16,
        })
        .sum()
}

/// A row that was read.
pub(crate) fn cells(row: mysql_async::Row) -> Row {
    let columns = row.columns();
    let names = columns
        .iter()
        .map(|column| (column.name_str().into_owned(), column.column_type()));
    let cells = names.zip(row.unwrap_raw());
    Row {
        cells: cells
            .map(|((name, kind), value)| (name, cell(kind, value.unwrap_or(Bound::NULL))))
            .collect(),
    }
}

fn cell(kind: ColumnType, value: Bound) -> Cell {
    match value {
        Bound::NULL => Cell::Null,
        Bound::Int(number) => Cell::Int(number.into()),
        Bound::UInt(number) => Cell::Int(number.into()),
        Bound::Float(number) => Cell::Real(number.into()),
        Bound::Double(number) => Cell::Real(number),
        Bound::Bytes(_) if kind == ColumnType::MYSQL_TYPE_GEOMETRY => Cell::Other("geometry".to_owned()),
        Bound::Bytes(bytes) => Cell::Bytes(Bytes::from(bytes)),
        Bound::Date(year, month, day, hour, minute, second, _) => {
            let civil = Civil {
                year,
                month,
                day,
                hour,
                minute,
                second,
            };
            Cell::Time(civil.millis())
        }
        Bound::Time(..) => Cell::Other("time".to_owned()),
    }
}
