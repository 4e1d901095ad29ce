//! The HTTP interface as clients see it, apart from readings coming in: its description, what it shows of
//! meters and of the market, streams, exports, and what it refuses.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};

use codec::Decode;
use energy_oracle::http::documents;
use energy_primitives::{merkle, Slot};
use futures::StreamExt;
use serde_json::{json, Value};
use sp_core::{crypto::Ss58Codec, H256};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wia_ene_014::canonical::SignedMessage;

const SLOT: Slot = MARKET_SLOT;

fn account(device: &Device) -> energy_primitives::AccountId {
	device.registration().1.owner
}

/// An oracle with two meters whose slot is sealed and attested.
async fn sealed(devices: &[Device]) -> Running {
	let oracle = Running::start(devices).await;
	set_market(&oracle.chain, &devices[0]);
	let bodies: Vec<String> =
		devices.iter().zip(30..).map(|(device, wh)| device.full(SLOT, wh, 0)).collect();
	assert_eq!(
		oracle.post(format!("[{}]", bodies.join(","))).await.body["accepted"],
		devices.len()
	);
	oracle.advance(end(SLOT) + 30).await;
	oracle.wait_until_sealed(SLOT).await;
	eventually("the page is attested and judged", || async {
		let events = oracle.get("/v1/events?kind=page-attested").await.body;
		let metrics = oracle.get("/metrics").await.body;
		let judged = format!("energy_oracle_readings_assessed_total {}\n", devices.len());
		!events["events"].as_array().unwrap().is_empty()
			&& metrics.as_str().unwrap().contains(&judged)
	})
	.await;
	oracle
}

fn code(problem: &Value) -> &str {
	problem["type"].as_str().unwrap().strip_prefix("urn:energy-oracle:problem:").unwrap()
}

mod description {
	use super::*;

	/// Every operation, with its method.
	fn operations(document: &Value) -> Vec<(String, String)> {
		let paths = document["paths"].as_object().unwrap();
		paths
			.iter()
			.flat_map(|(path, item)| {
				item.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone()))
			})
			.collect()
	}

	#[tokio::test]
	async fn both_versions_describe_every_route_and_each_route_is_there() {
		let oracle = Running::start(&[Device::new(0)]).await;
		let current = oracle.get("/v1/openapi.json").await.body;
		let earlier = oracle.get("/v1/openapi-3.0.json").await.body;
		assert!(current["openapi"].as_str().unwrap().starts_with("3.1"));
		assert!(earlier["openapi"].as_str().unwrap().starts_with("3.0"));
		assert_eq!(operations(&current), operations(&earlier));
		assert!(operations(&current).len() >= 28, "{}", operations(&current).len());
		assert!(!earlier.to_string().contains("\"null\""), "3.0 has no null type");
		for (path, method) in operations(&current) {
			let path: String = path
				.split('/')
				.map(|part| if part.starts_with('{') { "0" } else { part })
				.collect::<Vec<_>>()
				.join("/");
			let request = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
			if path.ends_with("/stream") {
				continue;
			}
			let answer = oracle
				.client
				.request(request, format!("{}{path}", oracle.url))
				.send()
				.await
				.unwrap();
			let problem: Value = answer.json().await.unwrap_or_default();
			assert_ne!(
				problem["type"], "urn:energy-oracle:problem:no-such-resource",
				"{method} {path}"
			);
		}
		assert_eq!(documents(false).unwrap().current, current.to_string());
		oracle.stop().await;
	}
}

mod edge {
	use super::*;

