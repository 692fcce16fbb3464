#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| deploy_doctor_fuzz::run("capture", bytes));
