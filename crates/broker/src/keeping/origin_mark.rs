//! Where the copy of a fetched message came from, in the place of its properties (a database keeps none): so that what
//! is sent again after a restart is still known by the id it has there (K46).

use restante_backend::{messages::Place, stored_id::StoredId};

/// No property has this number.
const MARK: u8 = 0xFF;

/// The bytes that stand for a place.
pub(crate) fn encode(place: &Place) -> Vec<u8> {
    let mut out = vec![MARK];
    out.extend_from_slice(&place.row.unwrap_or(0).to_le_bytes());
    out.extend_from_slice(place.id.text().as_bytes());
    out
}

/// The place, if these are no properties.
pub(crate) fn decode(properties: &[u8]) -> Option<Place> {
    let (&mark, rest) = properties.split_first()?;
    let (row, id) = rest.split_first_chunk::<8>()?;
    (mark == MARK).then_some(())?;
    Some(Place {
        id: StoredId::parse(std::str::from_utf8(id).ok()?),
        row: Some(u64::from_le_bytes(*row)).filter(|&row| row != 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k46_a_copy_knows_where_it_came_from() {
        let place = Place {
            id: StoredId::parse("an id"),
            row: Some(3),
        };
        assert_eq!(decode(&encode(&place)), Some(place));
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&[0x02, 0, 0, 0, 1, 0, 0, 0, 0, 0]), None);
    }
}
