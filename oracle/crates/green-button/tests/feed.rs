//! The feed read back with another parser.

#![allow(clippy::unwrap_used)]

use green_button::*;
use proptest::prelude::*;
use roxmltree::{Document, Node};
use std::{
	collections::BTreeSet,
	io::{self, Write},
};

const ATOM: &str = "http://www.w3.org/2005/Atom";
const ESPI: &str = "http://naesb.org/espi";
/// 2025-11-24T00:00:00Z.
const START: u64 = 1_763_942_400;

fn description() -> Description {
	Description {
		meter_id: "meter-7".into(),
		title: "12 Mill Lane".into(),
		author: "Riverside Energy".into(),
		resource_base: "/espi/1_1/resource".into(),
		updated_seconds: 1_764_000_000,
		period_start_seconds: START,
		period_end_seconds: START + 4 * 86_400,
		interval_seconds: 900,
		local_time: LocalTime {
			offset_seconds: 3600,
			daylight_saving: Some(DaylightSaving {
				offset_seconds: 3600,
				start: SwitchRule {
					month: 3,
					occurrence: Occurrence::Last,
					weekday: Weekday::Sunday,
					hour: 2,
				},
				end: SwitchRule {
					month: 10,
					occurrence: Occurrence::Last,
					weekday: Weekday::Sunday,
					hour: 3,
				},
			}),
		},
	}
}

fn interval(index: u64, import_wh: u64, export_wh: u64, quality: Quality) -> Interval {
	Interval {
		start_seconds: START + 900 * index,
		duration_seconds: 900,
		import_wh,
		export_wh,
		quality,
	}
}

fn write(description: &Description, intervals: &[Interval]) -> Result<String, ExportError> {
	let mut feed = FeedWriter::start(Vec::new(), description)?;
	for interval in intervals {
		feed.push(interval)?;
	}
	Ok(String::from_utf8(feed.finish()?).expect("a feed is UTF-8"))
}

fn elements<'a, 'input>(node: Node<'a, 'input>) -> Vec<Node<'a, 'input>> {
	node.children().filter(Node::is_element).collect()
}

fn names<'a>(node: Node<'a, '_>) -> Vec<&'a str> {
	elements(node).iter().map(|child| child.tag_name().name()).collect()
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Node<'a, 'input> {
	optional_child(node, name).unwrap_or_else(|| panic!("no {name}"))
}

fn optional_child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
	node.children().find(|child| child.tag_name().name() == name)
}

fn text<'a>(node: Node<'a, '_>, name: &str) -> &'a str {
	child(node, name).text().expect("has text")
}

fn number(node: Node, name: &str) -> u64 {
	text(node, name).parse().expect("is a number")
}

/// Entries whose content is such a resource, and the resource.
fn resources<'a, 'input>(
	document: &'a Document<'input>,
	name: &str,
) -> Vec<(Node<'a, 'input>, Node<'a, 'input>)> {
	elements(document.root_element())
		.into_iter()
		.filter(|node| node.tag_name().name() == "entry")
		.map(|entry| (entry, elements(child(entry, "content"))[0]))
		.filter(|(_, resource)| resource.has_tag_name((ESPI, name)))
		.collect()
}

fn links<'a>(entry: Node<'a, '_>, relation: &str) -> Vec<&'a str> {
	elements(entry)
		.into_iter()
		.filter(|node| node.has_tag_name((ATOM, "link")))
		.filter(|link| link.attribute("rel") == Some(relation))
		.map(|link| link.attribute("href").expect("a link has a target"))
		.collect()
}

