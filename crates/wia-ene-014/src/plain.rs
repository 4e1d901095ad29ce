//! Messages that are written plainly, read in one pass.
//!
//! Nearly every meter writes the same few forms. This reader knows only those: no escapes in
//! strings, no exponents, few digits, timestamps without a fraction, every field once. It copies
//! nothing but figures. Whatever else a document contains, and whatever is wrong with it,
//! makes this reader give up, never decide: the general reader then reads the document from its
//! beginning, and says what is wrong. So this one must refuse too much rather than too little, and
//! what it takes must be what the general reader takes, with the same content.

use core::ops::Range;

use chrono::NaiveDate;

use crate::{
	canonical::{
		meter_id, CanonicalInterval, CanonicalMessage, DeviceSignature, Quality, SignedMessage,
		MAX_INTERVALS,
	},
	error::Rejection,
	message::{
		quality_of_word, Message, Phase, Timestamp, MAX_MESSAGE_BYTES, MAX_METER_ID_LENGTH,
		STANDARD, VERSION,
	},
	quantity::EnergyUnit,
};

/// Most digits before and after the point of a number. Every such integer fits in a `u64`.
const MAX_DIGITS: usize = 18;

impl SignedMessage {
	/// Reads a JSON message for the market.
	///
	/// The same as [`Message::parse`] and then `SignedMessage::try_from`, in a fraction of the time
	/// when the message is written plainly, as [`Message::to_json`] does. The signature is brought
	/// to its lower `s`, and not verified.
	///
	/// # Errors
	/// The first fault found, with its path.
	pub fn parse(document: &[u8]) -> Result<Self, Rejection> {
		match read_document(document) {
			Some(signed) => Ok(signed),
			None => Self::try_from(&Message::parse(document)?),
		}
	}

	/// Reads a JSON array of 1 to `limit` plainly written messages for the market, in one pass.
	///
	/// `None` says nothing about the body, except that it has to be taken apart by a JSON parser
	/// and its messages read one by one with [`SignedMessage::parse`]. Where there is a result, that
	/// way leads to the same one. With each message comes its place in the body.
	pub fn parse_plain_array(body: &[u8], limit: usize) -> Option<Vec<(Range<usize>, Self)>> {
		let mut scanner = Scanner { rest: body };
		let mut messages = Vec::new();
		scanner.array(|scanner| {
			if messages.len() == limit {
				return None;
			}
			scanner.skip_blanks();
			let start = body.len().saturating_sub(scanner.rest.len());
			let message = read_message(scanner)?;
			let end = body.len().saturating_sub(scanner.rest.len());
			if end.saturating_sub(start) > MAX_MESSAGE_BYTES {
				return None;
			}
			messages.push((start..end, message));
			Some(())
		})?;
		scanner.end()?;
		(!messages.is_empty()).then_some(messages)
	}
}

fn read_document(document: &[u8]) -> Option<SignedMessage> {
	if document.len() > MAX_MESSAGE_BYTES {
		return None;
	}
	let mut scanner = Scanner { rest: document };
	let signed = read_message(&mut scanner)?;
	scanner.end()?;
	Some(signed)
}

/// What is left of a document. Every function gives up with `None`.
struct Scanner<'a> {
	rest: &'a [u8],
}

