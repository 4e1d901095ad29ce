//! The problem: as JSON, and checked.

use energy_market_core::coupling::{Link, ZoneBook, MAX_LINKS, MAX_ZONES};
use serde::Deserialize;
use std::collections::HashMap;
use thiserror::Error;

/// The most energy that all bids, or all asks, may have together, Wh: up to here, floating point
/// still tells single watt-hours apart. The whole world uses less than a tenth of it in an hour.
pub const MAX_ENERGY_WH: u64 = 100_000_000_000_000;

/// The highest price of a tick, and the highest fee, minor units per kWh.
pub const MAX_PRICE: u64 = 1_000_000_000_000;

/// Why a problem cannot be solved as it is: the field, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {reason}")]
pub struct ProblemError {
	/// The field, as in `zones[1].tick_size`.
	pub field: String,
	/// What is wrong with it.
	pub reason: String,
}

/// A zone and its book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
	/// What links and answers call it.
	pub name: String,
	/// The price of tick 0, minor units per kWh.
	pub price_floor: u64,
	/// From one tick to the next, minor units per kWh; not zero.
	pub tick_size: u64,
	/// The energy of the bids at each tick, Wh.
	pub bids: Vec<u64>,
	/// The energy of the asks at each tick, Wh.
	pub asks: Vec<u64>,
}

impl Zone {
	/// The book as the certificate takes it.
	pub fn book(&self) -> ZoneBook<'_> {
		ZoneBook {
			bids: &self.bids,
			asks: &self.asks,
			price_floor: self.price_floor,
			tick_size: self.tick_size,
		}
	}

	/// The price of a tick, minor units per kWh. At most [`MAX_PRICE`] for the ticks of a problem
	/// that was checked.
	pub fn price(&self, tick: usize) -> u64 {
		self.tick_size.saturating_mul(tick as u64).saturating_add(self.price_floor)
	}
}

