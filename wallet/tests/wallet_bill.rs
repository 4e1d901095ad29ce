//! The proof behind a bill, over data made by hand: what holds is accepted, what does not is named.

use ed25519_dalek::{Signer, SigningKey};
use energy_market_core::{Deviations, ImbalanceTerms, Pricing};
use energy_primitives::{
	api::{AttestedPage, SlotSummary},
	merkle, AccountId, Agreed, Bill, CashFlow, ClearingResult, ImbalancePricing, MarketTerms,
	Measured, MeterId, MeterIndex, MeterValue, MeteringStatus, Slot, SlotDeviations, SlotState,
	ZoneId,
};
use energy_wallet::{
	bill::{verify, Check, MeterEvidence, Outcome, Question, Rules, Step, Verification},
	oracle::{MeterSlotRecord, Reading},
};
use wia_ene_014::canonical::{
	meter_id, signing_bytes, CanonicalInterval, CanonicalMessage, DeviceKey, DeviceSignature,
	Quality, SignedMessage,
};

const ZONE: ZoneId = ZoneId(1);
const SLOT: Slot = Slot(2_000_000);
const SLOT_SECONDS: u32 = 900;
const START: u64 = 2_000_000 * 900;

fn question() -> Question {
	let rules = Rules { imbalance: imbalance_terms(), grid_fee: 30_001, grid_fee_ppm: 0 };
	Question {
		zone: ZONE,
		slot: SLOT,
		start_seconds: START,
		slot_seconds: SLOT_SECONDS,
		rules: Some(rules),
	}
}

fn imbalance_terms() -> ImbalanceTerms {
	ImbalanceTerms {
		clearing_price: 200_000,
		shortage_price: 600_000,
		surplus_price: 40_000,
		tolerance_ppm: 0,
		pricing: Pricing::Dual,
		deviations: Deviations::default(),
	}
}

fn device(number: u8) -> SigningKey {
	SigningKey::from_bytes(&[number; 32])
}

fn key(device: &SigningKey) -> DeviceKey {
	DeviceKey::Ed25519(device.verifying_key().to_bytes())
}

fn interval(offset: u64, seconds: u32, import_wh: u64, export_wh: u64) -> CanonicalInterval {
	CanonicalInterval {
		start_seconds: START + offset,
		duration_seconds: seconds,
		import_wh,
		export_wh,
		quality: Quality::Valid,
	}
}

fn signed(device: &SigningKey, text: &str, intervals: Vec<CanonicalInterval>) -> SignedMessage {
	let message = CanonicalMessage {
		meter_id: meter_id(text),
		timestamp_seconds: START + 900,
		quality: intervals.iter().map(|interval| interval.quality).max().unwrap_or(Quality::Valid),
		intervals,
		consumption_wh: None,
		generation_wh: None,
		storage_wh: None,
	};
	let signature = DeviceSignature::Ed25519(device.sign(&signing_bytes(&message)).to_bytes());
	SignedMessage { message, signature }
}

/// What an honest oracle and chain have of the readings `(place, message)` of a page.
struct Page {
	readings: Vec<(u32, SignedMessage)>,
	attested: AttestedPage,
}

impl Page {
	fn new(readings: Vec<(u32, SignedMessage)>, values: Vec<MeterValue>) -> Self {
		let leaves = Self::leaves(&readings);
		let attested = AttestedPage {
			readings_root: merkle::root(&leaves),
			readings_count: leaves.len() as u32,
			values,
			oracles: vec![AccountId::new([1; 32]), AccountId::new([2; 32])],
		};
		Self { readings, attested }
	}

	fn leaves(readings: &[(u32, SignedMessage)]) -> Vec<Vec<u8>> {
		readings.iter().map(|(_, signed)| signed.leaf_bytes()).collect()
	}

