//! What the pallet remembers of zones, participants and meters.

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use energy_primitives::{MeterId, Role, Roles, ZoneId};
use frame_support::weights::Weight;
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_core::{Bytes, H256};
use wia_ene_014::canonical::DeviceKey;

/// A part of the grid.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Zone<AccountId> {
	/// Who runs its grid: admits prosumers and registers meters here.
	pub utility: AccountId,
}

/// Whether a participant may act.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub enum Status {
	/// May do what its roles allow.
	Active,
	/// May do nothing until it is reinstated. What it owns stays its own.
	Suspended,
}

impl Status {
	/// Whether the participant may send transactions and act in its roles.
	pub const fn can_act(self) -> bool {
		matches!(self, Self::Active)
	}

	/// Whether a suspension would change anything.
	pub const fn can_be_suspended(self) -> bool {
		matches!(self, Self::Active)
	}

	/// Whether the participant can be reinstated.
	pub const fn can_be_reinstated(self) -> bool {
		matches!(self, Self::Suspended)
	}
}

/// An admitted account.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub struct Participant {
	/// What it may do.
	pub roles: Roles,
	/// Where it belongs. Never changes.
	pub zone: ZoneId,
	/// Whether it may act at present.
	pub status: Status,
	/// A salted hash of the papers that were checked when it was admitted. The papers and the salt
	/// are kept off the chain, so that nothing personal is on it.
	pub identity: H256,
}

impl Participant {
	/// Whether the participant may act in the role.
	pub fn can_act_as(&self, role: Role) -> bool {
		self.status.can_act() && self.roles.contains(role)
	}
}

/// How much of its free weight an account has used.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub struct QuotaUse<BlockNumber> {
	/// The period: the block's number divided by the length of a period.
	pub period: BlockNumber,
	/// What was used in that period.
	pub used: Weight,
}

/// A participant as a chain specification names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GenesisParticipant<AccountId> {
	/// The account.
	pub account: AccountId,
	/// What it may do; at least one role.
	pub roles: Vec<Role>,
	/// Where it belongs.
	pub zone: ZoneId,
	/// The commitment to its identity.
	pub identity: H256,
}

/// A meter as a chain specification names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GenesisMeter<AccountId> {
	/// The hash of the identifier that is printed on it.
	pub id: MeterId,
	/// Who is billed for what it measures: a prosumer of the zone.
	pub owner: AccountId,
	/// Where it is connected.
	pub zone: ZoneId,
	/// The public key of the device.
	pub key: GenesisKey,
	/// The largest power that the connection can carry in either direction, W.
	pub rated_power_w: u32,
}

/// A device key as a chain specification names it: hexadecimal digits after the name of the curve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GenesisKey {
	/// 32 bytes.
	Ed25519(H256),
	/// 33 bytes: a compressed point.
	P256(Bytes),
}

impl From<DeviceKey> for GenesisKey {
	fn from(key: DeviceKey) -> Self {
		match key {
			DeviceKey::Ed25519(bytes) => Self::Ed25519(H256(bytes)),
			DeviceKey::P256(bytes) => Self::P256(Bytes(bytes.to_vec())),
		}
	}
}

impl GenesisKey {
	/// The key, unless its length is wrong. Whether it is a point of its curve is not checked here.
	pub fn to_device_key(&self) -> Option<DeviceKey> {
		match self {
			Self::Ed25519(bytes) => Some(DeviceKey::Ed25519(bytes.0)),
			Self::P256(bytes) => bytes.0.as_slice().try_into().ok().map(DeviceKey::P256),
		}
	}
}
