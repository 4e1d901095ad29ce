//! How many connections may be open, in total and per peer.

use std::{
	collections::HashMap,
	net::{IpAddr, Ipv6Addr},
	sync::{atomic::Ordering::Relaxed, Arc, Mutex, PoisonError},
};

use crate::counters::Counters;

/// Counts open connections. It holds no more entries than connections are open.
#[derive(Debug)]
pub(crate) struct Gate {
	total: usize,
	per_peer: usize,
	open: Mutex<Open>,
	counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Open {
	total: usize,
	peers: HashMap<IpAddr, usize>,
}

/// Which limit is reached.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
	Total,
	PerPeer,
}

/// One open connection; it is given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
	gate: Arc<Gate>,
	peer: IpAddr,
}

impl Gate {
	pub(crate) fn new(total: usize, per_peer: usize, counters: Arc<Counters>) -> Arc<Self> {
		Arc::new(Self { total, per_peer, open: Mutex::default(), counters })
	}

	pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Refusal> {
		let peer = network(address);
		let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
		if open.total >= self.total {
			return Err(Refusal::Total);
		}
		if open.peers.get(&peer).is_some_and(|count| *count >= self.per_peer) {
			return Err(Refusal::PerPeer);
		}
		open.total += 1;
		*open.peers.entry(peer).or_default() += 1;
		self.counters.active_connections.store(open.total as u64, Relaxed);
		Ok(Permit { gate: self.clone(), peer })
	}
}

impl Drop for Permit {
	fn drop(&mut self) {
		let mut open = self.gate.open.lock().unwrap_or_else(PoisonError::into_inner);
		open.total -= 1;
		if let Some(count) = open.peers.get_mut(&self.peer) {
			*count -= 1;
			if *count == 0 {
				open.peers.remove(&self.peer);
			}
		}
		self.gate.counters.active_connections.store(open.total as u64, Relaxed);
	}
}

/// An IPv4 address stands for itself, an IPv6 address for its /64: one host owns all of that.
fn network(address: IpAddr) -> IpAddr {
	match address.to_canonical() {
		IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
		address => address,
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn enter_refuses_when_full_and_forgets_on_drop() {
		let gate = Gate::new(2, 1, Arc::default());
		let first = gate.enter([10, 0, 0, 1].into()).expect("room");
		assert_eq!(gate.enter([10, 0, 0, 1].into()).err(), Some(Refusal::PerPeer));
		let _second = gate.enter([10, 0, 0, 2].into()).expect("room");
		assert_eq!(gate.enter([10, 0, 0, 3].into()).err(), Some(Refusal::Total));
		drop(first);
		assert_eq!(gate.open.lock().expect("lock").peers.len(), 1);
		assert!(gate.enter([10, 0, 0, 1].into()).is_ok());
	}

	#[test]
	fn network_joins_one_ipv6_host_and_keeps_ipv4_apart() {
		let parse = |text: &str| network(text.parse().expect("address"));
		assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff:1"));
		assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
		assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
		assert_ne!(parse("10.0.0.1"), parse("10.0.0.2"));
	}
}
