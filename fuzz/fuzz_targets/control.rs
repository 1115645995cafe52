//! libFuzzer's way to the target `control`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroost_fuzz::control::control(data));
