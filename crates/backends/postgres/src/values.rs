//! Values to and from the server: parameters go as text, whatever type the server wants, and rows come as they are.

use bytes::{BufMut, Bytes, BytesMut};
use restante_backend::{
    sql::{cell::Cell, civil::Civil, row::Row},
    statement::Value,
};
use restante_model::UnixMillis;
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::{config::PayloadEncoding, payload};

type Wrong = Box<dyn std::error::Error + Sync + Send>;

/// A parameter.
#[derive(Clone, Debug)]
pub(crate) enum Bound {
    Null,
    Int(i64),
    Flag(bool),
    Text(String),
    Bytes(Bytes),
    /// A column of texts, for `unnest`.
    Texts(Vec<String>),
    /// A column of bytes.
    Blobs(Vec<Bytes>),
    /// A column of numbers.
    Ints(Vec<i64>),
}

/// A text.
pub(crate) fn text(text: &str) -> Bound {
    Bound::Text(text.to_owned())
}

/// A number; one that no column can hold is the largest.
pub(crate) fn number(number: u64) -> Bound {
    Bound::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A variable's value for a parameter of this type. Why not, if a payload does not go into a text.
pub(crate) fn bound(value: &Value, kind: &Type, encoding: PayloadEncoding) -> Result<Bound, String> {
    Ok(match value {
        Value::Null => Bound::Null,
        Value::Int(number) => Bound::Int(*number),
        Value::Bool(flag) => Bound::Flag(*flag),
        Value::Text(text) => Bound::Text(text.to_string()),
        Value::Bytes(bytes) if *kind == Type::BYTEA => Bound::Bytes(bytes.clone()),
        Value::Bytes(bytes) => Bound::Text(payload::encode(bytes, encoding)?),
    })
}

impl ToSql for Bound {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Wrong> {
        let is_time = [Type::TIMESTAMP, Type::TIMESTAMPTZ, Type::DATE].contains(kind);
        match self {
            Bound::Null => return Ok(IsNull::Yes),
            // A time in milliseconds.
            Bound::Int(number) if is_time => {
                let at = UnixMillis(u64::try_from(*number).unwrap_or(0));
                out.put_slice(format!("{}.{:03}+00", Civil::of(at), at.0 % 1000).as_bytes());
            }
            Bound::Int(number) => out.put_slice(number.to_string().as_bytes()),
            Bound::Flag(flag) => out.put_slice(match (*kind == Type::BOOL || is_text(kind), flag) {
                (true, true) => b"true",
                (true, false) => b"false",
                (false, true) => b"1",
                (false, false) => b"0",
            }),
            Bound::Text(text) => out.put_slice(text.as_bytes()),
            Bound::Bytes(bytes) => out.put_slice(bytes),
            Bound::Texts(texts) => return texts.to_sql(kind, out),
            Bound::Ints(numbers) => return numbers.to_sql(kind, out),
            Bound::Blobs(blobs) => {
                let slices: Vec<&[u8]> = blobs.iter().map(|blob| &blob[..]).collect();
                return slices.to_sql(kind, out);
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, kind: &Type) -> Format {
        match self {
            Bound::Texts(_) | Bound::Ints(_) | Bound::Blobs(_) | Bound::Bytes(_) => Format::Binary,
            Bound::Text(_) if *kind == Type::BYTEA => Format::Binary,
            _ => Format::Text,
        }
    }

    to_sql_checked!();
}

fn is_text(kind: &Type) -> bool {
    [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::UNKNOWN].contains(kind)
}

/// A row that was read.
pub(crate) fn cells(row: &tokio_postgres::Row) -> Row {
    let cell = |place: usize| match row.try_get::<_, Read>(place) {
        Ok(Read(cell)) => cell,
        Err(_) => Cell::Other(row.columns()[place].type_().name().to_owned()),
    };
    let names = row.columns().iter().map(|column| column.name().to_owned());
    Row {
        cells: names
            .enumerate()
            .map(|(place, name)| (name, cell(place)))
            .collect(),
    }
}

struct Read(Cell);

/// 2000-01-01 in seconds since 1970: where the server's times begin.
const EPOCH: i64 = 946_684_800;

impl<'a> FromSql<'a> for Read {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Read, Wrong> {
        let since_epoch = |micros: i64| {
            let millis = micros.div_euclid(1000).checked_add(EPOCH * 1000);
            Cell::Time(
                millis
                    .and_then(|millis| u64::try_from(millis).ok())
                    .map(UnixMillis),
            )
        };
        Ok(Read(match *kind {
            Type::BOOL => Cell::Bool(bool::from_sql(kind, raw)?),
            Type::INT2 => Cell::Int(i16::from_sql(kind, raw)?.into()),
            Type::INT4 => Cell::Int(i32::from_sql(kind, raw)?.into()),
            Type::INT8 => Cell::Int(i64::from_sql(kind, raw)?.into()),
            Type::OID => Cell::Int(u32::from_sql(kind, raw)?.into()),
            Type::FLOAT4 => Cell::Real(f32::from_sql(kind, raw)?.into()),
            Type::FLOAT8 => Cell::Real(f64::from_sql(kind, raw)?),
            Type::NUMERIC => numeric(raw).unwrap_or_else(|| Cell::Other("numeric".to_owned())),
            Type::TIMESTAMP | Type::TIMESTAMPTZ => since_epoch(i64::from_be_bytes(raw.try_into()?)),
            Type::DATE => {
                let days = i32::from_be_bytes(raw.try_into()?);
                since_epoch(i64::from(days).saturating_mul(86_400_000_000))
            }
            Type::JSONB => Cell::Bytes(Bytes::copy_from_slice(raw.get(1..).unwrap_or_default())),
            Type::TEXT
            | Type::VARCHAR
            | Type::BPCHAR
            | Type::NAME
            | Type::UNKNOWN
            | Type::JSON
            | Type::BYTEA => Cell::Bytes(Bytes::copy_from_slice(raw)),
            _ if kind.name() == "citext" => Cell::Bytes(Bytes::copy_from_slice(raw)),
            _ => Cell::Other(kind.name().to_owned()),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Read, Wrong> {
        Ok(Read(Cell::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A whole number that stands in a numeric: digits of base 10,000, the weight of the first, a sign.
fn numeric(raw: &[u8]) -> Option<Cell> {
    let word = |place: usize| {
        Some(i16::from_be_bytes(
            raw.get(2 * place..2 * place + 2)?.try_into().ok()?,
        ))
    };
    let (count, weight, sign) = (usize::try_from(word(0)?).ok()?, i32::from(word(1)?), word(2)?);
    let mut number: i128 = 0;
    for place in 0..usize::try_from(weight + 1).ok()? {
        let digit = if place < count { word(4 + place)? } else { 0 };
        number = number.checked_mul(10_000)?.checked_add(digit.into())?;
    }
    let whole = count <= usize::try_from(weight + 1).ok()?;
    match sign {
        0 if whole => Some(Cell::Int(number)),
        0x4000 if whole => Some(Cell::Int(-number)),
        _ => None,
    }
}
