use crate::{identifier, Description, Direction, ExportError, Interval, Quality};
use chrono::{DateTime, SecondsFormat};
use quick_xml::{
	events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event},
	Writer,
};
use std::io::{self, BufWriter, Write};
use uuid::Uuid;

/// `AccumulationKind`: the amount of each interval on its own.
const DELTA_DATA: &str = "4";
/// `CommodityKind`: electricity, metered at the secondary voltage.
const ELECTRICITY: &str = "1";
/// `DataQualifierKind`: neither an average nor a highest or lowest.
const NORMAL: &str = "12";
/// `MeasurementKind`: energy.
const ENERGY: &str = "12";
/// `UnitMultiplierKind`: the unit itself.
const NO_MULTIPLIER: &str = "0";
/// `TimePeriodOfInterest`: none.
const NO_PERIOD: &str = "0";
/// `UnitSymbolKind`: watt-hour.
const WATT_HOUR: &str = "72";
/// `ServiceKind`: electricity.
const ELECTRICITY_SERVICE: &str = "0";

/// Writes one feed, interval by interval.
///
/// The output is buffered. It is complete only after [`finish`](Self::finish).
pub struct FeedWriter<W: Write> {
	xml: Writer<BufWriter<W>>,
	description: Description,
	updated: String,
	/// The intervals of one local standard day, at most 86 400.
	block: Vec<Interval>,
	last_end_seconds: u64,
}

impl<W: Write> FeedWriter<W> {
	/// Checks the description and writes everything that comes before the intervals.
	pub fn start(output: W, description: &Description) -> Result<Self, ExportError> {
		description.check()?;
		let mut writer = Self {
			xml: Writer::new_with_indent(BufWriter::new(output), b' ', 1),
			description: description.clone(),
			updated: rfc3339(description.updated_seconds)?,
			block: Vec::new(),
			last_end_seconds: description.period_start_seconds,
		};
		writer.write_head()?;
		Ok(writer)
	}

	/// Adds an interval. Intervals come in order of time and do not overlap; between them there
	/// may be gaps.
	///
	/// # Errors
	///
	/// An interval that is refused is not written, and the next one may follow. After
	/// [`ExportError::Output`] the feed cannot be completed.
	pub fn push(&mut self, interval: &Interval) -> Result<(), ExportError> {
		let Interval { start_seconds, duration_seconds, .. } = *interval;
		let expected = self.description.interval_seconds;
		if duration_seconds != expected {
			return Err(ExportError::IntervalLength {
				start_seconds,
				found: duration_seconds,
				expected,
			});
		}
		if start_seconds < self.description.period_start_seconds
			|| interval.end_seconds() > self.description.period_end_seconds
		{
			return Err(ExportError::OutsidePeriod { start_seconds });
		}
		if start_seconds < self.last_end_seconds {
			return Err(ExportError::OutOfOrder {
				start_seconds,
				previous_end_seconds: self.last_end_seconds,
			});
		}
		interval.check()?;
		if let Some(first) = self.block.first() {
			let local_time = self.description.local_time;
			if local_time.day(first.start_seconds) != local_time.day(start_seconds) {
				self.write_block()?;
			}
		}
		self.last_end_seconds = interval.end_seconds();
		self.block.push(*interval);
		Ok(())
	}

	/// Writes what is left, closes the feed and gives the output back.
	pub fn finish(mut self) -> Result<W, ExportError> {
		self.write_block()?;
		self.xml.write_event(Event::End(BytesEnd::new("feed")))?;
		let mut buffer = self.xml.into_inner();
		buffer.write_all(b"\n")?;
		buffer.into_inner().map_err(|error| ExportError::Output(error.into_error()))
	}

