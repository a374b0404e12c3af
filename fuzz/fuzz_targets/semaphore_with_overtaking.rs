#![no_main]

#[path = "../../tests/interleavings/driver.rs"]
#[allow(dead_code)]
mod driver;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    driver::semaphore_with_overtaking(bytes);
});