/// All intervals of the feed, found from the meter reading with this flow direction through the
/// links, as (start, duration, value, quality).
fn readings(
	document: &Document,
	flow_direction: &str,
) -> Vec<(u64, u64, Option<u64>, Option<u64>)> {
	let reading_type = resources(document, "ReadingType")
		.into_iter()
		.find(|(_, resource)| text(*resource, "flowDirection") == flow_direction)
		.expect("a reading type of this direction");
	let reading_type_link = links(reading_type.0, "self")[0];
	let meter_reading = resources(document, "MeterReading")
		.into_iter()
		.find(|(entry, _)| links(*entry, "related").contains(&reading_type_link))
		.expect("a meter reading of this type");
	let blocks = links(meter_reading.0, "related");
	let mut readings = Vec::new();
	for (entry, block) in resources(document, "IntervalBlock") {
		if !blocks.contains(&links(entry, "up")[0]) {
			continue;
		}
		for reading in elements(block).into_iter().skip(1) {
			let period = child(reading, "timePeriod");
			readings.push((
				number(period, "start"),
				number(period, "duration"),
				optional_child(reading, "value").map(|_| number(reading, "value")),
				optional_child(reading, "ReadingQuality").map(|node| number(node, "quality")),
			));
		}
	}
	readings
}

mod structure {
	use super::*;

	/// The sequences of `espi.xsd` 4.0 and of RFC 4287, section 4.1.
	#[test]
	fn elements_are_in_the_order_of_the_schema() {
		let intervals = [
			interval(0, 250, 10, Quality::Valid),
			interval(1, 260, 0, Quality::Suspect),
			interval(2, 0, 0, Quality::Missing),
		];
		let xml = write(&description(), &intervals).unwrap();
		let document = Document::parse(&xml).unwrap();
		let feed = document.root_element();
		assert!(feed.has_tag_name((ATOM, "feed")));
		let mut expected = vec!["id", "link", "title", "updated", "author"];
		expected.extend(["entry"; 8]);
		assert_eq!(names(feed), expected);
		assert_eq!(names(child(feed, "author")), ["name"]);

		for node in feed.descendants().filter(Node::is_element) {
			let namespace = node.tag_name().namespace();
			let in_content = node.ancestors().skip(1).any(|a| a.has_tag_name((ATOM, "content")));
			assert_eq!(namespace, Some(if in_content { ESPI } else { ATOM }), "{node:?}");
		}
		for (resource, order) in [
			("UsagePoint", &["ServiceCategory"][..]),
			("LocalTimeParameters", &["dstEndRule", "dstOffset", "dstStartRule", "tzOffset"]),
			("MeterReading", &[]),
			(
				"ReadingType",
				&[
					"accumulationBehaviour",
					"commodity",
					"dataQualifier",
					"defaultQuality",
					"flowDirection",
					"intervalLength",
					"kind",
					"powerOfTenMultiplier",
					"timeAttribute",
					"uom",
				],
			),
			(
				"IntervalBlock",
				&["interval", "IntervalReading", "IntervalReading", "IntervalReading"],
			),
		] {
			let found = resources(&document, resource);
			assert!(!found.is_empty(), "{resource}");
			for (entry, node) in found {
				assert_eq!(names(node), order, "{resource}");
				let entry_names: Vec<&str> =
					names(entry).into_iter().filter(|name| *name != "link").collect();
				assert_eq!(entry_names, ["id", "title", "content", "published", "updated"]);
				assert_eq!(names(child(entry, "content")).len(), 1);
				assert_eq!(child(entry, "content").attribute("type"), Some("application/xml"));
			}
		}
		let block = resources(&document, "IntervalBlock")[0].1;
		assert_eq!(names(child(block, "interval")), ["duration", "start"]);
		let readings: Vec<Node> = elements(block)[1..].to_vec();
		assert_eq!(names(readings[0]), ["timePeriod", "value"]);
		assert_eq!(names(readings[1]), ["ReadingQuality", "timePeriod", "value"]);
		assert_eq!(names(readings[2]), ["ReadingQuality", "timePeriod"]);
		assert_eq!(names(child(readings[0], "timePeriod")), ["duration", "start"]);
		assert_eq!(names(child(readings[1], "ReadingQuality")), ["quality"]);
	}

