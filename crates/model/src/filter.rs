//! Topic filters, plain and shared, and what they match.

use crate::topic::LEVELS_MAX;

/// A checked subscription filter: `a/+/b`, `a/#`, `$share/group/a/#`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Filter {
    text: Box<str>,
    /// Where the topic filter begins in `text`: 0, or behind `$share/NAME/`.
    topic_at: u16,
}

/// The group name of a shared subscription, borrowed from its filter.
pub type ShareName<'a> = &'a str;

/// Why a text is not a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterError {
    /// At least one character `[MQTT-4.7.3-1]`.
    Empty,
    /// U+0000 `[MQTT-4.7.3-2]`.
    Nul,
    /// `#` not alone in the last level `[MQTT-4.7.1-1]`.
    MultiLevel,
    /// `+` not alone in its level `[MQTT-4.7.1-2]`.
    SingleLevel,
    /// More than [`LEVELS_MAX`] levels.
    TooManyLevels,
    /// `$share` without a name, with a wildcard in the name, or without a filter `[MQTT-4.8.2-1]`, `[MQTT-4.8.2-2]`.
    Share,
}

impl std::fmt::Display for FilterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            FilterError::Empty => "the topic filter is empty",
            FilterError::Nul => "the topic filter contains U+0000",
            FilterError::MultiLevel => "'#' must stand alone in the last level",
            FilterError::SingleLevel => "'+' must stand alone in its level",
            FilterError::TooManyLevels => "the topic filter has more than 128 levels",
            FilterError::Share => "a shared filter has the form $share/NAME/FILTER, with no wildcard in NAME",
        })
    }
}

impl std::error::Error for FilterError {}

const SHARE: &str = "$share/";

impl Filter {
    /// Checks a filter. With `shared = false` (MQTT 3.x) `$share/…` is an ordinary filter.
    pub fn parse(text: &str, shared: bool) -> Result<Filter, FilterError> {
        if text.len() > usize::from(u16::MAX) {
            return Err(FilterError::TooManyLevels);
        }
        let mut topic_at = 0;
        if shared && (text == "$share" || text.starts_with(SHARE)) {
            let rest = text.strip_prefix(SHARE).ok_or(FilterError::Share)?;
            let (name, topic) = rest.split_once('/').ok_or(FilterError::Share)?;
            if name.is_empty() || topic.is_empty() || name.contains(['+', '#']) {
                return Err(FilterError::Share);
            }
            topic_at = SHARE.len() + name.len() + 1;
        }
        check_levels(&text[topic_at..])?;
        if text.contains('\0') {
            return Err(FilterError::Nul);
        }
        Ok(Filter {
            text: text.into(),
            topic_at: topic_at as u16,
        })
    }

    /// The whole filter as the client wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part that is compared with topics.
    pub fn topic_filter(&self) -> &str {
        &self.text[usize::from(self.topic_at)..]
    }

    /// The group, if the subscription is shared.
    pub fn share(&self) -> Option<ShareName<'_>> {
        let end = usize::from(self.topic_at).checked_sub(1)?;
        Some(&self.text[SHARE.len()..end])
    }

    /// Whether the topic filter has a wildcard.
    pub fn has_wildcard(&self) -> bool {
        self.topic_filter().contains(['+', '#'])
    }

    /// Whether the filter matches a topic name.
    pub fn matches(&self, topic: &str) -> bool {
        matches(self.topic_filter(), topic)
    }
}

fn check_levels(filter: &str) -> Result<(), FilterError> {
    if filter.is_empty() {
        return Err(FilterError::Empty);
    }
    let mut levels = filter.split('/').peekable();
    let mut count = 0;
    while let Some(level) = levels.next() {
        count += 1;
        if count > LEVELS_MAX {
            return Err(FilterError::TooManyLevels);
        }
        if level.contains('#') && (level != "#" || levels.peek().is_some()) {
            return Err(FilterError::MultiLevel);
        }
        if level.contains('+') && level != "+" {
            return Err(FilterError::SingleLevel);
        }
    }
    Ok(())
}

