//! What a message carries, and whether it arrived as it was sent.
//!
//! `run u32 | publisher u32 | topic u32 | sequence u64 | sent at, ns u64 | filler … | sequence u64`, big endian. The
//! sequence stands at both ends so that a body put together from two messages is seen; the filler is the same in
//! all messages of a publisher.

/// Bytes of the smallest payload: both ends and nothing between.
pub(crate) const SIZE_MIN: usize = HEAD + TAIL;

const HEAD: usize = 28;
const TAIL: usize = 8;
const SEQUENCE_AT: usize = 12;
const SENT_AT: usize = 20;

/// What stands in the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) run: u32,
    pub(crate) publisher: u32,
    pub(crate) topic: u32,
    pub(crate) sequence: u64,
    pub(crate) sent_nanos: u64,
}

/// A payload of `size` bytes (at least [`SIZE_MIN`]) with everything but what changes from message to message.
pub(crate) fn template(run: u32, publisher: u32, size: usize) -> Vec<u8> {
    let mut payload = Vec::with_capacity(size);
    payload.extend_from_slice(&run.to_be_bytes());
    payload.extend_from_slice(&publisher.to_be_bytes());
    payload.resize(HEAD, 0);
    let filler = (HEAD..size.saturating_sub(TAIL)).map(|at| filler(publisher, at));
    payload.extend(filler);
    payload.resize(size.max(SIZE_MIN), 0);
    payload
}

/// Writes what changes into a copy of the template. `payload` must be as long as the template.
#[inline]
pub(crate) fn patch(payload: &mut [u8], topic: u32, sequence: u64, sent_nanos: u64) {
    let tail = payload.len() - TAIL;
    payload[8..SEQUENCE_AT].copy_from_slice(&topic.to_be_bytes());
    payload[SEQUENCE_AT..SENT_AT].copy_from_slice(&sequence.to_be_bytes());
    payload[SENT_AT..HEAD].copy_from_slice(&sent_nanos.to_be_bytes());
    payload[tail..].copy_from_slice(&sequence.to_be_bytes());
}

/// Reads a payload; `None` when it is not one that was sent: another length, other filler, two ends that differ.
/// `templates` are those of all publishers, in their order.
#[inline]
pub(crate) fn read(payload: &[u8], templates: &[Vec<u8>]) -> Option<Mark> {
    let word = |at: usize| Some(u32::from_be_bytes(payload.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_be_bytes(payload.get(at..at + 8)?.try_into().ok()?));
    let mark = Mark {
        run: word(0)?,
        publisher: word(4)?,
        topic: word(8)?,
        sequence: long(SEQUENCE_AT)?,
        sent_nanos: long(SENT_AT)?,
    };
    let template = templates.get(mark.publisher as usize)?;
    if payload.len() != template.len() {
        return None;
    }
    let tail = payload.len() - TAIL;
    let whole = payload[HEAD..tail] == template[HEAD..tail] && long(tail)? == mark.sequence;
    whole.then_some(mark)
}

fn filler(publisher: u32, at: usize) -> u8 {
    (publisher as usize)
        .wrapping_mul(31)
        .wrapping_add(at.wrapping_mul(7)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_is_seen_or_is_in_the_mark() {
        let templates = vec![template(9, 0, 64), template(9, 1, 64)];
        let mut payload = templates[1].clone();
        patch(&mut payload, 3, 77, 123);
        let mark = read(&payload, &templates).unwrap();
        assert_eq!(
            (mark.publisher, mark.topic, mark.sequence, mark.sent_nanos),
            (1, 3, 77, 123)
        );
        for at in 0..payload.len() {
            let mut damaged = payload.clone();
            damaged[at] ^= 0x10;
            assert_ne!(read(&damaged, &templates), Some(mark), "byte {at}");
        }
        assert_eq!(read(&payload[..63], &templates), None);
    }
}
