//! The memory of large pages, used again when their readers have let them go. Allocated anew for each, it came from the
//! system page by page, zeroed, and went back when another thread dropped it: a tenth of what a page cost.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

/// Pages below this are allocated: what somebody who reads slowly holds on to must not be larger than what it reads.
const LEN_MIN: usize = 16 << 10;
/// Pages above this are not remembered: only a single message larger than a page makes one.
const LEN_MAX: usize = 512 << 10;
/// Pages remembered at most; beyond, the oldest is left to its reader alone.
const PAGES_MAX: usize = 32;
/// Oldest pages that are asked whether somebody still reads them.
const ASKED_MAX: usize = 4;

/// What was handed out, oldest first.
#[derive(Default)]
pub(crate) struct PageMemory {
    pages: Mutex<VecDeque<Bytes>>,
}

impl PageMemory {
    /// Empty memory for so many bytes, or more.
    pub(crate) fn take(&self, len: usize) -> BytesMut {
        if (LEN_MIN..=LEN_MAX).contains(&len) {
            let mut pages = self.pages.lock();
            for _ in 0..ASKED_MAX.min(pages.len()) {
                let Some(oldest) = pages.pop_front() else { break };
                match oldest.try_into_mut() {
                    Ok(mut free) if free.capacity() >= len => {
                        free.clear();
                        return free;
                    }
                    // Too small: the larger one that comes instead is remembered.
                    Ok(_) => {}
                    Err(read) => pages.push_back(read),
                }
            }
        }
        BytesMut::with_capacity(len)
    }

    /// The page is full. Its memory is found by [`PageMemory::take`] when nobody else has it any more.
    pub(crate) fn lend(&self, page: BytesMut) -> Bytes {
        let capacity = page.capacity();
        let page = page.freeze();
        if (LEN_MIN..=LEN_MAX).contains(&capacity) && page.len() >= LEN_MIN {
            let mut pages = self.pages.lock();
            if pages.len() >= PAGES_MAX {
                pages.pop_front();
            }
            pages.push_back(page.clone());
        }
        page
    }

    /// Lets go what nobody reads.
    pub(crate) fn cool(&self) {
        self.pages.lock().retain(|page| !page.is_unique());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(memory: &PageMemory, len: usize) -> Bytes {
        let mut page = memory.take(len);
        assert!(page.is_empty() && page.capacity() >= len);
        page.resize(len, 1);
        memory.lend(page)
    }

    fn remembered(memory: &PageMemory) -> usize {
        memory.pages.lock().len()
    }

    #[test]
    fn a_page_is_used_again_when_its_last_reader_has_gone() {
        let memory = PageMemory::default();
        let first = page(&memory, 2 * LEN_MIN);
        let part = first.slice(5..9);
        let (was, kept) = (first.as_ptr(), first.clone());
        drop(first);
        let second = page(&memory, LEN_MIN);
        assert_ne!(second.as_ptr(), was);
        drop((part, kept));
        assert_eq!(page(&memory, 2 * LEN_MIN).as_ptr(), was);
        assert_eq!(second.len(), LEN_MIN);
    }

    #[test]
    fn small_pages_and_very_large_ones_are_their_readers_alone() {
        let memory = PageMemory::default();
        page(&memory, LEN_MIN - 1);
        page(&memory, LEN_MAX + 1);
        page(&memory, 0);
        assert_eq!(remembered(&memory), 0);
    }

    #[test]
    fn no_more_is_remembered_than_the_maximum_and_nothing_when_all_is_quiet() {
        let memory = PageMemory::default();
        let mut pages: Vec<Bytes> = (0..PAGES_MAX + 3).map(|_| page(&memory, LEN_MIN)).collect();
        assert_eq!(remembered(&memory), PAGES_MAX);
        pages.truncate(PAGES_MAX + 2);
        memory.cool();
        assert_eq!(remembered(&memory), PAGES_MAX - 1);
        pages.clear();
        memory.cool();
        assert_eq!(remembered(&memory), 0);
    }

    #[test]
    fn what_is_too_small_makes_room_for_what_is_large_enough() {
        let memory = PageMemory::default();
        drop(page(&memory, LEN_MIN));
        drop(page(&memory, 4 * LEN_MIN));
        assert_eq!(remembered(&memory), 1);
    }
}
