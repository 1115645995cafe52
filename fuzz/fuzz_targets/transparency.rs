//! libFuzzer's way to the target `transparency`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroost_fuzz::transparency::transparency(data));
