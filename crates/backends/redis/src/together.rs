//! Several pieces of work at once, in one task.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

/// Runs all of them at once, and gives their answers in order. Few: each is looked at whenever one of them moves.
pub(crate) async fn together<'a, T>(
    work: impl IntoIterator<Item = Pin<Box<dyn Future<Output = T> + Send + 'a>>>,
) -> Vec<T> {
    let mut running: Vec<_> = work.into_iter().map(|work| (work, None)).collect();
    poll_fn(|context| {
        let mut all = true;
        for (work, answer) in &mut running {
            if answer.is_none() {
                match work.as_mut().poll(context) {
                    Poll::Ready(value) => *answer = Some(value),
                    Poll::Pending => all = false,
                }
            }
        }
        if all { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, answer)| answer).collect()
}
