//! libFuzzer's way to the target `gssapi`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroost_fuzz::gssapi::gssapi(data));
