//! A real broker, a publisher and a sink that does as it is told.
#![allow(dead_code)]

use std::{
	collections::HashSet,
	io::{BufRead, BufReader, Read, Write},
	net::{TcpListener, TcpStream},
	path::{Path, PathBuf},
	process::{Child, Command, Stdio},
	sync::{Arc, Mutex},
	thread,
	time::Duration,
};

use bytes::{Bytes, BytesMut};
use mqtt_v3::mqttbytes::{v4, QoS};
use oracle_mqtt::{Configuration, Counters, Settings, Source, Status};
use oracle_port::{ReadingSink, Rejection, Unavailable, Verdict};
use tempfile::TempDir;
use tokio::{
	sync::{oneshot, watch},
	task::JoinHandle,
	time::timeout,
};

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// With this variable set to `1`, a missing broker is a reason to skip instead of to fail.
const MAY_SKIP: &str = "ORACLE_MQTT_SKIP_WITHOUT_BROKER";

fn mosquitto() -> Option<PathBuf> {
	let path = std::env::var_os("PATH").unwrap_or_default();
	let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
	folders.push("/usr/sbin".into());
	let found =
		folders.into_iter().map(|folder| folder.join("mosquitto")).find(|file| file.is_file());
	if found.is_none() {
		let message = "mosquitto is not installed: these tests need the real broker";
		assert_eq!(std::env::var(MAY_SKIP).as_deref(), Ok("1"), "{message}");
		eprintln!("\n##### SKIPPED: {message} #####\n");
	}
	found
}

/// A broker on a free port of this machine, ended when dropped.
pub struct Broker {
	program: PathBuf,
	pub folder: TempDir,
	pub port: u16,
	extra: String,
	openssl_config: Option<PathBuf>,
	child: Child,
	log: watch::Receiver<Vec<String>>,
}

impl Broker {
	/// `None` when there is none and that is allowed.
	pub async fn start() -> Option<Self> {
		Self::start_with(TempDir::new().unwrap(), "allow_anonymous true\n", None).await
	}

	pub async fn start_with(
		folder: TempDir,
		extra: &str,
		openssl_config: Option<&Path>,
	) -> Option<Self> {
		let program = mosquitto()?;
		let openssl_config = openssl_config.map(Path::to_owned);
		// Another program may take the port between our look and the broker's start.
		for _ in 0..5 {
			let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
			let launched = launch(&program, &folder, port, extra, openssl_config.as_deref()).await;
			if let Ok((child, log)) = launched {
				let extra = extra.to_owned();
				return Some(Self { program, folder, port, extra, openssl_config, child, log });
			}
		}
		panic!("the broker does not start");
	}

	/// Ends the broker by a signal, which makes it write down its sessions.
	pub fn kill(&mut self) {
		let id = self.child.id().to_string();
		assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
		self.child.wait().unwrap();
	}

	/// Starts it again on the same port with what it has written down.
	pub async fn restart(&mut self) {
		let openssl_config = self.openssl_config.as_deref();
		let launched =
			launch(&self.program, &self.folder, self.port, &self.extra, openssl_config).await;
		(self.child, self.log) = launched.expect("the broker starts again");
	}

	/// Waits until the broker's log since its last start satisfies the condition.
	pub async fn log_until(
		&self,
		what: &str,
		condition: impl Fn(&[String]) -> bool,
	) -> Vec<String> {
		let mut log = self.log.clone();
		let waited = timeout(PATIENCE, log.wait_for(|lines| condition(lines))).await;
		match waited {
			Ok(Ok(lines)) => lines.clone(),
			_ => panic!("no {what} in the broker's log:\n{}", self.log.borrow().join("\n")),
		}
	}

	/// Acknowledgements of a client the broker has seen so far.
	pub fn acknowledgements(&self, client: &str) -> usize {
		count(&self.log.borrow(), &format!("Received PUBACK from {client} "))
	}
}

pub fn count(lines: &[String], part: &str) -> usize {
	lines.iter().filter(|line| line.contains(part)).count()
}

