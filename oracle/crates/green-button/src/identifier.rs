use crate::{Description, Direction};
use uuid::Uuid;

/// Namespace of the names below: the UUID of the ESPI namespace's address (RFC 9562, section 5.5).
fn namespace() -> Uuid {
	Uuid::new_v5(&Uuid::NAMESPACE_URL, b"http://naesb.org/espi")
}

/// The UUID of a thing, from its kind and the properties that set it apart. No part has a line
/// feed, so different parts never make the same name.
fn identify(kind: &str, properties: &[&str]) -> Uuid {
	let mut name = kind.to_owned();
	for property in properties {
		name.push('\n');
		name.push_str(property);
	}
	Uuid::new_v5(&namespace(), name.as_bytes())
}

pub(crate) fn feed(description: &Description) -> Uuid {
	identify(
		"feed",
		&[
			&description.meter_id,
			&description.period_start_seconds.to_string(),
			&description.period_end_seconds.to_string(),
			&description.interval_seconds.to_string(),
		],
	)
}

pub(crate) fn usage_point(description: &Description) -> Uuid {
	identify("usage point", &[&description.meter_id])
}

pub(crate) fn local_time_parameters(description: &Description) -> Uuid {
	let (start, end, offset) = description.local_time.daylight_saving_codes();
	identify(
		"local time parameters",
		&[
			&description.local_time.offset_seconds.to_string(),
			&start.to_string(),
			&end.to_string(),
			&offset.to_string(),
		],
	)
}

pub(crate) fn meter_reading(description: &Description, direction: Direction) -> Uuid {
	identify(
		"meter reading",
		&[&description.meter_id, direction.name(), &description.interval_seconds.to_string()],
	)
}

pub(crate) fn reading_type(description: &Description, direction: Direction) -> Uuid {
	identify("reading type", &[direction.name(), &description.interval_seconds.to_string()])
}

pub(crate) fn interval_block(meter_reading: Uuid, start_seconds: u64, end_seconds: u64) -> Uuid {
	identify(
		"interval block",
		&[&meter_reading.to_string(), &start_seconds.to_string(), &end_seconds.to_string()],
	)
}
