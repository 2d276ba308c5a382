//! "Did you mean": the known word that is nearest to an unknown one.

/// Longer words are not compared: a guess would be worthless, and the work grows with the product of the lengths.
const WORD_CHARS_MAX: usize = 64;

/// The candidate with the fewest edits between it and `word`, if those are few enough for it to be meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word
        .chars()
        .take(WORD_CHARS_MAX + 1)
        .flat_map(char::to_lowercase)
        .collect();
    if word.is_empty() || word.len() > WORD_CHARS_MAX {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (score(&word, candidate), candidate))
        .filter(|(score, candidate)| *score <= allowed(candidate.chars().count().max(word.len())))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits, in halves: a word that holds the other one, or the same parts in another order (`mqueue_len_max`), is
/// nearer than its edits say.
fn score(word: &[char], candidate: &str) -> usize {
    let candidate: Vec<char> = candidate.chars().collect();
    if same_parts(word, &candidate) {
        return 1;
    }
    let edits = 2 * edits(word, &candidate);
    let (short, long) = if word.len() < candidate.len() {
        (word, &candidate[..])
    } else {
        (&candidate[..], word)
    };
    let contained = short.len() >= 4 && long.windows(short.len()).any(|window| window == short);
    if contained { edits.min(3) } else { edits }
}

/// A third of the letters, and never less than one edit.
fn allowed(length: usize) -> usize {
    2 * (length / 3).max(1)
}

fn same_parts(one: &[char], other: &[char]) -> bool {
    let parts = |word: &[char]| {
        let mut parts: Vec<Vec<char>> = word
            .split(|c| matches!(c, '_' | '-'))
            .map(<[char]>::to_vec)
            .collect();
        parts.sort();
        parts
    };
    parts(one) == parts(other)
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn one word into the other.
fn edits(one: &[char], other: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut best = (last[j] + usize::from(a != b))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["max_mqueue_len", "max_mqueue_bytes", "when_full", "sync"];

    fn check(word: &str, expected: Option<&str>) {
        assert_eq!(nearest(word, NAMES), expected, "{word}");
    }

    #[test]
    fn finds_what_was_meant() {
        check("max_mqueue_length", Some("max_mqueue_len"));
        check("mqueue_len", Some("max_mqueue_len"));
        check("mqueue_bytes_max", Some("max_mqueue_bytes"));
        check("max-mqueue-len", Some("max_mqueue_len"));
        check("whenfull", Some("when_full"));
        check("snyc", Some("sync"));
        check("SYNC", Some("sync"));
    }

    #[test]
    fn does_not_guess_wildly() {
        check("tls", None);
        check("", None);
        check("colour", None);
        check(&"x".repeat(10_000), None);
    }
}
