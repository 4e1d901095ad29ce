//! A receiver with TLS, a clock that is set by hand, names that are given by hand.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::{
	crypto::aws_lc_rs,
	pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
	ServerConfig,
};
use signed_webhooks::{verify, Message, Policy, SigningKey, Verified, VerifyError, VerifyingKey};
use std::{
	collections::{BTreeMap, BTreeSet},
	future::Future,
	io,
	net::{IpAddr, Ipv4Addr},
	path::PathBuf,
	sync::{Arc, Mutex},
	time::Duration,
};
use tokio::{
	net::TcpListener,
	sync::{mpsc, oneshot, Notify},
	time::timeout,
};
use tokio_rustls::TlsAcceptor;
use webhook_delivery::*;

pub const NOW_MILLIS: u64 = 1_790_000_000_123;
pub const SEED: [u8; 32] = [7; 32];
pub const SECRET: [u8; 32] = [9; 32];
pub const NAME: &str = "receiver.example";
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Ends a test that waits for what never comes.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
	timeout(Duration::from_secs(30), future).await.expect("it never came")
}

/// A certificate for [`NAME`] and 127.0.0.1, as a server and as a file of authorities.
pub struct Certificate {
	certificate: CertificateDer<'static>,
	key: Vec<u8>,
	folder: tempfile::TempDir,
}

impl Certificate {
	pub fn new(names: &[&str]) -> Self {
		let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
		let made = rcgen::generate_simple_self_signed(names).unwrap();
		let folder = tempfile::tempdir().unwrap();
		std::fs::write(folder.path().join("authorities.pem"), made.cert.pem()).unwrap();
		Self { certificate: made.cert.der().clone(), key: made.signing_key.serialize_der(), folder }
	}

	pub fn file(&self) -> PathBuf {
		self.folder.path().join("authorities.pem")
	}

	pub fn acceptor(&self) -> TlsAcceptor {
		let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
		let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
			.with_safe_default_protocol_versions()
			.unwrap()
			.with_no_client_auth()
			.with_single_cert(vec![self.certificate.clone()], key)
			.unwrap();
		TlsAcceptor::from(Arc::new(config))
	}
}

/// A request that waits for its answer.
pub struct Seen {
	pub uri: Uri,
	pub headers: HeaderMap,
	pub body: Bytes,
	answer: oneshot::Sender<Response<Full<Bytes>>>,
}

impl Seen {
	pub fn field(&self, name: &str) -> &str {
		self.headers.get(name).unwrap().to_str().unwrap()
	}

	pub fn id(&self) -> &str {
		self.field("webhook-id")
	}

	pub fn sequence(&self) -> u64 {
		self.field("webhook-sequence").parse().unwrap()
	}

	pub fn event_id(&self) -> String {
		let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
		body["id"].as_str().unwrap().to_owned()
	}

	/// Verifies as a receiver does, with its own URL.
	pub fn verify(&self, key: &VerifyingKey, now_seconds: u64) -> Result<Verified, VerifyError> {
		let message =
			Message { method: &Method::POST, target_uri: &self.uri, headers: &self.headers };
		verify(&message, &self.body, &Policy::default(), |_| Some(key), now_seconds)
	}

	pub fn answer(self, status: u16) {
		self.answer_with(status, &[]);
	}

