//! Cuts the byte stream of the broker into packets, within bounded memory.

use bytes::{Buf, Bytes, BytesMut};

use crate::{
	configuration::ProtocolVersion,
	protocol::{self, Acknowledgement, Incoming, ProtocolError},
};

/// Read at once.
const CHUNK: usize = 256 << 10;

/// What a publication may have beside its payload: a topic of up to 64 KiB, and properties for
/// which MQTT 5 knows no useful limit.
const OVERHEAD: usize = 128 << 10;

/// Longest fixed header, longest topic with its length, packet identifier, length of properties.
const LONGEST_START: usize = 5 + 2 + 65535 + 2 + 4;

/// Bytes kept of a payload that is too large.
pub(crate) const LONGEST_BEGINNING: usize = 4096;

/// Something the decoder found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
	Packet(Incoming),
	/// A publication that was too large to be held, now passed over.
	TooLarge(TooLarge),
}

/// What is known of a publication that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
	pub(crate) topic: String,
	pub(crate) packet_bytes: usize,
	/// Of the payload, at most [`LONGEST_BEGINNING`] bytes.
	pub(crate) beginning: Bytes,
	pub(crate) acknowledgement: Option<Acknowledgement>,
}

/// Cuts a byte stream into packets.
#[derive(Debug)]
pub(crate) struct Decoder {
	version: ProtocolVersion,
	longest_packet: usize,
	buffer: BytesMut,
	passing_over: Option<PassingOver>,
}

/// A publication on its way past.
#[derive(Debug)]
struct PassingOver {
	topic: String,
	packet_bytes: usize,
	acknowledgement: Option<Acknowledgement>,
	/// Bytes before the payload that are still to come.
	before_payload: usize,
	/// Bytes of the packet that are still to come.
	remaining: usize,
	beginning: BytesMut,
}

impl PassingOver {
	/// Takes what is there of the packet.
	fn take(&mut self, buffer: &mut BytesMut) {
		let here = buffer.len().min(self.remaining);
		let before = here.min(self.before_payload);
		let room = LONGEST_BEGINNING - self.beginning.len();
		self.beginning.extend_from_slice(&buffer[before..here.min(before + room)]);
		self.before_payload -= before;
		self.remaining -= here;
		buffer.advance(here);
	}
}

impl Decoder {
	pub(crate) fn new(version: ProtocolVersion, maximum_payload_bytes: usize) -> Self {
		Self {
			version,
			longest_packet: maximum_payload_bytes + OVERHEAD,
			buffer: BytesMut::new(),
			passing_over: None,
		}
	}

	/// Where bytes of the broker are to be appended, with room for some.
	pub(crate) fn space(&mut self) -> &mut BytesMut {
		if self.buffer.capacity() - self.buffer.len() < CHUNK / 8 {
			self.buffer.reserve(CHUNK);
		}
		&mut self.buffer
	}

	/// The next packet, `None` when more bytes are needed.
	pub(crate) fn next(&mut self) -> Result<Option<Found>, ProtocolError> {
		if let Some(mut passing) = self.passing_over.take() {
			passing.take(&mut self.buffer);
			if passing.remaining > 0 {
				self.passing_over = Some(passing);
				return Ok(None);
			}
			return Ok(Some(Found::TooLarge(TooLarge {
				topic: passing.topic,
				packet_bytes: passing.packet_bytes,
				beginning: passing.beginning.freeze(),
				acknowledgement: passing.acknowledgement,
			})));
		}
		let Some(length) = packet_length(&self.buffer)? else { return Ok(None) };
		if length > self.longest_packet {
			self.passing_over = start_of_publication(self.version, &self.buffer, length)?;
			return if self.passing_over.is_some() { self.next() } else { Ok(None) };
		}
		if self.buffer.len() < length {
			return Ok(None);
		}
		protocol::decode(self.version, &mut self.buffer).map(|packet| Some(Found::Packet(packet)))
	}
}

/// Bytes of the packet at the front: fixed header (MQTT 5.0, 2.1.1) and what follows. `None` when
/// the length is not there yet.
fn packet_length(bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
	let remaining = variable_integer(bytes.get(1..).unwrap_or_default())?;
	Ok(remaining.map(|(value, length)| 1 + length + value))
}

/// A variable byte integer (MQTT 5.0, 1.5.5) and how many bytes it has. `None` when it is not all
/// there yet.
fn variable_integer(bytes: &[u8]) -> Result<Option<(usize, usize)>, ProtocolError> {
	let mut value = 0;
	for (index, byte) in bytes.iter().take(4).enumerate() {
		value |= usize::from(byte & 0x7f) << (7 * index);
		if byte & 0x80 == 0 {
			return Ok(Some((value, index + 1)));
		}
	}
	if bytes.len() >= 4 {
		return Err(ProtocolError::Unexpected("a length of more than four bytes"));
	}
	Ok(None)
}