	fn record(&self, place: u32) -> MeterSlotRecord {
		let leaves = Self::leaves(&self.readings);
		MeterSlotRecord {
			zone: ZONE,
			meter: MeterIndex(place),
			slot: SLOT,
			page: 0,
			readings_root: Some(self.attested.readings_root),
			readings_count: Some(self.attested.readings_count),
			readings: (0u32..)
				.zip(&self.readings)
				.filter(|(_, (of, _))| *of == place)
				.map(|(leaf, (_, signed))| Reading {
					signed_message: signed.clone(),
					path: merkle::path(&leaves, leaf),
				})
				.collect(),
		}
	}
}

fn line(meter: u32, import_wh: u64, export_wh: u64, quality: Quality) -> MeterValue {
	MeterValue { meter, import_wh, export_wh, quality }
}

fn bill(import_wh: u64, export_wh: u64, quality: Quality) -> Bill {
	Bill {
		bought_wh: 0,
		sold_wh: 0,
		agreed: Agreed::default(),
		measured: Measured { import_wh, export_wh, quality },
		flow: CashFlow::default(),
	}
}

/// A home with one meter among others on the page, three readings of five minutes.
struct Home {
	page: Page,
	evidence: MeterEvidence,
	bill: Bill,
}

fn home() -> Home {
	let meter = device(7);
	let neighbour = device(8);
	let page = Page::new(
		vec![
			(3, signed(&neighbour, "other", vec![interval(0, 900, 50, 0)])),
			(4, signed(&meter, "home", vec![interval(0, 300, 100, 5)])),
			(4, signed(&meter, "home", vec![interval(300, 300, 200, 0)])),
			(4, signed(&meter, "home", vec![interval(600, 300, 300, 10)])),
			(9, signed(&neighbour, "third", vec![interval(0, 900, 1, 1)])),
		],
		vec![
			line(3, 50, 0, Quality::Valid),
			line(4, 600, 15, Quality::Valid),
			line(9, 1, 1, Quality::Valid),
		],
	);
	let evidence = MeterEvidence {
		id: MeterId(meter_id("home")),
		index: MeterIndex(4),
		key: key(&meter),
		attestation: Some(page.attested.clone()),
		record: Ok(Some(page.record(4))),
	};
	Home { page, evidence, bill: bill(600, 15, Quality::Valid) }
}

impl Home {
	fn record(&mut self) -> &mut MeterSlotRecord {
		self.evidence.record.as_mut().expect("came").as_mut().expect("is there")
	}

	fn verify(&self) -> Verification {
		verify(&question(), &self.bill, std::slice::from_ref(&self.evidence))
	}

	/// The checks that fail; each once.
	fn failures(&self) -> Vec<Check> {
		let mut failures: Vec<Check> = self
			.verify()
			.steps
			.iter()
			.filter(|step| step.outcome == Outcome::Failed)
			.map(|step| step.check)
			.collect();
		failures.dedup();
		failures
	}
}

mod holds {
	use super::*;

	#[test]
	fn bill_holds_when_everything_fits() {
		let verification = home().verify();
		assert!(verification.passed(), "{verification:#?}");
		assert!(verification.steps.iter().all(|step| step.outcome == Outcome::Passed));
		for check in [
			Check::Record,
			Check::Signature,
			Check::Path,
			Check::Attestation,
			Check::LineSum,
			Check::BillSum,
			Check::Quality,
			Check::Money,
		] {
			assert!(verification.steps.iter().any(|step| step.check == check), "{check:?}");
		}
	}

	#[test]
	fn bill_holds_when_it_is_of_two_meters() {
		let first = home();
		let second = MeterEvidence {
			id: MeterId(meter_id("other")),
			index: MeterIndex(3),
			key: key(&device(8)),
			attestation: Some(first.page.attested.clone()),
			record: Ok(Some(first.page.record(3))),
		};
		let bill = bill(650, 15, Quality::Valid);
		assert!(verify(&question(), &bill, &[first.evidence.clone(), second]).passed());
		assert!(!verify(&question(), &bill, &[first.evidence]).passed());
	}

