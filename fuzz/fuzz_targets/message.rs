//! libFuzzer's way to the target `message`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroost_fuzz::message::message(data));
