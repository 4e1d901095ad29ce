//! Each file tests one topic.

mod admission;
mod extension;
mod genesis;
mod meters;
mod quota;
mod suspension;
mod zones;

use crate::{mock::*, *};
use energy_primitives::{MeterIndex, Meters as _, Participants as _, Role, Roles, ZoneId};
use frame_support::{assert_noop, assert_ok};
use sp_core::H256;
use sp_runtime::{DispatchError, DispatchError::BadOrigin};

fn signed(who: AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who)
}

fn root() -> RuntimeOrigin {
	RuntimeOrigin::root()
}

/// `who` becomes a participant with one role.
fn admit(who: AccountId, role: Role, zone: ZoneId) {
	assert_ok!(Participants::admit(root(), who, role.into(), zone, IDENTITY));
}
