//! What was handed to the store: the model's side of a crash.

use std::sync::{Arc, Mutex, PoisonError};

use restante_model::{Seq, UnixMicros};
use restante_store::{
    batch::Batch,
    conformance::{operation::Operation, state::State},
    contract::{Span, Store},
};

/// One batch, as it was submitted.
pub(crate) struct Submitted {
    pub(crate) span: Span,
    pub(crate) operations: Vec<Operation>,
}

/// The batches of one boot, on top of what was there when it began. Clones are the same journal.
#[derive(Clone)]
pub(crate) struct Journal(Arc<Mutex<Inner>>);

struct Inner {
    base: State,
    batches: Vec<Arc<Submitted>>,
    /// The highest sequence and time that were ever given out, survivors or not (K4).
    highest: Seq,
    time: UnixMicros,
}

impl Journal {
    /// A boot that begins with this state.
    pub(crate) fn new(base: State, highest: Seq, time: UnixMicros) -> Journal {
        Journal(Arc::new(Mutex::new(Inner {
            base,
            batches: Vec::new(),
            highest,
            time,
        })))
    }

    /// Submits a batch and notes it, as one step: whoever sees the batch on the disk finds it in the journal.
    pub(crate) fn submit(&self, store: &dyn Store, operations: Vec<Operation>) -> Result<Span, String> {
        let mut batch = Batch::default();
        operations.iter().for_each(|operation| operation.put(&mut batch));
        let mut inner = self.lock();
        let span = store.submit(batch);
        if span.first <= inner.highest || span.time <= inner.time {
            return Err(format!(
                "{span:?} was given although {} and {:?} had been given before",
                inner.highest, inner.time
            ));
        }
        inner.highest = span.last;
        inner.time = span.time;
        inner.batches.push(Arc::new(Submitted { span, operations }));
        Ok(span)
    }

    /// How many batches were submitted.
    pub(crate) fn len(&self) -> usize {
        self.lock().batches.len()
    }

    /// The highest sequence and time ever given out.
    pub(crate) fn highest(&self) -> (Seq, UnixMicros) {
        let inner = self.lock();
        (inner.highest, inner.time)
    }

    /// The state after the batches up to `durable`, and the later ones of the first `len`.
    pub(crate) fn at(&self, durable: Seq, len: usize) -> (State, Vec<Arc<Submitted>>) {
        let (mut state, batches) = {
            let inner = self.lock();
            (inner.base.clone(), inner.batches[..len].to_vec())
        };
        let certain = batches.partition_point(|batch| batch.span.last <= durable);
        for batch in &batches[..certain] {
            state.apply_all(batch.span, &batch.operations);
        }
        (state, batches[certain..].to_vec())
    }

    /// The time of the last of the first `len` batches that was durable and held anything.
    pub(crate) fn time_at(&self, durable: Seq, len: usize) -> UnixMicros {
        let inner = self.lock();
        let holds = |batch: &Submitted| batch.operations.iter().any(|one| *one != Operation::Skip);
        let durable = |batch: &&Arc<Submitted>| batch.span.last <= durable && holds(batch);
        let durable = inner.batches[..len].iter().rev().find(durable);
        durable.map_or(UnixMicros(0), |batch| batch.span.time)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