	fn write_head(&mut self) -> Result<(), ExportError> {
		let Self { xml, description, updated, .. } = self;
		let base = &description.resource_base;
		xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
		xml.write_event(Event::Start(BytesStart::new("feed").with_attributes([
			("xmlns", "http://www.w3.org/2005/Atom"),
			("xmlns:espi", "http://naesb.org/espi"),
		])))?;
		let feed = identifier::feed(description);
		text(xml, "id", &feed.urn().to_string())?;
		link(xml, "self", &format!("{base}/Batch/{feed}"))?;
		text(xml, "title", &description.title)?;
		text(xml, "updated", updated)?;
		xml.create_element("author")
			.write_inner_content(|xml| text(xml, "name", &description.author))?;

		let usage_point = format!("{base}/UsagePoint/{}", identifier::usage_point(description));
		let local_time = identifier::local_time_parameters(description);
		let local_time_link = format!("{base}/LocalTimeParameters/{local_time}");
		Entry {
			id: identifier::usage_point(description),
			links: &[
				("self", usage_point.clone()),
				("up", format!("{base}/UsagePoint")),
				("related", format!("{usage_point}/MeterReading")),
				("related", local_time_link.clone()),
			],
			title: &description.title,
			updated,
		}
		.write(xml, "espi:UsagePoint", |xml| {
			xml.create_element("espi:ServiceCategory")
				.write_inner_content(|xml| text(xml, "espi:kind", ELECTRICITY_SERVICE))?;
			Ok(())
		})?;

		let (start_rule, end_rule, offset) = description.local_time.daylight_saving_codes();
		Entry {
			id: local_time,
			links: &[("self", local_time_link), ("up", format!("{base}/LocalTimeParameters"))],
			title: "Local time",
			updated,
		}
		.write(xml, "espi:LocalTimeParameters", |xml| {
			text(xml, "espi:dstEndRule", &format!("{end_rule:08X}"))?;
			text(xml, "espi:dstOffset", &offset.to_string())?;
			text(xml, "espi:dstStartRule", &format!("{start_rule:08X}"))?;
			text(xml, "espi:tzOffset", &description.local_time.offset_seconds.to_string())
		})?;

		for direction in Direction::ALL {
			write_meter_reading(xml, description, updated, &usage_point, direction)?;
		}
		Ok(())
	}

	/// Writes the intervals held back as one interval block for each direction.
	fn write_block(&mut self) -> Result<(), ExportError> {
		let Self { xml, description, updated, block, .. } = self;
		let (Some(first), Some(last)) = (block.first(), block.last()) else { return Ok(()) };
		let (start_seconds, end_seconds) = (first.start_seconds, last.end_seconds());
		for direction in Direction::ALL {
			let meter_reading = identifier::meter_reading(description, direction);
			let id = identifier::interval_block(meter_reading, start_seconds, end_seconds);
			let collection = format!(
				"{}/UsagePoint/{}/MeterReading/{meter_reading}/IntervalBlock",
				description.resource_base,
				identifier::usage_point(description)
			);
			Entry {
				id,
				links: &[("self", format!("{collection}/{id}")), ("up", collection)],
				title: direction.title(),
				updated,
			}
			.write(xml, "espi:IntervalBlock", |xml| {
				time_period(xml, "espi:interval", start_seconds, end_seconds - start_seconds)?;
				block.iter().try_for_each(|interval| write_reading(xml, interval, direction))
			})?;
		}
		block.clear();
		Ok(())
	}
}

