//! Tables and times for people.

use chrono::{DateTime, Local, SecondsFormat, Utc};

/// On which side of its column a cell stands.
#[derive(Clone, Copy)]
pub enum Align {
	/// Words.
	Left,
	/// Numbers.
	Right,
}

/// Rows under a headline, in columns two spaces apart.
pub fn table(head: &[(&str, Align)], rows: &[Vec<String>]) -> String {
	let width = |column: usize| {
		rows.iter()
			.filter_map(|row| row.get(column))
			.map(|cell| cell.chars().count())
			.chain(std::iter::once(head[column].0.chars().count()))
			.max()
			.unwrap_or(0)
	};
	let widths: Vec<usize> = (0..head.len()).map(width).collect();
	let line = |cells: &mut dyn Iterator<Item = &str>| {
		let cells: Vec<String> = cells
			.zip(&widths)
			.zip(head)
			.map(|((cell, width), (_, align))| match align {
				Align::Left => format!("{cell:<width$}"),
				Align::Right => format!("{cell:>width$}"),
			})
			.collect();
		cells.join("  ").trim_end().to_owned()
	};
	let mut lines = vec![line(&mut head.iter().map(|(name, _)| *name))];
	lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
	lines.join("\n")
}

/// Names and values, one pair a line, the values below each other.
pub fn pairs(pairs: &[(&str, String)]) -> String {
	let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
	let lines: Vec<String> =
		pairs.iter().map(|(name, value)| format!("{name:<width$}  {value}")).collect();
	lines.join("\n")
}

fn moment(seconds: u64) -> Option<DateTime<Utc>> {
	i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0))
}

/// A moment in local time: `2026-03-01 14:15:00 +01:00`.
pub fn time(seconds: u64) -> String {
	moment(seconds).map_or_else(
		|| format!("second {seconds}"),
		|moment| moment.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S %:z").to_string(),
	)
}

/// The time of day of a moment, in local time: `14:15:00`.
pub fn time_of_day(seconds: u64) -> String {
	moment(seconds).map_or_else(
		|| format!("second {seconds}"),
		|moment| moment.with_timezone(&Local).format("%H:%M:%S").to_string(),
	)
}

/// A moment for programs: `2026-03-01T13:15:00Z`.
pub fn utc(seconds: u64) -> String {
	moment(seconds).map_or_else(
		|| seconds.to_string(),
		|moment| moment.to_rfc3339_opts(SecondsFormat::Secs, true),
	)
}

/// A stretch of time: `59 s`, `14 min 30 s`, `3 h 5 min`.
pub fn duration(seconds: u64) -> String {
	match seconds {
		0..=119 => format!("{seconds} s"),
		120..=7199 if seconds % 60 == 0 => format!("{} min", seconds / 60),
		120..=7199 => format!("{} min {} s", seconds / 60, seconds % 60),
		_ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn table_puts_numbers_under_each_other() {
		let text = table(
			&[("order", Align::Right), ("side", Align::Left)],
			&[vec!["7".into(), "bid".into()], vec!["1234567".into(), "ask".into()]],
		);
		assert_eq!(text, "  order  side\n      7  bid\n1234567  ask");
	}

	#[test]
	fn times_are_written_for_people_and_programs() {
		assert_eq!(utc(1_772_374_500), "2026-03-01T14:15:00Z");
		assert_eq!(utc(u64::MAX), u64::MAX.to_string());
		assert_eq!(duration(59), "59 s");
		assert_eq!(duration(870), "14 min 30 s");
		assert_eq!(duration(900), "15 min");
		assert_eq!(duration(11_100), "3 h 5 min");
	}
}
