//! The packets of both versions of MQTT as far as a subscriber meets them.
//!
//! Encoding and decoding of single packets is the library's; this module makes one of the two
//! versions, and leaves out what a subscriber has no use for.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mqtt_v3::mqttbytes::v4;
use mqtt_v5::mqttbytes::v5;
use zeroize::Zeroizing;

use crate::configuration::{ProtocolVersion, Settings};

/// The one SUBSCRIBE of a connection. Publications of the broker have identifiers of their own.
const SUBSCRIBE_PACKET_ID: u16 = 1;

/// A packet cannot be made or read, or comes when it must not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProtocolError {
	#[error("MQTT 3.1.1: {0}")]
	V3(#[from] mqtt_v3::mqttbytes::Error),
	#[error("MQTT 5: {0}")]
	V5(#[from] mqtt_v5::mqttbytes::Error),
	#[error("the broker sent {0}")]
	Unexpected(&'static str),
}

/// What the broker must be told once the sink has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledgement {
	/// QoS 1: PUBACK.
	Received(u16),
	/// QoS 2, from a session that was subscribed with it before: PUBREC.
	ReceivedOnce(u16),
}

/// A message of the broker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Publication {
	pub(crate) topic: Bytes,
	pub(crate) payload: Bytes,
	/// `None` for QoS 0.
	pub(crate) acknowledgement: Option<Acknowledgement>,
}

/// What the broker says about a connection it has accepted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
	pub(crate) session_present: bool,
	/// Overrides the one asked for.
	pub(crate) keep_alive: Option<Duration>,
	/// Overrides the one asked for.
	pub(crate) session_expiry_seconds: Option<u32>,
}

/// A packet from the broker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
	Accepted(Accepted),
	/// The connection is refused, and why.
	Refused(String),
	/// The subscriptions are in place with QoS 1.
	Subscribed,
	/// A subscription is not, and why.
	NotSubscribed(String),
	Publication(Publication),
	/// The broker forgets a QoS 2 message and wants to hear PUBCOMP.
	Release(u16),
	Pong,
	/// The broker closes the connection, and why.
	Closed(String),
}

/// Takes one packet off the front of `buffer`, which must begin with a whole one.
pub(crate) fn decode(
	version: ProtocolVersion,
	buffer: &mut BytesMut,
) -> Result<Incoming, ProtocolError> {
	match version {
		ProtocolVersion::V3_1_1 => decode_v3(v4::Packet::read(buffer, usize::MAX)?),
		ProtocolVersion::V5 => decode_v5(v5::Packet::read(buffer, None)?),
	}
}

fn decode_v3(packet: v4::Packet) -> Result<Incoming, ProtocolError> {
	use mqtt_v3::mqttbytes::QoS;
	Ok(match packet {
		v4::Packet::ConnAck(answer) if answer.code == v4::ConnectReturnCode::Success => {
			Incoming::Accepted(Accepted {
				session_present: answer.session_present,
				..Accepted::default()
			})
		}
		v4::Packet::ConnAck(answer) => Incoming::Refused(format!("{:?}", answer.code)),
		v4::Packet::SubAck(answer) => {
			granted(answer.return_codes.into_iter().map(|code| match code {
				v4::SubscribeReasonCode::Success(quality) if quality != QoS::AtMostOnce => Ok(()),
				other => Err(format!("{other:?}")),
			}))
		}
		v4::Packet::Publish(message) => Incoming::Publication(Publication {
			topic: message.topic,
			payload: message.payload,
			acknowledgement: match message.qos {
				QoS::AtMostOnce => None,
				QoS::AtLeastOnce => Some(Acknowledgement::Received(message.pkid)),
				QoS::ExactlyOnce => Some(Acknowledgement::ReceivedOnce(message.pkid)),
			},
		}),
		v4::Packet::PubRel(release) => Incoming::Release(release.pkid),
		v4::Packet::PingResp => Incoming::Pong,
		_ => return Err(ProtocolError::Unexpected("a packet no subscriber can get")),
	})
}

fn decode_v5(packet: v5::Packet) -> Result<Incoming, ProtocolError> {
	use mqtt_v5::mqttbytes::QoS;
	Ok(match packet {
		v5::Packet::ConnAck(answer) if answer.code == v5::ConnectReturnCode::Success => {
			let properties = answer.properties.as_ref();
			Incoming::Accepted(Accepted {
				session_present: answer.session_present,
				keep_alive: properties
					.and_then(|given| given.server_keep_alive)
					.map(|seconds| Duration::from_secs(seconds.into())),
				session_expiry_seconds: properties.and_then(|given| given.session_expiry_interval),
			})
		}
		v5::Packet::ConnAck(answer) => Incoming::Refused(with_reason(
			format!("{:?}", answer.code),
			answer.properties.and_then(|properties| properties.reason_string),
		)),
		v5::Packet::SubAck(answer) => {
			granted(answer.return_codes.into_iter().map(|code| match code {
				v5::SubscribeReasonCode::Success(quality) if quality != QoS::AtMostOnce => Ok(()),
				other => Err(format!("{other:?}")),
			}))
		}
		v5::Packet::Publish(message) => Incoming::Publication(Publication {
			topic: message.topic,
			payload: message.payload,
			acknowledgement: match message.qos {
				QoS::AtMostOnce => None,
				QoS::AtLeastOnce => Some(Acknowledgement::Received(message.pkid)),
				QoS::ExactlyOnce => Some(Acknowledgement::ReceivedOnce(message.pkid)),
			},
		}),
		v5::Packet::PubRel(release) => Incoming::Release(release.pkid),
		v5::Packet::PingResp => Incoming::Pong,
		v5::Packet::Disconnect(farewell) => Incoming::Closed(with_reason(
			format!("{:?}", farewell.reason_code),
			farewell.properties.and_then(|properties| properties.reason_string),
		)),
		_ => return Err(ProtocolError::Unexpected("a packet no subscriber can get")),
	})
}

