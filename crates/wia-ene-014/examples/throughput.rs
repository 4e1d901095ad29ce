//! How many messages a second one core reads, checks and verifies, stage by stage.
//!
//! `cargo run --release -p wia-ene-014 --example throughput [-- SEED]`
//!
//! One thread. The load is 10 000 messages of as many meters, each with one quarter of an hour,
//! signed with Ed25519, in arrays of 100. A stage goes over all of them again and again; its figure
//! is the best of the rounds, in processor time of the thread where Linux tells it, so that other
//! programs on the machine disturb less. The first lines are the yardstick: what the same machine
//! needs to copy the same bytes, and to read them into a `serde_json::Value`.

use std::{error::Error, fs, hint::black_box, time::Instant};

use ed25519_dalek::SigningKey;
use serde_json::{value::RawValue, Value};
use wia_ene_014::{
	check, ed25519_dalek, signing_bytes, verify_all, DeviceKey, Limits, Message, PreparedKey,
	Quality, Reading, SignedMessage, Timestamp,
};

const METERS: usize = 10_000;
const MESSAGES_PER_BODY: usize = 100;
const ROUNDS: usize = 5;
/// A round of a stage goes on until it has lasted that long.
const ROUND_SECONDS: f64 = 0.2;
/// 2025-12-25T10:30:00Z.
const NOW_SECONDS: u64 = 1_766_658_600;

/// The generator "splitmix64" of Steele, Lea and Flood (2014): the same load for the same seed.
struct Random(u64);

impl Random {
	fn next(&mut self) -> u64 {
		self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
		let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
		let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
		mixed ^ (mixed >> 31)
	}

	fn secret(&mut self) -> SigningKey {
		let mut bytes = [0; 32];
		for part in bytes.chunks_exact_mut(8) {
			part.copy_from_slice(&self.next().to_le_bytes());
		}
		SigningKey::from_bytes(&bytes)
	}
}

/// The messages as they arrive, and the keys of their meters.
struct Load {
	documents: Vec<String>,
	bodies: Vec<String>,
	keys: Vec<DeviceKey>,
}

impl Load {
	fn new(seed: u64) -> Result<Self, Box<dyn Error>> {
		let mut random = Random(seed);
		let start = Timestamp::from_unix_seconds(NOW_SECONDS - 900).ok_or("start")?;
		let now = Timestamp::from_unix_seconds(NOW_SECONDS).ok_or("now")?;
		let mut documents = Vec::with_capacity(METERS);
		let mut keys = Vec::with_capacity(METERS);
		for meter in 0..METERS {
			let secret = random.secret();
			let (import_wh, export_wh) = (random.next() % 3_000, random.next() % 1_000);
			let reading = Reading::from_wh(start, 900, import_wh, export_wh, Quality::Valid);
			let message = Message::build(format!("KR-{meter:06}").parse()?, now, vec![reading]);
			documents.push(message.sign_ed25519(&secret)?.to_json());
			keys.push(DeviceKey::Ed25519(secret.verifying_key().to_bytes()));
		}
		let bodies = documents
			.chunks(MESSAGES_PER_BODY)
			.map(|messages| format!("[{}]", messages.join(",")))
			.collect();
		Ok(Self { documents, bodies, keys })
	}

	fn bytes(&self) -> usize {
		self.documents.iter().map(String::len).sum()
	}
}

/// Seconds of processor time of this thread.
fn processor_seconds() -> Option<f64> {
	let statistics = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
	Some(statistics.split(' ').next()?.parse::<u64>().ok()? as f64 / 1e9)
}

/// Runs a stage, which handles `messages` messages each time, and prints its figure.
fn stage(name: &str, messages: usize, mut run: impl FnMut()) {
	let mut best_seconds = f64::INFINITY;
	for _round in 0..ROUNDS {
		let (wall, processor) = (Instant::now(), processor_seconds());
		let mut runs = 0u32;
		while wall.elapsed().as_secs_f64() < ROUND_SECONDS {
			run();
			runs += 1;
		}
		let seconds = match (processor, processor_seconds()) {
			(Some(before), Some(after)) => after - before,
			_ => wall.elapsed().as_secs_f64(),
		};
		best_seconds = best_seconds.min(seconds / f64::from(runs) / messages as f64);
	}
	println!("{name:<54} {:>9.0} ns {:>12.0} /s", best_seconds * 1e9, 1.0 / best_seconds);
}

fn processor_name() -> Option<String> {
	let text = fs::read_to_string("/proc/cpuinfo").ok()?;
	let line = text.lines().find(|line| line.starts_with("model name"))?;
	Some(line.split_once(": ")?.1.into())
}

