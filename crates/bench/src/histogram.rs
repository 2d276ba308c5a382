//! Latencies in buckets: 64 per power of two, so within 1.6 % of the truth, in 30 KiB whatever the count.

use crate::report::Latency;

/// Buckets per power of two.
const FINE: u64 = 64;
/// Bits of [`FINE`].
const FINE_BITS: u32 = FINE.trailing_zeros();
/// Powers of two told apart above [`FINE`]; the last one is 2^48 ns, three days.
const COARSE: usize = 42;

/// A histogram of nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Histogram {
        Histogram {
            counts: vec![0; (COARSE + 1) * FINE as usize],
            total: 0,
            max: 0,
        }
    }

    /// Counts one.
    #[inline]
    pub(crate) fn add(&mut self, nanos: u64) {
        let last = self.counts.len() - 1;
        self.counts[bucket(nanos).min(last)] += 1;
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    /// Takes in what another has counted.
    pub(crate) fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// The figures people ask for; `None` when nothing was counted.
    pub(crate) fn latency(&self) -> Option<Latency> {
        (self.total > 0).then(|| Latency {
            count: self.total,
            p50_us: self.quantile(0.50),
            p90_us: self.quantile(0.90),
            p99_us: self.quantile(0.99),
            p999_us: self.quantile(0.999),
            max_us: self.max as f64 / 1e3,
        })
    }

    /// Microseconds at or below which the given part of all lies.
    fn quantile(&self, part: f64) -> f64 {
        let rank = (self.total as f64 * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return (middle(index) as f64).min(self.max as f64) / 1e3;
            }
        }
        self.max as f64 / 1e3
    }
}

#[inline]
fn bucket(nanos: u64) -> usize {
    if nanos < FINE {
        return nanos as usize;
    }
    let power = 63 - nanos.leading_zeros();
    let shift = power - FINE_BITS;
    let within = (nanos >> shift) - FINE;
    ((u64::from(shift) + 1) * FINE + within) as usize
}

/// A value in the middle of a bucket.
fn middle(index: usize) -> u64 {
    let (coarse, within) = (index as u64 / FINE, index as u64 % FINE);
    if coarse == 0 {
        return within;
    }
    let shift = coarse - 1;
    ((FINE + within) << shift) + ((1 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_near_the_middle_of_its_bucket() {
        for nanos in (0..50)
            .map(|power| 1u64 << power)
            .flat_map(|value| [value, value + value / 3, 2 * value - 1])
        {
            if nanos >= 1 << 47 {
                continue;
            }
            let middle = middle(bucket(nanos));
            assert!(
                middle.abs_diff(nanos) * 64 <= nanos.max(64),
                "{nanos} -> {middle}"
            );
        }
    }

    #[test]
    fn quantiles_of_a_ramp() {
        let mut histogram = Histogram::new();
        for value in 1..=1_000 {
            histogram.add(value * 1_000);
        }
        let latency = histogram.latency().unwrap();
        assert!((latency.p50_us - 500.0).abs() < 9.0, "{latency:?}");
        assert!((latency.p99_us - 990.0).abs() < 17.0, "{latency:?}");
        assert_eq!(latency.max_us, 1_000.0);
    }
}
