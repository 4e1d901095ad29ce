//! What the interface serves, and what may be done with it.

use std::{collections::BTreeSet, fmt, str::FromStr};

/// A name that this crate does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name is not known")]
pub struct UnknownName;

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
	/// Signed meter readings.
	Readings,
	/// Meters and what is known of them.
	Meters,
	/// Energy per meter and delivery slot.
	Slots,
	/// What the oracle attested to the chain, with proofs.
	Attestations,
	/// Forecasts of load and generation. Writing starts a run.
	Forecasts,
	/// Virtual power plants.
	Vpps,
	/// Calls for flexibility and their acknowledgements.
	Dispatches,
	/// Bids and offers.
	Orders,
	/// What was matched.
	Trades,
	/// Differences between what was traded, measured and paid.
	Reconciliation,
	/// Events of operations: outages, alarms. Writing acknowledges one.
	OperationsEvents,
	/// Evidence for the regulator.
	Examination,
	/// Consents to share data.
	Consents,
	/// Exports of everything that is held about an account.
	Exports,
	/// Live feeds. Reading subscribes.
	Streams,
	/// Addresses that are told of events.
	Webhooks,
	/// Clients, revocations and the audit log.
	Access,
}

impl Kind {
	/// Every kind.
	pub const ALL: [Self; 17] = [
		Self::Readings,
		Self::Meters,
		Self::Slots,
		Self::Attestations,
		Self::Forecasts,
		Self::Vpps,
		Self::Dispatches,
		Self::Orders,
		Self::Trades,
		Self::Reconciliation,
		Self::OperationsEvents,
		Self::Examination,
		Self::Consents,
		Self::Exports,
		Self::Streams,
		Self::Webhooks,
		Self::Access,
	];

	/// The name in scopes and in the policies.
	pub const fn name(self) -> &'static str {
		match self {
			Self::Readings => "readings",
			Self::Meters => "meters",
			Self::Slots => "slots",
			Self::Attestations => "attestations",
			Self::Forecasts => "forecasts",
			Self::Vpps => "vpps",
			Self::Dispatches => "dispatches",
			Self::Orders => "orders",
			Self::Trades => "trades",
			Self::Reconciliation => "reconciliation",
			Self::OperationsEvents => "operations-events",
			Self::Examination => "examination",
			Self::Consents => "consents",
			Self::Exports => "exports",
			Self::Streams => "streams",
			Self::Webhooks => "webhooks",
			Self::Access => "access",
		}
	}

	/// Whether anybody may write resources of this kind. The others come from the chain or from
	/// the oracle itself.
	pub const fn is_writable(self) -> bool {
		!matches!(
			self,
			Self::Slots | Self::Attestations | Self::Trades | Self::Examination | Self::Streams
		)
	}
}

impl fmt::Display for Kind {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(self.name())
	}
}

impl FromStr for Kind {
	type Err = UnknownName;

	fn from_str(name: &str) -> Result<Self, UnknownName> {
		Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(UnknownName)
	}
}

/// What is done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
	/// Look at it, list it, subscribe to it.
	Read,
	/// Create, change or remove it.
	Write,
}

impl Action {
	/// Every action.
	pub const ALL: [Self; 2] = [Self::Read, Self::Write];

	/// The name in scopes and in the policies.
	pub const fn name(self) -> &'static str {
		match self {
			Self::Read => "read",
			Self::Write => "write",
		}
	}
}

impl fmt::Display for Action {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(self.name())
	}
}

impl FromStr for Action {
	type Err = UnknownName;

	fn from_str(name: &str) -> Result<Self, UnknownName> {
		Self::ALL.into_iter().find(|action| action.name() == name).ok_or(UnknownName)
	}
}

/// One resource and whose it is. The oracle fills it from the chain's registry and its own store,
/// never from what the request claims. What is left empty matches nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
	/// What it is.
	pub kind: Kind,
	/// Its identifier, for the audit log.
	pub id: String,
	/// The account it belongs to.
	pub owner: Option<String>,
	/// The zone it lies in.
	pub zone: Option<u32>,
	/// The meter it is about.
	pub meter: Option<String>,
	/// Accounts that take part in it beside the owner: both sides of a trade, the members of a
	/// virtual power plant, the grantee of a consent.
	pub parties: BTreeSet<String>,
}

impl Resource {
	/// A resource that belongs to nobody.
	pub fn new(kind: Kind, id: impl Into<String>) -> Self {
		Self { kind, id: id.into(), owner: None, zone: None, meter: None, parties: BTreeSet::new() }
	}
}

/// A permission that an owner gave to another account: which data, for what, for how long. The
/// oracle takes it from its store of consents; one that was withdrawn is not handed to a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
	/// Its identifier.
	pub id: String,
	/// The account that shares.
	pub owner: String,
	/// The account that may read.
	pub grantee: String,
	/// What may be read.
	pub kinds: BTreeSet<Kind>,
	/// The meters it is limited to; all of the owner's when `None`.
	pub meters: Option<BTreeSet<String>>,
	/// What the data may be used for. A request must name the same purpose.
	pub purpose: String,
	/// The first second at which it holds.
	pub valid_from: u64,
	/// The first second at which it holds no longer.
	pub expires_at: u64,
}
