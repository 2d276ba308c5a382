//! The memory store under the conformance suite, and the suite under stores that are broken on purpose.

use restante_store::{
    conformance::{
        OpenSettings, Opened, Place,
        broken::{Fault, noticed_by},
        histories,
    },
    memory::{MemorySettings, MemoryStore},
    store_suite,
};

struct InMemory;

impl Place for InMemory {
    fn open(&self, settings: OpenSettings) -> Opened {
        let (store, recovered) = MemoryStore::open(MemorySettings {
            bytes_max: 1 << 30,
            pending_bytes_max: 8 << 20,
            limits: settings.limits,
            clock: settings.clock.reader(),
            node: settings.node,
        })
        .expect("the memory store opens");
        Opened {
            store,
            recovered: Box::new(recovered),
        }
    }

    fn persists(&self) -> bool {
        false
    }
}

store_suite!(memory, InMemory);

#[test]
fn many_random_histories_agree_with_a_naive_model() {
    for seed in 1..=40 {
        histories::run(&InMemory, &OpenSettings::unlimited(), seed, 120);
    }
}

#[test]
fn k54_every_fault_is_noticed() {
    let sound = noticed_by(Fault::None, || InMemory);
    assert_eq!(sound, None, "the wrapper itself is sound");
    std::thread::scope(|scope| {
        for &fault in Fault::ALL {
            scope.spawn(move || {
                let noticed = noticed_by(fault, || InMemory);
                assert!(noticed.is_some(), "{fault:?} goes unnoticed");
            });
        }
    });
}