/// Topic, packet identifier and length of the properties of a publication of which the rest is not
/// here yet (MQTT 5.0, 3.3.1 and 3.3.2). `None` when they are not here either.
fn start_of_publication(
	version: ProtocolVersion,
	bytes: &[u8],
	packet_bytes: usize,
) -> Result<Option<PassingOver>, ProtocolError> {
	let malformed = || ProtocolError::Unexpected("a publication with a malformed beginning");
	let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
	if first >> 4 != 3 {
		return Err(ProtocolError::Unexpected("a packet larger than any it may send"));
	}
	let quality = (first >> 1) & 3;
	// The length is at least as long as the longest beginning, so no field is cut off.
	debug_assert!(packet_bytes > LONGEST_START);
	let Some((_, length)) = variable_integer(rest)? else { return Ok(None) };
	let Some((length, rest)) = rest[length..].split_first_chunk::<2>() else { return Ok(None) };
	let Some((topic, mut rest)) = rest.split_at_checked(u16::from_be_bytes(*length).into()) else {
		return Ok(None);
	};
	let acknowledgement = if quality == 0 {
		None
	} else {
		let Some((packet_id, after)) = rest.split_first_chunk::<2>() else { return Ok(None) };
		rest = after;
		let packet_id = u16::from_be_bytes(*packet_id);
		match quality {
			_ if packet_id == 0 => return Err(malformed()),
			1 => Some(Acknowledgement::Received(packet_id)),
			2 => Some(Acknowledgement::ReceivedOnce(packet_id)),
			_ => return Err(malformed()),
		}
	};
	let mut before_payload = bytes.len() - rest.len();
	if version == ProtocolVersion::V5 {
		let Some((properties, length)) = variable_integer(rest)? else { return Ok(None) };
		before_payload += length + properties;
	}
	if before_payload > packet_bytes {
		return Err(malformed());
	}
	Ok(Some(PassingOver {
		topic: std::str::from_utf8(topic).map_err(|_| malformed())?.to_owned(),
		packet_bytes,
		acknowledgement,
		before_payload,
		remaining: packet_bytes,
		beginning: BytesMut::new(),
	}))
}

#[cfg(test)]
mod tests {
	use mqtt_v3::mqttbytes::{v4, QoS};
	use mqtt_v5::mqttbytes::v5;
	use proptest::prelude::*;

	use super::*;
	use crate::protocol::Publication;

	const MAXIMUM: usize = 100;

	/// Everything found when the bytes come in pieces of the given size.
	fn found(version: ProtocolVersion, bytes: &[u8], piece: usize) -> Result<Vec<Found>, String> {
		let mut decoder = Decoder::new(version, MAXIMUM);
		let mut found = Vec::new();
		for piece in bytes.chunks(piece) {
			decoder.space().extend_from_slice(piece);
			while let Some(each) = decoder.next().map_err(|error| error.to_string())? {
				found.push(each);
			}
			assert!(decoder.buffer.len() <= MAXIMUM + OVERHEAD, "memory is bounded");
		}
		Ok(found)
	}

	fn publication_bytes(
		version: ProtocolVersion,
		topic: &str,
		packet_id: u16,
		payload: &[u8],
	) -> Vec<u8> {
		let mut bytes = BytesMut::new();
		match version {
			ProtocolVersion::V3_1_1 => {
				let mut packet = v4::Publish::new(topic, QoS::AtLeastOnce, payload.to_vec());
				packet.pkid = packet_id;
				packet.write(&mut bytes).unwrap();
			}
			ProtocolVersion::V5 => {
				let quality = mqtt_v5::mqttbytes::QoS::AtLeastOnce;
				let mut packet = v5::Publish::new(topic, quality, payload.to_vec(), None);
				packet.pkid = packet_id;
				packet.write(&mut bytes).unwrap();
			}
		}
		bytes.to_vec()
	}

	fn version() -> impl Strategy<Value = ProtocolVersion> {
		prop_oneof![Just(ProtocolVersion::V3_1_1), Just(ProtocolVersion::V5)]
	}

