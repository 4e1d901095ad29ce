//! What the main steps cost, against what a block has. With `--nocapture` it prints a table.

use energy_primitives::POSITIONS_PER_PAGE;
use energy_runtime::{configs::RuntimeBlockWeights, Runtime};
use frame_support::{
	dispatch::DispatchClass,
	traits::Get,
	weights::{constants::WEIGHT_REF_TIME_PER_MICROS, Weight},
};
use pallet_energy_market::WeightInfo as _;
use pallet_metering::WeightInfo as _;
use pallet_participants::WeightInfo as _;
use pallet_settlement::WeightInfo as _;

type Market = <Runtime as pallet_energy_market::Config>::WeightInfo;
type Metering = <Runtime as pallet_metering::Config>::WeightInfo;
type Participants = <Runtime as pallet_participants::Config>::WeightInfo;
type Settlement = <Runtime as pallet_settlement::Config>::WeightInfo;

fn print(name: &str, weight: Weight) {
	println!(
		"{name:<44} {:>8} us {:>9} bytes of proof",
		weight.ref_time() / WEIGHT_REF_TIME_PER_MICROS,
		weight.proof_size()
	);
}

#[test]
fn every_call_fits_into_a_block_beside_others() {
	let limits = RuntimeBlockWeights::get();
	let most = limits.get(DispatchClass::Normal).max_extrinsic.expect("there is a limit");
	for (name, weight) in [
		("participants.admit", Participants::admit()),
		("participants.register_meter", Participants::register_meter()),
		("metering.attest, 256 lines", Metering::attest(256)),
		("metering.challenge, 16 readings", Metering::challenge(16)),
		("energy_market.place", Market::place()),
		("energy_market.place_batch, 128 orders", Market::place_batch(128)),
		("energy_market.cancel", Market::cancel()),
		("energy_market.replace", Market::replace()),
		("energy_market.make_offer", Market::make_offer()),
		("energy_market.accept_offer", Market::accept_offer()),
		("energy_market.propose_coupling", Market::propose_coupling()),
		("energy_market.set_terms", Market::set_terms()),
		("settlement.withdraw_fees", Settlement::withdraw_fees()),
	] {
		print(name, weight);
		assert!(weight.all_lte(most), "{name} does not fit into a block");
	}
}

#[test]
fn every_step_of_the_market_fits_into_what_transactions_leave() {
	let limits = RuntimeBlockWeights::get();
	let normal = limits.get(DispatchClass::Normal).max_total.expect("there is a limit");
	let idle = limits.max_block.saturating_sub(normal);
	let page = POSITIONS_PER_PAGE;
	let pages = <<Runtime as pallet_settlement::Config>::PagesPerQuestion as Get<u32>>::get();
	let policy = <<Runtime as pallet_settlement::Config>::PolicyWeight as Get<Weight>>::get();
	let base = Market::work_base().saturating_add(Settlement::work_base());
	for (name, weight) in [
		("clearing: find the price, 64 conditions", Market::find_price(64)),
		(
			"clearing: fill a page of orders",
			Market::fill_orders(32)
				.saturating_add(Market::change_accounts(32))
				.saturating_add(Market::return_money().saturating_mul(32)),
		),
		("standing orders: place one", Market::renew_order()),
		("offers: look at one", Market::sweep_offer()),
		(
			"settlement: measure a page, 16 meters each",
			Settlement::measure(page * 16).saturating_add(Settlement::read_lines(page * 16 * 5)),
		),
		(
			"settlement: ask, four pages and the contract",
			Settlement::ask(pages * page).saturating_add(policy),
		),
		(
			"settlement: pay, a page",
			Settlement::pay(page)
				.saturating_add(Settlement::return_money().saturating_mul(page.into())),
		),
	] {
		print(name, weight);
		let all = base
			.saturating_add(Market::look_at_book())
			.saturating_add(Settlement::look_at_job())
			.saturating_add(weight);
		assert!(all.ref_time() <= idle.ref_time(), "{name} waits for an empty block");
	}
}
