//! libFuzzer's way to the target `maildir`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroost_fuzz::maildir::maildir(data));