fn with_reason(code: String, reason: Option<String>) -> String {
	match reason {
		Some(reason) => format!("{code}: {reason}"),
		None => code,
	}
}

fn granted(answers: impl Iterator<Item = Result<(), String>>) -> Incoming {
	for (index, answer) in answers.enumerate() {
		if let Err(code) = answer {
			return Incoming::NotSubscribed(format!("topic {}: {code}", index + 1));
		}
	}
	Incoming::Subscribed
}

/// Writes CONNECT.
pub(crate) fn connect(
	settings: &Settings,
	password: Option<Zeroizing<Vec<u8>>>,
	output: &mut BytesMut,
) -> Result<(), ProtocolError> {
	let username = settings.credentials.as_ref().map(|credentials| credentials.username.clone());
	// The bytes are wiped when the last holder of them is gone.
	let password = password.map(Bytes::from_owner);
	match settings.protocol {
		ProtocolVersion::V3_1_1 => {
			let mut packet = v4::Connect::new(&settings.client_id);
			packet.keep_alive = settings.keep_alive_seconds;
			packet.clean_session = settings.clean_start;
			packet.auth = match (username, password) {
				(None, _) => v4::ConnectAuth::None,
				(Some(username), None) => v4::ConnectAuth::Username { username },
				(Some(username), Some(password)) => {
					v4::ConnectAuth::UsernamePassword { username, password }
				}
			};
			packet.write(output)?;
		}
		ProtocolVersion::V5 => {
			let mut properties = v5::ConnectProperties::new();
			properties.receive_maximum = Some(settings.maximum_in_flight);
			properties.session_expiry_interval =
				(!settings.clean_start).then_some(settings.session_expiry_seconds);
			let packet = v5::Connect {
				keep_alive: settings.keep_alive_seconds,
				client_id: settings.client_id.clone(),
				clean_start: settings.clean_start,
				properties: Some(properties),
			};
			let auth = match (username, password) {
				(None, _) => v5::ConnectAuth::None,
				(Some(username), None) => v5::ConnectAuth::Username { username },
				(Some(username), Some(password)) => {
					v5::ConnectAuth::UsernamePassword { username, password }
				}
			};
			packet.write(&None, &auth, output)?;
		}
	}
	Ok(())
}

/// Writes SUBSCRIBE with QoS 1.
pub(crate) fn subscribe(settings: &Settings, output: &mut BytesMut) -> Result<(), ProtocolError> {
	match settings.protocol {
		ProtocolVersion::V3_1_1 => {
			let mut packet =
				v4::Subscribe::new_many(settings.filters().map(|path| {
					v4::SubscribeFilter::new(path, mqtt_v3::mqttbytes::QoS::AtLeastOnce)
				}));
			packet.pkid = SUBSCRIBE_PACKET_ID;
			packet.write(output)?;
		}
		ProtocolVersion::V5 => {
			let mut packet = v5::Subscribe::new_many(
				settings.filters().map(|path| {
					v5::SubscribeFilter::new(path, mqtt_v5::mqttbytes::QoS::AtLeastOnce)
				}),
				None,
			);
			packet.pkid = SUBSCRIBE_PACKET_ID;
			packet.write(output)?;
		}
	}
	Ok(())
}

/// Writes PUBACK or PUBREC; the short form without a reason is the same in both versions.
pub(crate) fn acknowledge(
	acknowledgement: Acknowledgement,
	output: &mut BytesMut,
) -> Result<(), ProtocolError> {
	match acknowledgement {
		Acknowledgement::Received(packet_id) => v4::PubAck::new(packet_id).write(output)?,
		Acknowledgement::ReceivedOnce(packet_id) => v4::PubRec::new(packet_id).write(output)?,
	};
	Ok(())
}

/// Writes PUBCOMP; the short form is the same in both versions.
pub(crate) fn complete(packet_id: u16, output: &mut BytesMut) -> Result<(), ProtocolError> {
	v4::PubComp::new(packet_id).write(output)?;
	Ok(())
}

/// Writes PINGREQ, the same in both versions.
pub(crate) fn ping(output: &mut BytesMut) -> Result<(), ProtocolError> {
	v4::PingReq.write(output)?;
	Ok(())
}

/// Writes DISCONNECT without a reason, the same in both versions: the session stays as agreed.
pub(crate) fn disconnect(output: &mut BytesMut) -> Result<(), ProtocolError> {
	v4::Disconnect.write(output)?;
	Ok(())
}