	#[test]
	fn bill_holds_when_the_chain_keeps_only_the_root() {
		let mut home = home();
		home.evidence.attestation.as_mut().expect("is there").values.clear();
		assert_eq!(home.failures(), []);
		home.bill.measured.import_wh += 1;
		assert_eq!(home.failures(), [Check::BillSum]);
	}

	#[test]
	fn bill_holds_when_an_account_without_meters_is_billed_for_nothing() {
		assert!(verify(&question(), &bill(0, 0, Quality::Valid), &[]).passed());
		assert!(!verify(&question(), &bill(1, 0, Quality::Valid), &[]).passed());
	}

	/// A message may reach beyond the slot; only what lies in the slot counts.
	#[test]
	fn reading_counts_only_inside_the_slot() {
		let meter = device(7);
		let hour = (0..4).map(|quarter| CanonicalInterval {
			start_seconds: START - 900 + quarter * 900,
			duration_seconds: 900,
			import_wh: 10 + quarter,
			export_wh: 0,
			quality: Quality::Valid,
		});
		let page = Page::new(
			vec![(4, signed(&meter, "home", hour.collect()))],
			vec![line(4, 11, 0, Quality::Valid)],
		);
		let mut home = home();
		home.evidence.attestation = Some(page.attested.clone());
		home.evidence.record = Ok(Some(page.record(4)));
		home.bill = bill(11, 0, Quality::Valid);
		assert_eq!(home.failures(), []);
	}
}

mod fails {
	use super::*;

	#[test]
	fn bill_fails_when_another_key_signed() {
		let mut home = home();
		home.evidence.key = key(&device(9));
		assert_eq!(home.failures(), [Check::Signature]);
	}

	#[test]
	fn bill_fails_when_a_reading_was_changed_after_it_was_signed() {
		let mut home = home();
		home.record().readings[1].signed_message.message.intervals[0].import_wh += 1;
		assert_eq!(home.failures(), [Check::Signature, Check::Path]);
	}

	#[test]
	fn bill_fails_when_the_reading_is_of_another_meter() {
		let mut home = home();
		let neighbours = home.page.record(3).readings.remove(0);
		home.record().readings[0] = neighbours;
		assert!(home.failures().contains(&Check::Signature));
	}

	#[test]
	fn bill_fails_when_a_path_is_wrong() {
		type Change = fn(&mut merkle::MerklePath);
		let changes: [Change; 4] = [
			|path| path.siblings[0].0[0] ^= 1,
			|path| path.leaf_index += 1,
			|path| path.leaf_count += 1,
			|path| {
				path.siblings.pop();
			},
		];
		for change in changes {
			let mut home = home();
			change(home.record().readings[0].path.as_mut().expect("is there"));
			assert_eq!(home.failures(), [Check::Path]);
		}
		let mut home = home();
		home.record().readings[0].path = None;
		assert_eq!(home.failures(), [Check::Path]);
	}

	/// A reading that the meter did sign, but that is not under the root.
	#[test]
	fn bill_fails_when_a_reading_was_not_attested() {
		let mut home = home();
		let stranger = signed(&device(7), "home", vec![interval(600, 300, 1, 0)]);
		home.record().readings[2].signed_message = stranger;
		assert_eq!(home.failures(), [Check::Path]);
	}

	#[test]
	fn bill_fails_when_a_reading_is_kept_back() {
		let mut home = home();
		home.record().readings.pop();
		assert_eq!(home.failures(), [Check::LineSum]);
	}

	#[test]
	fn bill_fails_when_a_reading_is_shown_twice() {
		// Counted once, so the sum stays right; and shown instead of another, it becomes wrong.
		let mut home = home();
		let first = home.record().readings[0].clone();
		home.record().readings.push(first.clone());
		assert_eq!(home.failures(), []);
		home.record().readings[1] = first;
		assert_eq!(home.failures(), [Check::LineSum]);
	}

