//! How fast values of 250 bytes are sealed, opened and blinded, on one thread and on two.
//!
//! Run it with `--release`.

use std::{error::Error, hint::black_box, thread, time::Instant};

use sealed_values::{KeyFile, KeyRing, MeterBlinding, Place, SecretKey, ValueCipher};

const VALUE_BYTES: usize = 250;
const VALUES: u32 = 2_000_000;
const RUNS: usize = 5;

fn key_of(index: u32) -> [u8; 20] {
	let mut key = [0; 20];
	key[8..12].copy_from_slice(&index.to_be_bytes());
	key
}

fn place(key: &[u8; 20]) -> Place<'_> {
	Place { column_family: "readings", key }
}

fn seal(cipher: &ValueCipher) {
	let value = [7; VALUE_BYTES];
	let mut sealed = Vec::new();
	for index in 0..VALUES {
		sealed.clear();
		cipher
			.seal_into(place(&key_of(index)), black_box(&value), &mut sealed)
			.expect("a session was started");
		black_box(&sealed);
	}
}

fn open(cipher: &ValueCipher) {
	let key = key_of(1);
	let (mut sealed, mut value) = (Vec::new(), Vec::new());
	cipher.seal_into(place(&key), &[7; VALUE_BYTES], &mut sealed).expect("a session was started");
	for _index in 0..VALUES {
		value.clear();
		cipher.open_into(place(&key), black_box(&sealed), &mut value).expect("it was just sealed");
		black_box(&value);
	}
}

fn blind(blinding: &MeterBlinding) {
	let mut meter = [0; 32];
	for index in 0..VALUES {
		meter[..4].copy_from_slice(&index.to_be_bytes());
		black_box(blinding.blind(black_box(&meter)));
	}
}

/// The fastest of a few runs, values per second.
fn measure(name: &str, values: u32, run: impl Fn()) {
	let seconds = (0..RUNS)
		.map(|_run| {
			let start = Instant::now();
			run();
			start.elapsed().as_secs_f64()
		})
		.fold(f64::INFINITY, f64::min);
	let per_second = f64::from(values) / seconds;
	let megabytes = per_second * VALUE_BYTES as f64 / 1e6;
	let nanoseconds = 1e9 / per_second;
	println!("{name:<20} {per_second:>12.0} values/s {megabytes:>8.0} MB/s {nanoseconds:>6.0} ns");
}

fn main() -> Result<(), Box<dyn Error>> {
	let kek = KeyFile::from_secret(&SecretKey::random()?);
	let ring = KeyRing::generate(&kek, 0)?;
	ring.start_session(&kek, 0, |_bytes| Ok::<(), std::convert::Infallible>(()))?;
	let cipher = ring.cipher();

	println!("values of {VALUE_BYTES} bytes, the best of {RUNS} runs; MB are of plain values");
	measure("seal, 1 thread", VALUES, || seal(&cipher));
	measure("open, 1 thread", VALUES, || open(&cipher));
	measure("seal, 2 threads", 2 * VALUES, || {
		thread::scope(|scope| {
			scope.spawn(|| seal(&cipher));
			scope.spawn(|| seal(&cipher));
		});
	});
	let blinding = ring.blinding();
	let per_second = {
		let start = Instant::now();
		blind(blinding);
		f64::from(VALUES) / start.elapsed().as_secs_f64()
	};
	println!("{:<20} {per_second:>12.0} meter ids/s", "blind, 1 thread");
	Ok(())
}
