//! Webhooks from the event to the receiver: a real service, and a receiver that checks every signature.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::{
	collections::{BTreeSet, VecDeque},
	net::SocketAddr,
	sync::{Arc, Mutex},
};

use axum::{
	body::Bytes,
	extract::State,
	http::{HeaderMap, HeaderValue, StatusCode},
	response::{IntoResponse, Response},
	routing::post,
	Router,
};
use energy_oracle::{events::EventKind, webhooks::WebhookSettings};
use serde_json::{json, Value};
use signed_webhooks::{verify, Message, Policy, VerifyingKey};
use support::*;
use webhook_delivery::{ATTEMPT_HEADER, SEQUENCE_HEADER};

/// What came in.
#[derive(Clone)]
struct Received {
	headers: HeaderMap,
	body: Bytes,
}

#[derive(Clone, Default)]
struct Receiver {
	received: Arc<Mutex<Vec<Received>>>,
	/// What is answered next; 204 when there is nothing here.
	answers: Arc<Mutex<VecDeque<(u16, Option<&'static str>)>>>,
	address: Option<SocketAddr>,
}

impl Receiver {
	async fn start(answers: &[(u16, Option<&'static str>)]) -> Self {
		let mut receiver = Self::default();
		receiver.answers.lock().unwrap().extend(answers.iter().copied());
		let routes = Router::new().route("/hook", post(receive)).with_state(receiver.clone());
		let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
		receiver.address = Some(listener.local_addr().unwrap());
		tokio::spawn(async move { axum::serve(listener, routes).await });
		receiver
	}

	fn url(&self) -> String {
		format!("http://{}/hook", self.address.unwrap())
	}

	fn all(&self) -> Vec<Received> {
		self.received.lock().unwrap().clone()
	}

	async fn wait_for(&self, count: usize) -> Vec<Received> {
		eventually("the webhooks arrive", || async { self.all().len() >= count }).await;
		self.all()
	}
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
	receiver.received.lock().unwrap().push(Received { headers, body });
	let answer = receiver.answers.lock().unwrap().pop_front();
	let (status, location) = answer.unwrap_or((204, None));
	let status = StatusCode::from_u16(status).unwrap();
	match location {
		None => status.into_response(),
		Some(location) => (status, [("location", location)]).into_response(),
	}
}

impl Received {
	fn json(&self) -> Value {
		serde_json::from_slice(&self.body).unwrap()
	}

	fn header(&self, name: &str) -> &str {
		self.headers[name].to_str().unwrap()
	}

	/// Whether a key made the signature over what came in.
	fn is_signed_by(&self, url: &str, key: &VerifyingKey) -> bool {
		let uri: axum::http::Uri = url.parse().unwrap();
		let method = axum::http::Method::POST;
		let message = Message { method: &method, target_uri: &uri, headers: &self.headers };
		verify(&message, &self.body, &Policy::default(), |_key_id| Some(key), now()).is_ok()
	}
}

fn now() -> u64 {
	std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

async fn start(devices: &[Device], allow_loopback: bool) -> (Running, tempfile::TempDir) {
	let files = tempfile::tempdir().unwrap();
	let settings = WebhookSettings {
		signing_key_file: files.path().join("webhooks.key"),
		source: "https://oracle.example".into(),
		allowed_networks: Vec::new(),
		authorities_file: None,
		http_to_loopback: allow_loopback,
	};
	let oracle = Running::start_with(devices, |config| config.webhooks = Some(settings)).await;
	(oracle, files)
}

async fn send(
	oracle: &Running,
	method: reqwest::Method,
	path: &str,
	body: Option<Value>,
) -> (u16, Value) {
	let mut request = oracle.client.request(method, format!("{}{path}", oracle.url));
	if let Some(body) = body {
		request = request.header("content-type", "application/json").body(body.to_string());
	}
	let answer = request.send().await.unwrap();
	(answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_reach_a_receiver_signed_in_order_and_again_until_it_takes_them() {
	let device = Device::new(0);
	// A failure, a redirect that is not followed, then it takes them.
	let receiver = Receiver::start(&[(500, None), (307, Some("/elsewhere"))]).await;
	let (oracle, files) = start(std::slice::from_ref(&device), true).await;
	let wanted = json!({ "url": receiver.url(), "kinds": EventKind::ALL, "zones": [1] });
	let (status, made) = send(&oracle, reqwest::Method::POST, "/v1/webhooks", Some(wanted)).await;
	assert_eq!((status, &made["state"]), (201, &"active".into()), "{made}");
	let mode = std::fs::metadata(files.path().join("webhooks.key")).unwrap();
	assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);

	// Events about no zone are not for somebody who asked for one.
	oracle.chain.set_away(true);
	oracle.chain.block_at(end(FIRST_SLOT) + 6);
	for (kind, count) in [("node-away", 1), ("node-back", 2)] {
		let path = format!("/v1/events?kind={kind}");
		eventually(kind, || async {
			oracle.get(&path).await.body["events"].as_array().unwrap().len() == count
		})
		.await;
		oracle.chain.set_away(false);
		oracle.chain.block_at(end(FIRST_SLOT) + 7);
	}

	oracle.post(device.full(MARKET_SLOT, 1, 0)).await;
	oracle.advance(end(MARKET_SLOT) + 30).await;
	let received = receiver.wait_for(4).await;
	let attempts: Vec<(&str, &str)> = received
		.iter()
		.map(|one| (one.header(SEQUENCE_HEADER), one.header(ATTEMPT_HEADER)))
		.collect();
	assert_eq!(attempts, [("1", "1"), ("1", "2"), ("1", "3"), ("2", "1")]);
	let ids: BTreeSet<&str> = received.iter().map(|one| one.header("webhook-id")).collect();
	assert_eq!(ids.len(), 2, "an attempt has the name of its delivery");
	let kinds: Vec<Value> = received[2..].iter().map(|one| one.json()["type"].clone()).collect();
	assert_eq!(kinds, ["energy.oracle.slot-sealed", "energy.oracle.page-attested"]);
	let event = received[3].json();
	assert_eq!(event["source"], "https://oracle.example");
	assert_eq!(event["data"]["slot"], MARKET_SLOT.0);

	let key = hex::decode(made["publicKey"].as_str().unwrap()).unwrap();
	let key = VerifyingKey::ed25519(&key).unwrap();
	let other = VerifyingKey::ed25519(&device.key.verifying_key().to_bytes()).unwrap();
	for one in &received {
		assert!(one.is_signed_by(&receiver.url(), &key));
		assert!(!one.is_signed_by(&receiver.url(), &other));
		let mut changed = one.clone();
		changed.body = Bytes::from_static(b"{}");
		assert!(!changed.is_signed_by(&receiver.url(), &key), "the body is covered");
		let mut changed = one.clone();
		changed.headers.insert("webhook-id", HeaderValue::from_static("msg_other"));
		assert!(!changed.is_signed_by(&receiver.url(), &key), "the name is covered");
	}
	oracle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_paused_its_queue_waits_over_a_restart_and_goes_on_when_asked() {
	let device = Device::new(0);
	let receiver = Receiver::start(&[(410, None)]).await;
	let (oracle, files) = start(std::slice::from_ref(&device), true).await;
	let secret = "5e".repeat(32);
	let wanted =
		json!({ "url": receiver.url(), "kinds": ["slot-sealed", "started"], "secret": secret });
	let (status, made) = send(&oracle, reqwest::Method::POST, "/v1/webhooks", Some(wanted)).await;
	assert_eq!((status, &made["algorithm"]), (201, &"hmac-sha256".into()), "{made}");
	assert!(!made.to_string().contains(&secret));
	let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
	oracle.post(device.full(MARKET_SLOT, 1, 0)).await;
	oracle.advance(end(MARKET_SLOT) + 30).await;
	eventually("the subscription is paused", || async {
		oracle.get(&path).await.body["state"] == "paused"
	})
	.await;
	let paused = oracle.get("/v1/events?kind=webhook-paused").await.body;
	assert_eq!(paused["events"].as_array().unwrap().len(), 1, "{paused}");

	// Another process: what waits is there, and one more event beside it.
	let settings = WebhookSettings {
		signing_key_file: files.path().join("webhooks.key"),
		source: "https://oracle.example".into(),
		allowed_networks: Vec::new(),
		authorities_file: None,
		http_to_loopback: true,
	};
	let Running { chain, clock, service, folder, .. } = oracle;
	service.stop().await;
	let oracle =
		Running::start_in(folder, chain, clock, |config| config.webhooks = Some(settings)).await;
	eventually("both wait", || async { oracle.get(&path).await.body["waiting"] == 2 }).await;
	assert_eq!(receiver.all().len(), 1, "nothing is sent while it is paused");
	let (status, _) = send(&oracle, reqwest::Method::POST, &format!("{path}/resume"), None).await;
	assert_eq!(status, 204);
	let received = receiver.wait_for(3).await;
	let kinds: Vec<Value> = received[1..].iter().map(|one| one.json()["type"].clone()).collect();
	assert_eq!(kinds, ["energy.oracle.slot-sealed", "energy.oracle.started"]);
	let key = VerifyingKey::hmac_sha256(&hex::decode(&secret).unwrap()).unwrap();
	assert!(received.iter().all(|one| one.is_signed_by(&receiver.url(), &key)));
	eventually("nothing waits", || async { oracle.get(&path).await.body["waiting"] == 0 }).await;

	assert_eq!(send(&oracle, reqwest::Method::DELETE, &path, None).await.0, 204);
	assert_eq!(oracle.get(&path).await.status, 404);
	assert_eq!(oracle.get("/v1/webhooks").await.body, json!({ "webhooks": [] }));
	oracle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oracle_is_not_made_to_talk_to_its_own_network() {
	let (oracle, _files) = start(&[], false).await;
	let urls = [
		"http://receiver.example/hook",
		"https://127.0.0.1/hook",
		"https://[::1]/hook",
		"https://10.1.2.3/hook",
		"https://172.16.0.1/hook",
		"https://192.168.1.1/hook",
		"https://100.64.0.1/hook",
		"https://169.254.169.254/latest/meta-data",
		"https://[fe80::1]/hook",
		"https://[fd00::1]/hook",
		"https://[::ffff:127.0.0.1]/hook",
		"https://[64:ff9b::7f00:1]/hook",
		"https://[2002:7f00:1::]/hook",
		"https://0.0.0.0/hook",
		"https://2130706433/hook",
		"https://0x7f.1/hook",
		"https://user:secret@receiver.example/hook",
		"https://receiver.example:22/hook",
		"https://receiver.example/hook#fragment",
		"ftp://receiver.example/hook",
		"not a url",
		"",
	];
	for url in urls {
		let wanted = json!({ "url": url, "kinds": ["slot-sealed"] });
		let (status, problem) =
			send(&oracle, reqwest::Method::POST, "/v1/webhooks", Some(wanted)).await;
		assert_eq!(status, 400, "{url}: {problem}");
	}
	let wanted = json!({ "url": "https://receiver.example/hook", "kinds": ["slot-sealed"] });
	assert_eq!(send(&oracle, reqwest::Method::POST, "/v1/webhooks", Some(wanted)).await.0, 201);
	for bad in [
		json!({ "url": "https://receiver.example/hook", "kinds": [] }),
		json!({ "url": "https://receiver.example/hook", "kinds": ["unknown"] }),
		json!({ "url": "https://receiver.example/hook", "kinds": ["started"], "secret": "00" }),
		json!({ "url": "https://receiver.example/hook", "kinds": ["started"], "more": 1 }),
	] {
		let (status, problem) =
			send(&oracle, reqwest::Method::POST, "/v1/webhooks", Some(bad.clone())).await;
		assert_eq!(status, 400, "{bad}: {problem}");
	}
	oracle.stop().await;
}