	#[test]
	fn bill_fails_when_the_line_is_not_the_sum_of_the_readings() {
		for (import_wh, export_wh) in [(601, 15), (599, 15), (600, 14), (0, 0)] {
			let mut home = home();
			let attested = home.evidence.attestation.as_mut().expect("is there");
			attested.values[1] = line(4, import_wh, export_wh, Quality::Valid);
			home.bill = bill(import_wh, export_wh, Quality::Valid);
			assert_eq!(home.failures(), [Check::LineSum]);
		}
	}

	#[test]
	fn bill_fails_when_it_is_not_the_sum_of_the_lines() {
		for (import_wh, export_wh) in [(601, 15), (600, 16), (599, 15)] {
			let mut home = home();
			home.bill = bill(import_wh, export_wh, Quality::Valid);
			assert_eq!(home.failures(), [Check::BillSum]);
		}
	}

	#[test]
	fn bill_fails_when_the_line_is_better_than_its_readings() {
		let mut home = home();
		let meter = device(7);
		let mut doubted = interval(0, 900, 600, 15);
		doubted.quality = Quality::Suspect;
		let page = Page::new(
			vec![(4, signed(&meter, "home", vec![doubted]))],
			vec![line(4, 600, 15, Quality::Valid)],
		);
		home.evidence.attestation = Some(page.attested.clone());
		home.evidence.record = Ok(Some(page.record(4)));
		assert_eq!(home.failures(), [Check::Quality]);
	}

	#[test]
	fn bill_fails_when_it_is_better_than_its_lines() {
		let mut home = home();
		home.evidence.attestation.as_mut().expect("is there").values[1].quality = Quality::Suspect;
		assert_eq!(home.failures(), [Check::Quality]);
		home.bill.measured.quality = Quality::Suspect;
		assert_eq!(home.failures(), []);
	}

	#[test]
	fn bill_fails_when_readings_contradict_each_other() {
		let meter = device(7);
		let page = Page::new(
			vec![
				(4, signed(&meter, "home", vec![interval(0, 900, 600, 15)])),
				(4, signed(&meter, "home", vec![interval(300, 300, 1, 0)])),
			],
			vec![line(4, 600, 15, Quality::Valid)],
		);
		let mut home = home();
		home.evidence.attestation = Some(page.attested.clone());
		home.evidence.record = Ok(Some(page.record(4)));
		assert_eq!(home.failures(), [Check::Intervals]);
	}

	#[test]
	fn bill_fails_when_the_oracle_answers_something_else() {
		type Change = fn(&mut MeterSlotRecord);
		let changes: [Change; 8] = [
			|record| record.slot = record.slot.next(),
			|record| record.zone = ZoneId(2),
			|record| record.meter = MeterIndex(5),
			|record| record.page = 1,
			|record| record.readings_root = Some(sp_core::H256::zero()),
			|record| record.readings_count = Some(4),
			|record| record.readings_root = None,
			|record| record.readings_count = None,
		];
		for change in changes {
			let mut home = home();
			change(home.record());
			assert_eq!(home.failures(), [Check::Record]);
		}
	}

	#[test]
	fn bill_fails_when_the_readings_do_not_come() {
		let mut home = home();
		home.evidence.record = Err("nobody answers".into());
		assert_eq!(home.failures(), [Check::Record]);
		home.evidence.record = Ok(None);
		assert_eq!(home.failures(), [Check::Attestation]);
	}

	#[test]
	fn bill_fails_when_its_money_does_not_fit() {
		let mut home = home();
		home.bill.flow = CashFlow { energy: i128::MAX, imbalance: 1, grid_fee: 0 };
		assert_eq!(home.failures(), [Check::Money]);
	}

	/// 600 Wh in and 15 Wh out: 585 Wh were taken of the 700 Wh that were bought.
	const BUYERS_FLOW: CashFlow = CashFlow { energy: -140_000, imbalance: 4_600, grid_fee: 21_001 };

	fn buyers_bill(flow: CashFlow) -> Home {
		let mut home = home();
		home.bill = Bill { bought_wh: 700, flow, ..home.bill };
		home
	}

