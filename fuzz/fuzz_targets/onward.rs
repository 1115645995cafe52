//! libFuzzer's way to the target `onward`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroost_fuzz::onward::onward(data));
