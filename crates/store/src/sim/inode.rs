//! One simulated file: what a process sees, what is durable, and what lies between.

/// A file's contents.
#[derive(Clone)]
pub(super) struct Inode {
    /// What a process sees.
    pub(super) live: Vec<u8>,
    /// What the last sync made durable.
    pub(super) durable: Vec<u8>,
    /// What was done since, in order.
    pub(super) pending: Vec<Pending>,
}

/// Something that was done and not synced.
#[derive(Clone)]
pub(super) struct Pending {
    pub(super) operation: Operation,
    /// A sync failed over it: the system has thrown the dirty mark away, so no later sync makes it durable. It may
    /// have reached the disk all the same.
    pub(super) forgotten: bool,
}

/// A change of a file.
#[derive(Clone)]
pub(super) enum Operation {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

impl Inode {
    /// A new file whose contents were written and not synced.
    pub(super) fn new(content: Vec<u8>) -> Inode {
        let mut inode = Inode::durable(Vec::new());
        inode.apply(Operation::Write {
            offset: 0,
            bytes: content,
        });
        inode
    }

    /// A file whose contents are durable.
    pub(super) fn durable(content: Vec<u8>) -> Inode {
        Inode {
            live: content.clone(),
            durable: content,
            pending: Vec::new(),
        }
    }

    /// Does something that may be lost.
    pub(super) fn apply(&mut self, operation: Operation) {
        operation.apply_to(&mut self.live);
        self.pending.push(Pending {
            operation,
            forgotten: false,
        });
    }

    /// Makes durable what was done, except what a failed sync has forgotten.
    pub(super) fn sync(&mut self) {
        for pending in self.pending.extract_if(.., |pending| !pending.forgotten) {
            pending.operation.apply_to(&mut self.durable);
        }
    }

    /// A sync that fails.
    pub(super) fn fail_sync(&mut self) {
        self.pending
            .iter_mut()
            .for_each(|pending| pending.forgotten = true);
    }

    /// Changes a bit, durably.
    pub(super) fn flip(&mut self, offset: usize, bit: u8) -> bool {
        let mut there = false;
        for content in [&mut self.live, &mut self.durable] {
            if let Some(byte) = content.get_mut(offset) {
                *byte ^= 1 << (bit & 7);
                there = true;
            }
        }
        there
    }
}

impl Operation {
    /// Does it, wholly.
    pub(super) fn apply_to(&self, content: &mut Vec<u8>) {
        match self {
            Operation::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
            Operation::SetLen(len) => content.resize(*len, 0),
        }
    }
}