	#[test]
	fn bill_fails_when_its_money_does_not_follow_from_the_terms() {
		assert_eq!(buyers_bill(BUYERS_FLOW).failures(), []);
		for flow in [
			CashFlow { energy: BUYERS_FLOW.energy - 1, ..BUYERS_FLOW },
			CashFlow { imbalance: BUYERS_FLOW.imbalance - 1, ..BUYERS_FLOW },
			CashFlow { grid_fee: BUYERS_FLOW.grid_fee + 1, ..BUYERS_FLOW },
		] {
			assert_eq!(buyers_bill(flow).failures(), [Check::Money]);
		}
	}

	#[test]
	fn bill_fails_when_a_seller_pays_more_for_what_it_did_not_deliver() {
		let mut home = home();
		// 585 Wh net were taken, so nothing of the 100 Wh was delivered.
		let flow = CashFlow { energy: 20_000, imbalance: -60_000, grid_fee: 0 };
		home.bill = Bill { sold_wh: 100, flow, ..home.bill };
		assert_eq!(home.failures(), []);
		home.bill.flow.imbalance -= 1;
		assert_eq!(home.failures(), [Check::Money]);
	}

	/// What fails of a bill by other rules.
	fn failures_by(change: impl FnOnce(&mut Rules), home: &Home) -> Vec<Check> {
		let mut question = question();
		change(question.rules.as_mut().expect("are known"));
		let verification = verify(&question, &home.bill, std::slice::from_ref(&home.evidence));
		let failed = |step: &&Step| step.outcome == Outcome::Failed;
		verification.steps.iter().filter(failed).map(|step| step.check).collect()
	}

	#[test]
	fn money_follows_from_what_was_agreed_besides() {
		// 800 Wh were bought in all, 585 Wh of them taken.
		let flow = CashFlow { energy: -165_000, imbalance: 8_600, grid_fee: 24_001 };
		let mut home = buyers_bill(flow);
		home.bill.agreed = Agreed { bought_wh: 100, payable: 25_000, ..Agreed::default() };
		assert_eq!(home.failures(), []);
		home.bill.agreed.payable -= 1;
		assert_eq!(home.failures(), [Check::Money]);
	}

	#[test]
	fn money_follows_from_tolerance_and_the_part_of_the_grid() {
		// 70 of the 115 Wh that were not taken are undone at the clearing price.
		let flow = CashFlow { imbalance: 15_800, grid_fee: 22_401, ..BUYERS_FLOW };
		let mut home = buyers_bill(flow);
		let change = |rules: &mut Rules| {
			rules.grid_fee_ppm = 10_000;
			rules.imbalance.tolerance_ppm = 100_000;
		};
		assert_eq!(failures_by(change, &home), []);
		home.bill.flow.imbalance -= 1;
		assert_eq!(failures_by(change, &home), [Check::Money]);
	}

	#[test]
	fn money_follows_from_the_deviations_of_the_slot() {
		let mut home = home();
		let change = |pricing, shortage_wh, surplus_wh| {
			move |rules: &mut Rules| {
				rules.imbalance.pricing = pricing;
				rules.imbalance.deviations = Deviations { shortage_wh, surplus_wh };
			}
		};
		// Half of the 100 Wh that were not delivered meets a surplus.
		let flow = CashFlow { energy: 20_000, imbalance: -40_000, grid_fee: 0 };
		home.bill = Bill { sold_wh: 100, flow, ..home.bill };
		assert_eq!(failures_by(change(Pricing::Dual, 200, 100), &home), []);
		// The slot is short on balance: the one price is that of shortages.
		assert_eq!(failures_by(change(Pricing::Single, 200, 100), &home), []);
		home.bill.flow.imbalance = -60_000;
		assert_eq!(failures_by(change(Pricing::Single, 100, 0), &home), []);
		assert_eq!(failures_by(change(Pricing::Dual, 200, 100), &home), [Check::Money]);
	}