impl Drop for Broker {
	fn drop(&mut self) {
		// It may have ended already; then there is nothing to do.
		let _ = self.child.kill();
		let _ = self.child.wait();
	}
}

async fn launch(
	program: &Path,
	folder: &TempDir,
	port: u16,
	extra: &str,
	openssl_config: Option<&Path>,
) -> Result<(Child, watch::Receiver<Vec<String>>), String> {
	let folder = folder.path();
	let user = std::env::var("USER").unwrap_or_else(|_| "root".into());
	let config = format!(
		"user {user}\npersistence true\npersistence_location {}/\nlog_dest stderr\nlog_type all\n\
		 max_inflight_messages 1000\nmax_queued_messages 0\nlistener {port} 127.0.0.1\n{extra}",
		folder.display(),
	);
	let file = folder.join("mosquitto.conf");
	std::fs::write(&file, config).unwrap();
	let mut command = Command::new(program);
	command.arg("-c").arg(file).stdin(Stdio::null()).stderr(Stdio::piped());
	if let Some(config) = openssl_config {
		command.env("OPENSSL_CONF", config);
	}
	let mut child = command.spawn().unwrap();
	let output = child.stderr.take().unwrap();
	let (sender, mut log) = watch::channel(Vec::new());
	thread::spawn(move || {
		for line in BufReader::new(output).lines().map_while(Result::ok) {
			sender.send_modify(|lines: &mut Vec<String>| lines.push(line));
		}
	});
	let running = timeout(PATIENCE, log.wait_for(|lines| count(lines, " running") == 1))
		.await
		.is_ok_and(|waited| waited.is_ok());
	if !running {
		let _ = child.kill();
		let _ = child.wait();
		let reason = log.borrow().join("\n");
		eprintln!("the broker did not start:\n{reason}");
		return Err(reason);
	}
	Ok((child, log))
}

/// A client that publishes and waits for the broker's word.
pub struct Publisher {
	stream: TcpStream,
	buffer: BytesMut,
	packet_id: u16,
}

impl Publisher {
	pub fn connect(port: u16) -> Self {
		let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
		stream.set_read_timeout(Some(PATIENCE)).unwrap();
		stream.set_nodelay(true).unwrap();
		let mut publisher = Self { stream, buffer: BytesMut::new(), packet_id: 0 };
		let mut connect = v4::Connect::new("");
		connect.clean_session = true;
		connect.keep_alive = 0;
		publisher.send(&v4::Packet::Connect(connect));
		assert!(matches!(publisher.receive(), v4::Packet::ConnAck(_)));
		publisher
	}

	fn send(&mut self, packet: &v4::Packet) {
		let mut bytes = BytesMut::new();
		packet.write(&mut bytes, usize::MAX).unwrap();
		self.stream.write_all(&bytes).unwrap();
	}

	fn receive(&mut self) -> v4::Packet {
		loop {
			match v4::Packet::read(&mut self.buffer, usize::MAX) {
				Ok(packet) => return packet,
				Err(mqtt_v3::mqttbytes::Error::InsufficientBytes(_)) => {}
				Err(error) => panic!("{error}"),
			}
			let mut chunk = [0; 4096];
			let length = self.stream.read(&mut chunk).unwrap();
			assert!(length > 0, "the broker closed the connection");
			self.buffer.extend_from_slice(&chunk[..length]);
		}
	}

	/// Publishes with QoS 1 and returns when the broker has it.
	pub fn publish(&mut self, topic: &str, payload: &[u8]) {
		self.publish_with(topic, payload, QoS::AtLeastOnce);
	}

	pub fn publish_with(&mut self, topic: &str, payload: &[u8], quality: QoS) {
		let mut packet = v4::Publish::new(topic, quality, payload.to_vec());
		if quality != QoS::AtMostOnce {
			self.packet_id += 1;
			packet.pkid = self.packet_id;
		}
		self.send(&v4::Packet::Publish(packet));
		match quality {
			QoS::AtMostOnce => {}
			QoS::AtLeastOnce => assert!(matches!(self.receive(), v4::Packet::PubAck(_))),
			QoS::ExactlyOnce => {
				assert!(matches!(self.receive(), v4::Packet::PubRec(_)));
				self.send(&v4::Packet::PubRel(v4::PubRel::new(self.packet_id)));
				assert!(matches!(self.receive(), v4::Packet::PubComp(_)));
			}
		}
	}

