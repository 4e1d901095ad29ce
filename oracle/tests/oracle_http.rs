//! What the oracle answers: to good readings, to bad ones, and to what is none.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::time::Duration;

use codec::DecodeAll;
use energy_primitives::{merkle::MerklePath, Slot};
use sp_core::H256;
use support::*;
use wia_ene_014::canonical::{Quality, SignedMessage};

mod take {
	use super::*;

	#[tokio::test]
	async fn readings_are_accepted_once_and_known_afterwards() {
		let devices = [Device::new(0), Device::new(1)];
		let oracle = Running::start(&devices).await;
		let message = devices[0].full(FIRST_SLOT, 12, 3);

		let first = oracle.post(message.clone()).await;
		assert_eq!(first.status, 200);
		assert_eq!(first.body["accepted"], 1);
		assert_eq!(first.line(0), ("accepted", None));

		// Again, in company, and in another form.
		let other = devices[1].full(FIRST_SLOT, 0, 5);
		let array = oracle.post(format!("[{message},{other}]")).await;
		assert_eq!(array.line(0), ("duplicate", None));
		assert_eq!(array.line(1), ("accepted", None));
		let lines = oracle.post_as("application/x-ndjson", format!("{other}\n\n{message}\n")).await;
		assert_eq!((&lines.body["duplicate"], &lines.body["accepted"]), (&2.into(), &0.into()));
		oracle.stop().await;
	}

	#[tokio::test]
	async fn a_message_twice_in_one_request_counts_once() {
		let device = Device::new(0);
		let oracle = Running::start(std::slice::from_ref(&device)).await;
		let message = device.full(FIRST_SLOT, 1, 0);
		let answer = oracle.post(format!("[{message},{message}]")).await;
		assert_eq!(answer.line(0), ("accepted", None));
		assert_eq!(answer.line(1), ("duplicate", None));
		oracle.stop().await;
	}

	#[tokio::test]
	async fn each_bad_message_is_rejected_with_its_code_and_spoils_no_other() {
		let device = Device::new(0);
		let stranger = Device::new(1);
		let oracle = Running::start(std::slice::from_ref(&device)).await;
		let now = end(FIRST_SLOT) + 5;
		let from = start(FIRST_SLOT);

		let mut forged = stranger.clone();
		forged.name = device.name.clone();
		let good = device.full(FIRST_SLOT, 10, 0);
		let one = |timestamp, interval| device.message(timestamp, &[interval]).to_json();
		let messages = [
			(stranger.full(FIRST_SLOT, 1, 0), "unknown-meter", "meterId"),
			(forged.full(FIRST_SLOT, 1, 0), "signature-invalid", "signature"),
			(good.replace("\"value\":10", "\"value\":11"), "signature-invalid", "signature"),
			(one(now - 86_401, (from - 172_800, 60, 1, 0, Quality::Valid)), "stale", "timestamp"),
			(
				one(now, (from - 86_400 - 120, 60, 1, 0, Quality::Valid)),
				"stale",
				"readings[0].start",
			),
			(one(now + 301, (from, 60, 1, 0, Quality::Valid)), "future", "timestamp"),
			(
				one(now, (from + 120, 60, 1, 0, Quality::Valid)),
				"ends-after-timestamp",
				"readings[0].durationSeconds",
			),
			(good.replace("\"value\":10", "\"value\":-1"), "negative", "readings[0].import.value"),
			(
				one(now, (from, 60, 61, 0, Quality::Valid)),
				"absurd-power",
				"readings[0].import.value",
			),
			(one(now, (from + 30, 60, 1, 0, Quality::Valid)), "crosses-slot", "readings[0]"),
			(one(now, (from, 60, 0, 0, Quality::Missing)), "no-figure", "readings"),
			(good.replace("\"import\"", "\"imported\""), "unknown-field", "readings[0].imported"),
			("7".into(), "wrong-type", "$"),
		];
		let mut body: Vec<&str> = messages.iter().map(|(message, ..)| message.as_str()).collect();
		body.push("{not json");
		body.push(&good);
		let answer = oracle.post_as("application/x-ndjson", body.join("\n")).await;

		assert_eq!(answer.status, 200);
		for (index, (message, code, field)) in messages.iter().enumerate() {
			assert_eq!(answer.line(index), ("rejected", Some(*code)), "{message}");
			let line = &answer.body["results"][index];
			assert_eq!(line["field"], **field, "{message}");
			assert!(!line["reason"].as_str().unwrap().is_empty());
		}
		assert_eq!(answer.line(messages.len()), ("rejected", Some("not-json")));
		assert_eq!(answer.line(messages.len() + 1), ("accepted", None));

		let metrics = oracle.get("/metrics").await;
		let text = metrics.body.as_str().unwrap();
		assert!(text.contains("energy_oracle_readings_rejected_total{code=\"unknown-meter\"} 1\n"));
		assert!(text.contains("energy_oracle_readings_total{outcome=\"accepted\"} 1\n"));
		oracle.stop().await;
	}