	proptest! {
		#![proptest_config(ProptestConfig::with_cases(64))]

		#[test]
		fn packets_are_found_however_they_are_cut(
			version in version(),
			messages in prop::collection::vec(
				("[a-z/]{1,20}", 1u16.., prop_oneof![
					prop::collection::vec(any::<u8>(), 0..200),
					(OVERHEAD..OVERHEAD + 70_000)
						.prop_map(|length| (0..length).map(|byte| byte as u8).collect()),
				]),
				1..6,
			),
			piece in 1usize..70_000,
		) {
			let mut bytes = Vec::new();
			let mut expected = Vec::new();
			for (topic, packet_id, payload) in messages {
				let packet = publication_bytes(version, &topic, packet_id, &payload);
				let acknowledgement = Some(Acknowledgement::Received(packet_id));
				expected.push(if packet.len() > MAXIMUM + OVERHEAD {
					let beginning = Bytes::copy_from_slice(&payload[..LONGEST_BEGINNING]);
					let packet_bytes = packet.len();
					Found::TooLarge(TooLarge { topic, packet_bytes, beginning, acknowledgement })
				} else {
					Found::Packet(Incoming::Publication(Publication {
						topic: topic.into(),
						payload: payload.into(),
						acknowledgement,
					}))
				});
				bytes.extend(packet);
			}
			prop_assert_eq!(found(version, &bytes, piece), Ok(expected));
		}

		#[test]
		fn any_bytes_give_packets_or_an_error(
			version in version(),
			first in prop::sample::select(vec![0x20u8, 0x30, 0x32, 0x34, 0x40, 0x62, 0x90, 0xd0, 0xe0, 0xf0]),
			bytes in prop::collection::vec(any::<u8>(), 0..300),
			piece in 1usize..300,
		) {
			// Whatever comes: no panic, and nothing found twice by reading in other pieces.
			let framed = [&[first, bytes.len().min(127) as u8][..], &bytes].concat();
			for stream in [&bytes, &framed] {
				let whole = found(version, stream, usize::MAX);
				let pieces = found(version, stream, piece);
				prop_assert_eq!(whole.is_ok(), pieces.is_ok());
				if let (Ok(whole), Ok(pieces)) = (whole, pieces) {
					prop_assert_eq!(whole, pieces);
				}
			}
		}
	}

	/// A publication of MQTT 5 whose properties alone are too large.
	#[test]
	fn properties_are_no_part_of_the_beginning() {
		for (payload, piece) in [(0, 1_000), (10, 1), (9_000, 999), (9_000, usize::MAX)] {
			let properties = 3 * OVERHEAD;
			let remaining = 2 + 1 + 2 + 3 + properties + payload;
			let seven_bits = |value: usize, shift: usize| (value >> shift) as u8 & 0x7f;
			let three_bytes = |value| {
				[seven_bits(value, 0) | 0x80, seven_bits(value, 7) | 0x80, seven_bits(value, 14)]
			};
			let mut bytes = vec![0x32];
			bytes.extend(three_bytes(remaining));
			bytes.extend([0, 1, b'a', 0, 9]);
			bytes.extend(three_bytes(properties));
			bytes.resize(bytes.len() + properties, 0xff);
			bytes.extend((0..payload).map(|byte| byte as u8));
			let expected = TooLarge {
				topic: "a".into(),
				packet_bytes: bytes.len(),
				beginning: (0..payload.min(LONGEST_BEGINNING)).map(|byte| byte as u8).collect(),
				acknowledgement: Some(Acknowledgement::Received(9)),
			};
			let found = found(ProtocolVersion::V5, &bytes, piece);
			assert_eq!(found, Ok(vec![Found::TooLarge(expected)]));
		}
	}

	#[test]
	fn properties_longer_than_their_packet_are_refused() {
		// A packet of 2 MiB, and properties of 4 MiB in it.
		let bytes = [0x30, 0x80, 0x80, 0x80, 0x01, 0, 1, b'a', 0x80, 0x80, 0x80, 0x02];
		let error = found(ProtocolVersion::V5, &bytes, 1).unwrap_err();
		assert!(error.contains("malformed beginning"), "{error}");
	}

	#[test]
	fn malformed_streams_are_refused() {
		for (bytes, reason) in [
			(&[0x30, 0xff, 0xff, 0xff, 0xff][..], "more than four bytes"),
			// A SUBACK, a publication of QoS 3, and one without an identifier, of 2 MiB.
			(&[0x90, 0x80, 0x80, 0x80, 0x01, 0, 1][..], "larger than any"),
			(&[0x36, 0x80, 0x80, 0x80, 0x01, 0, 1, b'a', 0, 1][..], "malformed beginning"),
			(&[0x32, 0x80, 0x80, 0x80, 0x01, 0, 1, b'a', 0, 0][..], "malformed beginning"),
			(&[0x30, 0x80, 0x80, 0x80, 0x01, 0, 1, 0xff][..], "malformed beginning"),
			// SUBSCRIBE, which only clients send.
			(&[0x82, 6, 0, 1, 0, 1, b'a', 1][..], "no subscriber can get"),
		] {
			let error = found(ProtocolVersion::V3_1_1, bytes, usize::MAX).unwrap_err();
			assert!(error.contains(reason), "{error}");
		}
	}
}