	#[tokio::test]
	async fn whatever_is_refused_is_a_problem_with_the_identifier_of_its_request() {
		let oracle = Running::start(&[Device::new(0)]).await;
		let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
		let send = |method: reqwest::Method, path: &str| {
			oracle
				.client
				.request(method, format!("{}{path}", oracle.url))
				.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
		};
		let cases = [
			(send(reqwest::Method::GET, "/nothing"), 404, "no-such-resource"),
			(send(reqwest::Method::PUT, "/v1/readings"), 405, "method-not-allowed"),
			(send(reqwest::Method::GET, "/v1/meters/00"), 400, "bad-path"),
			(send(reqwest::Method::GET, "/v1/zones/x/meters"), 400, "bad-path"),
			(send(reqwest::Method::GET, "/v1/zones/9/meters"), 404, "not-found"),
			(send(reqwest::Method::GET, "/v1/events?after=-1"), 400, "bad-query"),
			(send(reqwest::Method::GET, "/v1/events?unknown=1"), 400, "bad-query"),
			(send(reqwest::Method::GET, "/v1/events/socket"), 426, "upgrade-required"),
			(send(reqwest::Method::POST, "/v1/readings"), 415, "unsupported-media-type"),
			(
				send(reqwest::Method::POST, "/v1/readings")
					.header("content-type", "application/json")
					.header("content-encoding", "br")
					.body("x"),
				415,
				"unsupported-media-type",
			),
			(
				send(reqwest::Method::POST, "/v1/readings")
					.header("content-type", "application/json")
					.header("content-encoding", "gzip")
					.body("no gzip"),
				400,
				"body-broken-off",
			),
		];
		for (request, status, expected) in cases {
			let answer = request.send().await.unwrap();
			let what = answer.url().path().to_owned();
			assert_eq!(answer.status(), status, "{what}");
			assert_eq!(answer.headers()["content-type"], "application/problem+json", "{what}");
			let returned = answer.headers()["traceparent"].to_str().unwrap().to_owned();
			assert!(returned.starts_with(&format!("00-{trace}-")), "{returned}");
			let problem: Value = answer.json().await.unwrap();
			assert_eq!(code(&problem), expected, "{what}");
			assert_eq!(problem["traceId"], trace, "{what}");
			assert_eq!(problem["status"], status, "{what}");
		}
		oracle.stop().await;
	}

	#[tokio::test]
	async fn what_a_client_has_already_is_not_sent_again() {
		let devices = [Device::new(0)];
		let oracle = sealed(&devices).await;
		let path = format!("/v1/meters/{}/slots/{SLOT}", hex::encode(devices[0].id().0));
		let get = |tag: Option<String>| {
			let request = oracle.client.get(format!("{}{path}", oracle.url));
			match tag {
				Some(tag) => request.header("if-none-match", tag),
				None => request,
			}
			.send()
		};
		let first = get(None).await.unwrap();
		let tag = first.headers()["etag"].to_str().unwrap().to_owned();
		assert_eq!(first.headers()["cache-control"], "private, no-cache");
		let again = get(Some(format!("\"other\", {tag}"))).await.unwrap();
		assert_eq!(again.status(), 304);
		assert_eq!(again.headers()["etag"], tag.as_str());
		assert_eq!(again.text().await.unwrap(), "");
		assert_eq!(get(Some("W/\"other\"".into())).await.unwrap().status(), 200);
		oracle.stop().await;
	}

