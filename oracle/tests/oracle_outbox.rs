//! Attestations reach the chain, whatever happens on the way, and are the same whenever they are sent.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use energy_oracle::{
	service::ServiceError,
	store::{Attestation, PageKey, PageState, Store},
};
use energy_primitives::{MeterValue, Slot};
use sp_core::H256;
use support::*;
use wia_ene_014::canonical::Quality;

/// Meters on three pages.
fn devices() -> Vec<Device> {
	[0, 1, 256, 600].map(Device::new).to_vec()
}

/// Takes a reading of every meter for a slot and lets the slot end.
async fn fill_and_seal(oracle: &Running, devices: &[Device], slot: Slot) {
	oracle.clock.set(end(slot));
	for device in devices {
		let answer = oracle.post(device.full(slot, 5, u64::from(device.index.0 % 5))).await;
		assert_eq!(answer.line(0), ("accepted", None));
	}
	oracle.advance(end(slot) + 30).await;
	oracle.wait_until_sealed(slot).await;
}

/// Every page on chain is one of those that were sent, and all that were sent for it are the same.
fn assert_consistent(chain: &FakeChain) {
	let received = chain.received();
	for page in chain.pages() {
		let same: Vec<_> = received.iter().filter(|other| other.key == page.key).collect();
		assert!(!same.is_empty() && same.iter().all(|other| **other == page), "{page:?}");
	}
}

#[tokio::test]
async fn every_page_arrives_although_answers_are_lost_and_attempts_fail() {
	let devices = devices();
	let oracle = Running::start(&devices).await;
	oracle.chain.inject([
		Fault::Lost,
		Fault::AnswerLost,
		Fault::Refused,
		Fault::Lost,
		Fault::Refused,
		Fault::AnswerLost,
	]);
	fill_and_seal(&oracle, &devices, FIRST_SLOT).await;
	oracle.wait_until_delivered().await;
	assert_eq!(oracle.chain.pages().len(), 3);
	assert_consistent(&oracle.chain);
	let counts = oracle.service.metrics().counts();
	assert_eq!((counts.pages_sealed, counts.pages_attested), (3, 3));
	assert_eq!(counts.attest_retries, 6);
	oracle.stop().await;
}

#[tokio::test]
async fn the_outbox_goes_on_after_restarts_and_sends_the_same_again() {
	let devices = devices();
	let mut oracle = Running::start(&devices).await;
	// Each time, the pages are on their way when the oracle stops; one of them has arrived.
	oracle.chain.inject([Fault::Hangs, Fault::Hangs, Fault::Hangs]);
	fill_and_seal(&oracle, &devices, FIRST_SLOT).await;
	eventually("all are on their way", || async { oracle.chain.received().len() == 3 }).await;
	oracle.chain.inject([Fault::AnswerLost, Fault::Hangs, Fault::Hangs]);
	oracle = oracle.restart().await;
	eventually("they are sent again", || async { oracle.chain.received().len() >= 6 }).await;
	assert_eq!(oracle.get("/v1/status").await.body["zones"][0]["sealedThrough"], FIRST_SLOT.0);
	oracle = oracle.restart().await;
	oracle.wait_until_delivered().await;
	assert_eq!(oracle.chain.pages().len(), 3);
	assert_consistent(&oracle.chain);

	// What is done is not sent again.
	let sent = oracle.chain.received().len();
	oracle = oracle.restart().await;
	oracle.wait_until_ready().await;
	assert_eq!(oracle.chain.received().len(), sent);
	oracle.stop().await;
}

#[tokio::test]
async fn a_node_that_comes_back_gets_what_it_missed() {
	let devices = devices();
	let oracle = Running::start(&devices).await;
	oracle.clock.set(end(FIRST_SLOT));
	for device in &devices {
		oracle.post(device.full(FIRST_SLOT, 5, 0)).await;
	}
	oracle.chain.set_away(true);
	oracle.advance(end(FIRST_SLOT) + 1).await;
	eventually("the oracle notices", || async { oracle.get("/readyz").await.status == 503 }).await;
	// Readings are still taken.
	let answer = oracle.post(devices[0].full(FIRST_SLOT, 5, 0)).await;
	assert_eq!(answer.line(0), ("duplicate", None));
	oracle.chain.set_away(false);
	oracle.advance(end(FIRST_SLOT) + 30).await;
	oracle.wait_until_sealed(FIRST_SLOT).await;
	oracle.wait_until_delivered().await;
	assert_eq!(oracle.chain.pages().len(), 3);
	oracle.stop().await;
}