	#[test]
	fn codes_are_those_of_energy_in_watt_hours() {
		let xml = write(&description(), &[]).unwrap();
		let document = Document::parse(&xml).unwrap();
		let types = resources(&document, "ReadingType");
		assert_eq!(types.len(), 2);
		for ((_, reading_type), flow_direction) in types.into_iter().zip(["1", "19"]) {
			for (name, value) in [
				("accumulationBehaviour", "4"),
				("commodity", "1"),
				("dataQualifier", "12"),
				("defaultQuality", "0"),
				("flowDirection", flow_direction),
				("intervalLength", "900"),
				("kind", "12"),
				("powerOfTenMultiplier", "0"),
				("timeAttribute", "0"),
				("uom", "72"),
			] {
				assert_eq!(text(reading_type, name), value, "{name}");
			}
		}
		let (_, usage_point) = resources(&document, "UsagePoint")[0];
		assert_eq!(text(child(usage_point, "ServiceCategory"), "kind"), "0");
		let (_, local_time) = resources(&document, "LocalTimeParameters")[0];
		assert_eq!(text(local_time, "dstStartRule"), "3E0E2000");
		assert_eq!(text(local_time, "dstEndRule"), "AE0E3000");
		assert_eq!(text(local_time, "dstOffset"), "3600");
		assert_eq!(text(local_time, "tzOffset"), "3600");
	}

	#[test]
	fn local_time_switches_are_off_when_there_is_no_daylight_saving() {
		let mut description = description();
		description.local_time = LocalTime { offset_seconds: -12_600, daylight_saving: None };
		let xml = write(&description, &[]).unwrap();
		let document = Document::parse(&xml).unwrap();
		let (_, local_time) = resources(&document, "LocalTimeParameters")[0];
		assert_eq!(text(local_time, "dstStartRule"), "FFFFFFFF");
		assert_eq!(text(local_time, "dstEndRule"), "FFFFFFFF");
		assert_eq!(text(local_time, "dstOffset"), "0");
		assert_eq!(text(local_time, "tzOffset"), "-12600");
	}

	#[test]
	fn links_lead_from_the_usage_point_to_every_block() {
		let xml = write(&description(), &[interval(0, 1, 2, Quality::Valid)]).unwrap();
		let document = Document::parse(&xml).unwrap();
		let usage_point = resources(&document, "UsagePoint")[0].0;
		let related = links(usage_point, "related");
		let local_time = resources(&document, "LocalTimeParameters")[0].0;
		assert!(related.contains(&links(local_time, "self")[0]));
		let meter_readings = resources(&document, "MeterReading");
		assert_eq!(meter_readings.len(), 2);
		let mut collections = BTreeSet::new();
		for (entry, _) in &meter_readings {
			assert!(related.contains(&links(*entry, "up")[0]));
			collections.extend(links(*entry, "related"));
		}
		for (entry, _) in resources(&document, "ReadingType") {
			assert!(collections.contains(links(entry, "self")[0]));
		}
		let blocks = resources(&document, "IntervalBlock");
		assert_eq!(blocks.len(), 2);
		for (entry, _) in blocks {
			assert!(collections.contains(links(entry, "up")[0]));
			assert!(links(entry, "self")[0].starts_with(links(entry, "up")[0]));
		}
	}

	#[test]
	fn text_is_escaped() {
		let mut description = description();
		description.title = "<b> & \"é\"".into();
		description.author = "A & B".into();
		let xml = write(&description, &[]).unwrap();
		let document = Document::parse(&xml).unwrap();
		assert_eq!(text(document.root_element(), "title"), "<b> & \"é\"");
		assert_eq!(text(child(document.root_element(), "author"), "name"), "A & B");
	}
}

mod identity {
	use super::*;

	fn ids(xml: &str) -> Vec<String> {
		let document = Document::parse(xml).unwrap();
		document
			.descendants()
			.filter(|node| node.has_tag_name((ATOM, "id")))
			.map(|node| node.text().unwrap().to_owned())
			.collect()
	}