/// Zones and links, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
	zones: Vec<Zone>,
	links: Vec<Link>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProblemFile {
	zones: Vec<ZoneFile>,
	#[serde(default)]
	links: Vec<LinkFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ZoneFile {
	name: String,
	price_floor: u64,
	tick_size: u64,
	#[serde(default)]
	bids: Vec<Level>,
	#[serde(default)]
	asks: Vec<Level>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Level {
	tick: u16,
	energy_wh: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkFile {
	from: String,
	to: String,
	capacity_wh: u64,
	#[serde(default)]
	loss_ppm: u32,
	#[serde(default)]
	fee_per_kwh: u64,
	#[serde(default)]
	fee_ppm: u32,
}

impl Problem {
	/// Reads a problem from JSON and checks it.
	///
	/// # Errors
	///
	/// The first [`ProblemError`]: a field that is missing, unknown or of another type, or one of
	/// those of [`Problem::new`].
	pub fn from_json(text: &str) -> Result<Self, ProblemError> {
		let mut reader = serde_json::Deserializer::from_str(text);
		let file: ProblemFile =
			serde_path_to_error::deserialize(&mut reader).map_err(|error| ProblemError {
				field: match error.path().to_string().as_str() {
					"." => "problem".into(),
					path => path.into(),
				},
				reason: error.into_inner().to_string(),
			})?;
		reader.end().map_err(|error| wrong("problem", error))?;

		let mut indices = HashMap::new();
		let mut zones = Vec::new();
		for (index, zone) in file.zones.into_iter().enumerate() {
			if indices.insert(zone.name.clone(), index).is_some() {
				let reason = format!("another zone is called {:?} too", zone.name);
				return Err(wrong(format!("zones[{index}].name"), reason));
			}
			let bids = depth(&zone.bids, || format!("zones[{index}].bids"))?;
			let asks = depth(&zone.asks, || format!("zones[{index}].asks"))?;
			let ZoneFile { name, price_floor, tick_size, .. } = zone;
			zones.push(Zone { name, price_floor, tick_size, bids, asks });
		}
		let mut links = Vec::new();
		for (index, link) in file.links.into_iter().enumerate() {
			let zone = |field: &str, name: &str| {
				indices.get(name).copied().ok_or_else(|| {
					wrong(format!("links[{index}].{field}"), format!("no zone is called {name:?}"))
				})
			};
			links.push(Link {
				from: zone("from", &link.from)?,
				to: zone("to", &link.to)?,
				capacity_wh: link.capacity_wh,
				loss_ppm: link.loss_ppm,
				fee_per_kwh: link.fee_per_kwh,
				fee_ppm: link.fee_ppm,
			});
		}
		Self::new(zones, links)
	}

	/// Checks a problem.
	///
	/// # Errors
	///
	/// [`ProblemError`] for too many zones, links or ticks, a tick size of zero, prices or fees
	/// above [`MAX_PRICE`], more energy than [`MAX_ENERGY_WH`], and links that go nowhere, to where
	/// they begin, or lose everything.
	pub fn new(zones: Vec<Zone>, links: Vec<Link>) -> Result<Self, ProblemError> {
		if zones.len() > MAX_ZONES {
			return Err(wrong("zones", format!("{} are more than {MAX_ZONES}", zones.len())));
		}
		if links.len() > MAX_LINKS {
			return Err(wrong("links", format!("{} are more than {MAX_LINKS}", links.len())));
		}
		let mut wanted = 0;
		let mut offered = 0;
		for (index, zone) in zones.iter().enumerate() {
			if zone.tick_size == 0 {
				return Err(wrong(format!("zones[{index}].tick_size"), "must not be zero"));
			}
			let sides = [("bids", &zone.bids, &mut wanted), ("asks", &zone.asks, &mut offered)];
			for (side, depth, total) in sides {
				let field = || format!("zones[{index}].{side}");
				if depth.len() > usize::from(u16::MAX) + 1 {
					return Err(wrong(field(), "more than 65536 ticks"));
				}
				if zone.price(depth.len().saturating_sub(1)) > MAX_PRICE {
					let reason = format!("the price of the last tick is above {MAX_PRICE}");
					return Err(wrong(field(), reason));
				}
				*total += depth.iter().map(|energy| u128::from(*energy)).sum::<u128>();
				if *total > u128::from(MAX_ENERGY_WH) {
					let reason = format!("with those before more than {MAX_ENERGY_WH} Wh");
					return Err(wrong(field(), reason));
				}
			}
		}
		for (index, link) in links.iter().enumerate() {
			let field = |field: &str| format!("links[{index}].{field}");
			for (end, zone) in [("from", link.from), ("to", link.to)] {
				if zone >= zones.len() {
					return Err(wrong(field(end), format!("there is no zone {zone}")));
				}
			}
			if link.from == link.to {
				return Err(wrong(field("to"), "the zone where the link begins"));
			}
			if link.loss_ppm >= 1_000_000 {
				return Err(wrong(field("loss_ppm"), "must be less than 1000000, which is all"));
			}
			if link.fee_per_kwh > MAX_PRICE {
				return Err(wrong(field("fee_per_kwh"), format!("above {MAX_PRICE}")));
			}
		}
		Ok(Self { zones, links })
	}

	/// The zones.
	pub fn zones(&self) -> &[Zone] {
		&self.zones
	}

	/// The links.
	pub fn links(&self) -> &[Link] {
		&self.links
	}

	/// All that is offered, Wh.
	pub fn offered_wh(&self) -> u64 {
		self.zones.iter().flat_map(|zone| &zone.asks).sum()
	}
}

/// The energy at each tick up to the last that is named; levels of one tick are summed.
fn depth(levels: &[Level], field: impl Fn() -> String) -> Result<Vec<u64>, ProblemError> {
	let ticks = levels.iter().map(|level| usize::from(level.tick) + 1).max().unwrap_or(0);
	let mut depth = vec![0u64; ticks];
	for (index, level) in levels.iter().enumerate() {
		let energy = &mut depth[usize::from(level.tick)];
		*energy = energy.checked_add(level.energy_wh).ok_or_else(|| {
			wrong(format!("{}[{index}].energy_wh", field()), "the tick's sum does not fit 64 bits")
		})?;
	}
	Ok(depth)
}

fn wrong(field: impl ToString, reason: impl ToString) -> ProblemError {
	ProblemError { field: field.to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
	use super::*;

	fn refused(text: &str) -> String {
		Problem::from_json(text).unwrap_err().to_string()
	}

	/// One zone and one link with the given fields in place of the usual ones.
	fn with(zone: &str, link: &str) -> String {
		format!(
			r#"{{"zones": [{{"name": "a", "price_floor": 0, "tick_size": 1}}, {{{zone}}}],
			"links": [{{{link}}}]}}"#
		)
	}

	const ZONE: &str = r#""name": "b", "price_floor": 5, "tick_size": 2"#;
	const LINK: &str = r#""from": "a", "to": "b", "capacity_wh": 7"#;

	#[test]
	fn problem_is_read_with_defaults() {
		let levels = r#", "bids": [{"tick": 2, "energy_wh": 4}, {"tick": 2, "energy_wh": 5}]"#;
		let problem = Problem::from_json(&with(&format!("{ZONE}{levels}"), LINK)).unwrap();
		assert_eq!(problem.zones()[1].bids, [0, 0, 9]);
		assert_eq!(problem.zones()[1].price(2), 9);
		let link = Link { from: 0, to: 1, capacity_wh: 7, loss_ppm: 0, fee_per_kwh: 0, fee_ppm: 0 };
		assert_eq!(problem.links(), [link]);
	}

	#[test]
	fn errors_name_the_field_and_the_reason() {
		assert!(refused("").starts_with("problem: EOF"));
		assert!(refused("{}").starts_with("problem: missing field `zones`"));
		assert!(refused(r#"{"zones": []} 1"#).starts_with("problem: trailing characters"));
		assert!(refused(r#"{"zones": [], "zone": 1}"#).starts_with("zone: unknown field"));
		assert!(refused(&with(r#""name": "b", "price_floor": -1"#, LINK))
			.starts_with("zones[1].price_floor: invalid value: integer `-1`"));
		assert!(refused(&with(&format!(r#"{ZONE}, "asks": [{{"tick": 65536}}]"#), LINK))
			.starts_with("zones[1].asks[0].tick: invalid value"));
		let twice = r#""name": "a", "price_floor": 5, "tick_size": 2"#;
		assert_eq!(refused(&with(twice, LINK)), r#"zones[1].name: another zone is called "a" too"#);
		let flat = r#""name": "b", "price_floor": 5, "tick_size": 0"#;
		assert_eq!(refused(&with(flat, LINK)), "zones[1].tick_size: must not be zero");
		let dear = r#""name": "b", "price_floor": 1000000000001, "tick_size": 1"#;
		assert_eq!(
			refused(&with(dear, LINK)),
			"zones[1].bids: the price of the last tick is above 1000000000000"
		);
		let much = r#""tick": 0, "energy_wh": 100000000000001"#;
		assert_eq!(
			refused(&with(&format!(r#"{ZONE}, "asks": [{{{much}}}]"#), LINK)),
			"zones[1].asks: with those before more than 100000000000000 Wh"
		);
		let most = r#""tick": 0, "energy_wh": 18446744073709551615"#;
		assert_eq!(
			refused(&with(&format!(r#"{ZONE}, "asks": [{{{most}}}, {{{most}}}]"#), LINK)),
			"zones[1].asks[1].energy_wh: the tick's sum does not fit 64 bits"
		);
		let nowhere = r#""from": "a", "to": "c", "capacity_wh": 7"#;
		assert_eq!(refused(&with(ZONE, nowhere)), r#"links[0].to: no zone is called "c""#);
		let itself = r#""from": "b", "to": "b", "capacity_wh": 7"#;
		assert_eq!(refused(&with(ZONE, itself)), "links[0].to: the zone where the link begins");
		assert_eq!(
			refused(&with(ZONE, &format!(r#"{LINK}, "loss_ppm": 1000000"#))),
			"links[0].loss_ppm: must be less than 1000000, which is all"
		);
		assert_eq!(
			refused(&with(ZONE, &format!(r#"{LINK}, "fee_per_kwh": 1000000000001"#))),
			"links[0].fee_per_kwh: above 1000000000000"
		);
		let many = format!("{LINK}}}, {{").repeat(MAX_LINKS) + LINK;
		assert_eq!(refused(&with(ZONE, &many)), "links: 65 are more than 64");
		let zones: Vec<String> = (0..17)
			.map(|zone| format!(r#"{{"name": "{zone}", "price_floor": 0, "tick_size": 1}}"#))
			.collect();
		let many = format!(r#"{{"zones": [{}]}}"#, zones.join(","));
		assert_eq!(refused(&many), "zones: 17 are more than 16");
	}
}
