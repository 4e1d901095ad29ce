//! Meters that sign, and their messages.

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use energy_primitives::{AccountId, Meter, MeterId, MeterIndex, Slot, SlotCalendar, ZoneId};
use wia_ene_014::{
	canonical::{meter_id, DeviceKey, Quality},
	message::{Message, Reading, Timestamp},
};

/// The zone of all meters.
pub const ZONE: ZoneId = ZoneId(1);
/// The length of a slot, seconds.
pub const SLOT_SECONDS: u32 = 900;
/// The rating of each meter, W.
const RATED_POWER_W: u32 = 10_000;

/// Messages that were signed beforehand.
pub struct Corpus {
	/// The meters, as the chain would know them.
	pub meters: Vec<(MeterId, Meter<AccountId>)>,
	/// JSON messages, slot by slot; in a slot the meters come in no particular order.
	pub messages: Vec<Bytes>,
	/// The place of the meter and the start of the figure of each message.
	pub places: Vec<(u32, u64)>,
	/// A moment at which all of them may be taken.
	pub now_seconds: u64,
}

/// Meters by their names, with their keys.
fn devices(seed: u64, meters: u32) -> Vec<(String, SigningKey)> {
	(0..meters)
		.map(|index| {
			let mut secret = [0; 32];
			secret[..8].copy_from_slice(&seed.to_le_bytes());
			secret[8..12].copy_from_slice(&index.to_le_bytes());
			(format!("METER-{index}"), SigningKey::from_bytes(&secret))
		})
		.collect()
}

fn registered(devices: &[(String, SigningKey)]) -> Vec<(MeterId, Meter<AccountId>)> {
	devices
		.iter()
		.zip(0u32..)
		.map(|((name, key), index)| {
			let meter = Meter {
				owner: AccountId::new([0; 32]),
				zone: ZONE,
				index: MeterIndex(index),
				key: DeviceKey::Ed25519(key.verifying_key().to_bytes()),
				rated_power_w: RATED_POWER_W,
			};
			(MeterId(meter_id(name)), meter)
		})
		.collect()
}

/// The meters of a seed, as the chain would know them.
pub fn meters(seed: u64, meters: u32) -> Vec<(MeterId, Meter<AccountId>)> {
	registered(&devices(seed, meters))
}

impl Corpus {
	/// `slots` messages of each of `meters` meters, one figure each, up to the slot before
	/// `now_seconds`.
	pub fn new(seed: u64, meters: u32, slots: u32, now_seconds: u64) -> Self {
		let calendar = SlotCalendar::uniform(SLOT_SECONDS);
		let last = calendar.at(now_seconds).0;
		let devices = devices(seed, meters);
		let registered = registered(&devices);
		let threads = std::thread::available_parallelism().map_or(2, usize::from);
		let mut messages = Vec::new();
		let mut places = Vec::new();
		for slot in last.saturating_sub(slots)..last {
			let span = calendar.span(Slot(slot));
			// Steps of a number without a common factor: an order that is not that of the meters.
			let order: Vec<usize> = (0..devices.len())
				.map(|place| place.wrapping_mul(2_147_483_647) % devices.len().max(1))
				.collect();
			let signed: Vec<Vec<Bytes>> = std::thread::scope(|scope| {
				let parts: Vec<_> = order
					.chunks(order.len().div_ceil(threads).max(1))
					.map(|places| {
						let devices = &devices;
						scope.spawn(move || {
							let sign = |place: &usize| {
								let (name, key) = &devices[*place];
								message(name, key, span.start_seconds, *place as u64)
							};
							places.iter().map(sign).collect()
						})
					})
					.collect();
				parts.into_iter().map(|part| part.join().expect("signing does not fail")).collect()
			});
			messages.extend(signed.into_iter().flatten());
			places.extend(order.iter().map(|place| (*place as u32, span.start_seconds)));
		}
		Self { meters: registered, messages, places, now_seconds }
	}

	/// The messages as JSON arrays.
	pub fn bodies(&self, batch: usize) -> Vec<Bytes> {
		self.messages
			.chunks(batch)
			.map(|messages| {
				let mut body = vec![b'['];
				for (index, message) in messages.iter().enumerate() {
					if index > 0 {
						body.push(b',');
					}
					body.extend_from_slice(message);
				}
				body.push(b']');
				Bytes::from(body)
			})
			.collect()
	}
}

fn message(name: &str, key: &SigningKey, start_seconds: u64, number: u64) -> Bytes {
	let moment = |seconds| Timestamp::from_unix_seconds(seconds).expect("before the end of time");
	let energy_wh = number % 2_000;
	let reading =
		Reading::from_wh(moment(start_seconds), SLOT_SECONDS, energy_wh, 0, Quality::Valid);
	let end = moment(start_seconds + u64::from(SLOT_SECONDS));
	Message::build(name.parse().expect("a meter's name"), end, vec![reading])
		.sign_ed25519(key)
		.expect("it is a message")
		.to_json()
		.into()
}
