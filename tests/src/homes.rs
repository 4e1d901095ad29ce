//! Three homes out of one real household's file.

use std::{
	fmt::Write,
	path::{Path, PathBuf},
};

use anyhow::{ensure, Context, Result};

/// A home: its name, the meter on its wall, and whose half-hours it lives through.
#[derive(Clone, Copy, Debug)]
pub struct Home {
	/// The name of its key.
	pub name: &'static str,
	/// The identifier printed on its meter.
	pub meter: &'static str,
	/// The seed of its meter's ed25519 key. Made up: these homes do not exist.
	pub meter_seed: [u8; 32],
	/// The time of the first row, as written in the file.
	pub from: &'static str,
}

/// One home with PV around noon of a sunny winter day, and two in quiet nights.
pub const HOMES: [Home; 3] = [
	Home { name: "roof", meter: "ROOF-0001", meter_seed: [11; 32], from: "2011-07-29 10:30:00" },
	Home {
		name: "corner",
		meter: "CORNER-0002",
		meter_seed: [12; 32],
		from: "2011-07-17 02:30:00",
	},
	Home {
		name: "cottage",
		meter: "COTTAGE-0003",
		meter_seed: [13; 32],
		from: "2011-07-30 01:30:00",
	},
];

/// What a home did in one half-hour, Wh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HalfHour {
	/// Consumed.
	pub load_wh: u64,
	/// Generated on its roof.
	pub pv_wh: u64,
}

impl HalfHour {
	/// Taken from the grid.
	pub fn import_wh(&self) -> u64 {
		self.load_wh.saturating_sub(self.pv_wh)
	}

	/// Given to the grid.
	pub fn export_wh(&self) -> u64 {
		self.pv_wh.saturating_sub(self.load_wh)
	}
}

/// Reads `count` half-hours of a file with the columns time, consumption kWh, generation kWh, from
/// a time on. Rounded to whole Wh.
///
/// # Errors
/// When the file has no such rows.
pub fn half_hours(file: &Path, from: &str, count: usize) -> Result<Vec<HalfHour>> {
	let mut reader = csv::Reader::from_path(file)
		.with_context(|| format!("cannot read the household {}", file.display()))?;
	let wh = |text: Option<&str>| -> Result<u64> {
		let kwh: f64 = text.context("a column is missing")?.trim().parse()?;
		ensure!((0.0..1e6).contains(&kwh), "{kwh} kWh in half an hour");
		Ok((kwh * 1_000.0).round() as u64)
	};
	let mut rows = Vec::with_capacity(count);
	for record in reader.records() {
		let record = record?;
		if rows.is_empty() && record.get(0) != Some(from) {
			continue;
		}
		rows.push(HalfHour { load_wh: wh(record.get(1))?, pv_wh: wh(record.get(2))? });
		if rows.len() == count {
			return Ok(rows);
		}
	}
	anyhow::bail!("{} has not {count} rows from {from} on", file.display())
}

/// The file of the household: the real one in the folder `ENERGY_DATA_DIR`, or, where the variable is
/// not set, smooth made-up half-hours, which are written to `folder`.
///
/// # Errors
/// When the variable is set and the file is not there.
pub fn household(folder: &Path) -> Result<PathBuf> {
	let Some(data) = std::env::var_os("ENERGY_DATA_DIR") else {
		println!("note: ENERGY_DATA_DIR is not set; the half-hours of the homes are made up");
		let file = folder.join("household.csv");
		std::fs::write(&file, made_up()?)?;
		return Ok(file);
	};
	let file = Path::new(&data).join("ausgrid-customer12-2011-2012.csv");
	ensure!(file.is_file(), "there is no {}", file.display());
	Ok(file)
}

/// Sun from ten to four, and a load that is the same everywhere.
fn made_up() -> Result<String> {
	let mut text = String::from("time,consumption,generation\n");
	for home in &HOMES {
		let (date, time) = home.from.split_once(' ').context("a time")?;
		let begin = time[..2].parse::<usize>()? * 60 + time[3..5].parse::<usize>()?;
		for row in 0..16 {
			let moment = begin + 30 * row;
			let is_sunny = (10 * 60..16 * 60).contains(&moment);
			let pv_wh = if is_sunny { 600 + 30 * (row % 3) } else { 0 };
			let load_wh = 200 + 20 * (row % 4);
			let (hour, minute) = (moment / 60, moment % 60);
			let _ = writeln!(text, "{date} {hour:02}:{minute:02}:00,0.{load_wh:03},0.{pv_wh:03}");
		}
	}
	Ok(text)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn made_up_household_has_the_rows_of_every_home() {
		let folder = tempfile::tempdir().expect("a folder");
		let file = folder.path().join("home.csv");
		std::fs::write(&file, made_up().expect("half-hours")).expect("written");
		for home in &HOMES {
			let rows = half_hours(&file, home.from, 8).expect("the rows are there");
			assert_eq!(home.name == "roof", rows.iter().all(|row| row.export_wh() > 0));
			assert_eq!(home.name != "roof", rows.iter().all(|row| row.import_wh() > 0));
		}
	}

	#[test]
	fn half_hours_are_read_from_a_time_on_and_rounded() {
		let folder = tempfile::tempdir().expect("a folder");
		let file = folder.path().join("home.csv");
		let text =
			",GC,GG\n2011-01-01 00:00:00,0.1,0\n2011-01-01 00:30:00,0.48200000000000004,0.0\n\
		            2011-01-01 01:00:00,0.1,0.3\n";
		std::fs::write(&file, text).expect("written");
		let rows = half_hours(&file, "2011-01-01 00:30:00", 2).expect("two rows");
		assert_eq!(
			rows,
			[HalfHour { load_wh: 482, pv_wh: 0 }, HalfHour { load_wh: 100, pv_wh: 300 }]
		);
		assert_eq!((rows[1].import_wh(), rows[1].export_wh()), (0, 200));
		assert!(half_hours(&file, "2011-01-01 00:30:00", 3).is_err());
		assert!(half_hours(&file, "2012-01-01 00:30:00", 1).is_err());
	}
}
