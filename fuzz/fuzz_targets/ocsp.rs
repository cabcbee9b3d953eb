//! Fuzzes `properties/ocsp.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portcullis_fuzz::run("ocsp", data));
