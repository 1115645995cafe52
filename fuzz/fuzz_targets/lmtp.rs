//! libFuzzer's way to the target `lmtp`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroost_fuzz::lmtp::lmtp(data));