	#[tokio::test]
	async fn a_figure_that_contradicts_a_stored_one_is_rejected() {
		let device = Device::new(0);
		let oracle = Running::start(std::slice::from_ref(&device)).await;
		let (from, now) = (start(FIRST_SLOT), end(FIRST_SLOT));
		let part = |second: u64, seconds, import_wh| {
			(from + second, seconds, import_wh, 0, Quality::Valid)
		};
		let post = |intervals: Vec<Interval>| {
			let body = device.message(now, &intervals).to_json();
			let oracle = &oracle;
			async move {
				let answer = oracle.post(body).await;
				let (status, code) = answer.line(0);
				(status.to_owned(), code.map(str::to_owned))
			}
		};
		let accepted = ("accepted".to_owned(), None);
		let duplicate = ("duplicate".to_owned(), None);
		let conflict = ("rejected".to_owned(), Some("conflicting-reading".to_owned()));

		assert_eq!(post(vec![part(10, 10, 5)]).await, accepted);
		// The same time with another figure; a time that overlaps; a mix of old and new.
		assert_eq!(post(vec![part(10, 10, 6)]).await, conflict);
		assert_eq!(post(vec![part(15, 10, 5)]).await, conflict);
		assert_eq!(post(vec![part(0, 60, 5)]).await, conflict);
		assert_eq!(post(vec![part(10, 10, 5), part(20, 10, 5)]).await, conflict);
		// A message is taken whole or not at all: the second half is still free.
		assert_eq!(post(vec![part(20, 10, 7)]).await, accepted);
		// Both known figures, put together in another message.
		assert_eq!(post(vec![part(10, 10, 5), part(20, 10, 7)]).await, duplicate);
		// A missing interval takes up no time.
		assert_eq!(post(vec![(from, 10, 0, 0, Quality::Missing), part(30, 10, 1)]).await, accepted);
		assert_eq!(post(vec![part(0, 10, 2)]).await, accepted);
		oracle.stop().await;
	}

	#[tokio::test]
	async fn overlapping_messages_of_several_slots_count_each_slot_once() {
		let device = Device::new(0);
		let oracle = Running::start(std::slice::from_ref(&device)).await;
		let full = |slot: u32, import_wh| {
			(start(Slot(FIRST_SLOT.0 + slot)), SLOT_SECONDS, import_wh, 0, Quality::Valid)
		};
		oracle.clock.set(end(Slot(FIRST_SLOT.0 + 3)));
		let now = end(Slot(FIRST_SLOT.0 + 2));
		let first = device.message(now, &[full(0, 1), full(1, 2)]).to_json();
		let second = device.message(now, &[full(1, 2), full(2, 3)]).to_json();
		assert_eq!(oracle.post(first).await.line(0), ("accepted", None));
		assert_eq!(oracle.post(second.clone()).await.line(0), ("accepted", None));
		assert_eq!(oracle.post(second).await.line(0), ("duplicate", None));

		oracle.advance(end(Slot(FIRST_SLOT.0 + 2)) + 30).await;
		oracle.advance(end(Slot(FIRST_SLOT.0 + 2)) + 50).await;
		oracle.wait_until_sealed(Slot(FIRST_SLOT.0 + 2)).await;
		oracle.wait_until_delivered().await;
		let values: Vec<_> =
			oracle.chain.pages().iter().map(|page| page.values[0].import_wh).collect();
		assert_eq!(values, [1, 2, 3]);
		oracle.stop().await;
	}
}

mod refuse {
	use super::*;

