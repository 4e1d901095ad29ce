//! `cargo +nightly fuzz run parse_message`, in the folder above this one.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// The property itself, which the test suite runs too.
#[path = "../../tests/suite/round_trip.rs"]
mod round_trip;

fuzz_target!(|document: &[u8]| round_trip::assert_round_trip(document));
