//! What a topic matches, gathered once and cached until the subscriptions change.

use std::sync::Arc;

use restante_model::{QueueId, SubscriptionOptions};

use super::{Address, Entry};
use crate::{group::Group, keeping::ruling::KeptTopic};

/// The filters that match one topic, from the publisher's point of view.
#[derive(Default)]
pub(crate) struct Matches {
    queues: Vec<QueueId>,
    /// Present receivers, sorted by runtime.
    targets: Vec<Target>,
    groups: Vec<GroupMatch>,
    /// Filters whose queue has readers that are not present.
    absent: u32,
    /// How many of the queues, the first ones, are those of shared groups.
    shared_queues: usize,
    kept: Option<Arc<KeptTopic>>,
}

/// A shared group that matches.
pub(crate) struct GroupMatch {
    pub(crate) group: Arc<Group>,
    /// Its queue is among the [`Matches::queues`].
    pub(crate) has_queue: bool,
}

/// One present receiver with all its subscriptions that match.
pub(crate) struct Target {
    pub(crate) address: Address,
    pub(crate) options: Vec<SubscriptionOptions>,
}

impl Matches {
    /// The queues that a QoS 1 or 2 message enters.
    pub(crate) fn queues(&self) -> &[QueueId] {
        &self.queues
    }

    /// Present receivers of all runtimes.
    #[cfg(test)]
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter()
    }

    /// Present receivers of one runtime.
    pub(crate) fn targets_of(&self, runtime: u16) -> &[Target] {
        let start = self
            .targets
            .partition_point(|target| target.address.runtime < runtime);
        let end = self
            .targets
            .partition_point(|target| target.address.runtime <= runtime);
        &self.targets[start..end]
    }

    /// The runtimes that have a present receiver, as a bit set. There are at most 64 runtimes.
    pub(crate) fn runtimes(&self) -> u64 {
        self.targets
            .iter()
            .fold(0, |set, target| set | 1 << target.address.runtime)
    }

    /// Shared groups.
    pub(crate) fn groups(&self) -> &[GroupMatch] {
        &self.groups
    }

    /// How many matched filters have absent readers: what a QoS 0 message is not kept for.
    pub(crate) fn absent(&self) -> u32 {
        self.absent
    }

    /// What the rules say of the topic, if anything.
    pub(crate) fn kept(&self) -> Option<&Arc<KeptTopic>> {
        self.kept.as_ref()
    }

    /// The keep that its backlog is in.
    pub(crate) fn source(&self) -> Option<usize> {
        self.kept.as_ref()?.source
    }

    /// Takes in what the rules say of the topic. One that has its backlog in a keep enters no session's queue (K32).
    pub(crate) fn with_rules(mut self, kept: Option<KeptTopic>) -> Matches {
        self.kept = kept.map(Arc::new);
        if self.source().is_some() {
            self.queues.truncate(self.shared_queues);
        }
        self
    }

    /// Nobody is interested.
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.targets.is_empty() && self.groups.is_empty()
    }
}

#[derive(Default)]
pub(super) struct Builder {
    matches: Matches,
    /// Queues that sessions read themselves.
    own_queues: Vec<QueueId>,
}

impl Builder {
    pub(super) fn add(&mut self, entry: &Entry) {
        if let Some(group) = entry.group() {
            self.matches.queues.extend(entry.queue());
            // Who is absent from a group matters only when everybody is.
            self.matches.groups.push(GroupMatch {
                group: group.clone(),
                has_queue: entry.queue().is_some(),
            });
            return;
        }
        self.own_queues.extend(entry.queue());
        let receivers = entry.receivers();
        let present = receivers.iter().filter(|receiver| receiver.persistent).count() as u32;
        self.matches.absent += u32::from(entry.readers > present);
        self.matches
            .targets
            .extend(receivers.iter().map(|receiver| Target {
                address: receiver.address,
                options: vec![receiver.options],
            }));
    }

    pub(super) fn finish(mut self) -> Matches {
        self.matches.shared_queues = self.matches.queues.len();
        self.matches.queues.append(&mut self.own_queues);
        let targets = &mut self.matches.targets;
        targets.sort_by_key(|target| target.address);
        targets.dedup_by(|later, first| {
            let same = later.address == first.address;
            if same {
                first.options.append(&mut later.options);
            }
            same
        });
        self.matches
    }
}