	#[test]
	fn same_export_has_the_same_bytes() {
		let intervals = [interval(0, 1, 2, Quality::Valid), interval(1, 3, 4, Quality::Suspect)];
		let first = write(&description(), &intervals).unwrap();
		assert_eq!(first, write(&description(), &intervals).unwrap());
	}

	#[test]
	fn ids_are_distinct_name_based_uuids() {
		let intervals = [interval(0, 1, 2, Quality::Valid), interval(95, 3, 4, Quality::Valid)];
		let all = ids(&write(&description(), &intervals).unwrap());
		assert_eq!(all.len(), 1 + 2 + 4 + 4);
		assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
		for id in all {
			let uuid = id.strip_prefix("urn:uuid:").unwrap();
			assert_eq!(uuid.len(), 36);
			assert_eq!(uuid.as_bytes()[14], b'5', "the version of {uuid}");
			assert!(b"89ab".contains(&uuid.as_bytes()[19]), "the variant of {uuid}");
			assert!(!uuid.contains(|c: char| c.is_ascii_uppercase()));
		}
	}

	#[test]
	fn ids_depend_on_the_meter_and_not_on_the_values() {
		let valid = ids(&write(&description(), &[interval(0, 1, 2, Quality::Valid)]).unwrap());
		let other = ids(&write(&description(), &[interval(0, 9, 9, Quality::Suspect)]).unwrap());
		assert_eq!(valid, other);
		let mut description = description();
		description.meter_id = "meter-8".into();
		let meter = ids(&write(&description, &[interval(0, 1, 2, Quality::Valid)]).unwrap());
		// Local time and reading types are shared by all meters.
		let shared = valid.iter().filter(|id| meter.contains(id)).count();
		assert_eq!(shared, 3);
	}

	#[test]
	fn updated_is_the_time_given() {
		let xml = write(&description(), &[]).unwrap();
		let document = Document::parse(&xml).unwrap();
		assert_eq!(text(document.root_element(), "updated"), "2025-11-24T16:00:00Z");
	}
}

mod refusals {
	use super::*;

	fn refused(change: impl FnOnce(&mut Description)) -> String {
		let mut description = description();
		change(&mut description);
		write(&description, &[]).unwrap_err().to_string()
	}

	#[test]
	fn description_refused_with_its_field() {
		assert_eq!(
			refused(|d| d.meter_id.clear()),
			"meter_id: 0 characters, from 1 to 256 are allowed"
		);
		assert_eq!(
			refused(|d| d.title = "é".repeat(257)),
			"title: 257 characters, from 1 to 256 are allowed"
		);
		assert_eq!(
			refused(|d| d.author = "a\nb".into()),
			"author: the character U+000A is not allowed"
		);
		assert_eq!(
			refused(|d| d.meter_id = "a\u{FFFE}".into()),
			"meter_id: the character U+FFFE is not allowed"
		);
		assert_eq!(
			refused(|d| d.resource_base = "/a b".into()),
			"resource_base: the character U+0020 is not allowed"
		);
		assert_eq!(
			refused(|d| d.resource_base = "/a/".into()),
			"resource_base: the character U+002F is not allowed"
		);
		assert!(refused(|d| d.updated_seconds = 253_402_300_800).starts_with("updated_seconds: "));
		assert!(refused(|d| d.period_end_seconds = u64::MAX).starts_with("period_end_seconds: "));
		assert!(refused(|d| d.period_start_seconds = d.period_end_seconds)
			.starts_with("period_start_seconds: "));
		assert!(refused(|d| d.interval_seconds = 0).starts_with("interval_seconds: 0 "));
		assert!(refused(|d| d.local_time.offset_seconds = 50_401).starts_with("offset_seconds: "));
		let saving = |change: fn(&mut DaylightSaving)| {
			refused(|d| change(d.local_time.daylight_saving.as_mut().unwrap()))
		};
		assert!(saving(|s| s.offset_seconds = 0).starts_with("daylight_saving.offset_seconds: "));
		assert!(saving(|s| s.start.month = 13).starts_with("daylight_saving.month: 13 "));
		assert!(saving(|s| s.end.hour = 24).starts_with("daylight_saving.hour: 24 "));
	}

