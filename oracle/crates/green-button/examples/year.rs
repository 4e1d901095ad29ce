//! Writes a year of quarter-hours to standard output.

use green_button::*;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
	let intervals: u64 = 365 * 96;
	let start_seconds = 1_735_686_000;
	let description = Description {
		meter_id: "meter-7".into(),
		title: "12 Mill Lane & garden".into(),
		author: "Riverside Energy".into(),
		resource_base: "/espi/1_1/resource".into(),
		updated_seconds: 1_767_225_600,
		period_start_seconds: start_seconds,
		period_end_seconds: start_seconds + 900 * intervals,
		interval_seconds: 900,
		local_time: LocalTime { offset_seconds: 3600, daylight_saving: None },
	};
	let mut feed = FeedWriter::start(std::io::stdout().lock(), &description)?;
	for index in 0..intervals {
		let quality = match index % 97 {
			3 => Quality::Estimated(EstimationMethod::LinearInterpolation),
			11 => Quality::Suspect,
			17 => Quality::Missing,
			_ => Quality::Valid,
		};
		let energy_wh = if quality == Quality::Missing { 0 } else { index % 500 };
		feed.push(&Interval {
			start_seconds: start_seconds + 900 * index,
			duration_seconds: 900,
			import_wh: energy_wh,
			export_wh: energy_wh / 3,
			quality,
		})?;
	}
	drop(feed.finish()?);
	Ok(())
}
