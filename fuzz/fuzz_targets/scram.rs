//! libFuzzer's way to the target `scram`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroost_fuzz::scram::scram(data));
