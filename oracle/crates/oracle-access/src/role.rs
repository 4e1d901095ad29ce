//! The parts people and machines play.

use std::{fmt, str::FromStr};

use crate::resource::UnknownName;

/// What a principal is. What each role may do is in `policy/access.cedar`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
	/// Owns meters and an account, consumes and produces.
	Prosumer,
	/// Bundles flexibility of others into virtual power plants.
	Aggregator,
	/// Runs the grid of its zones and meters it.
	Utility,
	/// Runs an oracle: sees the physical side, resolves what does not reconcile.
	OracleOperator,
	/// Supervises the market: reads everything, writes nothing.
	Regulator,
	/// Runs the service itself: operations, access and the audit log, no data.
	Administrator,
	/// A meter or its gateway.
	Device,
}

impl Role {
	/// Every role.
	pub const ALL: [Self; 7] = [
		Self::Prosumer,
		Self::Aggregator,
		Self::Utility,
		Self::OracleOperator,
		Self::Regulator,
		Self::Administrator,
		Self::Device,
	];

	/// The name in tokens, in the client file and in the policies.
	pub const fn name(self) -> &'static str {
		match self {
			Self::Prosumer => "prosumer",
			Self::Aggregator => "aggregator",
			Self::Utility => "utility",
			Self::OracleOperator => "oracle-operator",
			Self::Regulator => "regulator",
			Self::Administrator => "administrator",
			Self::Device => "device",
		}
	}

	/// Whether a principal with this role may have no other (separation of duties). The policies
	/// deny everything to a principal that has two roles of which one stands alone.
	pub const fn stands_alone(self) -> bool {
		matches!(self, Self::Regulator | Self::Administrator | Self::Device)
	}
}

impl fmt::Display for Role {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(self.name())
	}
}

impl FromStr for Role {
	type Err = UnknownName;

	fn from_str(name: &str) -> Result<Self, UnknownName> {
		Self::ALL.into_iter().find(|role| role.name() == name).ok_or(UnknownName)
	}
}
