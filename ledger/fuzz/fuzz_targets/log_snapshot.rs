#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| unsilo_ledger_fuzz::fuzz("log_snapshot", data));