impl<'a> Scanner<'a> {
	fn skip_blanks(&mut self) {
		while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
			self.rest = rest;
		}
	}

	/// Takes the next byte, if it is that one.
	fn take(&mut self, byte: u8) -> bool {
		match self.rest {
			[first, rest @ ..] if *first == byte => {
				self.rest = rest;
				true
			}
			_ => false,
		}
	}

	/// Takes the next byte after blanks, which has to be that one.
	fn expect(&mut self, byte: u8) -> Option<()> {
		self.skip_blanks();
		self.take(byte).then_some(())
	}

	/// Nothing but blanks is left.
	fn end(&mut self) -> Option<()> {
		self.skip_blanks();
		self.rest.is_empty().then_some(())
	}

	/// An array, each item of which is read by `item`.
	fn array(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
		self.expect(b'[')?;
		self.skip_blanks();
		if self.take(b']') {
			return Some(());
		}
		loop {
			item(self)?;
			self.skip_blanks();
			if !self.take(b',') {
				return self.expect(b']');
			}
		}
	}

	/// An object, each value of which is read by `field`, which gets the name.
	fn object(&mut self, mut field: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
		self.expect(b'{')?;
		self.skip_blanks();
		if self.take(b'}') {
			return Some(());
		}
		loop {
			let name = self.text()?;
			self.expect(b':')?;
			field(self, name)?;
			self.skip_blanks();
			if !self.take(b',') {
				return self.expect(b'}');
			}
		}
	}

	/// A string of visible ASCII characters and spaces without escapes.
	fn text(&mut self) -> Option<&'a [u8]> {
		self.expect(b'"')?;
		let plain = |byte: &u8| matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~');
		let end = self.rest.iter().position(|byte| !plain(byte))?;
		let (text, rest) = self.rest.split_at_checked(end)?;
		self.rest = rest;
		self.take(b'"').then_some(text)
	}

	/// A string of 128 hexadecimal digits.
	fn hexadecimal(&mut self) -> Option<[u8; 64]> {
		self.expect(b'"')?;
		let (digits, rest) = self.rest.split_first_chunk::<128>()?;
		self.rest = rest;
		// Without a way out in between, so that the compiler takes many digits at a time.
		let values = digits.map(hexadecimal_value);
		let all_valid = values.iter().fold(0, |all, value| all | value) < 16;
		let mut bytes = [0; 64];
		for (byte, pair) in bytes.iter_mut().zip(values.chunks_exact(2)) {
			*byte = (pair[0] << 4) | pair[1];
		}
		(all_valid && self.take(b'"')).then_some(bytes)
	}

	/// Digits, as the number they are, and how many.
	fn digits(&mut self) -> Option<(u64, usize)> {
		let mut number = 0u64;
		let mut count = 0usize;
		while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
			if count == MAX_DIGITS {
				return None;
			}
			number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
			count = count.wrapping_add(1);
			self.rest = rest;
		}
		(count > 0).then_some((number, count))
	}

	/// An integer without a sign.
	fn integer(&mut self) -> Option<u64> {
		let leading_zero = matches!(self.rest, [b'0', b'0'..=b'9', ..]);
		let (number, _count) = self.digits()?;
		(!leading_zero).then_some(number)
	}
}

/// A number as it is written: `digits * 10^-decimals`, below zero when `negative`.
struct Number {
	negative: bool,
	digits: u64,
	decimals: u32,
}

impl Number {
	/// Reads a number without an exponent.
	fn read(scanner: &mut Scanner<'_>) -> Option<Self> {
		scanner.skip_blanks();
		let negative = scanner.take(b'-');
		let integer = scanner.integer()?;
		if !scanner.take(b'.') {
			return Some(Self { negative, digits: integer, decimals: 0 });
		}
		let (fraction, count) = scanner.digits()?;
		let decimals = u32::try_from(count).ok()?;
		let digits = 10u64.checked_pow(decimals)?.checked_mul(integer)?.checked_add(fraction)?;
		Some(Self { negative, digits, decimals })
	}

	/// The magnitude in watt-hours, of a number in that unit.
	fn watt_hours(&self, unit: EnergyUnit) -> Option<u64> {
		let power = unit.power_of_ten();
		match self.decimals.checked_sub(power) {
			None | Some(0) => {
				10u64.checked_pow(power.checked_sub(self.decimals)?)?.checked_mul(self.digits)
			}
			Some(excess) => {
				let divisor = 10u64.checked_pow(excess)?;
				self.digits.is_multiple_of(divisor).then_some(self.digits / divisor)
			}
		}
	}

	fn unsigned_wh(&self, unit: EnergyUnit) -> Option<u64> {
		let watt_hours = self.watt_hours(unit)?;
		(!self.negative).then_some(watt_hours)
	}

	fn signed_wh(&self, unit: EnergyUnit) -> Option<i64> {
		let watt_hours = i64::try_from(self.watt_hours(unit)?).ok()?;
		Some(if self.negative { watt_hours.wrapping_neg() } else { watt_hours })
	}
}

/// Fills a place, and gives up when it is filled already: the field occurs twice.
fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
	place.replace(value).is_none().then_some(())
}