	#[test]
	fn interval_refused_and_the_next_one_taken() {
		let mut feed = FeedWriter::start(Vec::new(), &description()).unwrap();
		feed.push(&interval(4, 1, 1, Quality::Valid)).unwrap();
		let mut push = |interval: Interval| feed.push(&interval).unwrap_err();
		let wrong_length = Interval { duration_seconds: 901, ..interval(9, 1, 1, Quality::Valid) };
		assert!(matches!(
			push(wrong_length),
			ExportError::IntervalLength { found: 901, expected: 900, .. }
		));
		assert!(matches!(push(interval(4, 1, 1, Quality::Valid)), ExportError::OutOfOrder { .. }));
		let overlap = Interval { start_seconds: START + 900 * 4 + 899, ..wrong_length };
		let overlap = Interval { duration_seconds: 900, ..overlap };
		assert!(matches!(push(overlap), ExportError::OutOfOrder { .. }));
		assert!(matches!(
			push(interval(4 * 96, 1, 1, Quality::Valid)),
			ExportError::OutsidePeriod { .. }
		));
		let early = Interval { start_seconds: START - 900, ..interval(0, 0, 0, Quality::Valid) };
		assert!(matches!(push(early), ExportError::OutsidePeriod { .. }));
		let last = Interval { start_seconds: u64::MAX, ..early };
		assert!(matches!(push(last), ExportError::OutsidePeriod { .. }));
		assert!(matches!(
			push(interval(5, MAX_ENERGY_WH + 1, 0, Quality::Valid)),
			ExportError::OutOfRange { field: "import_wh", .. }
		));
		assert!(matches!(
			push(interval(5, 0, MAX_ENERGY_WH + 1, Quality::Valid)),
			ExportError::OutOfRange { field: "export_wh", .. }
		));
		assert!(matches!(
			push(interval(5, 1, 0, Quality::Missing)),
			ExportError::MissingWithEnergy { .. }
		));
		feed.push(&interval(5, MAX_ENERGY_WH, 2, Quality::Valid)).unwrap();
		let xml = String::from_utf8(feed.finish().unwrap()).unwrap();
		let document = Document::parse(&xml).unwrap();
		let values: Vec<_> = readings(&document, "1").into_iter().map(|r| r.2.unwrap()).collect();
		assert_eq!(values, [1, MAX_ENERGY_WH]);
	}

	/// Takes a number of bytes and then fails, as a full disk does.
	struct Full(usize);

	impl Write for Full {
		fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
			if bytes.len() > self.0 {
				return Err(io::Error::from(io::ErrorKind::StorageFull));
			}
			self.0 -= bytes.len();
			Ok(bytes.len())
		}

		fn flush(&mut self) -> io::Result<()> {
			Ok(())
		}
	}

	#[test]
	fn output_that_fails_is_reported() {
		let complete = write(&description(), &[interval(0, 1, 1, Quality::Valid)]).unwrap().len();
		for room in [0, complete / 2, complete - 1] {
			let result = FeedWriter::start(Full(room), &description()).and_then(|mut feed| {
				feed.push(&interval(0, 1, 1, Quality::Valid))?;
				feed.finish()
			});
			assert!(matches!(result, Err(ExportError::Output(_))), "room for {room}");
		}
	}
}

mod streaming {
	use super::*;