	pub fn answer_with(self, status: u16, fields: &[(&'static str, &str)]) {
		let mut response = Response::new(Full::default());
		*response.status_mut() = StatusCode::from_u16(status).unwrap();
		for (name, value) in fields {
			response.headers_mut().insert(*name, value.parse().unwrap());
		}
		self.answer.send(response).expect("the sender waits for the answer");
	}
}

/// A receiver on this machine that gives each request to the test.
pub struct Receiver {
	pub port: u16,
	pub certificate: Certificate,
	requests: mpsc::Receiver<Seen>,
}

impl Receiver {
	pub async fn new() -> Self {
		let certificate = Certificate::new(&[NAME, "127.0.0.1"]);
		let acceptor = certificate.acceptor();
		let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
		let port = listener.local_addr().unwrap().port();
		let (sender, requests) = mpsc::channel(16);
		tokio::spawn(async move {
			loop {
				let (stream, _) = listener.accept().await.unwrap();
				let (acceptor, sender) = (acceptor.clone(), sender.clone());
				tokio::spawn(async move {
					// A sender that does not trust the certificate goes away here.
					let Ok(stream) = acceptor.accept(stream).await else { return };
					let service = service_fn(move |request| serve(request, port, sender.clone()));
					// It also goes away as soon as it has the answer.
					let _ =
						http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
				});
			}
		});
		Self { port, certificate, requests }
	}

	pub fn url(&self) -> String {
		format!("https://{NAME}:{}/hook?a=b", self.port)
	}

	pub async fn request(&mut self) -> Seen {
		soon(self.requests.recv()).await.unwrap()
	}

	/// Whether a request waits.
	pub fn is_idle(&self) -> bool {
		self.requests.is_empty()
	}
}

async fn serve(
	request: Request<Incoming>,
	port: u16,
	sender: mpsc::Sender<Seen>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
	assert_eq!(request.method(), Method::POST);
	let host = request.headers()["host"].to_str().unwrap();
	assert!(host.ends_with(&format!(":{port}")), "{host}");
	let uri = format!("https://{host}{}", request.uri()).parse().unwrap();
	let (parts, body) = request.into_parts();
	let body = body.collect().await?.to_bytes();
	let (answer, answered) = oneshot::channel();
	let seen = Seen { uri, headers: parts.headers, body, answer };
	sender.send(seen).await.expect("the test takes requests");
	Ok(answered.await.unwrap_or_else(|_| Response::new(Full::default())))
}

/// Names with the answers to give, one after another, the last one for ever.
#[derive(Default)]
pub struct Names(Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>, pub Mutex<Vec<String>>);

impl Names {
	pub fn set(&self, name: &str, answers: &[&[&str]]) {
		let answers = answers
			.iter()
			.map(|answer| answer.iter().map(|text| text.parse().unwrap()).collect())
			.collect();
		self.0.lock().unwrap().insert(name.to_owned(), answers);
	}

	/// How often anything was asked.
	pub fn asked(&self) -> usize {
		self.1.lock().unwrap().len()
	}
}

impl Resolver for Names {
	fn resolve(&self, name: &str) -> BoxFuture<io::Result<Vec<IpAddr>>> {
		self.1.lock().unwrap().push(name.to_owned());
		let mut names = self.0.lock().unwrap();
		let answer = match names.get_mut(name) {
			None => Err(io::Error::from(io::ErrorKind::NotFound)),
			Some(answers) if answers.len() > 1 => Ok(answers.remove(0)),
			Some(answers) => Ok(answers[0].clone()),
		};
		Box::pin(async move { answer })
	}
}

/// A clock that stands still until it is set.
pub struct HandClock {
	state: Mutex<(u64, Vec<(u64, oneshot::Sender<()>)>)>,
	changed: Notify,
}

impl HandClock {
	pub fn new() -> Self {
		Self { state: Mutex::new((NOW_MILLIS, Vec::new())), changed: Notify::new() }
	}

	/// Sets the clock to the time that the first sleeper waits for, as soon as there is one, wakes
	/// it, and says how many milliseconds passed.
	pub async fn pass(&self) -> u64 {
		soon(async {
			loop {
				{
					let (now, sleepers) = &mut *self.state.lock().unwrap();
					sleepers.retain(|(_, sleeper)| !sleeper.is_closed());
					sleepers.sort_by_key(|(until, _)| *until);
					if !sleepers.is_empty() {
						let (until, sleeper) = sleepers.remove(0);
						let passed = until - *now;
						*now = until;
						sleeper.send(()).unwrap();
						return passed;
					}
				}
				self.changed.notified().await;
			}
		})
		.await
	}

	/// Ready when somebody sleeps.
	pub async fn sleeper(&self) {
		soon(async {
			while !self.state.lock().unwrap().1.iter().any(|(_, sleeper)| !sleeper.is_closed()) {
				self.changed.notified().await;
			}
		})
		.await;
	}

	pub fn set(&self, millis: u64) {
		self.state.lock().unwrap().0 = millis;
	}

	pub fn advance(&self, millis: u64) {
		self.state.lock().unwrap().0 += millis;
	}
}

impl Clock for HandClock {
	fn now_millis(&self) -> u64 {
		self.state.lock().unwrap().0
	}

	fn sleep_until(&self, millis: u64) -> BoxFuture<()> {
		let (sender, receiver) = oneshot::channel();
		let (now, sleepers) = &mut *self.state.lock().unwrap();
		if millis <= *now {
			return Box::pin(async {});
		}
		sleepers.push((millis, sender));
		self.changed.notify_one();
		Box::pin(async move { receiver.await.unwrap() })
	}
}

/// Gives pauses to the test.
pub struct Pauses(mpsc::UnboundedSender<(String, PauseReason)>);

impl PauseObserver for Pauses {
	fn paused(&self, subscription: &Subscription, reason: &PauseReason) {
		self.0.send((subscription.id.clone(), reason.clone())).unwrap();
	}
}

/// A deliverer with everything around it.
pub struct Oracle {
	pub deliverer: Deliverer,
	pub subscriptions: Arc<MemorySubscriptionStore>,
	pub clock: Arc<HandClock>,
	pub names: Arc<Names>,
	pauses: mpsc::UnboundedReceiver<(String, PauseReason)>,
}

/// Allows 127.0.0.0/24 only. What tests want refused is on this machine too: were it not refused,
/// nothing would leave the machine.
pub fn client_settings(certificate: &Certificate) -> ClientSettings {
	let guard = AddressGuard::new(vec!["127.0.0.0/24".parse().unwrap()]);
	ClientSettings {
		rules: UrlRules { guard, http_to_loopback: false },
		authorities_file: Some(certificate.file()),
		..ClientSettings::default()
	}
}

impl Oracle {
	pub fn new(
		receiver: &Receiver,
		deliveries: Arc<dyn DeliveryStore>,
		settings: Settings,
	) -> Self {
		let names = Arc::new(Names::default());
		names.set(NAME, &[&["127.0.0.1"]]);
		let clock = Arc::new(HandClock::new());
		let subscriptions = Arc::new(MemorySubscriptionStore::default());
		let (sender, pauses) = mpsc::unbounded_channel();
		let client = Client::new(client_settings(&receiver.certificate), names.clone()).unwrap();
		let ports = Ports {
			deliveries,
			subscriptions: subscriptions.clone(),
			client,
			clock: clock.clone(),
			observer: Arc::new(Pauses(sender)),
			sender_key: SenderKey {
				key_id: "oracle-1".into(),
				key: SigningKey::ed25519(&SEED).unwrap(),
			},
		};
		let deliverer = Deliverer::new(settings, ports).unwrap();
		Self { deliverer, subscriptions, clock, names, pauses }
	}

	pub async fn publish(&self, id: &str) -> Published {
		self.deliverer.publish(event(id)).await.unwrap()
	}

	pub async fn pause(&mut self) -> (String, PauseReason) {
		soon(self.pauses.recv()).await.unwrap()
	}
}

pub fn event(id: &str) -> Event {
	Event {
		id: id.into(),
		source: "/oracle/1".into(),
		kind: "energy.slot.sealed".into(),
		time_millis: NOW_MILLIS,
		subject: Some("slot/42".into()),
		meters: Vec::new(),
		zones: Vec::new(),
		data: serde_json::value::to_raw_value(&serde_json::json!({ "slot": 42 })).unwrap(),
	}
}

pub fn subscription(id: &str, url: String) -> Subscription {
	Subscription {
		id: id.into(),
		url,
		owner: "trader-1".into(),
		event_kinds: BTreeSet::from(["energy.slot.sealed".to_owned()]),
		meters: BTreeSet::new(),
		zones: BTreeSet::new(),
		key: SubscriptionKey::Ed25519,
		state: SubscriptionState::Active,
		created_seconds: NOW_MILLIS / 1000,
	}
}
