//! Words where a value is expected that are spelled like variables: `values (topic)` instead of `values (${topic})` (C4).

use super::scan::{Kind, Piece};
use crate::{template::unfit, trouble::Unfit};

/// A sentence for each word or quoted text that stands where a value stands, is spelled like a variable, and is not used
/// as one anywhere else in the statement.
pub(super) fn words_like_variables(text: &str, pieces: &[Piece<'_>], known: &[&str]) -> Vec<Unfit> {
    let used = |name: &str| {
        pieces.iter().any(|piece| match piece.kind {
            Kind::Variable => piece.inner().trim() == name,
            Kind::Text => piece.inner() == format!("${{{name}}}"),
            _ => false,
        })
    };
    let said: Vec<&Piece<'_>> = pieces
        .iter()
        .filter(|piece| !matches!(piece.kind, Kind::Space | Kind::Comment))
        .collect();
    let mut warnings = Vec::new();
    let mut list = Values::Elsewhere;
    for (index, piece) in said.iter().enumerate() {
        let before = index.checked_sub(1).map_or("", |before| said[before].text);
        let after = said.get(index + 1).map_or("", |after| after.text);
        list = list.then(piece, before);
        let word = match piece.kind {
            Kind::Word if after != "." && after != "(" => piece.text,
            Kind::Text => piece.inner(),
            _ => continue,
        };
        let stands_for_a_value = before == "=" || (list.is_inside() && (before == "(" || before == ","));
        if stands_for_a_value && known.contains(&word) && !used(word) {
            let why = format!("{word} is written here as it stands; for the variable write ${{{word}}}");
            warnings.push(unfit(text, piece.at, why));
        }
    }
    warnings
}

/// Whether we are in the list behind VALUES, and how deep.
#[derive(Clone, Copy)]
enum Values {
    Elsewhere,
    Announced,
    Inside(u32),
}

impl Values {
    fn is_inside(self) -> bool {
        matches!(self, Values::Inside(1..))
    }

    fn then(self, piece: &Piece<'_>, before: &str) -> Values {
        match (self, piece.text) {
            // In `topic = VALUES(topic)` it is a function of MySQL's.
            (_, word) if word.eq_ignore_ascii_case("values") && before != "=" => Values::Announced,
            (Values::Announced, "(") => Values::Inside(1),
            (Values::Inside(depth), "(") => Values::Inside(depth + 1),
            (Values::Inside(depth), ")") => Values::Inside(depth.saturating_sub(1)),
            (Values::Inside(0), ",") => Values::Inside(0),
            (Values::Inside(0), _) | (Values::Announced, _) => Values::Elsewhere,
            (other, _) => other,
        }
    }
}