/// Whether a topic filter (without `$share`) matches a topic name (MQTT 5.0 section 4.7).
///
/// A wildcard in the first level does not match topics that begin with `$` `[MQTT-4.7.2-1]`; `a/#` matches `a`.
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut names = topic.split('/');
    for level in filter.split('/') {
        match (level, names.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(name)) if level == name => {}
            _ => return false,
        }
    }
    names.next().is_none()
}

/// Whether some topic name is matched by both of two topic filters (without `$share`).
pub fn overlap(one: &str, other: &str) -> bool {
    let is_system = |filter: &str| filter.starts_with('$');
    let is_wild = |filter: &str| filter.starts_with(['+', '#']);
    if (is_system(one) && is_wild(other)) || (is_wild(one) && is_system(other)) {
        return false;
    }
    // `/#` matches its parent, which is the empty name: nothing is published to that.
    if matches!((one, other), ("/#", "+") | ("+", "/#")) {
        return false;
    }
    let (mut ones, mut others) = (one.split('/'), other.split('/'));
    loop {
        match (ones.next(), others.next()) {
            // `a/#` matches `a` too.
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some("+"), Some(_)) | (Some(_), Some("+")) => {}
            (Some(level), Some(same)) if level == same => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked() {
        for good in [
            "a",
            "/",
            "+",
            "#",
            "a/#",
            "+/+/b",
            "$SYS/#",
            "/a/",
            "$share/g/a/#",
            "$share/g//",
        ] {
            assert!(Filter::parse(good, true).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", FilterError::Empty),
            ("a#", FilterError::MultiLevel),
            ("a/#/b", FilterError::MultiLevel),
            ("a/##", FilterError::MultiLevel),
            ("a+/b", FilterError::SingleLevel),
            ("a\0", FilterError::Nul),
            ("$share", FilterError::Share),
            ("$share/", FilterError::Share),
            ("$share/g", FilterError::Share),
            ("$share/g/", FilterError::Share),
            ("$share//a", FilterError::Share),
            ("$share/+/a", FilterError::Share),
        ] {
            assert_eq!(Filter::parse(bad, true), Err(why), "{bad}");
        }
        assert!(Filter::parse("$share/g", false).is_ok());
    }

    #[test]
    fn shared_filters_have_two_parts() {
        let filter = Filter::parse("$share/crew/site/+/door", true).unwrap();
        assert_eq!(filter.share(), Some("crew"));
        assert_eq!(filter.topic_filter(), "site/+/door");
        assert!(filter.matches("site/1/door"));
        assert_eq!(Filter::parse("a", true).unwrap().share(), None);
    }

    #[test]
    fn matching_follows_section_4_7() {
        for (filter, topic, expected) in [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            (
                "sport/tennis/player1/#",
                "sport/tennis/player1/score/wimbledon",
                true,
            ),
            ("sport/#", "sport", true),
            ("#", "a/b", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/x", false),
            ("+/x", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
            ("a", "A", false),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }

    #[test]
    fn k23_filters_overlap_when_one_topic_matches_both() {
        for (one, other) in [
            ("a", "a"),
            ("a/#", "a"),
            ("a/+", "+/b"),
            ("#", "a/b/c"),
            ("a/+/c", "a/b/#"),
            ("+/+", "a/#"),
            ("/a", "+/a"),
            ("$SYS/#", "$SYS/+"),
            ("a/+/#", "a/b"),
        ] {
            assert!(overlap(one, other) && overlap(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("a", "b"),
            ("a", "a/b"),
            ("a/+", "a"),
            ("a/b/#", "a/c/#"),
            ("+/b", "+/c"),
            ("#", "$SYS/a"),
            ("+/a", "$SYS/#"),
            ("a/+/c", "a/b"),
            ("/#", "+"),
        ] {
            assert!(!overlap(one, other) && !overlap(other, one), "{one} {other}");
        }
    }
}
