//! A real broker that all tests share, a client of it, and a source at work.

use std::{
	io::{BufRead, BufReader},
	net::TcpListener,
	os::unix::process::CommandExt,
	path::Path,
	process::{Child, Command, Stdio},
	sync::{
		atomic::{AtomicU64, Ordering::Relaxed},
		Arc, Mutex, OnceLock,
	},
};

use lapin::{
	options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions},
	BasicProperties, Channel, Connection, ConnectionProperties,
};
use oracle_amqp::{Configuration, Counters, Settings, Source, Status};
use oracle_source::testing::{TestSink, PATIENCE};
use tokio::{
	net::TcpStream,
	sync::{oneshot, watch},
	task::JoinHandle,
	time::timeout,
};

const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// Ends the broker and removes its folder when the standard input ends, that is, when the process
/// with the tests does, however it does.
const SCRIPT: &str = r#"
epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 >/dev/null 2>&1 &
names=$!
"$0" &
broker=$!
cat >/dev/null
kill -TERM "$broker"
wait "$broker"
kill -KILL "$names"
rm -rf "$HOME"
"#;

/// A broker on a free port of this machine, with its own folder.
pub struct Broker {
	pub port: u16,
	pub tls_port: u16,
	/// PEM file of the authority that vouches for it.
	pub ca_file: std::path::PathBuf,
	pub password_file: std::path::PathBuf,
	_process: Mutex<Child>,
}

/// The one broker of this process.
pub fn broker() -> &'static Broker {
	static BROKER: OnceLock<Broker> = OnceLock::new();
	BROKER.get_or_init(|| {
		assert!(
			Path::new(PROGRAM).is_file(),
			"{PROGRAM} is missing: install the Debian package rabbitmq-server"
		);
		// Another program may take a port between our look and the broker's start.
		(0..3).find_map(|_| start()).expect("the broker does not start")
	})
}

fn free_port() -> u16 {
	TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start() -> Option<Broker> {
	let folder = tempfile::TempDir::new().unwrap().keep();
	let file = |name: &str| folder.join(name);
	let (port, tls_port) = (free_port(), free_port());
	let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
	std::fs::write(file("certificate.pem"), certified.serialize_pem().unwrap()).unwrap();
	std::fs::write(file("key.pem"), certified.serialize_private_key_pem()).unwrap();
	std::fs::write(file("password"), "guest\n").unwrap();
	std::fs::write(file("plugins"), "[].\n").unwrap();
	std::fs::write(file("environment"), "").unwrap();
	let path = folder.display();
	let configuration = format!(
		"listeners.tcp.1 = 127.0.0.1:{port}\nlisteners.ssl.1 = 127.0.0.1:{tls_port}\n\
		 ssl_options.certfile = {path}/certificate.pem\nssl_options.keyfile = {path}/key.pem\n\
		 ssl_options.versions.1 = tlsv1.3\nlog.console = true\nlog.file = false\n"
	);
	std::fs::write(file("rabbitmq.conf"), configuration).unwrap();
	let mut process = Command::new("sh")
		.args(["-c", SCRIPT, PROGRAM])
		.env("HOME", &folder)
		.env("ERL_EPMD_PORT", free_port().to_string())
		.env("RABBITMQ_CONF_ENV_FILE", file("environment"))
		.env("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf"))
		.env("RABBITMQ_DIST_PORT", free_port().to_string())
		.env("RABBITMQ_ENABLED_PLUGINS_FILE", file("plugins"))
		.env("RABBITMQ_GENERATED_CONFIG_DIR", file("generated"))
		.env("RABBITMQ_LOG_BASE", file("log"))
		.env("RABBITMQ_MNESIA_BASE", file("data"))
		.env("RABBITMQ_NODENAME", "oracle-test@localhost")
		.env("RABBITMQ_PID_FILE", file("pid"))
		.stdin(Stdio::piped())
		.stdout(Stdio::piped())
		.stderr(Stdio::null())
		.process_group(0)
		.spawn()
		.unwrap();
	let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
	if !lines.any(|line| line.contains("Server startup complete")) {
		drop(process.stdin.take());
		process.wait().unwrap();
		return None;
	}
	std::thread::spawn(move || lines.for_each(drop));
	Some(Broker {
		port,
		tls_port,
		ca_file: file("certificate.pem"),
		password_file: file("password"),
		_process: Mutex::new(process),
	})
}

