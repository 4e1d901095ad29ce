//! Which addresses a webhook may go to.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::{fmt, net::IpAddr, net::Ipv4Addr, net::Ipv6Addr};
use thiserror::Error;

/// What an address is for, by the registries of special-purpose addresses (RFC 6890 and its
/// updates).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressKind {
	/// Reachable from anywhere.
	Public,
	/// "This host on this network".
	Unspecified,
	/// The sending machine itself.
	Loopback,
	/// Private use (RFC 1918).
	Private,
	/// Shared by a carrier's customers (RFC 6598).
	Shared,
	/// On the same link only, which is where many clouds have their metadata.
	LinkLocal,
	/// Private use of IPv6 (RFC 4193).
	UniqueLocal,
	/// A group of receivers.
	Multicast,
	/// For examples.
	Documentation,
	/// For measurements of devices.
	Benchmarking,
	/// An IPv6 address with an IPv4 address inside: mapped, compatible, NAT64, 6to4, Teredo.
	Embedded,
	/// A service of a cloud that gives credentials to whoever asks from inside.
	Metadata,
	/// Not given out, given back, or for protocols only.
	Reserved,
}

impl fmt::Display for AddressKind {
	fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
		formatter.write_str(match self {
			Self::Public => "public",
			Self::Unspecified => "unspecified",
			Self::Loopback => "loopback",
			Self::Private => "private",
			Self::Shared => "shared",
			Self::LinkLocal => "link-local",
			Self::UniqueLocal => "unique local",
			Self::Multicast => "multicast",
			Self::Documentation => "documentation",
			Self::Benchmarking => "benchmarking",
			Self::Embedded => "embedded IPv4",
			Self::Metadata => "metadata",
			Self::Reserved => "reserved",
		})
	}
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
	Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(first: [u16; 4], last: [u16; 4], prefix: u8) -> Ipv6Net {
	let address =
		Ipv6Addr::new(first[0], first[1], first[2], first[3], last[0], last[1], last[2], last[3]);
	Ipv6Net::new_assert(address, prefix)
}

/// The first that has an address counts. What is in none of them is public.
const IPV4: [(Ipv4Net, AddressKind); 20] = [
	(v4(100, 100, 100, 200, 32), AddressKind::Metadata),
	(v4(168, 63, 129, 16, 32), AddressKind::Metadata),
	(v4(169, 254, 169, 254, 32), AddressKind::Metadata),
	(v4(192, 0, 0, 192, 32), AddressKind::Metadata),
	(v4(0, 0, 0, 0, 32), AddressKind::Unspecified),
	(v4(0, 0, 0, 0, 8), AddressKind::Reserved),
	(v4(10, 0, 0, 0, 8), AddressKind::Private),
	(v4(100, 64, 0, 0, 10), AddressKind::Shared),
	(v4(127, 0, 0, 0, 8), AddressKind::Loopback),
	(v4(169, 254, 0, 0, 16), AddressKind::LinkLocal),
	(v4(172, 16, 0, 0, 12), AddressKind::Private),
	(v4(192, 0, 0, 0, 24), AddressKind::Reserved),
	(v4(192, 0, 2, 0, 24), AddressKind::Documentation),
	(v4(192, 88, 99, 0, 24), AddressKind::Reserved),
	(v4(192, 168, 0, 0, 16), AddressKind::Private),
	(v4(198, 18, 0, 0, 15), AddressKind::Benchmarking),
	(v4(198, 51, 100, 0, 24), AddressKind::Documentation),
	(v4(203, 0, 113, 0, 24), AddressKind::Documentation),
	(v4(224, 0, 0, 0, 4), AddressKind::Multicast),
	(v4(240, 0, 0, 0, 4), AddressKind::Reserved),
];

/// The first that has an address counts. What is in none of them is reserved.
const IPV6: [(Ipv6Net, AddressKind); 18] = [
	(v6([0xfd00, 0xec2, 0, 0], [0, 0, 0, 0x254], 128), AddressKind::Metadata),
	(v6([0xfd20, 0xce, 0, 0], [0, 0, 0, 0x254], 128), AddressKind::Metadata),
	(v6([0; 4], [0; 4], 128), AddressKind::Unspecified),
	(v6([0; 4], [0, 0, 0, 1], 128), AddressKind::Loopback),
	(v6([0; 4], [0; 4], 96), AddressKind::Embedded),
	(v6([0; 4], [0, 0xffff, 0, 0], 96), AddressKind::Embedded),
	(v6([0x64, 0xff9b, 0, 0], [0; 4], 96), AddressKind::Embedded),
	(v6([0x64, 0xff9b, 1, 0], [0; 4], 48), AddressKind::Embedded),
	(v6([0x2001, 0, 0, 0], [0; 4], 32), AddressKind::Embedded),
	(v6([0x2002, 0, 0, 0], [0; 4], 16), AddressKind::Embedded),
	(v6([0x2001, 2, 0, 0], [0; 4], 48), AddressKind::Benchmarking),
	(v6([0x2001, 0xdb8, 0, 0], [0; 4], 32), AddressKind::Documentation),
	(v6([0x3fff, 0, 0, 0], [0; 4], 20), AddressKind::Documentation),
	(v6([0x2001, 0, 0, 0], [0; 4], 23), AddressKind::Reserved),
	(v6([0xfc00, 0, 0, 0], [0; 4], 7), AddressKind::UniqueLocal),
	(v6([0xfe80, 0, 0, 0], [0; 4], 10), AddressKind::LinkLocal),
	(v6([0xff00, 0, 0, 0], [0; 4], 8), AddressKind::Multicast),
	(v6([0x2000, 0, 0, 0], [0; 4], 3), AddressKind::Public),
];

impl AddressKind {
	/// The kind of an address.
	pub fn of(address: IpAddr) -> Self {
		match address {
			IpAddr::V4(address) => IPV4
				.iter()
				.find(|(network, _)| network.contains(&address))
				.map_or(Self::Public, |(_, kind)| *kind),
			IpAddr::V6(address) => IPV6
				.iter()
				.find(|(network, _)| network.contains(&address))
				.map_or(Self::Reserved, |(_, kind)| *kind),
		}
	}

	/// Whether a receiver inside the operator's own network can have such an address.
	fn can_be_allowed(self) -> bool {
		matches!(self, Self::Loopback | Self::Private | Self::Shared | Self::UniqueLocal)
	}
}

/// An address that no webhook goes to. The address itself is not told: the owner of a subscription
/// must not learn what names mean inside the operator's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the host has a {0} address, which is not allowed")]
pub struct AddressRefused(pub AddressKind);

/// Says which addresses may be connected to: public ones, and those of the networks that the
/// operator allowed.
#[derive(Clone, Debug, Default)]
pub struct AddressGuard {
	allowed_networks: Vec<IpNet>,
}

impl AddressGuard {
	/// Allows loopback, private, shared and unique local addresses of these networks besides the
	/// public ones. Addresses of any other kind stay refused, whatever the networks are: metadata
	/// services, link-local, multicast, embedded IPv4.
	pub fn new(allowed_networks: Vec<IpNet>) -> Self {
		Self { allowed_networks }
	}

	/// # Errors
	/// With the kind of an address that is not allowed.
	pub fn check(&self, address: IpAddr) -> Result<(), AddressRefused> {
		let kind = AddressKind::of(address);
		let allowed = || self.allowed_networks.iter().any(|network| network.contains(&address));
		if kind == AddressKind::Public || (kind.can_be_allowed() && allowed()) {
			Ok(())
		} else {
			Err(AddressRefused(kind))
		}
	}
}
