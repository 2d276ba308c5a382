//! Medians and ratios, as a table in markdown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::brokers::Peer;
use super::probe::SyncTime;
use super::rows::{Better, Figures};

/// All figures of all rounds.
#[derive(Default)]
pub(super) struct Table {
    /// By row and figure, in the order they were first measured.
    lines: Vec<Line>,
    failures: BTreeSet<String>,
    pub(super) disk: Vec<SyncTime>,
}

struct Line {
    row: String,
    what: String,
    better: Better,
    values: BTreeMap<Peer, Vec<f64>>,
}

impl Table {
    /// Takes what one run has shown.
    pub(super) fn add(&mut self, row: &str, peer: Peer, figures: Figures) {
        for (what, value, better) in figures {
            let known = self
                .lines
                .iter_mut()
                .find(|line| line.row == row && line.what == what);
            match known {
                Some(line) => line.values.entry(peer).or_default().push(value),
                None => self.lines.push(Line {
                    row: row.to_owned(),
                    what,
                    better,
                    values: BTreeMap::from([(peer, vec![value])]),
                }),
            }
        }
    }

    /// Notes that a run did not count.
    pub(super) fn fail(&mut self, row: &str, peer: Peer, sentence: String) {
        self.failures
            .insert(format!("{row}, {}: {sentence}", peer.name()));
    }

    /// The table. A ratio says how many times better Restante is: above 1 it is ahead, whichever way the figure goes.
    pub(super) fn markdown(&self, peers: &[Peer], rounds: u32, scale: u64) -> String {
        let mut text = String::new();
        let syncs: Vec<f64> = self.disk.iter().map(|time| time.median_us).collect();
        let worst = self.disk.iter().map(|time| time.p99_us).fold(0.0, f64::max);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "Medians of {rounds} rounds at {scale} % of the full counts, every round all brokers in turn; [lowest–highest]. \
             fdatasync of 4 KiB on this disk: median {:.0} us, p99 at most {worst:.0} us. A ratio above 1 means that \
             restante is that many times better.\n",
            median(&syncs)
        );
        let _ = write!(text, "| | |");
        for peer in peers {
            let _ = write!(text, " {} |", peer.name());
        }
        for peer in peers.iter().filter(|peer| **peer != Peer::Restante) {
            let _ = write!(text, " × {} |", peer.name());
        }
        let columns = 1 + 2 * peers.len();
        let _ = writeln!(text, "\n|{}", "---|".repeat(columns));
        let mut row = "";
        for line in &self.lines {
            let shown = if line.row == row { "" } else { &line.row };
            row = &line.row;
            let _ = write!(text, "| {shown} | {} |", line.what);
            for peer in peers {
                let _ = write!(
                    text,
                    " {} |",
                    line.values
                        .get(peer)
                        .map_or("–".to_owned(), |values| spread(values))
                );
            }
            for peer in peers.iter().filter(|peer| **peer != Peer::Restante) {
                let _ = write!(
                    text,
                    " {} |",
                    line.ratio(*peer)
                        .map_or("–".to_owned(), |ratio| format!("{ratio:.2}"))
                );
            }
            text.push('\n');
        }
        for failure in &self.failures {
            let _ = writeln!(text, "\nFailed: {failure}");
        }
        text
    }
}

impl Line {
    fn ratio(&self, peer: Peer) -> Option<f64> {
        let (ours, theirs) = (
            median(self.values.get(&Peer::Restante)?),
            median(self.values.get(&peer)?),
        );
        let ratio = match self.better {
            Better::More => ours / theirs,
            Better::Less => theirs / ours,
        };
        ratio.is_finite().then_some(ratio)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let middle = short(median(values));
    if values.len() == 1 {
        middle
    } else {
        format!("{middle} [{}–{}]", short(least), short(most))
    }
}

fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 1e6 => format!("{:.2} M", value / 1e6),
        large if large >= 1e4 => format!("{:.0} k", value / 1e3),
        large if large >= 100.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_say_how_many_times_better_restante_is() {
        let mut table = Table::default();
        for (peer, rate, cpu) in [(Peer::Restante, 300.0, 1.0), (Peer::Rumqttd, 150.0, 2.5)] {
            for wobble in [0.9, 1.0, 1.2] {
                let figures = vec![
                    ("rate".to_owned(), rate * wobble, Better::More),
                    ("cpu".to_owned(), cpu * wobble, Better::Less),
                ];
                table.add("row", peer, figures);
            }
        }
        let text = table.markdown(&[Peer::Restante, Peer::Rumqttd], 3, 100);
        assert!(
            text.contains("| row | rate | 300 [270–360] | 150 [135–180] | 2.00 |"),
            "{text}"
        );
        assert!(
            text.contains("|  | cpu | 1.00 [0.90–1.20] | 2.50 [2.25–3.00] | 2.50 |"),
            "{text}"
        );
    }
}