	fn assert_problem(answer: &Answer, status: u16, code: &str) {
		assert_eq!(answer.status, status, "{answer:?}");
		assert_eq!(answer.content_type, "application/problem+json");
		assert_eq!(answer.body["type"], format!("urn:energy-oracle:problem:{code}"));
		assert_eq!(answer.body["status"], status);
		assert!(answer.body["title"].is_string() && answer.body["detail"].is_string());
	}

	#[tokio::test]
	async fn a_request_that_is_no_list_of_messages_gets_a_problem() {
		let oracle = Running::start(&[Device::new(0)]).await;
		assert_problem(&oracle.post("").await, 400, "no-message");
		assert_problem(&oracle.post("[]").await, 400, "no-message");
		assert_problem(&oracle.post("{\"standard\":").await, 400, "not-json");
		assert_problem(&oracle.post("[{}").await, 400, "not-json");
		assert_problem(&oracle.post("\"text\"").await, 400, "not-json");
		assert_problem(&oracle.post(vec![b'{', 0xff, b'}']).await, 400, "not-json");
		let plain = oracle.post_as("text/plain", "{}").await;
		assert_problem(&plain, 415, "unsupported-media-type");
		assert_problem(&oracle.get("/v1/readings").await, 405, "method-not-allowed");
		assert_problem(&oracle.get("/v2").await, 404, "no-such-resource");
		oracle.stop().await;
	}

	#[tokio::test]
	async fn a_request_that_is_too_large_gets_a_problem() {
		let oracle = Running::start_with(&[Device::new(0)], |config| {
			config.limits.max_body_bytes = 100_000;
			config.limits.max_messages = 10;
		})
		.await;
		let many = ["{}"; 11].join("\n");
		let answer = oracle.post_as("application/x-ndjson", many.clone()).await;
		assert_problem(&answer, 413, "too-many-messages");
		let answer = oracle.post(format!("[{}]", many.replace('\n', ","))).await;
		assert_problem(&answer, 413, "too-many-messages");
		assert_eq!(oracle.post_as("application/x-ndjson", ["{}"; 10].join("\n")).await.status, 200);

		let long = " ".repeat(100_001);
		assert_problem(&oracle.post(long.clone()).await, 413, "body-too-large");
		// Without an announced length.
		let status = oracle.post_in_one_chunk(&long).await;
		assert_eq!(status, 413);
		oracle.stop().await;
	}

	#[tokio::test]
	async fn without_a_registry_nothing_is_taken_yet() {
		let device = Device::new(0);
		let now = end(FIRST_SLOT) + 5;
		let chain = FakeChain::new(now, std::slice::from_ref(&device));
		chain.set_away(true);
		let clock = TestClock::default();
		clock.set(now);
		let folder = tempfile::tempdir().unwrap();
		let oracle = Running::start_in(folder, chain, clock, |_| ()).await;
		assert_eq!(oracle.get("/healthz").await.status, 200);
		assert_problem(&oracle.get("/readyz").await, 503, "no-registry");
		assert_problem(&oracle.post(device.full(FIRST_SLOT, 1, 0)).await, 503, "no-registry");

		// As soon as the node is there, it goes on.
		oracle.chain.set_away(false);
		oracle.wait_until_ready().await;
		let answer = oracle.post(device.full(FIRST_SLOT, 1, 0)).await;
		assert_eq!(answer.line(0), ("accepted", None));
		oracle.stop().await;
	}

	#[tokio::test]
	async fn a_full_queue_says_come_back() {
		let device = Device::new(0);
		let oracle = Running::start_with(std::slice::from_ref(&device), |config| {
			// Nobody gets a place to verify signatures while the one place is taken.
			config.limits.parallel = 1;
			config.limits.patience = Duration::from_millis(1);
		})
		.await;
		let message = device.full(FIRST_SLOT, 1, 0);
		let body = vec![message.as_str(); 3_000].join("\n");
		let requests = (0..8).map(|_| oracle.post_as("application/x-ndjson", body.clone()));
		let answers = futures::future::join_all(requests).await;
		let busy: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
		assert!(!busy.is_empty() && busy.len() < 8, "{} of 8 were refused", busy.len());
		assert_problem(busy[0], 429, "busy");
		oracle.stop().await;
	}
}

mod prove {
	use super::*;

