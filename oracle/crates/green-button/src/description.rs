use crate::{local_time::check_range, ExportError, LocalTime};

/// Most characters of a text.
pub const MAX_TEXT_CHARACTERS: usize = 256;

/// Last second of the year 9999, the last that RFC 3339 can write.
const MAX_SECONDS: u64 = 253_402_300_799;

/// What an export is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
	/// The meter, as the metering company names it.
	pub meter_id: String,
	/// Title of the feed and of the usage point, for the customer to read.
	pub title: String,
	/// Who publishes the feed. Atom demands an author (RFC 4287, section 4.1.1).
	pub author: String,
	/// Start of every link, a path or an address, without a slash at the end. For example
	/// `/espi/1_1/resource/Subscription/5`.
	pub resource_base: String,
	/// When the data was last changed, in seconds since 1970-01-01T00:00:00Z.
	pub updated_seconds: u64,
	/// Start of the period, in seconds since 1970-01-01T00:00:00Z.
	pub period_start_seconds: u64,
	/// End of the period, exclusive, in seconds since 1970-01-01T00:00:00Z.
	pub period_end_seconds: u64,
	/// Length of every interval, in seconds.
	pub interval_seconds: u32,
	/// The customer's clock.
	pub local_time: LocalTime,
}

impl Description {
	pub(crate) fn check(&self) -> Result<(), ExportError> {
		check_text("meter_id", &self.meter_id, |_| true)?;
		check_text("title", &self.title, |_| true)?;
		check_text("author", &self.author, |_| true)?;
		check_text("resource_base", &self.resource_base, is_uri_character)?;
		if self.resource_base.ends_with('/') {
			return Err(ExportError::Character { field: "resource_base", character: '/' });
		}
		check_range("updated_seconds", self.updated_seconds.into(), 0, MAX_SECONDS.into())?;
		check_range("period_end_seconds", self.period_end_seconds.into(), 0, MAX_SECONDS.into())?;
		check_range(
			"period_start_seconds",
			self.period_start_seconds.into(),
			0,
			i128::from(self.period_end_seconds) - 1,
		)?;
		check_range("interval_seconds", self.interval_seconds.into(), 1, u32::MAX.into())?;
		self.local_time.check()
	}
}

/// Control characters and the two non-characters below U+10000 are no part of XML 1.0 or of a
/// line of text.
fn check_text(
	field: &'static str,
	text: &str,
	allowed: fn(char) -> bool,
) -> Result<(), ExportError> {
	let characters = text.chars().count();
	if !(1..=MAX_TEXT_CHARACTERS).contains(&characters) {
		return Err(ExportError::TextLength { field, characters, limit: MAX_TEXT_CHARACTERS });
	}
	let refused = |c: &char| c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') || !allowed(*c);
	match text.chars().find(refused) {
		Some(character) => Err(ExportError::Character { field, character }),
		None => Ok(()),
	}
}

/// RFC 3986, section 2: unreserved, reserved and percent.
fn is_uri_character(character: char) -> bool {
	character.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(character)
}
