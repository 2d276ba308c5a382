//! See `checks/filters.rs`.

#![no_main]

#[path = "../checks/filters.rs"]
mod filters;

libfuzzer_sys::fuzz_target!(|input: &[u8]| filters::check(input));
