//! libFuzzer's way to the target `ntlm`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroost_fuzz::ntlm::ntlm(data));
