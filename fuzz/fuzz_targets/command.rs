//! libFuzzer's way to the target `command`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroost_fuzz::command::command(data));
