//! Each file tests one topic.

mod governance;
mod idle;
mod members;
mod money;
mod parting;
mod properties;
mod sharing;
mod terms;

use crate::{mock::*, *};
use energy_primitives::{
	Balance, CommunityId, CommunityMembers, Quality, Slot, UnsettledSlots, ZoneId,
};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError::BadOrigin;
