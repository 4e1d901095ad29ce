//! What happened in a block, as far as the benchmark asks.

use anyhow::{Context, Result};
use codec::{Decode, Encode};
use energy_runtime::{opaque::Hash, RuntimeError, RuntimeEvent};
use frame_system::EventRecord;
use sp_core::H160;
use sp_runtime::DispatchError;

/// Counts over the events of one block.
#[derive(Clone, Debug, Default)]
pub struct Events {
	/// Transactions that failed, calls in the name of the superuser that did, and orders of batches
	/// that were not placed.
	pub failed: u32,
	/// Why the first of them did.
	pub first_failure: Option<String>,
	/// Gates that closed: prices that were looked for.
	pub gates_closed: u32,
	/// Orders that were filled.
	pub orders_filled: u32,
	/// The contract that was deployed last.
	pub contract: Option<H160>,
}

impl Events {
	/// Reads the events as the runtime stores them.
	///
	/// # Errors
	/// When they are not this runtime's.
	pub fn read(encoded: &[u8]) -> Result<Self> {
		let records = Vec::<EventRecord<RuntimeEvent, Hash>>::decode(&mut &encoded[..])
			.context("the events of a block cannot be read")?;
		let mut counts = Self::default();
		for record in records {
			counts.count(record.event);
		}
		Ok(counts)
	}

	fn count(&mut self, event: RuntimeEvent) {
		use pallet_energy_market::Event as Market;
		use pallet_sudo::Event as Sudo;
		match event {
			RuntimeEvent::System(frame_system::Event::ExtrinsicFailed {
				dispatch_error, ..
			})
			| RuntimeEvent::Sudo(Sudo::Sudid { sudo_result: Err(dispatch_error) }) => {
				self.fail(dispatch_error)
			}
			RuntimeEvent::EnergyMarket(Market::OrderRejected { error, .. }) => self.fail(error),
			RuntimeEvent::EnergyMarket(Market::GateClosed { .. }) => self.gates_closed += 1,
			RuntimeEvent::EnergyMarket(Market::OrderFilled { .. }) => self.orders_filled += 1,
			RuntimeEvent::Revive(pallet_revive::Event::Instantiated { contract, .. }) => {
				self.contract = Some(contract);
			}
			_ => {}
		}
	}

	fn fail(&mut self, error: DispatchError) {
		self.failed += 1;
		if self.first_failure.is_none() {
			self.first_failure = Some(name(error));
		}
	}
}

/// The name of an error.
fn name(error: DispatchError) -> String {
	if let DispatchError::Module(module) = error {
		let encoded = (module.index, module.error).encode();
		if let Ok(known) = RuntimeError::decode(&mut &encoded[..]) {
			return format!("{known:?}");
		}
	}
	format!("{error:?}")
}
