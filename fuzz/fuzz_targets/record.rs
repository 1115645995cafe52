//! libFuzzer's way to the target `record`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroost_fuzz::record::record(data));
