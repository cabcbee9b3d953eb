//! Fuzzes `properties/certificate.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portcullis_fuzz::run("certificate", data));
