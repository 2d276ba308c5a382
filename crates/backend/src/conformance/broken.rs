//! The suite passes a backend that is whole, and finds each flaw of one that is not (K54).

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{
    Ground, Report, Samples,
    memory::{Flaw, Memory},
    run,
};
use crate::{Backend, Work};

struct InMemory(Flaw);

impl Ground for InMemory {
    fn fresh(&self) -> Work<'_, Arc<dyn Backend>> {
        Box::pin(async { Arc::new(Memory::new(self.0)) as Arc<dyn Backend> })
    }

    fn statements(&self) -> Option<Samples> {
        Some(Samples {
            good: "PUT ${clientid} ${topic} ${payload}",
            refused: "REFUSE ${clientid}",
            unknown: ("PUT ${clientid} ${nothing}", (1, 17)),
        })
    }
}

/// Memory never makes anybody wait.
fn report(flaw: Flaw) -> Report {
    let ground = InMemory(flaw);
    let mut work = pin!(run(&ground));
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(report) => report,
        Poll::Pending => panic!("memory made somebody wait"),
    }
}

#[test]
fn k54_a_whole_backend_passes() {
    let report = report(Flaw::None);
    report.assert_passed();
    assert!(report.cases.len() > 60, "{} cases ran", report.cases.len());
}

#[test]
fn k54_each_flaw_is_found() {
    let flaws = [
        (Flaw::DeletesDropped, "delete"),
        (Flaw::DeletesTheWholeTopic, "delete"),
        (Flaw::AppendsDoubled, "fetched_in_order"),
        (Flaw::AppendsTwiceWithoutMark, "k36_appending_again"),
        (Flaw::TwoSwapped, "fetched_in_order"),
        (Flaw::OneLost, "fetched_in_order"),
        (Flaw::PagesOverlap, "pages_follow"),
        (Flaw::PagesSkipOne, "pages_follow"),
        (Flaw::MoreIsNeverSaid, "pages_follow"),
        (Flaw::SinceIgnored, "arrived_before"),
        (Flaw::TopicsFolded, "by_a_hair"),
        (Flaw::SpacesTrimmed, "by_a_hair"),
        (Flaw::PayloadCut, "odd_payloads"),
        (Flaw::EmptyPayloadLost, "odd_payloads"),
        (Flaw::TopicCut, "too_long"),
        (Flaw::RefusedWithItsNeighbours, "too_long"),
        (Flaw::SenderForgotten, "fetched_in_order"),
        (Flaw::QosForgotten, "fetched_in_order"),
        (Flaw::RetainForgotten, "fetched_in_order"),
        (Flaw::TimeForgotten, "fetched_in_order"),
        (Flaw::NewestIsOldest, "newest"),
        (Flaw::PositionForgotten, "position_is_read"),
        (Flaw::PositionShared, "has_its_own"),
        (Flaw::ForgetIgnored, "c10_a_forgotten"),
        (Flaw::LatestIsLast, "comes_late"),
        (Flaw::LatestDeletedByAnyId, "older_one_leaves"),
        (Flaw::RetainedNotReplaced, "c07_a_retained"),
        (Flaw::ClearIgnored, "retained_message_is_cleared"),
        (Flaw::SubscriptionsNotRemoved, "subscriptions_are_removed"),
        (Flaw::SubscriptionQosKept, "as_they_were_written"),
        (Flaw::PresenceStays, "come_and_go"),
        (Flaw::PresencePagesRepeat, "presence_pages"),
        (Flaw::StatementErrorsHidden, "holds_up_no_other"),
        (Flaw::StatementErrorsSpread, "holds_up_no_other"),
        (Flaw::IncarnationWanders, "health"),
        (Flaw::TopicsRepeatTheFirstPage, "k38_topics"),
    ];
    for (flaw, case) in flaws {
        let failures = report(flaw).failures();
        assert!(
            failures.iter().any(|failure| failure.contains(case)),
            "{flaw:?} is not found by {case}: {failures:#?}"
        );
    }
}