	#[tokio::test]
	async fn a_sealed_reading_comes_with_a_path_that_leads_to_the_attested_root() {
		let devices: Vec<_> = [0, 1, 255, 256].map(Device::new).to_vec();
		let oracle = Running::start(&devices).await;
		for device in &devices {
			let message = device.full(FIRST_SLOT, 10 + u64::from(device.index.0 % 7), 2);
			assert_eq!(oracle.post(message).await.line(0), ("accepted", None));
		}
		let path = |device: &Device| {
			format!("/v1/meters/{}/slots/{FIRST_SLOT}", hex::encode(device.id().0))
		};

		// Before the slot is sealed there is nothing to prove.
		let open = oracle.get(&path(&devices[0])).await;
		assert_eq!((open.status, &open.body["state"]), (200, &"open".into()));
		assert!(open.body["readings"][0]["path"].is_null());

		oracle.advance(end(FIRST_SLOT) + 30).await;
		oracle.wait_until_sealed(FIRST_SLOT).await;
		oracle.wait_until_delivered().await;
		let pages = oracle.chain.pages();
		assert_eq!(pages.len(), 2);
		for device in &devices {
			let answer = oracle.get(&path(device)).await;
			assert_eq!((answer.status, &answer.body["state"]), (200, &"done".into()));
			let attested = &pages[device.index.page() as usize];
			let root: H256 = serde_json::from_value(answer.body["readingsRoot"].clone()).unwrap();
			assert_eq!(root, attested.readings_root);
			let reading = &answer.body["readings"][0];
			let bytes = hex::decode(&reading["signedMessage"].as_str().unwrap()[2..]).unwrap();
			let signed = SignedMessage::decode_all(&mut bytes.as_slice()).unwrap();
			let way: MerklePath = serde_json::from_value(reading["path"].clone()).unwrap();
			assert!(way.verify(&root, &signed.leaf_bytes()));
			signed.verify(&device.registration().1.key).unwrap();
			let line = attested.values.iter().find(|line| line.meter == device.index.0).unwrap();
			assert_eq!(answer.body["value"]["importWh"], line.import_wh);
			assert_eq!(reading["message"]["intervals"][0]["importWh"], line.import_wh);
		}
		let recent =
			oracle.get(&format!("/v1/meters/0x{}/slots", hex::encode(devices[0].id().0))).await;
		assert_eq!(recent.body["slots"], serde_json::json!([FIRST_SLOT]));
		oracle.stop().await;
	}

	#[tokio::test]
	async fn what_is_not_there_is_a_problem() {
		let oracle = Running::start(&[Device::new(0)]).await;
		let id = hex::encode(Device::new(0).id().0);
		assert_eq!(oracle.get(&format!("/v1/meters/{id}/slots/7")).await.status, 404);
		assert_eq!(oracle.get(&format!("/v1/meters/{id}/slots")).await.status, 404);
		assert_eq!(oracle.get(&format!("/v1/meters/{id}/slots/-7")).await.status, 400);
		assert_eq!(oracle.get("/v1/meters/abc/slots/7").await.status, 400);
		oracle.stop().await;
	}
}

mod seal {
	use super::*;

	#[tokio::test]
	async fn a_sealed_slot_takes_no_new_reading_and_still_knows_the_old_ones() {
		let devices = [Device::new(0), Device::new(1)];
		let oracle = Running::start(&devices).await;
		let known = devices[0].full(FIRST_SLOT, 1, 0);
		oracle.post(known.clone()).await;
		oracle.advance(end(FIRST_SLOT) + 30).await;
		oracle.wait_until_sealed(FIRST_SLOT).await;

		let late = devices[1].full(FIRST_SLOT, 1, 0);
		assert_eq!(oracle.post(late.clone()).await.line(0), ("rejected", Some("slot-sealed")));
		assert_eq!(oracle.post(known.clone()).await.line(0), ("duplicate", None));
		let other = devices[0].full(FIRST_SLOT, 2, 0);
		assert_eq!(oracle.post(other).await.line(0), ("rejected", Some("conflicting-reading")));

		// A restart changes nothing.
		let oracle = oracle.restart().await;
		oracle.wait_until_ready().await;
		assert_eq!(oracle.post(late).await.line(0), ("rejected", Some("slot-sealed")));
		assert_eq!(oracle.post(known).await.line(0), ("duplicate", None));
		oracle.stop().await;
	}