	#[test]
	fn rules_are_those_of_the_slot() {
		let summary = SlotSummary {
			state: SlotState::Settled,
			gate_closes_seconds: START - 60,
			terms: MarketTerms {
				gate_closure_seconds: 60,
				price_floor: 50_000,
				tick_size: 1_000,
				tick_count: 551,
				max_order_wh: 1_000_000,
				grid_fee: 30_001,
				grid_fee_ppm: 7,
				bond_ppm: 1_000_000,
				tolerance_ppm: 8,
				imbalance_pricing: ImbalancePricing::Single,
				shortage_price: 600_000,
				surplus_price: 40_000,
				policy: None,
			},
			orders: 2,
			bid_wh: 700,
			ask_wh: 700,
			result: Some(ClearingResult { price: 200_000, volume_wh: 700, net_import_wh: 0 }),
			positions: 2,
			metering: MeteringStatus::Final,
			deviations: SlotDeviations { shortage_wh: 9, surplus_wh: 10 },
		};
		let imbalance = ImbalanceTerms {
			tolerance_ppm: 8,
			pricing: Pricing::Single,
			deviations: Deviations { shortage_wh: 9, surplus_wh: 10 },
			..imbalance_terms()
		};
		assert_eq!(Rules::new(&summary), Rules { imbalance, grid_fee: 30_001, grid_fee_ppm: 7 });
		let untraded = Rules::new(&SlotSummary { result: None, ..summary });
		assert_eq!(untraded.imbalance.clearing_price, 0);
	}

	#[test]
	fn money_is_noted_when_the_contract_is_kinder_or_the_price_is_not_kept() {
		let noted = |question: Question, home: Home| {
			let verification = verify(&question, &home.bill, &[home.evidence]);
			assert!(verification.passed());
			let money = |step: &&Step| step.check == Check::Money;
			verification.steps.iter().find(money).map(|step| step.outcome)
		};
		let kinder = CashFlow { energy: BUYERS_FLOW.energy + 1, ..BUYERS_FLOW };
		assert_eq!(noted(question(), buyers_bill(kinder)), Some(Outcome::Noted));
		let unknown = Question { rules: None, ..question() };
		assert_eq!(noted(unknown, buyers_bill(BUYERS_FLOW)), Some(Outcome::Noted));
	}

	/// Whatever an oracle sends, it is an answer and not a crash.
	#[test]
	fn bill_fails_when_the_numbers_are_absurd() {
		let meter = device(7);
		let page = Page::new(
			vec![
				(4, signed(&meter, "home", vec![interval(0, 300, u64::MAX, 0)])),
				(4, signed(&meter, "home", vec![interval(300, 300, u64::MAX, 0)])),
				(4, signed(&meter, "home", vec![])),
			],
			vec![line(4, u64::MAX, u64::MAX, Quality::Valid)],
		);
		let mut home = home();
		home.evidence.attestation = Some(page.attested.clone());
		home.evidence.record = Ok(Some(page.record(4)));
		assert!(home.failures().contains(&Check::Intervals));
		let twice = [home.evidence.clone(), home.evidence];
		assert!(!verify(&question(), &home.bill, &twice).passed());
	}
}

mod estimated {
	use super::*;

	fn notes(verification: &Verification) -> Vec<&str> {
		verification
			.steps
			.iter()
			.filter(|step| step.outcome == Outcome::Noted)
			.map(|step| step.text.as_str())
			.collect()
	}

	#[test]
	fn estimate_is_said_when_no_oracle_attested_the_meter() {
		let mut home = home();
		home.evidence.attestation = None;
		home.evidence.record = Ok(None);
		home.bill = bill(580, 0, Quality::Estimated);
		let verification = home.verify();
		assert!(verification.passed(), "{verification:#?}");
		let notes = notes(&verification);
		assert!(notes[0].starts_with("estimated"), "{notes:?}");
		assert!(notes[1].contains("580 Wh in and 0 Wh out are estimated"), "{notes:?}");
	}

