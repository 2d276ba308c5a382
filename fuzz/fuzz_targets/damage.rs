//! See `checks/damage.rs`.

#![no_main]

#[path = "../checks/damage.rs"]
mod damage;

libfuzzer_sys::fuzz_target!(|input: &[u8]| damage::check(input));