/// A client that looks at the broker and publishes.
pub struct Client {
	connection: Connection,
	pub channel: Channel,
}

impl Client {
	pub async fn connect() -> Self {
		let url = format!("amqp://guest:guest@127.0.0.1:{}/%2f", broker().port);
		let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
		let channel = connection.create_channel().await.unwrap();
		channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
		Self { connection, channel }
	}

	/// A client beside a durable queue.
	pub async fn with_queue(queue: &str) -> Self {
		let client = Self::connect().await;
		client.declare(queue).await;
		client
	}

	pub async fn declare(&self, queue: &str) {
		let options = QueueDeclareOptions { durable: true, ..Default::default() };
		self.channel.queue_declare(queue.into(), options, Default::default()).await.unwrap();
	}

	pub async fn delete(&self, queue: &str) {
		self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
	}

	/// Returns when the broker has them.
	pub async fn publish<P: AsRef<[u8]>>(
		&self,
		exchange: &str,
		routing_key: &str,
		payloads: impl IntoIterator<Item = P>,
	) {
		let mut confirms = Vec::new();
		for payload in payloads {
			let confirm = self.channel.basic_publish(
				exchange.into(),
				routing_key.into(),
				BasicPublishOptions::default(),
				payload.as_ref(),
				BasicProperties::default().with_delivery_mode(2),
			);
			confirms.push(confirm.await.unwrap());
		}
		for confirm in confirms {
			assert!(confirm.await.unwrap().is_ack());
		}
	}

	/// Messages in a queue nobody consumes, those without an acknowledgement included.
	pub async fn left(&self, queue: &str) -> u32 {
		let options = QueueDeclareOptions { passive: true, ..Default::default() };
		let found = self.channel.queue_declare(queue.into(), options, Default::default()).await;
		found.unwrap().message_count()
	}

	pub async fn close(self) {
		self.connection.close(200, "done".into()).await.unwrap();
	}
}

/// A way to the broker that can be cut.
pub struct Proxy {
	pub port: u16,
	connections: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Proxy {
	pub async fn start() -> Self {
		let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
		let port = listener.local_addr().unwrap().port();
		let connections: Arc<Mutex<Vec<JoinHandle<()>>>> = Arc::default();
		let accepted = connections.clone();
		tokio::spawn(async move {
			while let Ok((mut near, _)) = listener.accept().await {
				let copy = tokio::spawn(async move {
					let mut far = TcpStream::connect(("127.0.0.1", broker().port)).await.unwrap();
					// Either side may end at any time.
					let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
				});
				accepted.lock().unwrap().push(copy);
			}
		});
		Self { port, connections }
	}

	pub fn cut(&self) {
		self.connections.lock().unwrap().drain(..).for_each(|connection| connection.abort());
	}
}

pub fn configuration(queue: &str) -> Configuration {
	serde_json::from_value(serde_json::json!({
		"broker_url": format!("amqp://127.0.0.1:{}", broker().port),
		"username": "guest",
		"password_file": broker().password_file,
		"queue": queue,
		"reconnect_minimum_ms": 10,
		"reconnect_maximum_ms": 100,
	}))
	.unwrap()
}

/// A message; the number makes it one of its own.
pub fn message(number: usize) -> String {
	format!(r#"{{"meterId":"KR-1","number":{number}}}"#)
}

pub fn value(counter: &AtomicU64) -> u64 {
	counter.load(Relaxed)
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

	pub async fn status(&mut self, condition: impl Fn(&Status) -> bool) -> Status {
		let status = self.status.clone();
		match timeout(PATIENCE, self.status.wait_for(|status| condition(status))).await {
			Ok(Ok(status)) => status.clone(),
			_ => panic!("is {:?}", status.borrow()),
		}
	}

	pub async fn subscribed(&mut self) {
		self.status(|status| *status == Status::Subscribed).await;
	}

	/// The reason why there is no connection.
	pub async fn refused(&mut self) -> String {
		match self.status(|status| matches!(status, Status::Disconnected { .. })).await {
			Status::Disconnected { reason } => reason,
			other => panic!("{other:?}"),
		}
	}

	pub async fn stop(self) {
		self.stop.send(()).expect("the source runs");
		timeout(PATIENCE, self.task).await.expect("stops in time").expect("does not panic");
	}
}
