//! Each file tests one topic.

mod attest;
mod challenge;
mod estimate;
mod governance;
mod prune;
mod status;

use crate::{mock::*, *};
use energy_primitives::{
	Measured, MeterIndex, MeterValue, MeteredEnergy, MeteringStatus, Quality, Slot, ZoneId,
};
use frame_support::{assert_noop, assert_ok};
use sp_core::H256;
use sp_runtime::DispatchError::BadOrigin;

fn signed(who: AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who)
}

fn root() -> RuntimeOrigin {
	RuntimeOrigin::root()
}

/// The account can do nothing from now on.
fn suspend(who: AccountId) {
	Active::mutate(|active| active.remove(&who));
}

/// How many events of the pallet satisfy the condition.
fn events(condition: impl Fn(&Event<Test>) -> bool) -> usize {
	System::events()
		.iter()
		.filter(|record| matches!(&record.event, RuntimeEvent::Metering(event) if condition(event)))
		.count()
}
