//! A topic filter and a topic name, on two lines: what the model says of them against what a slow reading of the
//! standard says.

use restante_model::{Filter, topic};

const LEVELS_MAX: usize = 128;
const BYTES_MAX: usize = 65_535;

pub(crate) fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (filter_text, topic_name) = text.split_once('\n').unwrap_or((text, "a"));
    for shared in [false, true] {
        let parsed = Filter::parse(filter_text, shared);
        let expected = slowly(filter_text, shared);
        assert_eq!(
            parsed.is_ok(),
            expected.is_some(),
            "{filter_text:?}, shared {shared}: {parsed:?}"
        );
        let (Ok(filter), Some((share, plain))) = (parsed, expected) else {
            continue;
        };
        assert_eq!(filter.as_str(), filter_text);
        assert_eq!((filter.share(), filter.topic_filter()), (share, plain));
        assert_eq!(
            filter.has_wildcard(),
            plain.chars().any(|letter| letter == '+' || letter == '#')
        );
        if topic::check(topic_name).is_ok() {
            assert_eq!(
                filter.matches(topic_name),
                matches(plain, topic_name),
                "{plain:?} and {topic_name:?}"
            );
            // A name is a filter for itself.
            let own = Filter::parse(topic_name, false).expect("a topic name is a filter too");
            assert!(own.matches(topic_name));
        }
    }
    let good = !topic_name.is_empty()
        && !topic_name.contains(['+', '#', '\0'])
        && topic_name.matches('/').count() < LEVELS_MAX;
    assert_eq!(topic::check(topic_name).is_ok(), good, "{topic_name:?}");
}

/// The share name and the topic filter, if the text is a filter.
fn slowly(text: &str, shared: bool) -> Option<(Option<&str>, &str)> {
    if text.len() > BYTES_MAX || text.contains('\0') {
        return None;
    }
    let parts: Vec<&str> = text.splitn(3, '/').collect();
    if shared && parts[0] == "$share" {
        let [_, name, plain] = parts[..] else { return None };
        let named = !name.is_empty() && !name.contains('+') && !name.contains('#');
        return (named && is_filter(plain)).then_some((Some(name), plain));
    }
    is_filter(text).then_some((None, text))
}

/// Letter by letter: a wildcard has nothing beside it but separators, and nothing follows `#`.
fn is_filter(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    let separated = |at: Option<usize>| {
        at.and_then(|at| letters.get(at))
            .is_none_or(|letter| *letter == '/')
    };
    let wildcards_stand_alone = letters.iter().enumerate().all(|(at, letter)| match letter {
        '+' => separated(at.checked_sub(1)) && separated(Some(at + 1)),
        '#' => separated(at.checked_sub(1)) && at + 1 == letters.len(),
        _ => true,
    });
    let separators = letters.iter().filter(|letter| **letter == '/').count();
    !text.is_empty() && wildcards_stand_alone && separators < LEVELS_MAX
}

fn matches(filter: &str, topic: &str) -> bool {
    let hidden = topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'));
    let filter: Vec<&str> = filter.split('/').collect();
    let topic: Vec<&str> = topic.split('/').collect();
    !hidden && levels_match(&filter, &topic)
}

fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) | ([], []) => true,
        (["+", filter @ ..], [_, topic @ ..]) => levels_match(filter, topic),
        ([level, filter @ ..], [name, topic @ ..]) => level == name && levels_match(filter, topic),
        _ => false,
    }
}
