//! libFuzzer's way to the target `sasl`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroost_fuzz::sasl::sasl(data));