	#[test]
	fn estimate_is_refused_when_the_bill_calls_it_measured() {
		let mut home = home();
		home.evidence.attestation = None;
		home.bill = bill(580, 0, Quality::Valid);
		assert_eq!(home.failures(), [Check::Quality]);
	}

	#[test]
	fn estimate_is_said_when_the_readings_have_a_gap() {
		let meter = device(7);
		let page = Page::new(
			vec![(4, signed(&meter, "home", vec![interval(0, 300, 100, 0)]))],
			vec![line(3, 50, 0, Quality::Valid)],
		);
		let mut home = home();
		home.evidence.attestation = Some(page.attested.clone());
		home.evidence.record = Ok(Some(page.record(4)));
		home.bill = bill(580, 0, Quality::Estimated);
		let verification = home.verify();
		assert!(verification.passed(), "{verification:#?}");
		assert!(notes(&verification)[0].contains("cover 300 of 900 s"), "{verification:#?}");
	}

	/// The readings cover the whole slot, and still the chain says that it had to estimate.
	#[test]
	fn estimate_is_refused_when_the_meter_was_measured() {
		let mut home = home();
		let attested = home.evidence.attestation.as_mut().expect("is there");
		attested.values.retain(|value| value.meter != 4);
		home.bill = bill(580, 0, Quality::Estimated);
		assert_eq!(home.failures(), [Check::LineSum]);
	}

	#[test]
	fn bill_of_an_estimated_meter_is_at_least_what_the_others_measured() {
		let home = home();
		let silent = MeterEvidence {
			id: MeterId(meter_id("silent")),
			index: MeterIndex(5),
			key: key(&device(10)),
			attestation: Some(home.page.attested.clone()),
			record: Ok(None),
		};
		let meters = [home.evidence, silent];
		assert!(verify(&question(), &bill(700, 15, Quality::Estimated), &meters).passed());
		assert!(!verify(&question(), &bill(599, 15, Quality::Estimated), &meters).passed());
	}
}

mod wire {
	use super::*;

	/// The shape that `GET /v1/meters/{meterId}/slots/{slot}` has, with all it says beside.
	#[test]
	fn record_is_read_from_the_oracles_json() {
		let mut home = home();
		let record = home.record().clone();
		let mut json = serde_json::to_value(&record).expect("is written");
		json["meterId"] = hex::encode(meter_id("home")).into();
		json["state"] = "done".into();
		json["value"] = serde_json::json!({ "importWh": 600, "exportWh": 15, "quality": "valid" });
		json["readings"][0]["message"] = serde_json::json!({ "timestampSeconds": 1 });
		json["readings"][0]["signature"] =
			serde_json::json!({ "algorithm": "ed25519", "value": "00" });
		assert!(json["readings"][0]["signedMessage"].as_str().expect("is text").starts_with("0x"));
		assert!(json["readings"][0]["path"]["leafCount"].is_u64());
		let read: MeterSlotRecord = serde_json::from_value(json).expect("is read");
		assert_eq!(read, record);
	}

	#[test]
	fn record_is_read_when_the_slot_is_still_open() {
		let mut home = home();
		let record = home.record();
		record.readings_root = None;
		record.readings_count = None;
		record.readings[0].path = None;
		let json = serde_json::to_value(&*record).expect("is written");
		assert_eq!(serde_json::from_value::<MeterSlotRecord>(json).expect("is read"), *record);
	}

	#[test]
	fn record_is_refused_when_a_message_is_cut_off_or_too_long() {
		let mut home = home();
		let json = serde_json::to_value(home.record()).expect("is written");
		let text = json["readings"][0]["signedMessage"].as_str().expect("is text").to_owned();
		for wrong in [text[..text.len() - 2].to_owned(), format!("{text}00"), "0xzz".into()] {
			let mut json = json.clone();
			json["readings"][0]["signedMessage"] = wrong.into();
			assert!(serde_json::from_value::<MeterSlotRecord>(json).is_err());
		}
	}
}