fn read_message(scanner: &mut Scanner<'_>) -> Option<SignedMessage> {
	let (mut standard, mut version, mut phase) = (None, None, None);
	let (mut meter, mut timestamp, mut intervals) = (None, None, None);
	let (mut totals, mut quality, mut signature) = (None, None, None);
	scanner.object(|scanner, name| match name {
		b"standard" => set(&mut standard, scanner.text()?),
		b"version" => set(&mut version, scanner.text()?),
		b"phase" => {
			scanner.skip_blanks();
			set(&mut phase, Phase::from_number(scanner.integer()?.into())?)
		}
		b"timestamp" => set(&mut timestamp, read_timestamp(scanner)?),
		b"meterId" => set(&mut meter, read_meter_id(scanner)?),
		b"readings" => set(&mut intervals, read_intervals(scanner)?),
		b"energyData" => set(&mut totals, Totals::read(scanner)?),
		b"quality" => set(&mut quality, read_quality(scanner, true)?),
		b"signature" => set(&mut signature, read_signature(scanner)?),
		_ => None,
	})?;
	phase?;
	if (standard?, version?) != (STANDARD.as_bytes(), VERSION.as_bytes()) {
		return None;
	}

	let intervals: Vec<CanonicalInterval> = intervals?;
	let totals: Totals = totals.unwrap_or_default();
	let worst_reading = intervals.iter().map(|interval| interval.quality).max();
	let overall = quality.or(totals.quality).or(worst_reading)?;
	if totals.quality.is_some_and(|stated| stated != overall) {
		return None;
	}
	let message = CanonicalMessage {
		meter_id: meter_id(meter?),
		timestamp_seconds: timestamp?,
		intervals,
		consumption_wh: totals.consumption_wh,
		generation_wh: totals.generation_wh,
		storage_wh: totals.storage_wh,
		quality: overall,
	};
	message.validate().ok()?;
	Some(SignedMessage { message, signature: signature? })
}

/// `YYYY-MM-DDTHH:MM:SS`, then `Z` or an offset of whole minutes, as unix seconds.
fn read_timestamp(scanner: &mut Scanner<'_>) -> Option<u64> {
	let (moment, zone) = scanner.text()?.split_first_chunk::<19>()?;
	let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2] =
		*moment
	else {
		return None;
	};
	let year = two_digits(y1, y2)?.checked_mul(100)?.checked_add(two_digits(y3, y4)?)?;
	let date = NaiveDate::from_ymd_opt(
		i32::try_from(year).ok()?,
		two_digits(m1, m2)?,
		two_digits(d1, d2)?,
	)?;
	let time = date.and_hms_opt(two_digits(h1, h2)?, two_digits(n1, n2)?, two_digits(s1, s2)?)?;
	let offset_seconds = match *zone {
		[b'Z'] => 0,
		[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
			let (hours, minutes) = (two_digits(h1, h2)?, two_digits(m1, m2)?);
			if hours > 23 || minutes > 59 {
				return None;
			}
			let seconds =
				i64::from(hours.checked_mul(3_600)?.checked_add(minutes.checked_mul(60)?)?);
			if sign == b'-' {
				seconds.wrapping_neg()
			} else {
				seconds
			}
		}
		_ => return None,
	};
	let seconds = time.and_utc().timestamp().checked_sub(offset_seconds)?;
	u64::try_from(seconds).ok().filter(|seconds| *seconds <= Timestamp::MAX_UNIX_SECONDS)
}

/// 0 to 15, or 255 for what is no hexadecimal digit.
fn hexadecimal_value(digit: u8) -> u8 {
	match digit {
		b'0'..=b'9' => digit - b'0',
		b'a'..=b'f' => digit - b'a' + 10,
		b'A'..=b'F' => digit - b'A' + 10,
		_ => u8::MAX,
	}
}

fn two_digits(tens: u8, ones: u8) -> Option<u32> {
	let digit = |byte: u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
	digit(tens)?.checked_mul(10)?.checked_add(digit(ones)?)
}

fn read_meter_id<'a>(scanner: &mut Scanner<'a>) -> Option<&'a str> {
	let text = scanner.text()?;
	let visible = text.iter().all(u8::is_ascii_graphic);
	if !visible || text.is_empty() || text.len() > MAX_METER_ID_LENGTH {
		return None;
	}
	std::str::from_utf8(text).ok()
}

