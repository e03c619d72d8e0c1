#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| unsilo_fhe_fuzz::fuzz("shown_answers", data));