	/// Counts what it is given and forgets it.
	struct Count<'a>(&'a mut u64);

	impl Write for Count<'_> {
		fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
			*self.0 += bytes.len() as u64;
			Ok(bytes.len())
		}

		fn flush(&mut self) -> io::Result<()> {
			Ok(())
		}
	}

	#[test]
	fn a_day_is_written_when_the_next_begins() {
		let mut description = description();
		description.local_time.offset_seconds = 0;
		let (mut before_the_end, mut complete) = (0, 0);
		for (count, finish) in [(&mut before_the_end, false), (&mut complete, true)] {
			let mut feed = FeedWriter::start(Count(count), &description).unwrap();
			for index in 0..3 * 96 {
				feed.push(&interval(index, 1, 1, Quality::Valid)).unwrap();
			}
			if finish {
				feed.finish().unwrap();
			}
		}
		let share = before_the_end * 100 / complete;
		assert!((60..70).contains(&share), "{share} per cent before the end");
	}
}

fn any_quality() -> impl Strategy<Value = Quality> {
	prop_oneof![
		Just(Quality::Valid),
		Just(Quality::Suspect),
		Just(Quality::Missing),
		Just(Quality::Estimated(EstimationMethod::ReferenceDay)),
		Just(Quality::Estimated(EstimationMethod::LinearInterpolation)),
		Just(Quality::Estimated(EstimationMethod::Derived)),
	]
}

/// The code a reader expects, written out apart from the crate; none where it is the default.
fn expected_code(quality: Quality) -> Option<u64> {
	match quality {
		Quality::Valid => None,
		Quality::Estimated(EstimationMethod::ReferenceDay) => Some(8),
		Quality::Estimated(EstimationMethod::LinearInterpolation) => Some(9),
		Quality::Suspect => Some(10),
		Quality::Estimated(EstimationMethod::Derived) => Some(11),
		Quality::Missing => Some(16),
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(48))]

	/// Every interval comes back, in both directions, with its start, value and quality; blocks
	/// cover their readings and stay within a local day; sums agree.
	#[test]
	fn everything_written_is_read_back(
		rows in proptest::collection::vec(
			(1u64..40, 0..=MAX_ENERGY_WH, 0..=MAX_ENERGY_WH, any_quality()), 0..120),
		offset_seconds in -50_400i32..=50_400,
	) {
		let mut description = description();
		description.local_time.offset_seconds = offset_seconds;
		description.period_end_seconds = START + 900 * 40 * 121;
		let mut index = 0;
		let mut intervals = Vec::new();
		for (step, import_wh, export_wh, quality) in rows {
			index += step;
			let missing = quality == Quality::Missing;
			let energy = if missing { (0, 0) } else { (import_wh, export_wh) };
			intervals.push(interval(index, energy.0, energy.1, quality));
		}
		let xml = write(&description, &intervals).unwrap();
		let document = Document::parse(&xml).unwrap();
		for (flow_direction, energy) in [
			("1", (|i: &Interval| i.import_wh) as fn(&Interval) -> u64),
			("19", |i: &Interval| i.export_wh),
		] {
			let expected: Vec<_> = intervals
				.iter()
				.map(|interval| {
					let value = (interval.quality != Quality::Missing).then(|| energy(interval));
					(interval.start_seconds, 900, value, expected_code(interval.quality))
				})
				.collect();
			let found = readings(&document, flow_direction);
			prop_assert_eq!(&found, &expected);
			let sum: u128 = found.iter().filter_map(|reading| reading.2).map(u128::from).sum();
			let expected_sum: u128 = intervals.iter().map(|i| u128::from(energy(i))).sum();
			prop_assert_eq!(sum, expected_sum);
		}
		for (_, block) in resources(&document, "IntervalBlock") {
			let period = child(block, "interval");
			let start = number(period, "start");
			let end = start + number(period, "duration");
			let readings = elements(block)[1..].to_vec();
			let first = child(readings[0], "timePeriod");
			let last = child(readings[readings.len() - 1], "timePeriod");
			prop_assert_eq!(start, number(first, "start"));
			prop_assert_eq!(end, number(last, "start") + number(last, "duration"));
			let day = |seconds: u64| (seconds as i64 + i64::from(offset_seconds)) / 86_400;
			prop_assert_eq!(day(start), day(number(last, "start")));
		}
	}
}