	/// Leaves behind a session of this name that is subscribed with QoS 2.
	pub fn leave_session(port: u16, client: &str, filter: &str) {
		let mut publisher = Self::connect(port);
		publisher.stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
		let mut connect = v4::Connect::new(client);
		connect.clean_session = false;
		publisher.send(&v4::Packet::Connect(connect));
		assert!(matches!(publisher.receive(), v4::Packet::ConnAck(_)));
		let mut subscribe = v4::Subscribe::new(filter, QoS::ExactlyOnce);
		subscribe.pkid = 1;
		publisher.send(&v4::Packet::Subscribe(subscribe));
		assert!(matches!(publisher.receive(), v4::Packet::SubAck(_)));
		publisher.send(&v4::Packet::Disconnect);
	}
}

/// What the sink does with what it is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
	Open,
	/// Takes messages and does not answer until the mode changes.
	Held,
	Unavailable,
	/// Takes messages, and cannot keep refused ones.
	RefusalsUnavailable,
	/// Answers for one message too few.
	Miscounting,
}

/// A sink that keeps what it gets, also what is refused; messages that are no JSON it rejects.
pub struct TestSink {
	pub mode: watch::Sender<Mode>,
	stored: Mutex<HashSet<Bytes>>,
	/// Refused messages, each with the reason, as often as they came.
	pub refused: watch::Sender<Vec<(Bytes, Rejection)>>,
	/// Times refused messages were offered.
	pub refusals_offered: watch::Sender<usize>,
	/// Sizes of the batches offered so far.
	pub offered: watch::Sender<Vec<usize>>,
	/// Number of messages on disk.
	pub stored_count: watch::Sender<usize>,
}

impl TestSink {
	pub fn new(mode: Mode) -> Arc<Self> {
		Arc::new(Self {
			mode: watch::Sender::new(mode),
			stored: Mutex::default(),
			refused: watch::Sender::new(Vec::new()),
			refusals_offered: watch::Sender::new(0),
			offered: watch::Sender::new(Vec::new()),
			stored_count: watch::Sender::new(0),
		})
	}

	pub fn has(&self, payload: &[u8]) -> bool {
		self.stored.lock().unwrap().contains(payload)
	}

	pub async fn stored(&self, number: usize) {
		let mut count = self.stored_count.subscribe();
		let waited = timeout(PATIENCE, count.wait_for(|count| *count >= number)).await.is_ok();
		assert!(waited, "{:?} of {number} messages stored", self.stored_count.borrow());
	}

	pub async fn refusals_offered(&self, number: usize) {
		let mut offered = self.refusals_offered.subscribe();
		let waited = timeout(PATIENCE, offered.wait_for(|count| *count >= number)).await.is_ok();
		assert!(waited, "refused messages were not offered {number} times");
	}

	/// Waits while held. The mode, unless it is one of those in which nothing can be done.
	async fn open(&self, unavailable: &[Mode]) -> Result<Mode, Unavailable> {
		let mut mode = self.mode.subscribe();
		let mode = *mode.wait_for(|mode| *mode != Mode::Held).await.expect("the sender lives");
		if unavailable.contains(&mode) {
			let retry_after = Duration::from_millis(20);
			return Err(Unavailable { reason: "told so".into(), retry_after });
		}
		Ok(mode)
	}

	pub async fn offers(&self, condition: impl Fn(&[usize]) -> bool) {
		let mut offered = self.offered.subscribe();
		let waited = timeout(PATIENCE, offered.wait_for(|sizes| condition(sizes))).await.is_ok();
		assert!(waited, "offered: {:?}", self.offered.borrow());
	}
}

