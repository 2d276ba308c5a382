//! Under which options a message is owed (K14).

use crate::{Seq, SubscriptionOptions};

/// The most epochs a subscription keeps; then the two oldest merge at their lower QoS.
pub const EPOCHS_MAX: usize = 16;

/// The options a subscription had for messages with `from < seq <= to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Exclusive: the sequence of the change that opened it.
    pub from: Seq,
    /// Inclusive: the sequence of the change that closed it, or [`Seq::MAX`].
    pub to: Seq,
    /// The options.
    pub options: SubscriptionOptions,
}

/// The epochs of one subscription, oldest first; the last one is open.
///
/// Yesterday's message never follows today's options, and QoS 1 → 0 → 1 replays nothing that was not owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epochs(Vec<Epoch>);

impl Epochs {
    /// A new subscription, made at `at`.
    pub fn begin(at: Seq, options: SubscriptionOptions) -> Epochs {
        Epochs(vec![Epoch {
            from: at,
            to: Seq::MAX,
            options,
        }])
    }

    /// Rebuilds from stored parts; `None` if they are not contiguous, ascending and open at the end.
    pub fn from_parts(parts: Vec<Epoch>) -> Option<Epochs> {
        let contiguous = parts
            .windows(2)
            .all(|pair| pair[0].to == pair[1].from && pair[0].from <= pair[0].to);
        let open = parts.last().is_some_and(|last| last.to == Seq::MAX);
        (contiguous && open && parts.len() <= EPOCHS_MAX).then_some(Epochs(parts))
    }

    /// The client subscribed again at `at`. Nothing happens when the options are the same.
    ///
    /// Answers whether two old epochs had to be merged.
    pub fn change(&mut self, at: Seq, options: SubscriptionOptions) -> bool {
        let last = self.0.len() - 1;
        if self.0[last].options == options {
            return false;
        }
        self.0[last].to = at;
        self.0.push(Epoch {
            from: at,
            to: Seq::MAX,
            options,
        });
        if self.0.len() <= EPOCHS_MAX {
            return false;
        }
        let oldest = self.0.remove(0);
        self.0[0].from = oldest.from;
        self.0[0].options.qos = self.0[0].options.qos.min(oldest.options.qos);
        true
    }

    /// Drops the epochs that end at or below the cursor's low-water mark.
    pub fn forget_below(&mut self, low: Seq) {
        let gone = self.0.iter().take_while(|epoch| epoch.to <= low).count();
        self.0.drain(..gone);
    }

    /// The options that cover a sequence; `None` for what came before the subscription.
    pub fn covering(&self, seq: Seq) -> Option<&SubscriptionOptions> {
        self.0
            .iter()
            .find(|epoch| epoch.from < seq && seq <= epoch.to)
            .map(|epoch| &epoch.options)
    }

    /// The options now.
    pub fn current(&self) -> &SubscriptionOptions {
        &self.0[self.0.len() - 1].options
    }

    /// All, oldest first. Never empty.
    pub fn parts(&self) -> &[Epoch] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QoS;

    fn at_qos(qos: QoS) -> SubscriptionOptions {
        SubscriptionOptions {
            qos,
            ..SubscriptionOptions::default()
        }
    }

    #[test]
    fn k14_a_message_is_owed_under_the_epoch_that_covers_it() {
        let mut epochs = Epochs::begin(Seq(10), at_qos(QoS::AtLeastOnce));
        epochs.change(Seq(20), at_qos(QoS::AtMostOnce));
        epochs.change(Seq(30), at_qos(QoS::AtLeastOnce));
        assert_eq!(epochs.covering(Seq(10)), None);
        assert_eq!(epochs.covering(Seq(20)).unwrap().qos, QoS::AtLeastOnce);
        assert_eq!(epochs.covering(Seq(21)).unwrap().qos, QoS::AtMostOnce);
        assert_eq!(epochs.covering(Seq(31)).unwrap().qos, QoS::AtLeastOnce);
        epochs.forget_below(Seq(25));
        assert_eq!(epochs.parts().len(), 2);
    }

    #[test]
    fn k14_the_oldest_epochs_merge_at_their_lower_qos() {
        let mut epochs = Epochs::begin(Seq(1), at_qos(QoS::AtMostOnce));
        for change in 2..=17 {
            let options = SubscriptionOptions {
                identifier: Some(change as u32),
                ..at_qos(QoS::ExactlyOnce)
            };
            let merged = epochs.change(Seq(change), options);
            assert_eq!(merged, change == 17);
        }
        assert_eq!(epochs.parts().len(), EPOCHS_MAX);
        assert_eq!(epochs.covering(Seq(3)).unwrap().qos, QoS::AtMostOnce);
        assert_eq!(epochs.parts()[0].from, Seq(1));
        assert!(Epochs::from_parts(epochs.parts().to_vec()).is_some());
    }
}