/// The meter reading of one direction and its reading type.
fn write_meter_reading<W: Write>(
	xml: &mut Writer<W>,
	description: &Description,
	updated: &str,
	usage_point: &str,
	direction: Direction,
) -> io::Result<()> {
	let base = &description.resource_base;
	let id = identifier::meter_reading(description, direction);
	let meter_reading = format!("{usage_point}/MeterReading/{id}");
	let reading_type = identifier::reading_type(description, direction);
	let reading_type_link = format!("{base}/ReadingType/{reading_type}");
	Entry {
		id,
		links: &[
			("self", meter_reading.clone()),
			("up", format!("{usage_point}/MeterReading")),
			("related", format!("{meter_reading}/IntervalBlock")),
			("related", reading_type_link.clone()),
		],
		title: direction.title(),
		updated,
	}
	.write(xml, "espi:MeterReading", |_| Ok(()))?;
	Entry {
		id: reading_type,
		links: &[("self", reading_type_link), ("up", format!("{base}/ReadingType"))],
		title: direction.title(),
		updated,
	}
	.write(xml, "espi:ReadingType", |xml| {
		for (name, value) in [
			("espi:accumulationBehaviour", DELTA_DATA),
			("espi:commodity", ELECTRICITY),
			("espi:dataQualifier", NORMAL),
			("espi:defaultQuality", &Quality::Valid.code().to_string()),
			("espi:flowDirection", &direction.code().to_string()),
			("espi:intervalLength", &description.interval_seconds.to_string()),
			("espi:kind", ENERGY),
			("espi:powerOfTenMultiplier", NO_MULTIPLIER),
			("espi:timeAttribute", NO_PERIOD),
			("espi:uom", WATT_HOUR),
		] {
			text(xml, name, value)?;
		}
		Ok(())
	})
}

/// One interval. Its quality is written where it differs from the default of the reading type.
fn write_reading<W: Write>(
	xml: &mut Writer<W>,
	interval: &Interval,
	direction: Direction,
) -> io::Result<()> {
	xml.create_element("espi:IntervalReading").write_inner_content(|xml| {
		if interval.quality != Quality::Valid {
			xml.create_element("espi:ReadingQuality").write_inner_content(|xml| {
				text(xml, "espi:quality", &interval.quality.code().to_string())
			})?;
		}
		time_period(
			xml,
			"espi:timePeriod",
			interval.start_seconds,
			u64::from(interval.duration_seconds),
		)?;
		match interval.energy_wh(direction) {
			Some(energy_wh) => text(xml, "espi:value", &energy_wh.to_string()),
			None => Ok(()),
		}
	})?;
	Ok(())
}

/// `DateTimeInterval` of ESPI.
fn time_period<W: Write>(
	xml: &mut Writer<W>,
	name: &str,
	start_seconds: u64,
	duration_seconds: u64,
) -> io::Result<()> {
	xml.create_element(name).write_inner_content(|xml| {
		text(xml, "espi:duration", &duration_seconds.to_string())?;
		text(xml, "espi:start", &start_seconds.to_string())
	})?;
	Ok(())
}

/// What every Atom entry has besides its resource.
struct Entry<'a> {
	id: Uuid,
	links: &'a [(&'a str, String)],
	title: &'a str,
	updated: &'a str,
}

impl Entry<'_> {
	fn write<W: Write>(
		&self,
		xml: &mut Writer<W>,
		resource: &str,
		content: impl FnOnce(&mut Writer<W>) -> io::Result<()>,
	) -> io::Result<()> {
		xml.create_element("entry").write_inner_content(|xml| {
			text(xml, "id", &self.id.urn().to_string())?;
			for (relation, target) in self.links {
				link(xml, relation, target)?;
			}
			text(xml, "title", self.title)?;
			xml.create_element("content")
				.with_attribute(("type", "application/xml"))
				.write_inner_content(|xml| {
					xml.create_element(resource).write_inner_content(content)?;
					Ok(())
				})?;
			text(xml, "published", self.updated)?;
			text(xml, "updated", self.updated)
		})?;
		Ok(())
	}
}

fn text<W: Write>(xml: &mut Writer<W>, name: &str, value: &str) -> io::Result<()> {
	xml.create_element(name).write_text_content(BytesText::new(value))?;
	Ok(())
}

fn link<W: Write>(xml: &mut Writer<W>, relation: &str, target: &str) -> io::Result<()> {
	xml.create_element("link")
		.with_attributes([("rel", relation), ("href", target)])
		.write_empty()?;
	Ok(())
}

fn rfc3339(seconds: u64) -> Result<String, ExportError> {
	i64::try_from(seconds)
		.ok()
		.and_then(|seconds| DateTime::from_timestamp(seconds, 0))
		.map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
		.ok_or(ExportError::OutOfRange {
			field: "updated_seconds",
			value: seconds.into(),
			least: 0,
			most: i64::MAX.into(),
		})
}