	#[tokio::test]
	async fn a_slot_is_sealed_at_its_end_when_no_meter_is_missing() {
		let devices = [Device::new(0), Device::new(1)];
		let oracle = Running::start(&devices).await;
		let slot = Slot(FIRST_SLOT.0 + 1);
		// So that the slots before are out of the way.
		oracle.advance(start(slot) + 40).await;
		oracle.wait_until_sealed(FIRST_SLOT).await;
		oracle.clock.set(end(slot));
		oracle.post(devices[0].full(slot, 1, 0)).await;
		oracle.advance(end(slot)).await;
		oracle.post(devices[1].full(slot, 2, 0)).await;
		// The grace period of ten seconds has not passed.
		oracle.advance(end(slot) + 1).await;
		oracle.wait_until_sealed(slot).await;
		oracle.wait_until_delivered().await;
		let page = &oracle.chain.pages()[0];
		assert_eq!((page.values.len(), page.readings_count), (2, 2));
		oracle.stop().await;
	}

	#[tokio::test]
	async fn a_meter_with_a_gap_has_no_line_and_keeps_its_proof() {
		let devices = [Device::new(0), Device::new(1)];
		let oracle = Running::start(&devices).await;
		let from = start(FIRST_SLOT);
		oracle.post(devices[0].full(FIRST_SLOT, 5, 0)).await;
		let half = [(from, 30, 7, 0, Quality::Valid), (from + 30, 30, 0, 0, Quality::Missing)];
		oracle.post(devices[1].message(end(FIRST_SLOT), &half).to_json()).await;
		oracle.advance(end(FIRST_SLOT) + 30).await;
		oracle.wait_until_sealed(FIRST_SLOT).await;
		oracle.wait_until_delivered().await;
		let page = &oracle.chain.pages()[0];
		assert_eq!((page.values.len(), page.readings_count), (1, 2));
		let answer = oracle
			.get(&format!("/v1/meters/{}/slots/{FIRST_SLOT}", hex::encode(devices[1].id().0)))
			.await;
		assert!(answer.body["value"].is_null());
		assert!(answer.body["readings"][0]["path"].is_object());
		oracle.stop().await;
	}
}

mod registry {
	use super::*;

	#[tokio::test]
	async fn new_meters_and_rotated_keys_are_noticed() {
		let mut devices = vec![Device::new(0)];
		let oracle =
			Running::start_with(&devices, |config| config.registry_refresh_seconds = 30).await;
		let new = Device::new(1);
		devices.push(new.clone());
		oracle.chain.set_meters(devices.iter().map(Device::registration).collect());
		oracle.advance(end(FIRST_SLOT) + 6).await;
		eventually("the new meter is known", || async {
			oracle.get("/v1/status").await.body["zones"][0]["meters"] == 2
		})
		.await;
		assert_eq!(oracle.post(new.full(FIRST_SLOT, 1, 0)).await.line(0), ("accepted", None));

		// The same meter with another key; the number of meters is the same.
		let mut rotated = Device::new(77);
		rotated.name = devices[0].name.clone();
		rotated.index = devices[0].index;
		oracle.chain.set_meters(vec![rotated.registration(), new.registration()]);
		let slot = Slot(FIRST_SLOT.0 + 1);
		oracle.advance(end(slot)).await;
		eventually("the new key counts", || async {
			oracle.post(rotated.full(slot, 1, 0)).await.line(0).0 == "accepted"
		})
		.await;
		let old = oracle.post(devices[0].full(slot, 1, 0)).await;
		assert_eq!(old.line(0), ("rejected", Some("signature-invalid")));
		oracle.stop().await;
	}

	#[tokio::test]
	async fn readings_are_taken_with_the_saved_registry_while_the_node_is_away() {
		let device = Device::new(0);
		let oracle = Running::start(std::slice::from_ref(&device)).await;
		oracle.chain.set_away(true);
		let oracle = oracle.restart().await;
		assert_eq!(oracle.get("/readyz").await.status, 503);
		let answer = oracle.post(device.full(FIRST_SLOT, 1, 0)).await;
		assert_eq!(answer.line(0), ("accepted", None));
		oracle.stop().await;
	}
}
