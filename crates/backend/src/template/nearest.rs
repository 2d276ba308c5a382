//! The name somebody probably meant: for complaints about names that are not known.

/// The known name that differs least from `written`, if it is near enough to be a slip of the hand: at most a third of
/// its letters, and at least one may differ.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (distance(written, name), name))
        .filter(|(far, name)| *far <= (name.chars().count() / 3).max(1))
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name)
}

/// How many letters must be put in, taken out or changed. Upper and lower case are the same here.
fn distance(one: &str, two: &str) -> usize {
    let two: Vec<char> = two.chars().flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (line, a) in one.chars().flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in two.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[two.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let known = ["topic", "payload", "qos", "flags.retain", "clientid"];
        assert_eq!(nearest("tpoic", known), None);
        assert_eq!(nearest("topi", known), Some("topic"));
        assert_eq!(nearest("Topic", known), Some("topic"));
        assert_eq!(nearest("client_id", known), Some("clientid"));
        assert_eq!(nearest("flag.retain", known), Some("flags.retain"));
        assert_eq!(nearest("username", known), None);
        assert_eq!(nearest("", ["a"]), Some("a"));
    }
}
