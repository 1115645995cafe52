//! libFuzzer's way to the target `mbox`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroost_fuzz::mbox::mbox(data));