impl ReadingSink for TestSink {
	async fn submit(&self, messages: Vec<Bytes>) -> Result<Vec<Verdict>, Unavailable> {
		self.offered.send_modify(|sizes| sizes.push(messages.len()));
		let mode = self.open(&[Mode::Unavailable]).await?;
		let mut stored = self.stored.lock().unwrap();
		let mut verdicts: Vec<Verdict> = messages
			.into_iter()
			.map(|message| {
				if serde_json::from_slice::<serde_json::Value>(&message).is_err() {
					let rejection = Rejection {
						field: "$".into(),
						reason: "no JSON".into(),
						code: "not-json".into(),
					};
					Verdict::Rejected(rejection)
				} else if stored.insert(message) {
					Verdict::Accepted
				} else {
					Verdict::Duplicate
				}
			})
			.collect();
		self.stored_count.send_replace(stored.len());
		if mode == Mode::Miscounting {
			verdicts.pop();
		}
		Ok(verdicts)
	}

	async fn reject(&self, messages: Vec<(Bytes, Rejection)>) -> Result<(), Unavailable> {
		self.refusals_offered.send_modify(|count| *count += 1);
		self.open(&[Mode::Unavailable, Mode::RefusalsUnavailable]).await?;
		self.refused.send_modify(|refused| refused.extend(messages));
		Ok(())
	}
}

/// A source at work.
pub struct Running {
	pub counters: Arc<Counters>,
	pub status: watch::Receiver<Status>,
	stop: oneshot::Sender<()>,
	task: JoinHandle<()>,
}

impl Running {
	pub fn start(configuration: Configuration, sink: &Arc<TestSink>) -> Self {
		let settings = Settings::try_from(configuration).unwrap();
		let source = Source::new(settings, sink.clone()).unwrap();
		let (stop, stopped) = oneshot::channel();
		Self {
			counters: source.counters(),
			status: source.status(),
			stop,
			task: tokio::spawn(source.run(async { stopped.await.unwrap_or_default() })),
		}
	}

	pub async fn status(&mut self, what: &str, condition: impl Fn(&Status) -> bool) -> Status {
		let status = self.status.clone();
		match timeout(PATIENCE, self.status.wait_for(|status| condition(status))).await {
			Ok(Ok(status)) => status.clone(),
			_ => panic!("not {what}: {:?}", status.borrow()),
		}
	}

	pub async fn subscribed(&mut self) {
		self.status("subscribed", |status| *status == Status::Subscribed).await;
	}

	/// The reason of a failure to connect.
	pub async fn refused(&mut self) -> String {
		let refused = |status: &Status| matches!(status, Status::Disconnected { .. });
		match self.status("refused", refused).await {
			Status::Disconnected { reason } => reason,
			other => panic!("{other:?}"),
		}
	}

	/// Asks it to stop.
	pub fn ask_to_stop(self) -> JoinHandle<()> {
		self.stop.send(()).expect("the source runs");
		self.task
	}

	pub async fn stop(self) {
		finished(self.ask_to_stop()).await;
	}
}

pub async fn finished(task: JoinHandle<()>) {
	timeout(PATIENCE, task).await.expect("stops in time").expect("does not panic");
}

/// A configuration for the broker; keeps its session.
pub fn configuration(broker: &Broker, client: &str, protocol: &str) -> Configuration {
	serde_json::from_value(serde_json::json!({
		"broker_url": format!("mqtt://127.0.0.1:{}", broker.port),
		"client_id": client,
		"protocol": protocol,
		"reconnect_minimum_ms": 10,
		"reconnect_maximum_ms": 100,
	}))
	.unwrap()
}

/// A topic the default pattern subscribes to.
pub fn topic(meter: &str) -> String {
	format!("energy-cloud/seoul/meter/{meter}/readings")
}

/// A message; the number makes it one of its own.
pub fn message(meter: &str, number: usize) -> Vec<u8> {
	format!(r#"{{"meterId":"{meter}","number":{number}}}"#).into_bytes()
}
