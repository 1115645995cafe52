//! libFuzzer's way to the target `token`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroost_fuzz::token::token(data));
