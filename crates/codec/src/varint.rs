//! Variable byte integers (5.0 section 1.5.5): one to four bytes, seven bits each, lowest first.

use crate::error::Fault;

/// The largest value: four bytes of seven bits.
pub const VALUE_MAX: u32 = 268_435_455;

/// Reads one integer at the start of `input`: its value and how many bytes it took, or `None` if `input` ends first.
///
/// A fifth byte is refused, and so is an encoding longer than needed `[MQTT-1.5.5-1]`.
#[inline]
pub(crate) fn read(input: &[u8]) -> Result<Option<(u32, usize)>, Fault> {
    let mut value = 0;
    for (index, &byte) in input.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            if byte == 0 && index > 0 {
                return Err(Fault::IntegerOverlong);
            }
            return Ok(Some((value, index + 1)));
        }
    }
    if input.len() < 4 {
        Ok(None)
    } else {
        Err(Fault::IntegerTooLong)
    }
}

/// How many bytes a value takes. Values above [`VALUE_MAX`] cannot be written; callers check first.
pub(crate) const fn len(value: u32) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}

/// Appends a value of at most [`VALUE_MAX`].
#[inline]
pub(crate) fn write(mut value: u32, out: &mut Vec<u8>) {
    debug_assert!(value <= VALUE_MAX, "a variable byte integer has 28 bits");
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_of_each_length_come_back() {
        for value in [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, VALUE_MAX] {
            let mut bytes = Vec::new();
            write(value, &mut bytes);
            assert_eq!(bytes.len(), len(value));
            assert_eq!(read(&bytes), Ok(Some((value, bytes.len()))));
            assert_eq!(read(&bytes[..bytes.len() - 1]), Ok(None));
        }
    }

    #[test]
    fn long_forms_are_refused() {
        assert_eq!(read(&[0x80, 0x00]), Err(Fault::IntegerOverlong));
        assert_eq!(read(&[0xff, 0x80, 0x00]), Err(Fault::IntegerOverlong));
        assert_eq!(read(&[0x80, 0x80, 0x80, 0x80]), Err(Fault::IntegerTooLong));
        assert_eq!(read(&[0x80, 0x80, 0x80]), Ok(None));
    }
}