fn main() -> Result<(), Box<dyn Error>> {
	let seed = std::env::args().nth(1).map_or(Ok(1), |seed| seed.parse())?;
	let load = Load::new(seed)?;
	let signed = load
		.documents
		.iter()
		.map(|document| SignedMessage::try_from(&Message::parse(document.as_bytes())?))
		.collect::<Result<Vec<_>, _>>()?;
	let limits = Limits { max_power_w: Some(20_000), ..Limits::at(NOW_SECONDS) };
	let all = METERS;

	println!("machine: {}", processor_name().as_deref().unwrap_or("unknown"));
	println!("seed: {seed}");
	println!(
		"load: {all} messages of {} bytes on average, {MESSAGES_PER_BODY} a body",
		load.bytes() / all
	);
	println!();

	println!("yardstick");
	let mut copy = Vec::new();
	stage("copy the bytes", all, || {
		for document in &load.documents {
			copy.clear();
			copy.extend_from_slice(document.as_bytes());
			black_box(&copy);
		}
	});
	stage("serde_json::from_slice::<Value>", all, || {
		for document in &load.documents {
			black_box(serde_json::from_slice::<Value>(document.as_bytes()).is_ok());
		}
	});

	println!("general reader");
	stage("split an array into messages", all, || {
		for body in &load.bodies {
			black_box(serde_json::from_slice::<Vec<&RawValue>>(body.as_bytes()).is_ok());
		}
	});
	stage("parse", all, || {
		for document in &load.documents {
			black_box(Message::parse(document.as_bytes()).is_ok());
		}
	});
	stage("parse and make canonical", all, || {
		for document in &load.documents {
			let message = Message::parse(document.as_bytes());
			black_box(message.and_then(|message| SignedMessage::try_from(&message)).is_ok());
		}
	});
	stage("split, parse, make canonical, check, leaf bytes", all, || {
		for body in &load.bodies {
			for raw in serde_json::from_slice::<Vec<&RawValue>>(body.as_bytes()).unwrap_or_default()
			{
				let signed = Message::parse(raw.get().as_bytes())
					.and_then(|message| SignedMessage::try_from(&message))
					.and_then(|signed| check(&signed, &limits).map(|()| signed.leaf_bytes()));
				black_box(signed.is_ok());
			}
		}
	});

	println!("reader of plain messages");
	stage("read to canonical", all, || {
		for document in &load.documents {
			black_box(SignedMessage::parse(document.as_bytes()).is_ok());
		}
	});
	stage("read an array to canonical", all, || {
		for body in &load.bodies {
			black_box(
				SignedMessage::parse_plain_array(body.as_bytes(), MESSAGES_PER_BODY).is_some(),
			);
		}
	});
	stage("read an array, check, leaf bytes", all, || {
		for body in &load.bodies {
			let messages = SignedMessage::parse_plain_array(body.as_bytes(), MESSAGES_PER_BODY);
			for (_place, signed) in messages.unwrap_or_default() {
				black_box(check(&signed, &limits).map(|()| signed.leaf_bytes()).is_ok());
			}
		}
	});

	println!("parts");
	stage("check", all, || {
		for signed in &signed {
			black_box(check(signed, &limits).is_ok());
		}
	});
	stage("signing bytes", all, || {
		for signed in &signed {
			black_box(signing_bytes(&signed.message));
		}
	});
	stage("leaf bytes", all, || {
		for signed in &signed {
			black_box(signed.leaf_bytes());
		}
	});

	println!("signature");
	stage("DeviceKey::verify", all, || {
		for (signed, key) in signed.iter().zip(&load.keys) {
			black_box(signed.verify(key).is_ok());
		}
	});
	let prepared: Vec<PreparedKey> = load.keys.iter().map(PreparedKey::from).collect();
	stage("PreparedKey::verify", all, || {
		for (signed, key) in signed.iter().zip(&prepared) {
			black_box(signed.verify_prepared(key).is_ok());
		}
	});
	let pairs: Vec<_> = signed.iter().zip(&prepared).collect();
	for number in [64, 128, 200, 400, 1_000] {
		stage(&format!("verify_all, {number} at a time"), all, || {
			for pairs in pairs.chunks(number) {
				black_box(verify_all(pairs));
			}
		});
	}
	stage("all stages, one message after the other", all, || {
		for (body, prepared) in load.bodies.iter().zip(prepared.chunks(MESSAGES_PER_BODY)) {
			let messages = SignedMessage::parse_plain_array(body.as_bytes(), MESSAGES_PER_BODY);
			for ((_place, signed), key) in messages.unwrap_or_default().iter().zip(prepared) {
				let good = check(signed, &limits).is_ok() && signed.verify_prepared(key).is_ok();
				black_box(good.then(|| signed.leaf_bytes()));
			}
		}
	});
	Ok(())
}