fn read_intervals(scanner: &mut Scanner<'_>) -> Option<Vec<CanonicalInterval>> {
	let mut intervals = Vec::new();
	scanner.array(|scanner| {
		if intervals.len() == MAX_INTERVALS {
			return None;
		}
		intervals.push(read_interval(scanner)?);
		Some(())
	})?;
	Some(intervals)
}

fn read_interval(scanner: &mut Scanner<'_>) -> Option<CanonicalInterval> {
	let (mut start, mut duration, mut quality) = (None, None, None);
	let (mut import, mut export) = (None, None);
	scanner.object(|scanner, name| match name {
		b"start" => set(&mut start, read_timestamp(scanner)?),
		b"durationSeconds" => {
			scanner.skip_blanks();
			set(&mut duration, u32::try_from(scanner.integer()?).ok()?)
		}
		b"import" => set(&mut import, read_energy(scanner)?),
		b"export" => set(&mut export, read_energy(scanner)?),
		b"quality" => set(&mut quality, read_quality(scanner, false)?),
		_ => None,
	})?;
	Some(CanonicalInterval {
		start_seconds: start?,
		duration_seconds: duration?,
		import_wh: import?,
		export_wh: export?,
		quality: quality?,
	})
}

fn read_energy(scanner: &mut Scanner<'_>) -> Option<u64> {
	let (mut value, mut unit) = (None, None);
	scanner.object(|scanner, name| match name {
		b"value" => set(&mut value, Number::read(scanner)?),
		b"unit" => set(&mut unit, read_unit(scanner)?),
		_ => None,
	})?;
	value?.unsigned_wh(unit?)
}

/// `energyData`, all of whose totals state the same quality.
#[derive(Default)]
struct Totals {
	consumption_wh: Option<u64>,
	generation_wh: Option<u64>,
	storage_wh: Option<i64>,
	quality: Option<Quality>,
}

impl Totals {
	fn read(scanner: &mut Scanner<'_>) -> Option<Self> {
		let mut totals = Self::default();
		scanner.object(|scanner, name| {
			let (number, unit, quality) = read_total(scanner)?;
			if *totals.quality.get_or_insert(quality) != quality {
				return None;
			}
			match name {
				b"consumption" => set(&mut totals.consumption_wh, number.unsigned_wh(unit)?),
				b"generation" => set(&mut totals.generation_wh, number.unsigned_wh(unit)?),
				b"storage" => set(&mut totals.storage_wh, number.signed_wh(unit)?),
				_ => None,
			}
		})?;
		Some(totals)
	}
}

fn read_total(scanner: &mut Scanner<'_>) -> Option<(Number, EnergyUnit, Quality)> {
	let (mut total, mut unit, mut quality) = (None, None, None);
	scanner.object(|scanner, name| match name {
		b"total" => set(&mut total, Number::read(scanner)?),
		b"unit" => set(&mut unit, read_unit(scanner)?),
		b"quality" => set(&mut quality, read_quality(scanner, true)?),
		_ => None,
	})?;
	Some((total?, unit?, quality?))
}

fn read_unit(scanner: &mut Scanner<'_>) -> Option<EnergyUnit> {
	let symbol = scanner.text()?;
	EnergyUnit::ALL.into_iter().find(|unit| unit.symbol().as_bytes() == symbol)
}

fn read_quality(scanner: &mut Scanner<'_>, standard_words: bool) -> Option<Quality> {
	quality_of_word(scanner.text()?, standard_words)
}

fn read_signature(scanner: &mut Scanner<'_>) -> Option<DeviceSignature> {
	let (mut algorithm, mut value) = (None, None);
	scanner.object(|scanner, name| match name {
		b"algorithm" => set(&mut algorithm, scanner.text()?),
		b"value" => set(&mut value, scanner.hexadecimal()?),
		_ => None,
	})?;
	match algorithm? {
		b"ed25519" => Some(DeviceSignature::Ed25519(value?)),
		b"p256" => Some(DeviceSignature::P256(value?).normalized()),
		_ => None,
	}
}