	#[tokio::test]
	async fn bodies_and_answers_may_be_compressed() {
		let devices = [Device::new(0)];
		let oracle = Running::start(&devices).await;
		let body = devices[0].full(SLOT, 1, 0);
		let gzip = {
			let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
			encoder.write_all(body.as_bytes()).unwrap();
			encoder.finish().unwrap()
		};
		let post = |coding: &'static str, body: Vec<u8>| {
			oracle
				.client
				.post(format!("{}/v1/readings", oracle.url))
				.header("content-type", "application/json")
				.header("content-encoding", coding)
				.body(body)
				.send()
		};
		let answer: Value = post("gzip", gzip).await.unwrap().json().await.unwrap();
		assert_eq!(answer["accepted"], 1);
		let answer = oracle
			.client
			.get(format!("{}/v1/openapi.json", oracle.url))
			.header("accept-encoding", "gzip")
			.send()
			.await
			.unwrap();
		assert_eq!(answer.headers()["content-encoding"], "gzip");
		let compressed = answer.bytes().await.unwrap();
		let mut text = String::new();
		flate2::read::GzDecoder::new(&compressed[..]).read_to_string(&mut text).unwrap();
		assert!(text.starts_with('{') && text.len() > 2 * compressed.len());
		oracle.stop().await;
	}

	#[tokio::test]
	async fn a_compressed_bomb_is_refused_at_the_limit_of_bodies() {
		let oracle = Running::start(&[Device::new(0)]).await;
		// A hundred megabytes of blanks, in a hundred kilobytes.
		let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
		let blanks = vec![b' '; 1 << 20];
		for _ in 0..100 {
			encoder.write_all(&blanks).unwrap();
		}
		let bomb = encoder.finish().unwrap();
		let answer = oracle
			.client
			.post(format!("{}/v1/readings", oracle.url))
			.header("content-type", "application/json")
			.header("content-encoding", "gzip")
			.body(bomb)
			.send()
			.await
			.unwrap();
		assert_eq!(answer.status(), 413);
		assert_eq!(code(&answer.json().await.unwrap()), "body-too-large");
		oracle.stop().await;
	}

	#[tokio::test]
	async fn json_that_is_very_deep_or_very_long_is_refused() {
		let oracle = Running::start(&[Device::new(0)]).await;
		let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
		let is_refused =
			|answer: &Answer| (400..500).contains(&answer.status) || answer.body["rejected"] == 1;
		let answer = oracle.post(deep).await;
		assert!(is_refused(&answer), "{answer:?}");
		let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
		let answer = oracle.post(deep).await;
		assert!(is_refused(&answer), "{answer:?}");
		let long = format!("\"{}\"", "x".repeat(64 << 20));
		assert_eq!(oracle.post(long).await.status, 413);
		assert_eq!(oracle.get("/healthz").await.status, 200);
		oracle.stop().await;
	}

	#[tokio::test]
	async fn a_client_that_asks_too_often_is_told_to_wait_and_readings_are_not_in_its_way() {
		let device = Device::new(0);
		let oracle = Running::start_with(std::slice::from_ref(&device), |config| {
			config.rate.requests_per_second = 1;
			config.rate.burst = 2;
			config.rate.clients_per_address = 2;
		})
		.await;
		let mut refused = 0;
		for _ in 0..10 {
			let answer =
				oracle.client.get(format!("{}/v1/status", oracle.url)).send().await.unwrap();
			if answer.status() == 429 {
				assert_eq!(answer.headers()["retry-after"], "1");
				assert_eq!(code(&answer.json().await.unwrap()), "too-many-requests");
				refused += 1;
			}
		}
		assert!((1..=6).contains(&refused), "{refused}");
		for after in 0..20 {
			let answer = oracle.post(device.full(Slot(SLOT.0 - 1), after, 0)).await;
			assert_eq!(answer.status, 200);
		}
		assert_eq!(oracle.get("/healthz").await.status, 200);
		oracle.stop().await;
	}

	/// What comes back for bytes on a connection, until it is closed.
	async fn raw(oracle: &Running, request: &[u8]) -> String {
		let address = oracle.url.strip_prefix("http://").unwrap();
		let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
		stream.write_all(request).await.unwrap();
		let mut answer = Vec::new();
		// A connection that is kept open ends this test by its own time-out.
		let _ = stream.read_to_end(&mut answer).await;
		String::from_utf8_lossy(&answer).into_owned()
	}

	#[tokio::test]
	async fn a_second_request_cannot_hide_in_the_body_of_the_first() {
		let oracle = Running::start(&[Device::new(0)]).await;
		let hidden = "GET /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
		let cases = [
			// Two lengths.
			format!("POST /v1/readings HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\ncontent-length: {}\r\n\r\n{hidden}", hidden.len()),
			// A length that is none.
			format!("POST /v1/readings HTTP/1.1\r\nhost: x\r\ncontent-length: +{}\r\n\r\n{hidden}", hidden.len()),
			// A coding that is not the last word.
			format!("POST /v1/readings HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
			// A blank before the colon.
			format!("POST /v1/readings HTTP/1.1\r\nhost: x\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
			// A chunk's size with a sign.
			format!("POST /v1/readings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n\r\n{hidden}"),
		];
		for request in cases {
			let answer = raw(&oracle, request.as_bytes()).await;
			assert!(!answer.contains("HTTP/1.1 200"), "{request}\n{answer}");
		}
		// Where both are given, the coding counts (RFC 9112, section 6.3), and the connection ends.
		let both = format!(
			"POST /v1/readings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
			 content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
			hidden.len() + 12
		);
		let answer = raw(&oracle, format!("{both}{hidden}").as_bytes()).await;
		let answers = answer.matches("HTTP/1.1 ").count();
		assert!(answers <= 1 || answer.contains("HTTP/1.1 400"), "{answer}");
		oracle.stop().await;
	}

	#[tokio::test]
	async fn whoever_sends_byte_by_byte_holds_up_nobody() {
		let oracle = Running::start_with(&[Device::new(0)], |config| {
			config.http.limits.header_read_timeout_ms = 300;
		})
		.await;
		let address = oracle.url.strip_prefix("http://").unwrap().to_owned();
		let mut slow = Vec::new();
		for _ in 0..50 {
			let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
			stream.write_all(b"GET /v1/status HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
			slow.push(stream);
		}
		assert_eq!(oracle.get("/v1/status").await.status, 200);
		for mut stream in slow {
			// The server ends the connection; how politely does not matter.
			let mut answer = Vec::new();
			let _ = stream.read_to_end(&mut answer).await;
			assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
		}
		oracle.stop().await;
	}
}

mod market {
	use super::*;

	#[tokio::test]
	async fn orders_trades_and_bills_are_those_of_the_chain() {
		let devices = [Device::new(0), Device::new(1)];
		let oracle = sealed(&devices).await;
		let base = format!("/v1/zones/{ZONE}/slots/{SLOT}");
		let owner = account(&devices[0]).to_ss58check();
		let other = account(&devices[1]).to_ss58check();

		let orders = oracle.get(&format!("{base}/orders")).await.body;
		let order = &orders["orders"][0];
		assert_eq!(
			(&order["index"], &order["side"], &order["account"]),
			(&3.into(), &"ask".into(), &owner.clone().into())
		);
		assert_eq!(order["held"], u128::MAX.to_string());
		let none = oracle.get(&format!("{base}/orders?account={other}")).await.body;
		assert_eq!(none, json!({ "orders": [] }));
		assert_eq!(oracle.get(&format!("{base}/orders?account=nobody")).await.status, 404);

		let trades = oracle.get(&format!("{base}/trades")).await.body;
		assert_eq!(trades["trades"][0]["soldWh"], 40);
		assert_eq!(trades, oracle.get(&format!("{base}/trades?account={owner}")).await.body);

		let bill = oracle.get(&format!("{base}/bills/{owner}")).await.body;
		assert_eq!(
			bill["flow"],
			json!({ "energy": "280", "imbalance": "-5", "gridFee": "1", "net": "274" })
		);
		assert_eq!(bill["measured"]["exportWh"], 40);
		assert_eq!(oracle.get(&format!("{base}/bills/{other}")).await.status, 404);

		let both = oracle.get(&format!("{base}/reconciliation")).await.body;
		assert_eq!(both["market"]["price"], 7);
		assert_eq!((&both["importWh"], &both["agrees"]), (&61.into(), &true.into()));
		let attested = oracle.get(&format!("{base}/attestations")).await.body;
		assert_eq!(attested["pages"][0]["readingsRoot"], attested["pages"][0]["chainRoot"]);
		assert_eq!(attested["pages"][0]["meters"], 2);

		oracle.chain.set_away(true);
		let away = oracle.get(&format!("{base}/orders")).await;
		assert_eq!((away.status, code(&away.body)), (503, "node-away"));
		oracle.stop().await;
	}

	#[tokio::test]
	async fn the_evidence_for_a_bill_leads_to_the_attested_root() {
		let devices = [Device::new(0), Device::new(1)];
		let oracle = sealed(&devices).await;
		let owner = account(&devices[0]).to_ss58check();
		let path = format!("/v1/examination/zones/{ZONE}/slots/{SLOT}/accounts/{owner}");
		let evidence = oracle.get(&path).await.body;
		assert_eq!(evidence["bill"]["soldWh"], 40);
		let meter = &evidence["meters"][0];
		assert_eq!(evidence["meters"].as_array().unwrap().len(), 1);
		let signed = meter["readings"][0]["signedMessage"].as_str().unwrap();
		let signed = hex::decode(signed.strip_prefix("0x").unwrap()).unwrap();
		let signed = SignedMessage::decode(&mut signed.as_slice()).unwrap();
		let path: merkle::MerklePath =
			serde_json::from_value(meter["readings"][0]["path"].clone()).unwrap();
		let root: H256 = meter["readingsRoot"].as_str().unwrap().parse().unwrap();
		assert_eq!(root, oracle.chain.pages()[0].readings_root);
		assert!(path.verify(&root, &signed.leaf_bytes()));
		oracle.stop().await;
	}
}

mod energy {
	use super::*;

	#[tokio::test]
	async fn roll_ups_are_the_sums_of_sealed_slots_and_outlive_a_restart() {
		let devices = [Device::new(0), Device::new(1)];
		let oracle = sealed(&devices).await;
		let id = hex::encode(devices[1].id().0);
		let from = start(SLOT) / 86_400 * 86_400;
		let path =
			|granularity: &str| {
				let to = from + 86_400;
				format!("/v1/meters/{id}/usage?fromSeconds={from}&toSeconds={to}&granularity={granularity}")
			};
		let day = oracle.get(&path("day")).await.body;
		let expected = json!([{
			"startSeconds": from,
			"endSeconds": from + 86_400,
			"importWh": 31,
			"exportWh": 0,
			"validSlots": 1,
			"otherSlots": 0,
			"measuredSeconds": SLOT_SECONDS,
		}]);
		assert_eq!(day["periods"], expected);
		let hour = oracle.get(&path("hour")).await.body;
		assert_eq!(hour["periods"][0]["startSeconds"], start(SLOT) / 3_600 * 3_600);
		let oracle = oracle.restart().await;
		oracle.wait_until_ready().await;
		assert_eq!(oracle.get(&path("day")).await.body["periods"], expected);
		assert_eq!(oracle.get(&path("week")).await.status, 400);
		let backwards = format!("/v1/meters/{id}/usage?fromSeconds=2&toSeconds=1");
		assert_eq!(oracle.get(&backwards).await.body["periods"], json!([]));
		let late = format!("/v1/meters/{id}/usage?fromSeconds=2&toSeconds={}", u64::MAX);
		assert_eq!(code(&oracle.get(&late).await.body), "bad-query");
		oracle.stop().await;
	}

	#[tokio::test]
	async fn usage_comes_as_green_button_data() {
		let devices = [Device::new(0)];
		let oracle = sealed(&devices).await;
		let id = hex::encode(devices[0].id().0);
		let (from, to) = (start(SLOT), end(SLOT));
		let path = format!("/v1/meters/{id}/green-button?fromSeconds={from}&toSeconds={to}");
		let answer = oracle.get(&path).await;
		assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/atom+xml"));
		let feed = answer.body.as_str().unwrap();
		assert!(feed.contains("<espi:value>30</espi:value>"), "{feed}");
		let long = format!("/v1/meters/{id}/green-button?fromSeconds=0&toSeconds={to}");
		assert_eq!(code(&oracle.get(&long).await.body), "too-long");
		oracle.stop().await;
	}

	#[tokio::test]
	async fn an_export_has_every_reading_and_says_so() {
		// The last one is on another page.
		let devices = [Device::new(0), Device::new(1), Device::new(700)];
		let oracle = sealed(&devices).await;
		let owner = account(&devices[1]).to_ss58check();
		let query = format!("zone={ZONE}&fromSlot={FIRST_SLOT}&toSlot={}", SLOT.next());
		for (path, meters) in [
			(format!("/v1/exports/accounts/{owner}?{query}"), vec![&devices[1]]),
			(format!("/v1/exports/zones?{query}"), devices.iter().collect()),
		] {
			let answer = oracle.client.get(format!("{}{path}", oracle.url)).send().await.unwrap();
			assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
			let text = answer.text().await.unwrap();
			let (before, last) = text.trim_end().rsplit_once('\n').unwrap();
			let closing: Value = serde_json::from_str(last).unwrap();
			let digest = sp_crypto_hashing::sha2_256(format!("{before}\n").as_bytes());
			assert_eq!(closing, json!({ "lines": meters.len(), "sha256": hex::encode(digest) }));
			for (line, device) in before.lines().zip(meters) {
				let line: Value = serde_json::from_str(line).unwrap();
				assert_eq!(line["meterId"], hex::encode(device.id().0));
				assert_eq!(line["readings"].as_array().unwrap().len(), 1);
			}
		}
		let empty = format!("/v1/exports/zones?zone={ZONE}&fromSlot=1&toSlot=2");
		let text = oracle.get(&empty).await.body;
		assert_eq!(text["lines"], 0);
		let backwards = format!("/v1/exports/zones?zone={ZONE}&fromSlot=2&toSlot=1");
		assert_eq!(oracle.get(&backwards).await.body["lines"], 0);
		oracle.stop().await;
	}
}

mod events {
	use super::*;
	use tokio_tungstenite::tungstenite::Message;

	/// The server-sent events of a path, each with its number and kind, as many as are asked for.
	async fn listen(
		oracle: &Running,
		path: &str,
		last: Option<u64>,
		count: usize,
	) -> Vec<(u64, String)> {
		let mut request = oracle.client.get(format!("{}{path}", oracle.url));
		if let Some(last) = last {
			request = request.header("last-event-id", last.to_string());
		}
		let mut answer = request.send().await.unwrap();
		let mut text = String::new();
		while text.matches("\n\n").count() < count {
			let bytes = answer.chunk().await.unwrap().unwrap();
			text.push_str(std::str::from_utf8(&bytes).unwrap());
		}
		let field = |event: &str, name: &str| {
			let line = event.lines().find_map(|line| line.strip_prefix(name));
			line.unwrap().trim().to_owned()
		};
		let events = text.split("\n\n").filter(|event| event.contains("id:"));
		events
			.take(count)
			.map(|event| {
				let data: Value = serde_json::from_str(&field(event, "data:")).unwrap();
				assert_eq!(data["number"].to_string(), field(event, "id:"));
				(data["number"].as_u64().unwrap(), field(event, "event:"))
			})
			.collect()
	}

	#[tokio::test]
	async fn a_stream_tells_what_happens_and_goes_on_where_it_was() {
		let devices = [Device::new(0)];
		let oracle = sealed(&devices).await;
		let listed = oracle.get("/v1/events").await.body;
		let listed: Vec<(u64, String)> = listed["events"]
			.as_array()
			.unwrap()
			.iter()
			.map(|event| {
				(event["number"].as_u64().unwrap(), event["kind"].as_str().unwrap().to_owned())
			})
			.collect();
		let kinds: Vec<&str> = listed.iter().map(|(_, kind)| kind.as_str()).collect();
		for kind in ["started", "node-back", "slot-sealed", "page-attested"] {
			assert!(kinds.contains(&kind), "{kinds:?}");
		}
		assert_eq!(listen(&oracle, "/v1/events/stream?after=0", None, listed.len()).await, listed);
		// A client that comes back has seen the first two.
		let rest = listen(&oracle, "/v1/events/stream?after=0", Some(2), listed.len() - 2).await;
		assert_eq!(rest, listed[2..]);
		// What is not asked for does not come.
		let sealed = listen(
			&oracle,
			&format!("/v1/events/stream?after=0&zone={ZONE}&kind=slot-sealed"),
			None,
			1,
		)
		.await;
		assert_eq!(sealed[0].1, "slot-sealed");
		oracle.stop().await;
	}

	#[tokio::test]
	async fn a_web_socket_tells_what_happens_while_it_is_open() {
		let devices = [Device::new(0)];
		let oracle = Running::start(&devices).await;
		let url = oracle.url.replace("http://", "ws://");
		let path = format!("{url}/v1/events/socket?kind=slot-sealed");
		let (mut socket, _) = tokio_tungstenite::connect_async(path).await.unwrap();
		oracle.post(devices[0].full(SLOT, 1, 0)).await;
		oracle.advance(end(SLOT) + 30).await;
		let Message::Text(text) = socket.next().await.unwrap().unwrap() else { panic!("no text") };
		let event: Value = serde_json::from_str(&text).unwrap();
		assert_eq!((&event["kind"], &event["slot"]), (&"slot-sealed".into(), &SLOT.0.into()));
		assert_eq!(event["count"], 1);
		// Streams end with the service, which does not wait for them.
		let stopping = std::time::Instant::now();
		oracle.stop().await;
		assert!(stopping.elapsed() < std::time::Duration::from_secs(10));
		assert!(matches!(socket.next().await, None | Some(Err(_) | Ok(Message::Close(_)))));
	}
}
