//! libFuzzer's way to the target `session`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroost_fuzz::session::session(data));