#[tokio::test]
async fn a_page_that_is_too_late_is_given_up_and_counted() {
	let device = Device::new(0);
	let oracle = Running::start(std::slice::from_ref(&device)).await;
	oracle.chain.inject([Fault::Refused, Fault::TooLate]);
	fill_and_seal(&oracle, std::slice::from_ref(&device), FIRST_SLOT).await;
	oracle.wait_until_delivered().await;
	assert!(oracle.chain.pages().is_empty());
	let counts = oracle.service.metrics().counts();
	assert_eq!((counts.pages_attested, counts.pages_too_late), (0, 1));
	let path = format!("/v1/meters/{}/slots/{FIRST_SLOT}", hex::encode(device.id().0));
	assert_eq!(oracle.get(&path).await.body["state"], "too-late");
	oracle.stop().await;
}

#[tokio::test]
async fn a_page_on_which_the_others_agreed_is_done_and_noticed_when_it_differs() {
	let device = Device::new(0);
	let oracle = Running::start(std::slice::from_ref(&device)).await;
	oracle.chain.inject([Fault::Outvoted]);
	fill_and_seal(&oracle, &[device], FIRST_SLOT).await;
	oracle.wait_until_delivered().await;
	let counts = oracle.service.metrics().counts();
	assert_eq!((counts.pages_attested, counts.pages_outvoted), (1, 1));
	oracle.stop().await;
}

#[tokio::test]
async fn a_page_without_lines_is_kept_and_not_sent() {
	let device = Device::new(0);
	let oracle = Running::start(std::slice::from_ref(&device)).await;
	let half = [(start(FIRST_SLOT), 30, 1, 0, Quality::Valid)];
	oracle.post(device.message(end(FIRST_SLOT), &half).to_json()).await;
	oracle.advance(end(FIRST_SLOT) + 30).await;
	oracle.wait_until_sealed(FIRST_SLOT).await;
	assert!(oracle.get("/v1/status").await.body["outboxPages"] == 0);
	assert!(oracle.chain.received().is_empty());
	let path = format!("/v1/meters/{}/slots/{FIRST_SLOT}", hex::encode(device.id().0));
	let answer = oracle.get(&path).await;
	assert_eq!(answer.body["state"], "incomplete");
	assert!(answer.body["readings"][0]["path"].is_object());
	oracle.stop().await;
}

#[tokio::test]
async fn slots_of_a_long_absence_are_sealed_in_order() {
	let devices = devices();
	let oracle = Running::start(&devices).await;
	let slots: Vec<_> = [0, 1, 5].map(|later| Slot(FIRST_SLOT.0 + later)).to_vec();
	oracle.clock.set(end(slots[2]));
	for slot in &slots {
		oracle.post(devices[0].full(*slot, 1, 0)).await;
	}
	oracle.advance(end(slots[2]) + 30).await;
	oracle.wait_until_sealed(slots[2]).await;
	oracle.wait_until_delivered().await;
	let attested: Vec<_> = oracle.chain.pages().iter().map(|page| page.key.slot).collect();
	assert_eq!(attested, slots);
	oracle.stop().await;
}

#[tokio::test]
async fn a_folder_of_another_chain_is_refused() {
	let oracle = Running::start(&[Device::new(0)]).await;
	oracle.chain.set_genesis(H256::repeat_byte(2));
	let mut oracle = oracle.restart().await;
	let failure = oracle.service.failed().await;
	assert!(matches!(failure, ServiceError::Follow(_)), "{failure}");
	oracle.stop().await;
}

#[test]
fn what_is_sealed_is_in_the_outbox_until_it_is_finished() {
	let folder = tempfile::tempdir().unwrap();
	let page = |slot, page, lines: u32| Attestation {
		key: PageKey { zone: ZONE, slot: Slot(slot), page },
		values: (0..lines)
			.map(|meter| MeterValue { meter, import_wh: 1, export_wh: 0, quality: Quality::Valid })
			.collect(),
		readings_root: H256::repeat_byte(page as u8),
		readings_count: 3,
	};
	{
		let store = open_store(&folder.path().join("db")).unwrap();
		assert_eq!(store.sealed_through(ZONE).unwrap(), None);
		let pages = [page(7, 0, 2), page(7, 1, 1), page(7, 2, 0)];
		store.seal(ZONE, Slot(7), &pages).unwrap();
		store.seal(ZONE, Slot(9), &[page(9, 0, 1)]).unwrap();
	}
	let store = open_store(&folder.path().join("db")).unwrap();
	assert_eq!(store.sealed_through(ZONE).unwrap(), Some(Slot(9)));
	let keys = [page(7, 0, 0).key, page(7, 1, 0).key, page(9, 0, 0).key];
	assert_eq!(store.outbox(9).unwrap(), keys);
	assert_eq!(store.outbox(1).unwrap(), keys[..1]);
	store.finish(keys[1], PageState::Done).unwrap();
	assert_eq!(store.outbox(9).unwrap(), [keys[0], keys[2]]);
	let kept = store.page(keys[1]).unwrap().unwrap();
	assert_eq!((kept.attestation, kept.state), (page(7, 1, 1), PageState::Done));
	let incomplete = store.page(page(7, 2, 0).key).unwrap().unwrap();
	assert_eq!(incomplete.state, PageState::Incomplete);
}
