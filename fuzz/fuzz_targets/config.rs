//! libFuzzer's way to the target `config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroost_fuzz::config::config(data));
